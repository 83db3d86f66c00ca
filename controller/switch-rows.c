/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "switch-rows.h"

#include <stdlib.h>
#include <string.h>

#include "controller/ovs-migrate-idl.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "ovsdb-data.h"
#include "mirror.h"
#include "smap.h"
#include "tally.h"
#include "util.h"
#include "vswitch-idl.h"

#define DECIDE_TIMEOUT_DEFAULT 50       /* ms, as ovs-migrate(5) says. */

#define COLUMN(TABLE, COLUMN) &ovsrec_migration_##TABLE##_col_##COLUMN

/* The rows that a bridge has, by name, and those that it is to have.  A row
 * that it has is used again for what has the same name. */
struct rows {
    struct mirror *mirror;
    const struct switch_weights *weights;
    struct shash services, rules, pools, hosts; /* There. */
    struct shash new_pools, new_hosts;          /* Wanted, already written. */
};

static const char *
rule_name(const struct mirror_row *rule)
{
    const char *name = mirror_get(rule, COLUMN(rule, external_ids), "name");

    return name ? name : "";
}

static void
rows_add_pool(struct rows *r, const struct mirror_row *pool)
{
    const struct mirror_row *host;

    if (pool && shash_add_once(&r->pools,
                               mirror_string(pool, COLUMN(pool, name)),
                               pool)) {
        for (size_t i = 0; (host = mirror_ref(r->mirror, pool,
                                              COLUMN(pool, hosts), i)); i++) {
            shash_add_once(&r->hosts, mirror_string(host, COLUMN(host, name)),
                           host);
        }
    }
}

