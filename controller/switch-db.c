/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "switch-db.h"

#include <stdlib.h>
#include <string.h>

#include "controller/ovs-migrate-idl.h"
#include "flows.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "smap.h"
#include "sset.h"
#include "timeval.h"
#include "tracking.h"
#include "util.h"
#include "vswitch-idl.h"

VLOG_DEFINE_THIS_MODULE(switch_db);

#define RECONNECT_MSEC 1000
#define BFD_MSEC "200"          /* Three times this, and a link is down. */

struct switch_db {
    char *remote;
    struct ovsdb_idl_loop loop;
    bool dirty;                 /* All of it is to be compared again. */
    struct sset pools;          /* Names of those that are to be, if not. */
    long long int retry;        /* When to try to connect again. */
    char *error;
};

static void
add_columns(struct ovsdb_idl *idl)
{
    static const struct ovsdb_idl_column *const columns[] = {
        &ovsrec_open_vswitch_col_bridges,
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
        &ovsrec_migration_pool_col_affinity,
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
        ovsdb_idl_track_add_column(idl, columns[i]);
    }
    ovsdb_idl_add_column(idl, &ovsrec_open_vswitch_col_next_cfg);
    ovsdb_idl_add_column(idl, &ovsrec_open_vswitch_col_cur_cfg);
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
    sset_init(&db->pools);
    return db;
}

void
switch_db_destroy(struct switch_db *db)
{
    if (db) {
        ovsdb_idl_loop_destroy(&db->loop);
        sset_destroy(&db->pools);
        free(db->remote);
        free(db->error);
        free(db);
    }
}

static void
add_optional(struct smap *config, const char *key, const int64_t *value)
{
    if (value) {
        smap_add_format(config, key, "%"PRId64, *value);
    }
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

/* Tells the switch of what is written into 'txn', if it is anything. */
static void
notify(struct ovsdb_idl_txn *txn, const struct ovsrec_open_vswitch *ovs)
{
    ovsdb_idl_txn_add_comment(txn, "ovs-migrate-controller");
    ovsdb_idl_txn_increment(txn, &ovs->header_,
                            &ovsrec_open_vswitch_col_next_cfg, false);
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
        switch_rows_write(txn, br, wanted->idl, &wanted->weights,
                          wanted->sw->migrate_address != NULL);
    }
    write_config(br, wanted);
    write_links(br, wanted->links);
    notify(txn, ovs);
}

/* Writes what differs of the pools that are to be compared.  Returns false if
 * there is more to it. */
static bool
write_pools(struct switch_db *db, struct ovsdb_idl_txn *txn,
            const struct switch_db_wanted *wanted)
{
    const struct ovsrec_open_vswitch *ovs
        = ovsrec_open_vswitch_first(db->loop.idl);
    const struct ovsrec_bridge *br = find_bridge(db, bridge_name(wanted->sw));
    const struct omrec_pool *pool;

    if (!ovs || !br) {
        return false;
    }
    OMREC_POOL_FOR_EACH (pool, wanted->idl) {
        if (sset_contains(&db->pools, pool->name)
            && !switch_rows_write_pool(br, &wanted->weights, pool)) {
            return false;
        }
    }
    notify(txn, ovs);
    return true;
}

/* Finds out what is to be compared because somebody has changed it: others, or
 * we, which may have come out differently. */
static void
take_changes(struct switch_db *db)
{
    static const struct ovsdb_idl_table_class *const tables[] = {
        &ovsrec_table_open_vswitch,
        &ovsrec_table_bridge,
        &ovsrec_table_port,
        &ovsrec_table_interface,
        &ovsrec_table_migration_service,
        &ovsrec_table_migration_rule,
        &ovsrec_table_migration_host,
    };
    const struct ovsrec_migration_pool *pool;

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        db->dirty |= tracking_has_changed(db->loop.idl, tables[i]);
    }
    OVSREC_MIGRATION_POOL_FOR_EACH_TRACKED (pool, db->loop.idl) {
        if (tracking_is_modified(&pool->header_)) {
            sset_add(&db->pools, pool->name);
        } else {
            db->dirty |= tracking_comes_or_goes(&pool->header_);
        }
    }
    ovsdb_idl_track_clear(db->loop.idl);
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
    const char *name;

    take_changes(db);
    db->dirty |= changed;
    SSET_FOR_EACH (name, wanted->pools) {
        sset_add(&db->pools, name);
    }
    if (txn && switch_db_is_connected(db)) {
        if (db->dirty || (!sset_is_empty(&db->pools)
                          && !write_pools(db, txn, wanted))) {
            write_all(db, txn, wanted);
        }
        db->dirty = false;
        sset_clear(&db->pools);
    }
    if (!ovsdb_idl_loop_commit_and_wait(&db->loop)) {
        db->dirty = true;
    }
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
            && sset_is_empty(&db->pools)
            && !db->loop.committing_txn && !db->error
            && ovs && ovs->cur_cfg >= ovs->next_cfg);
}

void
switch_db_count(const struct switch_db *db, const struct omrec_switch *sw,
                struct tally *tally)
{
    const struct ovsrec_bridge *br = find_bridge(db, bridge_name(sw));

    if (br && switch_db_is_connected(db)) {
        switch_rows_count(br, tally);
    }
}

const char *
switch_db_error(const struct switch_db *db)
{
    return db->error;
}
