/* SPDX-License-Identifier: Apache-2.0 */
#ifndef READING_H
#define READING_H 1

/* For targets whose input is the first bytes of a connection: they must mean
 * the same in one piece and in pieces whose lengths the last 4 bytes decide
 * (which are part of them nonetheless, so that whatever a client sends is a
 * seed). */

#include "fuzz.h"
#include "reader.h"

#define MAX_CUTS 50             /* Each copies all so far. */

static inline void
check_equal_fields(const struct request_field *a,
                   const struct request_field *b)
{
    FUZZ_CHECK(a->len == b->len);
    FUZZ_CHECK(!a->len || !memcmp(a->s, b->s, a->len));
}

static inline struct request_field
span_field(const char *buffer, const struct http_span *span)
{
    return (struct request_field) { buffer + span->ofs, span->len };
}

/* Checks that 'a' and 'b' say the same, reading all that they point to. */
static inline void
check_equal_requests(const struct request *a, const struct request *b)
{
    check_equal_fields(&a->method, &b->method);
    check_equal_fields(&a->host, &b->host);
    check_equal_fields(&a->path, &b->path);
    check_equal_fields(&a->sni, &b->sni);
    check_equal_fields(&a->alpn, &b->alpn);
    FUZZ_CHECK(a->n_headers == b->n_headers);
    for (size_t i = 0; i < a->n_headers; i++) {
        struct request_field fields[2][2] = {
            { span_field(a->buffer, &a->headers[i].name),
              span_field(a->buffer, &a->headers[i].value) },
            { span_field(b->buffer, &b->headers[i].name),
              span_field(b->buffer, &b->headers[i].value) },
        };

        check_equal_fields(&fields[0][0], &fields[1][0]);
        check_equal_fields(&fields[0][1], &fields[1][1]);
    }
}

/* Reads the 'size' bytes at 'data' as a client's of a service of 'protocol',
 * in one piece and in several, and checks that it makes no difference.  What
 * 'request', which points into 'data', then says is the caller's to check. */
static inline enum read_result
read_both_ways(enum service_protocol protocol, const uint8_t *data,
               size_t size, struct reader *reader, struct request *request)
{
    enum read_result whole, cut = READ_PARTIAL;
    struct reader other;
    struct request other_request;
    char *buffer = NULL;
    size_t at = 0;

    reader_init(reader, protocol);
    whole = reader_feed(reader, (const char *) data, size, request);

    reader_init(&other, protocol);
    for (unsigned int turn = 0; cut == READ_PARTIAL && at < size; turn++) {
        size_t step = 1 + data[size - 1 - turn % (size < 4 ? size : 4)];

        free(buffer);
        at = size - at < step || turn == MAX_CUTS ? size : at + step;
        buffer = fuzz_copy(data, at);
        cut = reader_feed(&other, buffer, at, &other_request);
    }
    FUZZ_CHECK(!size || whole == cut);
    if (size && whole == READ_COMPLETE) {
        check_equal_requests(request, &other_request);
    }
    free(buffer);
    return whole;
}

#endif /* reading.h */
