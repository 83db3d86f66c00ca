/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "mirror.h"

#include <stdlib.h>
#include <string.h>

#include "intern.h"
#include "jsonrpc.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "ovsdb-cs.h"
#include "ovsdb-data.h"
#include "ovsdb-error.h"
#include "mirror-private.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(mirror);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* Tables and columns. */

struct mirror_table *
mirror_find_table(const struct mirror *r,
                  const struct ovsdb_idl_table_class *class)
{
    for (size_t i = 0; i < r->n_tables; i++) {
        if (r->tables[i].class->class == class) {
            return &r->tables[i];
        }
    }
    OVS_NOT_REACHED();
}

static struct mirror_table *
find_table_by_name(const struct mirror *r, const char *name)
{
    for (size_t i = 0; i < r->n_tables; i++) {
        if (!strcmp(r->tables[i].class->class->name, name)) {
            return &r->tables[i];
        }
    }
    return NULL;
}

/* The number of a column, or 'n_columns' of the class. */
static size_t
find_column_by_name(const struct mirror_class *class, const char *name)
{
    size_t i;

    for (i = 0; i < class->n_columns; i++) {
        if (!strcmp(class->columns[i].column->name, name)) {
            break;
        }
    }
    return i;
}

static size_t
column_index(const struct mirror_row *row,
             const struct ovsdb_idl_column *column)
{
    const struct mirror_class *class = row->table->class;

    for (size_t i = 0; i < class->n_columns; i++) {
        if (class->columns[i].column == column) {
            return i;
        }
    }
    OVS_NOT_REACHED();
}

/* What is asked for: all of its tables and columns that the database
 * has. */
static struct json *
compose_requests(const struct json *schema_json, void *r_)
{
    struct shash *schema = ovsdb_cs_parse_schema(schema_json);
    struct json *requests = json_object_create();
    struct mirror *r = r_;

    for (size_t i = 0; i < r->n_tables; i++) {
        const struct mirror_class *class = r->tables[i].class;
        const struct sset *there
            = schema ? shash_find_data(schema, class->class->name) : NULL;
        struct json *columns, *request;

        r->tables[i].there = there != NULL;
        if (!there) {
            continue;
        }
        columns = json_array_create_empty();
        for (size_t j = 0; j < class->n_columns; j++) {
            const char *name = class->columns[j].column->name;

            if (sset_contains(there, name)) {
                json_array_add(columns, json_string_create(name));
            }
        }
        request = json_object_create();
        json_object_put(request, "columns", columns);
        json_object_put(requests, class->class->name,
                        json_array_create_1(request));
    }
    ovsdb_cs_free_schema(schema);
    return requests;
}

/* Rows. */

struct mirror_row *
mirror_row_create(struct mirror_table *table, const struct uuid *uuid)
{
    const struct mirror_class *class = table->class;
    struct mirror_row *row = xzalloc(
        sizeof *row + class->n_columns * sizeof row->values[0]);

    row->uuid = *uuid;
    row->table = table;
    for (size_t i = 0; i < class->n_columns; i++) {
        ovsdb_datum_init_default(&row->values[i],
                                 &class->columns[i].column->type);
    }
    return row;
}

void
mirror_row_destroy(struct mirror_row *row)
{
    const struct mirror_class *class = row->table->class;

    for (size_t i = 0; i < class->n_columns; i++) {
        ovsdb_datum_destroy(&row->values[i], &class->columns[i].column->type);
    }
    free(row);
}

static struct mirror_row *
find_row(const struct mirror_table *table, const struct uuid *uuid)
{
    struct mirror_row *row;

    HMAP_FOR_EACH_WITH_HASH (row, node, uuid_hash(uuid), &table->rows) {
        if (uuid_equals(&row->uuid, uuid)) {
            return row;
        }
    }
    return NULL;
}

static void
remove_row(struct mirror *r, struct mirror_row *row)
{
    r->changed(r->aux, row, NULL);
    hmap_remove(&row->table->rows, &row->node);
    mirror_row_destroy(row);
}

static void
clear_rows(struct mirror *r)
{
    for (size_t i = 0; i < r->n_tables; i++) {
        struct mirror_row *row;

        HMAP_FOR_EACH_SAFE (row, node, &r->tables[i].rows) {
            remove_row(r, row);
        }
    }
}

/* Transactions. */

static void
end_request(struct mirror *r, bool ok)
{
    json_destroy(r->request);
    r->request = NULL;
    r->failed |= !ok;
}

