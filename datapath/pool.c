/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "pool.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "maglev.h"
#include "mix.h"
#include "siphash.h"
#include "xalloc.h"

#define DRAWS 32                /* See draw(). */

struct pool_member {
    uint16_t host;              /* Index in the engine's host table; in the
                                 * configuration's before pool_bind(). */
    uint16_t weight;
    int64_t credit;             /* See select_round_robin(). */
    struct migrate_address address;
    uint64_t name;              /* The hash of it: affinity_hash(). */
};

/* An entry of an index of members by their names. */
struct pool_name {
    uint64_t hash;
    size_t member;
};

/* What a selection is among. */
struct candidates {
    struct host *const *hosts;
    bool v4;                    /* The client's family: packets under a flow ID
                                 * keep their IP header. */
    const struct tried *tried;
    const struct pool_member *least;    /* If nonnull: only members with as
                                         * few connections for their weight as
                                         * this one. */
    const struct pool_member *except;   /* Not this one, if nonnull. */
};

/* Connections of 'a' in units of those of 'b', whose counterpart is the same
 * with the arguments swapped. */
static uint64_t
load(const struct candidates *c, const struct pool_member *a,
     const struct pool_member *b)
{
    return (uint64_t) c->hosts[a->host]->n_connections * b->weight;
}

bool
tried_has(const struct tried *tried, uint16_t host)
{
    for (size_t i = 0; i < tried->n; i++) {
        if (tried->host[i] == host) {
            return true;
        }
    }
    return false;
}

static bool
is_candidate(const struct candidates *c, const struct pool_member *m)
{
    const struct host *host = c->hosts[m->host];

    if (!m->weight || m == c->except || !host || !host_usable(host)
        || address_is_v4(&host->address) != c->v4
        || tried_has(c->tried, m->host)) {
        return false;
    }
    return !c->least || load(c, m, c->least) == load(c, c->least, m);
}

/* Smooth weighted round robin, as in nginx: each turn every candidate earns
 * its weight, and the richest is chosen and pays what all of them earned. */
static struct pool_member *
select_round_robin(struct pool *pool, const struct candidates *c)
{
    struct pool_member *best = NULL;
    int64_t total = 0;

    for (size_t i = 0; i < pool->n_members; i++) {
        struct pool_member *m = &pool->members[i];

        if (is_candidate(c, m)) {
            m->credit += m->weight;
            total += m->weight;
            if (!best || m->credit > best->credit) {
                best = m;
            }
        }
    }
    if (best) {
        best->credit -= total;
    }
    return best;
}

static struct pool_member *
select_least_connections(struct pool *pool, struct candidates *c)
{
    const struct pool_member *least = NULL;

    for (size_t i = 0; i < pool->n_members; i++) {
        const struct pool_member *m = &pool->members[i];

        if (is_candidate(c, m)
            && (!least || load(c, m, least) < load(c, least, m))) {
            least = m;
        }
    }
    c->least = least;
    return select_round_robin(pool, c);
}

static uint64_t
hash_address(const struct migrate_address *a)
{
    static const struct siphash_key key;    /* All switches agree. */
    struct siphash h;
    uint64_t word[2];

    memcpy(word, a->byte, sizeof word);
    siphash_init(&h, &key);
    siphash_word(&h, le64toh(word[0]));
    siphash_word(&h, le64toh(word[1]));
    return siphash_final(&h);
}

/* A candidate, each as often as its weight says over all 'hash', or NULL if
 * there is none. */
static struct pool_member *
draw_slowly(struct pool *pool, const struct candidates *c, uint64_t hash)
{
    uint64_t total = 0;

    for (size_t i = 0; i < pool->n_members; i++) {
        if (is_candidate(c, &pool->members[i])) {
            total += pool->members[i].weight;
        }
    }
    if (total) {
        hash %= total;
    }
    for (size_t i = 0; i < pool->n_members; i++) {
        struct pool_member *m = &pool->members[i];

        if (is_candidate(c, m)) {
            if (hash < m->weight) {
                return m;
            }
            hash -= m->weight;
        }
    }
    return NULL;
}

