/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "h2.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <nghttp2/nghttp2.h>

#include "bytes.h"
#include "reading.h"
#include "xalloc.h"

/* What real clients send is in the directory "h2": see reading.h.  The rest
 * is made here. */

#define END_STREAM NGHTTP2_FLAG_END_STREAM
#define END_HEADERS NGHTTP2_FLAG_END_HEADERS
#define PADDED NGHTTP2_FLAG_PADDED
#define PRIORITY NGHTTP2_FLAG_PRIORITY

static void
put_frame(struct bytes *b, uint8_t type, unsigned int flags,
          uint32_t stream, const void *payload, size_t n)
{
    put_int(b, n, 3);
    put_int(b, type, 1);
    put_int(b, flags, 1);
    put_int(b, stream, 4);
    put(b, payload, n);
}

/* Begins a connection: preface and SETTINGS. */
static void
begin(struct bytes *b)
{
    b->n = 0;
    put(b, H2_PREFACE, H2_PREFACE_LEN);
    put_frame(b, NGHTTP2_SETTINGS, 0, 0, "\0\3\0\0\0\x64", 6);
}

static void
put_string(struct bytes *b, const char *s, size_t len)
{
    if (len < 127) {
        put_int(b, len, 1);
    } else {                    /* RFC 7541 5.1. */
        size_t rest = len - 127;

        for (put_int(b, 127, 1); rest >= 128; rest >>= 7) {
            put_int(b, rest % 128 + 128, 1);
        }
        put_int(b, rest, 1);
    }
    put(b, s, len);
}

/* Appends headers, one in each line of 'text', as "NAME VALUE", in the plainest
 * form of HPACK. */
static void
put_headers(struct bytes *b, const char *text)
{
    while (*text) {
        size_t line = strcspn(text, "\n");
        size_t name = strcspn(text, " ");

        put_int(b, 0, 1);
        put_string(b, text, name);
        put_string(b, text + name + 1, line - name - 1);
        text += line + (text[line] == '\n');
    }
}

/* Checks that a client's bytes mean 'expected'. */
static void
check(const char *name, const struct bytes *b, const char *expected)
{
    reading_check(PROTOCOL_H2C, name, b->p, b->n, expected);
}

/* Checks that a request with the header block at 'block' means 'expected'. */
static void
check_block(const char *name, const struct bytes *block, const char *expected)
{
    static struct bytes b;

    begin(&b);
    put_frame(&b, NGHTTP2_HEADERS, END_HEADERS, 1, block->p, block->n);
    check(name, &b, expected);
}

/* Checks what a request with the headers of 'text' means. */
static void
check_headers(const char *text, const char *expected)
{
    static struct bytes block;

    block.n = 0;
    put_headers(&block, text);
    check_block(text, &block, expected);
}

#define GET ":method GET\n:scheme http\n:path /\n"
#define GET_MEANS "complete\nmethod: GET\nhost: \npath: /\n"

static void
test_clients(void)
{
    reading_cases(PROTOCOL_H2C, "h2", 5);
}

