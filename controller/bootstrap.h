/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BOOTSTRAP_H
#define BOOTSTRAP_H 1

/* The one row of the table Fabric: added, with a new key, where there is
 * none. */

#include <stdbool.h>

struct ovsdb_idl;
struct ovsdb_idl_txn;

struct bootstrap {
    struct ovsdb_idl_txn *txn;  /* That adds it, or NULL. */
};

/* Returns whether there is the row. */
bool bootstrap_run(struct bootstrap *, struct ovsdb_idl *);
void bootstrap_wait(const struct bootstrap *);
void bootstrap_uninit(struct bootstrap *);

#endif /* bootstrap.h */
