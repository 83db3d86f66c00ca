/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "frame.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "csum.h"

#define ETH_TYPE_IP 0x0800
#define ETH_TYPE_ARP 0x0806
#define ETH_TYPE_IPV6 0x86dd

#define IP_LEN 20
#define IPV6_LEN 40
#define TCP_LEN 20
#define UDP_LEN 8
#define ICMP_LEN 8
#define ARP_LEN 28
#define ND_LEN 24               /* Up to the options. */
#define TTL 64                  /* Of what is built here. */

static uint16_t
get16(const uint8_t *p)
{
    return p[0] << 8 | p[1];
}

static uint32_t
get32(const uint8_t *p)
{
    return (uint32_t) get16(p) << 16 | get16(p + 2);
}

static void
put16(uint8_t *p, uint16_t x)
{
    p[0] = x >> 8;
    p[1] = x;
}

static void
put32(uint8_t *p, uint32_t x)
{
    put16(p, x >> 16);
    put16(p + 2, x);
}

static enum frame_kind
parse_l4(const struct frame *frame, struct packet *p, size_t l4_len)
{
    const uint8_t *l4 = frame->data + p->l4;
    size_t header_len;

    if (p->protocol == IPPROTO_TCP) {
        if (l4_len < TCP_LEN) {
            return FRAME_MALFORMED;
        }
        header_len = (l4[12] >> 4) * 4;
        if (header_len < TCP_LEN || header_len > l4_len) {
            return FRAME_MALFORMED;
        }
        p->seq = get32(l4 + 4);
        p->ack = get32(l4 + 8);
        p->flags = l4[13];
        p->window = get16(l4 + 14);
    } else if (p->protocol == IPPROTO_UDP) {
        size_t udp_len;

        if (l4_len < UDP_LEN) {
            return FRAME_MALFORMED;
        }
        udp_len = get16(l4 + 4);
        if (udp_len < UDP_LEN || udp_len > l4_len) {
            return FRAME_MALFORMED;
        }
        header_len = UDP_LEN;
        l4_len = udp_len;
    } else if (p->protocol == (p->family == 4 ? IPPROTO_ICMP
                               : IPPROTO_ICMPV6)) {
        if (l4_len < ICMP_LEN) {
            return FRAME_MALFORMED;
        }
        p->payload = p->l4 + ICMP_LEN;
        p->payload_len = l4_len - ICMP_LEN;
        return FRAME_ICMP;
    } else {
        return FRAME_OTHER;
    }
    memcpy(&p->src_port, l4, 2);
    memcpy(&p->dst_port, l4 + 2, 2);
    p->payload = p->l4 + header_len;
    p->payload_len = l4_len - header_len;
    return p->protocol == IPPROTO_TCP ? FRAME_TCP : FRAME_UDP;
}

static enum frame_kind
parse_ipv4(const struct frame *frame, struct packet *p, size_t len)
{
    const uint8_t *ip = frame->data + p->l3;
    size_t header_len, total_len;
    __be32 address;

    if (len < IP_LEN || ip[0] >> 4 != 4) {
        return FRAME_MALFORMED;
    }
    header_len = (ip[0] & 15) * 4;
    total_len = get16(ip + 2);
    if (header_len < IP_LEN || header_len > total_len || total_len > len
        || csum_fold(csum_add(0, ip, header_len)) != 0xffff) {
        return FRAME_MALFORMED;
    }
    p->family = 4;
    p->protocol = ip[9];
    memcpy(&address, ip + 12, 4);
    p->src = address_from_v4(address);
    memcpy(&address, ip + 16, 4);
    p->dst = address_from_v4(address);
    if (get16(ip + 6) & 0x3fff) {   /* More fragments, or an offset. */
        return FRAME_FRAGMENT;
    }
    p->l4 = p->l3 + header_len;
    return parse_l4(frame, p, total_len - header_len);
}

/* Whether 'protocol' is an IPv6 extension header.  None is of use to TCP, so
 * none is read. */
