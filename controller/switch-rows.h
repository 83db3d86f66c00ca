/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SWITCH_ROWS_H
#define SWITCH_ROWS_H 1

/* The rows of a switch's database that services are made of: those of the
 * tables Migration_*, below a bridge. */

#include <stdbool.h>

#include "pool-weights.h"

struct omrec_pool;
struct ovsdb_idl;
struct mirror;
struct mirror_row;
struct tally;

/* What weights hosts have in the switch. */
struct switch_weights {
    struct pool_weights_cache *cache;
    pool_weights_cb *get;
    const void *aux;
};

/* Puts into a transaction what makes the rows of the bridge 'br' those that
 * 'idl', OVS_Migrate, wants, or none if the switch does not migrate. */
void switch_rows_write(struct mirror *, const struct mirror_row *br,
                       const struct ovsdb_idl *idl,
                       const struct switch_weights *, bool migrates);

/* The same of the policy and the weights of one pool, which is as it should be
 * otherwise: in a fabric with many hosts it takes a small part of the time.
 * Returns false, and has done nothing, if the pool is to have other hosts. */
bool switch_rows_write_pool(struct mirror *, const struct mirror_row *br,
                            const struct switch_weights *,
                            const struct omrec_pool *);

/* Adds to 'tally' what the switch has written into these rows. */
void switch_rows_count(const struct mirror *, const struct mirror_row *br,
                       struct tally *);

#endif /* switch-rows.h */
