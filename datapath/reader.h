/* SPDX-License-Identifier: Apache-2.0 */
#ifndef READER_H
#define READER_H 1

/* The first bytes of a connection, read as they come in, up to where they say
 * what rules may ask for.
 *
 * The caller's buffer holds all bytes of the connection from the first on,
 * and may move as it grows.  The reader keeps offsets into it and owns no
 * memory.  What it finds does not depend on how the bytes were cut. */

#include "h2.h"
#include "http.h"
#include "migrate-config.h"
#include "tls.h"

struct reader {
    enum service_protocol protocol; /* What the bytes are read as; of an "auto"
                                     * service, PROTOCOL_AUTO before that is
                                     * clear, and PROTOCOL_TCP if they are none
                                     * of what it knows. */
    bool known;                 /* They are that for certain: what is wrong
                                 * with them is the client's fault. */
    size_t fed;                 /* Bytes. */
    union {
        struct http_parser http;
        struct h2_parser h2;
        struct tls_parser tls;
    };
};

/* The name of 'protocol', as in the column of Migration_Service. */
const char *protocol_name(enum service_protocol protocol);

/* The protocol of that name; PROTOCOL_HTTP if 'name' is NULL. */
enum service_protocol protocol_from_name(const char *name);

/* Whether services of 'protocol' decide nothing before a client's first
 * data. */
static inline bool
protocol_needs_data(enum service_protocol protocol)
{
    return protocol != PROTOCOL_TCP && protocol != PROTOCOL_AUTO;
}

/* Prepares 'reader' for a new connection of a service of 'protocol'. */
void reader_init(struct reader *reader, enum service_protocol protocol);

/* Feeds the 'len' bytes of the connection that came so far.  Fills '*request'
 * if it returns READ_COMPLETE, and is not to be called again once it has not
 * returned READ_PARTIAL. */
enum read_result reader_feed(struct reader *reader, const char *buffer,
                             size_t len, struct request *request);

/* No more bytes will come: tells what those that did, which were
 * READ_PARTIAL, are then.  Fills '*request' if it returns READ_COMPLETE. */
enum read_result reader_end(struct reader *reader, struct request *request);

/* Whether the client, whose bytes so far are READ_PARTIAL, may be waiting for
 * the server to say something. */
bool reader_waits(const struct reader *reader);

#endif /* reader.h */
