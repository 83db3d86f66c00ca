/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "topology.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "fabric.h"
#include "flow.h"
#include "hash.h"
#include "probe.h"
#include "sset.h"
#include "util.h"

#define PROBES 3                /* Unheard, and a port is an edge port. */
#define PROBE_MSEC 150          /* Between these, and after the last one. */
#define REPEAT_MSEC 5000        /* Between all later ones, ... */
#define STEP_MSEC 100           /* ... which are sent together, a part at a
                                 * time. */

struct topology {
    struct siphash_key key;
    topology_send_cb *send;
    void *aux;
    struct hmap switches;       /* Of "struct topology_switch"s. */
    unsigned int seqno;
    long long int deadline;     /* No probe is due before. */
};

struct topology *
topology_create(const struct siphash_key *key, topology_send_cb *send,
                void *aux)
{
    struct topology *t = xzalloc(sizeof *t);

    t->key = *key;
    t->send = send;
    t->aux = aux;
    t->deadline = LLONG_MAX;
    hmap_init(&t->switches);
    return t;
}

void
topology_destroy(struct topology *t)
{
    if (t) {
        struct topology_switch *sw;

        HMAP_FOR_EACH_SAFE (sw, node, &t->switches) {
            topology_remove_switch(sw);
        }
        hmap_destroy(&t->switches);
        free(t);
    }
}

unsigned int
topology_seqno(const struct topology *t)
{
    return t->seqno;
}

struct topology_switch *
topology_add_switch(struct topology *t, uint64_t dpid)
{
    struct topology_switch *sw = xzalloc(sizeof *sw);

    sw->topology = t;
    sw->dpid = dpid;
    shash_init(&sw->ports);
    hmap_insert(&t->switches, &sw->node, hash_uint64(dpid));
    t->seqno++;
    return sw;
}

static void
port_destroy(struct topology_port *port)
{
    shash_find_and_delete(&port->sw->ports, port->name);
    free(port->name);
    free(port->peer_port);
    free(port->given.peer_port);
    free(port);
}

void
topology_remove_switch(struct topology_switch *sw)
{
    if (sw) {
        struct shash_node *node;

        SHASH_FOR_EACH_SAFE (node, &sw->ports) {
            port_destroy(node->data);
        }
        shash_destroy(&sw->ports);
        hmap_remove(&sw->topology->switches, &sw->node);
        sw->topology->seqno++;
        free(sw);
    }
}

struct topology_switch *
topology_find_switch(const struct topology *t, uint64_t dpid)
{
    struct topology_switch *sw;

    HMAP_FOR_EACH_WITH_HASH (sw, node, hash_uint64(dpid), &t->switches) {
        if (sw->dpid == dpid) {
            return sw;
        }
    }
    return NULL;
}

struct topology_port *
topology_find_port(const struct topology_switch *sw, ofp_port_t number)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &sw->ports) {
        struct topology_port *port = node->data;

        if (port->present && port->number == number) {
            return port;
        }
    }
    return NULL;
}

static struct topology_port *
obtain_port(struct topology_switch *sw, const char *name)
{
    struct topology_port *port = shash_find_data(&sw->ports, name);

    if (!port) {
        port = xzalloc(sizeof *port);
        port->sw = sw;
        port->name = xstrdup(name);
        port->given.cost = 1;
        shash_add(&sw->ports, name, port);
    }
    return port;
}

/* Has 'port' probed as if it had just come up. */
static void
probe_anew(struct topology_port *port, long long int now)
{
    port->n_probes = 0;
    port->next_probe = now;
    port->sw->topology->deadline = LLONG_MIN;
}

static void
set_role(struct topology_port *port, enum topology_role role)
{
    if (port->role != role) {
        port->role = role;
        port->sw->topology->seqno++;
    }
}

static void
set_link(struct topology_port *port, uint64_t peer, const char *peer_port)
{
    set_role(port, TOPOLOGY_LINK);
    if (port->peer != peer
        || !nullable_string_is_equal(port->peer_port, peer_port)) {
        port->peer = peer;
        free(port->peer_port);
        port->peer_port = nullable_xstrdup(peer_port);
        port->sw->topology->seqno++;
    }
}

/* Begins to find out what is at 'port', of which nothing but what is given is
 * known. */
static void
start_over(struct topology_port *port, long long int now)
{
    if (port->given.link) {
        set_link(port, port->given.peer, port->given.peer_port);
    } else {
        set_role(port, (port->given.edge ? TOPOLOGY_EDGE
                        : TOPOLOGY_UNKNOWN));
    }
    probe_anew(port, now);
}

void
topology_set_reachable(struct topology_switch *sw, bool reachable,
                       long long int now)
{
    if (sw->reachable != reachable) {
        struct shash_node *node;

        sw->reachable = reachable;
        sw->topology->seqno++;
        SHASH_FOR_EACH (node, &sw->ports) {
            probe_anew(node->data, now);
        }
    }
}