static bool
is_extension(uint8_t protocol)
{
    return (protocol == IPPROTO_HOPOPTS || protocol == IPPROTO_ROUTING
            || protocol == IPPROTO_DSTOPTS || protocol == IPPROTO_AH
            || protocol == IPPROTO_MH);
}

static enum frame_kind
parse_ipv6(const struct frame *frame, struct packet *p, size_t len)
{
    const uint8_t *ip = frame->data + p->l3;
    size_t payload_len;

    if (len < IPV6_LEN || ip[0] >> 4 != 6) {
        return FRAME_MALFORMED;
    }
    payload_len = get16(ip + 4);
    if (payload_len > len - IPV6_LEN) {
        return FRAME_MALFORMED;
    }
    p->family = 6;
    p->protocol = ip[6];
    memcpy(&p->src, ip + 8, 16);
    memcpy(&p->dst, ip + 24, 16);
    if (address_is_v4(&p->src) || address_is_v4(&p->dst)) {
        /* Not to be on any wire (RFC 5156 2.2), where they would pass for
         * what arrived in IPv4. */
        return FRAME_MALFORMED;
    }
    if (p->protocol == IPPROTO_FRAGMENT) {
        return FRAME_FRAGMENT;
    }
    if (is_extension(p->protocol)) {
        return FRAME_EXTENDED;
    }
    p->l4 = p->l3 + IPV6_LEN;
    return parse_l4(frame, p, payload_len);
}

static enum frame_kind
parse_arp(const struct frame *frame, struct packet *p, size_t len)
{
    static const uint8_t ethernet_ipv4[6] = { 0, 1, 8, 0, 6, 4 };

    p->family = 0;
    return (len >= ARP_LEN
            && !memcmp(frame->data + p->l3, ethernet_ipv4, 6)
            ? FRAME_ARP : FRAME_MALFORMED);
}

enum frame_kind
frame_parse(const struct frame *frame, struct packet *p)
{
    size_t len;

    if (frame->len < ETH_LEN) {
        return FRAME_MALFORMED;
    }
    p->l3 = ETH_LEN;
    len = frame->len - ETH_LEN;
    switch (get16(frame->data + 12)) {
    case ETH_TYPE_IP:
        return parse_ipv4(frame, p, len);
    case ETH_TYPE_IPV6:
        return parse_ipv6(frame, p, len);
    case ETH_TYPE_ARP:
        return parse_arp(frame, p, len);
    default:
        return FRAME_OTHER;
    }
}

bool
frame_csum_ok(const struct frame *frame, const struct packet *p)
{
    uint32_t l4_len = p->payload - p->l4 + p->payload_len;
    uint64_t sum;

    if (frame->csum_good || frame->csum_partial) {
        return true;
    }
    if (p->protocol == IPPROTO_UDP && p->family == 4
        && !get16(frame->data + p->l4 + 6)) {
        return true;            /* RFC 768: none was computed. */
    }
    sum = (p->protocol == IPPROTO_ICMP ? 0
           : csum_pseudo(0, &p->src, &p->dst, p->protocol, l4_len));
    return csum_fold(csum_add(sum, frame->data + p->l4, l4_len)) == 0xffff;
}

bool
tcp_options_parse(const struct frame *frame, const struct packet *p,
                  struct tcp_options *options)
{
    const uint8_t *o = frame->data + p->l4 + TCP_LEN;
    const uint8_t *end = frame->data + p->payload;

    memset(options, 0, sizeof *options);
    while (o < end && *o != 0) {
        if (*o == 1) {
            o++;
            continue;
        }
        if (end - o < 2 || o[1] < 2 || o[1] > end - o) {
            return false;
        }
        if (o[0] == 2 && o[1] == 4) {
            options->mss = get16(o + 2);
        } else if (o[0] == 3 && o[1] == 3) {
            options->wscale_ok = true;
            options->wscale = o[2] > 14 ? 14 : o[2];
        } else if (o[0] == 4 && o[1] == 2) {
            options->sack_ok = true;
        } else if (o[0] == 8 && o[1] == 10) {
            options->tstamp_ok = true;
            options->tsval = get32(o + 2);
            options->tsecr = get32(o + 6);
        }
        o += o[1];
    }
    return true;
}

