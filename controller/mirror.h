/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MIRROR_H
#define MIRROR_H 1

/* A copy of some columns of a database, for a program that has very many such
 * copies of databases that are much alike: values that are the same are kept
 * once for all of them (intern.h).  Else it does what an IDL does, and it is
 * written in transactions, one at a time.
 *
 * Tables and columns are those of a generated IDL class. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ovsdb-idl-provider.h"

struct json;
struct mirror;
struct smap;

/* A column to be copied. */
struct mirror_column {
    const struct ovsdb_idl_column *column;
    bool report;                /* Nothing is made from it: no call for its
                                 * changes. */
};

/* A table to be copied. */
struct mirror_class {
    const struct ovsdb_idl_table_class *class;
    const struct mirror_column *columns;
    size_t n_columns;
};

/* A row, which stays where it is until it is deleted. */
struct mirror_row {
    struct hmap_node node;      /* In its table. */
    struct uuid uuid;
    struct mirror_table *table;
    unsigned int mark;          /* For use by whoever looks through rows. */
    bool is_new;                /* Inserted by the transaction. */
    struct ovsdb_datum values[];
};

/* Called for what has changed in the database, by us or by others: a row that
 * has come, or is about to go, if 'column' is NULL, else a column. */
typedef void mirror_changed_cb(void *aux, const struct mirror_row *,
                               const struct ovsdb_idl_column *column);

/* Copies 'n' tables of 'database'. */
struct mirror *mirror_create(const char *database,
                               const struct mirror_class *classes, size_t n,
                               mirror_changed_cb *, void *aux);
void mirror_destroy(struct mirror *);

/* Gives up the connection, if there is one, and makes one to 'remote'. */
void mirror_connect(struct mirror *, const char *remote);

/* Hears what the database says.  What mirror_changed_cb was called for is
 * complete when this returns. */
void mirror_run(struct mirror *);
void mirror_wait(struct mirror *);

/* Whether there is a connection, and whether, besides, the copy is
 * complete. */
bool mirror_is_open(const struct mirror *);
bool mirror_is_connected(const struct mirror *);

/* Why there is none, as an errno value or EOF, or 0 if that is not known
 * yet. */
int mirror_connection_error(const struct mirror *);

/* Whether the database has the table. */
bool mirror_has_table(const struct mirror *,
                      const struct ovsdb_idl_table_class *);

/* Rows, in no order. */
const struct mirror_row *mirror_first(const struct mirror *,
                                        const struct ovsdb_idl_table_class *);
const struct mirror_row *mirror_next(const struct mirror_row *);

/* What the database has in a column: all of it; its only, or first, value or
 * a null one; a map's string for 'key', or NULL.  Of a new row it is the
 * default. */
const struct ovsdb_datum *mirror_read(const struct mirror_row *,
                                      const struct ovsdb_idl_column *);
const char *mirror_string(const struct mirror_row *,
                          const struct ovsdb_idl_column *);
int64_t mirror_integer(const struct mirror_row *,
                       const struct ovsdb_idl_column *);
const char *mirror_get(const struct mirror_row *,
                       const struct ovsdb_idl_column *, const char *key);

/* The row that number 'i' of the column refers to, or NULL if it has not so
 * many. */
struct mirror_row *mirror_ref(const struct mirror *,
                                const struct mirror_row *,
                                const struct ovsdb_idl_column *, size_t i);

/* Whether a transaction is under way; until it is done, none is to be made. */
bool mirror_is_busy(const struct mirror *);

/* Puts a new row into the transaction. */
struct mirror_row *mirror_insert(struct mirror *,
                                   const struct ovsdb_idl_table_class *);

/* Puts the value of a column into the transaction, if it is another one.  Once
 * a transaction for each.  The first takes over what is in '*datum', which is
 * sorted; the second leaves it alone, and takes what it is as JSON, too. */
void mirror_set(struct mirror *, const struct mirror_row *,
                const struct ovsdb_idl_column *, struct ovsdb_datum *datum);
void mirror_set_shared(struct mirror *, const struct mirror_row *,
                       const struct ovsdb_idl_column *,
                       const struct ovsdb_datum *datum, struct json *json);
void mirror_set_string(struct mirror *, const struct mirror_row *,
                       const struct ovsdb_idl_column *, const char *);
void mirror_set_integer(struct mirror *, const struct mirror_row *,
                        const struct ovsdb_idl_column *, int64_t);
void mirror_set_smap(struct mirror *, const struct mirror_row *,
                     const struct ovsdb_idl_column *, const struct smap *);
void mirror_set_refs(struct mirror *, const struct mirror_row *,
                     const struct ovsdb_idl_column *,
                     const struct mirror_row *const rows[], size_t n);

/* Sends the transaction, if there is anything in it, with 'comment', and with
 * 'counter' of 'row' counted up by one. */
void mirror_commit(struct mirror *, const char *comment,
                   const struct mirror_row *row,
                   const struct ovsdb_idl_column *counter);

/* Whether a transaction has failed since this was asked last. */
bool mirror_has_failed(struct mirror *);

#endif /* mirror.h */
