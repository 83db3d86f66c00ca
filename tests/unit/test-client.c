/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bed.h"

#include <arpa/inet.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define REQUEST "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define REQUEST_LEN (sizeof REQUEST - 1)

static const int families[] = { 4, 6 };
#define FOR_EACH_FAMILY(I) for (size_t I = 0; I < 2; I++)

/* A SYN-ACK for 'c' with its checksums right.  Checks that the options say
 * what 'expected' says. */
static void
check_syn_ack(struct bed_client *c, const struct tcp_options *expected)
{
    struct tcp_options o;
    struct bed_frame *f;

    CHECK_INT(bed_segment(c, SEG_SYN, c->isn, NULL, 0), MIGRATE_DROP);
    f = bed_expect(c, SEG_SYN | SEG_ACK, c->isn + 1);
    CHECK_INT(f->packet.window, 32768);
    CU_ASSERT(tcp_options_parse(&f->frame, &f->packet, &o));
    CHECK_INT(o.mss, expected->mss);
    CHECK_INT(o.wscale_ok, expected->wscale_ok);
    CHECK_INT(o.wscale, expected->wscale_ok ? RCV_WSCALE : 0);
    CHECK_INT(o.sack_ok, expected->sack_ok);
    CHECK_INT(o.tstamp_ok, expected->tstamp_ok);
    CHECK_INT(o.tsecr, expected->tstamp_ok ? bed.now : 0);
    c->ack = f->packet.seq + 1;
    free(f);
}

/* What the SYN said is in the cookie: the bundle tells it, though no memory
 * was taken for it. */
static void
check_cookie(struct bed_client *c)
{
    struct bed_bundle b;

    bed_data(c, REQUEST, REQUEST_LEN);
    b = bed_expect_bundle();
    CHECK_INT(b.b.options, ((c->options.wscale_ok ? MIGRATE_OPT_WSCALE : 0)
                            | (c->options.sack_ok ? MIGRATE_OPT_SACK : 0)
                            | (c->options.tstamp_ok
                               ? MIGRATE_OPT_TSTAMP : 0)));
    CHECK_INT(b.b.snd_wscale, c->options.wscale_ok ? c->options.wscale : 0);
    CHECK_INT(b.b.rcv_wscale, c->options.wscale_ok ? RCV_WSCALE : 0);
    CHECK_INT(ntohs(b.b.mss), (c->options.mss ? c->options.mss
                               : bed.family == 4 ? 536 : 1220));
    CHECK_INT(ntohl(b.b.tsval), c->options.tstamp_ok ? bed.now : 0);
    CHECK_INT(b.inner->packet.ack, c->ack);
    bed_bundle_free(&b);
}

static void
test_syn(void)
{
    FOR_EACH_FAMILY(i) {
        bed_open(families[i], 64);
        for (unsigned int n = 0; n < 16; n++) {
            struct bed_client c = bed_client(n, BED_HTTP);
            struct tcp_options expected;

            c.options.mss = n & 8 ? 1400 : 1460;
            c.options.wscale_ok = n & 1;
            c.options.sack_ok = n & 2;
            c.options.tstamp_ok = n & 4;
            expected = c.options;
            expected.mss = families[i] == 4 ? 1460 : 1440;
            check_syn_ack(&c, &expected);
            bed_expect_none();
            CHECK_INT(migrate_connection_count(bed.engine), n);
            check_cookie(&c);
            CHECK_INT(migrate_connection_count(bed.engine), n + 1);
        }
        CHECK_INT(BED_COUNT(SYN), 16);
        CHECK_INT(BED_COUNT(GATHER), 16);
        bed_close();
    }
}

