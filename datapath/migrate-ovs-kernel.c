/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* Placement "kernel": what shortcut.c needs to know of datapath flows and
 * ports.  An entry there stands for two datapath flows, and each of these has a
 * slot from when the first entry needs it until the flow is removed. */

#include "migrate-ovs.h"

#include <net/if.h>

#include "dpif.h"
#include "migrate-provider.h"
#include "netdev-provider.h"
#include "netdev-linux.h"
#include "openvswitch/vlog.h"
#include "shortcut.h"

VLOG_DEFINE_THIS_MODULE(migrate_kernel);

/* Guards the slots of all hops. */
static struct ovs_mutex hops_mutex = OVS_MUTEX_INITIALIZER;

bool
ovs_kernel_open(void)
{
    static bool warned;
    bool ok = !shortcut_open();

    if (!ok && !warned) {
        VLOG_WARN("placement \"kernel\" is like \"table\": %s",
                  shortcut_error());
        warned = true;
    }
    return ok;
}

static int
attach(int ifindex, int fd)
{
    int link = shortcut_attach(ifindex, fd);

    if (link < 0) {
        char name[IF_NAMESIZE] = "?";

        if_indextoname(ifindex, name);
        VLOG_WARN("%s: packets do not go through the kernel: %s", name,
                  ovs_strerror(-link));
    }
    return link;
}

static bool
is_linux(const struct netdev *netdev)
{
    return netdev_get_class(netdev) == &netdev_linux_class;
}

static uint32_t
hop_slot(struct migrate_hop *hop)
    OVS_REQUIRES(hops_mutex)
{
    uint32_t slot;

    atomic_read_relaxed(&hop->slot, &slot);
    if (!slot) {
        slot = shortcut_slot_new();
        atomic_store_relaxed(&hop->slot, slot);
    }
    return slot;
}

bool
ovs_kernel_place(uint32_t engine, const struct migrate_way *way,
                 const struct migrate_flow *flow)
{
    int in = netdev_get_ifindex(way->rxq->netdev);
    int out = netdev_get_ifindex(way->out);
    struct shortcut s = {
        .tuple = flow->tuple,
        .engine = engine,
        .in = in,
        .out = out,
        .src = flow->src,
        .dst = flow->dst,
        .flow_id = flow->flow_id,
    };
    bool ok;

    memcpy(s.eth_dst, way->eth_dst.ea, 6);
    memcpy(s.eth_src, way->eth_src.ea, 6);
    memcpy(s.new_eth_dst, flow->eth_dst, 6);
    memcpy(s.new_eth_src, flow->eth_src, 6);

    /* Only one thread receives from an rxq, and it is this one. */
    if (shortcut_filter() < 0 || in <= 0 || out <= 0
        || !is_linux(way->rxq->netdev) || !is_linux(way->out)
        || !netdev_linux_rxq_attach(way->rxq, attach)) {
        return false;
    }
    ovs_mutex_lock(&hops_mutex);
    s.first = hop_slot(way->first);
    s.last = hop_slot(way->last);
    ok = s.first && s.last && shortcut_add(&s);
    ovs_mutex_unlock(&hops_mutex);
    return ok;
}

static struct migrate_use
migrate_use(const struct shortcut_use *use)
{
    return (struct migrate_use) {
        .packets = use->packets, .bytes = use->bytes, .last = use->used,
    };
}

void
ovs_kernel_unplace(const struct tuple *tuple, struct migrate_use *use)
{
    struct shortcut_use u;

    if (shortcut_remove(tuple, &u)) {
        *use = migrate_use(&u);
    }
}

void
ovs_kernel_use(const struct tuple *tuple, struct migrate_use *use)
{
    struct shortcut_use u;

    if (shortcut_find(tuple, &u)) {
        *use = migrate_use(&u);
    }
}

uint64_t
ovs_kernel_counter(uint32_t engine, enum migrate_counter counter)
{
    struct shortcut_use use;

    shortcut_total(engine, &use);
    return (counter == COUNTER_ENCAPSULATED || counter == COUNTER_KERNEL
            ? use.packets
            : counter == COUNTER_ENCAPSULATED_BYTES ? use.bytes : 0);
}

void
ovs_kernel_hop_changed(struct migrate_hop *hop)
{
    uint32_t slot;

    ovs_mutex_lock(&hops_mutex);
    atomic_read_relaxed(&hop->slot, &slot);
    if (slot) {
        shortcut_slot_void(slot);
    }
    ovs_mutex_unlock(&hops_mutex);
}

void
ovs_kernel_hop_gone(struct migrate_hop *hop)
{
    uint32_t slot;

    ovs_mutex_lock(&hops_mutex);
    atomic_read_relaxed(&hop->slot, &slot);
    if (slot) {
        shortcut_slot_free(slot);
        atomic_store_relaxed(&hop->slot, 0);
    }
    ovs_mutex_unlock(&hops_mutex);
}

void
ovs_kernel_hop_stats(struct migrate_hop *hop, struct dpif_flow_stats *stats)
{
    struct shortcut_use use = { .packets = 0 };
    uint32_t slot;

    atomic_read_relaxed(&hop->slot, &slot);
    if (!slot) {
        return;                 /* As of most flows. */
    }
    ovs_mutex_lock(&hops_mutex);
    atomic_read_relaxed(&hop->slot, &slot);
    shortcut_slot_use(slot, &use);
    ovs_mutex_unlock(&hops_mutex);
    stats->n_packets += use.packets;
    stats->n_bytes += use.bytes;
    stats->used = MAX(stats->used, (long long int) use.used);
    stats->tcp_flags |= use.tcp_flags;
}
