/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "balance.h"

#include <stdlib.h>
#include <string.h>

#include "agents.h"
#include "controller/ovs-migrate-idl.h"
#include "events.h"
#include "fabric.h"
#include "health.h"
#include "packets.h"
#include "sset.h"
#include "tally.h"
#include "timeval.h"
#include "util.h"
#include "weights.h"

/* What is taken for a load follows what hosts say, with this time constant,
 * and changes when that is off by this. */
#define LOAD_MSEC 2000
#define LOAD_STEP 10            /* Percent. */

#define RAMP_STEP 10            /* Percent, of slow start. */

/* A row of the table Host. */
struct balance_host {
    struct hmap_node node;      /* In the balance's 'hosts', by 'uuid'. */
    struct uuid uuid;
    bool seen;
    bool healthy;               /* As far as its agent is concerned. */
    bool up;                    /* In the eyes of switches. */
    bool full, full_told;
    double average;             /* Of its load, percent. */
    int load;                   /* ... in steps. */
    long long int updated;      /* When that was. */
    bool has_mac;
    struct eth_addr mac;
};

/* A host in a pool. */
struct balance_member {
    struct hmap_node node;      /* In the pool's 'members', by 'host'. */
    struct uuid host;
    bool seen;
    bool passes, passes_told;   /* The pool's check. */
    bool healthy;
    bool full;                  /* The host's, as these two were used last. */
    int load;
    bool serves;                /* It may be given connections, ... */
    long long int since;        /* ... since then. */
    int ramp;                   /* Percent that it may be given. */
};

/* A row of the table Pool. */
struct balance_pool {
    struct hmap_node node;      /* In the balance's 'pools', by 'uuid'. */
    struct uuid uuid;
    bool seen;
    bool open, open_told;       /* None of its hosts is healthy. */
    struct hmap members;        /* Of "struct balance_member"s. */

    /* The weights of the row's 'key_hosts', if they are the same in all
     * switches; else NULL. */
    int64_t *weights;
    size_t n_weights;
};

void
balance_init(struct balance *b, const struct ovsdb_idl *idl,
             const struct agents *agents, const struct health *health)
{
    b->idl = idl;
    b->agents = agents;
    b->health = health;
    hmap_init(&b->hosts);
    hmap_init(&b->pools);
    b->begun = false;
}

static void
member_destroy(struct balance_pool *pool, struct balance_member *m)
{
    hmap_remove(&pool->members, &m->node);
    free(m);
}

static void
pool_destroy(struct balance *b, struct balance_pool *pool)
{
    struct balance_member *m;

    HMAP_FOR_EACH_SAFE (m, node, &pool->members) {
        member_destroy(pool, m);
    }
    hmap_destroy(&pool->members);
    hmap_remove(&b->pools, &pool->node);
    free(pool->weights);
    free(pool);
}

static void
host_destroy(struct balance *b, struct balance_host *host)
{
    hmap_remove(&b->hosts, &host->node);
    free(host);
}

void
balance_uninit(struct balance *b)
{
    struct balance_pool *pool;
    struct balance_host *host;

    HMAP_FOR_EACH_SAFE (pool, node, &b->pools) {
        pool_destroy(b, pool);
    }
    HMAP_FOR_EACH_SAFE (host, node, &b->hosts) {
        host_destroy(b, host);
    }
    hmap_destroy(&b->pools);
    hmap_destroy(&b->hosts);
}

static struct balance_host *
find_host(const struct balance *b, const struct uuid *uuid)
{
    struct balance_host *host;

    HMAP_FOR_EACH_WITH_HASH (host, node, uuid_hash(uuid), &b->hosts) {
        if (uuid_equals(&host->uuid, uuid)) {
            return host;
        }
    }
    return NULL;
}

static struct balance_pool *
find_pool(const struct balance *b, const struct uuid *uuid)
{
    struct balance_pool *pool;

    HMAP_FOR_EACH_WITH_HASH (pool, node, uuid_hash(uuid), &b->pools) {
        if (uuid_equals(&pool->uuid, uuid)) {
            return pool;
        }
    }
    return NULL;
}

