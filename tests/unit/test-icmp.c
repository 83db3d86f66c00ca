/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bed.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "csum.h"

static const int families[] = { 4, 6 };
static const uint8_t router_mac[6] = { 2, 7, 7, 7, 7, 7 };

static struct migrate_address
router(void)
{
    struct migrate_address a;

    address_parse(bed.family == 4 ? "203.0.113.9" : "2001:db8:9::9", &a);
    return a;
}

/* Builds ICMP of 'type' and 'code' with 'word' and then 'len' bytes of 'data'
 * at 'buf', by the letter of RFC 792 and RFC 4443. */
static size_t
build(const struct migrate_address *src, const struct migrate_address *dst,
      uint8_t type, uint8_t code, uint32_t word, const void *data, size_t len,
      uint8_t *buf)
{
    size_t ip_len = bed.family == 4 ? 20 : 40;
    uint8_t *ip = buf + ETH_LEN, *icmp = ip + ip_len;
    uint64_t sum = 0;
    uint16_t csum;

    memset(buf, 0, ETH_LEN + ip_len + 8);
    memcpy(buf, bed.mac, 6);
    memcpy(buf + 6, router_mac, 6);
    icmp[0] = type;
    icmp[1] = code;
    word = htonl(word);
    memcpy(icmp + 4, &word, 4);
    memcpy(icmp + 8, data, len);
    len += 8;
    if (bed.family == 4) {
        buf[12] = 0x08;
        ip[0] = 0x45;
        ip[2] = (20 + len) >> 8;
        ip[3] = 20 + len;
        ip[8] = 61;
        ip[9] = IPPROTO_ICMP;
        memcpy(ip + 12, &src->byte[12], 4);
        memcpy(ip + 16, &dst->byte[12], 4);
        csum = ~csum_fold(csum_add(0, ip, 20));
        memcpy(ip + 10, &csum, 2);
    } else {
        buf[12] = 0x86;
        buf[13] = 0xdd;
        ip[0] = 0x60;
        ip[4] = len >> 8;
        ip[5] = len;
        ip[6] = IPPROTO_ICMPV6;
        ip[7] = 61;
        memcpy(ip + 8, src, 16);
        memcpy(ip + 24, dst, 16);
        sum = csum_pseudo(0, src, dst, IPPROTO_ICMPV6, len);
    }
    csum = ~csum_fold(csum_add(sum, icmp, len));
    memcpy(icmp + 2, &csum, 2);
    return ETH_LEN + ip_len + len;
}

/* Gives the engine the 'len' bytes at 'buf' by the flow of a service or, if
 * 'service_id' is 0, by one with migrate(control). */
static enum migrate_verdict
give(uint32_t service_id, uint8_t *buf, size_t len)
{
    struct frame frame = { .data = buf, .len = len };

    return (service_id
            ? migrate_service_frame(bed.engine, service_id, &frame, bed.now)
            : migrate_control_frame(bed.engine, &frame, bed.now));
}

/* What the service sent to the client of 'c': 1400 bytes, of which a router
 * quotes the first 'len'. */
static size_t
build_quote(const struct bed_client *c, size_t len, uint8_t *quote)
{
    static const uint8_t data[1400];
    uint8_t packet[1600];
    struct segment s = {
        .src = &c->tuple.service, .dst = &c->tuple.client,
        .src_port = c->tuple.service_port, .dst_port = c->tuple.client_port,
        .seq = c->ack, .ack = c->seq, .flags = SEG_ACK,
        .payload = data, .payload_len = sizeof data,
    };

    segment_build(&s, packet);
    memcpy(quote, packet, len);
    return len;
}

/* The error "too big for my next link, of 1280 bytes" about 'c'. */
static size_t
build_too_big(const struct bed_client *c, size_t quoted, uint8_t *buf)
{
    struct migrate_address src = router();
    uint8_t quote[1280];

    build_quote(c, quoted, quote);
    return (bed.family == 4
            ? build(&src, &c->tuple.service, 3, 4, 1280, quote, quoted, buf)
            : build(&src, &c->tuple.service, 2, 0, 1280, quote, quoted, buf));
}

/* 'after' is 'before' on its way to host 'host': nothing else has changed, and
 * its sums are right. */
