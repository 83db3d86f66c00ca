/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "frame.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "csum.h"
#include "guard.h"
#include "unit.h"
#include "xalloc.h"

static const uint8_t mac_a[6] = { 2, 0, 0, 0, 0, 0xa };
static const uint8_t mac_b[6] = { 2, 0, 0, 0, 0, 0xb };
static const int families[] = { 4, 6 };

/* A copy of the 'len' bytes at 'data', right before a page that nobody may
 * touch. */
static uint8_t *
at_guard(const void *data, size_t len)
{
    static struct guard guard;

    if (!guard.size) {
        guard_init(&guard, 4096);
    }
    return (uint8_t *) guard_copy(&guard, data, len);
}

static struct migrate_address
make_address(int family, unsigned int n)
{
    struct migrate_address a;

    address_parse(family == 4 ? "10.0.0.0" : "2001:db8::", &a);
    a.byte[15] += n;
    return a;
}

/* The Internet checksum as RFC 1071 words it, over 'len' bytes. */
static uint16_t
plain_csum(uint32_t sum, const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        sum += i % 2 ? p[i] : p[i] << 8;
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

/* Whether the checksums in the TCP or UDP 'frame' are right, found without
 * frame.c. */
static bool
plain_ok(const uint8_t *frame, size_t len)
{
    const uint8_t *ip = frame + ETH_LEN;
    uint32_t pseudo;

    len -= ETH_LEN;
    if (ip[0] >> 4 == 4) {
        len = ip[2] << 8 | ip[3];
        pseudo = plain_csum(ip[9] + len - 20, ip + 12, 8);
        return (plain_csum(0, ip, 20) == 0xffff
                && plain_csum(pseudo, ip + 20, len - 20) == 0xffff);
    }
    len = ip[4] << 8 | ip[5];
    pseudo = plain_csum(ip[6] + len, ip + 8, 32);
    return plain_csum(pseudo, ip + 40, len) == 0xffff;
}

/* A segment with all options in 'buf'. */
static size_t
build_tcp(int family, uint8_t flags, const void *payload, size_t len,
          uint8_t *buf)
{
    struct migrate_address src = make_address(family, 1);
    struct migrate_address dst = make_address(family, 2);
    struct tcp_options options = {
        .mss = 1460, .wscale_ok = true, .wscale = 7, .sack_ok = true,
        .tstamp_ok = true, .tsval = 0x01020304, .tsecr = 0xfffefdfc,
    };
    struct segment s = {
        .eth_dst = mac_b, .eth_src = mac_a,
        .src = &src, .dst = &dst,
        .src_port = htons(40000), .dst_port = htons(80),
        .seq = 0x89abcdef, .ack = 0x12345678,
        .window = 0xfedc, .flags = flags,
        .options = &options, .payload = payload, .payload_len = len,
    };

    return segment_build(&s, buf);
}

/* The kind of the first 'len' bytes of 'data'.  Looks at all that was found,
 * too. */
static enum frame_kind
parse(const uint8_t *data, size_t len, struct packet *p)
{
    struct frame frame = { .data = at_guard(data, len), .len = len };
    enum frame_kind kind = frame_parse(&frame, p);
    struct tcp_options options;

    if (kind == FRAME_TCP || kind == FRAME_UDP) {
        frame_csum_ok(&frame, p);
        CU_ASSERT((size_t) p->payload + p->payload_len <= len);
    }
    if (kind == FRAME_TCP) {
        tcp_options_parse(&frame, p, &options);
    } else if (kind == FRAME_ARP) {
        struct arp arp;

        arp_read(&frame, p, &arp);
    } else if (kind == FRAME_ICMP) {
        struct nd nd;

        frame_csum_ok(&frame, p);
        nd_read(&frame, p, &nd);
        CU_ASSERT((size_t) p->payload + p->payload_len <= len);
    }
    return kind;
}

/* What is built is parsed as what it is, checksums and options included. */
static void
test_segment(void)
{
    static const uint8_t payload[1461] = "payload";
    uint8_t buf[2048];

    for (int i = 0; i < 2; i++) {
        for (size_t n = 0; n <= sizeof payload; n += n < 9 ? 1 : 121) {
            struct migrate_address src = make_address(families[i], 1);
            struct migrate_address dst = make_address(families[i], 2);
            size_t len = build_tcp(families[i], SEG_ACK, payload, n, buf);
            struct frame frame = { .data = buf, .len = len };
            struct tcp_options o;
            struct packet p;

            CHECK_INT(parse(buf, len, &p), FRAME_TCP);
            CU_ASSERT(plain_ok(buf, len));
            CU_ASSERT(frame_csum_ok(&frame, &p));
            CHECK_INT(len, ETH_LEN + (families[i] == 4 ? 20 : 40) + 32 + n);
            CHECK_INT(p.family, families[i]);
            CHECK_INT(p.protocol, IPPROTO_TCP);
            CU_ASSERT(address_equals(&p.src, &src));
            CU_ASSERT(address_equals(&p.dst, &dst));
            CHECK_INT(p.src_port, htons(40000));
            CHECK_INT(p.dst_port, htons(80));
            CHECK_INT(p.seq, 0x89abcdef);
            CHECK_INT(p.ack, 0x12345678);
            CHECK_INT(p.window, 0xfedc);
            CHECK_INT(p.flags, SEG_ACK);
            CHECK_INT(p.payload_len, n);
            CU_ASSERT(!memcmp(buf + p.payload, payload, n));
            CU_ASSERT(!memcmp(buf, mac_b, 6) && !memcmp(buf + 6, mac_a, 6));
            CU_ASSERT(tcp_options_parse(&frame, &p, &o));
            CHECK_INT(o.mss, 0);        /* Not in a SYN. */
            CU_ASSERT(!o.wscale_ok && !o.sack_ok && o.tstamp_ok);
            CHECK_INT(o.tsval, 0x01020304);
            CHECK_INT(o.tsecr, 0xfffefdfc);
        }
    }
}

static void
test_syn(void)
{
    for (int i = 0; i < 2; i++) {
        uint8_t buf[SEGMENT_OVERHEAD];
        size_t len = build_tcp(families[i], SEG_SYN, NULL, 0, buf);
        struct frame frame = { .data = buf, .len = len };
        struct tcp_options o;
        struct packet p;

        CHECK_INT(parse(buf, len, &p), FRAME_TCP);
        CU_ASSERT(plain_ok(buf, len));
        CU_ASSERT(tcp_options_parse(&frame, &p, &o));
        CHECK_INT(o.mss, 1460);
        CU_ASSERT(o.wscale_ok && o.sack_ok && o.tstamp_ok);
        CHECK_INT(o.wscale, 7);
        CHECK_INT(p.payload_len, 0);
    }
}

/* Cut short anywhere, a frame is malformed: never read beyond its end, never
 * taken for a shorter one. */
static void
test_truncated(void)
{
    uint8_t buf[2048];
    struct packet p;

    for (int i = 0; i < 2; i++) {
        size_t len = build_tcp(families[i], SEG_SYN, "payload", 7, buf);
        struct migrate_address a = make_address(families[i], 1);

        for (size_t cut = 0; cut < len; cut++) {
            CHECK_INT(parse(buf, cut, &p), FRAME_MALFORMED);
        }
        len = udp_build(buf, 24, mac_b, mac_a, &a, &a, 7471);
        for (size_t cut = 0; cut < len; cut++) {
            CHECK_INT(parse(buf, cut, &p), FRAME_MALFORMED);
        }
    }
    {
        struct arp arp = { .op = ARP_REQUEST };

        arp_build(&arp, mac_b, buf);
        for (size_t cut = 0; cut <= ARP_FRAME_LEN; cut++) {
            CHECK_INT(parse(buf, cut, &p),
                      cut < ETH_LEN + 28 ? FRAME_MALFORMED : FRAME_ARP);
        }
    }
}

/* Whatever bytes change, nothing is read that is not there. */
static void
test_mutated(void)
{
    for (int round = 0; round < 200000; round++) {
        int family = families[round % 2];
        uint8_t buf[256];
        struct packet p;
        size_t len;

        len = build_tcp(family, round % 3 ? SEG_SYN : SEG_ACK, "payload", 7,
                        buf);
        for (int n = unit_random() % 4; n >= 0; n--) {
            buf[12 + unit_random() % (len - 12)] = unit_random();
        }
        if (unit_random() % 2) {        /* Let it pass the IP checksum. */
            uint16_t csum;

            memset(buf + ETH_LEN + 10, 0, 2);
            csum = ~csum_fold(csum_add(0, buf + ETH_LEN,
                                       (buf[ETH_LEN] & 15) * 4));
            memcpy(buf + ETH_LEN + 10, &csum, 2);
        }
        parse(buf, len - unit_random() % 8, &p);
    }
}

/* Puts the IPv4 header checksum in 'buf' right and parses it. */
static enum frame_kind
parse_ipv4(uint8_t *buf, size_t len)
{
    struct packet p;
    uint16_t csum;

    memset(buf + ETH_LEN + 10, 0, 2);
    csum = ~csum_fold(csum_add(0, buf + ETH_LEN, 20));
    memcpy(buf + ETH_LEN + 10, &csum, 2);
    return parse(buf, len, &p);
}

static void
test_kinds(void)
{
    static const struct {
        size_t ofs;             /* Behind the Ethernet header. */
        uint8_t value;
        enum frame_kind kind;
    } cases[] = {
        { 0, 0x45, FRAME_TCP },
        { 0, 0x55, FRAME_MALFORMED },   /* Version. */
        { 0, 0x65, FRAME_MALFORMED },
        { 0, 0x44, FRAME_MALFORMED },   /* Header length. */
        { 3, 19, FRAME_MALFORMED },     /* Total length. */
        { 3, 39, FRAME_MALFORMED },
        { 3, 255, FRAME_MALFORMED },
        { 6, 0x20, FRAME_FRAGMENT },    /* More fragments. */
        { 7, 0x01, FRAME_FRAGMENT },    /* Offset. */
        { 6, 0x80, FRAME_TCP },         /* Reserved bit. */
        { 9, 47, FRAME_OTHER },         /* GRE. */
        { 9, 1, FRAME_ICMP },
        { 9, 58, FRAME_OTHER },         /* That of IPv6. */
        { 32, 0x40, FRAME_MALFORMED },  /* TCP header length. */
        { 32, 0xf0, FRAME_MALFORMED },
        { 32, 0x50, FRAME_TCP },
    };
    uint8_t buf[256], good[256];
    size_t len = build_tcp(4, SEG_SYN, NULL, 0, good);
    struct packet p;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *what = xasprintf("case %zu", i);

        memcpy(buf, good, len);
        buf[ETH_LEN + cases[i].ofs] = cases[i].value;
        unit_check_int(parse_ipv4(buf, len), cases[i].kind, what, __FILE__,
                       __LINE__);
        free(what);
    }

    /* A wrong checksum of the header; padding behind the packet. */
    memcpy(buf, good, len);
    buf[ETH_LEN + 8]--;
    CHECK_INT(parse(buf, len, &p), FRAME_MALFORMED);
    memset(buf, 0, sizeof buf);
    memcpy(buf, good, len);
    CHECK_INT(parse(buf, len + 6, &p), FRAME_TCP);
    CHECK_INT(p.payload_len, 0);

    /* UDP lengths. */
    {
        struct migrate_address a = make_address(6, 1);

        len = udp_build(buf, 16, mac_b, mac_a, &a, &a, 7471);
        buf[ETH_LEN + 45] = 7;
        CHECK_INT(parse(buf, len, &p), FRAME_MALFORMED);
        buf[ETH_LEN + 45] = 25;
        CHECK_INT(parse(buf, len, &p), FRAME_MALFORMED);
        buf[ETH_LEN + 45] = 9;
        CHECK_INT(parse(buf, len, &p), FRAME_UDP);
        CHECK_INT(p.payload_len, 1);
        buf[ETH_LEN] = 0x40;
        CHECK_INT(parse(buf, len, &p), FRAME_MALFORMED);
        buf[12] = 0x88;
        CHECK_INT(parse(buf, len, &p), FRAME_OTHER);
    }
}

