/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HEALTH_H
#define HEALTH_H 1

/* Checks of whether hosts serve: TCP connections and HTTP requests that the
 * controller makes to them, as pools say.
 *
 * A host that fails as often in a row as its pool says is down in that pool,
 * until it has succeeded as often.  One that was not checked yet is up. */

#include <stdbool.h>

struct ds;
struct health;
struct ovsdb_idl;
struct uuid;

/* Without a check.  'idl' is a replica of OVS_Migrate. */
struct health *health_create(const struct ovsdb_idl *idl);
void health_destroy(struct health *);

/* The pools or hosts of the database may have changed. */
void health_update(struct health *);

/* Does what there is to do, and causes poll_block() to wake up when there is
 * more.  Returns whether a host has become up or down. */
bool health_run(struct health *);

/* Whether 'host' is up in 'pool'.  '*why', if it is nonnull, is set to what
 * was wrong the last time, or NULL, and lives until health_run(). */
bool health_is_up(const struct health *, const struct uuid *pool,
                  const struct uuid *host, const char **why);

/* Appends the names of the pools that 'host' is down in, with commas between
 * them. */
void health_put_down(const struct health *, const struct uuid *host,
                     struct ds *);

/* Since the program began. */
struct health_statistics {
    unsigned long long int succeeded;
    unsigned long long int failed;
};
extern struct health_statistics health_statistics;

#endif /* health.h */