static bool
reply_is_good(const struct mirror *r, const struct jsonrpc_msg *reply)
{
    if (reply->type != JSONRPC_REPLY || reply->result->type != JSON_ARRAY) {
        return false;
    }
    for (size_t i = 0; i < json_array(reply->result)->n; i++) {
        const struct json *result = json_array(reply->result)->elems[i];

        if (result->type == JSON_OBJECT
            && shash_find(json_object(result), "error")) {
            char *text = json_to_string(result, 0);

            VLOG_WARN_RL(&rl, "%s refuses a transaction: %s", r->database,
                         text);
            free(text);
            return false;
        }
    }
    return true;
}

/* Updates. */

/* Makes the value of a column what 'json' says.  Returns whether it was
 * another one. */
static bool
update_value(struct mirror_row *row, size_t i, const struct json *json,
             bool is_diff)
{
    const struct mirror_column *rc = &row->table->class->columns[i];
    const struct ovsdb_type *type = &rc->column->type;
    struct ovsdb_datum *value = &row->values[i];
    struct ovsdb_datum datum;
    struct ovsdb_error *error;
    bool changed = false;

    error = (is_diff ? ovsdb_transient_datum_from_json(&datum, type, json)
             : ovsdb_datum_from_json(&datum, type, json, NULL));
    if (!error && is_diff) {
        error = ovsdb_datum_apply_diff_in_place(value, &datum, type);
        changed = true;
        ovsdb_datum_destroy(&datum, type);
    } else if (!error) {
        changed = !ovsdb_datum_equals(value, &datum, type);
        ovsdb_datum_swap(value, &datum);
        ovsdb_datum_destroy(&datum, type);
    }
    if (error) {
        char *text = ovsdb_error_to_string_free(error);

        VLOG_WARN_RL(&rl, "column %s of %s: %s", rc->column->name,
                     row->table->class->class->name, text);
        free(text);
        return false;
    }
    if (rc->report) {
        ovsdb_datum_unshare(value, type);
        intern_strings(value, type);
    } else if (type->key.type != OVSDB_TYPE_UUID) {
        intern_datum(value, type);
    }
    return changed;
}

static void
update_row(struct mirror *r, struct mirror_row *row,
           const struct shash *columns, bool is_diff, bool is_new)
{
    const struct mirror_class *class = row->table->class;
    const struct shash_node *node;

    SHASH_FOR_EACH (node, columns) {
        size_t i = find_column_by_name(class, node->name);

        if (i < class->n_columns && update_value(row, i, node->data, is_diff)
            && !is_new && !class->columns[i].report) {
            r->changed(r->aux, row, class->columns[i].column);
        }
    }
}

static void
take_row_update(struct mirror *r, struct mirror_table *table,
                const struct ovsdb_cs_row_update *update)
{
    struct mirror_row *row = find_row(table, &update->row_uuid);
    bool is_new = !row;

    if (update->type == OVSDB_CS_ROW_DELETE) {
        if (row) {
            remove_row(r, row);
        }
        return;
    }
    if (is_new) {
        row = mirror_row_create(table, &update->row_uuid);
        hmap_insert(&table->rows, &row->node, uuid_hash(&row->uuid));
    }
    update_row(r, row, update->columns, update->type == OVSDB_CS_ROW_XOR,
               is_new);
    if (is_new) {
        r->changed(r->aux, row, NULL);
    }
}

static void
take_update(struct mirror *r, const struct ovsdb_cs_update_event *update)
{
    struct ovsdb_cs_db_update *db_update;
    struct ovsdb_error *error;

    if (update->clear) {
        clear_rows(r);
    }
    error = ovsdb_cs_parse_db_update(update->table_updates, update->version,
                                     &db_update);
    if (error) {
        char *text = ovsdb_error_to_string_free(error);

        VLOG_WARN_RL(&rl, "%s: %s", r->database, text);
        free(text);
        ovsdb_cs_flag_inconsistency(r->cs);
        return;
    }
    for (size_t i = 0; i < db_update->n; i++) {
        const struct ovsdb_cs_table_update *tu = &db_update->table_updates[i];
        struct mirror_table *table = find_table_by_name(r, tu->table_name);

        for (size_t j = 0; table && j < tu->n; j++) {
            take_row_update(r, table, &tu->row_updates[j]);
        }
    }
    ovsdb_cs_db_update_destroy(db_update);
    r->filled |= update->monitor_reply;
}

static void
take_event(struct mirror *r, const struct ovsdb_cs_event *event)
{
    switch (event->type) {
    case OVSDB_CS_EVENT_TYPE_RECONNECT:
        r->filled = false;
        if (r->request) {
            end_request(r, false);
        }
        break;
    case OVSDB_CS_EVENT_TYPE_UPDATE:
        take_update(r, &event->update);
        break;
    case OVSDB_CS_EVENT_TYPE_TXN_REPLY:
        if (r->request && json_equal(event->txn_reply->id, r->request)) {
            end_request(r, reply_is_good(r, event->txn_reply));
        }
        break;
    case OVSDB_CS_EVENT_TYPE_LOCKED:
        break;
    }
}

