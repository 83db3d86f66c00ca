/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "reader.h"

static const char *const names[] = {
    [PROTOCOL_HTTP] = "http",
    [PROTOCOL_H2C] = "h2c",
    [PROTOCOL_TLS] = "tls",
    [PROTOCOL_TCP] = "tcp",
};

const char *
protocol_name(enum service_protocol protocol)
{
    return names[protocol];
}

enum service_protocol
protocol_from_name(const char *name)
{
    enum service_protocol protocol = PROTOCOL_HTTP;

    for (size_t i = 0; name && i < sizeof names / sizeof names[0]; i++) {
        if (!strcmp(names[i], name)) {
            protocol = i;
        }
    }
    return protocol;
}

void
reader_init(struct reader *r, enum service_protocol protocol)
{
    r->protocol = protocol;
    r->fed = 0;
    switch (protocol) {
    case PROTOCOL_HTTP:
        http_init(&r->http);
        break;
    case PROTOCOL_H2C:
        h2_init(&r->h2);
        break;
    case PROTOCOL_TLS:
        tls_init(&r->tls);
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
    if (from == len && protocol_needs_data(r->protocol)) {
        return READ_PARTIAL;    /* Nothing new. */
    }
    switch (r->protocol) {
    case PROTOCOL_HTTP:
        return http_feed(&r->http, buffer, from, len, request);
    case PROTOCOL_H2C:
        return h2_feed(&r->h2, buffer, len, request);
    case PROTOCOL_TLS:
        return tls_feed(&r->tls, buffer, len, request);
    case PROTOCOL_TCP:
        break;
    }
    return READ_COMPLETE;
}