static void
check_forwarded(const uint8_t *before, uint8_t *after, size_t len,
                unsigned int host)
{
    struct frame frame = { .data = after, .len = len };
    size_t ip_len = bed.family == 4 ? 20 : 40;
    struct migrate_address src = router();
    struct packet p;

    CHECK_INT(frame_parse(&frame, &p), FRAME_ICMP);
    CU_ASSERT(frame_csum_ok(&frame, &p));
    CU_ASSERT(address_equals(&p.src, &src));
    CU_ASSERT(address_equals(&p.dst, &bed.hosts[host].address));
    CU_ASSERT(!memcmp(after, bed.hosts[host].mac, 6));
    CU_ASSERT(!memcmp(after + 6, bed.mac, 6));
    CU_ASSERT(!memcmp(after + ETH_LEN, before + ETH_LEN,
                      bed.family == 4 ? 10 : 24));
    if (bed.family == 4) {
        CU_ASSERT(!memcmp(after + p.l4, before + p.l4, len - p.l4));
    } else {
        CU_ASSERT(!memcmp(after + p.l4, before + p.l4, 2));
        CU_ASSERT(!memcmp(after + p.l4 + 4, before + p.l4 + 4,
                          len - p.l4 - 4));
    }
    CHECK_INT(p.l4, ETH_LEN + ip_len);
}

/* Errors about a live connection go to its host, whichever way they are
 * steered, in whatever length they are quoted. */
static void
test_forwarded(void)
{
    for (int i = 0; i < 2; i++) {
        struct bed_client c;
        unsigned int host;
        uint64_t n = 0;

        bed_open(families[i], 64);
        c = bed_client(0, BED_HTTP);
        bed_live(&c, &host);
        for (size_t quoted = (bed.family == 4 ? 20 : 40) + 8; quoted <= 1232;
             quoted += quoted < 100 ? 1 : 99) {
            uint8_t before[1600], after[1600];
            size_t len = build_too_big(&c, quoted, before);

            memcpy(after, before, len);
            CHECK_INT(give(quoted % 2 ? 0 : BED_HTTP, after, len),
                      MIGRATE_FORWARD);
            CHECK_INT(BED_COUNT(ICMP_ERROR), ++n);
            check_forwarded(before, after, len, host);
        }
        bed_expect_none();
        CHECK_STR(bed_state(&c), "live");
        bed_close();
    }
}

/* An error on its way from the client's VLAN to the host's. */
static void
test_vlan(void)
{
    struct bed_client c;
    struct frame frame;
    unsigned int host;
    uint8_t buf[256];

    bed_open(4, 64);
    for (unsigned int i = 0; i < BED_HOSTS; i++) {
        bed_host_vlan(i, 10);
    }
    bed_configure();
    bed_wait(1);
    c = bed_client(0, BED_HTTP);
    c.tag = 0x81000014;
    bed_live(&c, &host);
    frame = (struct frame) {
        .data = buf, .len = build_too_big(&c, 64, buf), .tag = c.tag,
    };
    CHECK_INT(migrate_control_frame(bed.engine, &frame, bed.now),
              MIGRATE_FORWARD);
    CHECK_INT(frame.tag, 0x8100000a);
    CU_ASSERT(!memcmp(buf, bed.hosts[host].mac, 6));
    bed_close();
}

/* Which types are errors. */
static void
test_types(void)
{
    for (int i = 0; i < 2; i++) {
        static const bool v4[256] = { [3] = true, [11] = true, [12] = true };
        static const bool v6[256] = { false, true, true, true, true };
        struct migrate_address src;
        struct bed_client c;
        uint8_t buf[256], quote[64];

        bed_open(families[i], 64);
        src = router();
        c = bed_client(0, BED_HTTP);
        bed_live(&c, NULL);
        build_quote(&c, sizeof quote, quote);
        for (int type = 0; type < 256; type++) {
            size_t len = build(&src, &bed.vip, type, 1, 0, quote,
                               sizeof quote, buf);
            bool is_error = (i ? v6 : v4)[type];

            CHECK_INT(give(BED_HTTP, buf, len),
                      is_error ? MIGRATE_FORWARD : MIGRATE_DROP);
        }
        CHECK_INT(BED_COUNT(ICMP_ERROR), i ? 4 : 3);
        /* All others, but for neighbor discovery, are counted so. */
        CHECK_INT(BED_COUNT(DROP_ICMP), i ? 256 - 4 - 2 : 256 - 3);
        CHECK_INT(BED_COUNT(DROP_ND), i ? 2 : 0);
        bed_expect_none();
        bed_close();
    }
}

