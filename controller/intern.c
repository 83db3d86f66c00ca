/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "intern.h"

#include <stdlib.h>

#include "hash.h"
#include "openvswitch/hmap.h"
#include "openvswitch/json.h"
#include "ovsdb-data.h"
#include "ovsdb-types.h"
#include "util.h"

/* It is looked for unused ones when there are twice as many as after the last
 * time, and at least this. */
#define SWEEP_MIN 1024

struct value {
    struct hmap_node node;      /* By hash. */
    const struct ovsdb_type *type;
    struct ovsdb_datum datum;
};

struct string {
    struct hmap_node node;      /* By hash. */
    struct json *json;
};

static struct hmap values = HMAP_INITIALIZER(&values);
static struct hmap strings = HMAP_INITIALIZER(&strings);
static size_t sweep_values = SWEEP_MIN, sweep_strings = SWEEP_MIN;

static void
run_sweep_values(void)
{
    struct value *value;

    if (hmap_count(&values) < sweep_values) {
        return;
    }
    HMAP_FOR_EACH_SAFE (value, node, &values) {
        if (*value->datum.refcnt == 1) {
            hmap_remove(&values, &value->node);
            ovsdb_datum_destroy(&value->datum, value->type);
            free(value);
        }
    }
    sweep_values = MAX(2 * hmap_count(&values), SWEEP_MIN);
}

static void
run_sweep_strings(void)
{
    struct string *string;

    if (hmap_count(&strings) < sweep_strings) {
        return;
    }
    HMAP_FOR_EACH_SAFE (string, node, &strings) {
        if (string->json->count == 1) {
            hmap_remove(&strings, &string->node);
            json_destroy(string->json);
            free(string);
        }
    }
    sweep_strings = MAX(2 * hmap_count(&strings), SWEEP_MIN);
}

void
intern_datum(struct ovsdb_datum *datum, const struct ovsdb_type *type)
{
    uint32_t hash = ovsdb_datum_hash(datum, type, 0);
    struct value *value;

    if (!datum->n) {
        return;
    }
    HMAP_FOR_EACH_WITH_HASH (value, node, hash, &values) {
        if (value->type == type
            && ovsdb_datum_equals(&value->datum, datum, type)) {
            ovsdb_datum_destroy(datum, type);
            ovsdb_datum_clone(datum, &value->datum);
            return;
        }
    }
    run_sweep_values();
    value = xmalloc(sizeof *value);
    value->type = type;
    ovsdb_datum_clone(&value->datum, datum);
    hmap_insert(&values, &value->node, hash);
}

static void
intern_string(struct json **json)
{
    uint32_t hash = hash_string(json_string(*json), 0);
    struct string *string;

    HMAP_FOR_EACH_WITH_HASH (string, node, hash, &strings) {
        if (!strcmp(json_string(string->json), json_string(*json))) {
            json_destroy(*json);
            *json = json_clone(string->json);
            return;
        }
    }
    run_sweep_strings();
    string = xmalloc(sizeof *string);
    string->json = json_clone(*json);
    hmap_insert(&strings, &string->node, hash);
}

void
intern_strings(struct ovsdb_datum *datum, const struct ovsdb_type *type)
{
    for (size_t i = 0; i < datum->n; i++) {
        if (type->key.type == OVSDB_TYPE_STRING) {
            intern_string(&datum->keys[i].s);
        }
        if (type->value.type == OVSDB_TYPE_STRING) {
            intern_string(&datum->values[i].s);
        }
    }
}

size_t
intern_count(void)
{
    return hmap_count(&values) + hmap_count(&strings);
}
