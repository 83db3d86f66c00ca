/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POOL_H
#define POOL_H 1

/* Hosts with weights, and the choice among them.  A pool refers to hosts by
 * index in the engine's host table. */

#include "host.h"
#include "migrate-config.h"

struct pool_member;

struct pool {
    char *name;
    enum pool_policy policy;
    struct pool_member *members;
    size_t n_members;
};

/* Hosts already tried for one connection. */
#define TRIED_MAX 4
struct tried {
    uint16_t host[TRIED_MAX];
    size_t n;
};

/* Compiles 'pc', one of the pools of 'config', into 'pool'.  'host_index' maps
 * hosts of 'config' to the engine's host table.  Returns NULL, or an error
 * message that the caller frees; either way, 'pool' needs pool_uninit(). */
char *pool_init(struct pool *, const struct migrate_config *config,
                const struct pool_config *pc, const uint16_t *host_index);

/* Frees what 'pool', which may be all zeros, holds. */
void pool_uninit(struct pool *);

bool tried_has(const struct tried *, uint16_t host);

/* Picks a usable host of 'pool' with nonzero weight that is not in 'tried',
 * by the pool's policy, for a client at 'client'.  Returns its index in
 * 'hosts', or -1 if there is none. */
int pool_select(struct pool *, struct host *const *hosts,
                const struct migrate_address *client, const struct tried *);

/* Whether that might pick the host with index 'host', if none was tried. */
bool pool_may_select(const struct pool *, struct host *const *hosts,
                     const struct migrate_address *client, uint16_t host);

#endif /* pool.h */
