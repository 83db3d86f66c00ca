/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "openflow.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "flow-entry.h"
#include "flow-mods.h"
#include "flow-table.h"
#include "flow.h"
#include "hash.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-bundle.h"
#include "openvswitch/ofp-connection.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/ofp-group.h"
#include "openvswitch/ofp-monitor.h"
#include "openvswitch/ofp-msgs.h"
#include "openvswitch/ofp-packet.h"
#include "openvswitch/ofp-print.h"
#include "openvswitch/ofp-switch.h"
#include "openvswitch/ofp-util.h"
#include "openvswitch/ofpbuf.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/rconn.h"
#include "openvswitch/vlog.h"
#include "socket-util.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(openflow);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(20, 20);

/* Bundles, and news of changed groups, came with OpenFlow 1.4. */
#define VERSIONS (1u << OFP14_VERSION | 1u << OFP15_VERSION)

#define PROBE_SECONDS 5
#define MAX_BACKOFF_SECONDS 1
#define MESSAGES_PER_RUN 200    /* Others have something to do as well. */
#define RETRY_MSEC 1000         /* After the switch has refused something. */
#define QUEUE_MAX 1000          /* Messages that wait to be sent: what the
                                 * switch has not taken yet takes memory. */

enum state {
    S_DISCONNECTED,
    S_FEATURES,                 /* Waits for the datapath ID. */
    S_COPY,                     /* Waits for the end of ports and flows. */
    S_READY,
    S_REFUSED,                  /* Waits for 'retry'. */
};

struct openflow {
    struct rconn *rconn;
    uint64_t dpid;
    const struct openflow_ops *ops;
    void *aux;

    enum state state;
    unsigned int connection;    /* Seqno of 'rconn' that 'state' is of. */
    ovs_be32 barrier_xid;       /* In S_COPY. */
    long long int retry;        /* In S_REFUSED. */
    char *error;                /* Why the switch refused the last time. */

    struct hmap ports;          /* Of "struct openflow_port"s. */
    unsigned int ports_seqno;

    /* What the switch has; groups are in FLOWS_PORTS.  'dirty' sections are to
     * be compared with what is wanted. */
    struct flow_table there[FLOWS_N_SECTIONS];
    bool dirty[FLOWS_N_SECTIONS];
    ovs_be32 groups_xid;        /* Of the list of groups that is under way. */

    /* What is being sent, or was and is not answered yet, or nothing. */
    struct flow_mods mods;
    size_t n_sent;
    struct rconn_packet_counter *queued;
    uint32_t bundle_id;         /* Of the last one. */
};

/* Returns the xid. */
static ovs_be32
send_message(struct openflow *of, struct ofpbuf *msg)
{
    const struct ofp_header *oh = msg->data;
    ovs_be32 xid = oh->xid;

    rconn_send(of->rconn, msg, of->queued);
    return xid;
}

static enum ofp_version
version(const struct openflow *of)
{
    return rconn_get_version(of->rconn);
}

static enum ofputil_protocol
protocol(const struct openflow *of)
{
    return ofputil_protocol_from_ofp_version(version(of));
}

static void
clear_ports(struct openflow *of)
{
    struct openflow_port *port;

    HMAP_FOR_EACH_POP (port, node, &of->ports) {
        free(port);
    }
}

static void
set_error(struct openflow *of, const char *format, ...)
    OVS_PRINTF_FORMAT(2, 3);

static void
set_error(struct openflow *of, const char *format, ...)
{
    va_list args;

    free(of->error);
    va_start(args, format);
    of->error = xvasprintf(format, args);
    va_end(args);
    VLOG_WARN_RL(&rl, "%s: %s", rconn_get_name(of->rconn), of->error);
}

static void
clear_error(struct openflow *of)
{
    free(of->error);
    of->error = NULL;
}

