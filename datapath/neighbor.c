/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* Who has which Ethernet address: ARP for IPv4, neighbor discovery (RFC 4861)
 * for IPv6.  The engine answers for the addresses that are steered here, since
 * whoever steers them means the switch to, and asks for those of hosts. */

#include <string.h>

#include "engine.h"

static void
ask_arp(struct migrate *m, const struct host *host)
{
    static const uint8_t broadcast[6] = { 255, 255, 255, 255, 255, 255 };
    struct arp arp = {
        .op = ARP_REQUEST,
        .sender = m->address4,
        .target = host->address,
    };

    memcpy(arp.sender_mac, m->mac, 6);
    arp_build(&arp, broadcast, m->scratch);
    engine_output(m, ARP_FRAME_LEN, vlan_tag_make(host->vlan, 0));
}

static void
ask_nd(struct migrate *m, const struct host *host)
{
    struct migrate_address group = nd_group(&host->address);
    struct nd nd = { .type = ND_SOLICIT, .target = host->address };

    memcpy(nd.mac, m->mac, 6);
    nd_build(&nd, NULL, &m->address6, &group, m->scratch);
    engine_output(m, ND_FRAME_LEN, vlan_tag_make(host->vlan, 0));
}

void
neighbor_ask(struct migrate *m, const struct host *host)
{
    if (address_is_v4(&host->address)) {
        ask_arp(m, host);
    } else {
        ask_nd(m, host);
    }
}

/* Learns from 'frame' that 'address' is at 'mac', if it is that of a host in
 * this VLAN that does not answer: that of one that does is proven by a
 * seal. */
static void
learn(struct migrate *m, const struct frame *frame,
      const struct migrate_address *address, const uint8_t mac[6],
      int64_t now)
{
    struct host *host = engine_find_host(m, address);

    if (host && host_wanted(host) && !host->up
        && host->vlan == vlan_tag_vid(frame->tag)) {
        if (!host->mac_known) {
            m->next_hello = 0;
        }
        host_set_mac(host, mac, now);
        host->seen = now;
    }
}

enum migrate_verdict
neighbor_arp(struct migrate *m, const struct frame *frame,
             const struct packet *p, int64_t now)
{
    struct arp arp;

    arp_read(frame, p, &arp);
    learn(m, frame, &arp.sender, arp.sender_mac, now);
    if (arp.op == ARP_REQUEST) {
        struct arp reply = {
            .op = ARP_REPLY,
            .sender = arp.target,
            .target = arp.sender,
        };

        memcpy(reply.sender_mac, m->mac, 6);
        memcpy(reply.target_mac, arp.sender_mac, 6);
        arp_build(&reply, arp.sender_mac, m->scratch);
        engine_output(m, ARP_FRAME_LEN, frame->tag);
        count(m, COUNTER_ARP_REPLY);
        return MIGRATE_DROP;
    }
    count(m, COUNTER_NEIGHBOR);
    return MIGRATE_DROP;
}

/* Answers 'nd', a solicitation that came in 'p' (RFC 4861 7.2.4). */
static void
advertise(struct migrate *m, const struct frame *frame,
          const struct packet *p, const struct nd *nd)
{
    static const struct migrate_address unspecified;
    static const struct migrate_address all_nodes = {
        .byte = { 0xff, 0x02, [15] = 0x01 }
    };
    struct nd reply = { .type = ND_ADVERTISE, .target = nd->target };
    const struct migrate_address *dst = &all_nodes;

    if (!address_equals(&p->src, &unspecified)) {
        dst = &p->src;
        reply.solicited = true;
    }
    memcpy(reply.mac, m->mac, 6);
    nd_build(&reply, nd->mac_given ? nd->mac : frame->data + 6,
             &nd->target, dst, m->scratch);
    engine_output(m, ND_FRAME_LEN, frame->tag);
    count(m, COUNTER_ND_ADVERTISE);
}

enum migrate_verdict
neighbor_nd(struct migrate *m, const struct frame *frame,
            const struct packet *p, int64_t now)
{
    struct migrate_address group;
    struct nd nd;

    if (!nd_read(frame, p, &nd)) {
        count(m, COUNTER_DROP_ND);
        return MIGRATE_DROP;
    }
    if (nd.type == ND_ADVERTISE) {
        if (nd.mac_given) {
            learn(m, frame, &nd.target, nd.mac, now);
        }
        count(m, COUNTER_NEIGHBOR);
        return MIGRATE_DROP;
    }
    /* What is steered here by its destination alone must not make the switch
     * claim another address. */
    group = nd_group(&nd.target);
    if (!address_equals(&p->dst, &nd.target)
        && !address_equals(&p->dst, &group)) {
        count(m, COUNTER_DROP_ND);
        return MIGRATE_DROP;
    }
    if (nd.mac_given) {
        learn(m, frame, &p->src, nd.mac, now);
    }
    advertise(m, frame, p, &nd);
    return MIGRATE_DROP;
}
