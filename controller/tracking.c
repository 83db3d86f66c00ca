/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "tracking.h"

#include "ovsdb-idl-provider.h"
#include "ovsdb-idl.h"

bool
tracking_comes_or_goes(const struct ovsdb_idl_row *row)
{
    return (ovsdb_idl_row_get_seqno(row, OVSDB_IDL_CHANGE_INSERT)
            || ovsdb_idl_row_get_seqno(row, OVSDB_IDL_CHANGE_DELETE));
}

bool
tracking_is_modified(const struct ovsdb_idl_row *row)
{
    return row->updated && !tracking_comes_or_goes(row);
}

bool
tracking_has_changed(const struct ovsdb_idl *idl,
                     const struct ovsdb_idl_table_class *table)
{
    const struct ovsdb_idl_row *row;

    for (row = ovsdb_idl_track_get_first(idl, table); row;
         row = ovsdb_idl_track_get_next(row)) {
        if (row->updated || tracking_comes_or_goes(row)) {
            return true;
        }
    }
    return false;
}

unsigned int
tracking_seqno(const struct ovsdb_idl *idl,
               const struct ovsdb_idl_table_class *const tables[], size_t n)
{
    unsigned int seqno = 0;

    for (size_t i = 0; i < n; i++) {
        seqno += ovsdb_idl_table_get_seqno(idl, tables[i]);
    }
    return seqno;
}