/* Leaves the switch alone for a while, and then begins anew. */
static void
refused(struct openflow *of)
{
    of->state = S_REFUSED;
    of->retry = time_msec() + RETRY_MSEC;
}

struct openflow *
openflow_create(const char *remote, uint64_t dpid,
                const struct openflow_ops *ops, void *aux)
{
    struct openflow *of = xzalloc(sizeof *of);

    of->rconn = rconn_create(PROBE_SECONDS, MAX_BACKOFF_SECONDS,
                             DSCP_DEFAULT, VERSIONS);
    rconn_connect(of->rconn, remote, remote);
    of->dpid = dpid;
    of->ops = ops;
    of->aux = aux;
    of->queued = rconn_packet_counter_create();
    hmap_init(&of->ports);
    for (int i = 0; i < FLOWS_N_SECTIONS; i++) {
        flow_table_init(&of->there[i]);
    }
    return of;
}

void
openflow_destroy(struct openflow *of)
{
    if (of) {
        rconn_destroy(of->rconn);
        rconn_packet_counter_destroy(of->queued);
        clear_ports(of);
        hmap_destroy(&of->ports);
        for (int i = 0; i < FLOWS_N_SECTIONS; i++) {
            flow_table_destroy(&of->there[i]);
        }
        flow_mods_uninit(&of->mods);
        clear_error(of);
        free(of);
    }
}

/* Setting up. */

static void
ask_features(struct openflow *of)
{
    of->state = S_FEATURES;
    send_message(of, ofpraw_alloc(OFPRAW_OFPT_FEATURES_REQUEST, version(of),
                                  0));
}

/* Has the switch tell of all that it otherwise would not. */
static void
subscribe(struct openflow *of)
{
    struct ofputil_switch_config config = { .miss_send_len = UINT16_MAX };
    struct ofputil_async_cfg async = OFPUTIL_ASYNC_CFG_INIT;

    send_message(of, ofputil_encode_set_config(&config, version(of)));
    async.primary[OAM_PACKET_IN] = 1u << OFPR_ACTION;
    async.primary[OAM_PORT_STATUS] = (1u << OFPPR_ADD | 1u << OFPPR_DELETE
                                      | 1u << OFPPR_MODIFY);
    async.primary[OAM_REQUESTFORWARD] = 1u << OFPRFR_GROUP_MOD;
    send_message(of, ofputil_encode_set_async_config(
                     &async, (1u << OAM_PACKET_IN | 1u << OAM_PORT_STATUS
                              | 1u << OAM_REQUESTFORWARD), version(of)));
}

static void
ask_groups(struct openflow *of)
{
    flow_table_clear_groups(&of->there[FLOWS_PORTS]);
    of->groups_xid = send_message(of, ofputil_encode_group_desc_request(
                                      version(of), OFPG_ALL));
}

static void
ask_flows(struct openflow *of)
{
    struct ofputil_flow_monitor_request rq = {
        .command = OFPFMC_ADD,
        .flags = (OFPFMF_INITIAL | OFPFMF_ADD | OFPFMF_REMOVED
                  | OFPFMF_MODIFY | OFPFMF_INSTRUCTIONS),
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
        .table_id = OFPTT_ALL,
        .match = MATCH_CATCHALL_INITIALIZER,
    };
    struct ofpbuf *msg = ofpbuf_new(0);

    ofputil_append_flow_monitor_request(&rq, msg, protocol(of));
    ofpmsg_update_length(msg);
    send_message(of, msg);
}

