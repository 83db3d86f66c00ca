/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "compile.h"

#include <arpa/inet.h>
#include <string.h>

#include "frame.h"
#include "guard.h"
#include "unit.h"

static char data[40000];

static struct connection
make_connection(int family)
{
    struct connection c = {
        .service_id = 0x01020304,
        .data = data, .data_len = 300,
        .client_isn = 0xfffffff0, .switch_isn = 0x89abcdef,
        .syn = { .mss = 1460, .wscale_ok = true, .wscale = 9,
                 .sack_ok = true },
        .rcv_wscale = 7,
        .tstamp_ok = true, .tsval = 0x11223344, .tsecr = 0x55667788,
        .window = 501,
        .tuple = { .client_port = htons(40000), .service_port = htons(80) },
        .flow_id = 0xcafe0123,
    };

    address_parse(family == 4 ? "192.0.2.1" : "2001:db8::1",
                  &c.tuple.client);
    address_parse(family == 4 ? "198.51.100.1" : "2001:db8::2",
                  &c.tuple.service);
    for (size_t i = 0; i < sizeof data; i++) {
        data[i] = i * 31 >> 3;
    }
    return c;
}

/* What was compiled, and the packet in it. */
struct compiled {
    struct migrate_bundle b;
    size_t len, taken;
    uint8_t frame_data[ETH_LEN + 10000];
    struct frame frame;
    struct packet p;
    struct tcp_options options;
};

/* Compiles 'c' into 'max' bytes before a page that nobody may touch. */
static void
compile(const struct connection *c, size_t max, struct compiled *out)
{
    static struct guard guard;
    uint8_t *buf;
    size_t packet_len;

    if (!guard.size) {
        guard_init(&guard, 12000);
    }
    buf = (uint8_t *) guard.end - max;
    if ((uintptr_t) buf % 8) {      /* Messages are aligned. */
        buf -= (uintptr_t) buf % 8;
    }
    memset(buf, 0xa5, max);
    out->len = migrate_connection(c, buf, max, &out->taken);
    CU_ASSERT_FATAL(out->len <= max);
    CHECK_INT(out->len % 8, 0);
    memcpy(&out->b, buf, sizeof out->b);
    packet_len = ntohs(out->b.packet_len);
    CU_ASSERT_FATAL(sizeof out->b + packet_len <= out->len);
    CU_ASSERT(out->len - sizeof out->b - packet_len < 8);
    for (size_t i = sizeof out->b + packet_len; i < out->len; i++) {
        CHECK_INT(buf[i], 0);
    }

    memset(out->frame_data, 0, ETH_LEN);
    out->frame_data[12] = out->b.family == 4 ? 0x08 : 0x86;
    out->frame_data[13] = out->b.family == 4 ? 0x00 : 0xdd;
    memcpy(out->frame_data + ETH_LEN, buf + sizeof out->b, packet_len);
    out->frame = (struct frame) {
        .data = out->frame_data, .len = ETH_LEN + packet_len
    };
    CHECK_INT(frame_parse(&out->frame, &out->p), FRAME_TCP);
    CHECK_INT(out->p.payload + out->p.payload_len, out->frame.len);
    CU_ASSERT(frame_csum_ok(&out->frame, &out->p));
    CU_ASSERT(tcp_options_parse(&out->frame, &out->p, &out->options));
    CHECK_INT(out->p.payload_len, out->taken);
    CU_ASSERT(!memcmp(out->frame_data + out->p.payload, c->data, out->taken));
}

/* IP's part and TCP's: addresses and ports, in the mapping and in the
 * packet. */
static void
test_addresses(void)
{
    static struct compiled out;

    for (int family = 4; family <= 6; family += 2) {
        struct connection c = make_connection(family);

        compile(&c, 1400, &out);
        CHECK_INT(out.b.family, family);
        CU_ASSERT(address_equals(&out.b.client, &c.tuple.client));
        CU_ASSERT(address_equals(&out.b.service, &c.tuple.service));
        CHECK_INT(out.b.client_port, htons(40000));
        CHECK_INT(out.b.service_port, htons(80));
        CHECK_INT(out.p.family, family);
        CU_ASSERT(address_equals(&out.p.src, &c.tuple.client));
        CU_ASSERT(address_equals(&out.p.dst, &c.tuple.service));
        CHECK_INT(out.p.src_port, htons(40000));
        CHECK_INT(out.p.dst_port, htons(80));
    }
}

/* The application's part: service and flow ID, the mapping's key, and the
 * data. */
