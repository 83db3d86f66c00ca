/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "http.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guard.h"
#include "unit.h"

/* Most inputs are in http/NAME.req, byte for byte as a client sends them; what
 * http.h should say of each is in http/NAME.out, as describe() writes it.
 * With UNIT_UPDATE=1 in the environment, the .out files are written instead of
 * compared: read the difference before you commit it. */

#define INPUT_MAX 65536

/* Where the input of one http_feed() is: two, so that it moves between
 * feeds. */
static struct guard guards[2];

static void
set_up(void)
{
    if (!guards[0].size) {
        guard_init(&guards[0], INPUT_MAX);
        guard_init(&guards[1], INPUT_MAX);
    }
}

static void
print_bytes(FILE *out, const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (s[i] >= ' ' && s[i] <= '~' && s[i] != '\\') {
            putc(s[i], out);
        } else {
            fprintf(out, "\\x%02x", (unsigned char) s[i]);
        }
    }
}

static void
print_field(FILE *out, const char *name, const struct request_field *field)
{
    fprintf(out, "%s: ", name);
    print_bytes(out, field->s, field->len);
    putc('\n', out);
}

/* All that http.h can tell of 'parser', whose input is at 'buffer', as text
 * that the caller frees. */
static char *
describe(const struct http_parser *parser, const char *buffer)
{
    static const char *names[] = {
        [HTTP_PARTIAL] = "partial",
        [HTTP_COMPLETE] = "complete",
        [HTTP_INVALID] = "invalid",
        [HTTP_TOO_LARGE] = "too large",
    };
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    fprintf(out, "%s\n", names[parser->result]);
    if (parser->result == HTTP_COMPLETE) {
        struct request r;

        http_request(parser, buffer, &r);
        print_field(out, "method", &r.method);
        print_field(out, "host", &r.host);
        print_field(out, "path", &r.path);
        for (size_t i = 0; i < r.n_headers; i++) {
            fprintf(out, "header ");
            print_bytes(out, r.buffer + r.headers[i].name.ofs,
                        r.headers[i].name.len);
            fprintf(out, "=");
            print_bytes(out, r.buffer + r.headers[i].value.ofs,
                        r.headers[i].value.len);
            fprintf(out, "\n");
        }
    }
    fclose(out);
    return text;
}

/* The bytes of 'input' that have arrived after one segment, which ends at
 * '*at'; moves '*at' on.  'step' 0: all; else about so many. */
static size_t
next_cut(size_t *at, size_t len, size_t step)
{
    size_t left = len - *at;
    size_t n = step ? step : left;

    *at += n < left ? n : left;
    return *at;
}

/* Feeds the 'len' bytes at 'input' with a first segment of 'first' bytes and
 * others of 'step' bytes, each time from another place with a guard page
 * behind.  Returns describe()'s text. */
static char *
feed(const char *input, size_t len, size_t first, size_t step)
{
    struct http_parser *parser = unit_malloc(sizeof *parser);
    const char *buffer;
    unsigned int turn = 0;
    size_t from = 0;
    size_t at = 0;
    char *text;

    /* http_init() leaves garbage in the parser as it is. */
    memset(parser, 0xa5, sizeof *parser);
    http_init(parser);
    do {
        size_t to = next_cut(&at, len, from || !first ? step : first);
        enum http_result before = parser->result;

        buffer = guard_copy(&guards[turn++ % 2], input, to);
        http_feed(parser, buffer, from, to);
        if (before != HTTP_PARTIAL) {
            CHECK_INT(parser->result, before);
        }
        from = to;
    } while (at < len);
    text = describe(parser, buffer);
    free(parser);
    return text;
}

/* Checks that the 'len' bytes at 'input', cut as for feed(), mean
 * 'expected'. */
static bool
check_cut(const char *name, const char *input, size_t len, size_t first,
          size_t step, const char *expected)
{
    char *text = feed(input, len, first, step);
    bool ok = !strcmp(text, expected);

    if (!ok) {
        char *what = unit_sprintf("%s (first segment %zu bytes, others %zu; "
                                  "0: all)", name, first, step);

        unit_check_str(text, expected, what, __FILE__, __LINE__);
        free(what);
    }
    free(text);
    return ok;
}

/* Checks that the 'len' bytes at 'input' mean 'expected', however they are
 * cut.  The first wrong cut is told, and is enough. */
static void
check_input(const char *name, const char *input, size_t len,
            const char *expected)
{
    size_t stride = len > 4096 ? len / 512 : 1;
    bool ok = true;

    for (size_t first = 0; ok && first < len; first += stride) {
        ok = check_cut(name, input, len, first, 0, expected);
    }
    for (size_t step = stride; ok && step < stride + 4; step++) {
        ok = check_cut(name, input, len, 0, step, expected);
    }
    CU_ASSERT(ok);
}