/* RFC 9293 3.7.1: no MSS option means 536, or 1220 with IPv6. */
static void
test_syn_without_options(void)
{
    static const uint8_t syn[] = {
        2, 0, 0, 0, 0, 0xfe, 2, 0, 0, 0, 1, 0, 8, 0,
        0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0x8e, 0x9a, 192, 0, 2, 1,
        198, 51, 100, 1,
        0x9c, 0x40, 0, 80, 0x10, 0, 0, 0, 0, 0, 0, 0,
        0x50, 2, 2, 0, 0, 0, 0, 0,
    };
    struct bed_client c;
    struct bed_frame *f;
    struct frame frame;
    uint8_t copy[sizeof syn];

    bed_open(4, 64);
    memcpy(copy, syn, sizeof syn);
    frame = (struct frame) { .data = copy, .len = sizeof copy,
                             .csum_good = true };
    c = bed_client(0, BED_HTTP);
    c.options = (struct tcp_options) { .mss = 0 };
    migrate_service_frame(bed.engine, BED_HTTP, &frame, bed.now);
    f = bed_expect(&c, SEG_SYN | SEG_ACK, c.isn + 1);
    c.ack = f->packet.seq + 1;
    free(f);
    check_cookie(&c);
    bed_close();

    bed_open(6, 64);
    c = bed_client(0, BED_HTTP);
    c.options = (struct tcp_options) { .mss = 0 };
    bed_connect(&c);
    check_cookie(&c);
    bed_close();
}

/* The bytes that malloc() has given out. */
static size_t
allocated(void)
{
    return mallinfo2().uordblks;
}

/* A flood of SYNs, of handshakes without data, of whatever proves nothing,
 * takes no byte. */
static void
test_no_memory(void)
{
    struct bed_client c;
    size_t before, after, memory;

    bed_open(4, 64);
    bed.discard = true;
    c = bed_client(0, BED_HTTP);
    bed_segment(&c, SEG_SYN, 0, NULL, 0);   /* A new service address. */
    bed_wait(1);
    before = allocated();
    memory = migrate_memory(bed.engine);
    for (uint32_t i = 0; i < 100000; i++) {
        struct cookie_secrets *secrets = &bed.engine->secrets;
        struct syn_options syn = { .mss = 1460, .wscale_ok = true,
                                   .wscale = 7, .sack_ok = true };

        c.tuple.client = address_from_v4(unit_random());
        c.tuple.client_port = unit_random();
        c.isn = unit_random();
        bed_segment(&c, SEG_SYN, c.isn, NULL, 0);
        c.ack = cookie_make(secrets, &c.tuple, c.isn, &syn) + 1;
        bed_segment(&c, SEG_ACK, c.isn + 1, NULL, 0);   /* Proven. */
        c.ack++;
        bed_segment(&c, SEG_ACK, c.isn + 1, NULL, 0);   /* Not so. */
        bed_segment(&c, SEG_ACK, c.isn + 1, REQUEST, REQUEST_LEN);
        bed_segment(&c, SEG_ACK | SEG_FIN, c.isn + 1, NULL, 0);
        bed_segment(&c, SEG_RST, c.isn + 1, NULL, 0);
    }
    after = allocated();        /* The checks themselves take some. */
    CHECK_INT(after, before);
    CHECK_INT(migrate_connection_count(bed.engine), 0);
    CHECK_INT(migrate_memory(bed.engine), memory);
    CHECK_INT(BED_COUNT(SYN), 100001);
    CHECK_INT(BED_COUNT(ACK_DROP), 200000);
    CHECK_INT(BED_COUNT(DROP_COOKIE), 100000);
    CHECK_INT(BED_COUNT(DROP_NO_RECORD), 200000);
    bed_close();
}

