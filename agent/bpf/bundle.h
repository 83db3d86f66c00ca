/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef BUNDLE_H
#define BUNDLE_H 1

/* What arrives on MIGRATE_PORT: whether it is sealed, whether it is a bundle,
 * and whether all that it says agrees. */

#include "infuse.h"

#define PACKET_MIN4 (sizeof(struct iphdr) + sizeof(struct tcphdr))
#define PACKET_MIN6 (sizeof(struct ipv6hdr) + sizeof(struct tcphdr))

static __always_inline int
inner4_is_right(const struct migrate_bundle *b, const struct iphdr *ip)
{
    return ip->version == 4 && ip->ihl == 5
           && ip->protocol == IPPROTO_TCP
           && ip->tot_len == b->packet_len
           && !(ip->frag_off & bpf_htons(0x3fff))
           && address_is_mapped(&b->client)
           && address_is_mapped(&b->service)
           && ip->saddr == address_v4(&b->client)
           && ip->daddr == address_v4(&b->service);
}

static __always_inline int
inner6_is_right(const struct migrate_bundle *b, const struct ipv6hdr *ip)
{
    return ip->version == 6 && ip->nexthdr == IPPROTO_TCP
           && bpf_ntohs(ip->payload_len) + sizeof *ip
              == bpf_ntohs(b->packet_len)
           && address_eq((const void *) &ip->saddr, &b->client)
           && address_eq((const void *) &ip->daddr, &b->service);
}

static __always_inline int
tcp_is_right(const struct migrate_bundle *b, const struct tcphdr *tcp,
             __u32 segment_len)
{
    return tcp->source == b->client_port && tcp->dest == b->service_port
           && tcp->doff * 4u >= sizeof *tcp && tcp->doff * 4u <= segment_len
           && tcp->ack && !tcp->syn && !tcp->rst
           && b->client_port && b->service_port
           && b->snd_wscale <= MAX_WSCALE && b->rcv_wscale <= MAX_WSCALE
           && !(b->options & ~(MIGRATE_OPT_WSCALE | MIGRATE_OPT_SACK
                               | MIGRATE_OPT_TSTAMP));
}

/* Reads the bundle into 'w'.  Returns false if its parts disagree. */
static __always_inline int
bundle_read(struct __sk_buff *skb, const struct packet *p, struct work *w)
{
    struct migrate_bundle *b = &w->bundle;
    __u32 offset = p->l4 + sizeof(struct udphdr);
    __u32 packet_len, ip_len;

    if (bpf_skb_load_bytes(skb, offset, b, sizeof *b)) {
        return 0;
    }
    offset += sizeof *b;
    packet_len = bpf_ntohs(b->packet_len);
    /* An IPv6 bundle comes in IPv6, so that encapsulated packets, which come
     * from the same address, need no room. */
    if (b->family != p->family
        || packet_len > bpf_ntohs(b->header.length) - sizeof *b) {
        return 0;
    }
    if (b->family == 4) {
        ip_len = sizeof w->inner4;
        if (packet_len < PACKET_MIN4
            || bpf_skb_load_bytes(skb, offset, &w->inner4, sizeof w->inner4)
            || !inner4_is_right(b, &w->inner4)) {
            return 0;
        }
    } else {
        ip_len = sizeof w->inner6;
        if (packet_len < PACKET_MIN6
            || bpf_skb_load_bytes(skb, offset, &w->inner6, sizeof w->inner6)
            || !inner6_is_right(b, &w->inner6)) {
            return 0;
        }
    }
    return !bpf_skb_load_bytes(skb, offset + ip_len, &w->tcp, sizeof w->tcp)
           && tcp_is_right(b, &w->tcp, packet_len - ip_len);
}

/* Prepares the mapping that the bundle brings. */
static __always_inline void
bundle_mapping(const struct packet *p, struct work *w)
{
    const struct migrate_bundle *b = &w->bundle;
    struct mapping *m = &w->mapping;

    w->flow_id = b->flow_id;
    w->refusal_key.switch_address = p->src;
    w->refusal_key.flow_id = b->flow_id;
    m->tuple.client = b->client;
    m->tuple.service = b->service;
    m->tuple.client_port = b->client_port;
    m->tuple.service_port = b->service_port;
    m->service_id = b->service_id;
    m->state = MAPPING_INFUSING;
    m->seq = w->tcp.seq;
    m->ack_seq = w->tcp.ack_seq;
    m->switch_address = p->src;
    m->host = p->dst;
    m->epoch = b->header.epoch;
    m->changed = bpf_ktime_get_ns();
    m->snd_una = 0;
    m->snd_nxt = ~0u;
}

/* Takes a bundle, which is sealed, through its other checks. */
static __noinline int
bundle(struct __sk_buff *skb, const struct packet *p,
       const struct migrate_header *header)
{
    struct work *w;
    __u32 zero = 0;

    if (bpf_ntohs(header->length)
        < sizeof(struct migrate_bundle) + PACKET_MIN4) {
        return drop(COUNTER_BAD_LENGTH);
    }
    count(COUNTER_BUNDLE);
    w = bpf_map_lookup_elem(&scratch, &zero);
    if (!w || !bundle_read(skb, p, w)) {
        return drop(COUNTER_MALFORMED);
    }
    bundle_mapping(p, w);
    return admit(skb, p, w);
}

/* Whether the message with 'header' is whole and sealed.  If not, '*why' is
 * the counter for it. */
static __noinline int
message_is_sealed(struct __sk_buff *skb, const struct packet *p,
                  const struct migrate_header *header, __be16 udp_len,
                  enum counter *why)
{
    __u32 length = bpf_ntohs(header->length);

    if (header->version != MIGRATE_VERSION) {
        *why = COUNTER_BAD_VERSION;
        return 0;
    }
    if (length < sizeof *header || length > MIGRATE_MESSAGE_MAX || length % 8
        || bpf_ntohs(udp_len) != length + sizeof(struct udphdr)
        || p->end != p->l4 + length + sizeof(struct udphdr)) {
        *why = COUNTER_BAD_LENGTH;
        return 0;
    }
    return check(skb, p, header, why);
}

/* The priority of packets whose seal has been checked.  It means nothing to the
 * kernel on their way in. */
#define SEALED_PRIORITY 0x4d696701u

/* Something arrived on MIGRATE_PORT.  What is no bundle is for the daemon, but
 * nobody may keep that busy without a key. */
static __always_inline int
message(struct __sk_buff *skb, const struct packet *p)
{
    enum counter why = COUNTER_BAD_LENGTH;
    struct {
        struct udphdr udp;
        struct migrate_header header;
    } m;

    if (p->fragment) {
        return TC_ACT_UNSPEC;   /* Not past for_daemon(). */
    }
    if (bpf_skb_load_bytes(skb, p->l4, &m, sizeof m)
        || !message_is_sealed(skb, p, &m.header, m.udp.len, &why)) {
        return drop(why);
    }
    if (m.header.type == MIGRATE_BUNDLE) {
        return bundle(skb, p, &m.header);
    }
    skb->priority = SEALED_PRIORITY;
    return TC_ACT_UNSPEC;
}

/* The filter of the daemon's socket: lets through what has been checked.
 * Fragments, and what is behind IPv6 extension headers, have not. */
static __always_inline int
for_daemon(struct __sk_buff *skb)
{
    if (skb->priority == SEALED_PRIORITY) {
        return skb->len;
    }
    count(COUNTER_BAD_LENGTH);
    return 0;
}

#endif /* bundle.h */
