/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "switch-db.h"

#include <stdlib.h>
#include <string.h>

#include "controller/ovs-migrate-idl.h"
#include "flows.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovsdb-data.h"
#include "mirror.h"
#include "smap.h"
#include "sset.h"
#include "timeval.h"
#include "util.h"
#include "vswitch-idl.h"

VLOG_DEFINE_THIS_MODULE(switch_db);

#define RECONNECT_MSEC 1000
#define RETRY_MSEC 100          /* After the database has refused something. */
#define BFD_MSEC "200"          /* Three times this, and a link is down. */

struct switch_db {
    char *remote;
    struct mirror *mirror;
    bool dirty;                 /* All of it is to be compared again. */
    struct sset pools;          /* Names of those that are to be, if not. */
    bool connected;
    int connection_error;       /* Of the last attempt to connect. */
    long long int retry;        /* When to try to connect again. */
    long long int retry_write;  /* ... and to write. */
    char *error;
};

#define COLUMN(TABLE, COLUMN) { &ovsrec_##TABLE##_col_##COLUMN, false }
#define REPORT(TABLE, COLUMN) { &ovsrec_##TABLE##_col_##COLUMN, true }

static const struct mirror_column open_vswitch_columns[] = {
    COLUMN(open_vswitch, bridges),
    REPORT(open_vswitch, next_cfg),
    REPORT(open_vswitch, cur_cfg),
};
static const struct mirror_column bridge_columns[] = {
    COLUMN(bridge, name),
    COLUMN(bridge, datapath_type),
    COLUMN(bridge, fail_mode),
    COLUMN(bridge, other_config),
    COLUMN(bridge, ports),
    COLUMN(bridge, migration_services),
};
static const struct mirror_column port_columns[] = {
    COLUMN(port, interfaces),
};
static const struct mirror_column interface_columns[] = {
    COLUMN(interface, name),
    COLUMN(interface, bfd),
};
static const struct mirror_column service_columns[] = {
    COLUMN(migration_service, name),
    COLUMN(migration_service, id),
    COLUMN(migration_service, protocol),
    COLUMN(migration_service, placement),
    COLUMN(migration_service, rules),
    COLUMN(migration_service, default_pool),
    COLUMN(migration_service, other_config),
    REPORT(migration_service, statistics),
};
static const struct mirror_column rule_columns[] = {
    COLUMN(migration_rule, priority),
    COLUMN(migration_rule, match),
    COLUMN(migration_rule, pool),
    COLUMN(migration_rule, external_ids),
};
static const struct mirror_column pool_columns[] = {
    COLUMN(migration_pool, name),
    COLUMN(migration_pool, hosts),
    COLUMN(migration_pool, policy),
    COLUMN(migration_pool, affinity),
    COLUMN(migration_pool, weights),
};
static const struct mirror_column host_columns[] = {
    COLUMN(migration_host, name),
    COLUMN(migration_host, ip),
    REPORT(migration_host, status),
};

