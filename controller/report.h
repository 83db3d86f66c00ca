/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPORT_H
#define REPORT_H 1

/* Writes what was learned about switches, links, hosts and services into the
 * database OVS_Migrate: all columns titled "Status" there, and events about
 * what has changed there. */

#include <stdbool.h>
#include <stdint.h>

struct agents;
struct events;
struct fabric;
struct fleet;
struct health;
struct omrec_fabric;
struct omrec_switch;
struct ovsdb_idl;
struct tally;
struct topology;

/* The row of the switch with datapath ID 'dpid', or NULL. */
const struct omrec_switch *report_find_switch(const struct ovsdb_idl *,
                                              uint64_t dpid);

/* Writes the rows of links: those that 'topology' has and the database has not
 * are added, and none is deleted. */
void report_links(struct events *, const struct topology *);

/* Writes into the rows of switches how they are connected and, if what they
 * are to have is 'current', follows from all that the database says, how far
 * they have come. */
void report_switches(struct events *, const struct fleet *,
                     const struct omrec_fabric *, bool current);

/* Writes into the rows of services what switches say of them. */
void report_services(const struct ovsdb_idl *, const struct tally *);

/* Writes into the rows of hosts what switches, their agents and checks say of
 * them, and where they are plugged in: of part 0, 1, ... REPORT_PARTS - 1 of
 * the hosts, as that of many takes a while. */
#define REPORT_PARTS 10
void report_hosts(struct events *, int part, const struct tally *,
                  const struct agents *, const struct health *,
                  const struct fabric *, const struct topology *);

#endif /* report.h */