/* No error ends what the switch has, or reaches a host that has nothing to do
 * with it. */
static void
test_ignored(void)
{
    for (int i = 0; i < 2; i++) {
        struct bed_client c, stranger;
        struct bed_bundle bundle;
        uint8_t buf[1600];
        unsigned int host;
        size_t len;

        bed_open(families[i], 64);
        c = bed_client(0, BED_HTTP);
        bed_connect(&c);

        /* Nobody's; answered with a cookie alone. */
        len = build_too_big(&c, 100, buf);
        CHECK_INT(give(BED_HTTP, buf, len), MIGRATE_DROP);
        CHECK_INT(BED_COUNT(DROP_ICMP_UNKNOWN), 1);

        /* Half a request: the switch is the service still. */
        bed_text(&c, "GET / HTTP/1.1\r\n");
        CHECK_STR(bed_state(&c), "gather");
        for (int type = 0; type < 13; type++) {
            struct migrate_address src = router();
            uint8_t quote[100];

            build_quote(&c, sizeof quote, quote);
            len = build(&src, &bed.vip, type, 1, 0, quote, sizeof quote, buf);
            CHECK_INT(give(BED_HTTP, buf, len), MIGRATE_DROP);
        }
        CHECK_STR(bed_state(&c), "gather");
        CHECK_INT(BED_COUNT(DROP_ICMP_UNKNOWN), 1 + (i ? 4 : 3));
        bed_expect_none();

        /* On its way to a host, there, and for a while after. */
        bed_text(&c, "Host: a\r\n\r\n");
        bundle = bed_expect_bundle();
        host = bundle.host;
        for (int step = 0; step < 3; step++) {
            uint8_t before[1600];

            len = build_too_big(&c, 100, before);
            memcpy(buf, before, len);
            CHECK_INT(give(BED_HTTP, buf, len), MIGRATE_FORWARD);
            check_forwarded(before, buf, len, host);
            bed_report(host, bundle.flow_id,
                       step ? MIGRATE_RELEASE : MIGRATE_CONFIRM, 0,
                       step ? 0 : c.seq);
        }
        CHECK_STR(bed_state(&c), "linger");
        bed_bundle_free(&bundle);

        stranger = bed_client(1, BED_HTTP);
        len = build_too_big(&stranger, 100, buf);
        CHECK_INT(give(BED_HTTP, buf, len), MIGRATE_DROP);
        bed_wait(20000);
        bed_clear();
        len = build_too_big(&c, 100, buf);
        CHECK_INT(give(BED_HTTP, buf, len), MIGRATE_DROP);
        CHECK_INT(BED_COUNT(DROP_ICMP_UNKNOWN), 1 + (i ? 4 : 3) + 2);
        bed_expect_none();
        bed_close();
    }
}

