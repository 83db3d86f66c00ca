/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bed.h"
#include "xalloc.h"

#include <stdlib.h>
#include <string.h>

/* A bed whose hosts are all down, so that nothing can be served. */
static void
open_without_hosts(void)
{
    bed_open(4, 64);
    for (unsigned int i = 0; i < BED_HOSTS; i++) {
        bed.hosts[i].alive = false;
    }
    bed_wait(2000);
    bed_clear();
}

/* The next frame is an error response, complete and with a FIN. */
static void
check_response(const struct bed_client *c, const char *status, int64_t when)
{
    struct bed_frame *f = bed_expect(c, SEG_PSH | SEG_ACK | SEG_FIN, c->seq);
    char *text = xasprintf("HTTP/1.1 %s\r\n", status);
    char *copy = xasprintf("%.*s", (int) f->packet.payload_len,
                           (char *) f->data + f->packet.payload);
    const char *body = strstr(copy, "\r\n\r\n");
    const char *length = strstr(copy, "Content-Length: ");

    CU_ASSERT(!strncmp(copy, text, strlen(text)));
    CU_ASSERT_FATAL(body && length);
    CHECK_INT(atoi(length + 16), strlen(body + 4));
    CU_ASSERT(strstr(copy, "\r\nConnection: close\r\n") != NULL);
    CHECK_INT(strstr(copy, "\r\nRetry-After: 1\r\n") != NULL,
              !strncmp(status, "503", 3));
    CHECK_INT(f->packet.seq, c->ack);
    CHECK_INT(f->when, when);
    free(copy);
    free(text);
    free(f);
}

/* Acknowledges the response and its FIN, whatever its length. */
static void
ack_response(struct bed_client *c)
{
    struct bed_frame *f = bed_expect(c, SEG_PSH | SEG_ACK | SEG_FIN, c->seq);

    c->ack += f->packet.payload_len + 1;
    free(f);
    bed_segment(c, SEG_ACK, c->seq, NULL, 0);
}

static void
test_malformed(void)
{
    static const char *const requests[] = {
        "NONSENSE\r\n\r\n",
        "\x16\x03\x01\x02",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    };

    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        struct bed_client c;

        bed_open(4, 64);
        c = bed_client(i, BED_HTTP);
        bed_connect(&c);
        bed_text(&c, requests[i]);
        check_response(&c, "400 Bad Request", bed.now);
        bed_expect_none();
        CHECK_INT(BED_COUNT(REJECT_400), 1);
        CHECK_INT(BED_COUNT(BUNDLE), 0);
        bed_close();
    }
}

/* A client that closes in the middle of its request. */
static void
test_closed_early(void)
{
    struct bed_client c;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_connect(&c);
    bed_text(&c, "GET / HT");
    bed_segment(&c, SEG_FIN | SEG_ACK, c.seq, NULL, 0);
    c.seq++;                    /* The FIN is acknowledged. */
    check_response(&c, "400 Bad Request", bed.now);
    bed_close();
}

static void
test_timeout(void)
{
    struct bed_client c;
    int64_t start;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_connect(&c);
    start = bed.now;
    bed_text(&c, "GET / HTTP/1.1\r\n");
    bed_wait(4999);
    free(bed_expect(&c, SEG_ACK, c.seq));   /* The delayed ACK. */
    bed_expect_none();
    bed_wait(1);
    check_response(&c, "408 Request Timeout", start + 5000);
    CHECK_INT(BED_COUNT(REJECT_408), 1);
    bed_close();
}

static void
test_too_large(void)
{
    static char head[HTTP_MAX_HEAD];
    struct bed_client c;

    memset(head, 'x', sizeof head);
    memcpy(head, "GET /", 5);
    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_connect(&c);
    bed_data(&c, head, sizeof head - 1);
    bed_expect_none();
    bed_text(&c, "x");
    check_response(&c, "431 Request Header Fields Too Large", bed.now);
    CHECK_INT(BED_COUNT(REJECT_431), 1);
    bed_close();
}

/* The response is sent again until it is acknowledged, and no longer than two
 * seconds; then there is a reset. */
