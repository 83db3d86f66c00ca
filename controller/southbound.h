/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SOUTHBOUND_H
#define SOUTHBOUND_H 1

/* The part of the controller that programs switches, as the database says, and
 * writes what it learns back into it.
 *
 * Of several controllers on one database, only the one that holds the OVSDB
 * lock, the active one, does anything.  The database accepts transactions of
 * this part only while that is so. */

#include <stdbool.h>

struct agents;
struct live;
struct southbound;

/* Connects to the database at 'remote'.  'name' is what the controller is
 * called in the database; 'agents' has heard what agents say. */
struct southbound *southbound_create(const char *remote, const char *name,
                                     struct agents *agents);
void southbound_destroy(struct southbound *);

/* Does what there is to do, and causes poll_block() to wake up when there is
 * more. */
void southbound_run(struct southbound *);

/* Whether this controller is the active one. */
bool southbound_is_active(const struct southbound *);

/* What it knows that is not in the database. */
const struct live *southbound_live(const struct southbound *);

#endif /* southbound.h */