static void
test_mapping_and_data(void)
{
    static struct compiled out;
    struct connection c = make_connection(4);

    compile(&c, 1400, &out);
    CHECK_INT(ntohl(out.b.flow_id), 0xcafe0123);
    CHECK_INT(ntohl(out.b.service_id), 0x01020304);
    CHECK_INT(out.taken, 300);
    CHECK_INT(ntohs(out.b.packet_len), 20 + 32 + 300);
    CHECK_INT(out.b.reserved, 0);
}

/* TCP's part, with and without each of the options. */
static void
test_tcp_state(void)
{
    static struct compiled out;

    for (int bits = 0; bits < 8; bits++) {
        struct connection c = make_connection(bits & 1 ? 4 : 6);

        c.syn.wscale_ok = bits & MIGRATE_OPT_WSCALE;
        c.syn.sack_ok = bits & MIGRATE_OPT_SACK;
        c.tstamp_ok = bits & MIGRATE_OPT_TSTAMP;
        if (!c.tstamp_ok) {
            c.tsval = c.tsecr = 0;
        }
        compile(&c, 1400, &out);
        CHECK_INT(out.b.options, bits);
        CHECK_INT(out.b.snd_wscale, c.syn.wscale_ok ? 9 : 0);
        CHECK_INT(out.b.rcv_wscale, c.syn.wscale_ok ? 7 : 0);
        CHECK_INT(ntohs(out.b.mss), 1460);
        CHECK_INT(ntohl(out.b.tsval), c.tsval);
        CHECK_INT(ntohl(out.b.tsecr), c.tsecr);
        CHECK_INT(out.p.seq, 0xfffffff1);       /* ISNs, plus 1. */
        CHECK_INT(out.p.ack, 0x89abcdf0);
        CHECK_INT(out.p.window, 501);
        CHECK_INT(out.p.flags, SEG_ACK | SEG_PSH);
        CHECK_INT(out.options.tstamp_ok, c.tstamp_ok);
        CHECK_INT(out.options.tsval, c.tsval);
        CHECK_INT(out.options.tsecr, c.tsecr);
        CHECK_INT(out.options.mss, 0);
        CU_ASSERT(!out.options.wscale_ok && !out.options.sack_ok);
    }
}

/* No data at all is right too: a server that speaks first. */
static void
test_no_data(void)
{
    static struct compiled out;
    struct connection c = make_connection(6);

    c.data_len = 0;
    compile(&c, 1400, &out);
    CHECK_INT(out.taken, 0);
    CHECK_INT(out.p.payload_len, 0);
}

/* Too much data is cut where the bundle ends, which may be at any multiple of
 * 8; the FIN is in it only with the last byte. */
static void
test_sizes(void)
{
    static struct compiled out;

    for (int family = 4; family <= 6; family += 2) {
        for (int tstamp = 0; tstamp < 2; tstamp++) {
            size_t headers = (family == 4 ? 40 : 60) + (tstamp ? 12 : 0);

            for (size_t max = 1232; max <= 1272; max++) {
                size_t room = max / 8 * 8 - sizeof out.b - headers;
                struct connection c = make_connection(family);

                c.tstamp_ok = tstamp;
                c.fin = true;
                for (size_t n = room - 9; n <= room + 9; n++) {
                    c.data_len = n;
                    compile(&c, max, &out);
                    CHECK_INT(out.taken, n < room ? n : room);
                    CHECK_INT(!!(out.p.flags & SEG_FIN), n <= room);
                }
                c.data_len = sizeof data;
                compile(&c, max, &out);
                CHECK_INT(out.taken, room);
                CHECK_INT(out.len, max / 8 * 8);
                CU_ASSERT(!(out.p.flags & SEG_FIN));
            }
            {
                struct connection c = make_connection(family);

                c.data_len = sizeof data;
                compile(&c, MIGRATE_MESSAGE_MAX, &out);
                CHECK_INT(out.len, MIGRATE_MESSAGE_MAX);
            }
        }
    }
}

/* The same connection compiles to the same bytes. */
static void
test_deterministic(void)
{
    uint64_t a[200], b[200];
    struct connection c = make_connection(6);
    size_t taken, len;

    memset(a, 1, sizeof a);
    memset(b, 2, sizeof b);
    len = migrate_connection(&c, a, 1400, &taken);
    CHECK_INT(migrate_connection(&c, b, 1400, &taken), len);
    CU_ASSERT(!memcmp(a, b, len));
}

static const struct unit_test tests[] = {
    { "addresses and ports", test_addresses },
    { "mapping and data", test_mapping_and_data },
    { "TCP state", test_tcp_state },
    { "no data", test_no_data },
    { "sizes, cut data, FIN", test_sizes },
    { "deterministic", test_deterministic },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "compile", tests };
