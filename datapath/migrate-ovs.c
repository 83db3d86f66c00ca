/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "migrate-ovs.h"

#include "coverage.h"
#include "dp-packet.h"
#include "flow.h"
#include "host.h"
#include "migrate-provider.h"
#include "ofproto/ofproto-dpif.h"
#include "ofproto/ofproto-provider.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "random.h"
#include "entropy.h"
#include "seq.h"
#include "shortcut.h"
#include "timeval.h"

VLOG_DEFINE_THIS_MODULE(migrate);

COVERAGE_DEFINE(migrate_drop_unconfigured);
COVERAGE_DEFINE(migrate_drop_queue_full);

#define MAX_ENGINES 256
#define MAX_CONNECTIONS (1u << 20)
#define MAX_QUEUED 65536        /* Frames that wait for the main loop. */

/* A frame on its way to the OpenFlow table, made where no packet batch could
 * take it. */
struct queued_frame {
    struct ovs_list node;
    struct dp_packet *packet;
    uint8_t table;
};

/* A flow to be installed or removed by the main thread. */
struct queued_flow {
    struct ovs_list node;
    struct migrate_flow flow;
    struct placement_config placement;
    uint8_t table;              /* To resubmit to. */
    bool add;
};

/* The packets that a batch becomes. */
struct batch_writer {
    struct dp_packet *packets[NETDEV_MAX_BURST];
    size_t n;
    size_t reserved;            /* Packets of the input still to come: 'n'
                                 * and this are NETDEV_MAX_BURST at most. */
    const struct dp_packet *model;  /* Whose metadata answers take. */
};

/* Engines by id, from 1 on; entries are never taken away, so readers need no
 * lock. */
static struct ovs_mutex engines_mutex = OVS_MUTEX_INITIALIZER;
static ATOMIC(struct ovs_engine *) engines[MAX_ENGINES + 1];
static uint32_t n_engines;
static struct seq *wake_seq;    /* The main loop has something to do. */
static uint64_t last_wake_seq;
static atomic_count n_queued = ATOMIC_COUNT_INIT(0);

static struct ovs_engine *
engine_by_id(uint32_t id)
{
    struct ovs_engine *engine = NULL;

    if (id && id <= MAX_ENGINES) {
        atomic_read_explicit(&engines[id], &engine, memory_order_acquire);
    }
    return engine;
}

struct ovs_engine *
ovs_engine_find(const char *bridge)
{
    struct ovs_engine *engine;

    for (uint32_t id = 1; (engine = engine_by_id(id)); id++) {
        if (!strcmp(engine->bridge, bridge)) {
            return engine;
        }
    }
    return NULL;
}

void
ovs_engines_for_each(void (*cb)(struct ovs_engine *, void *aux), void *aux)
{
    struct ovs_engine *engine;

    for (uint32_t id = 1; (engine = engine_by_id(id)); id++) {
        cb(engine, aux);
    }
}

struct ovs_engine *
ovs_engine_obtain(const char *bridge)
{
    struct ovs_engine *engine = ovs_engine_find(bridge);

    if (engine) {
        return engine;
    }
    ovs_mutex_lock(&engines_mutex);
    engine = ovs_engine_find(bridge);
    if (!engine && n_engines < MAX_ENGINES) {
        engine = xzalloc(sizeof *engine);
        engine->id = ++n_engines;
        engine->bridge = xstrdup(bridge);
        ovs_mutex_init(&engine->mutex);
        ovs_list_init(&engine->frames);
        ovs_list_init(&engine->flows);
        atomic_store_explicit(&engines[engine->id], engine,
                              memory_order_release);
    }
    ovs_mutex_unlock(&engines_mutex);
    return engine;
}

static uint32_t
provider_engine_id(const char *bridge)
{
    struct ovs_engine *engine = ovs_engine_obtain(bridge);

    /* One past the last has no engine, so its packets are dropped. */
    return engine ? engine->id : MAX_ENGINES + 1;
}

/* Takes the outermost VLAN tag of 'packet' out of it. */
static vlan_tag
pop_tag(struct dp_packet *packet)
{
    const struct vlan_eth_header *veh = dp_packet_data(packet);
    vlan_tag tag;

    if (dp_packet_size(packet) < sizeof *veh
        || !eth_type_vlan(veh->veth_type)) {
        return 0;
    }
    tag = (uint32_t) ntohs(veh->veth_type) << 16;
    tag |= ntohs(veh->veth_tci) & (VLAN_PCP_MASK | VLAN_VID_MASK);
    eth_pop_vlan(packet);
    return tag;
}

