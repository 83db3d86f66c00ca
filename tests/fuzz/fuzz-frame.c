/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "frame.h"

#include <netinet/in.h>

#include "csum.h"
#include "fuzz.h"

/* The input is a frame.  It must be parsed within its bounds, and a TCP packet
 * in it be redirected so that its checksums are right if and only if they were
 * right before.  So must ICMP.  What neighbor discovery says can be said
 * again. */

static void
check_packet(const struct frame *frame, const struct packet *p)
{
    FUZZ_CHECK(p->l3 == ETH_LEN && p->l4 >= p->l3 + 20);
    FUZZ_CHECK(p->payload >= p->l4 + 8);
    FUZZ_CHECK((size_t) p->payload + p->payload_len <= frame->len);
    FUZZ_CHECK(p->family == (address_is_v4(&p->src) ? 4 : 6));
    FUZZ_CHECK(p->family == (address_is_v4(&p->dst) ? 4 : 6));
}

/* Whether the IPv4 header's checksum is right; IPv6 has none. */
static bool
header_ok(const struct frame *frame, const struct packet *p)
{
    const uint8_t *ip = frame->data + p->l3;

    return (p->family == 6
            || csum_fold(csum_add(0, ip, p->l4 - p->l3)) == 0xffff);
}

/* Makes 'a' an address that may be in an IPv6 packet. */
static void
unmap(struct migrate_address *a)
{
    if (address_is_v4(a)) {
        a->byte[0] = 0x20;
    }
}

/* Redirects the packet to where its last bytes say. */
static void
check_redirect(struct frame *frame, const struct packet *p)
{
    uint8_t tail[36] = { 0 };
    struct migrate_address src, dst;
    struct packet after;
    uint16_t ports[2];
    bool good = frame_csum_ok(frame, p);

    memcpy(tail, frame->data + frame->len - 36, sizeof tail);
    memcpy(&src, tail, 16);
    memcpy(&dst, tail + 16, 16);
    memcpy(ports, tail + 32, 4);
    if (p->family == 4) {
        __be32 v4[2];

        memcpy(v4, tail, sizeof v4);
        src = address_from_v4(v4[0]);
        dst = address_from_v4(v4[1]);
    } else {
        unmap(&src);
        unmap(&dst);
    }
    frame_redirect(frame, p, tail, tail + 6, &src, &dst, ports[0], ports[1]);
    FUZZ_CHECK(frame_parse(frame, &after) == FRAME_TCP);
    FUZZ_CHECK(address_equals(&after.src, &src));
    FUZZ_CHECK(address_equals(&after.dst, &dst));
    FUZZ_CHECK(after.src_port == ports[0] && after.dst_port == ports[1]);
    FUZZ_CHECK(after.payload == p->payload
               && after.payload_len == p->payload_len);
    FUZZ_CHECK(header_ok(frame, &after));
    FUZZ_CHECK(frame_csum_ok(frame, &after) == good);
}

/* Sends the ICMP packet to where its last bytes say, and back. */
static void
check_icmp(struct frame *frame, const struct packet *p)
{
    bool good = frame_csum_ok(frame, p);
    struct migrate_address dst = p->dst;
    struct packet after, quoted;

    if (icmp_quote_parse(frame, p, &quoted)) {
        FUZZ_CHECK(quoted.family == p->family);
        FUZZ_CHECK(quoted.l4 + 8u <= p->payload + p->payload_len);
    }
    memcpy(p->family == 4 ? &dst.byte[12] : dst.byte,
           frame->data + frame->len - 16, p->family == 4 ? 4 : 16);
    if (p->family == 6) {
        unmap(&dst);
    }
    frame_readdress(frame, p, dst.byte, dst.byte + 6, &dst);
    FUZZ_CHECK(frame_parse(frame, &after) == FRAME_ICMP);
    FUZZ_CHECK(address_equals(&after.src, &p->src));
    FUZZ_CHECK(address_equals(&after.dst, &dst));
    FUZZ_CHECK(header_ok(frame, &after));
    FUZZ_CHECK(frame_csum_ok(frame, &after) == good);
    frame_echo(frame, &after, 0);
    FUZZ_CHECK(frame_parse(frame, &after) == FRAME_ICMP);
    FUZZ_CHECK(address_equals(&after.src, &dst));
    FUZZ_CHECK(address_equals(&after.dst, &p->src));
    FUZZ_CHECK(header_ok(frame, &after));
    FUZZ_CHECK(frame_csum_ok(frame, &after) || !good);
}

/* Whatever was read is the same after it was built and read again. */
static void
check_nd(const struct packet *p, const struct nd *nd)
{
    uint8_t buf[ND_FRAME_LEN];
    struct frame frame = { .data = buf, .len = sizeof buf };
    struct packet q;
    struct nd again;

    if (!nd->mac_given) {
        return;
    }
    nd_build(nd, nd->mac, &p->src, &p->dst, buf);
    FUZZ_CHECK(frame_parse(&frame, &q) == FRAME_ICMP);
    FUZZ_CHECK(frame_csum_ok(&frame, &q));
    FUZZ_CHECK(nd_read(&frame, &q, &again));
    FUZZ_CHECK(again.type == nd->type && again.mac_given
               && !memcmp(again.mac, nd->mac, 6)
               && address_equals(&again.target, &nd->target));
    FUZZ_CHECK(nd->type == ND_SOLICIT || again.solicited == nd->solicited);
}

/* Makes the IPv4 header checksum right, so that more inputs get past it. */
static void
mend_header(struct frame *frame)
{
    uint8_t *ip = frame->data + ETH_LEN;
    size_t len = frame->len > ETH_LEN ? (ip[0] & 15) * 4 : 0;
    uint16_t csum;

    if (frame->data[12] == 8 && frame->data[13] == 0 && len >= 20
        && ETH_LEN + len <= frame->len) {
        memset(ip + 10, 0, 2);
        csum = ~csum_fold(csum_add(0, ip, len));
        memcpy(ip + 10, &csum, 2);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame frame = { .data = fuzz_copy(data, size), .len = size };
    struct tcp_options options;
    struct packet p;
    struct arp arp;
    struct nd nd;

    if (size > ETH_LEN) {
        mend_header(&frame);
    }
    switch (frame_parse(&frame, &p)) {
    case FRAME_TCP:
        check_packet(&frame, &p);
        if (tcp_options_parse(&frame, &p, &options)) {
            FUZZ_CHECK(options.wscale <= 14);
        }
        check_redirect(&frame, &p);
        break;
    case FRAME_UDP:
        check_packet(&frame, &p);
        frame_csum_ok(&frame, &p);
        break;
    case FRAME_ICMP:
        check_packet(&frame, &p);
        check_icmp(&frame, &p);
        /* As after icmp_packet() has looked at the type. */
        frame.data[p.l4] = frame.data[p.l4] & 1 ? ND_SOLICIT : ND_ADVERTISE;
        if (p.family == 6 && nd_read(&frame, &p, &nd)) {
            check_nd(&p, &nd);
        }
        break;
    case FRAME_ARP:
        arp_read(&frame, &p, &arp);
        break;
    case FRAME_FRAGMENT:
    case FRAME_EXTENDED:
    case FRAME_OTHER:
    case FRAME_MALFORMED:
        break;
    }
    free(frame.data);
    return 0;
}