/* What may stand behind an IPv6 header.  Extension headers are seen, and not
 * read: not the last byte of the frame either. */
static void
test_extensions(void)
{
    static const struct {
        uint8_t next;
        enum frame_kind kind;
    } cases[] = {
        { IPPROTO_TCP, FRAME_TCP },
        { IPPROTO_HOPOPTS, FRAME_EXTENDED },
        { IPPROTO_ROUTING, FRAME_EXTENDED },
        { IPPROTO_FRAGMENT, FRAME_FRAGMENT },   /* Atomic ones included. */
        { IPPROTO_DSTOPTS, FRAME_EXTENDED },
        { IPPROTO_AH, FRAME_EXTENDED },
        { 135, FRAME_EXTENDED },                /* Mobility. */
        { IPPROTO_ESP, FRAME_OTHER },
        { IPPROTO_NONE, FRAME_OTHER },
        { IPPROTO_ICMPV6, FRAME_ICMP },
        { IPPROTO_ICMP, FRAME_OTHER },          /* That of IPv4. */
    };
    uint8_t buf[256];
    size_t len = build_tcp(6, SEG_SYN, NULL, 0, buf);
    struct packet p;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *what = xasprintf("case %zu", i);

        buf[ETH_LEN + 6] = cases[i].next;
        unit_check_int(parse(buf, len, &p), cases[i].kind, what, __FILE__,
                       __LINE__);
        CHECK_INT(p.family, 6);
        buf[ETH_LEN + 5] = 0;           /* No payload. */
        unit_check_int(parse(buf, ETH_LEN + 40, &p),
                       cases[i].kind == FRAME_TCP
                       || cases[i].kind == FRAME_ICMP
                       ? FRAME_MALFORMED : cases[i].kind, what, __FILE__,
                       __LINE__);
        buf[ETH_LEN + 5] = len - ETH_LEN - 40;
        free(what);
    }
}

