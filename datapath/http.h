/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HTTP_H
#define HTTP_H 1

/* The head of an HTTP/1 request, read as its bytes come in (RFC 9112), with
 * llhttp.  The parser keeps offsets into the caller's buffer, which holds all
 * bytes of the connection from the first on and may move as it grows; it owns
 * no memory.
 *
 * The switch and the server must not read one request in two ways, so the
 * switch refuses what servers differ about: folded headers, two Hosts, space
 * before a colon, bytes outside ASCII in the target, a missing CR...  llhttp
 * must have been compiled with LLHTTP_STRICT_MODE=1 for that. */

#include <stdbool.h>
#include <llhttp/llhttp.h>

#include "request.h"

struct http_parser {
    llhttp_t llhttp;
    const char *base;           /* The buffer, while http_feed() runs. */
    bool known;                 /* A request line of HTTP/1 came. */
    bool head_complete;         /* llhttp has seen the whole head. */
    bool too_many;              /* Headers: the rest are not in 'headers'. */
    struct http_span target;    /* The request target as it was sent. */
    size_t n_headers;
    struct http_header headers[HTTP_MAX_HEADERS];
};

/* Prepares 'parser' for a new connection. */
void http_init(struct http_parser *parser);

/* Feeds the bytes of 'buffer' from 'from' up to 'to'; all bytes before 'from'
 * were fed before.  Fills '*request' if it returns READ_COMPLETE, and is not
 * to be called again once it has not returned READ_PARTIAL. */
enum read_result http_feed(struct http_parser *parser, const char *buffer,
                           size_t from, size_t to, struct request *request);

/* The host in 'authority' (RFC 3986 3.2), which is [user@]host[:port]. */
struct request_field http_authority_host(struct request_field authority);

#endif /* http.h */
