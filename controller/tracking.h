/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TRACKING_H
#define TRACKING_H 1

/* What has changed in a replica, by the IDL's change tracking.  That also
 * tracks rows because of what others, which they refer to, say; here these
 * have not changed. */

#include <stdbool.h>
#include <stddef.h>

struct ovsdb_idl;
struct ovsdb_idl_row;
struct ovsdb_idl_table_class;

/* Whether tracked columns of a row, which is neither new nor deleted, have
 * changed. */
bool tracking_is_modified(const struct ovsdb_idl_row *);

/* Whether a tracked row is new or deleted. */
bool tracking_comes_or_goes(const struct ovsdb_idl_row *);

/* Whether any row of 'table' has changed in one of these ways. */
bool tracking_has_changed(const struct ovsdb_idl *,
                          const struct ovsdb_idl_table_class *table);

/* Changes whenever a row of one of the 'n' tables has come or gone, or has
 * changed in a column that is not omitted from alerts. */
unsigned int tracking_seqno(const struct ovsdb_idl *,
                            const struct ovsdb_idl_table_class *const tables[],
                            size_t n);

#endif /* tracking.h */
