/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "reader.h"

#include <string.h>

#include "reading.h"

/* What each protocol reads is in test-http.c, test-h2.c and test-tls.c. */

#define PREFACE_AND_SETTINGS H2_PREFACE "\0\0\0\4\0\0\0\0\0"
#define TLS_HELLO \
    "\x16\x03\x01\0\x2d\1\0\0\x29\3\3" "0123456789abcdef0123456789abcdef" \
    "\0\0\2\x13\1\1\0"

static void
test_names(void)
{
    static const char *const names[] = { "http", "h2c", "tls", "tcp", "auto" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        CHECK_STR(protocol_name(protocol_from_name(names[i])), names[i]);
    }
    CHECK_INT(protocol_from_name(NULL), PROTOCOL_HTTP);
}

/* A service that needs no data has its request, which says nothing, at
 * once. */
static void
test_tcp(void)
{
    CHECK_INT(reading_result(PROTOCOL_TCP, NULL, 0), READ_COMPLETE);
    reading_check(PROTOCOL_TCP, "any bytes", "\0\xff" "GET", 5, "complete\n");
    CU_ASSERT(!protocol_needs_data(PROTOCOL_TCP));
    CU_ASSERT(!protocol_needs_data(PROTOCOL_AUTO));
    CU_ASSERT(protocol_needs_data(PROTOCOL_HTTP));
    CU_ASSERT(protocol_needs_data(PROTOCOL_H2C));
    CU_ASSERT(protocol_needs_data(PROTOCOL_TLS));
}

#define LITERAL(S) S, sizeof S - 1

