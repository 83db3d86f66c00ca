/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "http.h"

#include <stdbool.h>
#include <string.h>

/* The result of feeding some bytes must not depend on how they were cut into
 * segments, or a request would be refused or not by the weather of the
 * network.  llhttp gives a span's bytes at the span's end *or* at the end of
 * what it was fed, so callbacks refuse only what no later byte can excuse, and
 * limits are judged where a byte of the input puts them: at the end of the
 * head and at HTTP_MAX_HEAD. */

static struct http_parser *
parser_from_llhttp(llhttp_t *llhttp)
{
    char *p = (char *) llhttp;

    return (void *) (p - offsetof(struct http_parser, llhttp));
}

static size_t
span_end(const struct http_span *span)
{
    return span->ofs + span->len;
}

static int
on_target(llhttp_t *llhttp, const char *at, size_t len)
{
    struct http_parser *p = parser_from_llhttp(llhttp);

    if (!p->target.len) {
        p->target.ofs = at - p->base;
    }
    p->target.len += len;
    return 0;
}

static int
on_header_name(llhttp_t *llhttp, const char *at, size_t len)
{
    struct http_parser *p = parser_from_llhttp(llhttp);
    size_t ofs = at - p->base;
    struct http_header *h;

    /* Between two names there is at least a colon, so bytes that adjoin a
     * name belong to it. */
    if (p->n_headers) {
        h = &p->headers[p->n_headers - 1];
        if (ofs == span_end(&h->name)) {
            h->name.len += len;
            return 0;
        }
    }
    if (p->n_headers >= HTTP_MAX_HEADERS) {
        p->too_many = true;
        return 0;
    } else if (!len) {
        return HPE_USER;        /* llhttp takes ": value" for a header. */
    }

    h = &p->headers[p->n_headers++];
    h->name.ofs = ofs;
    h->name.len = len;
    h->value.ofs = 0;
    h->value.len = 0;
    return 0;
}

static int
on_header_value(llhttp_t *llhttp, const char *at, size_t len)
{
    struct http_parser *p = parser_from_llhttp(llhttp);
    struct http_header *h = &p->headers[p->n_headers - 1];
    size_t ofs = at - p->base;

    if (p->too_many) {
        return 0;
    } else if (!h->value.ofs) {
        const char *gap = p->base + span_end(&h->name) + 1;

        if (len && memchr(gap, '\n', at - gap)) {
            return HPE_USER;
        }
        h->value.ofs = ofs;
    } else if (ofs != span_end(&h->value)) {
        /* A value that goes on in the next line: RFC 9112 5.2 lets a server
         * refuse that. */
        return HPE_USER;
    }
    h->value.len += len;
    return 0;
}

static int
on_head(llhttp_t *llhttp)
{
    struct http_parser *p = parser_from_llhttp(llhttp);

    p->head_complete = true;
    return HPE_PAUSED;          /* The body is the server's business. */
}

static const llhttp_settings_t settings = {
    .on_url = on_target,
    .on_header_field = on_header_name,
    .on_header_value = on_header_value,
    .on_headers_complete = on_head,
};

void
http_init(struct http_parser *p)
{
    /* Not the headers: they are 800 bytes, and valid up to 'n_headers'. */
    llhttp_init(&p->llhttp, HTTP_REQUEST, &settings);
    p->base = NULL;
    p->known = false;
    p->head_complete = false;
    p->too_many = false;
    p->target = (struct http_span) { 0, 0 };
    p->n_headers = 0;
}

/* Checks what there is of the request line in the 'to' bytes at 'base', for
 * llhttp also knows HTTP/0.9, HTTP/2.0, RTSP and ICE, and permits several
 * spaces where RFC 9112 3 has one. */
static bool
check_request_line(struct http_parser *p, const char *base, size_t to)
{
    static const char version[] = " HTTP/1.";
    size_t end = span_end(&p->target);
    size_t n = to - end;

    if (!p->target.len) {
        return true;
    }
    if (n > sizeof version - 1) {
        n = sizeof version - 1;
    }
    if (p->llhttp.method == HTTP_PRI
        || base[p->target.ofs - 1] != ' '
        || base[p->target.ofs - 2] == ' '
        || memcmp(base + end, version, n)) {
        return false;
    }
    p->known = n == sizeof version - 1;
    return true;
}

static bool
name_is_host(const char *name, size_t len)
{
    return len == 4 && ((name[0] | 0x20) == 'h' && (name[1] | 0x20) == 'o'
                        && (name[2] | 0x20) == 's' && (name[3] | 0x20) == 't');
}

