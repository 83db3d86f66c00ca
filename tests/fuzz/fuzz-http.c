/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "reading.h"

/* The input is a request. */

static void
check_span(const struct http_span *span, size_t size)
{
    FUZZ_CHECK((size_t) span->ofs + span->len <= size);
}

static void
check_field(const struct request_field *field, const char *buffer,
            size_t size)
{
    /* The parser itself may supply the path "/". */
    FUZZ_CHECK((field->s >= buffer && field->s + field->len <= buffer + size)
               || (field->len == 1 && *field->s == '/'));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *buffer = (const char *) data;
    struct reader reader;
    struct request r;

    if (read_both_ways(PROTOCOL_HTTP, data, size, &reader, &r)
        != READ_COMPLETE) {
        return 0;
    }
    FUZZ_CHECK(r.buffer == buffer);
    FUZZ_CHECK(r.n_headers <= HTTP_MAX_HEADERS);
    for (size_t i = 0; i < r.n_headers; i++) {
        const struct http_header *h = &r.headers[i];

        check_span(&h->name, size);
        check_span(&h->value, size);
        FUZZ_CHECK(h->name.len);
        FUZZ_CHECK(!memchr(buffer + h->value.ofs, '\n', h->value.len));
    }
    check_field(&r.method, buffer, size);
    check_field(&r.host, buffer, size);
    check_field(&r.path, buffer, size);
    FUZZ_CHECK(r.method.len);
    FUZZ_CHECK(!memchr(r.method.s, ' ', r.method.len));
    return 0;
}
