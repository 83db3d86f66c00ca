/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SWITCHES_H
#define SWITCHES_H 1

/* The switches that have proved themselves.  What comes from such an address
 * with an unknown flow ID is dropped, so an address that is a switch's no
 * longer must be forgotten some time: when nothing sealed has come from it
 * for SWITCHES_TIMEOUT and no mapping has it. */

#include <stddef.h>

#include "migrator.h"

#define SWITCHES_TIMEOUT (60 * 60 * 1000)   /* ms */

struct switches {
    struct migrator *m;
    struct migrate_address *used;   /* By a mapping, since the last check. */
    size_t n, allocated;
};

void switches_init(struct switches *, struct migrator *);
void switches_destroy(struct switches *);

/* A message from 'address' of incarnation 'epoch' was sealed right. */
void switches_heard(struct switches *, const struct migrate_address *address,
                    __be32 epoch);

/* A mapping has 'address'. */
void switches_use(struct switches *, const struct migrate_address *address);

/* All mappings have been seen: forgets whom none of them has. */
void switches_expire(struct switches *);

#endif /* switches.h */
