/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bed.h"

#include <stdlib.h>
#include <string.h>

/* Requests as they come in. */

#define REQUEST "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define REQUEST_LEN (sizeof REQUEST - 1)

/* A request comes in three pieces, in each order, and is put together. */
static void
test_any_order(void)
{
    static const int orders[][3] = {
        { 0, 1, 2 }, { 0, 2, 1 }, { 0, 2, 2 }, { 0, 1, 1 }
    };

    for (size_t o = 0; o < 4; o++) {
        uint32_t cuts[] = { 0, 7, 16, REQUEST_LEN };
        struct bed_client c;

        bed_open(4, 64);
        c = bed_client(o, BED_HTTP);
        bed_connect(&c);
        for (int k = 0; k < 3; k++) {
            int piece = orders[o][k];

            bed_segment(&c, SEG_ACK, c.seq + cuts[piece],
                        REQUEST + cuts[piece], cuts[piece + 1] - cuts[piece]);
            if (k == 1 && piece == 2) {
                /* Told at once that the middle is missing. */
                free(bed_expect(&c, SEG_ACK, c.seq + cuts[1]));
            }
        }
        if (orders[o][1] == orders[o][2]) {
            /* Nothing new: an ACK, and the rest is still awaited. */
            uint32_t ack = c.seq + cuts[orders[o][2] == 2 ? 1 : 2];
            int missing = orders[o][2] == 2 ? 1 : 2;

            free(bed_expect(&c, SEG_ACK, ack));
            bed_expect_none();
            bed_segment(&c, SEG_ACK, c.seq + cuts[missing],
                        REQUEST + cuts[missing],
                        cuts[missing + 1] - cuts[missing]);
        }
        bed_expect_request(&c, REQUEST, REQUEST_LEN);
        bed_expect_none();
        bed_close();
    }
}

/* What was classified cannot be changed by sending it again. */
static void
test_first_value_wins(void)
{
    struct bed_client c;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_connect(&c);
    bed_segment(&c, SEG_ACK, c.seq, "GET /", 5);
    bed_segment(&c, SEG_ACK, c.seq, "GET /images HTTP/1.1\r\n\r\n", 24);
    bed_expect_request(&c, "GET /images HTTP/1.1\r\n\r\n", 24);
    bed_close();

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_connect(&c);
    bed_segment(&c, SEG_ACK, c.seq, "GET /a HTTP/1.1\r", 16);
    bed_segment(&c, SEG_ACK, c.seq, "GET /images HTT\r" "\n\r\n", 19);
    bed_expect_request(&c, "GET /a HTTP/1.1\r\n\r\n", 19);
    bed_close();
}

/* A trickled request is acknowledged 40 ms after its first byte without an
 * ACK, however many bytes come meanwhile. */
static void
test_delayed_ack(void)
{
    struct bed_client c;
    struct bed_frame *f;
    int64_t start;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_connect(&c);
    start = bed.now;
    bed_data(&c, REQUEST, 1);
    bed_wait(30);
    bed_data(&c, REQUEST + 1, 1);
    bed_wait(30);
    f = bed_expect(&c, SEG_ACK, c.isn + 3);
    CHECK_INT(f->when, start + DELAYED_ACK);
    CHECK_INT(f->packet.seq, c.ack);
    CHECK_INT(f->packet.window, 32768 >> RCV_WSCALE);
    free(f);
    bed_wait(500);
    bed_expect_none();          /* Not twice. */
    CHECK_INT(BED_COUNT(DELAYED_ACK), 1);

    bed_data(&c, REQUEST + 2, REQUEST_LEN - 2);
    bed_expect_request(&c, REQUEST, REQUEST_LEN);
    bed_close();
}

/* The switch does not acknowledge what it hands over at once: until then the
 * client itself is the retransmission buffer. */
static void
test_no_early_ack(void)
{
    struct bed_client c;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_connect(&c);
    bed_data(&c, REQUEST, REQUEST_LEN);
    bed_expect_request(&c, REQUEST, REQUEST_LEN);
    bed_wait(45);
    bed_expect_none();
    CHECK_INT(BED_COUNT(DELAYED_ACK), 0);
    bed_close();
}

/* A byte now and then does not put the request's deadline off. */
static void
test_slow_loris(void)
{
    struct bed_client c;
    struct bed_frame *f;
    int64_t start;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_connect(&c);
    start = bed.now;
    bed_text(&c, "GET /");
    while (bed.now < start + 5500 && BED_COUNT(REJECT_408) == 0) {
        bed_data(&c, "a", 1);
        bed_wait(30);
    }
    CHECK_INT(BED_COUNT(REJECT_408), 1);
    while ((f = bed_take()) && !bed_holds(f, "408 Request Timeout")) {
        free(f);
    }
    CU_ASSERT_FATAL(f != NULL);
    CHECK_INT(f->when, start + 5000);
    free(f);
    bed_close();
}

