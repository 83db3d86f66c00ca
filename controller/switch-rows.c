/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "switch-rows.h"

#include <stdlib.h>
#include <string.h>

#include "controller/ovs-migrate-idl.h"
#include "openvswitch/shash.h"
#include "smap.h"
#include "tally.h"
#include "util.h"
#include "vswitch-idl.h"

#define DECIDE_TIMEOUT_DEFAULT 50       /* ms, as ovs-migrate(5) says. */

/* The rows that a bridge has, by name, and those that it is to have.  A row
 * that it has is used again for what has the same name. */
struct rows {
    struct ovsdb_idl_txn *txn;
    const struct switch_weights *weights;
    struct shash services, rules, pools, hosts; /* There. */
    struct shash new_pools, new_hosts;          /* Wanted, already written. */
};

static void
rows_add_pool(struct rows *r, struct ovsrec_migration_pool *pool)
{
    if (pool && shash_add_once(&r->pools, pool->name, pool)) {
        for (size_t i = 0; i < pool->n_hosts; i++) {
            shash_add_once(&r->hosts, pool->hosts[i]->name, pool->hosts[i]);
        }
    }
}

static void
rows_init_empty(struct rows *r, struct ovsdb_idl_txn *txn,
                const struct switch_weights *weights)
{
    r->txn = txn;
    r->weights = weights;
    shash_init(&r->services);
    shash_init(&r->rules);
    shash_init(&r->pools);
    shash_init(&r->hosts);
    shash_init(&r->new_pools);
    shash_init(&r->new_hosts);
}

static void
rows_init(struct rows *r, struct ovsdb_idl_txn *txn,
          const struct switch_weights *weights,
          const struct ovsrec_bridge *br)
{
    rows_init_empty(r, txn, weights);
    for (size_t i = 0; i < br->n_migration_services; i++) {
        struct ovsrec_migration_service *s = br->migration_services[i];

        shash_add_once(&r->services, s->name, s);
        rows_add_pool(r, s->default_pool);
        for (size_t j = 0; j < s->n_rules; j++) {
            const char *name = smap_get_def(&s->rules[j]->external_ids,
                                            "name", "");

            shash_add_once(&r->rules, name, s->rules[j]);
            rows_add_pool(r, s->rules[j]->pool);
        }
    }
}

static void
rows_uninit(struct rows *r)
{
    shash_destroy(&r->services);
    shash_destroy(&r->rules);
    shash_destroy(&r->pools);
    shash_destroy(&r->hosts);
    shash_destroy(&r->new_pools);
    shash_destroy(&r->new_hosts);
}

static struct ovsrec_migration_host *
put_host(struct rows *r, const struct omrec_host *host)
{
    struct ovsrec_migration_host *row = shash_find_data(&r->new_hosts,
                                                        host->name);

    if (row) {
        return row;
    }
    row = shash_find_data(&r->hosts, host->name);
    if (!row) {
        row = ovsrec_migration_host_insert(r->txn);
        ovsrec_migration_host_set_name(row, host->name);
    }
    ovsrec_migration_host_set_ip(row, host->ip);
    shash_add(&r->new_hosts, host->name, row);
    return row;
}

static bool
host_is_down(const struct omrec_host *host)
{
    return host->state && !strcmp(host->state, "down");
}

static void
set_members(struct rows *r, const struct ovsrec_migration_pool *row,
            const struct omrec_pool *pool)
{
    struct ovsrec_migration_host **hosts
        = xmalloc(pool->n_hosts * sizeof *hosts);
    const char **names = xmalloc(pool->n_hosts * sizeof *names);
    int64_t *weights = xmalloc(pool->n_hosts * sizeof *weights);
    size_t n = 0;

    r->weights->get(r->weights->aux, pool, weights);
    for (size_t i = 0; i < pool->n_hosts; i++) {
        const struct omrec_host *host = pool->key_hosts[i];

        if (!host_is_down(host)) {
            hosts[n] = put_host(r, host);
            names[n] = host->name;
            weights[n++] = weights[i];
        }
    }
    ovsrec_migration_pool_set_hosts(row, hosts, n);
    ovsrec_migration_pool_set_weights(row, names, weights, n);
    free(hosts);
    free(names);
    free(weights);
}

static void
set_policy(const struct ovsrec_migration_pool *row,
           const struct omrec_pool *pool)
{
    ovsrec_migration_pool_set_policy(row, pool->policy);
    ovsrec_migration_pool_set_affinity(row, pool->affinity);
}

static struct ovsrec_migration_pool *
put_pool(struct rows *r, const struct omrec_pool *pool)
{
    struct ovsrec_migration_pool *row;

    if (!pool) {
        return NULL;
    }
    row = shash_find_data(&r->new_pools, pool->name);
    if (row) {
        return row;
    }
    row = shash_find_data(&r->pools, pool->name);
    if (!row) {
        row = ovsrec_migration_pool_insert(r->txn);
        ovsrec_migration_pool_set_name(row, pool->name);
    }
    set_policy(row, pool);
    set_members(r, row, pool);
    shash_add(&r->new_pools, pool->name, row);
    return row;
}

static struct ovsrec_migration_rule *
put_rule(struct rows *r, const struct omrec_rule *rule)
{
    struct ovsrec_migration_rule *row = shash_find_data(&r->rules,
                                                        rule->name);
    struct smap ids;

    if (!row) {
        row = ovsrec_migration_rule_insert(r->txn);
    }
    smap_init(&ids);
    smap_add(&ids, "name", rule->name);
    ovsrec_migration_rule_set_external_ids(row, &ids);
    smap_destroy(&ids);
    ovsrec_migration_rule_set_priority(row, rule->priority);
    ovsrec_migration_rule_set_match(row, &rule->match);
    ovsrec_migration_rule_set_pool(row, put_pool(r, rule->pool));
    return row;
}

