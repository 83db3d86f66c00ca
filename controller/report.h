/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPORT_H
#define REPORT_H 1

/* Writes what was learned about switches and links into the database
 * OVS_Migrate: all columns titled "Status" there. */

struct fleet;
struct omrec_fabric;
struct ovsdb_idl;
struct ovsdb_idl_txn;
struct topology;

/* Writes the rows of links: those that 'topology' has and the database has not
 * are added, and none is deleted. */
void report_links(struct ovsdb_idl *, struct ovsdb_idl_txn *,
                  const struct topology *);

/* Writes into the rows of switches how they are connected. */
void report_switches(const struct fleet *, const struct omrec_fabric *);

#endif /* report.h */