static void
set_port(struct topology_switch *sw, const struct ofputil_phy_port *pp,
         long long int now)
{
    struct topology_port *port = obtain_port(sw, pp->name);
    bool up = (!(pp->config & OFPUTIL_PC_PORT_DOWN)
               && !(pp->state & OFPUTIL_PS_LINK_DOWN));
    bool live = up && pp->state & OFPUTIL_PS_LIVE;
    bool came_up = up && !(port->present && port->up);

    if (!port->present || port->number != pp->port_no || port->up != up
        || port->live != live || !eth_addr_equals(port->mac, pp->hw_addr)) {
        port->present = true;
        port->number = pp->port_no;
        port->mac = pp->hw_addr;
        port->up = up;
        port->live = live;
        sw->topology->deadline = LLONG_MIN;
        sw->topology->seqno++;
    }
    if (port->number == OFPP_LOCAL) {
        set_role(port, TOPOLOGY_EDGE);
    } else if (came_up && port->role != TOPOLOGY_LINK) {
        start_over(port, now);
    }
}

void
topology_set_ports(struct topology_switch *sw,
                   const struct ofputil_phy_port *ports, size_t n,
                   long long int now)
{
    struct sset names = SSET_INITIALIZER(&names);
    struct shash_node *node;

    for (size_t i = 0; i < n; i++) {
        set_port(sw, &ports[i], now);
        sset_add(&names, ports[i].name);
    }
    SHASH_FOR_EACH_SAFE (node, &sw->ports) {
        struct topology_port *port = node->data;

        if (sset_contains(&names, port->name)) {
            continue;
        }
        if (port->present) {
            port->present = false;
            sw->topology->seqno++;
        }
        if (!port->given.link && !port->given.edge) {
            port_destroy(port);
        }
    }
    sset_destroy(&names);
}

void
topology_begin(struct topology *t)
{
    struct topology_switch *sw;

    HMAP_FOR_EACH (sw, node, &t->switches) {
        struct shash_node *node;

        SHASH_FOR_EACH (node, &sw->ports) {
            struct topology_port *port = node->data;

            port->given_again = false;
        }
    }
}

static void
forget_given(struct topology_port *port)
{
    free(port->given.peer_port);
    port->given = (struct topology_given) { .cost = 1 };
}

void
topology_put_link(struct topology_switch *sw, const char *name,
                  uint64_t peer, const char *peer_port, uint32_t cost)
{
    struct topology_port *port = obtain_port(sw, name);

    port->given_again = true;
    port->given.edge = false;
    if (port->given.cost != cost) {
        port->given.cost = cost;
        sw->topology->seqno++;
    }
    if (!port->given.link || port->given.peer != peer
        || !nullable_string_is_equal(port->given.peer_port, peer_port)) {
        port->given.link = true;
        port->given.peer = peer;
        free(port->given.peer_port);
        port->given.peer_port = nullable_xstrdup(peer_port);
        set_link(port, peer, peer_port);
    }
}

void
topology_put_edge(struct topology_switch *sw, const char *name)
{
    struct topology_port *port = obtain_port(sw, name);

    if (port->given_again) {
        return;                     /* As a link. */
    }
    port->given_again = true;
    if (port->given.link) {
        forget_given(port);
        set_role(port, TOPOLOGY_UNKNOWN);
    }
    if (!port->given.edge) {
        port->given.edge = true;
        if (port->role == TOPOLOGY_UNKNOWN) {
            set_role(port, TOPOLOGY_EDGE);
        }
    }
}

/* Nobody says any more what 'port' is. */
static void
withdraw(struct topology_port *port, long long int now)
{
    forget_given(port);
    if (port->present) {
        start_over(port, now);
    } else {
        port->sw->topology->seqno++;
        port_destroy(port);
    }
}

void
topology_commit(struct topology *t, long long int now)
{
    struct topology_switch *sw;

    HMAP_FOR_EACH (sw, node, &t->switches) {
        struct shash_node *node;

        SHASH_FOR_EACH_SAFE (node, &sw->ports) {
            struct topology_port *port = node->data;

            if ((port->given.link || port->given.edge)
                && !port->given_again) {
                withdraw(port, now);
            }
        }
    }
}

/* The port at the other end of the link, if both ends agree that there is
 * one. */
static const struct topology_port *
find_peer(const struct topology_port *port)
{
    const struct topology_switch *sw;
    const struct topology_port *peer;

    if (port->role != TOPOLOGY_LINK || !port->peer_port) {
        return NULL;
    }
    sw = topology_find_switch(port->sw->topology, port->peer);
    peer = sw ? shash_find_data(&sw->ports, port->peer_port) : NULL;
    return (peer && peer->role == TOPOLOGY_LINK
            && peer->peer == port->sw->dpid
            && nullable_string_is_equal(peer->peer_port, port->name)
            ? peer : NULL);
}

bool
topology_receive(struct topology_switch *sw, ofp_port_t number,
                 const void *frame, size_t len)
{
    struct topology_port *port = topology_find_port(sw, number);
    struct probe probe;

    if (!probe_parse(frame, len, &sw->topology->key, &probe)) {
        return false;
    }
    if (port && topology_find_switch(sw->topology, probe.dpid)) {
        set_link(port, probe.dpid, probe.port);
        if (!find_peer(port)) {
            probe_anew(port, 0);        /* The other end is to know as well. */
        }
    }
    return true;
}

