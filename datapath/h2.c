/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "h2.h"

#include <nghttp2/nghttp2.h>

#include "http.h"

#define FRAME_HEADER_LEN 9      /* RFC 9113 4.1. */
#define MAX_FRAME 16384         /* RFC 9113 4.2: bytes of payload, unless the
                                 * server allowed more. */

struct frame_header {
    size_t len;                 /* Of what follows. */
    uint8_t type;
    uint8_t flags;
    uint32_t stream;
};

/* A request in the making. */
struct head {
    struct request *request;
    size_t n_stored;            /* Bytes in the request's storage. */
    size_t n_headers;
    struct request_field scheme, authority, host_header;
    bool pseudo_over;           /* A header came that is no pseudo-header. */
};

static void
read_frame_header(const uint8_t *p, struct frame_header *f)
{
    f->len = p[0] << 16 | p[1] << 8 | p[2];
    f->type = p[3];
    f->flags = p[4];
    f->stream = ((uint32_t) p[5] << 24 | p[6] << 16 | p[7] << 8 | p[8])
                & 0x7fffffff;
}

/* Storage. */

/* Adds a copy of the 'n' bytes at 's', for which there is room. */
static struct http_span
store(struct head *head, const void *s, size_t n)
{
    struct http_span span = { head->n_stored, n };

    memcpy(head->request->storage + head->n_stored, s, n);
    head->n_stored += n;
    return span;
}

static struct request_field
stored_field(const struct head *head, const struct http_span *span)
{
    return (struct request_field) {
        head->request->storage + span->ofs, span->len
    };
}

static bool
field_is(const struct request_field *field, const char *s)
{
    return field->len == strlen(s) && !memcmp(field->s, s, field->len);
}

/* Puts all cookies into the first header of them, as they were before HTTP/2
 * took them apart (RFC 9113 8.2.3).  There is room: they are no longer than
 * all headers, but for the separators. */
static void
join_cookies(struct head *head)
{
    struct http_header *headers = head->request->stored_headers;
    struct http_header *cookie = NULL;
    size_t n = 0;

    for (size_t i = 0; i < head->n_headers; i++) {
        struct request_field name = stored_field(head, &headers[i].name);
        struct request_field value = stored_field(head, &headers[i].value);

        if (!field_is(&name, "cookie")) {
            headers[n++] = headers[i];
        } else if (!cookie) {
            cookie = &headers[n++];
            cookie->name = headers[i].name;
            cookie->value = store(head, value.s, value.len);
        } else {
            cookie->value.len += store(head, "; ", 2).len;
            cookie->value.len += store(head, value.s, value.len).len;
        }
    }
    head->n_headers = n;
}

/* Headers. */

static bool
is_printable(const struct request_field *field)
{
    for (size_t i = 0; i < field->len; i++) {
        if (field->s[i] <= ' ' || field->s[i] > '~') {
            return false;
        }
    }
    return true;
}

/* Adds a pseudo-header (RFC 9113 8.3.1).  Returns false if it is not one of a
 * request, or for the second time. */
static bool
add_pseudo(struct head *head, const struct request_field *name,
           struct request_field value)
{
    struct request_field *field
        = (field_is(name, ":method") ? &head->request->method
           : field_is(name, ":scheme") ? &head->scheme
           : field_is(name, ":authority") ? &head->authority
           : field_is(name, ":path") ? &head->request->path
           : NULL);

    if (!field || field->len || !value.len || !is_printable(&value)
        || head->pseudo_over) {
        return false;
    }
    *field = value;
    return true;
}

static enum read_result
add_header(struct head *head, const nghttp2_nv *nv)
{
    struct request_field name, value;
    struct http_header header;

    if (head->n_stored + nv->namelen + nv->valuelen > HTTP_MAX_HEAD) {
        return READ_TOO_LARGE;
    }
    header.name = store(head, nv->name, nv->namelen);
    header.value = store(head, nv->value, nv->valuelen);
    name = stored_field(head, &header.name);
    value = stored_field(head, &header.value);
    if (name.len && *name.s == ':') {
        return (add_pseudo(head, &name, value)
                ? READ_PARTIAL : READ_INVALID);
    }

    head->pseudo_over = true;
    if (!nghttp2_check_header_name(nv->name, nv->namelen)
        || !nghttp2_check_header_value_rfc9113(nv->value, nv->valuelen)) {
        return READ_INVALID;
    } else if (head->n_headers >= HTTP_MAX_HEADERS) {
        return READ_TOO_LARGE;
    } else if (field_is(&name, "host")) {
        if (head->host_header.len || !value.len) {
            return READ_INVALID;
        }
        head->host_header = value;
    }
    head->request->stored_headers[head->n_headers++] = header;
    return READ_PARTIAL;
}