/* Replaces the 'len' (even) bytes at 'field' by 'new' and returns what that
 * adds to a sum of the bytes around them. */
static uint64_t
replace(uint8_t *field, const void *new, size_t len)
{
    uint64_t sum = csum_add(0, new, len);
    uint16_t half;

    for (size_t i = 0; i < len; i += 2) {
        memcpy(&half, field + i, 2);
        sum += (uint16_t) ~half;
    }
    memcpy(field, new, len);
    return sum;
}

/* Adds 'sum' to the checksum at 'field'.  A sum of the pseudo-header alone is
 * not complemented. */
static void
csum_update(uint8_t *field, uint64_t sum, bool partial)
{
    uint16_t csum;

    memcpy(&csum, field, 2);
    csum = (partial
            ? csum_fold(csum + sum)
            : ~csum_fold((uint16_t) ~csum + sum));
    memcpy(field, &csum, 2);
}

void
frame_redirect(struct frame *frame, const struct packet *p,
               const uint8_t eth_dst[6], const uint8_t eth_src[6],
               const struct migrate_address *src,
               const struct migrate_address *dst,
               __be16 src_port, __be16 dst_port)
{
    uint8_t *ip = frame->data + p->l3;
    uint8_t *tcp = frame->data + p->l4;
    uint64_t sum, ports_sum;

    memcpy(frame->data, eth_dst, 6);
    memcpy(frame->data + 6, eth_src, 6);
    if (p->family == 4) {
        sum = replace(ip + 12, &src->byte[12], 4);
        sum += replace(ip + 16, &dst->byte[12], 4);
        csum_update(ip + 10, sum, false);
    } else {
        sum = replace(ip + 8, src, 16);
        sum += replace(ip + 24, dst, 16);
    }
    ports_sum = replace(tcp, &src_port, 2);
    ports_sum += replace(tcp + 2, &dst_port, 2);
    csum_update(tcp + 16, frame->csum_partial ? sum : sum + ports_sum,
                frame->csum_partial);
}

bool
icmp_quote_parse(const struct frame *frame, const struct packet *p,
                 struct packet *quoted)
{
    const uint8_t *ip = frame->data + p->payload;
    size_t ip_len = p->family == 4 ? IP_LEN : IPV6_LEN;
    const uint8_t *tcp;

    /* As in parse_ipv4() and parse_ipv6(), but routers cut it short, and may
     * have changed what a checksum covers. */
    if (p->payload_len < ip_len || ip[0] >> 4 != p->family) {
        return false;
    }
    quoted->family = p->family;
    quoted->l3 = p->payload;
    if (p->family == 4) {
        __be32 address;

        ip_len = (ip[0] & 15) * 4;
        quoted->protocol = ip[9];
        memcpy(&address, ip + 12, 4);
        quoted->src = address_from_v4(address);
        memcpy(&address, ip + 16, 4);
        quoted->dst = address_from_v4(address);
        if (ip_len < IP_LEN || get16(ip + 6) & 0x1fff) {
            return false;
        }
    } else {
        quoted->protocol = ip[6];
        memcpy(&quoted->src, ip + 8, 16);
        memcpy(&quoted->dst, ip + 24, 16);
    }
    if (quoted->protocol != IPPROTO_TCP || p->payload_len < ip_len + 8) {
        return false;
    }
    quoted->l4 = p->payload + ip_len;
    tcp = frame->data + quoted->l4;
    memcpy(&quoted->src_port, tcp, 2);
    memcpy(&quoted->dst_port, tcp + 2, 2);
    quoted->seq = get32(tcp + 4);
    return true;
}

