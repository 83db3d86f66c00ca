/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCHEMA_H
#define SCHEMA_H 1

/* ovs-migrate.ovsschema, within the program. */

#include "ovsdb-idl-provider.h"

/* The file's text. */
extern const char schema_text[];

/* The type of a column of any resource (resource.h), with all of its
 * constraints: the one in 'column' itself lacks the lengths of strings. */
const struct ovsdb_type *schema_type(const struct ovsdb_idl_column *column);

#endif /* schema.h */
