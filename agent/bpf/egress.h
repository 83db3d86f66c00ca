/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef EGRESS_H
#define EGRESS_H 1

/* What this host must not say.
 *
 * Service addresses are local to every host of a pool, but on the network
 * they are the switch's.  So nothing may announce them in ARP (RFC 826) or
 * neighbor discovery (RFC 4861).  And the end of an aborted connection is
 * none of its client's business. */

#include "forward.h"

struct arp4 {
    __be16 hardware, protocol;
    __u8 hardware_len, protocol_len;
    __be16 operation;
    __u8 sender_mac[ETH_ALEN];
    __u8 sender[4];
    __u8 target_mac[ETH_ALEN];
    __u8 target[4];
} __attribute__((packed));

#define ARP_REQUEST 1

static __noinline int
egress_arp(struct __sk_buff *skb)
{
    struct migrate_address sender;
    struct migrator_config *c;
    struct arp4 arp;
    __u32 zero = 0;
    __be32 v4;

    if (bpf_skb_load_bytes(skb, ETH_LEN, &arp, sizeof arp)
        || arp.protocol != bpf_htons(ETH_P_IP)
        || arp.hardware_len != ETH_ALEN || arp.protocol_len != 4) {
        return TC_ACT_UNSPEC;
    }
    __builtin_memcpy(&v4, arp.sender, sizeof v4);
    sender = v4_mapped(v4);
    if (!bpf_map_lookup_elem(&services, &sender)) {
        return TC_ACT_UNSPEC;
    }
    c = bpf_map_lookup_elem(&config, &zero);
    if (!c || !c->own_v4 || arp.operation != bpf_htons(ARP_REQUEST)
        || !__builtin_memcmp(arp.sender, arp.target, sizeof arp.sender)) {
        return drop(COUNTER_NEIGHBOR_SILENCED);
    }
    v4 = c->own_v4;
    if (bpf_skb_store_bytes(skb, ETH_LEN + offsetof(struct arp4, sender),
                            &v4, sizeof v4, 0)) {
        return drop(COUNTER_NEIGHBOR_SILENCED);
    }
    count(COUNTER_NEIGHBOR_REWRITTEN);
    return TC_ACT_UNSPEC;
}

/* ICMPv6 of types 135 and 136. */
struct nd {
    __u8 type;
    __u8 code;
    __sum16 checksum;
    __be32 flags;
    struct migrate_address target;
};

#define ND_SOLICIT 135
#define ND_ADVERTISE 136

/* An advertisement whose target is a service address is dropped.  In a
 * solicitation from one, the source becomes our own. */
static __noinline int
egress_nd(struct __sk_buff *skb)
{
    struct migrate_address source, own;
    struct migrator_config *c;
    __u32 zero = 0;
    struct nd nd;

    if (bpf_skb_load_bytes(skb, MAX_HEADERS, &nd, sizeof nd)) {
        return TC_ACT_UNSPEC;
    }
    if (nd.type == ND_ADVERTISE) {
        return bpf_map_lookup_elem(&services, &nd.target)
               ? drop(COUNTER_NEIGHBOR_SILENCED) : TC_ACT_UNSPEC;
    }
    if (nd.type != ND_SOLICIT
        || bpf_skb_load_bytes(skb, ETH_LEN + offsetof(struct ipv6hdr, saddr),
                              &source, sizeof source)
        || !bpf_map_lookup_elem(&services, &source)) {
        return TC_ACT_UNSPEC;
    }
    c = bpf_map_lookup_elem(&config, &zero);
    if (!c) {
        return drop(COUNTER_NEIGHBOR_SILENCED);
    }
    own = c->own_v6;
    if (!((__be32 *) &own)[0]
        || replace_checksum6(skb, MAX_HEADERS + offsetof(struct nd, checksum),
                             bpf_csum_diff((__be32 *) &source, sizeof source,
                                           (__be32 *) &own, sizeof own, 0))
        || bpf_skb_store_bytes(skb, ETH_LEN + offsetof(struct ipv6hdr, saddr),
                               &own, sizeof own, 0)) {
        return drop(COUNTER_NEIGHBOR_SILENCED);
    }
    count(COUNTER_NEIGHBOR_REWRITTEN);
    return TC_ACT_UNSPEC;
}

/* 'p' is a reset on its way out. */
static __noinline int
egress_reset(struct __sk_buff *skb, const struct packet *p)
{
    struct tuple t = {
        .client = p->dst,
        .service = p->src,
        .client_port = packet_dst_port(p),
        .service_port = packet_src_port(p),
    };
    __be32 *k = bpf_map_lookup_elem(&tuples, &t), flow_id;
    struct mapping *m;

    if (!k) {
        return TC_ACT_UNSPEC;
    }
    flow_id = *k;
    m = bpf_map_lookup_elem(&mappings, &flow_id);
    return m && m->state == MAPPING_ABORTED ? drop(COUNTER_RST_SILENCED)
                                            : TC_ACT_UNSPEC;
}

static __always_inline int
egress(struct __sk_buff *skb)
{
    struct packet p;
    __u8 flags;

    if (skb->protocol == bpf_htons(ETH_P_ARP)) {
        return egress_arp(skb);
    }
    if (!packet_parse(skb, &p)) {
        __u8 next;

        if (skb->protocol == bpf_htons(ETH_P_IPV6)
            && !bpf_skb_load_bytes(skb, ETH_LEN
                                   + offsetof(struct ipv6hdr, nexthdr),
                                   &next, sizeof next)
            && next == IPPROTO_ICMPV6) {
            return egress_nd(skb);
        }
        return TC_ACT_UNSPEC;
    }
    if (p.protocol == IPPROTO_TCP && !p.fragment
        && !bpf_skb_load_bytes(skb, p.l4 + TCP_FLAGS, &flags, sizeof flags)
        && flags & TCP_FLAG_RST) {
        return egress_reset(skb, &p);
    }
    return TC_ACT_UNSPEC;
}

#endif /* egress.h */