static void
test_auto(void)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *expected;
    } cases[] = {
        { LITERAL("GET /a HTTP/1.1\r\nHost: b\r\n\r\n"),
          "complete\nknown: http\nmethod: GET\nhost: b\npath: /a\n"
          "header Host=b\n" },
        { LITERAL("\r\nPROPFIND / HTTP/1.0\r\n\r\n"),
          "complete\nknown: http\nmethod: PROPFIND\nhost: \npath: /\n" },
        { LITERAL("GET / HTTP/1."), "partial\nknown: http\n" },
        { LITERAL("GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
          "invalid\nknown: http\n" },
        { LITERAL("GET / HTTP/1.x"), "invalid\nknown: http\n" },

        { LITERAL(TLS_HELLO), "complete\nknown: tls\nsni: \n" },
        { LITERAL("\x16\x03\x01\0\1\1"), "partial\nknown: tls\n" },
        { LITERAL("\x16\x03\x01\0\4\1\0\0\0"), "invalid\nknown: tls\n" },
        { LITERAL("\x16\x03\x01\0\4\1\1\0\0"), "too large\nknown: tls\n" },

        { LITERAL(PREFACE_AND_SETTINGS "\0\0\3\1\4\0\0\0\1\x82\x86\x84"),
          "complete\nknown: h2c\nmethod: GET\nhost: \npath: /\n" },
        { LITERAL(PREFACE_AND_SETTINGS), "partial\nknown: h2c\n" },
        { LITERAL(H2_PREFACE), "partial\nknown: h2c\n" },
        { LITERAL(H2_PREFACE "\0\0\0\1\0\0\0\0\0"), "invalid\nknown: h2c\n" },

        /* What may become one of them yet. */
        { LITERAL("GE"), "partial\n" },
        { LITERAL("GET / HTTP/1"), "partial\n" },
        { LITERAL("P"), "partial\n" },
        { LITERAL("PRI * HTTP/2.0\r\n\r\nSM\r\n\r"), "partial\n" },
        { LITERAL("\x16\x03\x01\0\1"), "partial\n" },
        { LITERAL("\r\n\r\n"), "partial\n" },

        /* What will not: SSH, Redis, PostgreSQL, the older HTTP, a record that
         * is no ClientHello, another preface. */
        { LITERAL("SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n"),
          "complete\n" },
        { LITERAL("*1\r\n$4\r\nPING\r\n"), "complete\n" },
        { LITERAL("PING\r\n"), "complete\n" },
        { LITERAL("GET key\r\n"), "complete\n" },
        { LITERAL("\0\0\0\x08\x04\xd2\x16\x2f"), "complete\n" },
        { LITERAL("GET /\r\n"), "complete\n" },
        { LITERAL("GET / HTTP/2.0\r\n"), "complete\n" },
        { LITERAL("\x16\x03\x01\0\1\2"), "complete\n" },
        { LITERAL("\x16\x02"), "complete\n" },
        { LITERAL("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"), "complete\n" },
        { LITERAL("\xff"), "complete\n" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reading_check(PROTOCOL_AUTO, cases[i].bytes, cases[i].bytes,
                      cases[i].n, cases[i].expected);
    }
}

/* A request line that is too long is no reason to turn a client away which
 * may not even speak HTTP. */
static void
test_auto_long(void)
{
    static char line[HTTP_MAX_HEAD + 100];

    memset(line, 'x', sizeof line);
    memcpy(line, "GET /", 5);
    CHECK_INT(reading_result(PROTOCOL_AUTO, line, HTTP_MAX_HEAD - 1),
              READ_PARTIAL);
    reading_check(PROTOCOL_AUTO, "long line", line, sizeof line,
                  "complete\n");
}

/* When nothing more comes: what is known has gone wrong, the rest is left to
 * the server. */
static void
test_end(void)
{
    static const struct {
        enum service_protocol protocol;
        const char *bytes;
        size_t n;
        enum read_result result;
    } cases[] = {
        { PROTOCOL_HTTP, LITERAL("GE"), READ_INVALID },
        { PROTOCOL_TLS, LITERAL("\x16"), READ_INVALID },
        { PROTOCOL_H2C, LITERAL("P"), READ_INVALID },
        { PROTOCOL_AUTO, LITERAL("GE"), READ_COMPLETE },
        { PROTOCOL_AUTO, LITERAL(""), READ_COMPLETE },
        { PROTOCOL_AUTO, LITERAL("\x16\x03\x01\0"), READ_COMPLETE },
        { PROTOCOL_AUTO, LITERAL("PRI"), READ_COMPLETE },
        { PROTOCOL_AUTO, LITERAL("GET / HTTP/1.1\r\n"), READ_INVALID },
        { PROTOCOL_AUTO, LITERAL("\x16\x03\x01\0\2\1"), READ_INVALID },
        { PROTOCOL_AUTO, LITERAL(H2_PREFACE), READ_INVALID },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static struct request request;
        struct reader reader;

        memset(&request, 0xa5, sizeof request);
        reader_init(&reader, cases[i].protocol);
        CHECK_INT(reader_feed(&reader, cases[i].bytes, cases[i].n, &request),
                  READ_PARTIAL);
        CHECK_INT(reader_end(&reader, &request), cases[i].result);
        if (cases[i].result == READ_COMPLETE) {
            CHECK_INT(reader.protocol, PROTOCOL_TCP);
            CHECK_INT(request.method.len + request.sni.len
                      + request.n_headers, 0);
        }
    }
}

static void
test_waits(void)
{
    static const struct {
        enum service_protocol protocol;
        const char *bytes;
        size_t n;
        bool waits;
    } cases[] = {
        { PROTOCOL_AUTO, LITERAL(""), true },
        { PROTOCOL_AUTO, LITERAL("G"), false },
        { PROTOCOL_AUTO, LITERAL("\x16"), false },
        { PROTOCOL_AUTO, LITERAL(H2_PREFACE), false },
        { PROTOCOL_AUTO, LITERAL(PREFACE_AND_SETTINGS), true },
        { PROTOCOL_H2C, LITERAL(PREFACE_AND_SETTINGS), true },
        { PROTOCOL_H2C, LITERAL(PREFACE_AND_SETTINGS "\0"), false },
        { PROTOCOL_HTTP, LITERAL(""), false },
        { PROTOCOL_HTTP, LITERAL("GET"), false },
        { PROTOCOL_TLS, LITERAL("\x16"), false },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static struct request request;
        struct reader reader;

        reader_init(&reader, cases[i].protocol);
        CHECK_INT(reader_feed(&reader, cases[i].bytes, cases[i].n, &request),
                  READ_PARTIAL);
        CHECK_INT(reader_waits(&reader), cases[i].waits);
    }
}

static const struct unit_test tests[] = {
    { "names", test_names },
    { "service without content", test_tcp },
    { "auto", test_auto },
    { "auto: long line", test_auto_long },
    { "end", test_end },
    { "whether the client waits", test_waits },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "reader", tests };
