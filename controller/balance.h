/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BALANCE_H
#define BALANCE_H 1

/* What weights hosts have in the pools of switches: what operators say
 * (Pool.hosts), and what becomes of that by hosts' health, load, capacity and
 * age.  See weights.h for the sum.
 *
 * What goes into it changes in steps, so that switches are not written to for
 * every percent. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/hmap.h"

struct agents;
struct events;
struct fabric;
struct fabric_routes;
struct health;
struct omrec_pool;
struct ovsdb_idl;
struct sset;
struct tally;

struct balance {
    const struct ovsdb_idl *idl;        /* OVS_Migrate. */
    const struct agents *agents;
    const struct health *health;
    struct hmap hosts;          /* Of "struct balance_host"s. */
    struct hmap pools;          /* Of "struct balance_pool"s. */
    bool begun;                 /* What is new from now on starts slowly. */
};

void balance_init(struct balance *, const struct ovsdb_idl *,
                  const struct agents *, const struct health *);
void balance_uninit(struct balance *);

/* Looks at everything again; 'tally' is what switches have said.  To be called
 * a few times a second, and when pools or hosts have come or gone.  Adds to
 * 'pools' the names of those with other weights than before. */
void balance_run(struct balance *, const struct tally *tally,
                 struct sset *pools);

/* Looks again at the pools with these names, and their hosts, alone. */
void balance_run_pools(struct balance *, const struct tally *tally,
                       struct sset *pools);

/* Adds events about what has changed since the last time. */
void balance_report(struct balance *, struct events *);

/* Adds to 'pools' the names of those whose weights follow from where hosts
 * are. */
void balance_add_places(const struct balance *, struct sset *pools);

/* Stores in 'weights' the weight in switch 'sw' of 'fabric' of each of
 * 'pool->key_hosts'.  Returns whether they are the same in all switches. */
bool balance_weights(const struct balance *, const struct omrec_pool *pool,
                     const struct fabric *, const struct fabric_routes *,
                     size_t sw, int64_t weights[]);

#endif /* balance.h */
