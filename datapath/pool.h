/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POOL_H
#define POOL_H 1

/* Hosts with weights, and the choice among them.  A pool refers to hosts by
 * index in the engine's host table. */

#include "affinity.h"
#include "host.h"
#include "migrate-config.h"

struct maglev;
struct pool_member;
struct pool_name;

struct pool {
    char *name;
    enum pool_policy policy;
    bool has_affinity;          /* By 'affinity', before 'policy' decides. */
    struct affinity affinity;
    struct pool_member *members;    /* By address. */
    struct pool_name *names;    /* Of 'members', by hash, if 'has_affinity'. */
    size_t n_members;
    struct maglev *table;       /* Of 'members', if they are drawn; or NULL. */
};

/* Hosts already tried for one connection. */
#define TRIED_MAX 4
struct tried {
    uint16_t host[TRIED_MAX];
    size_t n;
};

/* A connection that is to have a host. */
struct choice {
    const struct migrate_address *client;
    uint32_t random;            /* Clients cannot foresee it. */
    struct affinity_key affinity;
    const struct tried *tried;
};

/* Compiles 'pc', one of the pools of 'config', which has HOST_MAX hosts at
 * most, into 'pool', which needs pool_bind() then.  What one of the 'n_old'
 * pools 'old' has the same is shared with it.  Returns NULL, or an error
 * message that the caller frees; either way, 'pool' needs pool_uninit(). */
char *pool_init(struct pool *, const struct migrate_config *config,
                const struct pool_config *pc, const struct pool old[],
                size_t n_old);

/* Tells 'pool' where the hosts of its configuration are in the engine's host
 * table. */
void pool_bind(struct pool *, const uint16_t host_index[]);

/* Frees what 'pool', which may be all zeros, holds. */
void pool_uninit(struct pool *);

bool tried_has(const struct tried *, uint16_t host);

/* Picks a usable host of 'pool' with nonzero weight, and of the client's
 * family, that was not tried: by affinity, or by the pool's policy.  Returns
 * its index in 'hosts', or -1 if there is none. */
int pool_select(struct pool *, struct host *const *hosts,
                const struct choice *);

/* Whether that might pick the host with index 'host' for 'client', if none was
 * tried. */
bool pool_may_select(const struct pool *, struct host *const *hosts,
                     const struct migrate_address *client, uint16_t host);

#endif /* pool.h */
