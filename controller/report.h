/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPORT_H
#define REPORT_H 1

/* Writes what was learned about switches, links, hosts and services into the database
 * OVS_Migrate: all columns titled "Status" there, and events about what has
 * changed there. */

struct events;
struct fabric;
struct fleet;
struct omrec_fabric;
struct ovsdb_idl;
struct tally;
struct topology;

/* Writes the rows of links: those that 'topology' has and the database has not
 * are added, and none is deleted. */
void report_links(struct events *, const struct topology *);

/* Writes into the rows of switches how they are connected. */
void report_switches(struct events *, const struct fleet *,
                     const struct omrec_fabric *);

/* Writes into the rows of services and hosts what switches say of them; of
 * hosts, also where they are plugged in. */
void report_services(const struct ovsdb_idl *, const struct tally *);
void report_hosts(struct events *, const struct tally *, const struct fabric *,
                  const struct topology *);

#endif /* report.h */