static void
test_heads(void)
{
    static const char *const cases[][2] = {
        { GET, GET_MEANS },
        { GET ":authority www.Example.com:80\nx-y a b\nx-empty \n",
          "complete\nmethod: GET\nhost: www.Example.com\npath: /\n"
          "header x-y=a b\nheader x-empty=\n" },
        { ":authority [::1]:80\n" GET,
          "complete\nmethod: GET\nhost: [::1]\npath: /\n" },
        { GET "host example.com.\n",
          "complete\nmethod: GET\nhost: example.com\npath: /\n"
          "header host=example.com.\n" },
        { GET ":authority a:80\nhost A:80\n",
          "complete\nmethod: GET\nhost: a\npath: /\nheader host=A:80\n" },
        { GET ":authority a\nhost b\n", "invalid\n" },
        { GET ":authority a\nhost a:80\n", "invalid\n" },
        { GET "host a\nhost a\n", "invalid\n" },
        { GET "host \n", "invalid\n" },
        { ":method OPTIONS\n:scheme http\n:path *\n",
          "complete\nmethod: OPTIONS\nhost: \npath: *\n" },
        { ":method CONNECT\n:authority a:443\n",
          "complete\nmethod: CONNECT\nhost: a\npath: \n" },
        { ":method CONNECT\n", "invalid\n" },
        { ":method CONNECT\n:authority a\n:path /\n", "invalid\n" },
        { ":method CONNECT\n:authority a\n:scheme http\n", "invalid\n" },
        { ":scheme http\n:path /\n", "invalid\n" },
        { ":method GET\n:path /\n", "invalid\n" },
        { ":method GET\n:scheme http\n", "invalid\n" },
        { ":method GET\n:scheme http\n:path *\n", "invalid\n" },
        { ":method GET\n:scheme http\n:path a\n", "invalid\n" },
        { ":method GET\n:scheme http\n:path \n", "invalid\n" },
        { ":method GET\n:scheme http\n:path /a b\n", "invalid\n" },
        { ":method GET\n:scheme http\n:path /\xc3\xa4\n", "invalid\n" },
        { ":method GET\n:scheme http\n:path /\x7f\n", "invalid\n" },
        { GET ":path /\n", "invalid\n" },
        { GET ":method GET\n", "invalid\n" },
        { GET ":authority a\n:authority a\n", "invalid\n" },
        { GET ":authority \n", "invalid\n" },
        { GET ":protocol websocket\n", "invalid\n" },
        { GET ":status 200\n", "invalid\n" },
        { GET ": a\n", "invalid\n" },
        { GET "x-y a\n:authority a\n", "invalid\n" },   /* Pseudo too late. */
        { GET "X-Y a\n", "invalid\n" },
        { GET "x@y a\n", "invalid\n" },
        { GET " a\n", "invalid\n" },                    /* No name. */
        { GET "x-y  a\n", "invalid\n" },
        { GET "x-y a \n", "invalid\n" },
        { GET "x-y a\rb\n", "invalid\n" },
        { GET "x-y \xc3\xa4\n",
          "complete\nmethod: GET\nhost: \npath: /\nheader x-y=\\xc3\\xa4\n" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        check_headers(cases[i][0], cases[i][1]);
    }
}

/* Cookies are one header again. */
static void
test_cookies(void)
{
    check_headers(GET "cookie a=1\n",
                  GET_MEANS "header cookie=a=1\n");
    check_headers(GET "a 1\ncookie a=1\nb 2\ncookie b=2; c=3\nc 4\ncookie d=4\n",
                  GET_MEANS "header a=1\nheader cookie=a=1; b=2; c=3; d=4\n"
                  "header b=2\nheader c=4\n");
}

/* The one block in as many frames as there may be. */
static void
test_continuation(void)
{
    static struct bytes block, b;
    const char *expected = GET_MEANS "header x=y\n";
    uint8_t padded[64] = { 20, 0, 0, 0, 0, 16 };

    block.n = 0;
    put_headers(&block, GET "x y\n");
    for (size_t n = 1; n <= block.n; n++) {
        size_t at = n < block.n ? n : block.n;

        begin(&b);
        put_frame(&b, NGHTTP2_HEADERS, END_STREAM, 7, block.p, at);
        while (at < block.n) {
            size_t len = block.n - at < n ? block.n - at : n;

            put_frame(&b, NGHTTP2_CONTINUATION, 0, 7, block.p + at, len);
            at += len;
        }
        put_frame(&b, NGHTTP2_CONTINUATION, END_HEADERS, 7, NULL, 0);
        put_frame(&b, NGHTTP2_DATA, 0, 7, "data", 4);
        check("continued", &b, expected);
    }

    begin(&b);
    memcpy(padded + 6, block.p, 10);
    put_frame(&b, NGHTTP2_HEADERS, PADDED | PRIORITY, 1, padded, 36);
    put_frame(&b, NGHTTP2_CONTINUATION, END_HEADERS, 1, block.p + 10,
              block.n - 10);
    check("padded, with priority", &b, expected);

    begin(&b);
    put_frame(&b, NGHTTP2_HEADERS, PADDED | END_HEADERS, 1, padded, 20);
    check("padding longer than all", &b, "invalid\n");
    begin(&b);
    put_frame(&b, NGHTTP2_HEADERS, PADDED | END_HEADERS, 1, NULL, 0);
    check("no padding length", &b, "invalid\n");
    begin(&b);
    put_frame(&b, NGHTTP2_HEADERS, PRIORITY | END_HEADERS, 1, padded, 4);
    check("no priority", &b, "invalid\n");
}

/* Frames that may come before the request, and such that may not. */
static void
test_frames_before(void)
{
    static const struct {
        uint8_t type;
        uint32_t stream;
        size_t n;
        bool ok;
    } cases[] = {
        { NGHTTP2_SETTINGS, 0, 18, true },
        { NGHTTP2_WINDOW_UPDATE, 0, 4, true },
        { NGHTTP2_PRIORITY, 3, 5, true },
        { NGHTTP2_PING, 0, 8, true },
        { NGHTTP2_GOAWAY, 0, 8, true },
        { NGHTTP2_PRIORITY_UPDATE, 0, 6, true },
        { 0xbb, 9, 100, true },
        { NGHTTP2_DATA, 1, 4, false },
        { NGHTTP2_RST_STREAM, 1, 4, false },
        { NGHTTP2_PUSH_PROMISE, 1, 8, false },
        { NGHTTP2_CONTINUATION, 1, 4, false },
        { NGHTTP2_HEADERS, 0, 4, false },
        { NGHTTP2_HEADERS, 2, 4, false },
    };
    static const uint8_t zeros[100];
    static struct bytes block, b;

    block.n = 0;
    put_headers(&block, GET);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *name = xasprintf("frame of type %d", cases[i].type);

        begin(&b);
        put_frame(&b, cases[i].type, 0, cases[i].stream, zeros, cases[i].n);
        put_frame(&b, NGHTTP2_HEADERS, END_HEADERS, 1, block.p, block.n);
        check(name, &b, cases[i].ok ? GET_MEANS : "invalid\n");

        /* None may be among those of a block. */
        begin(&b);
        put_frame(&b, NGHTTP2_HEADERS, 0, 1, block.p, 5);
        put_frame(&b, cases[i].type, END_HEADERS, cases[i].stream, zeros,
                  cases[i].n);
        if (cases[i].type != NGHTTP2_CONTINUATION) {
            check(name, &b, "invalid\n");
        }

        /* Nor first. */
        b.n = 0;
        put(&b, H2_PREFACE, H2_PREFACE_LEN);
        put_frame(&b, cases[i].type, 0, cases[i].stream, zeros, cases[i].n);
        check(name, &b, i ? "invalid\n" : "partial\n");
        free(name);
    }

    begin(&b);
    put_frame(&b, NGHTTP2_HEADERS, 0, 1, block.p, 5);
    put_frame(&b, NGHTTP2_CONTINUATION, END_HEADERS, 3, block.p + 5,
              block.n - 5);
    check("CONTINUATION of another stream", &b, "invalid\n");
}

