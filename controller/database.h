/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DATABASE_H
#define DATABASE_H 1

/* The database OVS_Migrate: where it is, and, if it is the controller's own,
 * its file and the ovsdb-server that serves it.
 *
 * That server ends with the controller.  When it ends without being told to,
 * it is started again; what was committed is in the file. */

struct database;

/* A database of the controller's own in 'file', which is created if it does
 * not exist and converted if it is of an older schema (a copy of what it was
 * is kept beside it).  Waits until its ovsdb-server answers, but not forever: a
 * predecessor's may hold the file still.  Returns NULL and sets '*error' to a
 * message that names the remedy, which the caller frees, if that is not
 * possible. */
struct database *database_open_private(const char *file, char **error);

/* One that somebody else runs, at 'remote', which may be several separated by
 * commas.  Returns NULL and sets '*error' to a message, which the caller frees,
 * if it cannot be that. */
struct database *database_open_remote(const char *remote, char **error);

/* Ends the ovsdb-server, if it is the controller's own. */
void database_close(struct database *);

void database_run(struct database *);
void database_wait(struct database *);

/* Where to reach it, for ovsdb_idl_create(). */
const char *database_remote(const struct database *);

/* Returns when all that was committed so far will survive a power failure.
 * (A clustered ovsdb-server sees to that itself, one on a file does not.) */
void database_sync(const struct database *);

#endif /* database.h */
