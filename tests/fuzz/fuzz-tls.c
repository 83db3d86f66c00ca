/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "reading.h"

/* The input is what a TLS client sends first. */

static void
check_field(const struct request_field *field, const struct request *r,
            const char *data, size_t size)
{
    FUZZ_CHECK(!field->len
               || (field->s >= data && field->s + field->len <= data + size)
               || (field->s >= r->storage
                   && (field->s + field->len
                       <= r->storage + sizeof r->storage)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reader reader;
    struct request r;
    uint8_t alert[TLS_ALERT_LEN];
    size_t at = 0;

    if (read_both_ways(PROTOCOL_TLS, data, size, &reader, &r)
        != READ_COMPLETE) {
        tls_alert((const char *) data, size, alert);
        return 0;
    }
    check_field(&r.sni, &r, (const char *) data, size);
    check_field(&r.alpn, &r, (const char *) data, size);
    FUZZ_CHECK(r.sni.len < 256);
    while (at < r.alpn.len) {
        FUZZ_CHECK(r.alpn.s[at]);
        at += 1 + (uint8_t) r.alpn.s[at];
    }
    FUZZ_CHECK(at == r.alpn.len);
    return 0;
}
