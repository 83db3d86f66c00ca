/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STORE_H
#define STORE_H 1

/* The database as the REST interface sees it: a replica, with the rows of each
 * resource (resource.h) in the order of their keys. */

#include "resource.h"

struct store {
    struct ovsdb_idl *idl;
    struct ovsdb_idl_index *by_key[N_RESOURCES];
    struct ovsdb_idl_index *hosts_by_ip;
};

void store_init(struct store *, const char *remote);
void store_uninit(struct store *);

/* Whether the replica has ever been filled. */
bool store_is_filled(const struct store *);

/* Whether the database can be written, as far as can be told. */
bool store_is_writable(const struct store *);

/* The row of 'resource' whose key is 'key', in the text form that paths have;
 * NULL if there is none.  A single one has no key. */
const struct ovsdb_idl_row *store_find(const struct store *,
                                       const struct resource *,
                                       const char *key);

/* Whether the open transaction does not delete 'row'. */
bool store_exists(const struct ovsdb_idl_row *row);

/* A cursor at the first row of 'resource' whose key is greater than 'key', or
 * at the first of all if that is NULL. */
struct ovsdb_idl_cursor store_after(const struct store *,
                                    const struct resource *, const char *key);

/* The row's key in text form.  The caller frees it. */
char *store_key(const struct resource *, const struct ovsdb_idl_row *);

/* A row in the table of 'class' whose 'column', a set or map of references,
 * refers to 'row', or NULL: the first, or the next one after 'previous', if
 * that is not NULL. */
const struct ovsdb_idl_row *store_referrer(
    const struct store *, const struct ovsdb_idl_row *row,
    const struct ovsdb_idl_table_class *class,
    const struct ovsdb_idl_column *column,
    const struct ovsdb_idl_row *previous);

#endif /* store.h */