void
frame_readdress(struct frame *frame, const struct packet *p,
                const uint8_t eth_dst[6], const uint8_t eth_src[6],
                const struct migrate_address *dst)
{
    uint8_t *ip = frame->data + p->l3;

    memcpy(frame->data, eth_dst, 6);
    memcpy(frame->data + 6, eth_src, 6);
    if (p->family == 4) {
        csum_update(ip + 10, replace(ip + 16, &dst->byte[12], 4), false);
    } else {
        csum_update(frame->data + p->l4 + 2, replace(ip + 24, dst, 16),
                    false);
    }
}

static void
swap(uint8_t *a, uint8_t *b, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint8_t byte = a[i];

        a[i] = b[i];
        b[i] = byte;
    }
}

void
frame_echo(struct frame *frame, const struct packet *p, uint8_t type)
{
    uint8_t *ip = frame->data + p->l3;
    uint8_t *icmp = frame->data + p->l4;
    uint8_t new[2];

    /* Addresses that change places leave all sums as they are. */
    swap(frame->data, frame->data + 6, 6);
    if (p->family == 4) {
        swap(ip + 12, ip + 16, 4);
        new[0] = TTL;
        new[1] = ip[9];
        csum_update(ip + 10, replace(ip + 8, new, 2), false);
    } else {
        swap(ip + 8, ip + 24, 16);
        ip[7] = TTL;
    }
    new[0] = type;
    new[1] = icmp[1];
    csum_update(icmp + 2, replace(icmp, new, 2), false);
    if (!get16(icmp + 2)) {
        put16(icmp + 2, 0xffff);    /* As good, unless all else is 0 too: then
                                     * only this is right. */
    }
}

static size_t
eth_build(uint8_t *buf, const uint8_t dst[6], const uint8_t src[6],
          uint16_t type)
{
    memcpy(buf, dst, 6);
    memcpy(buf + 6, src, 6);
    put16(buf + 12, type);
    return ETH_LEN;
}

static uint16_t
eth_type(const struct migrate_address *a)
{
    return address_is_v4(a) ? ETH_TYPE_IP : ETH_TYPE_IPV6;
}

/* Builds the IP header for 'payload_len' bytes of 'protocol' at 'buf' and
 * returns its length. */
static size_t
ip_build(uint8_t *buf, const struct migrate_address *src,
         const struct migrate_address *dst, uint8_t protocol,
         size_t payload_len)
{
    uint16_t csum;

    if (!address_is_v4(dst)) {
        memset(buf, 0, 8);
        buf[0] = 0x60;
        put16(buf + 4, payload_len);
        buf[6] = protocol;
        buf[7] = TTL;
        memcpy(buf + 8, src, 16);
        memcpy(buf + 24, dst, 16);
        return IPV6_LEN;
    }
    memset(buf, 0, 12);
    buf[0] = 0x45;
    put16(buf + 2, IP_LEN + payload_len);
    put16(buf + 6, 0x4000);     /* Don't fragment. */
    buf[8] = TTL;
    buf[9] = protocol;
    memcpy(buf + 12, &src->byte[12], 4);
    memcpy(buf + 16, &dst->byte[12], 4);
    csum = ~csum_fold(csum_add(0, buf, IP_LEN));
    memcpy(buf + 10, &csum, 2);
    return IP_LEN;
}

static size_t
tcp_options_build(const struct segment *s, uint8_t *o)
{
    const struct tcp_options *options = s->options;
    uint8_t *start = o;

    if (!options) {
        return 0;
    }
    if (s->flags & SEG_SYN) {
        o[0] = 2;
        o[1] = 4;
        put16(o + 2, options->mss);
        o += 4;
        if (options->wscale_ok) {
            o[0] = 1;
            o[1] = 3;
            o[2] = 3;
            o[3] = options->wscale;
            o += 4;
        }
        if (options->sack_ok) {
            o[0] = 1;
            o[1] = 1;
            o[2] = 4;
            o[3] = 2;
            o += 4;
        }
    }
    if (options->tstamp_ok) {
        o[0] = 1;
        o[1] = 1;
        o[2] = 8;
        o[3] = 10;
        put32(o + 4, options->tsval);
        put32(o + 8, options->tsecr);
        o += 12;
    }
    return o - start;
}

