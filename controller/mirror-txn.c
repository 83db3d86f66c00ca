/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "mirror.h"

#include <stdlib.h>

#include "hash.h"
#include "openvswitch/json.h"
#include "ovsdb-cs.h"
#include "ovsdb-data.h"
#include "mirror-private.h"
#include "smap.h"
#include "util.h"

/* What the transaction does to a row. */
struct write {
    struct hmap_node node;      /* In 'writes', by the row's address. */
    struct mirror_row *row;
    struct json *columns;
};

void
mirror_clear_writes(struct mirror *r)
{
    struct write *write;

    HMAP_FOR_EACH_POP (write, node, &r->writes) {
        json_destroy(write->columns);
        if (write->row->is_new) {
            mirror_row_destroy(write->row);
        }
        free(write);
    }
}

bool
mirror_is_busy(const struct mirror *r)
{
    return r->request != NULL;
}

static struct write *
write_create(struct mirror *r, struct mirror_row *row)
{
    struct write *write = xmalloc(sizeof *write);

    write->row = row;
    write->columns = json_object_create();
    hmap_insert(&r->writes, &write->node, hash_pointer(row, 0));
    return write;
}

static void
put_value(struct mirror *r, const struct mirror_row *row,
          const struct ovsdb_idl_column *column, struct json *json)
{
    struct write *write;

    HMAP_FOR_EACH_WITH_HASH (write, node, hash_pointer(row, 0), &r->writes) {
        if (write->row == row) {
            json_object_put(write->columns, column->name, json);
            return;
        }
    }
    write = write_create(r, CONST_CAST(struct mirror_row *, row));
    json_object_put(write->columns, column->name, json);
}

struct mirror_row *
mirror_insert(struct mirror *r, const struct ovsdb_idl_table_class *class)
{
    struct mirror_row *row;
    struct uuid uuid;

    uuid_generate(&uuid);
    row = mirror_row_create(mirror_find_table(r, class), &uuid);
    row->is_new = true;
    write_create(r, row);
    return row;
}

void
mirror_set(struct mirror *r, const struct mirror_row *row,
           const struct ovsdb_idl_column *column, struct ovsdb_datum *datum)
{
    if (!ovsdb_datum_equals(mirror_read(row, column), datum,
                            &column->type)) {
        put_value(r, row, column, ovsdb_datum_to_json(datum, &column->type));
    }
    ovsdb_datum_destroy(datum, &column->type);
}

void
mirror_set_shared(struct mirror *r, const struct mirror_row *row,
                  const struct ovsdb_idl_column *column,
                  const struct ovsdb_datum *datum, struct json *json)
{
    if (!ovsdb_datum_equals(mirror_read(row, column), datum,
                            &column->type)) {
        put_value(r, row, column, json_clone(json));
    }
}

void
mirror_set_string(struct mirror *r, const struct mirror_row *row,
                  const struct ovsdb_idl_column *column, const char *s)
{
    struct ovsdb_datum datum;

    ovsdb_datum_init_empty(&datum);
    if (s) {
        union ovsdb_atom atom = { .s = json_string_create(s) };

        ovsdb_datum_add_unsafe(&datum, &atom, NULL, &column->type, NULL);
        ovsdb_atom_destroy(&atom, OVSDB_TYPE_STRING);
    }
    mirror_set(r, row, column, &datum);
}

void
mirror_set_integer(struct mirror *r, const struct mirror_row *row,
                   const struct ovsdb_idl_column *column, int64_t integer)
{
    union ovsdb_atom atom = { .integer = integer };
    struct ovsdb_datum datum;

    ovsdb_datum_init_empty(&datum);
    ovsdb_datum_add_unsafe(&datum, &atom, NULL, &column->type, NULL);
    mirror_set(r, row, column, &datum);
}

void
mirror_set_smap(struct mirror *r, const struct mirror_row *row,
                const struct ovsdb_idl_column *column,
                const struct smap *smap)
{
    struct ovsdb_datum datum;

    ovsdb_datum_from_smap(&datum, smap);
    mirror_set(r, row, column, &datum);
}