/* An IPv4 address in IPv6 would pass for one in IPv4. */
static void
test_mapped(void)
{
    struct migrate_address mapped = make_address(4, 1);
    struct packet p;
    uint8_t buf[256];
    size_t len;

    for (int i = 0; i < 2; i++) {
        len = build_tcp(6, SEG_SYN, NULL, 0, buf);
        memcpy(buf + ETH_LEN + (i ? 8 : 24), &mapped, 16);
        CHECK_INT(parse(buf, len, &p), FRAME_MALFORMED);
    }
}

/* IPv4 options are skipped. */
static void
test_ipv4_options(void)
{
    uint8_t buf[256], good[256];
    size_t len = build_tcp(4, SEG_ACK, "abc", 3, good);
    struct packet p;
    uint16_t csum;

    memcpy(buf, good, ETH_LEN + 20);
    memset(buf + ETH_LEN + 20, 1, 8);
    memcpy(buf + ETH_LEN + 28, good + ETH_LEN + 20, len - ETH_LEN - 20);
    buf[ETH_LEN] = 0x47;
    buf[ETH_LEN + 3] += 8;
    memset(buf + ETH_LEN + 10, 0, 2);
    csum = ~csum_fold(csum_add(0, buf + ETH_LEN, 28));
    memcpy(buf + ETH_LEN + 10, &csum, 2);
    CHECK_INT(parse(buf, len + 8, &p), FRAME_TCP);
    CHECK_INT(p.payload_len, 3);
    CU_ASSERT(!memcmp(buf + p.payload, "abc", 3));
    for (size_t cut = 0; cut < len + 8; cut++) {
        CHECK_INT(parse(buf, cut, &p), FRAME_MALFORMED);
    }
}