static void
push_tag(struct dp_packet *packet, vlan_tag tag)
{
    if (tag) {
        eth_push_vlan(packet, htons(tag >> 16), htons(tag & 0xffff));
    }
}

/* Operations of the engine.  All are called with the engine's mutex held. */

/* Leaves 'packet' to the main loop, which sends it to the OpenFlow table. */
static void
queue_frame(struct ovs_engine *engine, struct dp_packet *packet)
    OVS_REQUIRES(engine->mutex)
{
    struct queued_frame *q;

    /* It does not go on where those of a batch do. */
    pkt_metadata_init(&packet->md, 0);
    if (atomic_count_get(&n_queued) >= MAX_QUEUED) {
        COVERAGE_INC(migrate_drop_queue_full);
        dp_packet_delete(packet);
        return;
    }
    atomic_count_inc(&n_queued);
    q = xmalloc(sizeof *q);
    q->packet = packet;
    q->table = engine->table;
    ovs_list_push_back(&engine->frames, &q->node);
    seq_change(wake_seq);
}

static void
op_output(void *engine_, const void *frame, size_t len, vlan_tag tag)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    struct ovs_engine *engine = engine_;
    struct batch_writer *w = engine->writer;
    struct dp_packet *packet;

    packet = dp_packet_clone_data_with_headroom(frame, len, 128);
    push_tag(packet, tag);
    if (w && w->n + w->reserved < NETDEV_MAX_BURST) {
        packet->md = w->model->md;
        w->packets[w->n++] = packet;
    } else {
        queue_frame(engine, packet);
    }
}

static struct placement_config *
find_placement(struct ovs_engine *engine, uint32_t service_id)
    OVS_REQUIRES(engine->mutex)
{
    for (size_t i = 0; i < engine->n_placements; i++) {
        if (engine->placements[i].service_id == service_id) {
            return &engine->placements[i];
        }
    }
    return NULL;
}

static void
queue_flow(struct ovs_engine *engine, const struct migrate_flow *flow,
           const struct placement_config *placement, bool add)
    OVS_REQUIRES(engine->mutex)
{
    struct queued_flow *q = xmalloc(sizeof *q);

    q->flow = *flow;
    q->placement = *placement;
    q->table = engine->table;
    q->add = add;
    ovs_list_push_back(&engine->flows, &q->node);
    seq_change(wake_seq);
}

static bool
op_place(void *engine_, const struct migrate_flow *flow)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    struct ovs_engine *engine = engine_;
    struct placement_config *placement;

    if (flow->placement == MIGRATE_PLACED_KERNEL) {
        ovs_assert(engine->way);    /* The engine was asked to. */
        return ovs_kernel_place(engine->id, engine->way, flow);
    }
    placement = find_placement(engine, flow->service_id);
    if (!placement || placement->n >= placement->limit) {
        return false;
    }
    placement->n++;
    queue_flow(engine, flow, placement, true);
    return true;
}

static void
op_unplace(void *engine_, const struct migrate_flow *flow,
           struct migrate_use *use)
    OVS_NO_THREAD_SAFETY_ANALYSIS
{
    struct ovs_engine *engine = engine_;
    struct placement_config *placement;

    if (flow->placement == MIGRATE_PLACED_KERNEL) {
        ovs_kernel_unplace(&flow->tuple, use);
        return;
    }
    placement = find_placement(engine, flow->service_id);
    if (placement && placement->n) {
        placement->n--;
        queue_flow(engine, flow, placement, false);
    }
}

static void
op_use(void *engine_ OVS_UNUSED, const struct tuple *tuple,
       struct migrate_use *use)
{
    ovs_kernel_use(tuple, use);
}

static void
op_log(void *engine_, const char *message)
{
    struct ovs_engine *engine = engine_;

    VLOG_INFO("%s: %s", engine->bridge, message);
}

static const struct migrate_ops migrate_ops = {
    .output = op_output,
    .place = op_place,
    .unplace = op_unplace,
    .use = op_use,
    .log = op_log,
};

void
ovs_engine_start(struct ovs_engine *engine) OVS_NO_THREAD_SAFETY_ANALYSIS
{
    uint8_t seed[16];

    if (!engine->migrate) {
        get_entropy_or_die(seed, sizeof seed);
        engine->migrate = migrate_create(&migrate_ops, engine,
                                         MAX_CONNECTIONS, seed);
        if (!engine->migrate) {
            out_of_memory();
        }
        shortcut_begin(engine->id);
    }
}

