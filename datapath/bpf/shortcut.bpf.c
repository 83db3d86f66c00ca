/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */

/* The short way of a connection's packets through the switch: at the port
 * where they come in, in the kernel, from the client to the host.
 *
 * A packet comes by twice: first at the socket where ovs-vswitchd reads, then
 * at the TC hook.  So one program says what ovs-vswitchd is not to see, and
 * the other one does it instead.  They ask the same question.  If the answer
 * changes in between, a packet goes both ways or none, which TCP can bear. */

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <stddef.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#include "datapath/bpf/shortcut-shared.h"
#include "lib/packet-bpf.h"

#define WHOLE 0xffffffff            /* Bytes. */
#define TCP_SYN 0x002               /* Of the 12 bits that OVS calls flags. */

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, SHORTCUT_MAX);
    __type(key, struct tuple);
    __type(value, struct shortcut_entry);
} connections SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, SHORTCUT_SLOTS);
    __type(key, __u32);
    __type(value, struct shortcut_slot);
} slots SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(map_flags, BPF_F_MMAPABLE);
    __uint(max_entries, SHORTCUT_ENGINES);
    __type(key, __u32);
    __type(value, struct shortcut_slot);
} totals SEC(".maps");

/* As much of a packet as is common to IPv4 and IPv6.  Socket filters cannot
 * but copy it. */
struct headers {
    __u8 pad[2];                    /* Aligns what follows 'eth'. */
    struct ethhdr eth;
    union {
        struct {
            struct iphdr ip4;
            struct tcphdr tcp4;
        };
        struct ipv6hdr ip6;
    };
};

#define HEADERS_LEN (sizeof(struct headers) - offsetof(struct headers, eth))

_Static_assert(HEADERS_LEN == sizeof(struct ethhdr) + sizeof(struct ipv6hdr),
               "no hole");

struct packet {
    struct tuple tuple __attribute__((aligned(8)));
    __u32 l4;                       /* Offset of the TCP header, bytes. */
    __u32 tcp_flags;

    /* Of its connection. */
    struct shortcut_entry *entry;
    struct shortcut_slot *first, *last;
};

static __always_inline int
parse_tcp(const struct __sk_buff *skb, const struct tcphdr *tcp, __u32 end,
          struct packet *p)
{
    __u32 word = bpf_ntohl(tcp_flag_word(tcp));
    __u32 header_len = word >> 28 << 2;

    p->tcp_flags = word >> 16 & 0xfff;
    p->tuple.client_port = tcp->source;
    p->tuple.service_port = tcp->dest;
    return header_len >= sizeof *tcp && p->l4 + header_len <= end
           && end <= skb->len && !(p->tcp_flags & TCP_SYN);
}

static __always_inline int
parse4(const struct __sk_buff *skb, const struct headers *h, struct packet *p)
{
    p->l4 = ETH_LEN + sizeof h->ip4;
    p->tuple.client = v4_mapped(h->ip4.saddr);
    p->tuple.service = v4_mapped(h->ip4.daddr);
    return h->ip4.version == 4 && h->ip4.ihl == 5
           && h->ip4.protocol == IPPROTO_TCP
           && !(h->ip4.frag_off & bpf_htons(0x3fff))
           && parse_tcp(skb, &h->tcp4,
                        packet_end(skb, ETH_LEN, bpf_ntohs(h->ip4.tot_len)),
                        p);
}

static __always_inline int
parse6(const struct __sk_buff *skb, const struct headers *h, struct packet *p)
{
    struct tcphdr tcp;

    p->l4 = ETH_LEN + sizeof h->ip6;
    __builtin_memcpy(&p->tuple.client, &h->ip6.saddr, sizeof p->tuple.client);
    __builtin_memcpy(&p->tuple.service, &h->ip6.daddr,
                     sizeof p->tuple.service);
    /* Mapped addresses would pass for those of IPv4. */
    return h->ip6.version == 6 && h->ip6.nexthdr == IPPROTO_TCP
           && !address_is_mapped(&p->tuple.client)
           && !bpf_skb_load_bytes(skb, p->l4, &tcp, sizeof tcp)
           && parse_tcp(skb, &tcp,
                        packet_end(skb, p->l4, bpf_ntohs(h->ip6.payload_len)),
                        p);
}

static __always_inline int
eth_eq(const struct ethhdr *eth, const __u8 expected[12])
{
    const __u16 *a = (const void *) eth, *b = (const void *) expected;

    return !((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2])
             | (a[3] ^ b[3]) | (a[4] ^ b[4]) | (a[5] ^ b[5]));
}

/* The slot of 'ref', or NULL if it is not any more what it was. */
static __always_inline struct shortcut_slot *
ref_slot(const struct shortcut_ref *ref)
{
    __u32 i = ref->slot;
    struct shortcut_slot *slot = bpf_map_lookup_elem(&slots, &i);

    return slot && slot->generation == ref->generation ? slot : NULL;
}

