/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "pool.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "siphash.h"
#include "xalloc.h"

struct pool_member {
    uint16_t host;              /* Index in the engine's host table. */
    uint16_t weight;
    int64_t credit;             /* See select_round_robin(). */
    uint64_t hash;              /* Of the host's address. */
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

    if (!m->weight || !host || !host_usable(host)
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

/* The finalizer of MurmurHash3. */
static uint64_t
mix(uint64_t x)
{
    x = (x ^ x >> 33) * 0xff51afd7ed558ccdULL;
    x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53ULL;
    return x ^ x >> 33;
}

/* -log2(x / 2**64), times 2**32.  In integers, because switches with unlike
 * math libraries must agree.  The polynomial is exact at powers of 2 and off
 * by 0.0003 at most between them. */
static uint64_t
negative_log2(uint64_t x)
{
    unsigned int zeros = __builtin_clzll(x | 1);
    int64_t f = ((x | 1) << zeros << 1) >> 32;  /* Mantissa - 1. */
    int64_t k = 0x14e4c4f7;

    k = (k * f >> 32) - 0x3e1f95ea;
    k = (k * f >> 32) + 0x70d7029f;
    f += (f * ((1LL << 32) - f) >> 32) * k >> 32;
    return ((uint64_t) (zeros + 1) << 32) - f;
}

/* Weighted rendezvous hashing: every member draws an exponential variable
 * from the hash of client and host, scaled by its weight, and the least draw
 * wins.  A draw depends on nothing else, so only clients of a host that
 * leaves move. */
static struct pool_member *
select_source_hash(struct pool *pool, const struct candidates *c,
                   const struct migrate_address *client)
{
    uint64_t client_hash = hash_address(client);
    struct pool_member *best = NULL;
    uint64_t best_draw = 0;

    for (size_t i = 0; i < pool->n_members; i++) {
        struct pool_member *m = &pool->members[i];
        uint64_t draw;

        if (is_candidate(c, m)) {
            /* draw / m->weight < best_draw / best->weight, in 55 bits. */
            draw = negative_log2(mix(client_hash ^ m->hash));
            if (!best || draw * best->weight < best_draw * m->weight) {
                best = m;
                best_draw = draw;
            }
        }
    }
    return best;
}

int
pool_select(struct pool *pool, struct host *const *hosts,
            const struct migrate_address *client, const struct tried *tried)
{
    struct candidates c = {
        .hosts = hosts, .v4 = address_is_v4(client), .tried = tried
    };
    const struct pool_member *m = NULL;

    switch (pool->policy) {
    case POOL_ROUND_ROBIN:
        m = select_round_robin(pool, &c);
        break;
    case POOL_LEAST_CONNECTIONS:
        m = select_least_connections(pool, &c);
        break;
    case POOL_SOURCE_HASH:
        m = select_source_hash(pool, &c, client);
        break;
    }
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

/* A pool without members is legal: nobody serves what it gets. */
char *
pool_init(struct pool *pool, const struct migrate_config *config,
          const struct pool_config *pc, const uint16_t *host_index)
{
    bool *seen = xcalloc(config->n_hosts, sizeof *seen);
    char *error = NULL;

    pool->name = xasprintf("%s", pc->name);
    pool->policy = pc->policy;
    pool->members = xcalloc(pc->n_members, sizeof *pool->members);
    pool->n_members = pc->n_members;
    for (size_t i = 0; i < pc->n_members && !error; i++) {
        const struct member_config *mc = &pc->members[i];

        if (mc->host >= config->n_hosts) {
            error = xasprintf("pool \"%s\": member %zu is no such host; set "
                              "\"hosts\" to hosts that exist", pc->name, i);
        } else if (seen[mc->host]) {
            error = xasprintf("pool \"%s\": host \"%s\" is in it twice; give "
                              "it more weight instead", pc->name,
                              config->hosts[mc->host].name);
        } else {
            seen[mc->host] = true;
            pool->members[i].host = host_index[mc->host];
            pool->members[i].weight = mc->weight;
            pool->members[i].hash
                = hash_address(&config->hosts[mc->host].address);
        }
    }
    free(seen);
    return error;
}

void
pool_uninit(struct pool *pool)
{
    free(pool->members);
    free(pool->name);
}