static void
test_retransmission(void)
{
    struct bed_client c;
    int64_t start;

    open_without_hosts();
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    start = bed.now;
    check_response(&c, "503 Service Unavailable", start);
    bed_wait(5000);
    for (int i = 1; i <= 6; i++) {
        check_response(&c, "503 Service Unavailable", start + 300 * i);
    }
    free(bed_expect(&c, SEG_RST | SEG_ACK, c.seq));
    bed_expect_none();
    CHECK_STR(bed_state(&c), "none");
    CHECK_INT(BED_COUNT(REJECT_503), 1);
    CHECK_INT(bed.engine->pending_bytes, 0);
    bed_close();
}

/* A client that closes properly is not reset. */
static void
test_closed(void)
{
    struct bed_client c;

    open_without_hosts();
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    ack_response(&c);
    bed_wait(1000);
    bed_expect_none();          /* It is not sent again. */
    bed_segment(&c, SEG_FIN | SEG_ACK, c.seq, NULL, 0);
    free(bed_expect(&c, SEG_ACK, c.seq + 1));
    bed_segment(&c, SEG_FIN | SEG_ACK, c.seq, NULL, 0);     /* Again. */
    free(bed_expect(&c, SEG_ACK, c.seq + 1));
    bed_wait(2000);
    bed_expect_none();
    CHECK_STR(bed_state(&c), "none");
    CHECK_INT(BED_COUNT(RESET), 0);
    bed_close();
}

/* What a client still sends is taken in: a reset could overtake the
 * response. */
static void
test_rest_is_taken_in(void)
{
    struct bed_client c;

    open_without_hosts();
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    bed_clear();
    CHECK_INT(bed_text(&c, "a body"), MIGRATE_DROP);
    free(bed_expect(&c, SEG_ACK, c.seq));
    bed_segment(&c, SEG_ACK, c.seq + 10, "later", 5);
    free(bed_expect(&c, SEG_ACK, c.seq));
    bed_corrupted(&c, SEG_ACK, c.seq, "wrong", 5, 2);
    bed_expect_none();
    CHECK_INT(BED_COUNT(DROP_CHECKSUM), 1);

    /* A reset by guess does nothing (RFC 5961 3.2). */
    bed_segment(&c, SEG_RST, c.seq - 1, NULL, 0);
    bed_segment(&c, SEG_RST, c.seq + 1, NULL, 0);
    bed_segment(&c, SEG_RST, c.seq + (1 << 30), NULL, 0);
    CHECK_STR(bed_state(&c), "rejected");
    CHECK_INT(BED_COUNT(DROP_WINDOW), 1);
    bed_segment(&c, SEG_RST, c.seq, NULL, 0);
    CHECK_STR(bed_state(&c), "none");
    bed_wait(3000);
    bed_expect_none();
    bed_close();
}

/* Rejection is no dead end: the same client's next connection is served. */
static void
test_next_connection(void)
{
    struct bed_bundle b;
    struct bed_client c;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_connect(&c);
    bed_text(&c, "NONSENSE\r\n\r\n");
    bed_clear();
    c.isn += 1000;
    bed_request(&c, NULL);
    b = bed_expect_bundle();
    CHECK_INT(b.inner->packet.seq, c.isn + 1);
    bed_bundle_free(&b);
    bed_close();
}

/* The start of a ClientHello, of which 250 bytes are to come. */
#define HELLO "\x16\x03\x01\0\xfa\1\0\0\xf6\3\3"

/* A TLS client is told by an alert what is wrong with what it said; when it is
 * too late, or there is no host, by a reset. */
