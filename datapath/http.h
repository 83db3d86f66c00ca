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
#include <stddef.h>
#include <stdint.h>
#include <llhttp/llhttp.h>

#define HTTP_MAX_HEAD 16384     /* Bytes of request line and headers. */
#define HTTP_MAX_HEADERS 100

/* Part of the buffer, 'len' bytes from 'ofs' on. */
struct http_span {
    uint16_t ofs;
    uint16_t len;
};

struct http_header {
    struct http_span name;
    struct http_span value;     /* Once complete, without white space around
                                 * it. */
};

enum http_result {
    HTTP_PARTIAL,               /* Well so far; feed more. */
    HTTP_COMPLETE,              /* The head is complete. */
    HTTP_INVALID,               /* Not HTTP/1: a 400. */
    HTTP_TOO_LARGE,             /* Over one of the limits above: a 431. */
};

struct http_parser {
    llhttp_t llhttp;
    const char *base;           /* The buffer, while http_feed() runs. */
    enum http_result result;
    bool head_complete;         /* llhttp has seen the whole head. */
    bool too_many;              /* Headers: the rest are not in 'headers'. */
    struct http_span target;    /* The request target as it was sent. */
    struct http_span method;    /* Set once complete... */
    struct http_span host;      /* ... as is the value of Host.  len 0:
                                 * none. */
    size_t n_headers;
    struct http_header headers[HTTP_MAX_HEADERS];
};

/* Prepares 'parser' for a new connection. */
void http_init(struct http_parser *parser);

/* Feeds the bytes of 'buffer' from 'from' up to 'to'; all bytes before 'from'
 * were fed before.  Once the result is not HTTP_PARTIAL it stays. */
enum http_result http_feed(struct http_parser *parser, const char *buffer,
                           size_t from, size_t to);

/* A complete request as rules see it: spans resolved against a buffer. */
struct request_field {
    const char *s;              /* Not null-terminated. */
    size_t len;                 /* Bytes. */
};

struct request {
    struct request_field method;
    struct request_field host;  /* Without port; from the target if absolute,
                                 * else from Host.  len 0: none. */
    struct request_field path;  /* Path of the target, query included; "*" for
                                 * OPTIONS *, len 0 for CONNECT. */
    const char *buffer;
    const struct http_header *headers;
    size_t n_headers;
};

/* Fills '*request' from 'parser', whose result is HTTP_COMPLETE and whose
 * bytes are at 'buffer'.  '*request' points into both. */
void http_request(const struct http_parser *parser, const char *buffer,
                  struct request *request);

#endif /* http.h */