static void
test_bad_frames(void)
{
    struct bed_client c;
    uint8_t frame[ETH_LEN + 40];

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_segment(&c, SEG_SYN | SEG_ACK, c.isn, NULL, 0);
    bed_segment(&c, SEG_SYN | SEG_RST, c.isn, NULL, 0);
    bed_segment(&c, SEG_SYN | SEG_FIN, c.isn, NULL, 0);
    CHECK_INT(BED_COUNT(DROP_FLAGS), 3);
    bed_corrupted(&c, SEG_SYN, c.isn, NULL, 0, 0);
    CHECK_INT(BED_COUNT(DROP_CHECKSUM), 1);
    bed_expect_none();

    bed_connect(&c);
    bed_corrupted(&c, SEG_ACK, c.seq, REQUEST, REQUEST_LEN, 5);
    CHECK_INT(BED_COUNT(DROP_CHECKSUM), 2);
    bed_segment(&c, 0, c.seq, REQUEST, REQUEST_LEN);
    CHECK_INT(BED_COUNT(DROP_NO_RECORD), 1);
    c.service_id = 99;
    bed_data(&c, REQUEST, REQUEST_LEN);
    CHECK_INT(BED_COUNT(DROP_NO_SERVICE), 1);
    CHECK_INT(migrate_connection_count(bed.engine), 0);

    /* Not TCP at all. */
    for (int type = 0; type < 3; type++) {
        struct frame f = { .data = frame, .len = sizeof frame };
        uint16_t sum;

        memset(frame, 0, sizeof frame);
        frame[12] = 0x08;
        frame[14] = 0x45;
        frame[17] = 40;
        frame[20] = type == 0 ? 0x20 : 0;   /* More fragments. */
        frame[23] = type == 1 ? IPPROTO_GRE : IPPROTO_TCP;
        sum = ~(0x4500 + 40 + (frame[20] << 8) + frame[23]);
        frame[24] = sum >> 8;
        frame[25] = sum;
        CHECK_INT(migrate_service_frame(bed.engine, BED_HTTP, &f, bed.now),
                  MIGRATE_DROP);
    }
    CHECK_INT(BED_COUNT(DROP_FRAGMENT), 1);
    CHECK_INT(BED_COUNT(DROP_NOT_TCP), 1);
    CHECK_INT(BED_COUNT(DROP_MALFORMED), 1);
    bed_expect_none();
    bed_close();
}

/* RFC 9293 3.8.4: a probe has the sequence number before the next, and
 * perhaps a byte of nonsense. */
static void
check_probe(const struct bed_client *c, size_t len)
{
    struct bed_frame *f;

    CHECK_INT(bed_segment(c, SEG_ACK, c->seq - 1, "x", len), MIGRATE_DROP);
    f = bed_expect(c, SEG_ACK, c->seq);
    CHECK_INT(f->packet.seq, c->ack);
    CHECK_INT(f->packet.window, 32768 >> RCV_WSCALE);
    free(f);
}

static void
test_keepalive(void)
{
    struct bed_client c;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_connect(&c);
    check_probe(&c, 0);
    check_probe(&c, 1);
    CHECK_INT(BED_COUNT(PROBE), 2);
    CHECK_INT(migrate_connection_count(bed.engine), 0);

    bed_data(&c, REQUEST, 4);
    check_probe(&c, 0);
    check_probe(&c, 1);
    CHECK_STR(bed_state(&c), "gather");
    bed_data(&c, REQUEST + 4, REQUEST_LEN - 4);     /* It goes on as if... */
    bed_expect_request(&c, REQUEST, REQUEST_LEN);
    bed_close();
}

/* A client that comes again from its port gets the same answers before its
 * request, though the port's last connection is still known. */
static void
test_silent_successor(void)
{
    struct bed_client c, old;

    for (int ended = 0; ended < 2; ended++) {
        uint32_t flow_id;
        unsigned int host;

        bed_open(4, 64);
        c = bed_client(0, BED_HTTP);
        flow_id = bed_live(&c, &host);
        if (ended) {
            bed_report(host, flow_id, MIGRATE_RELEASE, 0, 0);
        }
        old = c;
        c.isn += 0x5555;
        bed_connect(&c);
        check_probe(&c, 0);
        check_probe(&c, 1);
        bed_segment(&c, SEG_FIN | SEG_ACK, c.seq, NULL, 0);
        free(bed_expect(&c, SEG_FIN | SEG_ACK, c.seq + 1));
        CHECK_STR(bed_state(&old), ended ? "linger" : "live");
        CHECK_INT(bed_segment(&old, SEG_ACK, old.seq, NULL, 0),
                  MIGRATE_FORWARD);
        bed_close();
    }
}

