/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RESOURCE_H
#define RESOURCE_H 1

/* What the REST interface has to offer: one table for each resource, from
 * which follow how requests are read and checked (value.h, change.h), how
 * answers are written, and /openapi.json (openapi.h).
 *
 * Most of what a field is comes from its column: types, ranges, lengths and
 * enumerations from ovs-migrate.ovsschema, the words from ovs-migrate.xml.
 * What is here is only what those do not know. */

#include <stdbool.h>
#include <stddef.h>

#include "ovsdb-idl.h"
#include "ovsdb-idl-provider.h"

struct json;
struct problem;
struct store;

/* How strings of one sort are to look, beyond what the schema says. */
struct syntax {
    const char *format;         /* As OpenAPI's "format". */
    const char *what;           /* What it must be, for people. */
    const char *pattern;        /* Regular expression, or NULL; canonical()
                                 * may be stricter. */
    /* The form of the string that the database has, which the caller frees, or
     * NULL if it is not acceptable. */
    char *(*canonical)(const char *);
};

enum field_flags {
    FIELD_REQUIRED = 1 << 0,    /* Cannot be left out. */
    FIELD_READONLY = 1 << 1,    /* Ignored when sent. */
    FIELD_SECRET = 1 << 2,      /* Never shown. */
    FIELD_COLUMN = 1 << 3,      /* Goes into tables for people, or, of an
                                 * object with 'columns', these do. */
};

struct field {
    const char *name;           /* Also that of the column, mostly. */
    const struct ovsdb_idl_column *column;

    /* If not NULL, the field is the name of the row of this other table whose
     * 'column', a set of references, has this row: its owner. */
    const struct ovsdb_idl_table_class *owner;

    int flags;                  /* Of enum field_flags. */
    const char *columns;        /* Names of members, with spaces between them,
                                 * or NULL. */
    const struct syntax *syntax;        /* Of strings, or NULL. */
    const char *default_;       /* JSON text of what an empty column stands
                                 * for, or NULL for nothing. */
    const char *example;        /* JSON text of a good value. */
    const char *doc;            /* NULL: that of the column. */
};

enum resource_flags {
    RESOURCE_PUT = 1 << 0,      /* Can be created and replaced. */
    RESOURCE_PATCH = 1 << 1,
    RESOURCE_DELETE = 1 << 2,
    RESOURCE_SINGLE = 1 << 3,   /* There is exactly one, without a name. */
};

struct resource {
    const char *name;           /* Of one, such as "host". */
    const char *path;           /* Of all, after "/v1/", such as "hosts". */
    const struct ovsdb_idl_table_class *class;
    int flags;                  /* Of enum resource_flags. */

    /* The first is the key, by which paths name one. */
    const struct field *fields;
    size_t n_fields;

    /* Fills columns of a new row that are not for clients; or NULL.  A
     * transaction is open. */
    void (*create)(struct store *, const struct ovsdb_idl_row *);

    /* Deletes what cannot be without 'row', which is about to be deleted, and
     * is not for clients; or NULL.  A transaction is open. */
    void (*remove)(struct store *, const struct ovsdb_idl_row *row);

    /* Adds to the problem what is wrong with 'row', as it would become by the
     * open transaction, in relation to other rows, which it verifies; or
     * NULL.  'owner' is the row's owner, if it has one. */
    void (*check)(struct store *, const struct ovsdb_idl_row *row,
                  const struct ovsdb_idl_row *owner, struct problem *);
};

enum { N_RESOURCES = 8 };
extern const struct resource resources[N_RESOURCES];

/* Finds a resource; they return NULL if there is none. */
const struct resource *resource_by_path(const char *path, size_t len);
const struct resource *resource_by_table(const char *table);

/* The field called 'name', or NULL. */
const struct field *resource_field(const struct resource *, const char *name);

/* What 'field' of 'resource' means, in words; and 'resource'. */
const char *field_doc(const struct resource *, const struct field *);
const char *resource_doc(const struct resource *);

#endif /* resource.h */
