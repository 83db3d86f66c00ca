/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOPOLOGY_H
#define TOPOLOGY_H 1

/* What is at the ports of switches: another switch, or something else.
 *
 * Each port is probed: a frame is sent out of it that only the controller
 * knows how to make (see probe.h).  If it comes in at a port of another
 * switch, there is a link.  A port that nothing is heard of after a few probes
 * is an edge port.  Before that it is neither, and to be kept closed: frames
 * that were flooded to it might come back on another way.  That is so again
 * whenever it comes up, because the cable may be another one.
 *
 * A port that was a link once is one until somebody says that it is not, even
 * while it is down, or when the controller has just been started.
 *
 * Whether a link carries frames is not found by probes, but by the state of
 * its ports at both ends, which includes BFD.
 *
 * There is no I/O in here, and no clock: times are in milliseconds, as of
 * time_msec(). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/ofp-port.h"
#include "openvswitch/shash.h"
#include "siphash.h"

struct fabric;
struct sset;

enum topology_role {
    TOPOLOGY_UNKNOWN,
    TOPOLOGY_EDGE,
    TOPOLOGY_LINK,
};

struct topology_port {
    struct topology_switch *sw;
    char *name;
    enum topology_role role;

    /* As the switch has reported it, if it ever has. */
    bool present;
    ofp_port_t number;
    struct eth_addr mac;
    bool up;                    /* There is something at the other end. */
    bool live;                  /* Besides, BFD is content, if it is on. */

    /* Of a link: what is at the other end (or empty, if it is not known). */
    uint64_t peer;
    char *peer_port;

    /* What was put between topology_begin() and topology_commit(). */
    struct topology_given {
        bool link;              /* The port is a link, ... */
        uint64_t peer;          /* ... with this at the other end. */
        char *peer_port;
        uint32_t cost;
        bool edge;              /* The port is an edge port. */
    } given;
    bool given_again;

    int n_probes;               /* Since it came up, up to 4. */
    long long int next_probe;   /* When. */
};

struct topology_switch {
    struct hmap_node node;
    struct topology *topology;
    uint64_t dpid;
    bool reachable;
    struct shash ports;         /* Of "struct topology_port"s. */
};

struct topology;

/* Has the switch send 'frame' out of 'port'. */
typedef void topology_send_cb(void *aux, uint64_t dpid, ofp_port_t port,
                              const void *frame, size_t len);

/* 'key' tags the frames. */
struct topology *topology_create(const struct siphash_key *key,
                                 topology_send_cb *, void *aux);
void topology_destroy(struct topology *);

/* Changes whenever anything does that topology_fill() depends on. */
unsigned int topology_seqno(const struct topology *);

struct topology_switch *topology_add_switch(struct topology *, uint64_t dpid);
void topology_remove_switch(struct topology_switch *);
struct topology_switch *topology_find_switch(const struct topology *,
                                             uint64_t dpid);
struct topology_port *topology_find_port(const struct topology_switch *,
                                         ofp_port_t number);

/* Whether the controller reaches the switch, so that it sends and reports
 * probes. */
void topology_set_reachable(struct topology_switch *, bool reachable,
                            long long int now);

/* What ports the switch has. */
void topology_set_ports(struct topology_switch *,
                        const struct ofputil_phy_port *, size_t n,
                        long long int now);

/* What is known otherwise of ports, all of it between topology_begin() and
 * topology_commit(): that a port is a link to 'peer_port' of switch 'peer'
 * (null and 0 if that is not known), or an edge port; of both, the former,
 * which must be put first.  A port that was put before and is not put again,
 * is found out anew. */
void topology_begin(struct topology *);
void topology_put_link(struct topology_switch *, const char *port,
                       uint64_t peer, const char *peer_port, uint32_t cost);
void topology_put_edge(struct topology_switch *, const char *port);
void topology_commit(struct topology *, long long int now);

/* A frame has come in at 'port'.  Returns whether it is a probe. */
bool topology_receive(struct topology_switch *, ofp_port_t port,
                      const void *frame, size_t len);

/* Sends the probes that are due. */
void topology_run(struct topology *, long long int now);

/* When topology_run() is to be called the next time, or LLONG_MAX; in the past
 * if that is at once. */
long long int topology_deadline(const struct topology *);

/* Whether it is known of each port of the switch that is up what it is. */
bool topology_is_settled(const struct topology_switch *);

/* Whether the link that begins at 'port' carries frames. */
bool topology_link_is_up(const struct topology_port *);

/* Adds to 'f' its ports and links, given its switches.  Which comes first
 * depends on their names only. */
void topology_fill(const struct topology *, struct fabric *f);

/* The names of the switch's ports that are links. */
void topology_links(const struct topology_switch *, struct sset *);

#endif /* topology.h */
