/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PEERS_H
#define PEERS_H 1

/* What switches ask of this host: HELLO, ABORT and AUDIT.  (Bundles never
 * get here.) */

#include <stdint.h>

#include "lib/seal.h"
#include "migrator.h"
#include "reports.h"
#include "scan.h"
#include "services.h"
#include "switches.h"

#define PEERS_MAX_AUDITS 16         /* At a time; more are not answered. */
#define PEERS_SLICE 29              /* Mappings a message: fits any MTU. */

struct peers_audit {
    struct migrate_address host, from;
    __be32 sequence;
    struct scan scan;
};

struct peers {
    struct migrator *m;
    struct reports *reports;
    struct services *services;
    struct switches *switches;
    const struct keyring *keyring;
    int fd;
    struct peers_audit audits[PEERS_MAX_AUDITS];
    size_t n_audits;
    uint64_t n_hellos, n_aborts, n_audits_taken, n_old, n_bad;
};

void peers_init(struct peers *, int fd, struct migrator *, struct reports *,
                struct services *, struct switches *,
                const struct keyring *);

/* Answers the messages that wait on the socket, and a piece of an audit.
 * Returns whether there is more to do at once. */
bool peers_run(struct peers *);

#endif /* peers.h */