/* The same, by the table: the host that has the key with 'hash'.  If that is
 * no candidate, the host of another key that follows from this one, and so on.
 * So switches agree that have the same pool and see the same hosts up, and
 * where a host is down, only its keys move, to all others in proportion to
 * their weights.  If nearly no host is up, that leads nowhere for long, and
 * then they are looked at one after the other. */
static struct pool_member *
draw(struct pool *pool, const struct candidates *c, uint64_t hash)
{
    for (int i = 0; i < DRAWS && pool->table; i++) {
        struct pool_member *m = &pool->members[maglev_find(pool->table,
                                                           hash)];

        if (is_candidate(c, m)) {
            return m;
        }
        hash = mix64(hash + 1);
    }
    return draw_slowly(pool, c, hash);
}

/* Of two hosts the one with fewer connections for its weight (Mitzenmacher,
 * "The Power of Two Choices in Randomized Load Balancing", IEEE TPDS 2001). */
static struct pool_member *
select_two_choices(struct pool *pool, struct candidates *c, uint32_t random)
{
    uint64_t hash = mix64(random + 1ULL);
    struct pool_member *a = draw(pool, c, hash);
    struct pool_member *b;

    c->except = a;
    b = a ? draw(pool, c, mix64(~hash)) : NULL;
    return b && load(c, b, a) < load(c, a, b) ? b : a;
}

/* The candidate with the name of hash 'hash', or NULL. */
static struct pool_member *
find_named(struct pool *pool, const struct candidates *c, uint64_t hash)
{
    size_t low = 0, high = pool->n_members;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (pool->names[mid].hash == hash) {
            struct pool_member *m = &pool->members[pool->names[mid].member];

            return is_candidate(c, m) ? m : NULL;
        } else if (pool->names[mid].hash < hash) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return NULL;
}

/* The host that 'key' names, or that has it by the table. */
static struct pool_member *
select_by_affinity(struct pool *pool, const struct candidates *c,
                   const struct affinity_key *key)
{
    struct pool_member *m = find_named(pool, c, key->value);

    if (!m) {
        m = find_named(pool, c, key->route);
    }
    return m ? m : draw(pool, c, key->value);
}

static struct pool_member *
select_by_policy(struct pool *pool, struct candidates *c,
                 const struct choice *choice)
{
    switch (pool->policy) {
    case POOL_ROUND_ROBIN:
        return select_round_robin(pool, c);
    case POOL_LEAST_CONNECTIONS:
        return select_least_connections(pool, c);
    case POOL_TWO_CHOICES:
        return select_two_choices(pool, c, choice->random);
    case POOL_SOURCE_HASH:
        return draw(pool, c, hash_address(choice->client));
    }
    return NULL;
}

int
pool_select(struct pool *pool, struct host *const *hosts,
            const struct choice *choice)
{
    struct candidates c = {
        .hosts = hosts, .v4 = address_is_v4(choice->client),
        .tried = choice->tried
    };
    const struct pool_member *m;

    m = (choice->affinity.set
         ? select_by_affinity(pool, &c, &choice->affinity)
         : select_by_policy(pool, &c, choice));
    return m ? m->host : -1;
}

bool
pool_may_select(const struct pool *pool, struct host *const *hosts,
                const struct migrate_address *client, uint16_t host)
{
    const struct tried none = { .n = 0 };
    const struct candidates c = {
        .hosts = hosts, .v4 = address_is_v4(client), .tried = &none
    };

    for (size_t i = 0; i < pool->n_members; i++) {
        if (pool->members[i].host == host) {
            return is_candidate(&c, &pool->members[i]);
        }
    }
    return false;
}

/* Compiling. */

static int
compare_members(const void *a_, const void *b_)
{
    const struct pool_member *a = a_;
    const struct pool_member *b = b_;

    return memcmp(&a->address, &b->address, sizeof a->address);
}

static int
compare_names(const void *a_, const void *b_)
{
    const struct pool_name *a = a_;
    const struct pool_name *b = b_;

    return a->hash < b->hash ? -1 : a->hash > b->hash;
}

