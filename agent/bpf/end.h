/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef END_H
#define END_H 1

/* Ends the socket that an earlier connection of the same client port left.
 *
 * While there is one, even in TIME_WAIT, the kernel drops the connection that
 * it builds from a bundle without a word.  No helper closes a socket, but a
 * reset does whose sequence number is the one that the socket expects.  So
 * the frame becomes that reset, a copy of it goes to the queue of packets
 * received on this processor, the frame becomes the bundle again, and that
 * goes behind it into the same queue.  It comes back to the ingress program
 * and finds no socket. */

#include "answer.h"

/* Marks a bundle that has come back, and counts how often. */
#define AGAIN_MARK 0x4d696700u
#define AGAIN_MAX 4

struct reset4 {
    struct iphdr ip;
    struct tcphdr tcp;
};

struct reset6 {
    struct ipv6hdr ip;
    struct tcphdr tcp;
};

static __always_inline void
reset_tcp(const struct tuple *t, __u32 seq, struct tcphdr *tcp)
{
    tcp->source = t->client_port;
    tcp->dest = t->service_port;
    tcp->seq = bpf_htonl(seq);
    tcp->doff = sizeof *tcp / 4;
    tcp->rst = 1;
}

static __always_inline __sum16
reset_checksum(const void *addresses, __u32 size, struct tcphdr *tcp)
{
    __u64 sum = bpf_csum_diff(NULL, 0, (void *) addresses, size, 0);

    sum += bpf_htons(IPPROTO_TCP);
    sum += bpf_htons(sizeof *tcp);
    sum = bpf_csum_diff(NULL, 0, (void *) tcp, sizeof *tcp, fold(sum));
    return ~fold(sum);
}

/* Makes the reset and puts it over the frame's headers. */
static __always_inline int
reset_store4(struct __sk_buff *skb, const struct tuple *t, __u32 seq)
{
    struct reset4 r = {
        .ip = {
            .version = 4,
            .ihl = 5,
            .tot_len = bpf_htons(sizeof r),
            .ttl = 64,
            .protocol = IPPROTO_TCP,
            .saddr = address_v4(&t->client),
            .daddr = address_v4(&t->service),
        },
    };

    r.ip.check = ~fold(bpf_csum_diff(NULL, 0, (void *) &r.ip, sizeof r.ip,
                                     0));
    reset_tcp(t, seq, &r.tcp);
    r.tcp.check = reset_checksum(&r.ip.saddr, 8, &r.tcp);
    return bpf_skb_store_bytes(skb, ETH_LEN, &r, sizeof r,
                               BPF_F_RECOMPUTE_CSUM);
}

static __always_inline int
reset_store6(struct __sk_buff *skb, const struct tuple *t, __u32 seq)
{
    struct reset6 r = {
        .ip = {
            .version = 6,
            .payload_len = bpf_htons(sizeof r.tcp),
            .nexthdr = IPPROTO_TCP,
            .hop_limit = 64,
        },
    };

    __builtin_memcpy(&r.ip.saddr, &t->client, sizeof t->client);
    __builtin_memcpy(&r.ip.daddr, &t->service, sizeof t->service);
    reset_tcp(t, seq, &r.tcp);
    r.tcp.check = reset_checksum(&r.ip.saddr, 32, &r.tcp);
    return bpf_skb_store_bytes(skb, ETH_LEN, &r, sizeof r,
                               BPF_F_RECOMPUTE_CSUM);
}

/* Ends the socket of the bundle's addresses, which expects 'rcv_nxt', and has
 * the bundle come again.  Returns the verdict, or -1 if the bundle has come
 * again too often and shall be refused. */
static __noinline int
end_socket(struct __sk_buff *skb, struct work *w, __u32 rcv_nxt)
{
    const struct tuple *t = &w->mapping.tuple;
    __u32 times = (skb->mark & ~0xffu) == AGAIN_MARK ? skb->mark & 0xff : 0;
    __u32 size = sizeof w->saved - ETH_LEN;
    int error;

    if (times >= AGAIN_MAX) {
        return -1;
    }
    if (bpf_skb_load_bytes(skb, ETH_LEN, w->saved, size)) {
        return drop(COUNTER_MALFORMED);
    }
    error = w->bundle.family == 4 ? reset_store4(skb, t, rcv_nxt)
                                  : reset_store6(skb, t, rcv_nxt);
    skb->mark = 0;
    if (error || bpf_clone_redirect(skb, skb->ifindex, BPF_F_INGRESS)
        || bpf_skb_store_bytes(skb, ETH_LEN, w->saved, size,
                               BPF_F_RECOMPUTE_CSUM)) {
        return drop(COUNTER_ANSWER_FAILED);
    }
    skb->mark = AGAIN_MARK | (times + 1);
    return bpf_redirect(skb->ifindex, BPF_F_INGRESS);
}

#endif /* end.h */
