/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef BATCH_H
#define BATCH_H 1

/* What the daemon does to mappings, many with one system call, by running
 * this program itself (BPF_PROG_TEST_RUN).  Only a program can look up
 * sockets by their addresses, and change a mapping's state atomically. */

#include "infuse.h"

/* How long a mapping that waits for its socket stays without one. */
#define INFUSING (3 * MIGRATE_DEADLINE)     /* ms. */

struct batch batch;

static __always_inline int
batch_socket(struct __sk_buff *skb, const struct mapping *m, __u32 *rcv_nxt)
{
    struct tuple t = m->tuple;
    struct bpf_sock *sk = tuple_socket(skb, &t);
    int alive;

    if (!sk) {
        return 0;
    }
    alive = socket_is_connection(sk, rcv_nxt);
    bpf_sk_release(sk);
    return alive;
}

static __always_inline __u32
batch_confirm(struct __sk_buff *skb, struct mapping *m, struct batch_entry *e)
{
    __u32 rcv_nxt = 0;

    if (m->state != MAPPING_ESTABLISHED || !batch_socket(skb, m, &rcv_nxt)) {
        return BATCH_NONE;
    }
    e->rcv_nxt = bpf_htonl(rcv_nxt);
    return BATCH_DONE;
}

static __always_inline __u32
batch_abort(struct mapping *m, const struct batch_entry *e)
{
    __u32 state = m->state;

    if (!state_lives(state)
        || !address_eq(&m->switch_address, &e->switch_address)) {
        return BATCH_NONE;
    }
    m->changed = bpf_ktime_get_ns();
    if (__sync_val_compare_and_swap(&m->state, state, MAPPING_ABORTED)
        != state) {
        return BATCH_NONE;
    }
    if (state == MAPPING_ESTABLISHED) {
        count(COUNTER_ENDED);
    }
    return BATCH_DONE;
}

/* Whoever is forgotten must not come again.  Returns whether 'm' was in 'state'
 * still. */
static __always_inline int
batch_forget(__be32 flow_id, struct mapping *m, __u32 state)
{
    struct switch_peer *peer = bpf_map_lookup_elem(&switches,
                                                   &m->switch_address);

    if (peer && peer->epoch == m->epoch
        && !flow_is_older(bpf_ntohl(flow_id), peer->floor)) {
        peer->floor = bpf_ntohl(flow_id) + 1;
    }
    return mapping_forget(flow_id, m, state);
}

static __always_inline __u32
batch_check(struct __sk_buff *skb, __be32 flow_id, struct mapping *m)
{
    __u64 now = bpf_ktime_get_ns(), changed = m->changed;
    __u32 state = m->state, rcv_nxt;

    if (state == MAPPING_ESTABLISHED) {
        if (!batch_socket(skb, m, &rcv_nxt)) {
            mapping_close(flow_id, m);
        }
    } else if (state == MAPPING_INFUSING) {
        if (batch_socket(skb, m, &rcv_nxt)) {
            mapping_establish(flow_id, m);
        } else if (is_past(now, changed, INFUSING)) {
            batch_forget(flow_id, m, state);
        }
    } else if (is_past(now, changed, 2 * MIGRATE_LINGER)
               && batch_forget(flow_id, m, state)) {
        /* Nobody reaped it, so nobody heard of its end either. */
        return BATCH_RELEASED;
    }
    return BATCH_NONE;
}

static __always_inline __u32
batch_reap(__be32 flow_id, struct mapping *m, const struct batch_entry *e)
{
    __u32 state = m->state;

    return (m->changed == e->changed && !state_lives(state)
            && batch_forget(flow_id, m, state)
            ? BATCH_DONE : BATCH_NONE);
}

static long
batch_one(__u32 i, void *skb_)
{
    struct __sk_buff *skb = *(void **) skb_;
    struct batch_entry *e;
    struct mapping *m;
    __be32 flow_id;

    if (i >= MIGRATOR_BATCH) {
        return 1;
    }
    e = &batch.entries[i];
    e->result = BATCH_NONE;
    flow_id = e->flow_id;
    m = bpf_map_lookup_elem(&mappings, &flow_id);
    if (!m) {
        return 0;
    }
    if (batch.op != BATCH_ABORT) {
        e->switch_address = m->switch_address;
    }
    e->tuple = m->tuple;
    e->host = m->host;
    if (batch.op != BATCH_REAP) {
        e->changed = m->changed;
    }
    if (batch.op == BATCH_CONFIRM) {
        e->result = batch_confirm(skb, m, e);
    } else if (batch.op == BATCH_ABORT) {
        e->result = batch_abort(m, e);
    } else if (batch.op == BATCH_CHECK) {
        e->result = batch_check(skb, flow_id, m);
    } else if (batch.op == BATCH_REAP) {
        e->result = batch_reap(flow_id, m, e);
    }
    return 0;
}

#endif /* batch.h */
