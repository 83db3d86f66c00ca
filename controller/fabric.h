/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FABRIC_H
#define FABRIC_H 1

/* What flows are made from: the switches, how they are connected, and who is
 * plugged in where.
 *
 * It is a handful of tables that refer to each other's rows by number, without
 * pointers, so that two of them can be compared as bytes: fill rows with zeros
 * before anything else. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "graph.h"
#include "openvswitch/types.h"

struct fabric_switch {
    uint64_t dpid;
    uint32_t group;             /* The OpenFlow group that leads there. */
    bool reachable;             /* By the controller. */
    struct migrate_address addresses[2];        /* That it migrates from, of
                                                 * IPv4 and IPv6, or zeros. */
};

/* Whether the switch migrates connections to services with addresses like
 * 'a'. */
static inline bool
fabric_switch_migrates(const struct fabric_switch *sw,
                       const struct migrate_address *a)
{
    return address_is_unicast(&sw->addresses[!address_is_v4(a)]);
}

enum fabric_role {
    ROLE_EDGE,                  /* Something else than a switch is there. */
    ROLE_LINK,                  /* A switch. */
};

/* A port that is in use.  Ports that are not here are closed. */
struct fabric_port {
    size_t sw;
    ofp_port_t number;
    enum fabric_role role;
};

/* A link that carries frames, in both directions. */
struct fabric_link {
    size_t sw[2];
    ofp_port_t port[2];
    uint32_t cost[2];           /* Of leaving sw[i]. */
};

struct fabric_service {
    uint32_t id;
    uint16_t port;
    struct migrate_address address;
};

/* A machine that is plugged in, as everybody sees it: its Ethernet address. */
struct fabric_station {
    struct eth_addr mac;
    bool doubted;               /* The controller listens whether it is
                                 * there. */
    size_t sw;
    ofp_port_t port;
};

struct fabric {
    struct fabric_switch *switches;
    size_t n_switches, allocated_switches;
    struct fabric_port *ports;
    size_t n_ports, allocated_ports;
    struct fabric_link *links;
    size_t n_links, allocated_links;
    struct fabric_service *services;
    size_t n_services, allocated_services;
    struct fabric_station *stations;    /* By 'mac'. */
    size_t n_stations, allocated_stations;
};

void fabric_init(struct fabric *);
void fabric_destroy(struct fabric *);

/* Each appends a row of zeros to its table and returns it.  It stays where it
 * is until the next one is appended.
 *
 * Switches get their group here.  It depends on 'dpid' alone, or, should two
 * of them collide, on which came first. */
struct fabric_switch *fabric_add_switch(struct fabric *, uint64_t dpid);
struct fabric_port *fabric_add_port(struct fabric *);
struct fabric_link *fabric_add_link(struct fabric *);
struct fabric_service *fabric_add_service(struct fabric *);
struct fabric_station *fabric_add_station(struct fabric *);

/* The number of the switch with datapath ID 'dpid', or SIZE_MAX. */
size_t fabric_find_switch(const struct fabric *, uint64_t dpid);

/* The station with address 'mac', or NULL. */
const struct fabric_station *fabric_find_station(const struct fabric *,
                                                 struct eth_addr mac);

/* Whether 'a' and 'b' have the same switches; switches, ports and links;
 * services; stations. */
bool fabric_same_switches(const struct fabric *a, const struct fabric *b);
bool fabric_same_topology(const struct fabric *a, const struct fabric *b);
bool fabric_same_services(const struct fabric *a, const struct fabric *b);
bool fabric_same_stations(const struct fabric *a, const struct fabric *b);

/* Ways through a fabric. */
struct fabric_routes {
    size_t n;                   /* Switches. */
    struct graph_hops *hops;    /* [to * n + from]. */
    bool *tree;                 /* By link: in the tree for broadcasts. */
};

/* Finds shortest paths from every switch to every other one, and a tree.
 * Switches out of the controller's reach are avoided: nobody can tell whether
 * they still forward. */
void fabric_route(const struct fabric *, struct fabric_routes *);
void fabric_routes_uninit(struct fabric_routes *);

/* The ways from switch 'from' to switch 'to'. */
static inline const struct graph_hops *
fabric_hops(const struct fabric_routes *r, size_t from, size_t to)
{
    return &r->hops[to * r->n + from];
}

#endif /* fabric.h */