static void
got_features(struct openflow *of, const struct ofp_header *oh)
{
    struct ofputil_switch_features features;
    struct ofpbuf b = ofpbuf_const_initializer(oh, ntohs(oh->length));

    if (of->state != S_FEATURES) {
        return;
    } else if (ofputil_pull_switch_features(&b, &features)) {
        set_error(of, "the switch says what nobody understands");
        refused(of);
        return;
    } else if (features.datapath_id != of->dpid) {
        set_error(of, "the datapath ID is %016"PRIx64", not %016"PRIx64,
                  features.datapath_id, of->dpid);
        refused(of);
        return;
    }
    of->state = S_COPY;
    clear_ports(of);
    for (int i = 0; i < FLOWS_N_SECTIONS; i++) {
        flow_table_clear(&of->there[i]);
    }
    subscribe(of);
    send_message(of, ofputil_encode_port_desc_stats_request(version(of),
                                                            OFPP_ANY));
    ask_groups(of);
    ask_flows(of);
    of->barrier_xid = send_message(of, ofputil_encode_barrier_request(
                                       version(of)));
}

static void
got_barrier(struct openflow *of, const struct ofp_header *oh)
{
    if (of->state == S_COPY && oh->xid == of->barrier_xid) {
        of->state = S_READY;
        of->ports_seqno++;
        for (int i = 0; i < FLOWS_N_SECTIONS; i++) {
            of->dirty[i] = true;
        }
        VLOG_INFO("%s: connected", rconn_get_name(of->rconn));
    }
}

/* Ports. */

static void
put_port(struct openflow *of, const struct ofputil_phy_port *pp)
{
    uint32_t hash = hash_ofp_port(pp->port_no);
    struct openflow_port *port;

    HMAP_FOR_EACH_WITH_HASH (port, node, hash, &of->ports) {
        if (port->pp.port_no == pp->port_no) {
            port->pp = *pp;
            return;
        }
    }
    port = xmalloc(sizeof *port);
    port->pp = *pp;
    hmap_insert(&of->ports, &port->node, hash);
}

static void
remove_port(struct openflow *of, ofp_port_t number)
{
    struct openflow_port *port;

    HMAP_FOR_EACH_WITH_HASH (port, node, hash_ofp_port(number), &of->ports) {
        if (port->pp.port_no == number) {
            hmap_remove(&of->ports, &port->node);
            free(port);
            return;
        }
    }
}

static void
got_ports(struct openflow *of, const struct ofp_header *oh)
{
    struct ofpbuf b = ofpbuf_const_initializer(oh, ntohs(oh->length));
    struct ofputil_phy_port pp;

    ofpraw_pull_assert(&b);
    while (!ofputil_pull_phy_port(oh->version, &b, &pp)) {
        put_port(of, &pp);
    }
}

static void
got_port_status(struct openflow *of, const struct ofp_header *oh)
{
    struct ofputil_port_status ps;

    if (of->state < S_COPY || ofputil_decode_port_status(oh, &ps)) {
        return;
    } else if (ps.reason == OFPPR_DELETE) {
        remove_port(of, ps.desc.port_no);
    } else {
        put_port(of, &ps.desc);
    }
    of->ports_seqno += of->state == S_READY;
}

/* Flows and groups that the switch has. */

static void
got_flow_update(struct openflow *of, const struct ofputil_flow_update *u)
{
    enum flows_section section = flows_section_from_cookie(u->cookie);
    struct flow_entry *flow
        = flow_entry_create(u->table_id, u->priority, &u->match, u->cookie,
                            u->ofpacts, u->ofpacts_len);
    bool there = u->event != OFPFME_REMOVED;

    /* It may be another one's instead of ours, or the other way round. */
    for (int i = 0; i < FLOWS_N_SECTIONS; i++) {
        if (!there || section != i) {
            of->dirty[i] |= flow_table_remove_flow(&of->there[i], flow);
        }
    }
    if (there && section < FLOWS_N_SECTIONS) {
        flow_table_put_flow(&of->there[section], flow);
        of->dirty[section] = true;
    } else {
        flow_entry_unref(flow);
    }
}

