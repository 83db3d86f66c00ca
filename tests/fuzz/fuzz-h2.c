/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include <nghttp2/nghttp2.h>

#include "reading.h"

/* The input is what an HTTP/2 client sends first.  If nghttp2's own server
 * takes the request as well, it must find the same in it. */

/* What the server found. */
struct found {
    char text[4 * HTTP_MAX_HEAD];   /* Of all headers but cookies. */
    size_t n;
    int32_t stream;
    bool complete;
};

static void
add(char *text, size_t *n, const void *s, size_t len)
{
    memcpy(text + *n, s, len);
    *n += len;
    text[(*n)++] = '\n';
}

static int
on_header(nghttp2_session *session __attribute__((unused)),
          const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
          const uint8_t *value, size_t value_len,
          uint8_t flags __attribute__((unused)), void *found_)
{
    struct found *found = found_;

    if (found->complete || (name_len == 6 && !memcmp(name, "cookie", 6))) {
        return 0;
    } else if (found->n + name_len + value_len + 2 > sizeof found->text) {
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    found->stream = frame->hd.stream_id;
    add(found->text, &found->n, name, name_len);
    add(found->text, &found->n, value, value_len);
    return 0;
}

static int
on_frame(nghttp2_session *session __attribute__((unused)),
         const nghttp2_frame *frame, void *found_)
{
    struct found *found = found_;

    if (frame->hd.type == NGHTTP2_HEADERS
        && frame->hd.stream_id == found->stream) {
        found->complete = true;
    }
    return 0;
}

/* Reads the 'size' bytes at 'data' as a server does. */
static void
serve(const uint8_t *data, size_t size, struct found *found)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_session *session;

    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_server_new(&session, callbacks, found);
    nghttp2_session_mem_recv(session, data, size);
    nghttp2_session_del(session);
    nghttp2_session_callbacks_del(callbacks);
}

static bool
is_cookie(const struct request *r, const struct http_header *h)
{
    return h->name.len == 6 && !memcmp(r->buffer + h->name.ofs, "cookie", 6);
}

/* Whether the headers of 'r', but for cookies, are the last of those that
 * 'found' has, behind the pseudo-headers, and its method and path are there. */
static void
check_same(const struct request *r, const struct found *found)
{
    static char text[4 * HTTP_MAX_HEAD];
    size_t n = 0;

    for (size_t i = 0; i < r->n_headers; i++) {
        const struct http_header *h = &r->headers[i];

        if (!is_cookie(r, h)) {
            add(text, &n, r->buffer + h->name.ofs, h->name.len);
            add(text, &n, r->buffer + h->value.ofs, h->value.len);
        }
    }
    FUZZ_CHECK(n <= found->n);
    FUZZ_CHECK(!memcmp(text, found->text + found->n - n, n));

    n = 0;
    add(text, &n, ":method", 7);
    add(text, &n, r->method.s, r->method.len);
    FUZZ_CHECK(memmem(found->text, found->n, text, n));
    if (r->path.len) {
        n = 0;
        add(text, &n, ":path", 5);
        add(text, &n, r->path.s, r->path.len);
        FUZZ_CHECK(memmem(found->text, found->n, text, n));
    }
    FUZZ_CHECK(!r->host.len
               || memmem(found->text, found->n, r->host.s, r->host.len));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct found found;
    uint8_t refusal[H2_REFUSAL_MAX];
    struct reader reader;
    struct request r;

    FUZZ_CHECK(h2_refusal((const char *) data, size, 503, refusal)
               <= sizeof refusal);
    if (read_both_ways(PROTOCOL_H2C, data, size, &reader, &r)
        != READ_COMPLETE) {
        return 0;
    }
    FUZZ_CHECK(r.method.len);
    FUZZ_CHECK(r.n_headers <= HTTP_MAX_HEADERS);
    for (size_t i = 0; i < r.n_headers; i++) {
        FUZZ_CHECK((size_t) r.headers[i].value.ofs + r.headers[i].value.len
                   <= sizeof r.storage);
    }
    found.n = 0;
    found.stream = 0;
    found.complete = false;
    serve(data, size, &found);
    if (found.complete && found.stream == (int32_t) reader.h2.stream) {
        check_same(&r, &found);
    }
    return 0;
}