static bool
refs_differ(const struct ovsdb_datum *there,
            const struct mirror_row *const rows[], size_t n)
{
    if (there->n != n) {
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        union ovsdb_atom atom = { .uuid = rows[i]->uuid };
        unsigned int at;

        if (rows[i]->is_new
            || !ovsdb_datum_find_key(there, &atom, OVSDB_TYPE_UUID, &at)) {
            return true;
        }
    }
    return false;
}

static struct json *
uuid_json(const struct uuid *uuid)
{
    return json_array_create_2(json_string_create("uuid"),
                               json_string_create_nocopy(
                                   xasprintf(UUID_FMT, UUID_ARGS(uuid))));
}

static struct json *
ref_json(const struct mirror_row *row)
{
    return (!row->is_new ? uuid_json(&row->uuid)
            : json_array_create_2(json_string_create("named-uuid"),
                                  json_string_create_nocopy(
                                      ovsdb_data_row_name(&row->uuid))));
}

void
mirror_set_refs(struct mirror *r, const struct mirror_row *row,
                const struct ovsdb_idl_column *column,
                const struct mirror_row *const rows[], size_t n)
{
    struct json *refs;

    if (!refs_differ(mirror_read(row, column), rows, n)) {
        return;
    }
    refs = json_array_create_empty();
    for (size_t i = 0; i < n; i++) {
        json_array_add(refs, ref_json(rows[i]));
    }
    put_value(r, row, column,
              json_array_create_2(json_string_create("set"), refs));
}

static struct json *
operation(const char *op, const struct mirror_table *table)
{
    struct json *json = json_object_create();

    json_object_put_string(json, "op", op);
    json_object_put_string(json, "table", table->class->class->name);
    return json;
}

/* "where": the row alone. */
static void
put_where(struct json *op, const struct mirror_row *row)
{
    json_object_put(op, "where", json_array_create_1(json_array_create_3(
        json_string_create("_uuid"), json_string_create("=="),
        uuid_json(&row->uuid))));
}

/* Takes the columns out of 'write'. */
static struct json *
write_operation(struct write *write)
{
    const struct mirror_row *row = write->row;
    struct json *op = operation(row->is_new ? "insert" : "update",
                                row->table);

    if (row->is_new) {
        json_object_put(op, "uuid-name", json_string_create_nocopy(
            ovsdb_data_row_name(&row->uuid)));
    } else {
        put_where(op, row);
    }
    json_object_put(op, "row", write->columns);
    write->columns = NULL;
    return op;
}

static struct json *
count_operation(const struct mirror_row *row,
                const struct ovsdb_idl_column *counter)
{
    struct json *op = operation("mutate", row->table);

    put_where(op, row);
    json_object_put(op, "mutations", json_array_create_1(json_array_create_3(
        json_string_create(counter->name), json_string_create("+="),
        json_integer_create(1))));
    return op;
}

void
mirror_commit(struct mirror *r, const char *comment,
              const struct mirror_row *row,
              const struct ovsdb_idl_column *counter)
{
    struct json *ops, *op;
    struct write *write;

    if (hmap_is_empty(&r->writes)) {
        return;
    }
    ops = json_array_create_1(json_string_create(r->database));
    HMAP_FOR_EACH (write, node, &r->writes) {
        json_array_add(ops, write_operation(write));
    }
    mirror_clear_writes(r);
    json_array_add(ops, count_operation(row, counter));
    op = json_object_create();
    json_object_put_string(op, "op", "comment");
    json_object_put_string(op, "comment", comment);
    json_array_add(ops, op);
    r->request = ovsdb_cs_send_transaction(r->cs, ops);
    r->failed |= !r->request;
}

bool
mirror_has_failed(struct mirror *r)
{
    bool failed = r->failed;

    r->failed = false;
    return failed;
}