static void
send_probe(const struct topology_port *port)
{
    const struct topology *t = port->sw->topology;
    struct probe probe = { .dpid = port->sw->dpid };
    uint8_t frame[PROBE_MAX_LEN];
    size_t len;

    ovs_strzcpy(probe.port, port->name, sizeof probe.port);
    len = probe_build(&probe, &t->key, port->mac, frame);
    t->send(t->aux, port->sw->dpid, port->number, frame, len);
}

static bool
is_probed(const struct topology_port *port)
{
    return (port->sw->reachable && port->present && port->up
            && port->number != OFPP_LOCAL);
}

/* When to probe a port again that was probed for the first time: in its own
 * part of the time between two later probes, as very many ports may come up at
 * once. */
static long long int
first_repeat(const struct topology_port *port, long long int now)
{
    uint32_t hash = hash_2words(hash_uint64(port->sw->dpid),
                                ofp_to_u16(port->number));

    return ROUND_UP(now + hash % REPEAT_MSEC, STEP_MSEC);
}

static void
run_port(struct topology_port *port, long long int now)
{
    if (now < port->next_probe) {
        return;
    }
    if (port->n_probes >= PROBES && port->role == TOPOLOGY_UNKNOWN) {
        set_role(port, TOPOLOGY_EDGE);
    }
    send_probe(port);
    if (port->n_probes < PROBES) {
        port->next_probe = now + PROBE_MSEC;
    } else if (port->n_probes == PROBES) {
        port->next_probe = first_repeat(port, now);
    } else {
        port->next_probe = ROUND_UP(now + REPEAT_MSEC, STEP_MSEC);
    }
    port->n_probes = MIN(port->n_probes + 1, PROBES + 1);
}

void
topology_run(struct topology *t, long long int now)
{
    struct topology_switch *sw;

    if (now < t->deadline) {
        return;
    }
    t->deadline = LLONG_MAX;
    HMAP_FOR_EACH (sw, node, &t->switches) {
        struct shash_node *node;

        SHASH_FOR_EACH (node, &sw->ports) {
            struct topology_port *port = node->data;

            if (is_probed(port)) {
                run_port(port, now);
                t->deadline = MIN(t->deadline, port->next_probe);
            }
        }
    }
}

long long int
topology_deadline(const struct topology *t)
{
    return t->deadline;
}

bool
topology_is_settled(const struct topology_switch *sw)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &sw->ports) {
        const struct topology_port *port = node->data;

        if (port->present && port->up && port->role == TOPOLOGY_UNKNOWN) {
            return false;
        }
    }
    return true;
}

/* Whether this end of a link works, as far as anybody knows.  Of a switch that
 * was never reached, the other end knows more. */
static bool
end_is_live(const struct topology_port *port)
{
    return port->present ? port->live : !port->sw->reachable;
}

bool
topology_link_is_up(const struct topology_port *port)
{
    const struct topology_port *peer = find_peer(port);

    return peer && end_is_live(port) && end_is_live(peer);
}

static void
fill_port(const struct topology_port *port, struct fabric *f, size_t sw)
{
    if (port->present && port->role != TOPOLOGY_UNKNOWN) {
        struct fabric_port *p = fabric_add_port(f);

        p->sw = sw;
        p->number = port->number;
        p->role = port->role == TOPOLOGY_LINK ? ROLE_LINK : ROLE_EDGE;
    }
}

/* Adds the link that begins at 'port', if that is the first one of its two
 * ends. */
static void
fill_link(const struct topology_port *port, struct fabric *f, size_t sw)
{
    const struct topology_port *peer = find_peer(port);

    if (topology_link_is_up(port)
        && (port->sw->dpid < peer->sw->dpid
            || (port->sw == peer->sw && strcmp(port->name, peer->name) < 0))) {
        size_t peer_sw = fabric_find_switch(f, peer->sw->dpid);
        struct fabric_link *link;

        if (peer_sw != SIZE_MAX) {
            link = fabric_add_link(f);
            link->sw[0] = sw;
            link->port[0] = port->present ? port->number : OFPP_NONE;
            link->cost[0] = port->given.cost;
            link->sw[1] = peer_sw;
            link->port[1] = peer->present ? peer->number : OFPP_NONE;
            link->cost[1] = peer->given.cost;
        }
    }
}

void
topology_fill(const struct topology *t, struct fabric *f)
{
    for (size_t i = 0; i < f->n_switches; i++) {
        const struct topology_switch *sw
            = topology_find_switch(t, f->switches[i].dpid);

        if (sw) {
            const struct shash_node **nodes = shash_sort(&sw->ports);

            for (size_t j = 0; j < shash_count(&sw->ports); j++) {
                fill_port(nodes[j]->data, f, i);
                fill_link(nodes[j]->data, f, i);
            }
            free(nodes);
        }
    }
}

void
topology_links(const struct topology_switch *sw, struct sset *names)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &sw->ports) {
        const struct topology_port *port = node->data;

        if (port->role == TOPOLOGY_LINK) {
            sset_add(names, port->name);
        }
    }
}