static void
test_tls(void)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *alert;
    } bad[] = {
        { "GET / HTTP/1.1\r\n\r\n", 18, "\x15\x03\x01\0\2\2\x0a" },
        { "\x16\x03\x01\0\4\1\0\0\0", 9, "\x15\x03\x01\0\2\2\x32" },
        { "\x16\x03\x01\0\4\1\1\0\0", 9, "\x15\x03\x01\0\2\2\x32" },
    };
    struct bed_client c;
    struct bed_frame *f;

    bed_open(4, 64);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        c = bed_client(i, BED_TLS);
        bed_connect(&c);
        bed_data(&c, bad[i].bytes, bad[i].n);
        f = bed_expect(&c, SEG_PSH | SEG_ACK | SEG_FIN, c.seq);
        CHECK_INT(f->packet.payload_len, 7);
        CU_ASSERT(!memcmp(f->data + f->packet.payload, bad[i].alert, 7));
        CHECK_INT(f->packet.seq, c.ack);
        free(f);
        c.ack += 7 + 1;
        bed_segment(&c, SEG_FIN | SEG_ACK, c.seq, NULL, 0);
        free(bed_expect(&c, SEG_ACK, c.seq + 1));
    }
    CHECK_INT(BED_COUNT(REJECT_400), 2);
    CHECK_INT(BED_COUNT(REJECT_431), 1);
    bed_wait(2000);
    bed_expect_none();          /* That was all. */
    CHECK_INT(migrate_connection_count(bed.engine), 0);

    c = bed_client(9, BED_TLS);
    bed_connect(&c);
    bed_data(&c, HELLO, sizeof HELLO - 1);
    bed_wait(5000);
    free(bed_expect(&c, SEG_ACK, c.seq));   /* The delayed ACK. */
    free(bed_expect(&c, SEG_RST | SEG_ACK, c.seq));
    bed_expect_none();
    CHECK_INT(BED_COUNT(REJECT_408), 1);
    CHECK_STR(bed_state(&c), "none");
    bed_close();

    open_without_hosts();
    c = bed_client(0, BED_TLS);
    bed_connect(&c);
    bed_hello(&c, "a");
    free(bed_expect(&c, SEG_RST | SEG_ACK, c.seq));
    bed_expect_none();
    CHECK_INT(BED_COUNT(REJECT_503), 1);
    bed_close();
}

/* A client of HTTP/2 gets a GOAWAY, behind SETTINGS and, if its request is
 * known, a response. */
static void
test_h2(void)
{
    struct bed_client c;
    struct bed_frame *f;

    bed_open(4, 64);
    c = bed_client(0, BED_H2C);
    bed_connect(&c);
    bed_data(&c, H2_PREFACE "\0\0\0\1\5\0\0\0\1", H2_PREFACE_LEN + 9);
    f = bed_expect(&c, SEG_PSH | SEG_ACK | SEG_FIN, c.seq);
    CHECK_INT(f->packet.payload_len, 9 + 17);
    CU_ASSERT(!memcmp(f->data + f->packet.payload,
                      "\0\0\0\4\0\0\0\0\0" "\0\0\x08\7\0\0\0\0\0"
                      "\0\0\0\0" "\0\0\0\1", 9 + 17));
    free(f);
    CHECK_INT(BED_COUNT(REJECT_400), 1);

    /* One that speaks something else is reset. */
    c = bed_client(1, BED_H2C);
    bed_connect(&c);
    bed_text(&c, "GET / HTTP/1.1\r\n\r\n");
    free(bed_expect(&c, SEG_RST | SEG_ACK, c.seq));
    CHECK_INT(BED_COUNT(REJECT_400), 2);
    CHECK_INT(BED_COUNT(RESET), 1);
    bed_close();

    open_without_hosts();
    c = bed_client(0, BED_H2C);
    bed_connect(&c);
    bed_h2_request(&c, "/");
    f = bed_expect(&c, SEG_PSH | SEG_ACK | SEG_FIN, c.seq);
    CHECK_INT(f->packet.payload_len, 9 + 14 + 17);
    CU_ASSERT(bed_holds(f, "503"));
    free(f);
    bed_close();
}

static const struct unit_test tests[] = {
    { "400 for a malformed request", test_malformed },
    { "400 for one cut short", test_closed_early },
    { "408 after the timeout", test_timeout },
    { "431 for a large head", test_too_large },
    { "503 is sent again until acknowledged", test_retransmission },
    { "client closes properly", test_closed },
    { "the rest is taken in", test_rest_is_taken_in },
    { "next connection", test_next_connection },
    { "TLS", test_tls },
    { "HTTP/2", test_h2 },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "reject", tests };
