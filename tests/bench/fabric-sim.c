/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* Many switches in one process, as a controller sees them.
 *
 *     fabric-sim DIR SPINES LEAVES PORTS
 *
 * Switch I, counted from 1, spines first, has the datapath ID I.  It listens
 * to OpenFlow at DIR/I.mgmt, and is the ovs-vswitchd of the database at
 * DIR/I.sock, which somebody else serves.  Each spine has a link to each leaf.
 * Ports are called p1, p2 and so on: those of links come first, and a leaf has
 * PORTS more, for hosts.
 *
 * A switch keeps the flows and groups that it is sent and tells of them; it
 * carries what is sent to links to the other end, as packet-ins; and it takes
 * every change of its database as carried out.  It forwards nothing.
 *
 * Standard input is a line of words each:
 *
 *     weight POOL HOST NUMBER     when all leaves have that weight, print
 *                                 "weight" and for each of them when it got
 *                                 it: CLOCK_MONOTONIC in milliseconds
 *     count                       print the numbers of flows and of groups of
 *                                 all switches, and how often the database of
 *                                 one has changed, of all */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fatal-signal.h"
#include "flow-entry.h"
#include "flow-table.h"
#include "flow.h"
#include "openflow/openflow.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-bundle.h"
#include "openvswitch/ofp-group.h"
#include "openvswitch/ofp-monitor.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-packet.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/ofp-switch.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/rconn.h"
#include "openvswitch/vconn.h"
#include "openvswitch/vlog.h"
#include "smap.h"
#include "socket-util.h"
#include "stream.h"
#include "util.h"
#include "vswitch-idl.h"

#define OPENFLOW_VERSION OFP15_VERSION
#define MESSAGES_PER_RUN 200

struct sim;

struct sim_switch {
    struct sim *sim;
    int number;
    int n_ports;

    struct pvconn *listener;
    struct rconn *rconn;        /* NULL if there is no controller. */
    struct flow_table flows;

    struct ovsdb_idl_loop db;
    unsigned int seqno;
    double reached;             /* When the weight was what is waited for. */
};

struct sim {
    int n_spines, n_leaves;
    struct sim_switch *switches;
    int n_switches;
    int orders;                 /* A copy of standard input: poll_fd_wait()
                                 * takes no 0. */

    char pool[64], host[64];    /* What is waited for, if 'pool' is not "". */
    char weight[16];
};