/* What quotes no packet of the service. */
static void
test_quotes(void)
{
    for (int i = 0; i < 2; i++) {
        size_t ip_len = families[i] == 4 ? 20 : 40;
        struct migrate_address src, other;
        uint8_t buf[1600], quote[256];
        struct bed_client c;
        uint64_t n = 0;
        size_t len;

        bed_open(families[i], 64);
        src = router();
        c = bed_client(0, BED_HTTP);
        bed_live(&c, NULL);

        /* Cut too short. */
        for (size_t cut = 0; cut < ip_len + 8; cut++) {
            uint8_t *end = buf + sizeof buf;

            build_too_big(&c, cut, buf);
            len = ETH_LEN + ip_len + 8 + cut;
            memmove(end - len, buf, len);
            CHECK_INT(give(BED_HTTP, end - len, len), MIGRATE_DROP);
            CHECK_INT(BED_COUNT(DROP_ICMP), ++n);
        }
        /* Not TCP; of the other family; a later fragment; an IP header that
         * is too short, or so long that the ports are not there. */
        for (int fault = 0; fault < (i ? 2 : 5); fault++) {
            build_quote(&c, 60, quote);
            if (fault == 0) {
                quote[i ? 6 : 9] = IPPROTO_UDP;
            } else if (fault == 1) {
                quote[0] ^= 0x20;
            } else if (fault == 2) {
                quote[7] = 1;
            } else {
                quote[0] = fault == 3 ? 0x44 : 0x4f;
            }
            len = build(&src, &bed.vip, i ? 2 : 3, 0, 0, quote, 60, buf);
            CHECK_INT(give(BED_HTTP, buf, len), MIGRATE_DROP);
            CHECK_INT(BED_COUNT(DROP_ICMP), ++n);
        }
        /* An error goes to who sent what it is about. */
        build_quote(&c, 60, quote);
        other = bed.vip;
        other.byte[15]++;
        len = build(&src, &other, i ? 2 : 3, 0, 0, quote, 60, buf);
        CHECK_INT(give(BED_HTTP, buf, len), MIGRATE_DROP);
        CHECK_INT(BED_COUNT(DROP_ICMP), ++n);

        /* Damaged. */
        len = build_too_big(&c, 100, buf);
        buf[len - 1] ^= 1;
        CHECK_INT(give(BED_HTTP, buf, len), MIGRATE_DROP);
        CHECK_INT(BED_COUNT(DROP_CHECKSUM), 1);
        CHECK_INT(BED_COUNT(ICMP_ERROR), 0);
        CHECK_STR(bed_state(&c), "live");
        bed_close();
    }
}

/* A quote with IPv4 options is read as well. */
static void
test_quoted_options(void)
{
    uint8_t quote[100], buf[256];
    struct migrate_address src;
    struct bed_client c;
    size_t len;

    bed_open(4, 64);
    src = router();
    c = bed_client(0, BED_HTTP);
    bed_live(&c, NULL);
    build_quote(&c, 60, quote);
    memmove(quote + 60, quote + 20, 8);
    memset(quote + 20, 1, 40);
    quote[0] = 0x4f;
    len = build(&src, &bed.vip, 3, 4, 1280, quote, 68, buf);
    CHECK_INT(give(BED_HTTP, buf, len), MIGRATE_FORWARD);
    bed_close();
}

/* An error for a host that was lost track of goes nowhere. */
static void
test_no_host(void)
{
    struct bed_client c;
    unsigned int host;
    uint8_t buf[1600];
    size_t len;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_live(&c, &host);
    bed.engine->hosts[host]->mac_known = false;
    len = build_too_big(&c, 100, buf);
    CHECK_INT(give(BED_HTTP, buf, len), MIGRATE_DROP);
    CHECK_INT(BED_COUNT(DROP_NO_HOST), 1);
    bed_close();
}

/* Pings are answered, byte for byte. */
static void
test_echo(void)
{
    for (int i = 0; i < 2; i++) {
        uint8_t before[1600], after[1600], data[1400];
        struct migrate_address src;
        uint64_t n = 0;

        bed_open(families[i], 64);
        src = router();
        for (size_t j = 0; j < sizeof data; j++) {
            data[j] = j * 7;
        }
        for (size_t size = 0; size <= sizeof data; size += size < 9 ? 1 : 61) {
            size_t len = build(&src, &bed.vip, i ? 128 : 8, 0, 0x12345678,
                               data, size, before);
            struct frame frame = { .data = after, .len = len };
            struct packet p;

            memcpy(after, before, len);
            CHECK_INT(give(size % 2, after, len), MIGRATE_FORWARD);
            CHECK_INT(BED_COUNT(ECHO_REPLY), ++n);
            CHECK_INT(frame_parse(&frame, &p), FRAME_ICMP);
            CU_ASSERT(frame_csum_ok(&frame, &p));
            CHECK_INT(after[p.l4], i ? 129 : 0);
            CHECK_INT(after[p.l4 + 1], 0);
            CU_ASSERT(address_equals(&p.src, &bed.vip));
            CU_ASSERT(address_equals(&p.dst, &src));
            CU_ASSERT(!memcmp(after, router_mac, 6));
            CU_ASSERT(!memcmp(after + 6, bed.mac, 6));
            CU_ASSERT(!memcmp(after + p.l4 + 4, before + p.l4 + 4,
                              len - p.l4 - 4));
            CHECK_INT(after[ETH_LEN + (i ? 7 : 8)], 64);
        }
        bed_expect_none();
        bed_close();
    }
}