static void
got_flow_updates(struct openflow *of, const struct ofp_header *oh)
{
    struct ofpbuf b = ofpbuf_const_initializer(oh, ntohs(oh->length));
    uint64_t stub[1024 / 8];
    struct ofpbuf ofpacts = OFPBUF_STUB_INITIALIZER(stub);
    struct ofputil_flow_update update;

    while (!ofputil_decode_flow_update(&update, &b, &ofpacts)) {
        /* What is abbreviated is our own doing.  Updates may be paused, but
         * nothing is missing when they resume. */
        if (update.event == OFPFME_INITIAL || update.event == OFPFME_ADDED
            || update.event == OFPFME_MODIFIED
            || update.event == OFPFME_REMOVED) {
            got_flow_update(of, &update);
        }
    }
    ofpbuf_uninit(&ofpacts);
}

static void
got_groups(struct openflow *of, const struct ofp_header *oh)
{
    struct ofpbuf b = ofpbuf_const_initializer(oh, ntohs(oh->length));
    struct ofputil_group_desc gd;

    if (oh->xid != of->groups_xid) {
        return;                 /* It was asked for again meanwhile. */
    }
    while (!ofputil_decode_group_desc_reply(&gd, &b, oh->version)) {
        flow_table_put_group(&of->there[FLOWS_PORTS],
                             group_entry_create(gd.group_id, gd.type,
                                                &gd.buckets));
        ofputil_uninit_group_desc(&gd);
    }
    if (!ofpmp_more(oh)) {
        of->groups_xid = 0;
        of->dirty[FLOWS_PORTS] = true;
    }
}

/* The switch refuses a request, of which it repeats the beginning. */
static void
got_error(struct openflow *of, const struct ofp_header *oh)
{
    struct ofpbuf payload;
    enum ofperr error = ofperr_decode_msg(oh, &payload);
    enum ofpraw raw;
    char *request;

    if (error && payload.size >= sizeof *oh
        && !ofpraw_decode_partial(&raw, payload.data, payload.size)
        && ofptype_from_ofpraw(raw) == OFPTYPE_PACKET_OUT) {
        /* The port is gone, for example. */
        VLOG_DBG("%s: %s", rconn_get_name(of->rconn),
                 ofperr_to_string(error));
    } else if (of->state != S_REFUSED) {
        request = ofp_to_string(payload.data, payload.size, NULL, NULL, 1);
        set_error(of, "the switch refuses a request: %s: %s",
                  ofperr_to_string(error), request);
        free(request);

        /* Why it does not take what it should is not known, so let us see
         * what it has. */
        refused(of);
    }
    ofpbuf_uninit(&payload);
}

/* Bundles. */

static void
bundle_control(struct openflow *of, uint16_t type)
{
    struct ofputil_bundle_ctrl_msg msg = {
        .bundle_id = of->bundle_id,
        .type = type,
        .flags = OFPBF_ATOMIC | OFPBF_ORDERED,
    };

    send_message(of, ofputil_encode_bundle_ctrl_request(version(of), &msg));
}

static void
bundle_add(struct openflow *of, const struct flow_mod *mod)
{
    struct ofpbuf *msg = flow_mod_encode(mod, protocol(of));
    struct ofputil_bundle_add_msg add = {
        .bundle_id = of->bundle_id,
        .flags = OFPBF_ATOMIC | OFPBF_ORDERED,
        .msg = msg->data,
    };

    send_message(of, ofputil_encode_bundle_add(version(of), &add));
    ofpbuf_delete(msg);
}

static enum flows_section
section_of(const struct flow_mod *mod)
{
    return (mod->group ? FLOWS_PORTS
            : flows_section_from_cookie(mod->flow->cookie));
}

static void
got_bundle_reply(struct openflow *of, const struct ofp_header *oh)
{
    struct ofputil_bundle_ctrl_msg msg;

    if (!ofputil_decode_bundle_ctrl(oh, &msg)
        && msg.type == OFPBCT_COMMIT_REPLY && msg.bundle_id == of->bundle_id) {
        /* What others have changed before was reported before, and what they
         * will change will be. */
        for (size_t i = 0; i < of->mods.n; i++) {
            const struct flow_mod *mod = &of->mods.mods[i];

            flow_mod_apply(mod, &of->there[section_of(mod)]);
        }
        flow_mods_uninit(&of->mods);
        clear_error(of);
    }
}