static bool
same_name(const struct request_field *a, const struct request_field *b)
{
    return a->len == b->len && !strncasecmp(a->s, b->s, a->len);
}

/* Judges a head whose headers all came, and completes the request. */
static enum read_result
finish_head(struct head *head)
{
    struct request *r = head->request;
    const struct request_field *host = (head->authority.len
                                        ? &head->authority
                                        : &head->host_header);

    if (!r->method.len
        || (head->authority.len && head->host_header.len
            && !same_name(&head->authority, &head->host_header))) {
        return READ_INVALID;    /* Which one counts? */
    } else if (field_is(&r->method, "CONNECT")) {
        if (head->scheme.len || r->path.len || !head->authority.len) {
            return READ_INVALID;
        }
    } else if (!head->scheme.len || !r->path.len
               || (r->path.s[0] != '/'
                   && !(field_is(&r->path, "*")
                        && field_is(&r->method, "OPTIONS")))) {
        return READ_INVALID;
    }
    if (host->len) {
        r->host = http_authority_host(*host);
    }
    join_cookies(head);
    r->buffer = r->storage;
    r->headers = r->stored_headers;
    r->n_headers = head->n_headers;
    return READ_COMPLETE;
}

/* Decodes the 'n' bytes of a header block at 'p'; 'last': the block ends with
 * them.  Returns READ_PARTIAL if all is well. */
static enum read_result
decode_fragment(nghttp2_hd_inflater *inflater, struct head *head,
                const uint8_t *p, size_t n, bool last)
{
    for (;;) {
        enum read_result result = READ_PARTIAL;
        nghttp2_nv nv;
        int flags = 0;
        ssize_t used = nghttp2_hd_inflate_hd2(inflater, &nv, &flags, p, n,
                                              last);

        if (used < 0) {
            return READ_INVALID;
        }
        p += used;
        n -= used;
        if (flags & NGHTTP2_HD_INFLATE_EMIT) {
            result = add_header(head, &nv);
        }
        if (result != READ_PARTIAL || flags & NGHTTP2_HD_INFLATE_FINAL
            || (!n && !(flags & NGHTTP2_HD_INFLATE_EMIT))) {
            return result;
        }
    }
}

/* Cuts padding and priority off the payload of a HEADERS frame (RFC 9113
 * 6.2). */
static bool
strip_headers(const struct frame_header *f, const uint8_t **p, size_t *n)
{
    size_t front = 0;
    size_t padding = 0;

    if (f->flags & NGHTTP2_FLAG_PADDED) {
        padding = *n ? **p : 0;
        front++;
    }
    if (f->flags & NGHTTP2_FLAG_PRIORITY) {
        front += 5;
    }
    if (front + padding > *n) {
        return false;
    }
    *p += front;
    *n -= front + padding;
    return true;
}

/* Decodes the header block in the frames from 'p' up to 'end', the first of
 * which is HEADERS. */
static enum read_result
decode_block(const uint8_t *p, const uint8_t *end, struct request *request)
{
    struct head head = { .request = request };
    enum read_result result = READ_PARTIAL;
    nghttp2_hd_inflater *inflater;

    if (nghttp2_hd_inflate_new(&inflater)) {
        return READ_INVALID;    /* No memory. */
    }
    while (p < end && result == READ_PARTIAL) {
        const uint8_t *fragment = p + FRAME_HEADER_LEN;
        struct frame_header f;
        size_t n;

        read_frame_header(p, &f);
        p += FRAME_HEADER_LEN + f.len;
        n = f.len;
        result = (f.type == NGHTTP2_HEADERS
                  && !strip_headers(&f, &fragment, &n)
                  ? READ_INVALID
                  : decode_fragment(inflater, &head, fragment, n, p == end));
    }
    nghttp2_hd_inflate_del(inflater);
    return result == READ_PARTIAL ? finish_head(&head) : result;
}

/* Frames. */

void
h2_init(struct h2_parser *p)
{
    memset(p, 0, sizeof *p);
}

/* Whether 'f' may come where it does. */
static bool
frame_fits(const struct h2_parser *p, const struct frame_header *f)
{
    if (f->len > MAX_FRAME) {
        return false;
    } else if (p->headers) {
        return f->type == NGHTTP2_CONTINUATION && f->stream == p->stream;
    } else if (p->at == H2_PREFACE_LEN) {
        return f->type == NGHTTP2_SETTINGS;     /* RFC 9113 3.4. */
    }
    switch (f->type) {
    case NGHTTP2_HEADERS:
        return f->stream % 2;   /* RFC 9113 5.1.1. */
    case NGHTTP2_DATA:          /* RFC 9113 5.1: not on an idle stream. */
    case NGHTTP2_RST_STREAM:
    case NGHTTP2_PUSH_PROMISE:
    case NGHTTP2_CONTINUATION:
        return false;
    default:
        return true;
    }
}

