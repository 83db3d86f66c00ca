/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPLICA_H
#define REPLICA_H 1

/* Replicas of the database OVS_Migrate, and how soon it is noticed that one
 * end of the connection to it is gone without a word: within 3 s, by probes
 * each way.  When the database misses the active controller, its lock goes to
 * another one. */

struct ovsdb_idl;

/* A replica of the database at 'remote'. */
struct ovsdb_idl *replica_create(const char *remote);

/* Has the database probe those who connect to it: writes how, in the open
 * transaction of 'idl', where nobody has said so in the table Connection. */
void replica_set_probes(const struct ovsdb_idl *idl);

/* Warns if the database at 'remote', which 'idl' is a replica of, does not
 * listen by that table, and so probes as it thinks fit. */
void replica_check_probes(const struct ovsdb_idl *idl, const char *remote);

#endif /* replica.h */
