/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "fleet.h"

#include <stdlib.h>

#include "controller/ovs-migrate-idl.h"
#include "openflow.h"
#include "openvswitch/poll-loop.h"
#include "switch-db.h"
#include "timeval.h"
#include "topology.h"
#include "util.h"

/* For so long it waits for all switches, before it changes what they have. */
#define PATIENCE_MSEC 2000

static void openflow_wanted(void *sw_, enum flows_section,
                            struct flow_table *);
static void openflow_packet_in(void *sw_, ofp_port_t in_port,
                               const void *frame, size_t len);

static const struct openflow_ops openflow_ops = {
    .wanted = openflow_wanted,
    .packet_in = openflow_packet_in,
};

void
fleet_init(struct fleet *f, struct ovsdb_idl *idl, struct topology *topology,
           const struct fleet_ops *ops, void *aux)
{
    f->idl = idl;
    f->topology = topology;
    f->ops = ops;
    f->aux = aux;
    hmap_init(&f->switches);
    f->patient_until = time_msec() + PATIENCE_MSEC;
    f->links_seqno = topology_seqno(topology);
    pool_weights_init(&f->weights);
}

static void
switch_destroy(struct fleet_switch *sw)
{
    hmap_remove(&sw->fleet->switches, &sw->node);
    openflow_destroy(sw->of);
    switch_db_destroy(sw->db);
    topology_remove_switch(sw->ts);
    sset_destroy(&sw->links);
    free(sw->openflow);
    free(sw->ovsdb);
    free(sw);
}

void
fleet_uninit(struct fleet *f)
{
    struct fleet_switch *sw;

    HMAP_FOR_EACH_SAFE (sw, node, &f->switches) {
        switch_destroy(sw);
    }
    hmap_destroy(&f->switches);
    pool_weights_uninit(&f->weights);
}

static struct fleet_switch *
find_switch(const struct fleet *f, const struct uuid *uuid)
{
    struct fleet_switch *sw;

    HMAP_FOR_EACH_WITH_HASH (sw, node, uuid_hash(uuid), &f->switches) {
        if (uuid_equals(&sw->uuid, uuid)) {
            return sw;
        }
    }
    return NULL;
}

static void
switch_create(struct fleet *f, const struct omrec_switch *row)
{
    struct fleet_switch *sw = xzalloc(sizeof *sw);

    sw->fleet = f;
    sw->uuid = row->header_.uuid;
    sw->dpid = strtoull(row->dpid, NULL, 16);
    sw->openflow = nullable_xstrdup(row->openflow);
    sw->ovsdb = nullable_xstrdup(row->ovsdb);
    sw->index = SIZE_MAX;
    sset_init(&sw->links);
    hmap_insert(&f->switches, &sw->node, uuid_hash(&sw->uuid));
    sw->ts = topology_add_switch(f->topology, sw->dpid);
    if (sw->openflow) {
        sw->of = openflow_create(sw->openflow, sw->dpid, &openflow_ops, sw);
    }
    if (sw->ovsdb) {
        sw->db = switch_db_create(sw->ovsdb);
    }
}

bool
fleet_update(struct fleet *f)
{
    const struct omrec_switch *row;
    struct fleet_switch *sw;
    bool changed = false;

    HMAP_FOR_EACH_SAFE (sw, node, &f->switches) {
        row = omrec_switch_get_for_uuid(f->idl, &sw->uuid);
        if (!row || strtoull(row->dpid, NULL, 16) != sw->dpid
            || !nullable_string_is_equal(row->openflow, sw->openflow)
            || !nullable_string_is_equal(row->ovsdb, sw->ovsdb)) {
            switch_destroy(sw);
            changed = true;
        }
    }
    OMREC_SWITCH_FOR_EACH (row, f->idl) {
        if (!find_switch(f, &row->header_.uuid)) {
            switch_create(f, row);
            changed = true;
        }
    }
    return changed;
}

/* OpenFlow. */

static void
openflow_wanted(void *sw_, enum flows_section section, struct flow_table *ft)
{
    const struct fleet_switch *sw = sw_;

    sw->fleet->ops->wanted(sw->fleet->aux, sw, section, ft);
}

static void
openflow_packet_in(void *sw_, ofp_port_t in_port, const void *frame,
                   size_t len)
{
    struct fleet_switch *sw = sw_;

    if (!topology_receive(sw->ts, in_port, frame, len)) {
        sw->fleet->ops->packet_in(sw->fleet->aux, sw, in_port, frame, len);
    }
}

void
fleet_touch(struct fleet *f, enum flows_section section)
{
    struct fleet_switch *sw;

    HMAP_FOR_EACH (sw, node, &f->switches) {
        if (sw->of) {
            openflow_touch(sw->of, section);
        }
    }
}

void
fleet_send(struct fleet *f, uint64_t dpid, ofp_port_t port, const void *frame,
           size_t len)
{
    struct fleet_switch *sw;

    HMAP_FOR_EACH (sw, node, &f->switches) {
        if (sw->dpid == dpid && sw->of) {
            openflow_send(sw->of, port, frame, len);
        }
    }
}

