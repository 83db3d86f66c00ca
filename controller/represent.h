/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REPRESENT_H
#define REPRESENT_H 1

/* Rows as clients see them. */

#include "resource.h"

/* All that is shown of 'row'.  The caller destroys it. */
struct json *represent(const struct store *, const struct resource *,
                       const struct ovsdb_idl_row *row);

/* What clients have written of 'row', secrets included, without what they left
 * out.  The caller destroys it. */
struct json *represent_written(const struct store *, const struct resource *,
                               const struct ovsdb_idl_row *row);

/* The ETag of 'row', with its quotes.  It stands for what clients can write,
 * so it does not change with the status.  The caller frees it. */
char *represent_etag(const struct store *, const struct resource *,
                     const struct ovsdb_idl_row *row);

#endif /* represent.h */