static void
test_fin_without_request(void)
{
    struct bed_client c;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_connect(&c);
    bed_segment(&c, SEG_FIN | SEG_ACK, c.seq, NULL, 0);
    free(bed_expect(&c, SEG_FIN | SEG_ACK, c.seq + 1));
    c.ack++;
    bed_segment(&c, SEG_ACK, c.seq + 1, NULL, 0);
    bed_expect_none();
    CHECK_INT(migrate_connection_count(bed.engine), 0);
    bed_close();
}

/* Segments that belong to no byte of the request. */
static void
test_outside(void)
{
    struct bed_client c;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_connect(&c);
    bed_data(&c, REQUEST, 4);
    bed_segment(&c, SEG_ACK, c.isn + 1 + ASSEMBLY_MAX + 1, "x", 1);
    CHECK_INT(BED_COUNT(DROP_WINDOW), 1);
    c.ack++;
    bed_segment(&c, SEG_ACK, c.seq, REQUEST + 4, REQUEST_LEN - 4);
    CHECK_INT(BED_COUNT(DROP_WINDOW), 2);
    c.ack--;
    bed_segment(&c, SEG_ACK, c.isn - 5, "xxxxxxGEt", 9);
    free(bed_expect(&c, SEG_ACK, c.seq));
    bed_corrupted(&c, SEG_ACK, c.seq, REQUEST + 4, REQUEST_LEN - 4, 0);
    CHECK_INT(BED_COUNT(DROP_CHECKSUM), 1);
    bed_expect_none();
    bed_segment(&c, SEG_ACK, c.isn - 5, "xxxxxx" REQUEST, 6 + REQUEST_LEN);
    bed_expect_request(&c, REQUEST, REQUEST_LEN);
    bed_close();
}

/* Sequence numbers wrap anywhere in the request. */
static void
test_sequence_wraps(void)
{
    for (uint32_t before = 0; before <= REQUEST_LEN + 1; before++) {
        struct bed_client c;

        bed_open(6, 64);
        c = bed_client(0, BED_HTTP);
        c.isn = -before - 1;
        bed_connect(&c);
        bed_data(&c, REQUEST, 10);
        bed_data(&c, REQUEST + 10, REQUEST_LEN - 10);
        bed_expect_request(&c, REQUEST, REQUEST_LEN);
        bed_close();
    }
}

/* A frame as long as TSO makes them. */
static void
test_long_frame(void)
{
    static char data[60000];
    struct bed_client c;
    struct bed_bundle b;
    struct bed_frame *f;
    size_t got;

    memset(data, 'x', sizeof data);
    memcpy(data, "POST / HTTP/1.1\r\nContent-Length: 59900\r\n\r\n", 42);
    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_connect(&c);
    bed_data(&c, data, sizeof data);
    b = bed_expect_bundle();
    got = b.inner->packet.payload_len;
    CU_ASSERT(got > 1300);
    CU_ASSERT(!memcmp(b.inner->data + b.inner->packet.payload, data, got));
    bed_bundle_free(&b);
    while ((f = bed_take())) {
        CHECK_INT(f->kind, FRAME_TCP);
        CHECK_INT(f->packet.seq, c.isn + 1 + got);
        CU_ASSERT(f->frame.len <= ETH_LEN + 1500);
        got += f->packet.payload_len;
        free(f);
    }
    CHECK_INT(got, ASSEMBLY_MAX);   /* The client sends the rest again. */
    bed_close();
}

/* Packets of a live connection: the flow ID in the ports, the hosts' and the
 * switch's addresses, all else and the length as they were. */