/* Reads the file at 'path' into a string that the caller frees, and sets
 * '*len' to its length.  Returns NULL if there is none. */
static char *
read_file(const char *path, size_t *len)
{
    FILE *file = fopen(path, "rb");
    char *data;

    if (!file) {
        return NULL;
    }
    data = unit_malloc(INPUT_MAX + 1);
    *len = fread(data, 1, INPUT_MAX, file);
    data[*len] = '\0';
    fclose(file);
    return data;
}

static void
write_file(const char *path, const char *content)
{
    FILE *file = fopen(path, "wb");

    if (!file || fputs(content, file) < 0 || fclose(file)) {
        abort();
    }
}

/* Runs the case whose input is 'dir'/'file_name'. */
static void
run_case(const char *dir, const char *file_name)
{
    int stem = strlen(file_name) - strlen(".req");
    char *req = unit_sprintf("%s/%s", dir, file_name);
    char *out = unit_sprintf("%s/%.*s.out", dir, stem, file_name);
    char *input, *expected;
    size_t len, out_len;

    input = read_file(req, &len);
    CU_ASSERT_FATAL(input != NULL);
    if (getenv("UNIT_UPDATE")) {
        char *text = feed(input, len, 0, 0);

        write_file(out, text);
        free(text);
    }
    expected = read_file(out, &out_len);
    unit_check_str(expected ? "there" : NULL, "there", out,
                   __FILE__, __LINE__);
    if (expected) {
        check_input(file_name, input, len, expected);
    }
    free(expected);
    free(input);
    free(out);
    free(req);
}

static void
test_cases(void)
{
    char *dir_name = unit_source_path("http");
    DIR *dir = opendir(dir_name);
    const struct dirent *entry;
    unsigned int n = 0;

    set_up();
    CU_ASSERT_FATAL(dir != NULL);
    while ((entry = readdir(dir)) != NULL) {
        const char *dot = strrchr(entry->d_name, '.');

        if (dot && !strcmp(dot, ".req")) {
            run_case(dir_name, entry->d_name);
            n++;
        }
    }
    closedir(dir);
    CU_ASSERT(n >= 40);         /* The directory is really there. */
    free(dir_name);
}

/* A request whose head is 'head' bytes long with one long header, followed by
 * 'body' bytes.  The caller frees it. */
static char *
make_long(size_t head, size_t body)
{
    static const char start[] = "GET / HTTP/1.1\r\nX: ";
    static const char end[] = "\r\n\r\n";
    char *s = unit_malloc(head + body);

    memset(s, 'x', head + body);
    memcpy(s, start, strlen(start));
    memcpy(s + head - strlen(end), end, strlen(end));
    return s;
}

/* The result of feeding 'len' bytes at 's' in one piece. */
static enum http_result
feed_result(const char *s, size_t len)
{
    struct http_parser parser;

    http_init(&parser);
    return http_feed(&parser, s, 0, len);
}

static void
test_head_limit(void)
{
    char *s;

    set_up();
    s = make_long(HTTP_MAX_HEAD, 1000);
    CHECK_INT(feed_result(s, HTTP_MAX_HEAD + 1000), HTTP_COMPLETE);
    CHECK_INT(feed_result(s, HTTP_MAX_HEAD), HTTP_COMPLETE);
    CHECK_INT(feed_result(s, HTTP_MAX_HEAD - 1), HTTP_PARTIAL);
    free(s);

    s = make_long(HTTP_MAX_HEAD + 1, 1000);
    CHECK_INT(feed_result(s, HTTP_MAX_HEAD + 1000), HTTP_TOO_LARGE);
    CHECK_INT(feed_result(s, HTTP_MAX_HEAD), HTTP_TOO_LARGE);
    check_input("long head", s, HTTP_MAX_HEAD + 1000, "too large\n");
    free(s);
}

/* Once a head is too large, it stays so. */
static void
test_megabyte_header(void)
{
    size_t len = 1 << 20;
    char *s = make_long(len, 0);
    struct http_parser parser;

    http_init(&parser);
    for (size_t at = 0; at < len; at += 1460) {
        size_t to = at + 1460 < len ? at + 1460 : len;

        CHECK_INT(http_feed(&parser, s, at, to),
                  to < HTTP_MAX_HEAD ? HTTP_PARTIAL : HTTP_TOO_LARGE);
    }
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

    set_up();
    s = make_headers(HTTP_MAX_HEADERS, "");
    CHECK_INT(feed_result(s, strlen(s)), HTTP_COMPLETE);
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

    set_up();
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

    set_up();
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
        whole = feed(input, len, 0, 0);
        cut = feed(input, len, unit_random() % len, 1 + unit_random() % 20);
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