static struct balance_member *
find_member(const struct balance_pool *pool, const struct uuid *host)
{
    struct balance_member *m;

    HMAP_FOR_EACH_WITH_HASH (m, node, uuid_hash(host), &pool->members) {
        if (uuid_equals(&m->host, host)) {
            return m;
        }
    }
    return NULL;
}

/* Sets '*p', and '*changed' if it was another one. */
static void
set_bool(bool *p, bool new, bool *changed)
{
    *changed |= *p != new;
    *p = new;
}

static void
set_int(int *p, int new, bool *changed)
{
    *changed |= *p != new;
    *p = new;
}

/* Hosts. */

static void
update_full(struct balance_host *host, const struct omrec_host *row,
            int64_t connections)
{
    int64_t capacity = row->n_capacity ? *row->capacity : INT64_MAX;
    int64_t again = capacity - MAX(1, capacity / 20);

    host->full = connections >= (host->full ? again + 1 : capacity);
}

static void
update_load(struct balance_host *host, double load)
{
    long long int now = time_msec();
    double part = MIN((now - host->updated) / (double) LOAD_MSEC, 1);

    host->updated = now;
    host->average += (load - host->average) * part;
    if (host->average >= host->load + LOAD_STEP
        || host->average <= host->load - LOAD_STEP) {
        host->load = host->average;
    }
}

/* What is known of it, as percent. */
static double
current_load(const struct omrec_host *row, const struct agent *agent,
             int64_t connections)
{
    double load = 0;

    if (agent) {
        load = MAX(agent->words.cpu, 0);
        load = MAX(load, MIN(agent->words.accept_queue, 100));
    }
    if (row->n_capacity) {
        load = MAX(load, MIN(100.0 * connections / *row->capacity, 100));
    }
    return load;
}

static void
update_host(struct balance *b, const struct omrec_host *row,
            const struct tally_host *tally)
{
    const struct agent *agent = agents_find(b->agents, row->name);
    const char *state = agents_state(b->agents, row->name, &row->status);
    const char *mac = row->mac ? row->mac : tally ? tally->mac : NULL;
    struct balance_host *host = find_host(b, &row->header_.uuid);
    bool healthy = !state || !strcmp(state, "up");
    int64_t connections = tally ? tally->connections : 0;

    /* Agents know better, as long as they are heard. */
    if (agent && state && !strcmp(state, "up")
        && agent->words.connections >= 0) {
        connections = agent->words.connections;
    }
    if (!host) {
        host = xzalloc(sizeof *host);
        host->uuid = row->header_.uuid;
        hmap_insert(&b->hosts, &host->node, uuid_hash(&host->uuid));
    }
    host->seen = true;
    host->up = !tally || tally->n_up || !tally->n_down;
    host->has_mac = mac && eth_addr_from_string(mac, &host->mac);
    host->healthy = healthy;
    update_full(host, row, connections);
    update_load(host, current_load(row, agent, connections));
}

/* Pools. */

/* How much 'm' of 'pool' may be given. */
static int
compute_ramp(const struct omrec_pool *pool, const struct balance_member *m)
{
    long long int age = time_msec() - m->since;
    int64_t percent;

    if (!pool->n_slow_start) {
        return 100;
    }
    percent = age / (10 * *pool->slow_start);
    return MAX(MIN(percent / RAMP_STEP * RAMP_STEP, 100), RAMP_STEP);
}

static void
update_member(const struct balance *b, struct balance_pool *pool,
              const struct omrec_pool *row, size_t i, bool *changed)
{
    const struct omrec_host *host_row = row->key_hosts[i];
    const struct uuid *uuid = &host_row->header_.uuid;
    const struct balance_host *host = find_host(b, uuid);
    struct balance_member *m = find_member(pool, uuid);
    bool passes = health_is_up(b->health, &row->header_.uuid, uuid, NULL);
    bool healthy = host->healthy && passes;
    bool serves = (healthy && host->up && row->value_hosts[i] > 0
                   && (!host_row->state || !strcmp(host_row->state,
                                                   "ready")));

    if (!m) {
        m = xzalloc(sizeof *m);
        m->host = *uuid;
        m->since = b->begun ? time_msec() : LLONG_MIN / 2;
        m->serves = serves;
        m->passes_told = true;
        hmap_insert(&pool->members, &m->node, uuid_hash(uuid));
    } else if (serves && !m->serves) {
        m->since = time_msec();
    }
    m->seen = true;
    m->passes = passes;
    m->serves = serves;
    set_bool(&m->healthy, healthy, changed);
    set_bool(&m->full, host->full, changed);
    set_int(&m->load, host->load, changed);
    set_int(&m->ramp, compute_ramp(row, m), changed);
}

