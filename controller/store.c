/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "store.h"

#include <string.h>

#include "controller/ovs-migrate-idl.h"
#include "openvswitch/json.h"
#include "replica.h"
#include "util.h"

void
store_init(struct store *store, const char *remote)
{
    store->idl = replica_create(remote);
    for (size_t i = 0; i < N_RESOURCES; i++) {
        store->by_key[i] = ovsdb_idl_index_create1(
            store->idl, resources[i].fields[0].column);
    }
    store->hosts_by_ip = ovsdb_idl_index_create1(store->idl,
                                                 &omrec_host_col_ip);
}

void
store_uninit(struct store *store)
{
    ovsdb_idl_destroy(store->idl);
}

bool
store_is_filled(const struct store *store)
{
    return ovsdb_idl_has_ever_connected(store->idl);
}

bool
store_is_writable(const struct store *store)
{
    return (ovsdb_idl_is_connected(store->idl)
            && omrec_fabric_first(store->idl));
}

static struct ovsdb_idl_index *
index_of(const struct store *store, const struct resource *resource)
{
    return store->by_key[resource - resources];
}

/* Returns a row to look up 'key' with, or NULL if no row can have it. */
static struct ovsdb_idl_row *
key_row(const struct store *store, const struct resource *resource,
        const char *key)
{
    const struct ovsdb_idl_column *column = resource->fields[0].column;
    struct ovsdb_idl_row *row;
    struct ovsdb_datum datum;
    union ovsdb_atom atom;
    long long int integer;

    if (column->type.key.type == OVSDB_TYPE_STRING) {
        atom.s = ovsdb_atom_string_create(key);
    } else if (str_to_llong(key, 10, &integer)) {
        atom.integer = integer;
    } else {
        return NULL;
    }
    ovsdb_datum_init_empty(&datum);
    ovsdb_datum_add_unsafe(&datum, &atom, NULL, &column->type, NULL);
    ovsdb_atom_destroy(&atom, column->type.key.type);
    row = ovsdb_idl_index_init_row(index_of(store, resource));
    ovsdb_idl_index_write(row, column, &datum, resource->class);
    return row;
}

const struct ovsdb_idl_row *
store_find(const struct store *store, const struct resource *resource,
           const char *key)
{
    const struct ovsdb_idl_row *found;
    struct ovsdb_idl_row *row;

    if (resource->flags & RESOURCE_SINGLE) {
        return ovsdb_idl_first_row(store->idl, resource->class);
    }
    row = key_row(store, resource, key);
    if (!row) {
        return NULL;
    }
    found = ovsdb_idl_index_find(index_of(store, resource), row);
    ovsdb_idl_index_destroy_row(row);
    return found;
}

bool
store_exists(const struct ovsdb_idl_row *row)
{
    return row->new_datum != NULL;
}

struct ovsdb_idl_cursor
store_after(const struct store *store, const struct resource *resource,
            const char *key)
{
    struct ovsdb_idl_index *index = index_of(store, resource);
    struct ovsdb_idl_row *row = key ? key_row(store, resource, key) : NULL;
    struct ovsdb_idl_cursor cursor;

    if (!row) {
        return ovsdb_idl_cursor_first(index);
    }
    cursor = ovsdb_idl_cursor_first_ge(index, row);
    const struct ovsdb_idl_row *first = ovsdb_idl_cursor_data(&cursor);

    if (first && !ovsdb_idl_index_compare(index, first, row)) {
        ovsdb_idl_cursor_next(&cursor);
    }
    ovsdb_idl_index_destroy_row(row);
    return cursor;
}

char *
store_key(const struct resource *resource, const struct ovsdb_idl_row *row)
{
    const struct ovsdb_idl_column *column = resource->fields[0].column;
    const struct ovsdb_datum *datum = ovsdb_idl_read(row, column);

    return (column->type.key.type == OVSDB_TYPE_STRING
            ? xstrdup(json_string(datum->keys[0].s))
            : xasprintf("%"PRId64, datum->keys[0].integer));
}

const struct ovsdb_idl_row *
store_referrer(const struct store *store, const struct ovsdb_idl_row *row,
               const struct ovsdb_idl_table_class *class,
               const struct ovsdb_idl_column *column,
               const struct ovsdb_idl_row *previous)
{
    union ovsdb_atom atom = { .uuid = row->uuid };
    const struct ovsdb_idl_row *r;

    for (r = previous ? ovsdb_idl_next_row(previous)
             : ovsdb_idl_first_row(store->idl, class);
         r; r = ovsdb_idl_next_row(r)) {
        unsigned int at;

        if (ovsdb_datum_find_key(ovsdb_idl_read(r, column), &atom,
                                 OVSDB_TYPE_UUID, &at)) {
            return r;
        }
    }
    return NULL;
}
