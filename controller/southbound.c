/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "southbound.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "agents.h"
#include "balance.h"
#include "census.h"
#include "channel.h"
#include "controller/ovs-migrate-idl.h"
#include "decider.h"
#include "entropy.h"
#include "events.h"
#include "fabric.h"
#include "fleet.h"
#include "flow-table.h"
#include "flows.h"
#include "health.h"
#include "live.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "replica.h"
#include "report.h"
#include "seal.h"
#include "smap.h"
#include "sset.h"
#include "stations.h"
#include "survey.h"
#include "tally.h"
#include "timeval.h"
#include "topology.h"
#include "tracking.h"
#include "tree.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(southbound);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 5);

#define LOCK "ovs_migrate_active"

/* Links of a new tree wait no longer for switches that do not answer. */
#define TREE_MSEC 1000

/* Between two times that what was learned is written. */
#define REPORT_MSEC 100

/* Between two times that what switches say of hosts and services is summed
 * up; how many are asked at a time for that, as each may say much. */
#define TALLY_MSEC 1000
#define TALLY_SWITCHES 2

/* Between two times that flows are made anew because of what switches say of
 * their ports: while a fabric comes up, that is all the time. */
#define FABRIC_MSEC 100

/* When memory that a start has taken is given back. */
#define START_MSEC 10000

/* Between two times that weights are computed, unless operators change
 * something. */
#define BALANCE_MSEC 250

struct southbound {
    struct ovsdb_idl_loop loop;
    unsigned int seqno;         /* Of the replica, when it was looked at. */
    char *name;
    char *remote;               /* Of the database... */
    bool checked_probes;        /* ...whether it was seen how that probes,
                                 * since this controller is active. */
    bool active;
    long long int since;        /* When that changed, seconds since 1970. */
    struct stations *stations;
    struct agents *agents;

    /* While it is active. */
    struct fleet fleet;
    struct decider *decider;
    struct live live;
    struct topology *topology;
    unsigned int places_seqno;          /* Of 'places', ... */
    unsigned int topology_seqno;        /* ... and this, at the last look. */
    bool fabric_is_old;
    long long int next_fabric;          /* When to make it anew if it is. */
    long long int next_report, next_tally, next_balance;
    unsigned int report;        /* Number of the next one. */
    long long int start_ends;   /* LLONG_MAX if it has. */
    bool links_are_told;
    struct tally tally;         /* What switches have said last, ... */
    bool has_tally;             /* ... if all have been asked once. */
    struct tally counting;      /* What those up to 'counted' say now. */
    struct hmap_position counted;
    struct health *health;
    struct balance balance;
    struct fabric fabric;
    struct fabric_routes routes;
    struct flow_table far;      /* flows_add_far() of 'fabric'. */

    struct tree tree;
    long long int tree_until;   /* When its links join at the latest. */
};

static void fleet_wanted(void *sb_, const struct fleet_switch *,
                         enum flows_section, struct flow_table *);
static bool host_weights(void *sb_, const struct fleet_switch *,
                         const struct omrec_pool *, int64_t weights[]);
static void fleet_packet_in(void *sb_, struct fleet_switch *,
                            ofp_port_t in_port, const void *frame, size_t len);

static const struct fleet_ops fleet_ops = {
    .wanted = fleet_wanted,
    .weights = host_weights,
    .packet_in = fleet_packet_in,
};

/* What the databases of switches are made from. */
static const struct ovsdb_idl_column *const config_columns[] = {
    &omrec_fabric_col_current_key,
    &omrec_fabric_col_accepted_key,
    &omrec_fabric_col_mtu,
    &omrec_service_col_name,
    &omrec_service_col_id,
    &omrec_service_col_address,
    &omrec_service_col_port,
    &omrec_service_col_protocol,
    &omrec_service_col_placement,
    &omrec_service_col_decide,
    &omrec_service_col_decide_timeout,
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
    &omrec_pool_col_affinity,
    &omrec_pool_col_hosts,
    &omrec_pool_col_weighting,
    &omrec_pool_col_slow_start,
    &omrec_pool_col_spill_over,
    &omrec_host_col_name,
    &omrec_host_col_ip,
    &omrec_host_col_state,
    &omrec_host_col_capacity,
    &omrec_switch_col_bridge,
    &omrec_switch_col_migrate_address,
};

