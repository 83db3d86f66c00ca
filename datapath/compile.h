/* SPDX-License-Identifier: Apache-2.0 */
#ifndef COMPILE_H
#define COMPILE_H 1

/* Compiles a connection into a bundle: one call at the top of the engine's
 * protocol stack; each layer adds its part and calls the one below. */

#include "cookie.h"
#include "messages.h"

/* A connection as the switch's stack holds it. */
struct connection {
    /* Application. */
    uint32_t service_id;
    const void *data;           /* Received in order, from the first byte. */
    size_t data_len;
    bool fin;                   /* The client's FIN is right behind 'data'. */

    /* TCP. */
    uint32_t client_isn, switch_isn;
    struct syn_options syn;
    uint8_t rcv_wscale;         /* The shift promised to the client. */
    bool tstamp_ok;
    uint32_t tsval, tsecr;      /* As the client would send them now. */
    uint16_t window;            /* As in the client's latest header. */

    /* TCP and IP. */
    struct tuple tuple;

    /* The mapping. */
    uint32_t flow_id;
};

/* Calls "migrate connection" on the topmost layer: writes the bundle of 'c'
 * to 'buf', at most 'max' bytes, and returns its length.  '*taken' is how
 * many bytes of 'data' are in it; the rest must follow as packets.  The
 * header is left to the sender. */
size_t migrate_connection(const struct connection *c, void *buf, size_t max,
                          size_t *taken);

#endif /* compile.h */