/* Whether 'skb' takes the short way.  If so, '*p' says how. */
static __always_inline int
find(struct __sk_buff *skb, struct packet *p)
{
    struct shortcut_entry *e;
    struct headers h;

    if (skb->vlan_present
        || bpf_skb_load_bytes(skb, 0, &h.eth, HEADERS_LEN)
        || !(h.eth.h_proto == bpf_htons(ETH_P_IP) ? parse4(skb, &h, p)
             : h.eth.h_proto == bpf_htons(ETH_P_IPV6) ? parse6(skb, &h, p)
             : 0)) {
        return 0;
    }
    e = bpf_map_lookup_elem(&connections, &p->tuple);
    if (!e || e->in != skb->ifindex || !eth_eq(&h.eth, e->eth)) {
        return 0;
    }
    p->entry = e;
    p->first = ref_slot(&e->first);
    p->last = ref_slot(&e->last);
    return p->first && p->last;
}

SEC("socket")
int
shortcut_filter(struct __sk_buff *skb)
{
    struct packet p;

    return skb->pkt_type == PACKET_OUTGOING || find(skb, &p) ? 0 : WHOLE;
}

static __always_inline int
rewrite4(struct __sk_buff *skb, struct packet *p, __u32 tcp_check)
{
    struct shortcut_entry *e = p->entry;
    __be32 old[2] = { address_v4(&p->tuple.client),
                      address_v4(&p->tuple.service) };
    __be32 new[2] = { address_v4(&e->src), address_v4(&e->dst) };
    __s64 diff = bpf_csum_diff(old, sizeof old, new, sizeof new, 0);

    return bpf_l4_csum_replace(skb, tcp_check, 0, diff, BPF_F_PSEUDO_HDR)
           || bpf_l3_csum_replace(skb, ETH_LEN + offsetof(struct iphdr, check),
                                  0, diff, 0)
           || bpf_skb_store_bytes(skb, ETH_LEN + offsetof(struct iphdr, saddr),
                                  new, sizeof new, 0);
}

static __always_inline int
rewrite6(struct __sk_buff *skb, struct packet *p, __u32 tcp_check)
{
    /* 'src' and 'dst' are one after the other, as in the packet. */
    __s64 diff = bpf_csum_diff((__be32 *) &p->tuple.client, 32,
                               (__be32 *) &p->entry->src, 32, 0);

    return replace_checksum6(skb, tcp_check, diff)
           || bpf_skb_store_bytes(skb,
                                  ETH_LEN + offsetof(struct ipv6hdr, saddr),
                                  &p->entry->src, 32, 0);
}

/* Does to the packet what frame_redirect() does. */
static __always_inline int
rewrite(struct __sk_buff *skb, struct packet *p)
{
    __u32 tcp_check = p->l4 + offsetof(struct tcphdr, check);
    struct shortcut_entry *e = p->entry;
    __be32 ports;

    __builtin_memcpy(&ports, &p->tuple.client_port, sizeof ports);
    return (p->l4 == ETH_LEN + sizeof(struct iphdr)
            ? rewrite4(skb, p, tcp_check) : rewrite6(skb, p, tcp_check))
           || bpf_l4_csum_replace(skb, tcp_check, ports, e->flow_id,
                                  sizeof ports)
           || bpf_skb_store_bytes(skb, p->l4, &e->flow_id, sizeof ports, 0)
           || bpf_skb_store_bytes(skb, 0, e->new_eth, sizeof e->new_eth, 0);
}

static __always_inline void
count(struct shortcut_counts *c, __u64 now, __u32 bytes, __u32 tcp_flags)
{
    __sync_fetch_and_add(&c->packets, 1);
    __sync_fetch_and_add(&c->bytes, bytes);
    c->used = now;
    if (tcp_flags & ~c->tcp_flags) {
        __sync_fetch_and_or(&c->tcp_flags, tcp_flags);
    }
}

static __always_inline void
count_everywhere(const struct __sk_buff *skb, struct packet *p)
{
    __u64 now = bpf_ktime_get_coarse_ns();
    __u32 engine = p->entry->engine;
    struct shortcut_slot *total = bpf_map_lookup_elem(&totals, &engine);

    count(&p->entry->counts, now, skb->len, p->tcp_flags);
    count(&p->first->counts, now, skb->len, p->tcp_flags);
    count(&p->last->counts, now, skb->len, p->tcp_flags);
    if (total) {
        count(&total->counts, now, skb->len, p->tcp_flags);
    }
}

SEC("tc")
int
shortcut_ingress(struct __sk_buff *skb)
{
    struct packet p;

    if (!find(skb, &p)) {
        return TC_ACT_UNSPEC;
    }
    if (rewrite(skb, &p)) {
        return TC_ACT_SHOT;         /* Nobody else gets it. */
    }
    count_everywhere(skb, &p);
    return bpf_redirect(p.entry->out, 0);
}

char _license[] SEC("license") = "Dual BSD/GPL";