/* What the fabric is made from, besides services. */
static const struct ovsdb_idl_table_class *const places[] = {
    &omrec_table_switch,
    &omrec_table_link,
    &omrec_table_host,
    &omrec_table_station,
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
southbound_create(const char *remote, const char *name,
                  struct agents *agents)
{
    struct southbound *sb = xzalloc(sizeof *sb);
    struct ovsdb_idl *idl = replica_create(remote);

    ovsdb_idl_set_write_changed_only_all(idl, true);
    for (size_t i = 0; i < ARRAY_SIZE(config_columns); i++) {
        ovsdb_idl_track_add_column(idl, config_columns[i]);
    }
    for (size_t i = 0; i < ARRAY_SIZE(report_columns); i++) {
        ovsdb_idl_omit_alert(idl, report_columns[i]);
    }
    sb->loop = (struct ovsdb_idl_loop) OVSDB_IDL_LOOP_INITIALIZER(idl);
    sb->name = xstrdup(name);
    sb->remote = xstrdup(remote);
    sb->stations = stations_create(idl);
    sb->agents = agents;
    ovsdb_idl_set_lock(idl, LOCK);
    return sb;
}

static void
send_probe(void *sb_, uint64_t dpid, ofp_port_t port, const void *frame,
           size_t len)
{
    struct southbound *sb = sb_;

    fleet_send(&sb->fleet, dpid, port, frame, len);
}

static void
send_decision(void *sb_, uint64_t dpid, const void *frame, size_t len)
{
    struct southbound *sb = sb_;

    fleet_submit(&sb->fleet, dpid, frame, len);
}

/* Flows. */

static void
fleet_wanted(void *sb_, const struct fleet_switch *sw,
             enum flows_section section, struct flow_table *ft)
{
    const struct southbound *sb = sb_;

    if (section == FLOWS_STATIONS) {
        ft->base = &sb->far;
    }
    flows_add(section, &sb->fabric, &sb->routes, sw->index, ft);
}

static bool
host_weights(void *sb_, const struct fleet_switch *sw,
             const struct omrec_pool *pool, int64_t weights[])
{
    const struct southbound *sb = sb_;

    return balance_weights(&sb->balance, pool, &sb->fabric, &sb->routes,
                           sw->index, weights);
}

static void
update_far(struct southbound *sb, const struct fabric *fabric)
{
    struct flow_table far;

    flow_table_init(&far);
    flows_add_far(fabric, &far);
    flow_table_destroy(&sb->far);       /* Last: it shares most of them. */
    sb->far = far;
    hmap_moved(&sb->far.flows);
    hmap_moved(&sb->far.groups);
}

/* Makes the fabric and the ways through it anew, and has those flows compared
 * that follow from what has changed. */
static void
make_fabric(struct southbound *sb)
{
    struct fabric_routes routes;
    bool topology, switches;
    struct fabric fabric;
    struct fleet_switch *sw;

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
        fleet_touch(&sb->fleet, FLOWS_PORTS);
    }
    if (topology || !fabric_same_services(&fabric, &sb->fabric)) {
        fleet_touch(&sb->fleet, FLOWS_ADDRESSES);
    }
    if (switches || !fabric_same_stations(&fabric, &sb->fabric)) {
        update_far(sb, &fabric);
        fleet_touch(&sb->fleet, FLOWS_STATIONS);
    }

    fabric_destroy(&sb->fabric);
    fabric_routes_uninit(&sb->routes);
    sb->fabric = fabric;
    sb->routes = routes;
    HMAP_FOR_EACH (sw, node, &sb->fleet.switches) {
        sw->index = fabric_find_switch(&fabric, sw->dpid);
    }
}