void
fleet_submit(struct fleet *f, uint64_t dpid, const void *frame, size_t len)
{
    struct fleet_switch *sw;

    HMAP_FOR_EACH (sw, node, &f->switches) {
        if (sw->dpid == dpid && sw->of) {
            openflow_submit(sw->of, frame, len);
        }
    }
}

static void
update_ports(struct fleet_switch *sw)
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
run_openflow(struct fleet_switch *sw)
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

void
fleet_run_openflow(struct fleet *f)
{
    struct fleet_switch *sw;

    HMAP_FOR_EACH (sw, node, &f->switches) {
        if (sw->of) {
            run_openflow(sw);
        }
    }
}

static bool
all_reachable(const struct fleet *f)
{
    const struct fleet_switch *sw;

    HMAP_FOR_EACH (sw, node, &f->switches) {
        if (sw->of && !openflow_is_ready(sw->of)) {
            return false;
        }
    }
    return true;
}

void
fleet_permit(struct fleet *f)
{
    bool patient = (time_msec() < f->patient_until && !all_reachable(f));
    struct fleet_switch *sw;

    HMAP_FOR_EACH (sw, node, &f->switches) {
        if (sw->of && openflow_is_ready(sw->of) && !sw->may_program
            && (!openflow_has_flows(sw->of)
                || (!patient && topology_is_settled(sw->ts)))) {
            sw->may_program = true;
            poll_immediate_wake();
        }
    }
    if (patient) {
        poll_timer_wait_until(f->patient_until);
    }
}

bool
fleet_has_flows(const struct fleet *f)
{
    const struct fleet_switch *sw;

    HMAP_FOR_EACH (sw, node, &f->switches) {
        if (sw->of && openflow_is_ready(sw->of)
            && !openflow_is_synced(sw->of)) {
            return false;
        }
    }
    return true;
}

void
fleet_wait(const struct fleet *f)
{
    struct fleet_switch *sw;

    HMAP_FOR_EACH (sw, node, &f->switches) {
        if (sw->of) {
            openflow_wait(sw->of);
        }
    }
}

/* OVSDB. */

static void
update_switch_links(struct fleet_switch *sw)
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
update_links(struct fleet *f)
{
    struct fleet_switch *sw;

    if (f->links_seqno != topology_seqno(f->topology)) {
        f->links_seqno = topology_seqno(f->topology);
        HMAP_FOR_EACH (sw, node, &f->switches) {
            update_switch_links(sw);
        }
    }
}

static bool
get_weights(const void *sw_, const struct omrec_pool *pool, int64_t weights[])
{
    const struct fleet_switch *sw = sw_;

    return sw->fleet->ops->weights(sw->fleet->aux, sw, pool, weights);
}

struct switch_weights
fleet_weights(const struct fleet_switch *sw)
{
    return (struct switch_weights) { &sw->fleet->weights, get_weights, sw };
}

static void
run_db(struct fleet_switch *sw, const struct sset *pools)
{
    const struct ovsdb_idl *idl = sw->fleet->idl;
    struct switch_db_wanted wanted = {
        .idl = idl,
        .fabric = omrec_fabric_first(idl),
        .sw = omrec_switch_get_for_uuid(idl, &sw->uuid),
        .links = &sw->links,
        .pools = pools,
        .weights = fleet_weights(sw),
    };

    if (wanted.sw && wanted.fabric) {
        switch_db_run(sw->db, &wanted, sw->db_changed);
        sw->db_changed = false;
    } else {
        sw->db_changed = true;
    }
}

void
fleet_run_db(struct fleet *f, bool changed, const struct sset *pools)
{
    struct fleet_switch *sw;

    if (changed || !sset_is_empty(pools)) {
        pool_weights_clear(&f->weights);
    }
    update_links(f);
    HMAP_FOR_EACH (sw, node, &f->switches) {
        if (sw->db) {
            sw->db_changed |= changed;
            run_db(sw, pools);
        }
    }
}

bool
fleet_is_synced(const struct fleet *f)
{
    const struct fleet_switch *sw;

    HMAP_FOR_EACH (sw, node, &f->switches) {
        if (sw->db && switch_db_is_connected(sw->db)
            && !switch_db_is_synced(sw->db)) {
            return false;
        }
    }
    return fleet_has_flows(f);
}

bool
fleet_count(const struct fleet *f, struct hmap_position *at, size_t n,
            struct tally *tally)
{
    for (size_t i = 0; i < n; i++) {
        struct hmap_node *node = hmap_at_position(&f->switches, at);
        const struct fleet_switch *sw;
        const struct omrec_switch *row;

        if (!node) {
            return true;
        }
        sw = CONTAINER_OF(node, struct fleet_switch, node);
        row = omrec_switch_get_for_uuid(f->idl, &sw->uuid);
        if (sw->db && row) {
            switch_db_count(sw->db, row, tally);
        }
    }
    return false;
}
