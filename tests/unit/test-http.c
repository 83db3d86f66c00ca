/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reading.h"
#include "xalloc.h"

/* Most inputs are files in the directory "http": see reading.h. */

static void
check_input(const char *name, const char *input, size_t len,
            const char *expected)
{
    reading_check(PROTOCOL_HTTP, name, input, len, expected);
}

static enum read_result
feed_result(const char *s, size_t len)
{
    return reading_result(PROTOCOL_HTTP, s, len);
}

static void
test_cases(void)
{
    reading_cases(PROTOCOL_HTTP, "http", 40);
}

/* A request whose head is 'head' bytes long with one long header, followed by
 * 'body' bytes.  The caller frees it. */
static char *
make_long(size_t head, size_t body)
{
    static const char start[] = "GET / HTTP/1.1\r\nX: ";
    static const char end[] = "\r\n\r\n";
    char *s = xcalloc(1, head + body);

    memset(s, 'x', head + body);
    memcpy(s, start, strlen(start));
    memcpy(s + head - strlen(end), end, strlen(end));
    return s;
}

static void
test_head_limit(void)
{
    char *s;

    s = make_long(HTTP_MAX_HEAD, 1000);
    CHECK_INT(feed_result(s, HTTP_MAX_HEAD + 1000), READ_COMPLETE);
    CHECK_INT(feed_result(s, HTTP_MAX_HEAD), READ_COMPLETE);
    CHECK_INT(feed_result(s, HTTP_MAX_HEAD - 1), READ_PARTIAL);
    free(s);

    s = make_long(HTTP_MAX_HEAD + 1, 1000);
    CHECK_INT(feed_result(s, HTTP_MAX_HEAD + 1000), READ_TOO_LARGE);
    CHECK_INT(feed_result(s, HTTP_MAX_HEAD), READ_TOO_LARGE);
    check_input("long head", s, HTTP_MAX_HEAD + 1000, "too large\n");
    free(s);
}

/* A head is too large as soon as it is. */
static void
test_megabyte_header(void)
{
    size_t len = 1 << 20;
    char *s = make_long(len, 0);
    enum read_result result;
    struct http_parser parser;
    struct request request;
    size_t at = 0;

    http_init(&parser);
    do {
        result = http_feed(&parser, s, at, at + 1460, &request);
        at += 1460;
    } while (result == READ_PARTIAL && at < len);
    CHECK_INT(result, READ_TOO_LARGE);
    CU_ASSERT(at >= HTTP_MAX_HEAD && at < HTTP_MAX_HEAD + 1460);
    free(s);
}

/* A request with 'n' headers, then 'last' before the empty line.  The caller
 * frees it. */
static char *
make_headers(size_t n, const char *last)
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    fprintf(out, "GET / HTTP/1.1\r\n");
    for (size_t i = 0; i < n; i++) {
        fprintf(out, "Header-%zu: value %zu\r\n", i, i);
    }
    fprintf(out, "%s\r\n", last);
    fclose(out);
    return text;
}

static void
test_header_limit(void)
{
    char *s;

    s = make_headers(HTTP_MAX_HEADERS, "");
    CHECK_INT(feed_result(s, strlen(s)), READ_COMPLETE);
    free(s);

    s = make_headers(HTTP_MAX_HEADERS + 1, "");
    check_input("101 headers", s, strlen(s), "too large\n");
    free(s);
    s = make_headers(HTTP_MAX_HEADERS + 50, "");
    check_input("150 headers", s, strlen(s), "too large\n");
    free(s);

    /* What is worse prevails, wherever it is cut. */
    s = make_headers(HTTP_MAX_HEADERS, "ab@c: d\r\n");
    check_input("bad name after the limit", s, strlen(s), "invalid\n");
    free(s);
    s = make_headers(HTTP_MAX_HEADERS, "abc: d\001\r\n");
    check_input("bad value after the limit", s, strlen(s), "invalid\n");
    free(s);
}

/* The body and what follows are none of the parser's business. */
static void
test_body(void)
{
    static const char head[] = "POST /x HTTP/1.1\r\nHost: a\r\n"
                               "Content-Length: 5\r\n\r\n";
    char input[sizeof head - 1 + 256];

    memcpy(input, head, sizeof head - 1);
    for (int i = 0; i < 256; i++) {
        input[sizeof head - 1 + i] = i;
    }
    check_input("body", input, sizeof input,
                "complete\nmethod: POST\nhost: a\npath: /x\n"
                "header Host=a\nheader Content-Length=5\n");
}

/* Noise neither crashes nor depends on how it is cut. */
static void
test_noise(void)
{
    static const char seed[] =
        "GET http://user@Example.com:80/a/b?c=d HTTP/1.1\r\n"
        "Host: other.example\r\nConnection: close\r\n"
        "Transfer-Encoding: chunked\r\nX-Y: \t z \r\n\r\n5\r\n";

    for (int round = 0; round < 20000; round++) {
        char input[sizeof seed];
        size_t len = sizeof seed - 1;
        char *whole, *cut;

        memcpy(input, seed, sizeof seed);
        for (int i = unit_random() % 4; i >= 0; i--) {
            static const char bytes[] = " \t\r\n:/?#@[]*,%\0\x7f\x80" "aH0";

            input[unit_random() % len]
                = bytes[unit_random() % (sizeof bytes - 1)];
        }
        whole = reading_describe(PROTOCOL_HTTP, input, len, 0, 0);
        cut = reading_describe(PROTOCOL_HTTP, input, len,
                               unit_random() % len, 1 + unit_random() % 20);
        if (strcmp(whole, cut)) {
            unit_check_str(cut, whole, input, __FILE__, __LINE__);
        }
        free(whole);
        free(cut);
    }
}

static const struct unit_test tests[] = {
    { "cases", test_cases },
    { "longest head", test_head_limit },
    { "header of 1 MB", test_megabyte_header },
    { "most headers", test_header_limit },
    { "body is left alone", test_body },
    { "noise", test_noise },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "http", tests };