/* Brings the fabric up to date, unless that was done just before; at once if
 * 'hurry', or if services have changed.  Returns whether it has another one. */
static bool
update_fabric(struct southbound *sb, bool hurry)
{
    unsigned int places_seqno = tracking_seqno(sb->loop.idl, places,
                                               ARRAY_SIZE(places));

    if (tracking_has_changed(sb->loop.idl, &omrec_table_service)) {
        sb->fabric_is_old = hurry = true;
    }
    if (sb->places_seqno != places_seqno) {
        sb->places_seqno = places_seqno;
        survey_links(sb->loop.idl, sb->topology, time_msec());
        sb->fabric_is_old = true;
        sb->links_are_told = false;
    }
    if (sb->topology_seqno != topology_seqno(sb->topology)) {
        sb->topology_seqno = topology_seqno(sb->topology);
        sb->fabric_is_old = true;
        sb->links_are_told = false;
    }
    sb->fabric_is_old |= stations_run(sb->stations);
    if (!sb->fabric_is_old) {
        return false;
    } else if (!hurry && time_msec() < sb->next_fabric) {
        poll_timer_wait_until(sb->next_fabric);
        return false;
    }
    sb->fabric_is_old = false;
    make_fabric(sb);
    sb->next_fabric = time_msec() + FABRIC_MSEC;
    return true;
}

/* What switches say. */

/* A frame that should have a message of the engine of 'sw'. */
static void
receive_message(struct southbound *sb, const struct fleet_switch *sw,
                const void *frame, size_t len)
{
    const struct omrec_fabric *fabric = omrec_fabric_first(sb->loop.idl);
    const struct omrec_switch *row
        = omrec_switch_get_for_uuid(sb->loop.idl, &sw->uuid);
    struct channel_end end = { .dpid = sw->dpid };
    struct channel_message message;
    struct keyring keys;

    if (row && fabric && survey_keys(fabric, &keys)
        && channel_open(&keys, frame, len, &message, &end)) {
        const struct migrate_header *header = channel_header(&message);

        if (header->type == MIGRATE_DECIDE) {
            const struct switch_weights weights = fleet_weights(sw);

            decider_receive(sb->decider, &keys, &end, row->name, &weights,
                            header);
        } else if (header->type == MIGRATE_LISTING) {
            census_receive(sb->live.census, sw->dpid, header);
        }
    } else {
        VLOG_WARN_RL(&rl, "switch %016"PRIx64": a message that is not "
                     "understood", sw->dpid);
    }
}

static void
fleet_packet_in(void *sb_, struct fleet_switch *sw, ofp_port_t in_port,
                const void *frame, size_t len)
{
    struct southbound *sb = sb_;
    const struct topology_port *port = topology_find_port(sw->ts, in_port);

    if (channel_is_message(frame, len)) {
        receive_message(sb, sw, frame, len);
    } else if (port && port->role == TOPOLOGY_EDGE) {
        stations_learn(sb->stations, frame, len, &sw->uuid, port->name,
                       time_msec());
    }
}

