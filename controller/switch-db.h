/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SWITCH_DB_H
#define SWITCH_DB_H 1

/* The OVSDB connection to a switch: its database Open_vSwitch, made as the
 * database OVS_Migrate wants it.
 *
 * These are the controller's, of the switch's bridge and no other one:
 * migration_services and all that it refers to; the keys of other_config that
 * begin with "migrate-"; fail_mode, which is "secure", since a switch that
 * floods by itself makes loops; and bfd of the interfaces of the bridge, which
 * is on for links, so that switches notice by themselves when one fails.
 * Whatever else is there is left alone. */

#include <stdbool.h>

#include "switch-rows.h"

struct omrec_fabric;
struct omrec_switch;
struct ovsdb_idl;
struct sset;
struct tally;

/* What a switch's database is made from. */
struct switch_db_wanted {
    const struct ovsdb_idl *idl;        /* OVS_Migrate. */
    const struct omrec_fabric *fabric;
    const struct omrec_switch *sw;
    const struct sset *links;           /* Names of ports. */
    const struct sset *pools;           /* Names of those that are not what
                                         * they were. */
    struct switch_weights weights;
};

struct switch_db;

/* A connection to the database at 'remote', which is made as soon, and as
 * often, as possible. */
struct switch_db *switch_db_create(const char *remote);
void switch_db_destroy(struct switch_db *);

/* Does what there is to do, and causes poll_block() to wake up when there is
 * more.  'changed' tells that 'wanted' is not what it was, in more than the
 * pools that it names. */
void switch_db_run(struct switch_db *, const struct switch_db_wanted *wanted,
                   bool changed);

bool switch_db_is_connected(const struct switch_db *);

/* Whether the database is as wanted, and ovs-vswitchd has taken it over. */
bool switch_db_is_synced(const struct switch_db *);

/* Why it is not and cannot be, although it is connected, or NULL. */
const char *switch_db_error(const struct switch_db *);

/* Why the last attempt to connect has failed, as an errno value or EOF, or 0 if
 * there is a connection. */
int switch_db_connection_error(const struct switch_db *);

/* Adds to 'tally' what the switch, which is 'sw', says about services and
 * hosts.  It does so every few seconds, and not at all while it is not
 * connected. */
void switch_db_count(const struct switch_db *, const struct omrec_switch *sw,
                     struct tally *tally);

#endif /* switch-db.h */