static void
test_preface(void)
{
    static struct bytes b;

    for (size_t i = 0; i < H2_PREFACE_LEN; i++) {
        begin(&b);
        b.p[i] ^= 0x20;
        check("changed preface", &b, "invalid\n");
        CHECK_INT(reading_result(PROTOCOL_H2C, b.p, i), READ_PARTIAL);
        CHECK_INT(reading_result(PROTOCOL_H2C, b.p, i + 1), READ_INVALID);
    }
    reading_check(PROTOCOL_H2C, "HTTP/1", "GET / HTTP/1.1\r\n\r\n", 18,
                  "invalid\n");
}

static void
test_hpack(void)
{
    static const struct {
        const char *block;
        size_t n;
        const char *expected;
    } cases[] = {
        { "\x82\x86\x84", 3, GET_MEANS },
        { "\x20\x82\x86\x84", 4, GET_MEANS },           /* Table of 0 bytes. */
        { "\x3f\xe1\x1f\x82\x86\x84", 6, GET_MEANS },   /* Of 4096. */
        { "\x3f\xe2\x1f\x82\x86\x84", 6, "invalid\n" }, /* Of 4097. */
        { "\x82\x86\x84\x20", 4, "invalid\n" },         /* Too late. */
        { "\x80", 1, "invalid\n" },                     /* Index 0. */
        { "\x82\x86\x84\xbe", 4, "invalid\n" },         /* Not in the table. */
        { "\x82\x86\x84\0", 4, "invalid\n" },           /* Cut off. */
        { "\x82\x86\x84\0\1x", 6, "invalid\n" },
        { "\x82\x86\x84\0\1x\5abc", 10, "invalid\n" },
        { "\x82\x86\x84\0\1x\x7f\xff\xff\xff\xff\xff\x0f", 13, "invalid\n" },
        { "\x82\x86\x84\0\1x\x81\x1f", 8,
          GET_MEANS "header x=a\n" },                   /* Huffman. */
        { "\x82\x86\x84\0\1x\x81\x18", 8, "invalid\n" },    /* Padding of 0. */
        { "\x82\x86\x84\0\1x\x84\xff\xff\xff\xff", 11, "invalid\n" },
        { "\x82\x86\x84\x40\1x\1y\xbe\xbe", 10,         /* From the table. */
          GET_MEANS "header x=y\nheader x=y\nheader x=y\n" },
        { "", 0, "invalid\n" },
    };
    static struct bytes b;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *name = xasprintf("block %zu", i);

        b.n = 0;
        put(&b, cases[i].block, cases[i].n);
        check_block(name, &b, cases[i].expected);
        free(name);
    }
}

