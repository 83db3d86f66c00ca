/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "southbound.h"

#include <stdlib.h>
#include <string.h>

#include "controller/ovs-migrate-idl.h"
#include "entropy.h"
#include "fabric.h"
#include "flow-table.h"
#include "flows.h"
#include "openflow.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "report.h"
#include "smap.h"
#include "sset.h"
#include "stations.h"
#include "survey.h"
#include "switch-db.h"
#include "timeval.h"
#include "topology.h"
#include "tree.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(southbound);

#define LOCK "ovs_migrate_active"

/* For so long a controller that becomes active waits for all switches, before
 * it changes what they have. */
#define PATIENCE_MSEC 2000

/* Links of a new tree wait no longer for switches that do not answer. */
#define TREE_MSEC 1000

/* Between two times that what was learned is written. */
#define REPORT_MSEC 100

/* A row of the table Switch. */
struct sb_switch {
    struct hmap_node node;      /* In southbound's 'switches', by 'uuid'. */
    struct southbound *sb;
    struct uuid uuid;
    uint64_t dpid;
    char *openflow;             /* The row's columns. */
    char *ovsdb;
    size_t index;               /* In the fabric. */

    struct openflow *of;        /* NULL if there is no way to it. */
    unsigned int ports_seqno;   /* Of the ports that 'ts' has. */
    bool may_program;
    struct topology_switch *ts;

    struct switch_db *db;       /* NULL if there is no way to it. */
    bool db_changed;            /* What 'db' is made from has changed. */
    struct sset links;          /* Of 'ts'. */
};

struct southbound {
    struct ovsdb_idl_loop loop;
    unsigned int seqno;         /* Of the replica, when it was looked at. */
    char *name;
    bool active;
    long long int since;        /* When that changed, seconds since 1970. */
    struct stations *stations;

    /* While it is active. */
    struct hmap switches;       /* Of "struct sb_switch"es. */
    struct topology *topology;
    unsigned int topology_seqno;        /* That 'fabric' is of. */
    long long int patient_until;
    long long int next_report;
    struct fabric fabric;
    struct fabric_routes routes;

    struct tree tree;
    long long int tree_until;   /* When its links join at the latest. */
};

static void openflow_wanted(void *sw_, enum flows_section,
                            struct flow_table *);
static void openflow_packet_in(void *sw_, ofp_port_t in_port,
                               const void *frame, size_t len);

static const struct openflow_ops openflow_ops = {
    .wanted = openflow_wanted,
    .packet_in = openflow_packet_in,
};

/* What the databases of switches are made from. */
static const struct ovsdb_idl_column *const config_columns[] = {
    &omrec_fabric_col_current_key,
    &omrec_fabric_col_accepted_key,
    &omrec_fabric_col_mtu,
    &omrec_service_col_name,
    &omrec_service_col_id,
    &omrec_service_col_protocol,
    &omrec_service_col_placement,
    &omrec_service_col_request_timeout,
    &omrec_service_col_flow_limit,
    &omrec_service_col_flow_idle_timeout,
    &omrec_service_col_rules,
    &omrec_service_col_default_pool,
    &omrec_rule_col_name,
    &omrec_rule_col_priority,
    &omrec_rule_col_match,
    &omrec_rule_col_pool,
    &omrec_pool_col_name,
    &omrec_pool_col_policy,
    &omrec_pool_col_hosts,
    &omrec_host_col_name,
    &omrec_host_col_ip,
    &omrec_host_col_state,
    &omrec_switch_col_bridge,
    &omrec_switch_col_migrate_address,
};

/* What is written here, and read by others. */
static const struct ovsdb_idl_column *const report_columns[] = {
    &omrec_fabric_col_active,
    &omrec_host_col_status,
    &omrec_link_col_status,
    &omrec_service_col_statistics,
    &omrec_switch_col_cur_cfg,
    &omrec_switch_col_status,
};

