/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REQUEST_H
#define REQUEST_H 1

/* What rules see of a connection, and what becomes of reading it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HTTP_MAX_HEAD 16384     /* Bytes of request line and headers. */
#define HTTP_MAX_HEADERS 100

/* Bytes for what is not as it was sent: the headers of HTTP/2, decoded, and
 * once more those of cookies. */
#define REQUEST_STORAGE (2 * HTTP_MAX_HEAD + 2 * HTTP_MAX_HEADERS)

/* What the bytes of a connection that came so far are. */
enum read_result {
    READ_PARTIAL,               /* Well so far; more are needed. */
    READ_COMPLETE,              /* The request is complete. */
    READ_INVALID,               /* Not what they should be. */
    READ_TOO_LARGE,             /* Over a limit. */
};

struct request_field {
    const char *s;              /* Not null-terminated. */
    size_t len;                 /* Bytes; 0: there is none. */
};

/* Part of a buffer, 'len' bytes from 'ofs' on. */
struct http_span {
    uint16_t ofs;
    uint16_t len;
};

struct http_header {
    struct http_span name;
    struct http_span value;     /* Without white space around it. */
};

/* A complete request, or the hello of a TLS client.  It points into the bytes
 * it was read from, into whatever read them, or into its own storage. */
struct request {
    /* HTTP. */
    struct request_field method;
    struct request_field host;  /* Without port. */
    struct request_field path;  /* Query included; "*" for OPTIONS *, nothing
                                 * for CONNECT. */
    const char *buffer;         /* What the spans of 'headers' are part of. */
    const struct http_header *headers;
    size_t n_headers;

    /* TLS. */
    struct request_field sni;   /* The server's name. */
    struct request_field alpn;  /* Application protocols, a byte with its
                                 * length before each. */

    struct http_header stored_headers[HTTP_MAX_HEADERS];
    char storage[REQUEST_STORAGE];
};

/* Makes 'request' one that says nothing. */
static inline void
request_init(struct request *request)
{
    memset(request, 0, offsetof(struct request, stored_headers));
}

/* Steps through the headers of 'request' called 'name', 'name_len' bytes in
 * lower case: '*at' starts at 0, and each time their next 'value' is stored;
 * false ends. */
bool request_next_header(const struct request *, const char *name,
                         size_t name_len, size_t *at,
                         struct request_field *value);

#endif /* request.h */
