/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef FORWARD_H
#define FORWARD_H 1

/* Encapsulated packets: their source address is a switch's and their ports
 * are a flow ID.  Which switch is all the same: one may have taken over from
 * another.  They get their client's and service's addresses and ports
 * back.  The checksums change by the difference, so a packet arrives as whole
 * or as broken as it was sent. */

#include "infuse.h"

#define TCP_FLAGS 13                /* Offset of the flags, bytes. */
#define TCP_FLAG_SYN 0x02
#define TCP_FLAG_RST 0x04
#define TCP_FLAG_ACK 0x10
#define TCP_ACK ((__u32) offsetof(struct tcphdr, ack_seq))
#define TCP_CHECK ((__u32) offsetof(struct tcphdr, check))

/* Part of a TCP header, from TCP_ACK on. */
struct tcp_middle {
    __be32 ack;
    __u8 offset;
    __u8 flags;
} __attribute__((packed));

static __always_inline int
rewrite_ports(struct __sk_buff *skb, const struct packet *p,
              const struct tuple *t)
{
    __be16 ports[2] = { t->client_port, t->service_port };
    __be32 new;

    __builtin_memcpy(&new, ports, sizeof new);
    return bpf_l4_csum_replace(skb, p->l4 + TCP_CHECK, p->ports, new,
                               sizeof new)
           || bpf_skb_store_bytes(skb, p->l4, &new, sizeof new, 0);
}

static __always_inline int
rewrite4(struct __sk_buff *skb, const struct packet *p, const struct tuple *t)
{
    __be32 old[2] = { address_v4(&p->src), address_v4(&p->dst) };
    __be32 new[2] = { address_v4(&t->client), address_v4(&t->service) };
    __s64 diff = bpf_csum_diff(old, sizeof old, new, sizeof new, 0);

    return bpf_l4_csum_replace(skb, p->l4 + TCP_CHECK, 0, diff,
                               BPF_F_PSEUDO_HDR)
           || bpf_l3_csum_replace(skb, ETH_LEN + offsetof(struct iphdr, check),
                                  0, diff, 0)
           || bpf_skb_store_bytes(skb, ETH_LEN + offsetof(struct iphdr, saddr),
                                  new, sizeof new, 0);
}

static __always_inline int
rewrite6(struct __sk_buff *skb, const struct packet *p, const struct tuple *t)
{
    /* 'client' and 'service' are one after the other, as in the packet. */
    __s64 diff = bpf_csum_diff((__be32 *) &p->src, 32,
                               (__be32 *) &t->client, 32, 0);

    return replace_checksum6(skb, p->l4 + TCP_CHECK, diff)
           || bpf_skb_store_bytes(skb,
                                  ETH_LEN + offsetof(struct ipv6hdr, saddr),
                                  &t->client, 32, 0);
}

/* Whether a packet of a connection that was not seen to live may pass.  If
 * there is no socket for it yet, then the listening socket would answer it,
 * with a reset. */
static __always_inline int
lives_by_now(struct __sk_buff *skb, __be32 flow_id, struct mapping *m)
{
    struct tuple t = m->tuple;
    struct bpf_sock *sk = tuple_socket(skb, &t);
    __u32 rcv_nxt;
    int alive;

    if (!sk) {
        return 0;
    }
    alive = socket_is_connection(sk, &rcv_nxt);
    bpf_sk_release(sk);
    if (alive) {
        mapping_establish(flow_id, m);
    }
    return alive;
}

/* Whether the packet with 't' is of the connection of 'm', which has ended.
 * From the same port there may be another by now, whose packets come here
 * until the switch, or an OpenFlow flow of it, knows.  With no socket left, the
 * listening one would answer them with a reset, which fits that connection. */
static __always_inline int
is_rest(const struct mapping *m, const struct tcp_middle *t)
{
    __u32 acked = bpf_ntohl(t->ack) - m->snd_una;

    return t->flags & TCP_FLAG_ACK && acked <= m->snd_nxt - m->snd_una;
}

static __noinline int
forward_mapped(struct __sk_buff *skb, const struct packet *p,
               struct mapping *m)
{
    __u32 state = m->state;
    struct tcp_middle tcp;
    struct tuple t;

    if (state == MAPPING_ABORTED || state == MAPPING_REPLACED
        || state == MAPPING_FORGOTTEN) {
        return drop(COUNTER_STALE);
    }
    if (bpf_skb_load_bytes(skb, p->l4 + TCP_ACK, &tcp, sizeof tcp)) {
        return drop(COUNTER_FLOW_ERROR);
    }
    if (tcp.flags & TCP_FLAG_SYN) {
        return drop(COUNTER_FLOW_SYN);
    }
    if (state == MAPPING_CLOSED && !is_rest(m, &tcp)) {
        return drop(COUNTER_STALE);
    }
    if (state == MAPPING_INFUSING && !lives_by_now(skb, p->ports, m)) {
        return drop(COUNTER_EARLY);
    }
    t = m->tuple;
    if ((p->family == 4 ? rewrite4(skb, p, &t) : rewrite6(skb, p, &t))
        || rewrite_ports(skb, p, &t)) {
        return drop(COUNTER_FLOW_ERROR);
    }
    count(COUNTER_FORWARDED);
    return TC_ACT_OK;
}

static __always_inline int
forward(struct __sk_buff *skb, const struct packet *p)
{
    __be32 flow_id = p->ports;
    struct mapping *m;

    if (!bpf_map_lookup_elem(&switches, &p->src)) {
        return TC_ACT_UNSPEC;
    }
    if (p->fragment) {
        return drop(COUNTER_FLOW_FRAGMENT);
    }
    m = bpf_map_lookup_elem(&mappings, &flow_id);
    return m ? forward_mapped(skb, p, m) : drop(COUNTER_UNKNOWN_FLOW);
}

#endif /* forward.h */
