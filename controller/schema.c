/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "schema.h"

#include "hash.h"
#include "openvswitch/hmap.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "ovsdb-error.h"
#include "ovsdb-types.h"
#include "resource.h"
#include "util.h"

const char schema_text[] =
#include "controller/ovs-migrate.ovsschema.inc"
;

struct column {
    struct hmap_node node;
    const struct ovsdb_idl_column *column;
    struct ovsdb_type type;
};

static const struct json *
member(const struct json *object, const char *name)
{
    const struct json *json = shash_find_data(json_object(object), name);

    ovs_assert(json);
    return json;
}

static void
add(struct hmap *columns, const struct json *tables,
    const struct resource *resource, const struct ovsdb_idl_column *column)
{
    const struct json *table = member(tables, resource->class->name);
    const struct json *json = member(member(table, "columns"), column->name);
    struct column *c = xmalloc(sizeof *c);
    struct ovsdb_error *error = ovsdb_type_from_json(&c->type,
                                                     member(json, "type"));

    ovs_assert(!error);
    c->column = column;
    hmap_insert(columns, &c->node, hash_pointer(column, 0));
}

static void
add_all(struct hmap *columns)
{
    struct json *json = json_from_string(schema_text);

    ovs_assert(json->type == JSON_OBJECT);
    for (size_t i = 0; i < N_RESOURCES; i++) {
        for (size_t j = 0; j < resources[i].n_fields; j++) {
            const struct field *field = &resources[i].fields[j];

            if (!field->owner) {
                add(columns, member(json, "tables"), &resources[i],
                    field->column);
            }
        }
    }
    json_destroy(json);
}

const struct ovsdb_type *
schema_type(const struct ovsdb_idl_column *column)
{
    static struct hmap columns = HMAP_INITIALIZER(&columns);
    const struct column *c;

    if (hmap_is_empty(&columns)) {
        add_all(&columns);
    }
    HMAP_FOR_EACH_WITH_HASH (c, node, hash_pointer(column, 0), &columns) {
        if (c->column == column) {
            return &c->type;
        }
    }
    OVS_NOT_REACHED();
}