/* llhttp leaves white space after a value (RFC 9110 5.5). */
static void
trim_end(const char *base, struct http_span *span)
{
    while (span->len && (base[span_end(span) - 1] == ' '
                         || base[span_end(span) - 1] == '\t')) {
        span->len--;
    }
}

struct request_field
http_authority_host(struct request_field authority)
{
    const char *s = authority.s;
    const char *end = s + authority.len;
    const char *p;

    p = memrchr(s, '@', end - s);
    if (p) {
        s = p + 1;
    }
    if (s < end && *s == '[') {
        p = memchr(s, ']', end - s);
        end = p ? p + 1 : end;
    } else {
        p = memchr(s, ':', end - s);
        end = p ? p : end;
        if (end > s && end[-1] == '.') {
            end--;              /* "example.com." is "example.com". */
        }
    }
    return (struct request_field) { s, end - s };
}

/* The offset in 'target' of the authority of an absolute-form (RFC 9112
 * 3.2.2), or 0 if 'target' has another form. */
static size_t
absolute_form(struct request_field target)
{
    const char *colon;

    if (*target.s == '/') {
        return 0;
    }
    colon = memchr(target.s, ':', target.len);
    if (!colon || target.s + target.len - colon < 3
        || memcmp(colon, "://", 3)) {
        return 0;
    }
    return colon + 3 - target.s;
}

/* Fills in what the target says, or 'host', the value of Host, where the
 * target does not say it. */
static void
read_target(const struct http_parser *p, const char *buffer,
            struct request_field host, struct request *request)
{
    struct request_field target = { buffer + p->target.ofs, p->target.len };
    size_t authority = absolute_form(target);

    request->path = target;
    if (p->llhttp.method == HTTP_CONNECT) {
        host = target;          /* RFC 9112 3.2.3. */
        request->path.len = 0;
    } else if (authority) {
        size_t end = authority;

        while (end < target.len && !strchr("/?#", target.s[end])) {
            end++;
        }
        host.s = target.s + authority;
        host.len = end - authority;
        request->path.s = target.s + end;
        request->path.len = target.len - end;
        if (end >= target.len || target.s[end] != '/') {
            /* The path of "http://example.com" is "/". */
            request->path.s = "/";
            request->path.len = 1;
        }
    }
    request->host = http_authority_host(host);
}

/* Judges a head that llhttp found complete, and fills in '*request'. */
static enum read_result
finish_head(struct http_parser *p, const char *buffer,
            struct request *request)
{
    struct request_field host = { buffer, 0 };
    const char *method = buffer;
    bool host_seen = false;

    if (p->too_many) {
        return READ_TOO_LARGE;
    }
    for (size_t i = 0; i < p->n_headers; i++) {
        struct http_header *h = &p->headers[i];

        trim_end(buffer, &h->value);
        if (name_is_host(buffer + h->name.ofs, h->name.len)) {
            if (host_seen) {
                return READ_INVALID; /* RFC 9112 3.2: which one counts? */
            }
            host_seen = true;
            host.s = buffer + h->value.ofs;
            host.len = h->value.len;
        }
    }

    /* RFC 9112 6.3: no telling where such a body ends. */
    if (p->llhttp.flags & F_TRANSFER_ENCODING
        && !(p->llhttp.flags & F_CHUNKED)) {
        return READ_INVALID;
    }

    while (*method == '\r' || *method == '\n') {
        method++;               /* RFC 9112 2.2: empty lines come before. */
    }
    request->method.s = method;
    request->method.len = buffer + p->target.ofs - 1 - method;
    request->buffer = buffer;
    request->headers = p->headers;
    request->n_headers = p->n_headers;
    read_target(p, buffer, host, request);
    return READ_COMPLETE;
}

enum read_result
http_feed(struct http_parser *p, const char *buffer, size_t from, size_t to,
          struct request *request)
{
    size_t end = to < HTTP_MAX_HEAD ? to : HTTP_MAX_HEAD;
    llhttp_errno_t error;

    p->base = buffer;
    error = llhttp_execute(&p->llhttp, buffer + from, end - from);
    p->base = NULL;

    if (!check_request_line(p, buffer, end)) {
        return READ_INVALID;
    } else if (p->head_complete) {
        /* llhttp takes "CONNECT  \n\n". */
        return (p->target.len ? finish_head(p, buffer, request)
                : READ_INVALID);
    } else if (error != HPE_OK) {
        return READ_INVALID;
    }
    return end < HTTP_MAX_HEAD ? READ_PARTIAL : READ_TOO_LARGE;
}
