/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SWITCHES_H
#define SWITCHES_H 1

/* The switches that have proved themselves, and that what they say is new.
 *
 * A HELLO is new if it has the challenge that this host thought of: so a
 * switch that begins anew, or meets a host that did, needs two HELLOs.  From
 * then on their sequence numbers do, as long as they come without a pause.
 * All else that is heard must be of the present epoch.
 *
 * What comes from such an address with an unknown flow ID is dropped, so an
 * address that is a switch's no longer must be forgotten some time: when
 * nothing new has come from it for SWITCHES_TIMEOUT and no mapping has it. */

#include <stddef.h>

#include "migrator.h"

#define SWITCHES_TIMEOUT (60 * 60 * 1000)   /* ms */

struct switches {
    struct migrator *m;
    __be64 challenge;               /* Random, not 0; another one each time
                                     * that it was met. */
    struct migrate_address *used;   /* By a mapping, since the last check. */
    size_t n, allocated;
};

void switches_init(struct switches *, struct migrator *);
void switches_destroy(struct switches *);

/* A HELLO came from 'address'.  Returns 0 if it is taken, or the challenge to
 * be met. */
__be64 switches_hello(struct switches *, const struct migrate_address *address,
                      const struct migrate_header *,
                      const struct migrate_hello *);

/* Whether 'epoch' is the present one of the switch at 'address'. */
bool switches_know(const struct switches *,
                   const struct migrate_address *address, __be32 epoch);

/* An AUDIT came from 'address'.  Returns whether it is new. */
bool switches_audit(struct switches *, const struct migrate_address *address,
                    const struct migrate_header *);

/* Sets '*peer' to what is known of the switch at 'address', all zeros if it is
 * not known.  Returns whether it is. */
bool switches_find(const struct switches *,
                   const struct migrate_address *address,
                   struct switch_peer *peer);

/* A mapping has 'address'. */
void switches_use(struct switches *, const struct migrate_address *address);

/* All mappings have been seen: forgets whom none of them has. */
void switches_expire(struct switches *);

#endif /* switches.h */
