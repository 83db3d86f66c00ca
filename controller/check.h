/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHECK_H
#define CHECK_H 1

/* What of a row cannot be said of one field alone: see 'create',
 * 'remove' and 'check' in resource.h. */

#include "resource.h"

void create_service(struct store *, const struct ovsdb_idl_row *);
void remove_switch(struct store *, const struct ovsdb_idl_row *);

void check_fabric(struct store *, const struct ovsdb_idl_row *,
                  const struct ovsdb_idl_row *owner, struct problem *);
void check_host(struct store *, const struct ovsdb_idl_row *,
                const struct ovsdb_idl_row *owner, struct problem *);
void check_pool(struct store *, const struct ovsdb_idl_row *,
                const struct ovsdb_idl_row *owner, struct problem *);
void check_rule(struct store *, const struct ovsdb_idl_row *,
                const struct ovsdb_idl_row *owner, struct problem *);
void check_service(struct store *, const struct ovsdb_idl_row *,
                   const struct ovsdb_idl_row *owner, struct problem *);
void check_switch(struct store *, const struct ovsdb_idl_row *,
                  const struct ovsdb_idl_row *owner, struct problem *);

#endif /* check.h */
