/* SPDX-License-Identifier: Apache-2.0 */
#ifndef H2_H
#define H2_H 1

/* The first request of an HTTP/2 client with prior knowledge (RFC 9113 3.3),
 * read as its bytes come in, with the HPACK decoder of nghttp2.
 *
 * The client must not need anything from the server first, for the switch says
 * nothing: the host's server will send its SETTINGS.  What is not needed to
 * find and read the request is left for that server to judge. */

#include <stdbool.h>

#include "request.h"

#define H2_PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define H2_PREFACE_LEN (sizeof H2_PREFACE - 1)

struct h2_parser {
    size_t at;                  /* Offset of the frame being read. */
    size_t headers;             /* Of the HEADERS frame that is continued; 0:
                                 * there was none. */
    uint32_t stream;            /* Its stream. */
    bool waits;                 /* Whole frames came, and no HEADERS: the
                                 * client may be waiting for the server. */
};

/* Prepares 'parser' for a new connection. */
void h2_init(struct h2_parser *parser);

/* Feeds the 'len' bytes of the connection that came so far.  Fills '*request'
 * if it returns READ_COMPLETE, and is not to be called again once it has not
 * returned READ_PARTIAL. */
enum read_result h2_feed(struct h2_parser *parser, const char *buffer,
                         size_t len, struct request *request);

/* Writes what a client that sent the 'len' bytes at 'buffer' is told before
 * its connection is closed: what has 'status' in HTTP.  Returns its length,
 * or 0 if the client does not speak HTTP/2. */
#define H2_REFUSAL_MAX 64
size_t h2_refusal(const char *buffer, size_t len, unsigned int status,
                  uint8_t refusal[H2_REFUSAL_MAX]);

#endif /* h2.h */