size_t
segment_build(const struct segment *s, uint8_t *buf)
{
    size_t ip_len = address_is_v4(s->dst) ? IP_LEN : IPV6_LEN;
    size_t l3 = 0, tcp_len;
    uint16_t csum;
    uint8_t *tcp;
    uint64_t sum;

    if (s->eth_dst) {
        l3 = eth_build(buf, s->eth_dst, s->eth_src, eth_type(s->dst));
    }
    tcp = buf + l3 + ip_len;
    memcpy(tcp, &s->src_port, 2);
    memcpy(tcp + 2, &s->dst_port, 2);
    put32(tcp + 4, s->seq);
    put32(tcp + 8, s->ack);
    tcp_len = TCP_LEN + tcp_options_build(s, tcp + TCP_LEN);
    tcp[12] = tcp_len / 4 << 4;
    tcp[13] = s->flags;
    put16(tcp + 14, s->window);
    put32(tcp + 16, 0);         /* Checksum and urgent pointer. */
    if (s->payload_len) {
        memcpy(tcp + tcp_len, s->payload, s->payload_len);
        tcp_len += s->payload_len;
    }
    ip_build(buf + l3, s->src, s->dst, IPPROTO_TCP, tcp_len);
    sum = csum_pseudo(0, s->src, s->dst, IPPROTO_TCP, tcp_len);
    csum = ~csum_fold(csum_add(sum, tcp, tcp_len));
    memcpy(tcp + 16, &csum, 2);
    return l3 + ip_len + tcp_len;
}

size_t
udp_build(uint8_t *buf, size_t len,
          const uint8_t eth_dst[6], const uint8_t eth_src[6],
          const struct migrate_address *src,
          const struct migrate_address *dst, uint16_t port)
{
    size_t l3 = eth_build(buf, eth_dst, eth_src, eth_type(dst));
    size_t l4 = l3 + ip_build(buf + l3, src, dst, IPPROTO_UDP, UDP_LEN + len);
    uint8_t *udp = buf + l4;
    uint16_t csum;
    uint64_t sum;

    put16(udp, port);
    put16(udp + 2, port);
    put16(udp + 4, UDP_LEN + len);
    put16(udp + 6, 0);
    sum = csum_pseudo(0, src, dst, IPPROTO_UDP, UDP_LEN + len);
    csum = ~csum_fold(csum_add(sum, udp, UDP_LEN + len));
    csum = csum ? csum : 0xffff;    /* 0 would mean "none" (RFC 768). */
    memcpy(udp + 6, &csum, 2);
    return l4 + UDP_LEN + len;
}

void
arp_read(const struct frame *frame, const struct packet *p, struct arp *arp)
{
    const uint8_t *a = frame->data + p->l3;
    __be32 address;

    arp->op = get16(a + 6);
    memcpy(arp->sender_mac, a + 8, 6);
    memcpy(&address, a + 14, 4);
    arp->sender = address_from_v4(address);
    memcpy(arp->target_mac, a + 18, 6);
    memcpy(&address, a + 24, 4);
    arp->target = address_from_v4(address);
}

void
arp_build(const struct arp *arp, const uint8_t eth_dst[6], uint8_t *buf)
{
    static const uint8_t ethernet_ipv4[6] = { 0, 1, 8, 0, 6, 4 };
    uint8_t *a = buf + ETH_LEN;

    memset(buf, 0, ARP_FRAME_LEN);
    eth_build(buf, eth_dst, arp->sender_mac, ETH_TYPE_ARP);
    memcpy(a, ethernet_ipv4, 6);
    put16(a + 6, arp->op);
    memcpy(a + 8, arp->sender_mac, 6);
    memcpy(a + 14, &arp->sender.byte[12], 4);
    memcpy(a + 18, arp->target_mac, 6);
    memcpy(a + 24, &arp->target.byte[12], 4);
}

