/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef ANSWER_H
#define ANSWER_H 1

/* Turns a bundle around into a report, so that what can be answered at once
 * is answered at once and without the daemon. */

#include "check.h"

#define ANSWER_UDP_LEN ((__u32) (sizeof(struct udphdr)                 \
                                 + sizeof(struct migrate_header)       \
                                 + sizeof(struct migrate_report)))

static __always_inline __u16
fold(__u64 sum)
{
    sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

/* Seals as the switch does, which may not have our other key. */
static __always_inline void
answer_seal(const struct packet *p, __u8 key_id,
            struct migrate_header *header, const struct migrate_report *report)
{
    struct fabric_key *key = find_key(key_id);
    struct siphash h;

    if (!key) {
        return;
    }
    header->key_id = key_id;
    siphash_init(&h, &key->key);
    hash_bytes(&h, &p->dst, sizeof p->dst);
    hash_bytes(&h, &p->src, sizeof p->src);
    hash_bytes(&h, header, offsetof(struct migrate_header, mac));
    hash_bytes(&h, report, sizeof *report);
    header->mac = le64(siphash_final(&h));
}

/* Fills in the message, and the UDP header before it but for the checksum. */
static __always_inline void
answer_message(const struct packet *p, const struct work *w,
               struct udphdr *udp, struct migrate_header *header,
               struct migrate_report *report)
{
    __u32 zero = 0;
    struct migrator_config *c = bpf_map_lookup_elem(&config, &zero);

    udp->source = bpf_htons(MIGRATE_PORT);
    udp->dest = bpf_htons(MIGRATE_PORT);
    udp->len = bpf_htons(ANSWER_UDP_LEN);

    header->version = MIGRATE_VERSION;
    header->type = MIGRATE_REPORT;
    header->length = bpf_htons(sizeof *header + sizeof *report);
    header->count = bpf_htons(1);
    header->epoch = c ? c->epoch : 0;
    header->sequence = w->mapping.epoch;
    report->flow_id = w->flow_id;
    answer_seal(p, w->bundle.header.key_id, header, report);
}

/* The UDP checksum of the answer in 'skb' (or the part of it that the device
 * wants where the device finishes it). */
static __always_inline __sum16
answer_checksum(struct __sk_buff *skb, const struct packet *p,
                struct udphdr *udp)
{
    struct sk_buff *k = bpf_cast_to_kern_ctx(skb);
    __u64 sum;

    /* The addresses' upper parts are zero words, or ffff, for IPv4: there
     * they must not count. */
    if (p->family == 4) {
        __be32 a[2] = { address_v4(&p->src), address_v4(&p->dst) };

        sum = bpf_csum_diff(NULL, 0, a, sizeof a, 0);
    } else {
        sum = bpf_csum_diff(NULL, 0, (__be32 *) &p->src,
                            sizeof p->src + sizeof p->dst, 0);
    }
    sum += bpf_htons(IPPROTO_UDP);
    sum += bpf_htons(ANSWER_UDP_LEN);
    if (BPF_CORE_READ_BITFIELD(k, ip_summed) == CHECKSUM_PARTIAL) {
        return fold(sum);
    }
    sum = bpf_csum_diff(NULL, 0, (__be32 *) (void *) udp, ANSWER_UDP_LEN,
                        fold(sum));
    sum = (__u16) ~fold(sum);
    return sum ? sum : 0xffff;
}

static __always_inline int
answer_send(struct __sk_buff *skb, const void *frame, __u32 size)
{
    if (bpf_skb_change_tail(skb, size, 0)
        || bpf_skb_store_bytes(skb, 0, frame, size, 0)) {
        return drop(COUNTER_ANSWER_FAILED);
    }
    return bpf_redirect(skb->ifindex, 0);
}

static __always_inline void
answer_ethernet(struct __sk_buff *skb, struct ethhdr *eth)
{
    struct ethhdr old;

    if (bpf_skb_load_bytes(skb, 0, &old, sizeof old)) {
        return;
    }
    __builtin_memcpy(eth->h_dest, old.h_source, ETH_ALEN);
    __builtin_memcpy(eth->h_source, old.h_dest, ETH_ALEN);
    eth->h_proto = old.h_proto;
}

static __noinline int
answer4(struct __sk_buff *skb, const struct packet *p, struct work *w)
{
    struct answer4 *a = &w->answer4;

    answer_ethernet(skb, &a->eth);
    a->ip.version = 4;
    a->ip.ihl = 5;
    a->ip.tot_len = bpf_htons(sizeof a->ip + ANSWER_UDP_LEN);
    a->ip.frag_off = bpf_htons(0x4000);
    a->ip.ttl = 64;
    a->ip.protocol = IPPROTO_UDP;
    a->ip.saddr = address_v4(&p->dst);
    a->ip.daddr = address_v4(&p->src);
    a->ip.check = ~fold(bpf_csum_diff(NULL, 0, (__be32 *) (void *) &a->ip,
                                      sizeof a->ip, 0));
    answer_message(p, w, &a->udp, &a->header, &a->report);
    a->udp.check = answer_checksum(skb, p, &a->udp);
    return answer_send(skb, &a->eth, sizeof *a - sizeof a->pad);
}

static __noinline int
answer6(struct __sk_buff *skb, const struct packet *p, struct work *w)
{
    struct answer6 *a = &w->answer6;

    answer_ethernet(skb, &a->eth);
    a->ip.version = 6;
    a->ip.payload_len = bpf_htons(ANSWER_UDP_LEN);
    a->ip.nexthdr = IPPROTO_UDP;
    a->ip.hop_limit = 64;
    __builtin_memcpy(&a->ip.saddr, &p->dst, sizeof p->dst);
    __builtin_memcpy(&a->ip.daddr, &p->src, sizeof p->src);
    answer_message(p, w, &a->udp, &a->header, &a->report);
    a->udp.check = answer_checksum(skb, p, &a->udp);
    return answer_send(skb, &a->eth, sizeof *a - sizeof a->pad);
}

/* Answers the bundle in 'skb' and returns the verdict on it.  'value' is what
 * the event has to say besides. */
static __always_inline int
answer(struct __sk_buff *skb, const struct packet *p, struct work *w,
       enum migrate_event event, enum migrate_reason reason, __be32 value)
{
    struct migrate_report report = {
        .event = event,
        .reason = reason,
        .rcv_nxt = event == MIGRATE_CONFIRM ? value : 0,
        .known_as = event == MIGRATE_KNOWN ? value : 0,
    };

    skb->mark = 0;
    __builtin_memset(&w->answer6, 0, sizeof w->answer6);
    if (p->family == 4) {
        w->answer4.report = report;
        return answer4(skb, p, w);
    }
    w->answer6.report = report;
    return answer6(skb, p, w);
}

#endif /* answer.h */
