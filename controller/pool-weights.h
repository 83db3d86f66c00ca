/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POOL_WEIGHTS_H
#define POOL_WEIGHTS_H 1

/* The weights of pools' hosts, as the column "weights" of Migration_Pool is to
 * have them.  Those that are the same in all switches are put together once
 * for all. */

#include <stdbool.h>
#include <stdint.h>

#include "openvswitch/shash.h"
#include "ovsdb-data.h"

struct omrec_host;
struct omrec_pool;

/* The column.  Hosts that are down are left out. */
struct pool_weights {
    struct ovsdb_datum datum;
    struct json *json;
};

struct pool_weights_cache {
    struct shash pools;         /* Of "struct pool_weights"s, by name. */
    struct pool_weights *own;   /* The last one of one switch alone. */
};

void pool_weights_init(struct pool_weights_cache *);
void pool_weights_uninit(struct pool_weights_cache *);

/* To be called when pools, or the weights in them, are others than before. */
void pool_weights_clear(struct pool_weights_cache *);

/* Stores the weights of 'pool->key_hosts' in a switch.  Returns whether they
 * are the same in all. */
typedef bool pool_weights_cb(const void *aux, const struct omrec_pool *pool,
                             int64_t weights[]);

/* The weights of 'pool', which are there until the next call. */
const struct pool_weights *pool_weights_get(struct pool_weights_cache *,
                                            const struct omrec_pool *pool,
                                            pool_weights_cb *,
                                            const void *aux);

/* Whether the hosts in 'datum', such a column, are those in the other one. */
bool pool_weights_same_hosts(const struct pool_weights *,
                             const struct ovsdb_datum *datum);

/* Whether the host is to be in no pool of a switch. */
bool pool_weights_host_is_down(const struct omrec_host *);

#endif /* pool-weights.h */