struct migrate_address
nd_group(const struct migrate_address *target)
{
    struct migrate_address group = {
        .byte = { 0xff, 0x02, [11] = 0x01, [12] = 0xff }
    };

    memcpy(&group.byte[13], &target->byte[13], 3);
    return group;
}

/* Finds the address that a message of type 'type' has to give in its options,
 * the 'len' bytes at 'o'.  Returns false if they are malformed. */
static bool
nd_options_read(const uint8_t *o, size_t len, struct nd *nd)
{
    uint8_t wanted = nd->type == ND_SOLICIT ? 1 : 2;    /* RFC 4861 4.6.1. */

    nd->mac_given = false;
    while (len) {
        size_t option_len = len >= 8 ? o[1] * 8 : 0;

        if (!option_len || option_len > len) {
            return false;
        }
        if (o[0] == wanted && option_len == 8) {
            memcpy(nd->mac, o + 2, 6);
            nd->mac_given = true;
        }
        o += option_len;
        len -= option_len;
    }
    return true;
}

bool
nd_read(const struct frame *frame, const struct packet *p, struct nd *nd)
{
    static const struct migrate_address unspecified;
    const uint8_t *icmp = frame->data + p->l4;
    size_t len = ICMP_LEN + p->payload_len;
    struct migrate_address group;

    if (frame->data[p->l3 + 7] != 255 || icmp[1] || len < ND_LEN) {
        return false;
    }
    nd->type = icmp[0];
    nd->solicited = icmp[4] & 0x40;
    memcpy(&nd->target, icmp + 8, 16);
    if (nd->target.byte[0] == 0xff
        || !nd_options_read(icmp + ND_LEN, len - ND_LEN, nd)) {
        return false;
    }
    if (nd->type == ND_ADVERTISE) {
        return !(nd->solicited && p->dst.byte[0] == 0xff);
    }
    /* A source that is only about to take an address has nothing to give, and
     * asks the group.  (7.1.1 would have it ask any such group.) */
    group = nd_group(&nd->target);
    return (!address_equals(&p->src, &unspecified)
            || (!nd->mac_given && address_equals(&p->dst, &group)));
}

void
nd_build(const struct nd *nd, const uint8_t eth_dst[6],
         const struct migrate_address *src, const struct migrate_address *dst,
         uint8_t *buf)
{
    bool solicit = nd->type == ND_SOLICIT;
    uint8_t group_mac[6] = { 0x33, 0x33 };      /* RFC 2464 7. */
    uint8_t *ip = buf + ETH_LEN;
    uint8_t *icmp = ip + IPV6_LEN;
    uint16_t csum;
    uint64_t sum;

    if (dst->byte[0] == 0xff) {
        memcpy(group_mac + 2, &dst->byte[12], 4);
        eth_dst = group_mac;
    }
    eth_build(buf, eth_dst, nd->mac, ETH_TYPE_IPV6);
    ip_build(ip, src, dst, IPPROTO_ICMPV6, ND_LEN + 8);
    ip[7] = 255;
    memset(icmp, 0, 8);
    icmp[0] = nd->type;
    icmp[4] = solicit ? 0 : nd->solicited ? 0x60 : 0x20;
    memcpy(icmp + 8, &nd->target, 16);
    icmp[24] = solicit ? 1 : 2;
    icmp[25] = 1;
    memcpy(icmp + 26, nd->mac, 6);
    sum = csum_pseudo(0, src, dst, IPPROTO_ICMPV6, ND_LEN + 8);
    csum = ~csum_fold(csum_add(sum, icmp, ND_LEN + 8));
    memcpy(icmp + 2, &csum, 2);
}