struct southbound *
southbound_create(const char *remote, const char *name)
{
    struct southbound *sb = xzalloc(sizeof *sb);
    struct ovsdb_idl *idl = ovsdb_idl_create(remote, &omrec_idl_class, true,
                                             true);

    ovsdb_idl_set_write_changed_only_all(idl, true);
    for (size_t i = 0; i < ARRAY_SIZE(config_columns); i++) {
        ovsdb_idl_track_add_column(idl, config_columns[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(report_columns); i++) {
        ovsdb_idl_omit_alert(idl, report_columns[i]);
    }
    sb->loop = (struct ovsdb_idl_loop) OVSDB_IDL_LOOP_INITIALIZER(idl);
    sb->name = xstrdup(name);
    sb->stations = stations_create(idl);
    hmap_init(&sb->switches);
    ovsdb_idl_set_lock(idl, LOCK);
    return sb;
}

/* Switches. */

static void
switch_destroy(struct sb_switch *sw)
{
    hmap_remove(&sw->sb->switches, &sw->node);
    openflow_destroy(sw->of);
    switch_db_destroy(sw->db);
    topology_remove_switch(sw->ts);
    sset_destroy(&sw->links);
    free(sw->openflow);
    free(sw->ovsdb);
    free(sw);
}

static struct sb_switch *
find_switch(const struct southbound *sb, const struct uuid *uuid)
{
    struct sb_switch *sw;

    HMAP_FOR_EACH_WITH_HASH (sw, node, uuid_hash(uuid), &sb->switches) {
        if (uuid_equals(&sw->uuid, uuid)) {
            return sw;
        }
    }
    return NULL;
}

static void
switch_create(struct southbound *sb, const struct omrec_switch *row)
{
    struct sb_switch *sw = xzalloc(sizeof *sw);

    sw->sb = sb;
    sw->uuid = row->header_.uuid;
    sw->dpid = strtoull(row->dpid, NULL, 16);
    sw->openflow = nullable_xstrdup(row->openflow);
    sw->ovsdb = nullable_xstrdup(row->ovsdb);
    sw->index = SIZE_MAX;
    sset_init(&sw->links);
    hmap_insert(&sb->switches, &sw->node, uuid_hash(&sw->uuid));
    sw->ts = topology_add_switch(sb->topology, sw->dpid);
    if (sw->openflow) {
        sw->of = openflow_create(sw->openflow, sw->dpid, &openflow_ops, sw);
    }
    if (sw->ovsdb) {
        sw->db = switch_db_create(sw->ovsdb);
    }
}

/* Makes the switches those of the database. */
static void
update_switches(struct southbound *sb)
{
    const struct omrec_switch *row;
    struct sb_switch *sw;

    HMAP_FOR_EACH_SAFE (sw, node, &sb->switches) {
        row = omrec_switch_get_for_uuid(sb->loop.idl, &sw->uuid);
        if (!row || strtoull(row->dpid, NULL, 16) != sw->dpid
            || !nullable_string_is_equal(row->openflow, sw->openflow)
            || !nullable_string_is_equal(row->ovsdb, sw->ovsdb)) {
            switch_destroy(sw);
        }
    }
    OMREC_SWITCH_FOR_EACH (row, sb->loop.idl) {
        if (!find_switch(sb, &row->header_.uuid)) {
            switch_create(sb, row);
        }
    }
}

static void
send_probe(void *sb_, uint64_t dpid, ofp_port_t port, const void *frame,
           size_t len)
{
    struct southbound *sb = sb_;
    struct sb_switch *sw;

    HMAP_FOR_EACH (sw, node, &sb->switches) {
        if (sw->dpid == dpid && sw->of) {
            openflow_send(sw->of, port, frame, len);
        }
    }
}

/* Flows. */

static void
openflow_wanted(void *sw_, enum flows_section section, struct flow_table *ft)
{
    const struct sb_switch *sw = sw_;

    flows_add(section, &sw->sb->fabric, &sw->sb->routes, sw->index, ft);
}

static void
touch(struct southbound *sb, enum flows_section section)
{
    struct sb_switch *sw;

    HMAP_FOR_EACH (sw, node, &sb->switches) {
        if (sw->of) {
            openflow_touch(sw->of, section);
        }
    }
}

/* Makes the fabric and the ways through it anew, and has those flows compared
 * that follow from what has changed. */
static void
update_fabric(struct southbound *sb)
{
    struct fabric_routes routes;
    bool topology, switches;
    struct fabric fabric;
    struct sb_switch *sw;

    fabric_init(&fabric);
    survey_fabric(sb->loop.idl, sb->topology, &fabric);
    fabric_route(&fabric, &routes);
    tree_update(&sb->tree, &fabric, routes.tree);
    if (tree_is_pending(&sb->tree)) {
        sb->tree_until = time_msec() + TREE_MSEC;
    }

    switches = !fabric_same_switches(&fabric, &sb->fabric);
    topology = (!fabric_same_topology(&fabric, &sb->fabric)
                || memcmp(routes.tree, sb->routes.tree,
                          fabric.n_links * sizeof *routes.tree));
    if (topology) {
        touch(sb, FLOWS_PORTS);
    }
    if (topology || !fabric_same_services(&fabric, &sb->fabric)) {
        touch(sb, FLOWS_ADDRESSES);
    }
    if (switches || !fabric_same_stations(&fabric, &sb->fabric)) {
        touch(sb, FLOWS_STATIONS);
    }

    fabric_destroy(&sb->fabric);
    fabric_routes_uninit(&sb->routes);
    sb->fabric = fabric;
    sb->routes = routes;
    HMAP_FOR_EACH (sw, node, &sb->switches) {
        sw->index = fabric_find_switch(&fabric, sw->dpid);
    }
}

/* What switches say. */

static void
openflow_packet_in(void *sw_, ofp_port_t in_port, const void *frame,
                   size_t len)
{
    struct sb_switch *sw = sw_;
    const struct topology_port *port;

    if (!topology_receive(sw->ts, in_port, frame, len)) {
        port = topology_find_port(sw->ts, in_port);
        if (port && port->role == TOPOLOGY_EDGE) {
            stations_learn(sw->sb->stations, frame, len, &sw->uuid,
                           port->name, time_msec());
        }
    }
}

static void
update_ports(struct sb_switch *sw)
{
    const struct hmap *ports = openflow_ports(sw->of);
    struct ofputil_phy_port *array = xmalloc(hmap_count(ports)
                                             * sizeof *array);
    const struct openflow_port *port;
    size_t n = 0;

    HMAP_FOR_EACH (port, node, ports) {
        array[n++] = port->pp;
    }
    topology_set_ports(sw->ts, array, n, time_msec());
    free(array);
}

static void
run_openflow(struct sb_switch *sw)
{
    bool ready;

    openflow_run(sw->of, sw->may_program);
    ready = openflow_is_ready(sw->of);
    if (ready && sw->ports_seqno != openflow_ports_seqno(sw->of)) {
        sw->ports_seqno = openflow_ports_seqno(sw->of);
        update_ports(sw);
    }
    topology_set_reachable(sw->ts, ready, time_msec());
    sw->may_program &= ready;
}

static bool
all_reachable(const struct southbound *sb)
{
    const struct sb_switch *sw;

    HMAP_FOR_EACH (sw, node, &sb->switches) {
        if (sw->of && !openflow_is_ready(sw->of)) {
            return false;
        }
    }
    return true;
}

/* Gives leave to program switches.  One that has flows goes on with them until
 * enough is known for better ones. */
static void
permit(struct southbound *sb)
{
    bool patient = (time_msec() < sb->patient_until && !all_reachable(sb));
    struct sb_switch *sw;

    HMAP_FOR_EACH (sw, node, &sb->switches) {
        if (sw->of && openflow_is_ready(sw->of) && !sw->may_program
            && (!openflow_has_flows(sw->of)
                || (!patient && topology_is_settled(sw->ts)))) {
            sw->may_program = true;
            poll_immediate_wake();
        }
    }
    if (patient) {
        poll_timer_wait_until(sb->patient_until);
    }
}

static void
run_tree(struct southbound *sb)
{
    const struct sb_switch *sw;
    bool synced = true;

    if (!tree_is_pending(&sb->tree)) {
        return;
    }
    HMAP_FOR_EACH (sw, node, &sb->switches) {
        if (sw->of && openflow_is_ready(sw->of)
            && !openflow_is_synced(sw->of)) {
            synced = false;
        }
    }
    if (synced || time_msec() >= sb->tree_until) {
        tree_settle(&sb->tree);
        update_fabric(sb);
    } else {
        poll_timer_wait_until(sb->tree_until);
    }
}

/* Databases of switches. */

static bool
config_has_changed(const struct ovsdb_idl *idl)
{
    return (omrec_fabric_track_get_first(idl)
            || omrec_service_track_get_first(idl)
            || omrec_rule_track_get_first(idl)
            || omrec_pool_track_get_first(idl)
            || omrec_host_track_get_first(idl)
            || omrec_switch_track_get_first(idl));
}

static void
update_links(struct sb_switch *sw)
{
    struct sset links = SSET_INITIALIZER(&links);

    topology_links(sw->ts, &links);
    if (!sset_equals(&links, &sw->links)) {
        sw->db_changed = true;
    }
    sset_swap(&links, &sw->links);
    sset_destroy(&links);
}

static void
run_db(struct sb_switch *sw, const struct omrec_fabric *fabric)
{
    struct switch_db_wanted wanted = {
        .idl = sw->sb->loop.idl,
        .fabric = fabric,
        .sw = omrec_switch_get_for_uuid(sw->sb->loop.idl, &sw->uuid),
        .links = &sw->links,
    };

    if (wanted.sw && fabric) {
        switch_db_run(sw->db, &wanted, sw->db_changed);
        sw->db_changed = false;
    }
}

/* Reports. */

/* Sees to it that the database says who is active. */
static void
report_active(const struct southbound *sb, const struct omrec_fabric *fabric)
{
    struct smap active = SMAP_INITIALIZER(&active);

    smap_add(&active, "name", sb->name);
    smap_add_format(&active, "since", "%lld", sb->since);
    smap_add(&active, "version", OVM_VERSION);
    omrec_fabric_set_active(fabric, &active);
    smap_destroy(&active);
}

static void
report(struct southbound *sb, struct ovsdb_idl_txn *txn,
       const struct omrec_fabric *fabric)
{
    const struct sb_switch *sw;

    report_active(sb, fabric);
    report_links(sb->loop.idl, txn, sb->topology);
    HMAP_FOR_EACH (sw, node, &sb->switches) {
        const struct omrec_switch *row
            = omrec_switch_get_for_uuid(sb->loop.idl, &sw->uuid);
        const char *errors[2] = {
            sw->of ? openflow_error(sw->of) : "set its column openflow",
            sw->db ? switch_db_error(sw->db) : "set its column ovsdb",
        };
        struct report_switch r = {
            .ovsdb = sw->db && switch_db_is_connected(sw->db),
            .openflow = sw->of && openflow_is_ready(sw->of),
            .error = errors[0] ? errors[0] : errors[1],
        };

        if (row) {
            r.cfg = (r.openflow && openflow_is_synced(sw->of)
                     && r.ovsdb && switch_db_is_synced(sw->db)
                     ? fabric->next_cfg : 0);
            report_switch(row, &r);
        }
    }
}

static void
run_reports(struct southbound *sb, struct ovsdb_idl_txn *txn,
            const struct omrec_fabric *fabric)
{
    if (time_msec() < sb->next_report) {
        poll_timer_wait_until(sb->next_report);
    } else if (txn && fabric) {
        report(sb, txn, fabric);
        sb->next_report = time_msec() + REPORT_MSEC;
    }
}

/* All of it. */

static void
activate(struct southbound *sb)
{
    struct siphash_key key;

    get_entropy_or_die(&key, sizeof key);
    sb->topology = topology_create(&key, send_probe, sb);
    sb->patient_until = time_msec() + PATIENCE_MSEC;
    sb->next_report = 0;
    sb->seqno = 0;
    tree_init(&sb->tree);
    fabric_init(&sb->fabric);
    fabric_route(&sb->fabric, &sb->routes);
}

static void
deactivate(struct southbound *sb)
{
    struct sb_switch *sw;

    HMAP_FOR_EACH_SAFE (sw, node, &sb->switches) {
        switch_destroy(sw);
    }
    topology_destroy(sb->topology);
    tree_uninit(&sb->tree);
    fabric_destroy(&sb->fabric);
    fabric_routes_uninit(&sb->routes);
}

static void
set_active(struct southbound *sb, bool active)
{
    sb->active = active;
    sb->since = time_wall();
    VLOG_INFO("this controller is %s", active ? "active now"
              : "not active any more");
    if (active) {
        activate(sb);
    } else {
        deactivate(sb);
    }
}

void
southbound_destroy(struct southbound *sb)
{
    if (sb) {
        if (sb->active) {
            deactivate(sb);
        }
        stations_destroy(sb->stations);
        hmap_destroy(&sb->switches);
        ovsdb_idl_loop_destroy(&sb->loop);
        free(sb->name);
        free(sb);
    }
}

static void
run_active(struct southbound *sb, struct ovsdb_idl_txn *txn)
{
    struct ovsdb_idl *idl = sb->loop.idl;
    const struct omrec_fabric *fabric = omrec_fabric_first(idl);
    bool config_changed = config_has_changed(idl);
    bool changed = sb->seqno != ovsdb_idl_get_seqno(idl);
    struct sb_switch *sw;

    if (changed) {
        sb->seqno = ovsdb_idl_get_seqno(idl);
        update_switches(sb);
        survey_links(idl, sb->topology, time_msec());
    }
    HMAP_FOR_EACH (sw, node, &sb->switches) {
        if (sw->of) {
            run_openflow(sw);
        }
    }
    topology_run(sb->topology, time_msec());
    if (changed || sb->topology_seqno != topology_seqno(sb->topology)) {
        sb->topology_seqno = topology_seqno(sb->topology);
        update_fabric(sb);
    }
    run_tree(sb);
    permit(sb);
    HMAP_FOR_EACH (sw, node, &sb->switches) {
        if (sw->db) {
            sw->db_changed |= config_changed;
            update_links(sw);
            run_db(sw, fabric);
        }
    }
    if (txn) {
        stations_write(sb->stations, txn);
    }
    run_reports(sb, txn, fabric);

    HMAP_FOR_EACH (sw, node, &sb->switches) {
        if (sw->of) {
            openflow_wait(sw->of);
        }
    }
    poll_timer_wait_until(topology_deadline(sb->topology));
}

void
southbound_run(struct southbound *sb)
{
    struct ovsdb_idl_txn *txn = ovsdb_idl_loop_run(&sb->loop);

    if (sb->active != ovsdb_idl_has_lock(sb->loop.idl)) {
        set_active(sb, !sb->active);
    }
    if (sb->active) {
        run_active(sb, txn);
    }
    ovsdb_idl_track_clear(sb->loop.idl);
    ovsdb_idl_loop_commit_and_wait(&sb->loop);
}

bool
southbound_is_active(const struct southbound *sb)
{
    return sb->active;
}