/* Parses 'n' bytes of options at the very end of a frame. */
static bool
parse_options(const uint8_t *bytes, size_t n, struct tcp_options *o)
{
    uint8_t buf[SEGMENT_OVERHEAD + 40];
    struct frame frame;
    struct packet p;
    size_t len = build_tcp(6, SEG_SYN, NULL, 0, buf) - 24;
    size_t padded = (n + 3) / 4 * 4;

    memset(buf + len, 0, padded);
    memcpy(buf + len, bytes, n);
    buf[ETH_LEN + 40 + 12] = (20 + padded) / 4 << 4;
    buf[ETH_LEN + 5] = 20 + padded;
    frame.len = len + padded;
    frame.data = at_guard(buf, frame.len);
    CHECK_INT(frame_parse(&frame, &p), FRAME_TCP);
    return tcp_options_parse(&frame, &p, o);
}

static void
test_options(void)
{
    static const struct {
        uint8_t bytes[40];
        size_t n;
        bool ok;
    } cases[] = {
        { { 0 }, 0, true },
        { { 1, 1, 1, 1 }, 4, true },
        { { 2, 4, 5, 0xb4 }, 4, true },
        { { 0, 2 }, 4, true },              /* Nothing counts behind 0. */
        { { 1, 1, 1, 2 }, 4, false },       /* No room for a length. */
        { { 2, 0, 0, 0 }, 4, false },
        { { 2, 1, 0, 0 }, 4, false },
        { { 2, 5, 0, 0 }, 4, false },       /* Over the end. */
        { { 8, 10, 1, 2 }, 4, false },
        { { 254, 4, 1, 2 }, 4, true },      /* Unknown. */
        { { 254, 255, 1, 2 }, 4, false },
        { { 2, 3, 1, 1 }, 4, true },        /* Of a wrong length: unknown. */
        { { 3, 2, 4, 3, 0, 1, 1, 1 }, 8, true },
    };
    struct tcp_options o;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *what = xasprintf("case %zu", i);

        unit_check_int(parse_options(cases[i].bytes, cases[i].n, &o),
                       cases[i].ok, what, __FILE__, __LINE__);
        if (cases[i].ok && i != 2) {
            CHECK_INT(o.mss, 0);
        }
        CU_ASSERT(!o.wscale_ok && !o.tstamp_ok && !o.sack_ok);
        free(what);
    }
    {
        /* RFC 7323 2.3: shifts above 14 mean 14. */
        static const uint8_t wscale[] = { 1, 3, 3, 15, 4, 2, 2, 4, 1, 2 };

        CU_ASSERT(parse_options(wscale, sizeof wscale, &o));
        CU_ASSERT(o.wscale_ok && o.sack_ok);
        CHECK_INT(o.wscale, 14);
        CHECK_INT(o.mss, 0x102);
    }
    for (int round = 0; round < 100000; round++) {
        uint8_t bytes[40];
        size_t n = unit_random() % 41;

        for (size_t i = 0; i < n; i++) {
            bytes[i] = unit_random() % 12;
        }
        parse_options(bytes, n, &o);
        CU_ASSERT(o.wscale <= 14);
    }
}