/* The whole. */

struct mirror *
mirror_create(const char *database, const struct mirror_class *classes,
              size_t n, mirror_changed_cb *changed, void *aux)
{
    static const struct ovsdb_cs_ops ops = { compose_requests };
    struct mirror *r = xzalloc(sizeof *r);

    r->database = database;
    r->tables = xcalloc(n, sizeof *r->tables);
    r->n_tables = n;
    for (size_t i = 0; i < n; i++) {
        r->tables[i].class = &classes[i];
        hmap_init(&r->tables[i].rows);
    }
    r->changed = changed;
    r->aux = aux;
    hmap_init(&r->writes);
    r->cs = ovsdb_cs_create(database, 3, &ops, r);
    return r;
}

void
mirror_destroy(struct mirror *r)
{
    if (r) {
        ovsdb_cs_destroy(r->cs);
        mirror_clear_writes(r);
        hmap_destroy(&r->writes);
        clear_rows(r);
        for (size_t i = 0; i < r->n_tables; i++) {
            hmap_destroy(&r->tables[i].rows);
        }
        free(r->tables);
        json_destroy(r->request);
        free(r);
    }
}

void
mirror_connect(struct mirror *r, const char *remote)
{
    ovsdb_cs_set_remote(r->cs, NULL, true);
    ovsdb_cs_set_remote(r->cs, remote, true);
}

void
mirror_run(struct mirror *r)
{
    struct ovsdb_cs_event *event;
    struct ovs_list events;

    ovsdb_cs_run(r->cs, &events);
    LIST_FOR_EACH_POP (event, list_node, &events) {
        take_event(r, event);
        ovsdb_cs_event_destroy(event);
    }
}

void
mirror_wait(struct mirror *r)
{
    ovsdb_cs_wait(r->cs);
}

bool
mirror_is_open(const struct mirror *r)
{
    return ovsdb_cs_is_connected(r->cs);
}

bool
mirror_is_connected(const struct mirror *r)
{
    return r->filled && mirror_is_open(r);
}

int
mirror_connection_error(const struct mirror *r)
{
    return mirror_is_open(r) ? 0 : ovsdb_cs_get_last_error(r->cs);
}

bool
mirror_has_table(const struct mirror *r,
                 const struct ovsdb_idl_table_class *class)
{
    return mirror_find_table(r, class)->there;
}

static const struct mirror_row *
row_from_node(const struct hmap_node *node)
{
    return node ? CONTAINER_OF(node, struct mirror_row, node) : NULL;
}

const struct mirror_row *
mirror_first(const struct mirror *r,
             const struct ovsdb_idl_table_class *class)
{
    return row_from_node(hmap_first(&mirror_find_table(r, class)->rows));
}

const struct mirror_row *
mirror_next(const struct mirror_row *row)
{
    return row_from_node(hmap_next(&row->table->rows, &row->node));
}

const struct ovsdb_datum *
mirror_read(const struct mirror_row *row,
            const struct ovsdb_idl_column *column)
{
    return &row->values[column_index(row, column)];
}

const char *
mirror_string(const struct mirror_row *row,
              const struct ovsdb_idl_column *column)
{
    const struct ovsdb_datum *datum = mirror_read(row, column);

    return datum->n ? json_string(datum->keys[0].s) : "";
}

int64_t
mirror_integer(const struct mirror_row *row,
               const struct ovsdb_idl_column *column)
{
    const struct ovsdb_datum *datum = mirror_read(row, column);

    return datum->n ? datum->keys[0].integer : 0;
}

const char *
mirror_get(const struct mirror_row *row,
           const struct ovsdb_idl_column *column, const char *key)
{
    const struct ovsdb_datum *datum = mirror_read(row, column);

    for (size_t i = 0; i < datum->n; i++) {
        if (!strcmp(json_string(datum->keys[i].s), key)) {
            return json_string(datum->values[i].s);
        }
    }
    return NULL;
}

struct mirror_row *
mirror_ref(const struct mirror *r, const struct mirror_row *row,
           const struct ovsdb_idl_column *column, size_t i)
{
    const struct ovsdb_datum *datum = mirror_read(row, column);
    const struct mirror_table *table
        = find_table_by_name(r, column->type.key.uuid.refTableName);

    return i < datum->n ? find_row(table, &datum->keys[i].uuid) : NULL;
}
