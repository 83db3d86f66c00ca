/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "http.h"

#include "fuzz.h"

/* The input is a request.  It must mean the same in one piece and in pieces
 * whose lengths its last 4 bytes decide (which are part of it nonetheless, so
 * that any request is a seed). */

static void
check_span(const struct http_span *span, size_t size)
{
    FUZZ_CHECK((size_t) span->ofs + span->len <= size);
}

static void
check_field(const struct request_field *field, const char *buffer,
            size_t size)
{
    /* http_request() itself may supply the path "/". */
    FUZZ_CHECK((field->s >= buffer && field->s + field->len <= buffer + size)
               || (field->len == 1 && *field->s == '/'));
}

/* Checks what is promised of 'parser', which was fed the 'size' bytes at
 * 'buffer'. */
static void
check_complete(const struct http_parser *parser, const char *buffer,
               size_t size)
{
    struct request r;

    FUZZ_CHECK(parser->n_headers <= HTTP_MAX_HEADERS);
    for (size_t i = 0; i < parser->n_headers; i++) {
        const struct http_header *h = &parser->headers[i];

        check_span(&h->name, size);
        check_span(&h->value, size);
        FUZZ_CHECK(h->name.len);
        FUZZ_CHECK(!memchr(buffer + h->value.ofs, '\n', h->value.len));
    }
    http_request(parser, buffer, &r);
    check_field(&r.method, buffer, size);
    check_field(&r.host, buffer, size);
    check_field(&r.path, buffer, size);
    FUZZ_CHECK(r.method.len);
    FUZZ_CHECK(!memchr(r.method.s, ' ', r.method.len));
}

static void
check_equal(const struct http_parser *a, const struct http_parser *b)
{
    FUZZ_CHECK(a->result == b->result);
    if (a->result == HTTP_COMPLETE) {
        FUZZ_CHECK(!memcmp(&a->method, &b->method, sizeof a->method));
        FUZZ_CHECK(!memcmp(&a->target, &b->target, sizeof a->target));
        FUZZ_CHECK(!memcmp(&a->host, &b->host, sizeof a->host));
        FUZZ_CHECK(a->n_headers == b->n_headers);
        FUZZ_CHECK(!memcmp(a->headers, b->headers,
                           a->n_headers * sizeof *a->headers));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_parser whole, cut;
    size_t from = 0;

    http_init(&whole);
    http_feed(&whole, (const char *) data, 0, size);
    if (whole.result == HTTP_COMPLETE) {
        check_complete(&whole, (const char *) data, size);
    }

    http_init(&cut);
    for (unsigned int turn = 0; from < size; turn++) {
        size_t step = 1 + data[size - 1 - turn % (size < 4 ? size : 4)];
        size_t to = size - from < step ? size : from + step;
        enum http_result before = cut.result;
        char *buffer = fuzz_copy(data, to);

        http_feed(&cut, buffer, from, to);
        FUZZ_CHECK(before == HTTP_PARTIAL || cut.result == before);
        if (cut.result == HTTP_COMPLETE) {
            check_complete(&cut, buffer, to);
        }
        free(buffer);
        from = to;
    }
    check_equal(&whole, &cut);
    return 0;
}
