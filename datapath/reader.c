/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "reader.h"

void
reader_init(struct reader *r, enum service_protocol protocol)
{
    r->protocol = protocol;
    r->fed = 0;
    switch (protocol) {
    case PROTOCOL_HTTP:
        http_init(&r->http);
        break;
    case PROTOCOL_TCP:
        break;
    }
}

enum read_result
reader_feed(struct reader *r, const char *buffer, size_t len,
            struct request *request)
{
    size_t from = r->fed;

    request_init(request);
    r->fed = len;
    if (r->protocol == PROTOCOL_TCP) {
        return READ_COMPLETE;
    } else if (from == len) {
        return READ_PARTIAL;    /* Nothing new. */
    }
    return http_feed(&r->http, buffer, from, len, request);
}
