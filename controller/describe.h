/* SPDX-License-Identifier: Apache-2.0 */
#ifndef DESCRIBE_H
#define DESCRIBE_H 1

/* What switches say of their connections (MIGRATE_LISTING), as JSON, with the
 * names that the database OVS_Migrate has for it. */

struct json;
struct migrate_connection;
struct ovsdb_idl;

/* The connection 'c' of switch 'sw', for "/v1/connections". */
struct json *describe_connection(const struct ovsdb_idl *, const char *sw,
                                 const struct migrate_connection *c);

/* Why it is at its host, or is not at one, for "/v1/decisions".  NULL if
 * nobody has decided yet. */
struct json *describe_decision(const struct ovsdb_idl *, const char *sw,
                               const struct migrate_connection *c);

#endif /* describe.h */