static void
rows_init(struct rows *r, struct mirror *mirror,
          const struct switch_weights *weights, const struct mirror_row *br)
{
    const struct mirror_row *s, *rule;

    r->mirror = mirror;
    r->weights = weights;
    shash_init(&r->services);
    shash_init(&r->rules);
    shash_init(&r->pools);
    shash_init(&r->hosts);
    shash_init(&r->new_pools);
    shash_init(&r->new_hosts);
    for (size_t i = 0; (s = mirror_ref(
             mirror, br, &ovsrec_bridge_col_migration_services, i)); i++) {
        shash_add_once(&r->services, mirror_string(s, COLUMN(service, name)),
                       s);
        rows_add_pool(r, mirror_ref(mirror, s, COLUMN(service, default_pool),
                                    0));
        for (size_t j = 0; (rule = mirror_ref(
                 mirror, s, COLUMN(service, rules), j)); j++) {
            shash_add_once(&r->rules, rule_name(rule), rule);
            rows_add_pool(r, mirror_ref(mirror, rule, COLUMN(rule, pool),
                                        0));
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

static const struct mirror_row *
put_host(struct rows *r, const struct omrec_host *host)
{
    const struct mirror_row *row = shash_find_data(&r->new_hosts, host->name);

    if (row) {
        return row;
    }
    row = shash_find_data(&r->hosts, host->name);
    if (!row) {
        row = mirror_insert(r->mirror, &ovsrec_table_migration_host);
        mirror_set_string(r->mirror, row, COLUMN(host, name), host->name);
    }
    mirror_set_string(r->mirror, row, COLUMN(host, ip), host->ip);
    shash_add(&r->new_hosts, host->name, row);
    return row;
}

static const struct pool_weights *
wanted_weights(const struct switch_weights *weights,
               const struct omrec_pool *pool)
{
    return pool_weights_get(weights->cache, pool, weights->get, weights->aux);
}

static void
set_policy_and_weights(struct mirror *mirror, const struct mirror_row *row,
                       const struct omrec_pool *pool,
                       const struct pool_weights *pw)
{
    mirror_set_string(mirror, row, COLUMN(pool, policy), pool->policy);
    mirror_set_string(mirror, row, COLUMN(pool, affinity), pool->affinity);
    mirror_set_shared(mirror, row, COLUMN(pool, weights), &pw->datum,
                      pw->json);
}

static void
set_hosts(struct rows *r, const struct mirror_row *row,
          const struct omrec_pool *pool)
{
    const struct mirror_row **hosts
        = xmalloc(pool->n_hosts * sizeof *hosts);
    size_t n = 0;

    for (size_t i = 0; i < pool->n_hosts; i++) {
        if (!pool_weights_host_is_down(pool->key_hosts[i])) {
            hosts[n++] = put_host(r, pool->key_hosts[i]);
        }
    }
    mirror_set_refs(r->mirror, row, COLUMN(pool, hosts), hosts, n);
    free(hosts);
}

/* Refers to 'to', if that is not NULL. */
static void
set_ref(struct rows *r, const struct mirror_row *row,
        const struct ovsdb_idl_column *column, const struct mirror_row *to)
{
    mirror_set_refs(r->mirror, row, column, &to, to != NULL);
}

static const struct mirror_row *
put_pool(struct rows *r, const struct omrec_pool *pool)
{
    const struct mirror_row *row;

    if (!pool) {
        return NULL;
    }
    row = shash_find_data(&r->new_pools, pool->name);
    if (row) {
        return row;
    }
    row = shash_find_data(&r->pools, pool->name);
    if (!row) {
        row = mirror_insert(r->mirror, &ovsrec_table_migration_pool);
        mirror_set_string(r->mirror, row, COLUMN(pool, name), pool->name);
    }
    set_hosts(r, row, pool);
    set_policy_and_weights(r->mirror, row, pool,
                           wanted_weights(r->weights, pool));
    shash_add(&r->new_pools, pool->name, row);
    return row;
}

static const struct mirror_row *
put_rule(struct rows *r, const struct omrec_rule *rule)
{
    const struct mirror_row *row = shash_find_data(&r->rules, rule->name);
    struct smap ids;

    if (!row) {
        row = mirror_insert(r->mirror, &ovsrec_table_migration_rule);
    }
    smap_init(&ids);
    smap_add(&ids, "name", rule->name);
    mirror_set_smap(r->mirror, row, COLUMN(rule, external_ids), &ids);
    smap_destroy(&ids);
    mirror_set_integer(r->mirror, row, COLUMN(rule, priority),
                       rule->priority);
    mirror_set_smap(r->mirror, row, COLUMN(rule, match), &rule->match);
    set_ref(r, row, COLUMN(rule, pool), put_pool(r, rule->pool));
    return row;
}

static void
add_optional(struct smap *config, const char *key, const int64_t *value)
{
    if (value) {
        smap_add_format(config, key, "%"PRId64, *value);
    }
}

static void
set_service_config(struct rows *r, const struct mirror_row *row,
                   const struct omrec_service *service)
{
    struct smap config = SMAP_INITIALIZER(&config);

    add_optional(&config, "request-timeout", service->request_timeout);
    if (service->decide && !strcmp(service->decide, "controller")) {
        smap_add_format(&config, "decide-timeout", "%"PRId64,
                        service->decide_timeout ? *service->decide_timeout
                        : DECIDE_TIMEOUT_DEFAULT);
    }
    add_optional(&config, "flow-limit", service->flow_limit);
    add_optional(&config, "flow-idle-timeout", service->flow_idle_timeout);
    mirror_set_smap(r->mirror, row, COLUMN(service, other_config), &config);
    smap_destroy(&config);
}

static const struct mirror_row *
put_service(struct rows *r, const struct omrec_service *service)
{
    const struct mirror_row *row = shash_find_data(&r->services,
                                                   service->name);
    const struct mirror_row **rules
        = xmalloc(service->n_rules * sizeof *rules);

    if (!row) {
        row = mirror_insert(r->mirror, &ovsrec_table_migration_service);
        mirror_set_string(r->mirror, row, COLUMN(service, name),
                          service->name);
    }
    mirror_set_integer(r->mirror, row, COLUMN(service, id), service->id);
    mirror_set_string(r->mirror, row, COLUMN(service, protocol),
                      service->protocol);
    mirror_set_string(r->mirror, row, COLUMN(service, placement),
                      service->placement);
    set_service_config(r, row, service);
    for (size_t i = 0; i < service->n_rules; i++) {
        rules[i] = put_rule(r, service->rules[i]);
    }
    mirror_set_refs(r->mirror, row, COLUMN(service, rules), rules,
                    service->n_rules);
    free(rules);
    set_ref(r, row, COLUMN(service, default_pool),
            put_pool(r, service->default_pool));
    return row;
}

void
switch_rows_write(struct mirror *mirror, const struct mirror_row *br,
                  const struct ovsdb_idl *idl,
                  const struct switch_weights *weights, bool migrates)
{
    const struct mirror_row **services = NULL;
    const struct omrec_service *service;
    size_t n = 0, allocated = 0;
    struct rows r;

    rows_init(&r, mirror, weights, br);
    OMREC_SERVICE_FOR_EACH (service, idl) {
        if (!migrates) {
            break;
        }
        if (n >= allocated) {
            services = x2nrealloc(services, &allocated, sizeof *services);
        }
        services[n++] = put_service(&r, service);
    }
    mirror_set_refs(mirror, br, &ovsrec_bridge_col_migration_services,
                    services, n);
    free(services);
    rows_uninit(&r);
}

static bool
is_called(const struct mirror_row *pool, const char *name)
{
    return pool && !strcmp(mirror_string(pool, COLUMN(pool, name)), name);
}

static const struct mirror_row *
find_pool(const struct mirror *mirror, const struct mirror_row *br,
          const char *name)
{
    const struct mirror_row *s, *rule, *pool;

    for (size_t i = 0; (s = mirror_ref(
             mirror, br, &ovsrec_bridge_col_migration_services, i)); i++) {
        pool = mirror_ref(mirror, s, COLUMN(service, default_pool), 0);
        if (is_called(pool, name)) {
            return pool;
        }
        for (size_t j = 0; (rule = mirror_ref(
                 mirror, s, COLUMN(service, rules), j)); j++) {
            pool = mirror_ref(mirror, rule, COLUMN(rule, pool), 0);
            if (is_called(pool, name)) {
                return pool;
            }
        }
    }
    return NULL;
}

bool
switch_rows_write_pool(struct mirror *mirror, const struct mirror_row *br,
                       const struct switch_weights *weights,
                       const struct omrec_pool *pool)
{
    const struct mirror_row *row = find_pool(mirror, br, pool->name);
    const struct pool_weights *pw;

    if (!row) {
        return true;            /* No service uses it. */
    }
    pw = wanted_weights(weights, pool);
    if (!pool_weights_same_hosts(pw, mirror_read(row,
                                                 COLUMN(pool, weights)))) {
        return false;
    }
    set_policy_and_weights(mirror, row, pool, pw);
    return true;
}

/* Reports. */

static void
count_host(const struct mirror_row *row, struct tally *tally)
{
    const struct ovsdb_idl_column *status = COLUMN(host, status);
    struct tally_host *host;
    const char *state = mirror_get(row, status, "state");
    const char *mac = mirror_get(row, status, "mac");
    const char *connections = mirror_get(row, status, "connections");
    const char *handoffs = mirror_get(row, status, "handoffs");

    if (!mirror_read(row, status)->n) {
        return;                 /* Nothing yet. */
    }
    host = tally_host(tally, mirror_string(row, COLUMN(host, name)));
    if (state) {
        host->n_up += !strcmp(state, "up");
        host->n_down += !strcmp(state, "down");
    }
    host->connections += connections ? strtoull(connections, NULL, 10) : 0;
    host->handoffs += handoffs ? strtoull(handoffs, NULL, 10) : 0;
    if (mac && !host->mac) {
        host->mac = xstrdup(mac);
    }
}

static void
count_service(const struct mirror_row *row, struct tally *tally)
{
    const struct ovsdb_datum *statistics
        = mirror_read(row, COLUMN(service, statistics));
    struct tally_service *service
        = tally_service(tally, mirror_string(row, COLUMN(service, name)));

    for (size_t i = 0; i < statistics->n; i++) {
        const char *key = json_string(statistics->keys[i].s);

        if (!strcmp(key, "connections")) {
            service->connections += statistics->values[i].integer;
        } else if (!strcmp(key, "handoffs")) {
            service->handoffs += statistics->values[i].integer;
        }
    }
}

/* Whether this is the first time that 'mark' is left at 'row', if there is
 * such. */
static bool
mark_row(struct mirror_row *row, unsigned int mark)
{
    bool first = row && row->mark != mark;

    if (first) {
        row->mark = mark;
    }
    return first;
}

static void
count_pool(const struct mirror *mirror, struct mirror_row *pool,
           unsigned int mark, struct tally *tally)
{
    struct mirror_row *host;

    if (!mark_row(pool, mark)) {
        return;
    }
    for (size_t i = 0; (host = mirror_ref(mirror, pool,
                                          COLUMN(pool, hosts), i)); i++) {
        if (mark_row(host, mark)) {
            count_host(host, tally);
        }
    }
}

void
switch_rows_count(const struct mirror *mirror, const struct mirror_row *br,
                  struct tally *tally)
{
    static unsigned int mark;
    const struct mirror_row *s, *rule;

    mark++;
    for (size_t i = 0; (s = mirror_ref(
             mirror, br, &ovsrec_bridge_col_migration_services, i)); i++) {
        count_service(s, tally);
        count_pool(mirror, mirror_ref(mirror, s,
                                        COLUMN(service, default_pool), 0),
                   mark, tally);
        for (size_t j = 0; (rule = mirror_ref(
                 mirror, s, COLUMN(service, rules), j)); j++) {
            count_pool(mirror, mirror_ref(mirror, rule, COLUMN(rule, pool),
                                            0), mark, tally);
        }
    }
}