/* Goes through the frames in the first 'end' bytes at 'data' up to where the
 * headers are complete. */
static enum read_result
walk_frames(struct h2_parser *p, const uint8_t *data, size_t end)
{
    if (!p->at) {
        size_t n = end < H2_PREFACE_LEN ? end : H2_PREFACE_LEN;

        if (memcmp(data, H2_PREFACE, n)) {
            return READ_INVALID;
        } else if (n < H2_PREFACE_LEN) {
            return READ_PARTIAL;
        }
        p->at = H2_PREFACE_LEN;
    }
    while (end - p->at >= FRAME_HEADER_LEN) {
        struct frame_header f;
        size_t next;

        read_frame_header(data + p->at, &f);
        next = p->at + FRAME_HEADER_LEN + f.len;
        if (!frame_fits(p, &f)) {
            return READ_INVALID;
        } else if (next > HTTP_MAX_HEAD) {
            return READ_TOO_LARGE;
        } else if (next > end) {
            break;
        }
        if (f.type == NGHTTP2_HEADERS) {
            p->headers = p->at;
            p->stream = f.stream;
        }
        p->at = next;
        if (p->headers && f.flags & NGHTTP2_FLAG_END_HEADERS) {
            return READ_COMPLETE;
        }
    }
    return end < HTTP_MAX_HEAD ? READ_PARTIAL : READ_TOO_LARGE;
}

enum read_result
h2_feed(struct h2_parser *p, const char *buffer, size_t len,
        struct request *request)
{
    const uint8_t *data = (const uint8_t *) buffer;
    size_t end = len < HTTP_MAX_HEAD ? len : HTTP_MAX_HEAD;
    enum read_result result = walk_frames(p, data, end);

    p->waits = p->at == end && p->at > H2_PREFACE_LEN && !p->headers;
    return (result == READ_COMPLETE
            ? decode_block(data + p->headers, data + p->at, request) : result);
}

/* Refusals. */

/* Appends a frame's header to the '*n' bytes at 'buf'. */
static void
put_frame_header(uint8_t *buf, size_t *n, size_t len, uint8_t type,
                 uint8_t flags, uint32_t stream)
{
    const uint8_t header[FRAME_HEADER_LEN] = {
        0, len >> 8, len, type, flags,
        stream >> 24, stream >> 16, stream >> 8, stream
    };

    memcpy(buf + *n, header, sizeof header);
    *n += sizeof header;
}

static void
put_goaway(uint8_t *buf, size_t *n, uint32_t stream, uint8_t error)
{
    const uint8_t goaway[8] = {
        stream >> 24, stream >> 16, stream >> 8, stream, 0, 0, 0, error
    };

    put_frame_header(buf, n, sizeof goaway, NGHTTP2_GOAWAY, 0, 0);
    memcpy(buf + *n, goaway, sizeof goaway);
    *n += sizeof goaway;
}

/* Appends a response that is only a status, as a field that is not indexed
 * and whose name is number 8 of the static table (RFC 7541 6.2.2). */
static void
put_response(uint8_t *buf, size_t *n, uint32_t stream, unsigned int status)
{
    const uint8_t block[] = {
        8, 3, '0' + status / 100, '0' + status / 10 % 10, '0' + status % 10
    };

    put_frame_header(buf, n, sizeof block, NGHTTP2_HEADERS,
                     NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM,
                     stream);
    memcpy(buf + *n, block, sizeof block);
    *n += sizeof block;
}

size_t
h2_refusal(const char *buffer, size_t len, unsigned int status,
           uint8_t refusal[H2_REFUSAL_MAX])
{
    struct h2_parser p;
    uint32_t stream;
    size_t n = 0;

    h2_init(&p);
    stream = (walk_frames(&p, (const uint8_t *) buffer, len) == READ_COMPLETE
              ? p.stream : 0);
    if (p.at < H2_PREFACE_LEN) {
        return 0;
    }
    put_frame_header(refusal, &n, 0, NGHTTP2_SETTINGS, 0, 0);
    if (stream) {
        put_response(refusal, &n, stream, status);
    }
    put_goaway(refusal, &n, stream,
               status == 400 ? NGHTTP2_PROTOCOL_ERROR
               : status == 431 ? NGHTTP2_ENHANCE_YOUR_CALM
               : NGHTTP2_NO_ERROR);
    return n;
}
