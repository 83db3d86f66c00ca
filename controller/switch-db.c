/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "switch-db.h"

#include <stdlib.h>
#include <string.h>

#include "controller/ovs-migrate-idl.h"
#include "flows.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "smap.h"
#include "sset.h"
#include "tally.h"
#include "timeval.h"
#include "util.h"
#include "vswitch-idl.h"

VLOG_DEFINE_THIS_MODULE(switch_db);

#define RECONNECT_MSEC 1000
#define DECIDE_TIMEOUT_DEFAULT 50       /* ms, as ovs-migrate(5) says. */
#define BFD_MSEC "200"          /* Three times this, and a link is down. */

struct switch_db {
    char *remote;
    struct ovsdb_idl_loop loop;
    unsigned int seqno;         /* Of the IDL, when it was compared last. */
    bool dirty;                 /* It is to be compared again. */
    long long int retry;        /* When to try to connect again. */
    char *error;
};

static void
add_columns(struct ovsdb_idl *idl)
{
    static const struct ovsdb_idl_column *const columns[] = {
        &ovsrec_open_vswitch_col_bridges,
        &ovsrec_open_vswitch_col_next_cfg,
        &ovsrec_open_vswitch_col_cur_cfg,
        &ovsrec_bridge_col_name,
        &ovsrec_bridge_col_datapath_type,
        &ovsrec_bridge_col_fail_mode,
        &ovsrec_bridge_col_other_config,
        &ovsrec_bridge_col_ports,
        &ovsrec_bridge_col_migration_services,
        &ovsrec_port_col_interfaces,
        &ovsrec_interface_col_name,
        &ovsrec_interface_col_bfd,
        &ovsrec_migration_service_col_name,
        &ovsrec_migration_service_col_id,
        &ovsrec_migration_service_col_protocol,
        &ovsrec_migration_service_col_placement,
        &ovsrec_migration_service_col_rules,
        &ovsrec_migration_service_col_default_pool,
        &ovsrec_migration_service_col_other_config,
        &ovsrec_migration_rule_col_priority,
        &ovsrec_migration_rule_col_match,
        &ovsrec_migration_rule_col_pool,
        &ovsrec_migration_rule_col_external_ids,
        &ovsrec_migration_pool_col_name,
        &ovsrec_migration_pool_col_hosts,
        &ovsrec_migration_pool_col_policy,
        &ovsrec_migration_pool_col_weights,
        &ovsrec_migration_host_col_name,
        &ovsrec_migration_host_col_ip,
    };
    /* What the switch says, which nothing is made from. */
    static const struct ovsdb_idl_column *const reports[] = {
        &ovsrec_migration_service_col_statistics,
        &ovsrec_migration_host_col_status,
    };

    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        ovsdb_idl_add_column(idl, columns[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(reports); i++) {
        ovsdb_idl_add_column(idl, reports[i]);
        ovsdb_idl_omit_alert(idl, reports[i]);
    }
}

struct switch_db *
switch_db_create(const char *remote)
{
    struct switch_db *db = xzalloc(sizeof *db);
    struct ovsdb_idl *idl = ovsdb_idl_create(remote, &ovsrec_idl_class,
                                             false, true);

    add_columns(idl);
    ovsdb_idl_set_write_changed_only_all(idl, true);
    db->loop = (struct ovsdb_idl_loop) OVSDB_IDL_LOOP_INITIALIZER(idl);
    db->remote = xstrdup(remote);
    db->retry = time_msec() + RECONNECT_MSEC;
    db->dirty = true;
    return db;
}

void
switch_db_destroy(struct switch_db *db)
{
    if (db) {
        ovsdb_idl_loop_destroy(&db->loop);
        free(db->remote);
        free(db->error);
        free(db);
    }
}

/* The rows that a bridge has, by name, and those that it is to have.  A row
 * that it has is used again for what has the same name. */
struct rows {
    struct ovsdb_idl_txn *txn;
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
rows_init(struct rows *r, struct ovsdb_idl_txn *txn,
          const struct ovsrec_bridge *br)
{
    r->txn = txn;
    shash_init(&r->services);
    shash_init(&r->rules);
    shash_init(&r->pools);
    shash_init(&r->hosts);
    shash_init(&r->new_pools);
    shash_init(&r->new_hosts);
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
host_state_is(const struct omrec_host *host, const char *state)
{
    return host->state && !strcmp(host->state, state);
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

    for (size_t i = 0; i < pool->n_hosts; i++) {
        const struct omrec_host *host = pool->key_hosts[i];

        if (!host_state_is(host, "down")) {
            hosts[n] = put_host(r, host);
            names[n] = host->name;
            weights[n++] = (host_state_is(host, "draining") ? 0
                            : pool->value_hosts[i]);
        }
    }
    ovsrec_migration_pool_set_hosts(row, hosts, n);
    ovsrec_migration_pool_set_weights(row, names, weights, n);
    free(hosts);
    free(names);
    free(weights);
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
    ovsrec_migration_pool_set_policy(row, pool->policy);
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

static void
write_services(struct ovsdb_idl_txn *txn, const struct ovsrec_bridge *br,
               const struct switch_db_wanted *wanted)
{
    struct ovsrec_migration_service **services = NULL;
    const struct omrec_service *service;
    size_t n = 0, allocated = 0;
    struct rows r;

    rows_init(&r, txn, br);
    OMREC_SERVICE_FOR_EACH (service, wanted->idl) {
        if (!wanted->sw->migrate_address) {
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

static void
write_config(const struct ovsrec_bridge *br,
             const struct switch_db_wanted *wanted)
{
    const struct omrec_fabric *fabric = wanted->fabric;
    const char *address = wanted->sw->migrate_address;
    struct smap config = SMAP_INITIALIZER(&config);
    const struct smap_node *node;

    SMAP_FOR_EACH (node, &br->other_config) {
        if (strncmp(node->key, "migrate-", 8)) {
            smap_add(&config, node->key, node->value);
        }
    }
    if (address) {
        smap_add(&config, "migrate-address", address);
        smap_add_format(&config, "migrate-table", "%d", FLOWS_TABLE_WAYS);
        add_optional(&config, "migrate-mtu", fabric->mtu);
        if (fabric->current_key) {
            smap_add_format(&config, "migrate-key", "%s%s%s",
                            fabric->current_key,
                            fabric->accepted_key ? "," : "",
                            fabric->accepted_key ? fabric->accepted_key : "");
        }
    }
    ovsrec_bridge_set_other_config(br, &config);
    smap_destroy(&config);
    ovsrec_bridge_set_fail_mode(br, "secure");
}

static void
write_links(const struct ovsrec_bridge *br, const struct sset *links)
{
    struct smap on = SMAP_INITIALIZER(&on), off = SMAP_INITIALIZER(&off);

    smap_add(&on, "enable", "true");
    smap_add(&on, "min_rx", BFD_MSEC);
    smap_add(&on, "min_tx", BFD_MSEC);
    for (size_t i = 0; i < br->n_ports; i++) {
        const struct ovsrec_port *port = br->ports[i];

        for (size_t j = 0; j < port->n_interfaces; j++) {
            const struct ovsrec_interface *iface = port->interfaces[j];

            ovsrec_interface_set_bfd(iface, sset_contains(links, iface->name)
                                     ? &on : &off);
        }
    }
    smap_destroy(&on);
    smap_destroy(&off);
}

static const char *
bridge_name(const struct omrec_switch *sw)
{
    return sw->bridge ? sw->bridge : "br0";
}

static const struct ovsrec_bridge *
find_bridge(const struct switch_db *db, const char *name)
{
    const struct ovsrec_bridge *br;

    OVSREC_BRIDGE_FOR_EACH (br, db->loop.idl) {
        if (!strcmp(br->name, name)) {
            return br;
        }
    }
    return NULL;
}

static void
set_error(struct switch_db *db, char *error)
{
    if (error && !nullable_string_is_equal(error, db->error)) {
        VLOG_WARN("%s: %s", db->remote, error);
    }
    free(db->error);
    db->error = error;
}

static char *
check_bridge(const struct switch_db *db, const struct ovsrec_bridge *br,
             const struct omrec_switch *sw)
{
    if (!br) {
        return xasprintf("there is no bridge \"%s\"; add it, or correct the "
                         "name", bridge_name(sw));
    } else if (!sw->migrate_address) {
        return NULL;
    } else if (!ovsdb_idl_server_has_table(db->loop.idl,
                                           &ovsrec_table_migration_service)) {
        return xasprintf("this Open vSwitch cannot migrate; install a "
                         "patched one, or empty migrate_address");
    } else if (strcmp(br->datapath_type, "netdev")) {
        return xasprintf("bridge \"%s\" cannot migrate: set its datapath_type "
                         "to netdev", br->name);
    }
    return NULL;
}

/* Writes what differs into 'txn'. */
static void
write_all(struct switch_db *db, struct ovsdb_idl_txn *txn,
          const struct switch_db_wanted *wanted)
{
    const struct ovsrec_open_vswitch *ovs
        = ovsrec_open_vswitch_first(db->loop.idl);
    const struct ovsrec_bridge *br = find_bridge(db, bridge_name(wanted->sw));

    set_error(db, check_bridge(db, br, wanted->sw));
    if (!ovs || !br) {
        return;
    }
    if (ovsdb_idl_server_has_table(db->loop.idl,
                                   &ovsrec_table_migration_service)) {
        write_services(txn, br, wanted);
    }
    write_config(br, wanted);
    write_links(br, wanted->links);
    ovsdb_idl_txn_add_comment(txn, "ovs-migrate-controller");
    ovsdb_idl_txn_increment(txn, &ovs->header_,
                            &ovsrec_open_vswitch_col_next_cfg, false);
}

/* The IDL waits longer after each failed attempt; we do not. */
static void
reconnect(struct switch_db *db)
{
    if (switch_db_is_connected(db)) {
        db->retry = time_msec() + RECONNECT_MSEC;
    } else if (time_msec() >= db->retry) {
        db->retry = time_msec() + RECONNECT_MSEC;
        ovsdb_idl_set_remote(db->loop.idl, NULL, true);
        ovsdb_idl_set_remote(db->loop.idl, db->remote, true);
    }
    poll_timer_wait_until(db->retry);
}

void
switch_db_run(struct switch_db *db, const struct switch_db_wanted *wanted,
              bool changed)
{
    struct ovsdb_idl_txn *txn = ovsdb_idl_loop_run(&db->loop);
    unsigned int seqno = ovsdb_idl_get_seqno(db->loop.idl);

    db->dirty |= changed || seqno != db->seqno;
    db->seqno = seqno;
    if (txn && db->dirty && switch_db_is_connected(db)) {
        write_all(db, txn, wanted);
        db->dirty = false;
    }
    /* When it fails because of what others did, that changes the seqno. */
    ovsdb_idl_loop_commit_and_wait(&db->loop);
    reconnect(db);
}

bool
switch_db_is_connected(const struct switch_db *db)
{
    return (ovsdb_idl_is_connected(db->loop.idl)
            && ovsdb_idl_has_ever_connected(db->loop.idl));
}

bool
switch_db_is_synced(const struct switch_db *db)
{
    const struct ovsrec_open_vswitch *ovs
        = ovsrec_open_vswitch_first(db->loop.idl);

    return (switch_db_is_connected(db) && !db->dirty
            && !db->loop.committing_txn && !db->error
            && ovs && ovs->cur_cfg >= ovs->next_cfg);
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
switch_db_count(const struct switch_db *db, const struct omrec_switch *sw,
                struct tally *tally)
{
    const struct ovsrec_bridge *br = find_bridge(db, bridge_name(sw));
    struct shash_node *node;
    struct rows r;

    if (!br || !switch_db_is_connected(db)) {
        return;
    }
    rows_init(&r, NULL, br);
    SHASH_FOR_EACH (node, &r.services) {
        count_service(node->data, tally);
    }
    SHASH_FOR_EACH (node, &r.hosts) {
        count_host(node->data, tally);
    }
    rows_uninit(&r);
}

const char *
switch_db_error(const struct switch_db *db)
{
    return db->error;
}