#define CLASS(TABLE, COLUMNS) \
    { &ovsrec_table_##TABLE, COLUMNS, ARRAY_SIZE(COLUMNS) }
static const struct mirror_class classes[] = {
    CLASS(open_vswitch, open_vswitch_columns),
    CLASS(bridge, bridge_columns),
    CLASS(port, port_columns),
    CLASS(interface, interface_columns),
    CLASS(migration_service, service_columns),
    CLASS(migration_rule, rule_columns),
    CLASS(migration_pool, pool_columns),
    CLASS(migration_host, host_columns),
};

/* Notes what is to be compared because somebody has changed it: others, or
 * we, which may have come out differently. */
static void
mirror_changed(void *db_, const struct mirror_row *row,
               const struct ovsdb_idl_column *column)
{
    struct switch_db *db = db_;

    if (column == &ovsrec_migration_pool_col_weights
        || column == &ovsrec_migration_pool_col_policy
        || column == &ovsrec_migration_pool_col_affinity) {
        sset_add(&db->pools,
                 mirror_string(row, &ovsrec_migration_pool_col_name));
    } else {
        db->dirty = true;
    }
}

struct switch_db *
switch_db_create(const char *remote)
{
    struct switch_db *db = xzalloc(sizeof *db);

    sset_init(&db->pools);
    db->remote = xstrdup(remote);
    db->mirror = mirror_create("Open_vSwitch", classes, ARRAY_SIZE(classes),
                                 mirror_changed, db);
    mirror_connect(db->mirror, remote);
    db->retry = time_msec() + RECONNECT_MSEC;
    db->dirty = true;
    return db;
}

void
switch_db_destroy(struct switch_db *db)
{
    if (db) {
        mirror_destroy(db->mirror);
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

/* The keys of other_config that are not the controller's. */
static void
keep_config(const struct mirror_row *br, struct smap *config)
{
    const struct ovsdb_datum *there
        = mirror_read(br, &ovsrec_bridge_col_other_config);

    for (size_t i = 0; i < there->n; i++) {
        const char *key = json_string(there->keys[i].s);

        if (strncmp(key, "migrate-", 8)) {
            smap_add(config, key, json_string(there->values[i].s));
        }
    }
}

static void
write_config(struct mirror *mirror, const struct mirror_row *br,
             const struct switch_db_wanted *wanted)
{
    const struct omrec_fabric *fabric = wanted->fabric;
    const char *address = wanted->sw->migrate_address;
    struct smap config = SMAP_INITIALIZER(&config);

    keep_config(br, &config);
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
    mirror_set_smap(mirror, br, &ovsrec_bridge_col_other_config, &config);
    smap_destroy(&config);
    mirror_set_string(mirror, br, &ovsrec_bridge_col_fail_mode, "secure");
}

static void
write_links(struct mirror *mirror, const struct mirror_row *br,
            const struct sset *links)
{
    struct smap on = SMAP_INITIALIZER(&on), off = SMAP_INITIALIZER(&off);
    const struct mirror_row *port, *iface;

    smap_add(&on, "enable", "true");
    smap_add(&on, "min_rx", BFD_MSEC);
    smap_add(&on, "min_tx", BFD_MSEC);
    for (size_t i = 0; (port = mirror_ref(
             mirror, br, &ovsrec_bridge_col_ports, i)); i++) {
        for (size_t j = 0; (iface = mirror_ref(
                 mirror, port, &ovsrec_port_col_interfaces, j)); j++) {
            const char *name = mirror_string(iface,
                                             &ovsrec_interface_col_name);

            mirror_set_smap(mirror, iface, &ovsrec_interface_col_bfd,
                            sset_contains(links, name) ? &on : &off);
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

static const struct mirror_row *
find_bridge(const struct switch_db *db, const struct omrec_switch *sw)
{
    const struct mirror_row *br;

    for (br = mirror_first(db->mirror, &ovsrec_table_bridge); br;
         br = mirror_next(br)) {
        if (!strcmp(mirror_string(br, &ovsrec_bridge_col_name),
                    bridge_name(sw))) {
            return br;
        }
    }
    return NULL;
}

static const struct mirror_row *
find_open_vswitch(const struct switch_db *db)
{
    return mirror_first(db->mirror, &ovsrec_table_open_vswitch);
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
check_bridge(const struct switch_db *db, const struct mirror_row *br,
             const struct omrec_switch *sw)
{
    if (!br) {
        return xasprintf("there is no bridge \"%s\"; add it, or correct the "
                         "name", bridge_name(sw));
    } else if (!sw->migrate_address) {
        return NULL;
    } else if (!mirror_has_table(db->mirror,
                                 &ovsrec_table_migration_service)) {
        return xasprintf("this Open vSwitch cannot migrate; install a "
                         "patched one, or empty migrate_address");
    } else if (strcmp(mirror_string(br, &ovsrec_bridge_col_datapath_type),
                      "netdev")) {
        return xasprintf("bridge \"%s\" cannot migrate: set its datapath_type "
                         "to netdev", bridge_name(sw));
    }
    return NULL;
}

/* Sends what was written, if it is anything, and has ovs-vswitchd told. */
static void
commit(struct switch_db *db, const struct mirror_row *ovs)
{
    mirror_commit(db->mirror, "ovs-migrate-controller", ovs,
                  &ovsrec_open_vswitch_col_next_cfg);
}

/* Writes what differs. */
static void
write_all(struct switch_db *db, const struct switch_db_wanted *wanted)
{
    const struct mirror_row *ovs = find_open_vswitch(db);
    const struct mirror_row *br = find_bridge(db, wanted->sw);

    set_error(db, check_bridge(db, br, wanted->sw));
    if (!ovs || !br) {
        return;
    }
    if (mirror_has_table(db->mirror, &ovsrec_table_migration_service)) {
        switch_rows_write(db->mirror, br, wanted->idl, &wanted->weights,
                          wanted->sw->migrate_address != NULL);
    }
    write_config(db->mirror, br, wanted);
    write_links(db->mirror, br, wanted->links);
    commit(db, ovs);
}

/* Writes what differs of the pools that are to be compared.  Returns false if
 * there is more to it. */
static bool
write_pools(struct switch_db *db, const struct switch_db_wanted *wanted)
{
    const struct mirror_row *ovs = find_open_vswitch(db);
    const struct mirror_row *br = find_bridge(db, wanted->sw);
    const struct omrec_pool *pool;

    if (!ovs || !br) {
        return false;
    }
    OMREC_POOL_FOR_EACH (pool, wanted->idl) {
        if (sset_contains(&db->pools, pool->name)
            && !switch_rows_write_pool(db->mirror, br, &wanted->weights,
                                       pool)) {
            return false;
        }
    }
    commit(db, ovs);
    return true;
}

/* By itself it would wait longer after each failed attempt; we do not.  What
 * there is to copy may take its time, once it is connected. */
static void
reconnect(struct switch_db *db)
{
    int error = mirror_connection_error(db->mirror);

    if (error) {
        db->connection_error = error;
    }
    if (mirror_is_open(db->mirror)) {
        db->retry = time_msec() + RECONNECT_MSEC;
    } else if (time_msec() >= db->retry) {
        db->retry = time_msec() + RECONNECT_MSEC;
        mirror_connect(db->mirror, db->remote);
    }
    poll_timer_wait_until(db->retry);
}

static void
note_connection(struct switch_db *db)
{
    if (db->connected != switch_db_is_connected(db)) {
        db->connected = !db->connected;
        VLOG_INFO("%s: %s", db->remote, db->connected ? "connected"
                  : "connection lost");
    }
}

void
switch_db_run(struct switch_db *db, const struct switch_db_wanted *wanted,
              bool changed)
{
    const char *name;

    mirror_run(db->mirror);
    note_connection(db);
    db->dirty |= changed;
    if (mirror_has_failed(db->mirror)) {
        db->dirty = true;
        db->retry_write = time_msec() + RETRY_MSEC;
    }
    SSET_FOR_EACH (name, wanted->pools) {
        sset_add(&db->pools, name);
    }
    if (time_msec() < db->retry_write) {
        poll_timer_wait_until(db->retry_write);
    } else if (switch_db_is_connected(db) && !mirror_is_busy(db->mirror)) {
        if (db->dirty || (!sset_is_empty(&db->pools)
                          && !write_pools(db, wanted))) {
            write_all(db, wanted);
        }
        db->dirty = false;
        sset_clear(&db->pools);
    }
    mirror_wait(db->mirror);
    reconnect(db);
}

bool
switch_db_is_connected(const struct switch_db *db)
{
    return mirror_is_connected(db->mirror);
}

bool
switch_db_is_synced(const struct switch_db *db)
{
    const struct mirror_row *ovs = find_open_vswitch(db);

    return (switch_db_is_connected(db) && !db->dirty
            && sset_is_empty(&db->pools) && !mirror_is_busy(db->mirror)
            && !db->error && ovs
            && mirror_integer(ovs, &ovsrec_open_vswitch_col_cur_cfg)
               >= mirror_integer(ovs, &ovsrec_open_vswitch_col_next_cfg));
}

void
switch_db_count(const struct switch_db *db, const struct omrec_switch *sw,
                struct tally *tally)
{
    const struct mirror_row *br = find_bridge(db, sw);

    if (br && switch_db_is_connected(db)) {
        switch_rows_count(db->mirror, br, tally);
    }
}

const char *
switch_db_error(const struct switch_db *db)
{
    return db->error;
}

int
switch_db_connection_error(const struct switch_db *db)
{
    return mirror_is_open(db->mirror) ? 0 : db->connection_error;
}