void
ovs_engine_stop(struct ovs_engine *engine) OVS_NO_THREAD_SAFETY_ANALYSIS
{
    migrate_destroy(engine->migrate);
    engine->migrate = NULL;
}

static struct frame
packet_frame(struct dp_packet *packet)
{
    vlan_tag tag = pop_tag(packet);

    return (struct frame) {
        .data = dp_packet_data(packet),
        .len = dp_packet_size(packet),
        .tag = tag,
        .csum_partial = dp_packet_hwol_tx_l4_checksum(packet),
        .csum_good = dp_packet_l4_checksum_valid(packet),
    };
}

/* Lets 'packet' go on.  If what the engine has just sent on its account has
 * taken its place, then that gives way: packets of a connection stay in
 * order. */
static void
forward_packet(struct ovs_engine *engine, struct batch_writer *w,
               struct dp_packet *packet)
    OVS_REQUIRES(engine->mutex)
{
    if (w->n + w->reserved >= NETDEV_MAX_BURST) {
        queue_frame(engine, w->packets[--w->n]);
    }
    w->packets[w->n++] = packet;
}

/* Has the engine take the packets of 'batch'; 'w' gets those that go on and
 * those that it makes.  Returns whether some of those that go on may be
 * placed. */
static bool
process_batch(struct ovs_engine *engine, const struct migrate_action *action,
              struct dp_packet_batch *batch, struct batch_writer *w,
              long long int now)
    OVS_REQUIRES(engine->mutex)
{
    size_t n = dp_packet_batch_size(batch);
    bool control = action->flags & MIGRATE_F_CONTROL;
    bool placeable = false;
    struct frame frames[NETDEV_MAX_BURST];
    struct dp_packet *packet;

    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        frames[i] = packet_frame(packet);
    }
    if (!control) {
        migrate_lookup(engine->migrate, frames, n);
    }
    engine->writer = w;
    w->reserved = n;
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        enum migrate_verdict verdict;

        w->reserved--;
        w->model = packet;
        verdict = (control
                   ? migrate_control_frame(engine->migrate, &frames[i], now)
                   : migrate_service_frame(engine->migrate, action->service,
                                           &frames[i], now));
        if (verdict == MIGRATE_FORWARD) {
            placeable |= frames[i].placeable;
            push_tag(packet, frames[i].tag);
            forward_packet(engine, w, packet);
        } else {
            dp_packet_delete(packet);
        }
    }
    engine->writer = NULL;
    return placeable;
}

static bool
provider_execute(const struct migrate_action *action,
                 struct dp_packet_batch *batch, long long int now)
{
    struct ovs_engine *engine = engine_by_id(action->engine);
    struct batch_writer writer = { .n = 0 };
    bool configured = false, placeable = false;

    if (engine) {
        ovs_mutex_lock(&engine->mutex);
        configured = engine->migrate != NULL;
        if (configured) {
            engine->table = action->table;
            placeable = process_batch(engine, action, batch, &writer, now);
            if (migrate_deadline(engine->migrate) < engine->wakes) {
                engine->wakes = 0;
                seq_change(wake_seq);
            }
        }
        ovs_mutex_unlock(&engine->mutex);
    }
    if (!configured) {
        COVERAGE_ADD(migrate_drop_unconfigured, dp_packet_batch_size(batch));
        dp_packet_delete_batch(batch, true);
    }

    dp_packet_batch_init(batch);
    for (size_t i = 0; i < writer.n; i++) {
        dp_packet_batch_add(batch, writer.packets[i]);
    }
    return placeable;
}

static void
provider_place(const struct migrate_way *way,
               const struct dp_packet_batch *batch, long long int now)
{
    struct ovs_engine *engine = engine_by_id(way->action->engine);
    struct dp_packet *packet;

    ovs_mutex_lock(&engine->mutex);
    engine->way = way;
    DP_PACKET_BATCH_FOR_EACH (i, packet, batch) {
        struct frame frame = packet_frame(packet);
        struct packet p;

        if (engine->migrate && frame_parse(&frame, &p) == FRAME_TCP) {
            migrate_place(engine->migrate, &p.dst,
                          flow_id_from_ports(ntohs(p.src_port),
                                             ntohs(p.dst_port)), now);
        }
        push_tag(packet, frame.tag);
    }
    engine->way = NULL;
    ovs_mutex_unlock(&engine->mutex);
}