/* A FIN that closes the client's half is part of what the host gets. */
static void
test_fin_with_request(void)
{
    struct bed_bundle b;
    struct bed_client c;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_connect(&c);
    bed_segment(&c, SEG_ACK | SEG_FIN, c.seq, REQUEST, REQUEST_LEN);
    b = bed_expect_bundle();
    CHECK_INT(b.inner->packet.flags, SEG_ACK | SEG_PSH | SEG_FIN);
    CHECK_INT(b.inner->packet.payload_len, REQUEST_LEN);
    bed_bundle_free(&b);

    /* One that comes before what is before it waits. */
    c = bed_client(1, BED_HTTP);
    bed_connect(&c);
    bed_segment(&c, SEG_ACK, c.seq, REQUEST, 4);
    bed_segment(&c, SEG_ACK | SEG_FIN, c.seq + 10, REQUEST + 10,
                REQUEST_LEN - 10);
    free(bed_expect(&c, SEG_ACK, c.seq + 4));
    bed_segment(&c, SEG_ACK, c.seq + 4, REQUEST + 4, 6);
    b = bed_expect_bundle();
    CHECK_INT(b.inner->packet.flags, SEG_ACK | SEG_PSH | SEG_FIN);
    bed_bundle_free(&b);

    /* The host does not get it before what is missing. */
    c = bed_client(2, BED_HTTP);
    bed_connect(&c);
    bed_segment(&c, SEG_ACK, c.seq, REQUEST, 4);
    bed_segment(&c, SEG_ACK | SEG_FIN, c.seq + REQUEST_LEN + 10, "x", 1);
    free(bed_expect(&c, SEG_ACK, c.seq + 4));
    bed_segment(&c, SEG_ACK, c.seq, REQUEST, REQUEST_LEN);
    b = bed_expect_bundle();
    CHECK_INT(b.inner->packet.flags, SEG_ACK | SEG_PSH);
    CHECK_INT(b.inner->packet.payload_len, REQUEST_LEN);
    bed_bundle_free(&b);
    bed_close();
}

/* RFC 5961 3.2: only a RST at the expected byte counts. */
static void
test_reset(void)
{
    struct bed_client c;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_connect(&c);
    bed_data(&c, REQUEST, 4);
    bed_segment(&c, SEG_RST, c.seq + 1, NULL, 0);
    bed_segment(&c, SEG_RST, c.seq - 1, NULL, 0);
    CHECK_STR(bed_state(&c), "gather");
    CHECK_INT(BED_COUNT(DROP_WINDOW), 2);
    bed_segment(&c, SEG_RST, c.seq, NULL, 0);
    CHECK_STR(bed_state(&c), "none");
    CHECK_INT(BED_COUNT(CLIENT_RESET), 1);
    bed_wait(6000);
    bed_expect_none();
    bed_close();
}

/* A service that reads nothing decides at the ACK: its server may speak
 * first. */
static void
test_tcp_service(void)
{
    struct bed_client c;
    struct bed_bundle b;

    bed_open(4, 64);
    c = bed_client(0, BED_TCP);
    bed_connect(&c);
    CHECK_INT(migrate_connection_count(bed.engine), 0);
    bed_segment(&c, SEG_ACK, c.seq, NULL, 0);
    b = bed_expect_bundle();
    CHECK_INT(b.inner->packet.payload_len, 0);
    CHECK_INT(b.inner->packet.seq, c.seq);
    bed_bundle_free(&b);
    CHECK_STR(bed_state(&c), "offered");

    c = bed_client(1, BED_TCP);
    bed_connect(&c);
    bed_segment(&c, SEG_FIN | SEG_ACK, c.seq, NULL, 0);
    free(bed_expect(&c, SEG_FIN | SEG_ACK, c.seq + 1));
    CHECK_STR(bed_state(&c), "none");
    bed_close();
}

/* Expects a bundle with the 'len' bytes that 'c' sent, decided by default, at
 * 'when'. */
static void
expect_unread(const struct bed_client *c, size_t len, int64_t when)
{
    struct bed_bundle b = bed_expect_bundle();

    CHECK_INT(b.inner->packet.payload_len, len);
    CHECK_INT(b.when, when);
    CHECK_INT(bed_record(c)->rule, MIGRATE_RULE_DEFAULT);
    bed_bundle_free(&b);
}

/* A client that says nothing is waiting for the server; one that says what is
 * no protocol that the switch knows gets it at once. */