/* A packet that is redirected has right checksums if it had before, and wrong
 * ones if not; only addresses and ports change. */
static void
test_redirect(void)
{
    for (int round = 0; round < 40000; round++) {
        int family = families[round % 2];
        bool corrupt = round % 4 >= 2;
        struct migrate_address src = make_address(family, unit_random());
        struct migrate_address dst = make_address(family, unit_random());
        uint8_t buf[256], before[256], payload[64];
        uint16_t ports[2] = { unit_random(), unit_random() };
        size_t ip_len = family == 4 ? 20 : 40;
        size_t n = unit_random() % sizeof payload;
        struct frame frame = { .data = buf };
        struct packet p, q;

        for (size_t i = 0; i < n; i++) {
            payload[i] = unit_random() % 3 ? unit_random() : 0xff;
        }
        frame.len = build_tcp(family, SEG_ACK, payload, n, buf);
        if (corrupt) {
            size_t at = ETH_LEN + ip_len + unit_random() % (32 + n);

            if (at == ETH_LEN + ip_len + 12) {
                at++;           /* The header's length is no checksum's. */
            }
            buf[at] ^= 1 << unit_random() % 8;
        }
        CHECK_INT(frame_parse(&frame, &p), FRAME_TCP);
        CHECK_INT(frame_csum_ok(&frame, &p), !corrupt);
        memcpy(before, buf, frame.len);
        frame_redirect(&frame, &p, mac_a, mac_b, &src, &dst, ports[0],
                       ports[1]);

        CHECK_INT(frame_parse(&frame, &q), FRAME_TCP);
        CHECK_INT(frame_csum_ok(&frame, &q), !corrupt);
        CHECK_INT(plain_ok(buf, frame.len), !corrupt);
        CU_ASSERT(address_equals(&q.src, &src));
        CU_ASSERT(address_equals(&q.dst, &dst));
        CHECK_INT(q.src_port, ports[0]);
        CHECK_INT(q.dst_port, ports[1]);
        CU_ASSERT(!memcmp(buf, mac_a, 6));
        CU_ASSERT(!memcmp(buf + 6, mac_b, 6));
        CU_ASSERT(!memcmp(buf + p.l4 + 4, before + p.l4 + 4, 12));
        CU_ASSERT(!memcmp(buf + p.l4 + 18, before + p.l4 + 18,
                          frame.len - p.l4 - 18));
        CU_ASSERT(!memcmp(buf + 12, before + 12,
                          family == 4 ? ETH_LEN - 12 + 10
                          : ETH_LEN - 12 + 8));
    }
}