/* Fills in what does not depend on the switch. */
static void
get_member(const struct balance_pool *pool, const struct omrec_pool *row,
           size_t i, struct weights_member *wm)
{
    const struct omrec_host *host_row = row->key_hosts[i];
    const struct uuid *uuid = &host_row->header_.uuid;
    const struct balance_member *m = pool ? find_member(pool, uuid) : NULL;

    wm->weight = row->value_hosts[i];
    wm->draining = host_row->state && strcmp(host_row->state, "ready");
    wm->healthy = !m || m->healthy;
    wm->full = m && m->full;
    wm->load = m ? m->load : 0;
    wm->ramp = m ? m->ramp : 100;
    wm->distance = WEIGHTS_FAR;
}

static struct weights_options
get_options(const struct omrec_pool *row)
{
    return (struct weights_options) {
        .by_load = row->weighting && !strcmp(row->weighting, "load"),
        .spill = row->n_spill_over ? *row->spill_over : 0,
    };
}

/* Computes the weights once for all switches, if that is possible.  Returns
 * whether they may be others than before; 'changed' is whether what they follow
 * from, but for the row, is. */
static bool
update_weights(struct balance_pool *pool, const struct omrec_pool *row,
               const struct weights_member *members, bool changed)
{
    struct weights_options options = get_options(row);
    int64_t *old = pool->weights;
    size_t n = row->n_hosts;

    if (options.spill) {
        pool->weights = NULL;
    } else {
        pool->weights = xmalloc(n * sizeof *pool->weights);
        weights_compute(&options, members, n, pool->weights);
        changed = (!old || n != pool->n_weights
                   || memcmp(pool->weights, old, n * sizeof *old));
        pool->n_weights = n;
    }
    free(old);
    return changed;
}

static void
update_pool(struct balance *b, const struct omrec_pool *row,
            struct sset *pools)
{
    struct balance_pool *pool = find_pool(b, &row->header_.uuid);
    struct weights_member *members = xcalloc(row->n_hosts, sizeof *members);
    struct balance_member *m;
    bool changed = false;

    if (!pool) {
        pool = xzalloc(sizeof *pool);
        pool->uuid = row->header_.uuid;
        hmap_init(&pool->members);
        hmap_insert(&b->pools, &pool->node, uuid_hash(&pool->uuid));
    }
    pool->seen = true;
    for (size_t i = 0; i < row->n_hosts; i++) {
        update_member(b, pool, row, i, &changed);
        get_member(pool, row, i, &members[i]);
    }
    HMAP_FOR_EACH_SAFE (m, node, &pool->members) {
        if (!m->seen) {
            member_destroy(pool, m);
        } else {
            m->seen = false;
        }
    }
    pool->open = weights_fail_open(members, row->n_hosts);
    if (update_weights(pool, row, members, changed)) {
        sset_add(pools, row->name);
    }
    free(members);
}

void
balance_run(struct balance *b, const struct tally *tally, struct sset *pools)
{
    const struct omrec_pool *pool_row;
    const struct omrec_host *host_row;
    struct balance_pool *pool;
    struct balance_host *host;

    OMREC_HOST_FOR_EACH (host_row, b->idl) {
        update_host(b, host_row,
                    shash_find_data(&tally->hosts, host_row->name));
    }
    OMREC_POOL_FOR_EACH (pool_row, b->idl) {
        update_pool(b, pool_row, pools);
    }
    HMAP_FOR_EACH_SAFE (pool, node, &b->pools) {
        if (!pool->seen) {
            pool_destroy(b, pool);
        } else {
            pool->seen = false;
        }
    }
    HMAP_FOR_EACH_SAFE (host, node, &b->hosts) {
        if (!host->seen) {
            host_destroy(b, host);
        } else {
            host->seen = false;
        }
    }
    b->begun = true;
}

void
balance_run_pools(struct balance *b, const struct tally *tally,
                  struct sset *pools)
{
    const struct omrec_pool *row;

