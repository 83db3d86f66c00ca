/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHECKS_H
#define CHECKS_H 1

/* Checks of whether hosts serve: TCP connections and HTTP requests that the
 * controller makes to them, as pools say.
 *
 * A host that fails as often in a row as its pool says is down in that pool,
 * until it has succeeded as often.  One that was not checked yet is up. */

#include <stdbool.h>

struct ovsdb_idl;
struct uuid;

struct checks;

struct checks *checks_create(const struct ovsdb_idl *);
void checks_destroy(struct checks *);

/* The pools or hosts of the database have changed. */
void checks_update(struct checks *);

/* Does what there is to do, and causes poll_block() to wake up when there is
 * more.  Returns whether any host has become up or down. */
bool checks_run(struct checks *);

/* Whether the host is up, as far as its check by the pool tells.  If not and
 * 'why' is nonnull, stores there what was wrong the last time, which lives
 * until checks_run(). */
bool checks_is_up(const struct checks *, const struct uuid *pool,
                  const struct uuid *host, const char **why);

#endif /* checks.h */
