/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVICES_H
#define SERVICES_H 1

/* The service addresses that switches have named in HELLO.  Each is made
 * local to this host, or its stack would not take the connections, and stays
 * so until no switch has named it for SERVICES_TIMEOUT and no mapping has
 * it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "migrator.h"

#define SERVICES_TIMEOUT (10 * 60 * 1000)   /* ms */
#define SERVICES_REPEAT (10 * 1000)         /* ms: route made sure of. */
#define SERVICES_MAX 1024

struct services_one {
    struct migrate_address address;
    bool ours;                      /* So is the route. */
    int64_t named, asserted, used;  /* ms: in HELLO, the route, by a
                                     * mapping. */
    int error;                      /* Of the last attempt. */
};

struct services {
    struct migrator *m;
    struct services_one *all;
    size_t n, allocated;
};

/* Starts with the services that an earlier agent left. */
void services_init(struct services *, struct migrator *);
void services_destroy(struct services *);

/* A switch that proved itself named 'address'. */
void services_name(struct services *, const struct migrate_address *address);

/* A mapping has 'address'. */
void services_use(struct services *, const struct migrate_address *address);

/* Drops those that are neither named nor used any longer. */
void services_expire(struct services *);

#endif /* services.h */