/* Goes on with the bundle that is being sent, if one is. */
static void
send_mods(struct openflow *of)
{
    if (of->n_sent >= of->mods.n) {
        return;
    }
    while (of->n_sent < of->mods.n
           && rconn_packet_counter_n_packets(of->queued) < QUEUE_MAX) {
        bundle_add(of, &of->mods.mods[of->n_sent++]);
    }
    if (of->n_sent == of->mods.n) {
        bundle_control(of, OFPBCT_CLOSE_REQUEST);
        bundle_control(of, OFPBCT_COMMIT_REQUEST);
    }
}

/* Begins to send what makes the switch as it is wanted, unless that is under
 * way. */
static void
sync_flows(struct openflow *of)
{
    if (of->mods.n || of->groups_xid) {
        return;
    }
    for (int i = 0; i < FLOWS_N_SECTIONS; i++) {
        struct flow_table wanted;

        if (of->dirty[i]) {
            flow_table_init(&wanted);
            of->ops->wanted(of->aux, i, &wanted);
            flow_mods_diff(&wanted, &of->there[i], &of->mods);
            flow_table_destroy(&wanted);
            of->dirty[i] = false;
        }
    }
    if (of->mods.n) {
        VLOG_DBG("%s: %"PRIuSIZE" changes", rconn_get_name(of->rconn),
                 of->mods.n);
        flow_mods_sort(&of->mods);
        of->n_sent = 0;
        of->bundle_id++;
        bundle_control(of, OFPBCT_OPEN_REQUEST);
    }
}

static void
got_packet_in(struct openflow *of, const struct ofp_header *oh)
{
    struct ofputil_packet_in pin;

    if (of->state == S_READY
        && !ofputil_decode_packet_in(oh, true, NULL, NULL, &pin, NULL, NULL,
                                     NULL)) {
        of->ops->packet_in(of->aux,
                           pin.flow_metadata.flow.in_port.ofp_port,
                           pin.packet, pin.packet_len);
    }
}

static void
got_message(struct openflow *of, const struct ofp_header *oh)
{
    enum ofptype type;

    if (ofptype_decode(&type, oh)) {
        return;
    }
    switch ((int) type) {
    case OFPTYPE_ECHO_REQUEST:
        send_message(of, ofputil_encode_echo_reply(oh));
        break;
    case OFPTYPE_FEATURES_REPLY:
        got_features(of, oh);
        break;
    case OFPTYPE_PORT_DESC_STATS_REPLY:
        got_ports(of, oh);
        break;
    case OFPTYPE_GROUP_DESC_STATS_REPLY:
        got_groups(of, oh);
        break;
    case OFPTYPE_FLOW_MONITOR_STATS_REPLY:
        got_flow_updates(of, oh);
        break;
    case OFPTYPE_BARRIER_REPLY:
        got_barrier(of, oh);
        break;
    case OFPTYPE_PORT_STATUS:
        got_port_status(of, oh);
        break;
    case OFPTYPE_PACKET_IN:
        got_packet_in(of, oh);
        break;
    case OFPTYPE_REQUESTFORWARD:
        ask_groups(of);         /* Somebody has changed some. */
        break;
    case OFPTYPE_BUNDLE_CONTROL:
        got_bundle_reply(of, oh);
        break;
    case OFPTYPE_ERROR:
        got_error(of, oh);
        break;
    }
}

static void
disconnected(struct openflow *of)
{
    if (of->state == S_READY) {
        VLOG_INFO("%s: connection lost", rconn_get_name(of->rconn));
    }
    of->state = S_DISCONNECTED;
    of->groups_xid = 0;
    flow_mods_uninit(&of->mods);
}