static void
test_forward(void)
{
    FOR_EACH_FAMILY(i) {
        struct bed_client c;
        unsigned int host;
        uint32_t flow_id;
        const struct packet *p;

        bed_open(families[i], 64);
        c = bed_client(0, BED_HTTP);
        flow_id = bed_live(&c, &host);
        CHECK_INT(bed_data(&c, REQUEST, REQUEST_LEN), MIGRATE_FORWARD);
        p = &bed.forwarded->packet;
        CHECK_INT(bed.forwarded->kind, FRAME_TCP);
        CHECK_INT((uint32_t) ntohs(p->src_port) << 16 | ntohs(p->dst_port),
                  flow_id);
        CU_ASSERT(address_equals(&p->src, &bed.address));
        CU_ASSERT(address_equals(&p->dst, &bed.hosts[host].address));
        CU_ASSERT(!memcmp(bed.forwarded->data, bed.hosts[host].mac, 6));
        CU_ASSERT(!memcmp(bed.forwarded->data + 6, bed.mac, 6));
        CU_ASSERT(frame_csum_ok(&bed.forwarded->frame, p));
        CHECK_INT(p->payload_len, REQUEST_LEN);
        CU_ASSERT(bed_holds(bed.forwarded, REQUEST));
        CHECK_INT(bed.forwarded->frame.len,
                  ETH_LEN + (families[i] == 4 ? 20 : 40) + 32 + REQUEST_LEN);
        CHECK_INT(p->seq, c.seq - REQUEST_LEN);
        CHECK_INT(p->ack, c.ack);
        CHECK_INT(bed_record(&c)->packets, 1);
        CHECK_INT(bed_record(&c)->bytes, bed.forwarded->frame.len);

        /* Corrupted it goes on, and corrupted it arrives. */
        CHECK_INT(bed_corrupted(&c, SEG_ACK, c.seq, REQUEST, REQUEST_LEN, 7),
                  MIGRATE_FORWARD);
        CU_ASSERT(!frame_csum_ok(&bed.forwarded->frame,
                                 &bed.forwarded->packet));
        CHECK_INT(bed_segment(&c, SEG_RST, c.seq, NULL, 0), MIGRATE_FORWARD);
        CHECK_STR(bed_state(&c), "live");   /* The host knows better. */
        bed_close();
    }
}

/* A client port is used again, and the new connection's SYN went to another
 * switch: its first data are far from where the old connection is, and prove
 * the cookie. */
static void
test_far(void)
{
    const struct syn_options options = { .mss = 1460 };
    struct bed_client c, again;
    uint32_t flow_id;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    flow_id = bed_live(&c, NULL);
    again = c;
    again.isn += 1u << 30;
    again.seq = again.isn + 1;
    again.ack = cookie_make(&bed.engine->secrets, &c.tuple, again.isn,
                            &options) + 1;
    /* What is behind them proves nothing, and is not taken for the old
     * connection's progress. */
    CHECK_INT(bed_segment(&again, SEG_ACK, again.seq + 100, "x", 1),
              MIGRATE_FORWARD);
    CHECK_INT(bed_record(&c)->flow_id, flow_id);
    CHECK_INT(bed_record(&c)->client_seq, c.seq);
    bed_text(&again, "GET / HTTP/1.1\r\n");
    CHECK_STR(bed_state(&c), "gather");
    CHECK_INT(BED_COUNT(REPLACED), 1);
    bed_close();
}

static const struct unit_test tests[] = {
    { "SYN-ACK and cookie hold the options", test_syn },
    { "SYN without options", test_syn_without_options },
    { "nothing unproven takes memory", test_no_memory },
    { "bad frames", test_bad_frames },
    { "keepalive probe before data", test_keepalive },
    { "probes and FIN from a port that had a connection",
      test_silent_successor },
    { "FIN without a request", test_fin_without_request },
    { "segments outside the window", test_outside },
    { "sequence numbers wrap", test_sequence_wraps },
    { "64 KiB frame", test_long_frame },
    { "packets carry the flow ID", test_forward },
    { "data of a connection that began elsewhere", test_far },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "client", tests };