/* Where the checksum is to be finished below, it is the sum of the
 * pseudo-header, before and after. */
static void
test_redirect_partial(void)
{
    for (int round = 0; round < 20000; round++) {
        int family = families[round % 2];
        struct migrate_address src = make_address(family, unit_random());
        struct migrate_address dst = make_address(family, unit_random());
        struct frame frame;
        struct packet p;
        uint8_t buf[256];
        uint16_t sum, finished;
        size_t l4_len;

        frame = (struct frame) { .data = buf, .csum_partial = true };
        frame.len = build_tcp(family, SEG_ACK, "partial", 7, buf);
        frame_parse(&frame, &p);
        l4_len = frame.len - p.l4;
        sum = csum_fold(csum_pseudo(0, &p.src, &p.dst, IPPROTO_TCP, l4_len));
        memcpy(buf + p.l4 + 16, &sum, 2);
        CU_ASSERT(frame_csum_ok(&frame, &p));
        frame_redirect(&frame, &p, mac_a, mac_b, &src, &dst, unit_random(),
                       unit_random());

        /* What a network card does then. */
        finished = ~csum_fold(csum_add(0, buf + p.l4, l4_len));
        memcpy(buf + p.l4 + 16, &finished, 2);
        CU_ASSERT(plain_ok(buf, frame.len));
    }
}

static void
test_csum_ok(void)
{
    uint8_t buf[256];
    struct frame frame = { .data = buf };
    struct packet p;

    for (int i = 0; i < 2; i++) {
        struct migrate_address a = make_address(families[i], 1);

        frame.len = build_tcp(families[i], SEG_ACK, "x", 1, buf);
        frame_parse(&frame, &p);
        CU_ASSERT(frame_csum_ok(&frame, &p));
        buf[frame.len - 1] ^= 1;
        CU_ASSERT(!frame_csum_ok(&frame, &p));
        frame.csum_good = true;
        CU_ASSERT(frame_csum_ok(&frame, &p));
        frame.csum_good = false;

        /* RFC 768: 0 means that none was computed; RFC 8200 8.1: not over
         * IPv6. */
        frame.len = udp_build(buf, 8, mac_b, mac_a, &a, &a, 7471);
        frame_parse(&frame, &p);
        memset(buf + p.l4 + 6, 0, 2);
        CHECK_INT(frame_csum_ok(&frame, &p), families[i] == 4);
    }
}

static void
test_udp(void)
{
    for (int round = 0; round < 70000; round++) {
        int family = families[round % 2];
        struct migrate_address src = make_address(family, 1);
        struct migrate_address dst = make_address(family, 2);
        uint8_t buf[128];
        struct frame frame = { .data = buf };
        size_t at = udp_overhead(&dst);
        struct packet p;
        uint16_t csum;

        memset(buf, 0, sizeof buf);
        buf[at] = round >> 9;
        buf[at + 1] = round >> 1;
        frame.len = udp_build(buf, 2, mac_b, mac_a, &src, &dst, 7471);
        CHECK_INT(frame.len, at + 2);
        CHECK_INT(frame_parse(&frame, &p), FRAME_UDP);
        CU_ASSERT(plain_ok(buf, frame.len));
        memcpy(&csum, buf + p.l4 + 6, 2);
        CU_ASSERT(csum != 0);   /* Which would mean "none". */
        CHECK_INT(p.src_port, htons(7471));
        CHECK_INT(p.dst_port, htons(7471));
        CHECK_INT(p.payload, at);
        CHECK_INT(p.payload_len, 2);
    }
}

