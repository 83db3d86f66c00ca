/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPORT_H
#define REPORT_H 1

/* Writes what was learned about switches and links into the database
 * OVS_Migrate: all columns titled "Status" there. */

#include <stdbool.h>
#include <stdint.h>

struct omrec_switch;
struct ovsdb_idl;
struct ovsdb_idl_txn;
struct topology;

/* Writes the rows of links: those that 'topology' has and the database has not
 * are added, and none is deleted. */
void report_links(struct ovsdb_idl *, struct ovsdb_idl_txn *,
                  const struct topology *);

/* What there is to say about a switch. */
struct report_switch {
    bool ovsdb;                 /* Whether it is connected. */
    bool openflow;
    const char *error;          /* Or NULL. */
    int64_t cfg;                /* The Fabric's next_cfg that it was programmed
                                 * with as a whole, or 0 if it was not. */
};

void report_switch(const struct omrec_switch *, const struct report_switch *);

#endif /* report.h */