    OMREC_POOL_FOR_EACH (row, b->idl) {
        if (!sset_contains(pools, row->name)) {
            continue;
        }
        for (size_t i = 0; i < row->n_hosts; i++) {
            const struct omrec_host *host = row->key_hosts[i];

            update_host(b, host, shash_find_data(&tally->hosts, host->name));
        }
        update_pool(b, row, pools);
    }
}

/* Tells of hosts whose check has another result. */
static void
report_checks(const struct balance *b, const struct balance_pool *pool,
              const struct omrec_pool *row, struct events *events)
{
    struct balance_member *m;

    HMAP_FOR_EACH (m, node, &pool->members) {
        const struct omrec_host *host
            = omrec_host_get_for_uuid(b->idl, &m->host);
        const char *why;

        if (!host || m->passes == m->passes_told) {
            continue;
        }
        m->passes_told = m->passes;
        health_is_up(b->health, &pool->uuid, &m->host, &why);
        if (m->passes) {
            events_add(events, "info", "check-passed", "hosts", host->name,
                       "host %s passes the check of pool %s again",
                       host->name, row->name);
        } else {
            events_add(events, "warning", "check-failed", "hosts", host->name,
                       "host %s fails the check of pool %s: %s", host->name,
                       row->name, why ? why : "it did");
        }
    }
}

void
balance_report(struct balance *b, struct events *events)
{
    struct balance_pool *pool;
    struct balance_host *host;

    HMAP_FOR_EACH (pool, node, &b->pools) {
        const struct omrec_pool *row
            = omrec_pool_get_for_uuid(b->idl, &pool->uuid);

        if (row) {
            report_checks(b, pool, row, events);
        }
        if (row && pool->open != pool->open_told) {
            pool->open_told = pool->open;
            events_add(events, pool->open ? "error" : "info",
                       pool->open ? "pool-open" : "pool-checked", "pools",
                       row->name, pool->open ? "no host of pool %s is "
                       "healthy, so all are used" : "pool %s has healthy "
                       "hosts again", row->name);
        }
    }
    HMAP_FOR_EACH (host, node, &b->hosts) {
        const struct omrec_host *row
            = omrec_host_get_for_uuid(b->idl, &host->uuid);

        if (row && host->full != host->full_told) {
            host->full_told = host->full;
            events_add(events, host->full ? "warning" : "info",
                       host->full ? "host-full" : "host-not-full", "hosts",
                       row->name, "host %s %s at its capacity", row->name,
                       host->full ? "is" : "is no longer");
        }
    }
}

void
balance_add_places(const struct balance *b, struct sset *pools)
{
    const struct omrec_pool *row;

    OMREC_POOL_FOR_EACH (row, b->idl) {
        if (row->n_spill_over) {
            sset_add(pools, row->name);
        }
    }
}

static uint64_t
distance(const struct balance *b, const struct fabric *f,
         const struct fabric_routes *routes, size_t sw,
         const struct uuid *uuid)
{
    const struct balance_host *host = find_host(b, uuid);
    const struct fabric_station *station
        = host && host->has_mac ? fabric_find_station(f, host->mac) : NULL;

    return (station && sw < routes->n && station->sw < routes->n
            ? fabric_hops(routes, sw, station->sw)->distance : WEIGHTS_FAR);
}

bool
balance_weights(const struct balance *b, const struct omrec_pool *row,
                const struct fabric *f, const struct fabric_routes *routes,
                size_t sw, int64_t weights[])
{
    const struct balance_pool *pool = find_pool(b, &row->header_.uuid);
    struct weights_options options = get_options(row);
    struct weights_member *members;

    if (pool && pool->weights && pool->n_weights == row->n_hosts) {
        memcpy(weights, pool->weights, row->n_hosts * sizeof *weights);
        return true;
    }
    members = xcalloc(row->n_hosts, sizeof *members);
    for (size_t i = 0; i < row->n_hosts; i++) {
        get_member(pool, row, i, &members[i]);
        members[i].distance = distance(b, f, routes, sw,
                                       &row->key_hosts[i]->header_.uuid);
    }
    weights_compute(&options, members, row->n_hosts, weights);
    free(members);
    return false;
}
