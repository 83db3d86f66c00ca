/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIEW_SCHEMA_H
#define VIEW_SCHEMA_H 1

/* What is said of connections, decisions and paths (live.h) in
 * /openapi.json. */

#include <stddef.h>

struct json;

struct view_schema {
    const char *path;           /* Such as "paths". */
    const char *what;           /* "Path". */
    const char *summary;
    const char *filters;        /* JSON: objects with "name", and "type". */
    const char *item;           /* JSON: the schema of one. */
};

enum { N_VIEW_SCHEMAS = 3 };
extern const struct view_schema view_schemas[N_VIEW_SCHEMAS];

#endif /* view-schema.h */
