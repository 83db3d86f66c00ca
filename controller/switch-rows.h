/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SWITCH_ROWS_H
#define SWITCH_ROWS_H 1

/* The rows of a switch's database that services are made of: those of the
 * tables Migration_*, below a bridge. */

#include <stdbool.h>
#include <stdint.h>

struct omrec_pool;
struct ovsdb_idl;
struct ovsdb_idl_txn;
struct ovsrec_bridge;
struct tally;

/* What weights hosts have in the switch. */
struct switch_weights {
    /* Stores those of 'pool->key_hosts'. */
    void (*get)(const void *aux, const struct omrec_pool *pool,
                int64_t weights[]);
    const void *aux;
};

/* Makes the rows of 'br' those that 'idl', OVS_Migrate, wants, or none if the
 * switch does not migrate. */
void switch_rows_write(struct ovsdb_idl_txn *, const struct ovsrec_bridge *br,
                       const struct ovsdb_idl *idl,
                       const struct switch_weights *, bool migrates);

/* The same of one pool, of whose rows none are new: in a fabric with many
 * hosts it takes a small part of the time.  Returns false, and has done
 * nothing, if the pool is to have hosts that it has not. */
bool switch_rows_write_pool(const struct ovsrec_bridge *br,
                            const struct switch_weights *,
                            const struct omrec_pool *);

/* Adds to 'tally' what the switch has written into these rows. */
void switch_rows_count(const struct ovsrec_bridge *br, struct tally *);

#endif /* switch-rows.h */
