/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NEWS_H
#define NEWS_H 1

/* Tells each switch of the connections that other switches have handed to
 * this host, as they begin and end, so that it can go on with them when
 * clients' packets come its way.
 *
 * What a switch is not told in time may cost more than a connection: it
 * would take a request that its client sends again for a new one.  So NEWS is
 * answered, with HEARD, and sent again until it is.  There is one message
 * under way to each switch; what comes up meanwhile waits in line as a flow
 * ID, and is told as it is by then.  What is lost all the same, because a
 * switch is away or the line too long, its next audit tells. */

#include <stdint.h>

#include "lib/seal.h"
#include "migrator.h"

#define NEWS_PEERS 16               /* Switches that are told. */
#define NEWS_LINE 65536             /* Flow IDs in line for one of them. */

struct switches;

struct news_peer {
    struct migrate_address to;
    struct migrate_address host;    /* What it calls us. */
    int64_t heard;                  /* ms: its last HELLO. */

    /* The line: ids[first] to ids[first + n), modulo 'size'. */
    __be32 *ids;
    size_t first, n, size;
    size_t n_sent;                  /* So many of them are under way... */
    uint64_t number;                /* ...in this message... */
    int64_t sent;                   /* ...which was last sent then, ms. */
};

struct news {
    struct migrator *m;
    const struct keyring *keyring;
    const struct switches *switches;
    int fd;                         /* udp.h. */
    struct news_peer peers[NEWS_PEERS];
    size_t n_peers;
    uint64_t n_messages, n_again, n_lost;   /* The last: flow IDs. */
};

void news_init(struct news *, int fd, struct migrator *,
               const struct keyring *, const struct switches *);
void news_destroy(struct news *);

/* The switch 'from', which calls us 'host', has said HELLO. */
void news_hello(struct news *, const struct migrate_address *from,
                const struct migrate_address *host);

/* How many others are there, of the family of 'from'. */
unsigned int news_others(const struct news *,
                         const struct migrate_address *from);

/* The mapping 'flow_id', which the switch 'owner' has brought, began or
 * ended. */
void news_add(struct news *, const struct migrate_address *owner,
              __be32 flow_id);

/* The switch 'from' has heard message 'number'. */
void news_heard(struct news *, const struct migrate_address *from,
                uint64_t number);

/* Sends what is due. */
void news_run(struct news *);

/* When news_run() has something to do next, if nothing is added: ms. */
int64_t news_deadline(const struct news *);

#endif /* news.h */