static void
run_tree(struct southbound *sb)
{
    if (!tree_is_pending(&sb->tree)) {
        return;
    }
    if (fleet_has_flows(&sb->fleet) || time_msec() >= sb->tree_until) {
        tree_settle(&sb->tree);
        make_fabric(sb);
    } else {
        poll_timer_wait_until(sb->tree_until);
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

/* Sums up what some more switches say about hosts and services. */
static void
run_tally(struct southbound *sb)
{
    if (time_msec() < sb->next_tally
        || !fleet_count(&sb->fleet, &sb->counted, TALLY_SWITCHES,
                        &sb->counting)) {
        return;
    }
    tally_swap(&sb->tally, &sb->counting);
    tally_destroy(&sb->counting);
    tally_init(&sb->counting);
    memset(&sb->counted, 0, sizeof sb->counted);
    sb->has_tally = true;
    sb->next_tally = time_msec() + TALLY_MSEC;
}

/* To read what all switches have, and to send what they have not, takes more
 * memory than it takes to go on with that. */
static void
run_start(struct southbound *sb)
{
    if (time_msec() < sb->start_ends) {
        return;
    } else if (fleet_is_synced(&sb->fleet)) {
        malloc_trim(0);
        sb->start_ends = LLONG_MAX;
    } else {
        sb->start_ends = time_msec() + START_MSEC;
    }
}

static void
run_reports(struct southbound *sb, struct ovsdb_idl_txn *txn,
            const struct omrec_fabric *fabric)
{
    if (time_msec() >= sb->next_report && txn && fabric) {
        struct events events = EVENTS_INITIALIZER(sb->loop.idl, txn);

        report_active(sb, fabric);
        decider_report(sb->decider, &events);
        if (!sb->links_are_told && !sb->fabric_is_old) {
            sb->links_are_told = true;
            report_links(&events, sb->topology);
        }
        report_switches(&events, &sb->fleet, fabric, !sb->fabric_is_old);
        run_start(sb);
        run_tally(sb);
        if (sb->has_tally) {
            report_services(sb->loop.idl, &sb->tally);
            report_hosts(&events, sb->report++ % REPORT_PARTS, &sb->tally,
                         sb->agents, sb->health, &sb->fabric, sb->topology);
            balance_report(&sb->balance, &events);
        }
        sb->next_report = time_msec() + REPORT_MSEC;
    }
    if (time_msec() < sb->next_report) {
        poll_timer_wait_until(sb->next_report);
    }
}

/* All of it. */

static void
activate(struct southbound *sb)
{
    struct siphash_key key;

    get_entropy_or_die(&key, sizeof key);
    sb->topology = topology_create(&key, send_probe, sb);
    sb->decider = decider_create(sb->loop.idl, send_decision, sb);
    fleet_init(&sb->fleet, sb->loop.idl, sb->topology, &fleet_ops, sb);
    sb->next_report = sb->next_tally = sb->next_balance = 0;
    sb->links_are_told = sb->has_tally = false;
    sb->start_ends = time_msec() + START_MSEC;
    tally_init(&sb->tally);
    tally_init(&sb->counting);
    memset(&sb->counted, 0, sizeof sb->counted);
    sb->live = (struct live) {
        .active = true,
        .fleet = &sb->fleet,
        .topology = sb->topology,
        .fabric = &sb->fabric,
        .routes = &sb->routes,
        .decider = sb->decider,
        .census = census_create(&sb->fleet),
    };
    sb->health = health_create(sb->loop.idl);
    balance_init(&sb->balance, sb->loop.idl, sb->agents, sb->health);
    sb->seqno = 0;
    sb->checked_probes = false;
    stations_begin(sb->stations);
    sb->places_seqno = 0;
    sb->fabric_is_old = true;
    sb->next_fabric = 0;
    tree_init(&sb->tree);
    fabric_init(&sb->fabric);
    fabric_route(&sb->fabric, &sb->routes);
    flow_table_init(&sb->far);
}

static void
deactivate(struct southbound *sb)
{
    census_destroy(sb->live.census);
    sb->live.active = false;
    decider_destroy(sb->decider);
    fleet_uninit(&sb->fleet);
    balance_uninit(&sb->balance);
    health_destroy(sb->health);
    tally_destroy(&sb->tally);
    tally_destroy(&sb->counting);
    topology_destroy(sb->topology);
    tree_uninit(&sb->tree);
    fabric_destroy(&sb->fabric);
    fabric_routes_uninit(&sb->routes);
    flow_table_destroy(&sb->far);
}

static void
set_active(struct southbound *sb, bool active)
{
    sb->active = active;
    sb->since = time_wall();
    agents_set_active(sb->agents, active);
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
        ovsdb_idl_loop_destroy(&sb->loop);
        free(sb->name);
        free(sb->remote);
        free(sb);
    }
}

/* Brings the databases of switches up to date.  Changes of pools and their
 * hosts are many; of the others everything is compared.  'moved' tells that
 * the fabric is another one. */
static void
run_databases(struct southbound *sb, bool moved)
{
    static const struct ovsdb_idl_table_class *const tables[] = {
        &omrec_table_fabric,
        &omrec_table_service,
        &omrec_table_rule,
        &omrec_table_switch,
    };
    struct sset pools = SSET_INITIALIZER(&pools);
    const struct omrec_pool *pool;
    const struct omrec_host *host;
    bool changed = false;

    for (size_t i = 0; i < ARRAY_SIZE(tables); i++) {
        changed |= tracking_has_changed(sb->loop.idl, tables[i]);
    }
    OMREC_HOST_FOR_EACH_TRACKED (host, sb->loop.idl) {
        changed |= ovsdb_idl_track_is_updated(&host->header_,
                                              &omrec_host_col_ip);
    }
    /* What hosts say of themselves changes the pools that refer to them. */
    OMREC_POOL_FOR_EACH_TRACKED (pool, sb->loop.idl) {
        if (tracking_comes_or_goes(&pool->header_)) {
            changed = true;
        } else {
            sset_add(&pools, pool->name);
        }
    }
    if (health_run(sb->health) || changed
        || time_msec() >= sb->next_balance) {
        balance_run(&sb->balance, &sb->tally, &pools);
        sb->next_balance = time_msec() + BALANCE_MSEC;
    } else if (!sset_is_empty(&pools)) {
        balance_run_pools(&sb->balance, &sb->tally, &pools);
    }
    if (moved) {
        balance_add_places(&sb->balance, &pools);
    }
    poll_timer_wait_until(sb->next_balance);
    fleet_run_db(&sb->fleet, changed, &pools);
    sset_destroy(&pools);
}

static void
set_probes(struct southbound *sb)
{
    if (!sb->checked_probes && omrec_fabric_first(sb->loop.idl)) {
        sb->checked_probes = true;
        replica_check_probes(sb->loop.idl, sb->remote);
    }
    replica_set_probes(sb->loop.idl);
}

static void
run_active(struct southbound *sb, struct ovsdb_idl_txn *txn)
{
    struct ovsdb_idl *idl = sb->loop.idl;
    bool hurry = false;
    bool moved;

    if (sb->seqno != ovsdb_idl_get_seqno(idl)) {
        sb->seqno = ovsdb_idl_get_seqno(idl);
        hurry = fleet_update(&sb->fleet);
        health_update(sb->health);
    }
    fleet_run_openflow(&sb->fleet);
    decider_run(sb->decider);
    census_run(sb->live.census);
    topology_run(sb->topology, time_msec());
    moved = update_fabric(sb, hurry);
    run_tree(sb);
    if (!sb->fabric_is_old) {
        fleet_permit(&sb->fleet);
    }
    run_databases(sb, moved);
    if (txn) {
        stations_write(sb->stations, txn);
        set_probes(sb);
    }
    run_reports(sb, txn, omrec_fabric_first(idl));

    fleet_wait(&sb->fleet);
    decider_wait(sb->decider);
    census_wait(sb->live.census);
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
    if (!ovsdb_idl_loop_commit_and_wait(&sb->loop)) {
        sb->links_are_told = false;
    }
}

bool
southbound_is_active(const struct southbound *sb)
{
    return sb->active;
}

const struct live *
southbound_live(const struct southbound *sb)
{
    return &sb->live;
}
