/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "represent.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "sha1.h"
#include "store.h"
#include "util.h"
#include "value.h"

static bool
is_null(const struct json *json)
{
    return !json || json->type == JSON_NULL;
}

struct json *
represent(const struct store *store, const struct resource *resource,
          const struct ovsdb_idl_row *row)
{
    struct json *json = json_object_create();

    for (size_t i = 0; i < resource->n_fields; i++) {
        const struct field *field = &resource->fields[i];

        if (!(field->flags & FIELD_SECRET)) {
            json_object_put(json, field->name,
                            value_format(store, field, row, true));
        }
    }
    return json;
}

struct json *
represent_written(const struct store *store, const struct resource *resource,
                  const struct ovsdb_idl_row *row)
{
    struct json *json = json_object_create();

    for (size_t i = 0; i < resource->n_fields; i++) {
        const struct field *field = &resource->fields[i];

        if (!(field->flags & FIELD_READONLY)) {
            struct json *value = value_format(store, field, row, false);

            if (is_null(value)) {
                json_destroy(value);
            } else {
                json_object_put(json, field->name, value);
            }
        }
    }
    return json;
}

static char *
json_etag(const struct json *json)
{
    char *text = json_to_string(json, JSSF_SORT);
    uint8_t digest[SHA1_DIGEST_SIZE];
    struct ds ds = DS_EMPTY_INITIALIZER;

    sha1_bytes(text, strlen(text), digest);
    ds_put_char(&ds, '"');
    for (size_t i = 0; i < 10; i++) {
        ds_put_format(&ds, "%02x", digest[i]);
    }
    ds_put_char(&ds, '"');
    free(text);
    return ds_steal_cstr(&ds);
}

char *
represent_etag(const struct store *store, const struct resource *resource,
               const struct ovsdb_idl_row *row)
{
    struct json *json = represent_written(store, resource, row);
    char *tag = json_etag(json);

    json_destroy(json);
    return tag;
}