static void
test_arp(void)
{
    struct arp arp = { .op = ARP_REPLY }, read;
    uint8_t buf[ARP_FRAME_LEN];
    struct frame frame = { .data = buf, .len = sizeof buf };
    struct packet p;

    memcpy(arp.sender_mac, mac_a, 6);
    memcpy(arp.target_mac, mac_b, 6);
    arp.sender = make_address(4, 1);
    arp.target = make_address(4, 2);
    arp_build(&arp, mac_b, buf);
    CHECK_INT(parse(buf, sizeof buf, &p), FRAME_ARP);
    CU_ASSERT(!memcmp(buf, mac_b, 6) && !memcmp(buf + 6, mac_a, 6));
    arp_read(&frame, &p, &read);
    CHECK_INT(read.op, ARP_REPLY);
    CU_ASSERT(!memcmp(read.sender_mac, mac_a, 6));
    CU_ASSERT(!memcmp(read.target_mac, mac_b, 6));
    CU_ASSERT(address_equals(&read.sender, &arp.sender));
    CU_ASSERT(address_equals(&read.target, &arp.target));
    buf[ETH_LEN + 3] = 1;       /* Not for IPv4. */
    CHECK_INT(parse(buf, sizeof buf, &p), FRAME_MALFORMED);
}

/* An echo request over IPv4, as "ping" sent it, and a solicitation over IPv6
 * of a kernel: with right checksums, and with wrong ones. */
static void
test_icmp(void)
{
    static const uint8_t echo[] =
        "\2\0\0\0\0\xfe\2\0\0\0\0\1\x08\x00"
        "\x45\x00\x00\x20\x1c\x46\x40\x00\x40\x01\x0a\x33"
        "\x0a\x00\x00\x01\x0a\x00\x00\x64"
        "\x08\x00\x2e\x66\x04\xd2\x00\x01" "abcd";
    static const uint8_t solicitation[] =
        "\x33\x33\xff\0\0\xfe\2\0\0\0\0\1\x86\xdd"
        "\x60\0\0\0\0\x20\x3a\xff"
        "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
        "\xff\x02\0\0\0\0\0\0\0\0\0\x01\xff\0\0\xfe"
        "\x87\0\x1a\x2f\0\0\0\0"
        "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\xfe"
        "\x01\x01\2\0\0\0\0\1";
    uint8_t buf[128];
    struct frame frame = { .data = buf };
    struct packet p;
    struct nd nd;

    frame.len = sizeof echo - 1;
    memcpy(buf, echo, frame.len);
    CHECK_INT(frame_parse(&frame, &p), FRAME_ICMP);
    CHECK_INT(p.family, 4);
    CHECK_INT(p.payload_len, 4);
    CU_ASSERT(!memcmp(buf + p.payload, "abcd", 4));
    CU_ASSERT(frame_csum_ok(&frame, &p));
    buf[p.payload]++;
    CU_ASSERT(!frame_csum_ok(&frame, &p));

    frame.len = sizeof solicitation - 1;
    memcpy(buf, solicitation, frame.len);
    CHECK_INT(frame_parse(&frame, &p), FRAME_ICMP);
    CHECK_INT(p.family, 6);
    CU_ASSERT(frame_csum_ok(&frame, &p));
    CU_ASSERT(nd_read(&frame, &p, &nd));
    CHECK_INT(nd.type, ND_SOLICIT);
    CHECK_INT(nd.target.byte[15], 0xfe);
    CU_ASSERT(nd.mac_given && !memcmp(nd.mac, buf + 6, 6));
    buf[ETH_LEN + 8]++;         /* The pseudo-header is covered. */
    CHECK_INT(frame_parse(&frame, &p), FRAME_ICMP);
    CU_ASSERT(!frame_csum_ok(&frame, &p));

    for (int i = 0; i < 2; i++) {
        const uint8_t *data = i ? solicitation : echo;
        size_t len = i ? sizeof solicitation - 1 : sizeof echo - 1;

        for (size_t cut = 0; cut < len; cut++) {
            CHECK_INT(parse(data, cut, &p), FRAME_MALFORMED);
        }
    }
}