static double
now_msec(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

static bool
is_leaf(const struct sim_switch *sw)
{
    return sw->number > sw->sim->n_spines;
}

/* OpenFlow. */

static enum ofputil_protocol
protocol(void)
{
    return ofputil_protocol_from_ofp_version(OPENFLOW_VERSION);
}

static void
send_message(struct sim_switch *sw, struct ofpbuf *msg)
{
    rconn_send(sw->rconn, msg, NULL);
}

static void
send_all(struct sim_switch *sw, struct ovs_list *msgs)
{
    struct ofpbuf *msg;

    LIST_FOR_EACH_POP (msg, list_node, msgs) {
        send_message(sw, msg);
    }
}

static void
send_features(struct sim_switch *sw, const struct ofp_header *oh)
{
    struct ofputil_switch_features features = {
        .datapath_id = sw->number,
        .n_tables = 254,
    };

    send_message(sw, ofputil_encode_switch_features(&features, protocol(),
                                                    oh->xid));
}

static void
send_ports(struct sim_switch *sw, const struct ofp_header *oh)
{
    struct ovs_list replies;

    ofpmp_init(&replies, oh);
    for (int i = 1; i <= sw->n_ports; i++) {
        struct ofputil_phy_port pp = {
            .port_no = u16_to_ofp(i),
            .hw_addr.ea = { 2, 1, sw->number >> 8, sw->number, i >> 8, i },
            .state = OFPUTIL_PS_LIVE,
        };

        snprintf(pp.name, sizeof pp.name, "p%d", i);
        ofputil_append_port_desc_stats_reply(&pp, &replies);
    }
    send_all(sw, &replies);
}

static void
send_groups(struct sim_switch *sw, const struct ofp_header *oh)
{
    const struct flow_table_group *group;
    struct ovs_list replies;

    ofpmp_init(&replies, oh);
    HMAP_FOR_EACH (group, node, &sw->flows.groups) {
        struct ofputil_group_desc gd = {
            .type = group->entry->type,
            .group_id = group->entry->id,
        };

        ofputil_append_group_desc_reply(&gd, &group->entry->buckets,
                                        &replies);
    }
    send_all(sw, &replies);
}

static void
send_flows(struct sim_switch *sw, const struct ofp_header *oh)
{
    const struct flow_table_flow *f;
    struct ovs_list replies;

    ofpmp_init(&replies, oh);
    HMAP_FOR_EACH (f, node, &sw->flows.flows) {
        const struct flow_entry *flow = f->entry;
        struct ofputil_flow_update update = {
            .event = OFPFME_INITIAL,
            .table_id = flow->table,
            .priority = flow->priority,
            .cookie = flow->cookie,
            .ofpacts = flow->ofpacts,
            .ofpacts_len = flow->ofpacts_len,
        };

        minimatch_expand(&flow->match, &update.match);
        ofputil_append_flow_update(&update, &replies, NULL);
    }
    send_all(sw, &replies);
}

static void
take_flow_mod(struct sim_switch *sw, const struct ofputil_flow_mod *fm)
{
    struct flow_entry *flow;
    struct match match;

    minimatch_expand(&fm->match, &match);
    flow = flow_entry_create(fm->table_id, fm->priority, &match,
                             fm->new_cookie, fm->ofpacts, fm->ofpacts_len);
    if (fm->command == OFPFC_ADD) {
        flow_table_put_flow(&sw->flows, flow);
    } else {
        flow_table_remove_flow(&sw->flows, flow);
        flow_entry_unref(flow);
    }
}

static void
take_group_mod(struct sim_switch *sw, const struct ofputil_group_mod *gm)
{
    if (gm->command == OFPGC11_DELETE) {
        flow_table_remove_group(&sw->flows, gm->group_id);
    } else {
        flow_table_put_group(&sw->flows,
                             group_entry_create(gm->group_id, gm->type,
                                                &gm->buckets));
    }
}

/* It takes effect at once, not when the bundle is committed: nobody looks. */
static void
take_bundled(struct sim_switch *sw, const struct ofp_header *oh)
{
    struct ofputil_bundle_add_msg add;
    struct ofputil_bundle_msg msg;
    uint64_t stub[1024 / 8];
    struct ofpbuf ofpacts = OFPBUF_STUB_INITIALIZER(stub);
    enum ofperr error = ofputil_decode_bundle_add(oh, &add, &msg.type);

    if (!error && msg.type == OFPTYPE_FLOW_MOD) {
        error = ofputil_decode_flow_mod(&msg.fm, add.msg, protocol(), NULL,
                                        NULL, &ofpacts, OFPP_MAX, 255);
        if (!error) {
            take_flow_mod(sw, &msg.fm);
            minimatch_destroy(&msg.fm.match);
        }
    } else if (!error) {
        error = ofputil_decode_group_mod(add.msg, &msg.gm);
        if (!error) {
            take_group_mod(sw, &msg.gm);
            ofputil_uninit_group_mod(&msg.gm);
        }
    }
    ofpbuf_uninit(&ofpacts);
    if (error) {
        ovs_fatal(0, "%s", ofperr_to_string(error));
    }
}

static void
control_bundle(struct sim_switch *sw, const struct ofp_header *oh)
{
    struct ofputil_bundle_ctrl_msg msg;

    if (!ofputil_decode_bundle_ctrl(oh, &msg)) {
        msg.type++;             /* From the request to its reply. */
        send_message(sw, ofputil_encode_bundle_ctrl_reply(oh, &msg));
    }
}

/* Has 'frame' come in at a port. */
static void
receive(struct sim_switch *sw, int port, const void *frame, size_t len)
{
    struct ofputil_packet_in_private pin = {
        .base = {
            .packet = CONST_CAST(void *, frame),
            .packet_len = len,
            .reason = OFPR_ACTION,
        },
    };

    match_init_catchall(&pin.base.flow_metadata);
    match_set_in_port(&pin.base.flow_metadata, u16_to_ofp(port));
    if (sw->rconn && rconn_is_connected(sw->rconn)) {
        send_message(sw, ofputil_encode_packet_in_private(
                         &pin, protocol(), OFPUTIL_PACKET_IN_STD));
    }
}

/* Carries 'frame' to the other end of the link at a port, if that is one. */
static void
carry(struct sim_switch *sw, int port, const void *frame, size_t len)
{
    struct sim *sim = sw->sim;

    if (!is_leaf(sw) && port <= sim->n_leaves) {
        receive(&sim->switches[sim->n_spines + port - 1], sw->number, frame,
                len);
    } else if (is_leaf(sw) && port <= sim->n_spines) {
        receive(&sim->switches[port - 1], sw->number - sim->n_spines, frame,
                len);
    }
}

static void
send_out(struct sim_switch *sw, const struct ofp_header *oh)
{
    uint64_t stub[256 / 8];
    struct ofpbuf ofpacts = OFPBUF_STUB_INITIALIZER(stub);
    struct ofputil_packet_out po;
    const struct ofpact *a;

    if (!ofputil_decode_packet_out(&po, oh, NULL, &ofpacts)) {
        OFPACT_FOR_EACH (a, po.ofpacts, po.ofpacts_len) {
            if (a->type == OFPACT_OUTPUT) {
                carry(sw, ofp_to_u16(ofpact_get_OUTPUT(a)->port), po.packet,
                      po.packet_len);
            }
        }
    }
    ofpbuf_uninit(&ofpacts);
}

static void
take_message(struct sim_switch *sw, const struct ofp_header *oh)
{
    enum ofptype type;

    if (ofptype_decode(&type, oh)) {
        ovs_fatal(0, "what is this?");
    }
    switch ((int) type) {
    case OFPTYPE_ECHO_REQUEST:
        send_message(sw, ofputil_encode_echo_reply(oh));
        break;
    case OFPTYPE_FEATURES_REQUEST:
        send_features(sw, oh);
        break;
    case OFPTYPE_PORT_DESC_STATS_REQUEST:
        send_ports(sw, oh);
        break;
    case OFPTYPE_GROUP_DESC_STATS_REQUEST:
        send_groups(sw, oh);
        break;
    case OFPTYPE_FLOW_MONITOR_STATS_REQUEST:
        send_flows(sw, oh);
        break;
    case OFPTYPE_BARRIER_REQUEST:
        send_message(sw, ofpraw_alloc_reply(OFPRAW_OFPT11_BARRIER_REPLY, oh,
                                            0));
        break;
    case OFPTYPE_BUNDLE_ADD_MESSAGE:
        take_bundled(sw, oh);
        break;
    case OFPTYPE_BUNDLE_CONTROL:
        control_bundle(sw, oh);
        break;
    case OFPTYPE_PACKET_OUT:
        send_out(sw, oh);
        break;
    }
}

static void
run_openflow(struct sim_switch *sw)
{
    struct vconn *vconn;

    if (!sw->rconn && !pvconn_accept(sw->listener, &vconn)) {
        sw->rconn = rconn_create(0, 0, DSCP_DEFAULT, 1u << OPENFLOW_VERSION);
        rconn_connect_unreliably(sw->rconn, vconn, "controller");
    }
    if (sw->rconn) {
        rconn_run(sw->rconn);
        for (int i = 0; i < MESSAGES_PER_RUN; i++) {
            struct ofpbuf *msg = rconn_recv(sw->rconn);

            if (!msg) {
                break;
            }
            take_message(sw, msg->data);
            ofpbuf_delete(msg);
        }
        if (!rconn_is_alive(sw->rconn)) {
            rconn_destroy(sw->rconn);
            sw->rconn = NULL;
        }
    }
}

/* OVSDB. */

/* Whether the weight is what is waited for. */
static bool
has_weight(const struct sim_switch *sw)
{
    const struct ovsrec_migration_pool *pool;

    OVSREC_MIGRATION_POOL_FOR_EACH (pool, sw->db.idl) {
        if (!strcmp(pool->name, sw->sim->pool)) {
            for (size_t i = 0; i < pool->n_weights; i++) {
                if (!strcmp(pool->key_weights[i], sw->sim->host)) {
                    return pool->value_weights[i] == atoi(sw->sim->weight);
                }
            }
        }
    }
    return false;
}

static void
run_db(struct sim_switch *sw)
{
    struct ovsdb_idl_txn *txn = ovsdb_idl_loop_run(&sw->db);
    const struct ovsrec_open_vswitch *ovs
        = ovsrec_open_vswitch_first(sw->db.idl);

    if (sw->seqno != ovsdb_idl_get_seqno(sw->db.idl)) {
        sw->seqno = ovsdb_idl_get_seqno(sw->db.idl);
        if (sw->sim->pool[0] && !sw->reached && is_leaf(sw)
            && has_weight(sw)) {
            sw->reached = now_msec();
        }
    }
    if (txn && ovs && ovs->cur_cfg != ovs->next_cfg) {
        ovsrec_open_vswitch_set_cur_cfg(ovs, ovs->next_cfg);
    }
    ovsdb_idl_loop_commit_and_wait(&sw->db);
}

static void
open_switch(struct sim *sim, int number, const char *dir, int n_ports)
{
    struct sim_switch *sw = &sim->switches[number - 1];
    char *remote = xasprintf("unix:%s/%d.sock", dir, number);
    char *name = xasprintf("punix:%s/%d.mgmt", dir, number);
    struct ovsdb_idl *idl = ovsdb_idl_create(remote, &ovsrec_idl_class, false,
                                             true);
    int error;

    ovsdb_idl_add_column(idl, &ovsrec_open_vswitch_col_next_cfg);
    ovsdb_idl_add_column(idl, &ovsrec_open_vswitch_col_cur_cfg);
    ovsdb_idl_add_column(idl, &ovsrec_migration_pool_col_name);
    ovsdb_idl_add_column(idl, &ovsrec_migration_pool_col_weights);
    sw->sim = sim;
    sw->number = number;
    sw->n_ports = (is_leaf(sw) ? sim->n_spines + n_ports : sim->n_leaves);
    sw->db = (struct ovsdb_idl_loop) OVSDB_IDL_LOOP_INITIALIZER(idl);
    flow_table_init(&sw->flows);
    error = pvconn_open(name, 1u << OPENFLOW_VERSION, DSCP_DEFAULT,
                        &sw->listener);
    if (error) {
        ovs_fatal(error, "%s", name);
    }
    free(remote);
    free(name);
}

/* Orders. */

static void
count(const struct sim *sim)
{
    unsigned int changes = 0;
    size_t flows = 0, groups = 0;

    for (int i = 0; i < sim->n_switches; i++) {
        flows += hmap_count(&sim->switches[i].flows.flows);
        groups += hmap_count(&sim->switches[i].flows.groups);
        changes += sim->switches[i].seqno;
    }
    printf("%"PRIuSIZE" %"PRIuSIZE" %u\n", flows, groups, changes);
    fflush(stdout);
}

static void
take_order(struct sim *sim, const char *line)
{
    if (!strcmp(line, "count")) {
        count(sim);
    } else if (sscanf(line, "weight %63s %63s %15s", sim->pool, sim->host,
                      sim->weight) == 3) {
        for (int i = 0; i < sim->n_switches; i++) {
            sim->switches[i].reached = 0;
        }
    } else {
        ovs_fatal(0, "%s: what is this?", line);
    }
}

/* Takes what has come in on standard input; ends the program at its end. */
static void
run_orders(struct sim *sim)
{
    static char buf[256];
    static size_t n;
    ssize_t got = read(sim->orders, buf + n, sizeof buf - 1 - n);
    char *end;

    if (!got) {
        exit(0);
    }
    n += MAX(got, 0);
    buf[n] = '\0';
    while ((end = strchr(buf, '\n'))) {
        *end = '\0';
        take_order(sim, buf);
        n -= end + 1 - buf;
        memmove(buf, end + 1, n + 1);
    }
}

/* Tells when all leaves have what is waited for. */
static void
run_weight(struct sim *sim)
{
    if (!sim->pool[0]) {
        return;
    }
    for (int i = sim->n_spines; i < sim->n_switches; i++) {
        if (!sim->switches[i].reached) {
            return;
        }
    }
    printf("weight");
    for (int i = sim->n_spines; i < sim->n_switches; i++) {
        printf(" %.3f", sim->switches[i].reached);
    }
    printf("\n");
    fflush(stdout);
    sim->pool[0] = '\0';
}

static void
wait_all(struct sim *sim)
{
    for (int i = 0; i < sim->n_switches; i++) {
        struct sim_switch *sw = &sim->switches[i];

        if (sw->rconn) {
            rconn_run_wait(sw->rconn);
            rconn_recv_wait(sw->rconn);
        } else {
            pvconn_wait(sw->listener);
        }
    }
    poll_fd_wait(sim->orders, POLLIN);
    poll_block();
}

int
main(int argc, char *argv[])
{
    struct sim sim = { 0 };

    set_program_name(argv[0]);
    fatal_ignore_sigpipe();
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_ERR);
    if (argc != 5) {
        ovs_fatal(0, "usage: fabric-sim DIR SPINES LEAVES PORTS");
    }
    sim.n_spines = atoi(argv[2]);
    sim.n_leaves = atoi(argv[3]);
    sim.n_switches = sim.n_spines + sim.n_leaves;
    sim.switches = xcalloc(sim.n_switches, sizeof *sim.switches);
    for (int i = 1; i <= sim.n_switches; i++) {
        open_switch(&sim, i, argv[1], atoi(argv[4]));
    }
    sim.orders = dup(STDIN_FILENO);
    set_nonblocking(sim.orders);
    for (;;) {
        for (int i = 0; i < sim.n_switches; i++) {
            run_openflow(&sim.switches[i]);
            run_db(&sim.switches[i]);
        }
        run_orders(&sim);
        run_weight(&sim);
        wait_all(&sim);
    }
}
