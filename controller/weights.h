/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WEIGHTS_H
#define WEIGHTS_H 1

/* From what is known of a pool's hosts to their weights in one switch.
 *
 * This is a function, without a state or a clock.  That weights do not change
 * all the time is for its caller to see to, by what it puts in. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEIGHTS_MAX 65535       /* A switch's. */
#define WEIGHTS_FAR UINT64_MAX  /* It is not known how far. */

/* A host, in one pool, seen from one switch. */
struct weights_member {
    int64_t weight;             /* An operator's, 0 to WEIGHTS_MAX. */
    bool draining;              /* An operator wants no new connections. */
    bool healthy;               /* As far as is known. */
    bool full;                  /* At its capacity. */
    int load;                   /* Percent. */
    int ramp;                   /* Percent that slow start allows, from 1. */
    uint64_t distance;          /* From the switch. */
};

struct weights_options {
    bool by_load;               /* The busier a host, the less it gets. */
    int spill;                  /* Percent of load up to which the nearest
                                 * hosts take everything; 0: where hosts are
                                 * does not matter. */
};

/* Stores the weights of the 'n' members in 'weights'.
 *
 * Hosts that are draining, full or not healthy have 0.  If none of those that
 * might get connections is healthy, all are taken for healthy.  When nothing
 * else is to be considered, weights are as operators gave them.  A host that
 * is to get anything has 1 at least. */
void weights_compute(const struct weights_options *,
                     const struct weights_member *, size_t n,
                     int64_t weights[]);

/* Whether none of the members that might get connections is healthy. */
bool weights_fail_open(const struct weights_member *, size_t n);

#endif /* weights.h */