/* Options of neighbor discovery in any order, of any kind and length, at the
 * very end of a frame. */
static void
test_nd_options(void)
{
    static const struct {
        uint8_t bytes[24];
        size_t n;
        bool ok, mac_given;
    } cases[] = {
        { { 0 }, 0, true, false },
        { { 1, 1, 2, 0, 0, 0, 0, 1 }, 8, true, true },
        { { 2, 1, 2, 0, 0, 0, 0, 1 }, 8, true, false },     /* A target's. */
        { { 14, 1, 0, 0, 0, 0, 0, 0, 1, 1, 2, 0, 0, 0, 0, 1 }, 16, true,
          true },
        { { 1, 2, 2, 0, 0, 0, 0, 1 }, 16, true, false },    /* Of InfiniBand,
                                                             * say. */
        { { 1, 0, 2, 0, 0, 0, 0, 1 }, 8, false, false },
        { { 1, 2, 2, 0, 0, 0, 0, 1 }, 8, false, false },
        { { 14, 255 }, 24, false, false },
        { { 1, 1, 2, 0 }, 4, false, false },
        { { 1, 1, 2, 0, 0, 0, 0, 1, 1 }, 9, false, false },
    };
    struct nd nd = { .type = ND_SOLICIT };
    struct migrate_address a = make_address(6, 1);
    struct migrate_address b = make_address(6, 2);
    uint8_t buf[256];
    struct packet p;

    nd.target = b;
    nd_build(&nd, mac_b, &a, &b, buf);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *what = xasprintf("case %zu", i);
        size_t len = ETH_LEN + 40 + 24 + cases[i].n;
        struct frame frame = { .len = len };

        buf[ETH_LEN + 5] = 24 + cases[i].n;
        memcpy(buf + ETH_LEN + 64, cases[i].bytes, cases[i].n);
        frame.data = at_guard(buf, len);
        CHECK_INT(frame_parse(&frame, &p), FRAME_ICMP);
        unit_check_int(nd_read(&frame, &p, &nd), cases[i].ok, what, __FILE__,
                       __LINE__);
        if (cases[i].ok) {
            CHECK_INT(nd.mac_given, cases[i].mac_given);
        }
        free(what);
    }
}

/* The sums that all of this rests on. */
static void
test_csum(void)
{
    uint8_t data[301];

    for (int round = 0; round < 20000; round++) {
        size_t len = unit_random() % sizeof data;
        size_t cut = unit_random() % (len / 2 + 1) * 2;
        uint64_t sum;

        for (size_t i = 0; i < len; i++) {
            data[i] = round % 5 ? unit_random() : 0xff;
        }
        sum = csum_add(csum_add(0, data, cut), data + cut, len - cut);
        CHECK_INT(ntohs(csum_fold(sum)), plain_csum(0, data, len));
    }
    CHECK_INT(csum_fold(UINT64_MAX), 0xffff);
    CHECK_INT(csum_fold(0), 0);
    CHECK_INT(csum_fold(0x0001000100010001), 4);
}

static const struct unit_test tests[] = {
    { "checksum", test_csum },
    { "segments", test_segment },
    { "SYN", test_syn },
    { "truncated frames", test_truncated },
    { "mutated frames", test_mutated },
    { "kinds of frames", test_kinds },
    { "IPv6 extension headers", test_extensions },
    { "IPv4 addresses in IPv6", test_mapped },
    { "IPv4 options", test_ipv4_options },
    { "TCP options", test_options },
    { "redirect keeps checksums, right or wrong", test_redirect },
    { "redirect of an unfinished checksum", test_redirect_partial },
    { "checksum verification", test_csum_ok },
    { "UDP", test_udp },
    { "ARP", test_arp },
    { "ICMP", test_icmp },
    { "options of neighbor discovery", test_nd_options },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "frame", tests };
