/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "reader.h"

#include "text.h"

static const char *const names[] = {
    [PROTOCOL_HTTP] = "http",
    [PROTOCOL_H2C] = "h2c",
    [PROTOCOL_TLS] = "tls",
    [PROTOCOL_TCP] = "tcp",
    [PROTOCOL_AUTO] = "auto",
};

const char *
protocol_name(enum service_protocol protocol)
{
    return names[protocol];
}

enum service_protocol
protocol_from_name(const char *name)
{
    return name_index(name, names, sizeof names / sizeof names[0]);
}

/* Begins to read the bytes of 'r', from the first on, as 'protocol'. */
static void
read_as(struct reader *r, enum service_protocol protocol)
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
    case PROTOCOL_AUTO:
        break;
    }
}

void
reader_init(struct reader *r, enum service_protocol protocol)
{
    read_as(r, protocol);
    r->known = protocol != PROTOCOL_AUTO;
}

/* Finds out what the 'len' bytes at 'buffer' may be. */
static void
detect(struct reader *r, const char *buffer, size_t len)
{
    size_t n = len < H2_PREFACE_LEN ? len : H2_PREFACE_LEN;

    if (!len) {
        return;
    } else if (buffer[0] == TLS_FIRST_BYTE) {
        read_as(r, PROTOCOL_TLS);
    } else if (memcmp(buffer, H2_PREFACE, n)) {
        read_as(r, PROTOCOL_HTTP);
    } else if (n == H2_PREFACE_LEN) {
        read_as(r, PROTOCOL_H2C);
    }
}

static enum read_result
feed(struct reader *r, const char *buffer, size_t len,
     struct request *request)
{
    size_t from = r->fed;

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
    case PROTOCOL_AUTO:
        return READ_PARTIAL;
    case PROTOCOL_TCP:
        break;
    }
    return READ_COMPLETE;
}

/* The bytes of 'r' are nothing that is known: there is nothing to ask of
 * them. */
static enum read_result
read_nothing(struct reader *r, struct request *request)
{
    r->protocol = PROTOCOL_TCP;
    request_init(request);
    return READ_COMPLETE;
}

enum read_result
reader_feed(struct reader *r, const char *buffer, size_t len,
            struct request *request)
{
    enum read_result result;

    request_init(request);
    if (r->protocol == PROTOCOL_AUTO) {
        detect(r, buffer, len);
    }
    result = feed(r, buffer, len, request);
    r->known = (r->known
                || (r->protocol == PROTOCOL_HTTP && r->http.known)
                || (r->protocol == PROTOCOL_TLS && r->tls.known)
                || r->protocol == PROTOCOL_H2C);
    return ((result == READ_INVALID || result == READ_TOO_LARGE) && !r->known
            ? read_nothing(r, request) : result);
}

enum read_result
reader_end(struct reader *r, struct request *request)
{
    return r->known ? READ_INVALID : read_nothing(r, request);
}

bool
reader_waits(const struct reader *r)
{
    return ((r->protocol == PROTOCOL_AUTO && !r->fed)
            || (r->protocol == PROTOCOL_H2C && r->h2.waits));
}