static void
test_auto_service(void)
{
    struct bed_client c;
    int64_t start;

    bed_open(4, 64);
    c = bed_client(0, BED_AUTO);
    bed_connect(&c);
    CHECK_INT(migrate_connection_count(bed.engine), 0);
    start = bed.now;
    bed_segment(&c, SEG_ACK, c.seq, NULL, 0);
    CHECK_STR(bed_state(&c), "gather");
    bed_wait(199);
    bed_expect_none();
    bed_wait(1);
    expect_unread(&c, 0, start + 200);
    CHECK_INT(BED_COUNT(UNREAD), 1);
    bed_close();

    bed_open(4, 64);
    c = bed_client(1, BED_AUTO);
    bed_connect(&c);
    bed_text(&c, "SSH-2.0-x\r\n");
    expect_unread(&c, 11, bed.now);
    CHECK_INT(BED_COUNT(UNREAD), 0);
    bed_close();
}

/* Data that may yet become a request is waited for, however long the pause;
 * what is none in the end goes to the server, what is half of one does not. */
static void
test_auto_incomplete(void)
{
    static const struct {
        const char *bytes;
        size_t n;
        bool known;
    } cases[] = {
        { "PRI", 3, false },
        { "\x16\x03\x01", 3, false },
        { "GET / HTTP/1.1\r\n", 16, true },
        { "\x16\x03\x01\0\2\1", 6, true },
    };
    struct bed_frame *f;

    for (size_t i = 0; i < 2 * (sizeof cases / sizeof *cases); i++) {
        bool closes = i % 2;
        const char *bytes = cases[i / 2].bytes;
        size_t n = cases[i / 2].n;
        struct bed_client c;
        int64_t start;

        bed_open(4, 64);
        c = bed_client(i, BED_AUTO);
        bed_connect(&c);
        start = bed.now;
        bed_segment(&c, SEG_ACK, c.seq, NULL, 0);
        bed_wait(100);
        bed_data(&c, bytes, n);
        bed_wait(4000);
        free(bed_expect(&c, SEG_ACK, c.seq));   /* The delayed ACK. */
        bed_expect_none();
        if (closes) {
            bed_segment(&c, SEG_FIN | SEG_ACK, c.seq, NULL, 0);
        } else {
            bed_wait(900);
        }
        if (!cases[i / 2].known) {
            expect_unread(&c, n, closes ? bed.now : start + 5000);
        } else {
            f = bed_take();
            CU_ASSERT(f && f->kind == FRAME_TCP);
            free(f);
            CHECK_INT(BED_COUNT(REJECT_400), closes);
            CHECK_INT(BED_COUNT(REJECT_408), !closes);
        }
        bed_close();
    }
}

/* Bytes that are missing are not a client that waits. */
static void
test_auto_gap(void)
{
    struct bed_client c;

    bed_open(4, 64);
    c = bed_client(0, BED_AUTO);
    bed_connect(&c);
    bed_segment(&c, SEG_ACK, c.seq, NULL, 0);
    bed_segment(&c, SEG_ACK, c.seq + 5, REQUEST + 5, REQUEST_LEN - 5);
    bed_wait(1000);
    free(bed_expect(&c, SEG_ACK, c.seq));
    bed_expect_none();
    bed_segment(&c, SEG_ACK, c.seq, REQUEST, 5);
    bed_expect_request(&c, REQUEST, REQUEST_LEN);
    bed_close();
}

/* A client of HTTP/2 that waits for the server's SETTINGS. */
static void
test_h2_waits(void)
{
    static const char start[] = H2_PREFACE "\0\0\0\4\0\0\0\0\0";
    struct bed_client c;
    int64_t last;

    bed_open(4, 64);
    c = bed_client(0, BED_H2C);
    bed_connect(&c);
    bed_data(&c, start, sizeof start - 2);
    bed_wait(1000);             /* Half a frame: it is not waiting. */
    free(bed_expect(&c, SEG_ACK, c.seq));
    bed_expect_none();
    last = bed.now;
    bed_data(&c, "", 1);
    bed_wait(200);
    free(bed_expect(&c, SEG_ACK, c.seq));
    expect_unread(&c, sizeof start - 1, last + 200);
    CHECK_INT(BED_COUNT(UNREAD), 1);
    bed_close();
}

/* Sends what never is a request, and is kept. */
static void
half_request(struct bed_client *c, unsigned int n, size_t len)
{
    static char data[HTTP_MAX_HEAD];

    memset(data, 'x', sizeof data);
    memcpy(data, "GET /", 5);
    *c = bed_client(n & 0xff, BED_HTTP);
    c->tuple.client_port = n;
    bed_connect(c);
    bed_data(c, data, len);
}