/* In the same order wherever the pool has the same members. */
static char *
init_members(struct pool *pool, const struct migrate_config *config,
             const struct pool_config *pc)
{
    bool *seen = xcalloc(config->n_hosts, sizeof *seen);
    char *error = NULL;

    pool->members = xcalloc(pc->n_members, sizeof *pool->members);
    pool->n_members = pc->n_members;
    for (size_t i = 0; i < pc->n_members && !error; i++) {
        const struct member_config *mc = &pc->members[i];
        const struct host_config *host;

        if (mc->host >= config->n_hosts) {
            error = xasprintf("pool \"%s\": member %zu is no such host; set "
                              "\"hosts\" to hosts that exist", pc->name, i);
            break;
        }
        host = &config->hosts[mc->host];
        if (seen[mc->host]) {
            error = xasprintf("pool \"%s\": host \"%s\" is in it twice; give "
                              "it more weight instead", pc->name, host->name);
        } else {
            seen[mc->host] = true;
            pool->members[i] = (struct pool_member) {
                .host = mc->host,
                .weight = mc->weight,
                .address = host->address,
                .name = affinity_hash(host->name, strlen(host->name)),
            };
        }
    }
    free(seen);
    qsort(pool->members, pool->n_members, sizeof *pool->members,
          compare_members);
    return error;
}

static void
init_names(struct pool *pool)
{
    pool->names = xcalloc(pool->n_members, sizeof *pool->names);
    for (size_t i = 0; i < pool->n_members; i++) {
        pool->names[i].hash = pool->members[i].name;
        pool->names[i].member = i;
    }
    qsort(pool->names, pool->n_members, sizeof *pool->names, compare_names);
}

static char *
init_affinity(struct pool *pool, const struct pool_config *pc)
{
    char *error = affinity_init(&pool->affinity, pc->affinity);

    if (error) {
        char *full = xasprintf("pool \"%s\": %s", pc->name, error);

        free(error);
        return full;
    }
    pool->has_affinity = true;
    init_names(pool);
    return NULL;
}

/* Makes the table, or takes that of an old pool with the same members. */
static void
init_table(struct pool *pool, const struct pool old[], size_t n_old)
{
    struct maglev_node *nodes = xcalloc(pool->n_members, sizeof *nodes);
    bool lasting = pool->has_affinity || pool->policy == POOL_SOURCE_HASH;

    for (size_t i = 0; i < pool->n_members; i++) {
        nodes[i].hash = hash_address(&pool->members[i].address);
        nodes[i].weight = pool->members[i].weight;
    }
    for (size_t i = 0; i < n_old && !pool->table; i++) {
        if (old[i].table && maglev_is_of(old[i].table, nodes, pool->n_members,
                                         lasting)) {
            pool->table = maglev_ref(old[i].table);
        }
    }
    if (!pool->table) {
        pool->table = maglev_create(nodes, pool->n_members, lasting);
    }
    free(nodes);
}

/* A pool without members is legal: nobody serves what it gets. */
char *
pool_init(struct pool *pool, const struct migrate_config *config,
          const struct pool_config *pc, const struct pool old[],
          size_t n_old)
{
    char *error;

    memset(pool, 0, sizeof *pool);
    pool->name = xasprintf("%s", pc->name);
    pool->policy = pc->policy;
    error = init_members(pool, config, pc);
    if (!error && pc->affinity) {
        error = init_affinity(pool, pc);
    }
    if (!error && (pool->has_affinity || pool->policy == POOL_TWO_CHOICES
                   || pool->policy == POOL_SOURCE_HASH)) {
        init_table(pool, old, n_old);
    }
    return error;
}

void
pool_bind(struct pool *pool, const uint16_t host_index[])
{
    for (size_t i = 0; i < pool->n_members; i++) {
        pool->members[i].host = host_index[pool->members[i].host];
    }
}

void
pool_uninit(struct pool *pool)
{
    affinity_uninit(&pool->affinity);
    maglev_unref(pool->table);
    free(pool->members);
    free(pool->names);
    free(pool->name);
}