/* A request whose block ends 'end' bytes after the start of the connection. */
static void
make_long(struct bytes *b, size_t end)
{
    static struct bytes block;
    static uint8_t padding[HTTP_MAX_HEAD];

    block.n = 0;
    put_headers(&block, GET);
    begin(b);
    put_frame(b, 0xbb, 0, 0, padding, end - b->n - 9 - 9 - block.n);
    put_frame(b, NGHTTP2_HEADERS, END_HEADERS, 1, block.p, block.n);
    CHECK_INT(b->n, end);
    put_frame(b, NGHTTP2_DATA, 0, 1, padding, sizeof padding);
}

static void
test_limits(void)
{
    static struct bytes b;
    static char value[HTTP_MAX_HEAD];

    make_long(&b, HTTP_MAX_HEAD);
    check("16 KiB", &b, GET_MEANS);
    make_long(&b, HTTP_MAX_HEAD + 1);
    check("a byte more", &b, "too large\n");

    begin(&b);
    put_int(&b, 16385, 3);
    put_int(&b, 0xbb, 1);
    put_int(&b, 0, 5);
    check("frame of more than 16 KiB", &b, "invalid\n");

    /* Few bytes that become many: 27 of pseudo-headers, 4 times 4064. */
    for (int excess = 0; excess < 2; excess++) {
        size_t len = HTTP_MAX_HEAD - 27 - 4 * 4064 - 1 + excess;
        static struct bytes request;

        b.n = 0;
        put(&b, "\x82\x86\x84\x40\1x", 6);
        memset(value, 'v', sizeof value);
        put_string(&b, value, 4063);
        put(&b, "\xbe\xbe\xbe\0\1y", 6);
        put_string(&b, value, len);
        begin(&request);
        put_frame(&request, NGHTTP2_HEADERS, END_HEADERS, 1, b.p, b.n);
        CHECK_INT(reading_result(PROTOCOL_H2C, request.p, request.n),
                  excess ? READ_TOO_LARGE : READ_COMPLETE);
    }

    for (size_t n = HTTP_MAX_HEADERS; n <= HTTP_MAX_HEADERS + 1; n++) {
        static struct bytes request;

        b.n = 0;
        put(&b, "\x82\x86\x84\x40\1x\1y", 8);
        while (b.n < 8 + n - 1) {
            put_int(&b, 0xbe, 1);
        }
        begin(&request);
        put_frame(&request, NGHTTP2_HEADERS, END_HEADERS, 1, b.p, b.n);
        CHECK_INT(reading_result(PROTOCOL_H2C, request.p, request.n),
                  n > HTTP_MAX_HEADERS ? READ_TOO_LARGE : READ_COMPLETE);
    }
}

/* The longest cookies, in as many pieces as there may be. */
static void
test_long_cookies(void)
{
    static struct bytes block, b;
    static struct request request;
    struct h2_parser parser;
    char value[200];

    memset(value, 'v', sizeof value);
    block.n = 0;
    put_headers(&block, GET);
    for (int i = 0; i < HTTP_MAX_HEADERS; i++) {
        put_int(&block, 0x0f, 1);       /* Not indexed; name number 32. */
        put_int(&block, 32 - 15, 1);
        put_string(&block, value, 157);
    }
    begin(&b);
    put_frame(&b, NGHTTP2_HEADERS, END_HEADERS, 1, block.p, block.n);
    h2_init(&parser);
    request_init(&request);
    CHECK_INT(h2_feed(&parser, (char *) b.p, b.n, &request), READ_COMPLETE);
    CHECK_INT(request.n_headers, 1);
    CHECK_INT(request.headers[0].value.len, 100 * 157 + 99 * 2);
}