static void
add_optional(struct smap *config, const char *key, const int64_t *value)
{
    if (value) {
        smap_add_format(config, key, "%"PRId64, *value);
    }
}

static struct ovsrec_migration_service *
put_service(struct rows *r, const struct omrec_service *service)
{
    struct ovsrec_migration_service *row = shash_find_data(&r->services,
                                                           service->name);
    struct ovsrec_migration_rule **rules
        = xmalloc(service->n_rules * sizeof *rules);
    struct smap config = SMAP_INITIALIZER(&config);

    if (!row) {
        row = ovsrec_migration_service_insert(r->txn);
        ovsrec_migration_service_set_name(row, service->name);
    }
    ovsrec_migration_service_set_id(row, service->id);
    ovsrec_migration_service_set_protocol(row, service->protocol);
    ovsrec_migration_service_set_placement(row, service->placement);
    add_optional(&config, "request-timeout", service->request_timeout);
    if (service->decide && !strcmp(service->decide, "controller")) {
        smap_add_format(&config, "decide-timeout", "%"PRId64,
                        service->decide_timeout ? *service->decide_timeout
                        : DECIDE_TIMEOUT_DEFAULT);
    }
    add_optional(&config, "flow-limit", service->flow_limit);
    add_optional(&config, "flow-idle-timeout", service->flow_idle_timeout);
    ovsrec_migration_service_set_other_config(row, &config);
    smap_destroy(&config);
    for (size_t i = 0; i < service->n_rules; i++) {
        rules[i] = put_rule(r, service->rules[i]);
    }
    ovsrec_migration_service_set_rules(row, rules, service->n_rules);
    free(rules);
    ovsrec_migration_service_set_default_pool(
        row, put_pool(r, service->default_pool));
    return row;
}

void
switch_rows_write(struct ovsdb_idl_txn *txn, const struct ovsrec_bridge *br,
                  const struct ovsdb_idl *idl,
                  const struct switch_weights *weights, bool migrates)
{
    struct ovsrec_migration_service **services = NULL;
    const struct omrec_service *service;
    size_t n = 0, allocated = 0;
    struct rows r;

    rows_init(&r, txn, weights, br);
    OMREC_SERVICE_FOR_EACH (service, idl) {
        if (!migrates) {
            break;
        }
        if (n >= allocated) {
            services = x2nrealloc(services, &allocated, sizeof *services);
        }
        services[n++] = put_service(&r, service);
    }
    ovsrec_bridge_set_migration_services(br, services, n);
    free(services);
    rows_uninit(&r);
}

static struct ovsrec_migration_pool *
find_pool(const struct ovsrec_bridge *br, const char *name)
{
    for (size_t i = 0; i < br->n_migration_services; i++) {
        const struct ovsrec_migration_service *s = br->migration_services[i];

        if (s->default_pool && !strcmp(s->default_pool->name, name)) {
            return s->default_pool;
        }
        for (size_t j = 0; j < s->n_rules; j++) {
            if (s->rules[j]->pool && !strcmp(s->rules[j]->pool->name, name)) {
                return s->rules[j]->pool;
            }
        }
    }
    return NULL;
}

bool
switch_rows_write_pool(const struct ovsrec_bridge *br,
                       const struct switch_weights *weights,
                       const struct omrec_pool *pool)
{
    struct ovsrec_migration_pool *row = find_pool(br, pool->name);
    bool ok = true;
    struct rows r;

    if (!row) {
        return true;            /* No service uses it. */
    }
    rows_init_empty(&r, NULL, weights);
    rows_add_pool(&r, row);
    for (size_t i = 0; i < pool->n_hosts; i++) {
        ok &= (host_is_down(pool->key_hosts[i])
               || shash_find(&r.hosts, pool->key_hosts[i]->name));
    }
    if (ok) {
        set_policy(row, pool);
        set_members(&r, row, pool);
    }
    rows_uninit(&r);
    return ok;
}

/* Reports. */

static void
count_host(const struct ovsrec_migration_host *row, struct tally *tally)
{
    struct tally_host *host = tally_host(tally, row->name);
    const char *state = smap_get(&row->status, "state");
    const char *mac = smap_get(&row->status, "mac");

    if (state) {
        host->n_up += !strcmp(state, "up");
        host->n_down += !strcmp(state, "down");
    }
    host->connections += smap_get_ullong(&row->status, "connections", 0);
    host->handoffs += smap_get_ullong(&row->status, "handoffs", 0);
    if (mac && !host->mac) {
        host->mac = xstrdup(mac);
    }
}

static void
count_service(const struct ovsrec_migration_service *row, struct tally *tally)
{
    struct tally_service *service = tally_service(tally, row->name);

    for (size_t i = 0; i < row->n_statistics; i++) {
        if (!strcmp(row->key_statistics[i], "connections")) {
            service->connections += row->value_statistics[i];
        } else if (!strcmp(row->key_statistics[i], "handoffs")) {
            service->handoffs += row->value_statistics[i];
        }
    }
}

void
switch_rows_count(const struct ovsrec_bridge *br, struct tally *tally)
{
    struct shash_node *node;
    struct rows r;

    rows_init(&r, NULL, NULL, br);
    SHASH_FOR_EACH (node, &r.services) {
        count_service(node->data, tally);
    }
    SHASH_FOR_EACH (node, &r.hosts) {
        count_host(node->data, tally);
    }
    rows_uninit(&r);
}
