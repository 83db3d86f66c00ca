/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PEERS_H
#define PEERS_H 1

/* What switches ask of this host: HELLO, ABORT, AUDIT, HEARD.  (Bundles never
 * get here.) */

#include <stdint.h>

#include "audits.h"
#include "lib/seal.h"
#include "migrator.h"
#include "news.h"
#include "reports.h"
#include "services.h"
#include "switches.h"

struct peers {
    struct migrator *m;
    struct reports *reports;
    struct services *services;
    struct switches *switches;
    struct news *news;
    const struct keyring *keyring;
    int fd;
    struct audits audits;
    uint64_t n_hellos, n_aborts, n_old, n_bad;
};

void peers_init(struct peers *, int fd, struct migrator *, struct reports *,
                struct services *, struct switches *, struct news *,
                const struct keyring *);
void peers_destroy(struct peers *);

/* Answers the messages that wait on the socket, and a piece of an audit.
 * Returns whether there is more to do at once. */
bool peers_run(struct peers *);

#endif /* peers.h */