/* A reply without a bit set but in its checksum. */
static void
test_echo_zeros(void)
{
    static const uint8_t zeros[32];
    struct frame frame;
    uint8_t buf[128];
    struct packet p;

    bed_open(4, 64);
    for (size_t size = 0; size <= sizeof zeros; size += 8) {
        struct migrate_address src = router();

        frame.data = buf;
        frame.len = build(&src, &bed.vip, 8, 0, 0, zeros, size, buf);
        frame.csum_good = frame.csum_partial = false;
        CHECK_INT(give(0, buf, frame.len), MIGRATE_FORWARD);
        CHECK_INT(frame_parse(&frame, &p), FRAME_ICMP);
        CU_ASSERT(frame_csum_ok(&frame, &p));
    }
    bed_close();
}

/* Pings that would serve to flood somebody, or that nobody sends. */
static void
test_echo_refused(void)
{
    static const char *const bad[2][5] = {
        { "0.0.0.0", "224.0.0.1", "239.255.255.255", "255.255.255.255",
          "0.1.2.3" },
        { "::", "ff02::1", "ff0e::1:2", "ff01::1", "ff05::2" },
    };

    for (int i = 0; i < 2; i++) {
        struct migrate_address src, a;
        uint64_t n = 0;
        uint8_t buf[256];
        size_t len;

        bed_open(families[i], 64);
        src = router();
        for (size_t j = 0; j < 2 * 5; j++) {
            address_parse(bad[i][j / 2], &a);
            len = build(j % 2 ? &a : &src, j % 2 ? &bed.vip : &a,
                        i ? 128 : 8, 0, 1, "x", 1, buf);
            CHECK_INT(give(0, buf, len), MIGRATE_DROP);
            CHECK_INT(BED_COUNT(DROP_ICMP), ++n);
        }
        len = build(&src, &bed.vip, i ? 128 : 8, 7, 1, "x", 1, buf);
        CHECK_INT(give(0, buf, len), MIGRATE_DROP);
        CHECK_INT(BED_COUNT(DROP_ICMP), ++n);
        len = build(&src, &bed.vip, i ? 128 : 8, 0, 1, "x", 1, buf);
        buf[0] |= 1;            /* To an Ethernet group. */
        CHECK_INT(give(0, buf, len), MIGRATE_DROP);
        CHECK_INT(BED_COUNT(DROP_ICMP), ++n);
        len = build(&src, &bed.vip, i ? 128 : 8, 0, 1, "x", 1, buf);
        buf[len - 1] ^= 1;
        CHECK_INT(give(0, buf, len), MIGRATE_DROP);
        CHECK_INT(BED_COUNT(DROP_CHECKSUM), 1);
        CHECK_INT(BED_COUNT(ECHO_REPLY), 0);
        bed_close();
    }
}

/* A ping with IPv4 options would need them turned around as well. */
static void
test_echo_options(void)
{
    struct migrate_address src;
    uint8_t buf[256];
    uint16_t csum;
    size_t len;

    bed_open(4, 64);
    src = router();
    len = build(&src, &bed.vip, 8, 0, 1, "abcd", 4, buf);
    memmove(buf + ETH_LEN + 24, buf + ETH_LEN + 20, 12);
    memset(buf + ETH_LEN + 20, 1, 4);
    buf[ETH_LEN] = 0x46;
    buf[ETH_LEN + 3] += 4;
    memset(buf + ETH_LEN + 10, 0, 2);
    csum = ~csum_fold(csum_add(0, buf + ETH_LEN, 24));
    memcpy(buf + ETH_LEN + 10, &csum, 2);
    CHECK_INT(give(0, buf, len + 4), MIGRATE_DROP);
    CHECK_INT(BED_COUNT(DROP_ICMP), 1);
    bed_close();
}

static const struct unit_test tests[] = {
    { "an error changes the VLAN", test_vlan },
    { "errors go to the host", test_forwarded },
    { "types", test_types },
    { "errors end nothing", test_ignored },
    { "quotes of no packet of the service", test_quotes },
    { "quote with IPv4 options", test_quoted_options },
    { "host without an Ethernet address", test_no_host },
    { "pings are answered", test_echo },
    { "ping of zeros", test_echo_zeros },
    { "pings that are not", test_echo_refused },
    { "ping with IPv4 options", test_echo_options },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "icmp", tests };