/* Sends 'q' through the OpenFlow table of 'ofproto', as a packet-out would. */
static void
send_frame(struct ofproto_dpif *ofproto, const struct queued_frame *q)
{
    struct ofpact_resubmit *resubmit;
    uint64_t stub[16];
    struct ofpbuf ofpacts = OFPBUF_STUB_INITIALIZER(stub);
    struct flow flow;

    resubmit = ofpact_put_RESUBMIT(&ofpacts);
    resubmit->in_port = OFPP_IN_PORT;
    resubmit->table_id = q->table;

    flow_extract(q->packet, &flow);
    flow.in_port.ofp_port = OFPP_NONE;
    ofproto_dpif_execute_actions(ofproto,
                                 ofproto_dpif_get_tables_version(ofproto),
                                 &flow, NULL, ofpacts.data, ofpacts.size,
                                 q->packet);
    ofpbuf_uninit(&ofpacts);
}

static void
match_tuple(struct match *match, const struct tuple *tuple)
{
    struct in6_addr client, service;

    match_init_catchall(match);
    match_set_nw_proto(match, IPPROTO_TCP);
    if (address_is_v4(&tuple->client)) {
        match_set_dl_type(match, htons(ETH_TYPE_IP));
        match_set_nw_src(match, address_to_v4(&tuple->client));
        match_set_nw_dst(match, address_to_v4(&tuple->service));
    } else {
        memcpy(&client, &tuple->client, sizeof client);
        memcpy(&service, &tuple->service, sizeof service);
        match_set_dl_type(match, htons(ETH_TYPE_IPV6));
        match_set_ipv6_src(match, &client);
        match_set_ipv6_dst(match, &service);
    }
    match_set_tp_src(match, tuple->client_port);
    match_set_tp_dst(match, tuple->service_port);
    /* A SYN is for the engine: it may begin another connection. */
    match_set_tcp_flags_masked(match, 0, htons(TCP_SYN));
}

static void
put_set_field(struct ofpbuf *ofpacts, enum mf_field_id id, const void *value,
              size_t len)
{
    const struct mf_field *field = mf_from_id(id);
    union mf_value v;

    memset(&v, 0, sizeof v);
    memcpy(&v, value, len);
    ofpact_put_set_field(ofpacts, field, &v, NULL);
}

static void
put_flow_actions(struct ofpbuf *ofpacts, const struct queued_flow *q)
{
    const struct migrate_flow *f = &q->flow;
    bool v4 = address_is_v4(&f->dst);
    struct ofpact_resubmit *resubmit;
    ovs_be16 no_port = htons(ofp_to_u16(OFPP_NONE));
    ovs_be16 src_port = htons(flow_id_src_port(f->flow_id));
    ovs_be16 dst_port = htons(flow_id_dst_port(f->flow_id));

    /* As the action does, so that the packet may also leave where it came
     * in. */
    put_set_field(ofpacts, MFF_IN_PORT, &no_port, sizeof no_port);
    if (f->host_vlan) {
        struct ofpact_vlan_vid *vid = ofpact_put_SET_VLAN_VID(ofpacts);

        vid->vlan_vid = f->host_vlan;
        vid->push_vlan_if_needed = true;
    } else if (f->client_vlan) {
        ofpact_put_STRIP_VLAN(ofpacts);     /* A frame of an access port has
                                             * none, which is no matter. */
    }
    put_set_field(ofpacts, MFF_ETH_SRC, f->eth_src, 6);
    put_set_field(ofpacts, MFF_ETH_DST, f->eth_dst, 6);
    put_set_field(ofpacts, v4 ? MFF_IPV4_SRC : MFF_IPV6_SRC,
                  &f->src.byte[v4 ? 12 : 0], v4 ? 4 : 16);
    put_set_field(ofpacts, v4 ? MFF_IPV4_DST : MFF_IPV6_DST,
                  &f->dst.byte[v4 ? 12 : 0], v4 ? 4 : 16);
    put_set_field(ofpacts, MFF_TCP_SRC, &src_port, 2);
    put_set_field(ofpacts, MFF_TCP_DST, &dst_port, 2);
    resubmit = ofpact_put_RESUBMIT(ofpacts);
    resubmit->in_port = OFPP_IN_PORT;
    resubmit->table_id = q->table;
}

