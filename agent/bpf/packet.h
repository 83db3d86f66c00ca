/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef PACKET_H
#define PACKET_H 1

/* From a frame to its addresses, ports and offsets. */

#include "lib/packet-bpf.h"
#include "maps.h"

struct packet {
    struct migrate_address src, dst;
    __be32 ports;               /* As in the packet: source, destination. */
    __u32 l4;                   /* Offset of the transport header, bytes. */
    __u32 end;                  /* Offset past the IP packet. */
    __u8 family;                /* 4 or 6. */
    __u8 protocol;              /* IPPROTO_TCP or IPPROTO_UDP. */
    __u8 fragment;              /* Or behind IPv6 extension headers; then
                                 * 'protocol' and 'ports' mean nothing. */
};

#define MAX_HEADERS (ETH_LEN + (__u32) sizeof(struct ipv6hdr))

static __always_inline int
address_eq(const struct migrate_address *a, const struct migrate_address *b)
{
    const __u32 *x = (const void *) a, *y = (const void *) b;

    return !((x[0] ^ y[0]) | (x[1] ^ y[1]) | (x[2] ^ y[2]) | (x[3] ^ y[3]));
}

static __always_inline void
packet_ipv4(const struct __sk_buff *skb, const struct iphdr *ip,
            struct packet *p)
{
    p->family = 4;
    p->protocol = ip->protocol;
    p->fragment = (ip->frag_off & bpf_htons(0x3fff)) != 0;
    p->src = v4_mapped(ip->saddr);
    p->dst = v4_mapped(ip->daddr);
    p->l4 = ETH_LEN + ip->ihl * 4;
    p->end = packet_end(skb, ETH_LEN, bpf_ntohs(ip->tot_len));
}

static __always_inline int
is_extension(__u8 protocol)
{
    return protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING
           || protocol == IPPROTO_FRAGMENT || protocol == IPPROTO_DSTOPTS;
}

static __always_inline void
packet_ipv6(const struct __sk_buff *skb, const struct ipv6hdr *ip,
            struct packet *p)
{
    p->family = 6;
    p->fragment = is_extension(ip->nexthdr);
    /* Switches send nothing with extension headers, but a flow of placement
     * "flow" may: it must not reach the stack. */
    p->protocol = p->fragment ? IPPROTO_TCP : ip->nexthdr;
    __builtin_memcpy(&p->src, &ip->saddr, sizeof p->src);
    __builtin_memcpy(&p->dst, &ip->daddr, sizeof p->dst);
    p->l4 = MAX_HEADERS;
    p->end = packet_end(skb, MAX_HEADERS, bpf_ntohs(ip->payload_len));
}

/* Whether the headers are as long as they must be, and the packet is as long
 * as they are. */
static __always_inline int
packet_is_whole(const struct __sk_buff *skb, const struct packet *p)
{
    __u32 header = (p->fragment ? 0
                    : p->protocol == IPPROTO_TCP ? sizeof(struct tcphdr)
                    : sizeof(struct udphdr));

    return p->l4 >= ETH_LEN + sizeof(struct iphdr)
           && p->l4 + header <= p->end && p->end <= skb->len;
}

/* Parses 'skb' into 'p'.  Returns 1 if it is whole and TCP or UDP, 0 if it is
 * something that these programs have no business with. */
static __always_inline int
packet_parse(struct __sk_buff *skb, struct packet *p)
{
    void *data = (void *) (long) skb->data;
    void *end = (void *) (long) skb->data_end;
    int v6 = skb->protocol == bpf_htons(ETH_P_IPV6);

    if (!v6 && skb->protocol != bpf_htons(ETH_P_IP)) {
        return 0;
    }
    if (data + MAX_HEADERS > end) {
        /* Either shorter than any of ours or not linear. */
        if (skb->len < MAX_HEADERS || bpf_skb_pull_data(skb, MAX_HEADERS)) {
            return 0;
        }
        data = (void *) (long) skb->data;
        end = (void *) (long) skb->data_end;
        if (data + MAX_HEADERS > end) {
            return 0;
        }
    }

    if (v6) {
        packet_ipv6(skb, data + ETH_LEN, p);
    } else {
        packet_ipv4(skb, data + ETH_LEN, p);
    }
    if ((p->protocol != IPPROTO_TCP && p->protocol != IPPROTO_UDP)
        || !packet_is_whole(skb, p)) {
        return 0;
    }
    if (p->l4 == ETH_LEN + sizeof(struct iphdr)) {
        p->ports = *(__be32 *) (data + ETH_LEN + sizeof(struct iphdr));
        return 1;
    }
    return !bpf_skb_load_bytes(skb, p->l4, &p->ports, sizeof p->ports);
}

static __always_inline __be16
packet_src_port(const struct packet *p)
{
    return ((const __be16 *) &p->ports)[0];
}

static __always_inline __be16
packet_dst_port(const struct packet *p)
{
    return ((const __be16 *) &p->ports)[1];
}

/* Finds the socket, of any kind, of 'client' and 'service'.  The caller must
 * bpf_sk_release() it. */
static __always_inline struct bpf_sock *
tuple_socket(struct __sk_buff *skb, const struct tuple *t)
{
    struct bpf_sock_tuple key = {};

    if (address_is_mapped(&t->client)) {
        key.ipv4.saddr = address_v4(&t->client);
        key.ipv4.daddr = address_v4(&t->service);
        key.ipv4.sport = t->client_port;
        key.ipv4.dport = t->service_port;
        return bpf_skc_lookup_tcp(skb, &key, sizeof key.ipv4,
                                  BPF_F_CURRENT_NETNS, 0);
    }
    __builtin_memcpy(key.ipv6.saddr, &t->client, sizeof t->client);
    __builtin_memcpy(key.ipv6.daddr, &t->service, sizeof t->service);
    key.ipv6.sport = t->client_port;
    key.ipv6.dport = t->service_port;
    return bpf_skc_lookup_tcp(skb, &key, sizeof key.ipv6,
                              BPF_F_CURRENT_NETNS, 0);
}

/* Whether 'sk' is a connection's own full socket; '*rcv_nxt' is what it
 * expects next. */
static __always_inline int
socket_is_connection(struct bpf_sock *sk, __u32 *rcv_nxt)
{
    struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
    __u8 state;

    if (!tp) {
        return 0;
    }
    state = tp->inet_conn.icsk_inet.sk.__sk_common.skc_state;
    *rcv_nxt = tp->rcv_nxt;
    return state != TCP_LISTEN && state != TCP_CLOSE;
}

#endif /* packet.h */