/* What a client that sent the 'n' bytes at 'p' is told. */
static void
check_refusal(const void *p, size_t n, unsigned int status,
              const void *expected, size_t expected_len)
{
    uint8_t refusal[H2_REFUSAL_MAX];
    size_t len = h2_refusal(p, n, status, refusal);

    CHECK_INT(len, expected_len);
    CU_ASSERT(!memcmp(refusal, expected, expected_len));
}

#define SETTINGS_FRAME "\0\0\0\4\0\0\0\0\0"

static void
test_refusal(void)
{
    static struct bytes b;

    check_refusal("GET / HTTP/1.1\r\n\r\n", 18, 400, "", 0);
    check_refusal(H2_PREFACE, H2_PREFACE_LEN - 1, 408, "", 0);

    begin(&b);
    check_refusal(b.p, b.n, 408,
                  SETTINGS_FRAME "\0\0\x08\7\0\0\0\0\0" "\0\0\0\0" "\0\0\0\0",
                  26);
    put_frame(&b, NGHTTP2_HEADERS, 0, 5, "\x82\x86", 2);
    check_refusal(b.p, b.n, 400,
                  SETTINGS_FRAME "\0\0\x08\7\0\0\0\0\0" "\0\0\0\0" "\0\0\0\1",
                  26);
    put_frame(&b, NGHTTP2_CONTINUATION, END_HEADERS, 5, "\x84", 1);
    put_frame(&b, NGHTTP2_PING, 0, 0, "12345678", 8);
    check_refusal(b.p, b.n, 503,
                  SETTINGS_FRAME "\0\0\5\1\5\0\0\0\5\x08\3" "503"
                  "\0\0\x08\7\0\0\0\0\0" "\0\0\0\5" "\0\0\0\0", 40);
    check_refusal(b.p, b.n, 431,
                  SETTINGS_FRAME "\0\0\5\1\5\0\0\0\5\x08\3" "431"
                  "\0\0\x08\7\0\0\0\0\0" "\0\0\0\5" "\0\0\0\x0b", 40);
}

/* Whether the client may be waiting for the server, after so many bytes. */
static void
test_waits(void)
{
    static struct bytes b;
    static struct request request;
    struct h2_parser parser;
    size_t settings;

    begin(&b);
    settings = b.n;
    put_frame(&b, NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\1\0\0", 4);
    put_frame(&b, NGHTTP2_HEADERS, 0, 1, "\x82\x86", 2);
    h2_init(&parser);
    for (size_t n = 1; n <= b.n; n++) {
        CHECK_INT(h2_feed(&parser, (char *) b.p, n, &request), READ_PARTIAL);
        CHECK_INT(parser.waits, n == settings || n == settings + 13);
    }
}

/* Noise neither crashes nor depends on how it is cut. */
static void
test_noise(void)
{
    static struct bytes block, b;

    for (int round = 0; round < 20000; round++) {
        size_t cut_at;
        char *whole, *cut;

        block.n = 0;
        put(&block, "\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab"
            "\x90\xf4\xff\x40\1x\1y\xbe", 22);
        put_headers(&block, "cookie a=1\ncookie b=2\nx-y z\n");
        cut_at = unit_random() % block.n;
        begin(&b);
        put_frame(&b, NGHTTP2_PRIORITY, 0, 3, "\0\0\0\0\1", 5);
        put_frame(&b, NGHTTP2_HEADERS, 0, 1, block.p, cut_at);
        put_frame(&b, NGHTTP2_CONTINUATION, END_HEADERS, 1, block.p + cut_at,
                  block.n - cut_at);
        for (int i = unit_random() % 4; i > 0; i--) {
            b.p[unit_random() % b.n] ^= 1 << unit_random() % 8;
        }
        whole = reading_describe(PROTOCOL_H2C, b.p, b.n, 0, 0);
        cut = reading_describe(PROTOCOL_H2C, b.p, b.n, unit_random() % b.n,
                               1 + unit_random() % 20);
        CHECK_STR(cut, whole);
        free(whole);
        free(cut);
    }
}

static const struct unit_test tests[] = {
    { "real clients", test_clients },
    { "heads", test_heads },
    { "cookies", test_cookies },
    { "CONTINUATION, padding, priority", test_continuation },
    { "frames before the request", test_frames_before },
    { "preface", test_preface },
    { "HPACK", test_hpack },
    { "limits", test_limits },
    { "long cookies", test_long_cookies },
    { "refusal", test_refusal },
    { "whether the client waits", test_waits },
    { "noise", test_noise },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "h2", tests };
