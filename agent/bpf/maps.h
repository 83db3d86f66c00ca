/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef MAPS_H
#define MAPS_H 1

/* The programs' memory.  All maps but 'scratch' and 'events' are pinned and
 * outlive the daemon: see migrator-shared.h. */

#include "kernel.h"
#include "counters-shared.h"
#include "migrator-shared.h"

#define MAX_MAPPINGS 262144         /* --max-connections changes it. */

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_MAPPINGS);
    __type(key, __be32);
    __type(value, struct mapping);
} mappings SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, MAX_MAPPINGS);
    __type(key, struct tuple);
    __type(value, __be32);
} tuples SEC(".maps");

/* LRU: to remember a refusal must not fail when everything is full. */
struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 65536);
    __type(key, struct refusal_key);
    __type(value, struct refusal);
} refusals SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 4096);
    __type(key, struct migrate_address);
    __type(value, struct switch_peer);
} switches SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 4096);
    __type(key, struct migrate_address);
    __type(value, struct service);
} services SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, MIGRATOR_KEYS);
    __type(key, __u32);
    __type(value, struct fabric_key);
} keys SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct migrator_config);
} config SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, N_COUNTERS);
    __type(key, __u32);
    __type(value, __u64);
} counters SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_RINGBUF);
    __uint(max_entries, 1 << 20);
} events SEC(".maps");

/* A report in its frame, IPv4 or IPv6.  The padding aligns what follows the
 * Ethernet header. */
struct answer4 {
    __u8 pad[2];
    struct ethhdr eth;
    struct iphdr ip;
    struct udphdr udp;
    struct migrate_header header;
    struct migrate_report report;
} __attribute__((packed, aligned(4)));

struct answer6 {
    __u8 pad[2];
    struct ethhdr eth;
    struct ipv6hdr ip;
    struct udphdr udp;
    struct migrate_header header;
    struct migrate_report report;
} __attribute__((packed, aligned(4)));

/* What the ingress program needs and its stack has no room for.  It runs
 * with bottom halves off, so one a CPU suffices. */
struct work {
    struct migrate_bundle bundle;
    __be32 flow_id;
    struct mapping mapping;     /* The new one, should it come to that. */
    __be32 old_flow_id;         /* Whose addresses the new one takes over. */
    struct refusal_key refusal_key;
    struct refusal refusal;
    union {
        struct iphdr inner4;
        struct ipv6hdr inner6;
    };
    struct tcphdr tcp;
    union {
        struct answer4 answer4;
        struct answer6 answer6;
    };
    __u8 saved[ETH_HLEN + sizeof(struct ipv6hdr) + sizeof(struct tcphdr)];
};

struct {
    __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
    __uint(max_entries, 1);
    __type(key, __u32);
    __type(value, struct work);
} scratch SEC(".maps");

/* Set by the daemon before it sleeps, and before the programs are loaded. */
__u32 daemon_sleeps = 1;
const volatile __u64 own_netns = 0; /* Its cookie: tracepoints see all. */

/* Atomic, although each processor has its own: a softirq may come between, and
 * the number of connections is a difference of two counters. */
static __always_inline void
count(enum counter counter)
{
    __u32 i = counter;
    __u64 *n = bpf_map_lookup_elem(&counters, &i);

    if (n) {
        __sync_fetch_and_add(n, 1);
    }
}

/* Counts a packet and says to drop it. */
static __always_inline int
drop(enum counter counter)
{
    count(counter);
    return TC_ACT_SHOT;
}

/* Tells the daemon.  It sleeps when there is nothing to do and otherwise
 * comes by every few milliseconds, so only the first event wakes it. */
static __always_inline void
tell(__u8 type, __be32 flow_id, const struct mapping *m)
{
    __u64 flags = BPF_RB_NO_WAKEUP;
    struct event *e = bpf_ringbuf_reserve(&events, sizeof *e, 0);

    if (!e) {
        count(COUNTER_EVENT_LOST);
        return;
    }
    __builtin_memset(e, 0, sizeof *e);
    e->flow_id = flow_id;
    e->type = type;
    e->switch_address = m->switch_address;
    e->host = m->host;
    e->changed = m->changed;
    if (daemon_sleeps) {
        daemon_sleeps = 0;
        flags = BPF_RB_FORCE_WAKEUP;
    }
    bpf_ringbuf_submit(e, flags);
}

#endif /* maps.h */
