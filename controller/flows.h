/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOWS_H
#define FLOWS_H 1

/* The flows and groups that a switch is to have: a function of the fabric and
 * nothing else.
 *
 * Table 0: is the port open?
 *
 *     LLDP goes to the controller, which finds links by it.  Frames from links
 *     go to table 2, those from edge ports to table 1.  There is no flow for
 *     other ports, so frames from them are dropped: as long as nobody knows
 *     what is there, it may be a loop.
 *
 * Table 1: is the sender what it says?
 *
 *     Who claims an address of a switch or a service is not heard, nor is who
 *     sends from a migration address.  ARP and neighbor discovery of a machine
 *     that is not known at this port, or that is doubted (stations.h), is
 *     copied to the controller.  It, and all else, goes to table 2.
 *
 * Table 2: is it for a switch?
 *
 *     What is for a service or a migration address goes to the engine
 *     (migrate), which continues in table 3; or, if another switch is to do
 *     that, on the way to that switch.  All else goes to table 3.
 *
 * Table 3: where is it?
 *
 *     What the engine says to the controller goes there.  All else goes by
 *     Ethernet address, to the port where the machine is, or on the way to
 *     the switch where it is.  What is for all, or for one who is not known,
 *     goes along a tree; from links that are not in the tree it is dropped.
 *
 * The way to another switch is a group, one for each switch, which selects
 * among the ports that begin a shortest path.  When links come and go, only
 * groups change.  A port that is down is left out by the switch itself. */

#include <stddef.h>
#include <stdint.h>

#include "openvswitch/types.h"

struct fabric;
struct fabric_routes;
struct flow_table;

/* Flows are made, and compared, in sections, each of which follows from a part
 * of the fabric besides the switches. */
enum flows_section {
    FLOWS_PORTS,                /* Ports, links; and all groups. */
    FLOWS_ADDRESSES,            /* Services. */
    FLOWS_STATIONS,             /* Stations. */
};
#define FLOWS_N_SECTIONS 3

/* The cookie of the flows of section S.  It spells "migrate". */
#define FLOWS_COOKIE(S) (UINT64_C(0x6d69677261746500) | (S))

/* The section of a flow with 'cookie', or FLOWS_N_SECTIONS if the flow is not
 * the controller's.  (Sections of other versions of it count as the first.) */
enum flows_section flows_section_from_cookie(ovs_be64 cookie);

/* Tables 2 and 3. */
#define FLOWS_TABLE_OWN 2
#define FLOWS_TABLE_WAYS 3

/* The group that floods. */
#define FLOWS_GROUP_FLOOD 1

/* Adds 'section' of switch 'sw' to 'ft'.  Of FLOWS_STATIONS, that is what is
 * to be done differently there from what flows_add_far() has, which is to be
 * the base of 'ft'. */
void flows_add(enum flows_section section, const struct fabric *,
               const struct fabric_routes *, size_t sw, struct flow_table *ft);

/* Adds to 'ft' the flows to stations that are at other switches: all stations,
 * as they look from a switch that has none. */
void flows_add_far(const struct fabric *, struct flow_table *ft);

#endif /* flows.h */
