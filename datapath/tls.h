/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TLS_H
#define TLS_H 1

/* The ClientHello of a TLS client, read as its bytes come in and without any
 * key (RFC 8446 4.1.2, which is as it was in TLS 1.0): the name of the server
 * (RFC 6066 3) and the application protocols (RFC 7301) that it asks for.
 *
 * It may come in any number of records.  Of one with an encrypted ClientHello
 * in it the outer one is what is seen. */

#include <stdbool.h>

#include "request.h"

#define TLS_MAX_HELLO 16384     /* Bytes of ClientHello... */
#define TLS_MAX_BYTES 32768     /* ... and with the headers of its records. */
#define TLS_FIRST_BYTE 22       /* Of all that a client may send. */
#define TLS_ALERT_LEN 7

struct tls_parser {
    bool known;                 /* It begins like a ClientHello. */
    size_t at;                  /* Offset of the record being read. */
    size_t got;                 /* Bytes of hello in records before that. */
    uint8_t header[4];          /* Of the hello, as far as it came. */
};

/* Prepares 'parser' for a new connection. */
void tls_init(struct tls_parser *parser);

/* Feeds the 'len' bytes of the connection that came so far.  Fills '*request'
 * if it returns READ_COMPLETE, and is not to be called again once it has not
 * returned READ_PARTIAL. */
enum read_result tls_feed(struct tls_parser *parser, const char *buffer,
                          size_t len, struct request *request);

/* Writes the fatal alert for a client that sent the 'len' bytes at 'buffer',
 * which were not taken, to 'alert'. */
void tls_alert(const char *buffer, size_t len, uint8_t alert[TLS_ALERT_LEN]);

#endif /* tls.h */