static void
test_eviction(void)
{
    struct bed_client first, second, c;
    unsigned int n = 0;

    bed_open(4, 10000);
    half_request(&first, n++, HTTP_MAX_HEAD - 1);
    half_request(&second, n++, HTTP_MAX_HEAD - 1);
    while (BED_COUNT(DROP_EVICTED) == 0 && n < 10000) {
        half_request(&c, n++, HTTP_MAX_HEAD - 1);
    }
    CU_ASSERT(n > 3000 && n < 4500);
    CHECK_INT(BED_COUNT(DROP_EVICTED), 1);
    CHECK_STR(bed_state(&first), "none");
    CHECK_STR(bed_state(&second), "gather");
    CHECK_STR(bed_state(&c), "gather");
    CHECK_INT(migrate_connection_count(bed.engine), n - 1);
    free(bed_expect(&first, SEG_RST | SEG_ACK, first.seq));
    bed_expect_none();
    CU_ASSERT(bed.engine->pending_bytes <= MAX_PENDING_BYTES);
    bed_close();
}

/* Who has been told an error goes first. */
static void
test_eviction_of_rejected(void)
{
    struct bed_client oldest, first, last, c;
    unsigned int n = 0;

    bed_open(4, 10000);
    half_request(&oldest, n++, HTTP_MAX_HEAD - 1);
    do {
        last = bed_client(n++, BED_HTTP);
        bed_connect(&last);
        bed_text(&last, "nonsense\r\n");
        CHECK_STR(bed_state(&last), "rejected");
        bed_clear();
        if (n == 2) {
            first = last;
        }
    } while (n < 200);
    while (BED_COUNT(DROP_EVICTED) == 0 && n < 10000) {
        half_request(&c, n++, HTTP_MAX_HEAD - 1);
    }
    CHECK_STR(bed_state(&first), "none");
    CHECK_STR(bed_state(&last), "rejected");
    CHECK_STR(bed_state(&oldest), "gather");
    CHECK_STR(bed_state(&c), "gather");
    CHECK_INT(BED_COUNT(RESET), BED_COUNT(DROP_EVICTED));
    CU_ASSERT(bed.engine->pending_bytes <= MAX_PENDING_BYTES);
    bed_close();
}

/* Connections that hosts do not answer for are not given up for new ones. */
static void
test_hosts_do_not_keep_up(void)
{
    static char data[HTTP_MAX_HEAD];
    struct bed_client c, first;
    unsigned int n;

    memset(data, 'x', sizeof data);
    memcpy(data, "GET / HTTP/1.1\r\nX: ", 19);
    memcpy(data + sizeof data - 4, "\r\n\r\n", 4);
    bed_open(4, 10000);
    for (n = 0; n < 10000; n++) {
        c = bed_client(n & 0xff, BED_HTTP);
        c.tuple.client_port = n;
        bed_connect(&c);
        bed_data(&c, data, sizeof data);
        bed_clear();
        if (n == 0) {
            first = c;
        } else if (BED_COUNT(DROP_TABLE_FULL)) {
            break;
        }
    }
    CU_ASSERT(n > 3000 && n < 4500);
    CHECK_STR(bed_state(&c), "none");
    CHECK_STR(bed_state(&first), "offered");
    CHECK_INT(BED_COUNT(DROP_EVICTED), 0);
    bed_close();
}

static void
test_table_full(void)
{
    struct bed_client c;

    bed_open(4, 5);
    for (unsigned int n = 0; n < 5; n++) {
        half_request(&c, n, 10);
    }
    half_request(&c, 5, 10);
    CHECK_INT(migrate_connection_count(bed.engine), 5);
    CHECK_INT(BED_COUNT(DROP_TABLE_FULL), 1);
    CHECK_STR(bed_state(&c), "none");

    /* The client tries again, and by then there is room. */
    bed_wait(10000);
    bed_clear();
    bed_segment(&c, SEG_ACK, c.seq - 10, REQUEST, REQUEST_LEN);
    CHECK_STR(bed_state(&c), "offered");
    bed_close();
}

static const struct unit_test tests[] = {
    { "segments in any order", test_any_order },
    { "first value wins", test_first_value_wins },
    { "delayed ACK", test_delayed_ack },
    { "no ACK before the handoff", test_no_early_ack },
    { "trickling does not put the timeout off", test_slow_loris },
    { "FIN with the request", test_fin_with_request },
    { "reset while the request is incomplete", test_reset },
    { "service without content decides at the ACK", test_tcp_service },
    { "service of any protocol", test_auto_service },
    { "service of any protocol: half a request", test_auto_incomplete },
    { "service of any protocol: bytes that are missing", test_auto_gap },
    { "HTTP/2 client that waits", test_h2_waits },
    { "eviction of the oldest request", test_eviction },
    { "eviction of rejected ones first", test_eviction_of_rejected },
    { "hosts that do not keep up", test_hosts_do_not_keep_up },
    { "table full", test_table_full },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "gather", tests };