static void
apply_flow(struct ofproto_dpif *ofproto, const struct queued_flow *q)
{
    static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(1, 5);
    uint64_t stub[64];
    struct ofpbuf ofpacts = OFPBUF_STUB_INITIALIZER(stub);
    ovs_be64 cookie = htonll(q->flow.flow_id);
    struct ofputil_flow_mod fm = {
        .priority = q->placement.priority,
        .table_id = q->add ? q->placement.table : OFPTT_ALL,
        .command = q->add ? OFPFC_ADD : OFPFC_DELETE,
        .new_cookie = cookie,
        .modify_cookie = q->add,
        .idle_timeout = q->placement.idle_timeout,
        .buffer_id = UINT32_MAX,
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
    };
    struct match match;
    enum ofperr error;

    match_tuple(&match, &q->flow.tuple);
    minimatch_init(&fm.match, &match);
    if (q->add) {
        put_flow_actions(&ofpacts, q);
        fm.ofpacts = ofpacts.data;
        fm.ofpacts_len = ofpacts.size;
    } else {
        /* It is where the configuration wanted it then. */
        fm.cookie = cookie;
        fm.cookie_mask = OVS_BE64_MAX;
    }
    error = ofproto_flow_mod(&ofproto->up, &fm);
    if (error) {
        VLOG_WARN_RL(&rl, "%s: cannot %s the flow of flow ID %"PRIu32": %s",
                     ofproto->up.name, q->add ? "add" : "remove",
                     q->flow.flow_id, ofperr_to_string(error));
    }
    minimatch_destroy(&fm.match);
    ofpbuf_uninit(&ofpacts);
}

static void
run_engine(struct ovs_engine *engine, void *aux OVS_UNUSED)
{
    struct ofproto_dpif *ofproto;
    struct ovs_list frames, flows;
    struct queued_frame *frame;
    struct queued_flow *flow;

    ovs_mutex_lock(&engine->mutex);
    engine->wakes = 0;
    if (engine->migrate) {
        migrate_run(engine->migrate, time_msec(), time_wall_msec());
    }
    ovs_list_init(&frames);
    ovs_list_push_back_all(&frames, &engine->frames);
    ovs_list_init(&flows);
    ovs_list_push_back_all(&flows, &engine->flows);
    ovs_mutex_unlock(&engine->mutex);

    /* Without the mutex, since the frames may meet the action again. */
    ofproto = ofproto_dpif_lookup_by_name(engine->bridge);
    LIST_FOR_EACH_POP (flow, node, &flows) {
        if (ofproto) {
            apply_flow(ofproto, flow);
        }
        free(flow);
    }
    LIST_FOR_EACH_POP (frame, node, &frames) {
        atomic_count_dec(&n_queued);
        if (ofproto) {
            send_frame(ofproto, frame);
        }
        dp_packet_delete(frame->packet);
        free(frame);
    }
}

static void
provider_run(void)
{
    last_wake_seq = seq_read(wake_seq);
    ovs_engines_for_each(run_engine, NULL);
}

static void
wait_engine(struct ovs_engine *engine, void *aux OVS_UNUSED)
{
    ovs_mutex_lock(&engine->mutex);
    if (engine->migrate) {
        engine->wakes = migrate_deadline(engine->migrate);
        if (engine->wakes != INT64_MAX) {
            poll_timer_wait_until(engine->wakes);
        }
    }
    ovs_mutex_unlock(&engine->mutex);
}

static void
provider_wait(void)
{
    seq_wait(wake_seq, last_wake_seq);
    ovs_engines_for_each(wait_engine, NULL);
}

static void
exit_engine(struct ovs_engine *engine, void *aux OVS_UNUSED)
{
    ovs_mutex_lock(&engine->mutex);
    ovs_engine_stop(engine);
    ovs_mutex_unlock(&engine->mutex);
}

static void
provider_exit(void)
{
    ovs_engines_for_each(exit_engine, NULL);
}

static const struct migrate_provider provider = {
    .engine_id = provider_engine_id,
    .execute = provider_execute,
    .place = provider_place,
    .hop_changed = ovs_kernel_hop_changed,
    .hop_gone = ovs_kernel_hop_gone,
    .hop_stats = ovs_kernel_hop_stats,
    .reconfigure = migrate_ovs_reconfigure,
    .refresh = migrate_ovs_refresh,
    .run = provider_run,
    .wait = provider_wait,
    .exit = provider_exit,
};

void
migrate_ovs_init(void)
{
    wake_seq = seq_create();
    migrate_ovs_show_init();
    migrate_provider_register(&provider);
}
