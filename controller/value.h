/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VALUE_H
#define VALUE_H 1

/* The values of fields (resource.h): from JSON, with all the checks that one
 * field allows for, and back. */

#include "resource.h"

/* What a field is in JSON, and what its column makes of that. */
enum value_kind {
    VALUE_INTEGER,
    VALUE_STRING,
    VALUE_REFERENCE,            /* The key of another row: its UUID. */
    VALUE_STRINGS,              /* An object of strings: a map. */
    VALUE_INTEGERS,             /* An object of integers: a map. */
    VALUE_WEIGHTS,              /* An object of integers, by the keys of other
                                 * rows: a map from UUIDs. */
};

enum value_kind value_kind(const struct field *);

/* The resource that 'field' refers to, or NULL. */
const struct resource *value_target(const struct field *);

/* Makes '*datum', which the caller destroys, of 'json' for 'field' at
 * 'pointer'.  Returns false, and adds what is wrong to the problem, if it is
 * not acceptable.  An owner's datum is its UUID. */
bool value_parse(const struct store *, const struct field *,
                 const struct json *json, const char *pointer,
                 struct ovsdb_datum *datum, struct problem *);

/* The value of 'field' in 'row', which the caller destroys.  Null if there is
 * none; 'defaults' says whether to put what an empty column stands for. */
struct json *value_format(const struct store *, const struct field *,
                          const struct ovsdb_idl_row *row, bool defaults);

/* The OpenAPI schema of 'field', without its description. */
struct json *value_schema(const struct field *);

/* The type of the columns that 'field' is parsed for. */
const struct ovsdb_type *value_type(const struct field *);

/* 'pointer' with another token, escaped.  The caller frees it. */
char *pointer_append(const char *pointer, const char *token);

/* Parses 'text', a JSON value of our own.  The caller destroys it. */
struct json *json_literal(const char *text);

/* How 'json' looks in a message: cut if it is long.  The caller frees it. */
char *value_excerpt(const struct json *json);

#endif /* value.h */