void
openflow_run(struct openflow *of, bool may_program)
{
    rconn_run(of->rconn);
    if (of->connection != rconn_get_connection_seqno(of->rconn)) {
        of->connection = rconn_get_connection_seqno(of->rconn);
        disconnected(of);
    }
    if (!rconn_is_connected(of->rconn)) {
        return;
    } else if (of->state == S_DISCONNECTED) {
        ask_features(of);
    } else if (of->state == S_REFUSED && time_msec() >= of->retry) {
        rconn_reconnect(of->rconn);
        return;
    }
    for (int i = 0; i < MESSAGES_PER_RUN && of->state != S_REFUSED; i++) {
        struct ofpbuf *msg = rconn_recv(of->rconn);

        if (!msg) {
            break;
        }
        got_message(of, msg->data);
        ofpbuf_delete(msg);
    }
    if (of->state == S_READY && may_program) {
        sync_flows(of);
        send_mods(of);
    }
}

void
openflow_wait(struct openflow *of)
{
    rconn_run_wait(of->rconn);
    if (of->state == S_REFUSED) {
        poll_timer_wait_until(of->retry);
    } else {
        rconn_recv_wait(of->rconn);
    }
}

bool
openflow_is_ready(const struct openflow *of)
{
    return of->state == S_READY;
}

bool
openflow_has_flows(const struct openflow *of)
{
    return !hmap_is_empty(&of->there[FLOWS_PORTS].flows);
}

const struct hmap *
openflow_ports(const struct openflow *of)
{
    return &of->ports;
}

unsigned int
openflow_ports_seqno(const struct openflow *of)
{
    return of->ports_seqno;
}

void
openflow_touch(struct openflow *of, enum flows_section section)
{
    of->dirty[section] = true;
    poll_immediate_wake();
}

bool
openflow_is_synced(const struct openflow *of)
{
    for (int i = 0; i < FLOWS_N_SECTIONS; i++) {
        if (of->dirty[i]) {
            return false;
        }
    }
    return of->state == S_READY && !of->mods.n && !of->groups_xid;
}

const char *
openflow_error(const struct openflow *of)
{
    return of->error;
}

int
openflow_connection_error(const struct openflow *of)
{
    return rconn_is_connected(of->rconn) ? 0 : rconn_get_last_error(of->rconn);
}

static void
send_packet(struct openflow *of, const struct ofpbuf *ofpacts,
            const void *frame, size_t len)
{
    struct ofputil_packet_out po = {
        .packet = frame,
        .packet_len = len,
        .buffer_id = UINT32_MAX,
        .ofpacts = ofpacts->data,
        .ofpacts_len = ofpacts->size,
    };

    match_init_catchall(&po.flow_metadata);
    match_set_in_port(&po.flow_metadata, OFPP_CONTROLLER);
    send_message(of, ofputil_encode_packet_out(&po, protocol(of)));
}

void
openflow_send(struct openflow *of, ofp_port_t port, const void *frame,
              size_t len)
{
    uint64_t stub[8];
    struct ofpbuf ofpacts = OFPBUF_STUB_INITIALIZER(stub);

    if (of->state == S_READY) {
        ofpact_put_OUTPUT(&ofpacts)->port = port;
        send_packet(of, &ofpacts, frame, len);
    }
    ofpbuf_uninit(&ofpacts);
}

void
openflow_submit(struct openflow *of, const void *frame, size_t len)
{
    uint64_t stub[8];
    struct ofpbuf ofpacts = OFPBUF_STUB_INITIALIZER(stub);
    struct ofpact_resubmit *resubmit;

    if (of->state == S_READY) {
        resubmit = ofpact_put_RESUBMIT(&ofpacts);
        resubmit->in_port = OFPP_IN_PORT;
        resubmit->table_id = FLOWS_TABLE_OWN;
        send_packet(of, &ofpacts, frame, len);
    }
    ofpbuf_uninit(&ofpacts);
}
