/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "listing.h"

#include <stdlib.h>

#include "openvswitch/json.h"
#include "represent.h"
#include "store.h"
#include "util.h"
#include "value.h"
#include "view.h"

bool
listing_filters(const struct field *field)
{
    if (field->flags & FIELD_SECRET) {
        return false;
    }
    switch (value_kind(field)) {
    case VALUE_INTEGER:
    case VALUE_STRING:
    case VALUE_REFERENCE:
        return true;
    case VALUE_STRINGS:
    case VALUE_INTEGERS:
    case VALUE_WEIGHTS:
    default:
        return false;
    }
}

/* The names of the fields that listing_filters(), and NULL.  The caller frees
 * the array. */
static const char **
filter_names(const struct resource *resource)
{
    const char **names = xcalloc(resource->n_fields + 1, sizeof *names);
    size_t n = 0;

    for (size_t i = 0; i < resource->n_fields; i++) {
        if (listing_filters(&resource->fields[i])) {
            names[n++] = resource->fields[i].name;
        }
    }
    return names;
}

struct json *
listing_create(const struct store *store, const struct resource *resource,
               struct http_request *request)
{
    const char **filters = filter_names(resource);
    const struct ovsdb_idl_row *row;
    struct ovsdb_idl_cursor cursor;
    struct json *items, *json;
    struct view view;
    bool more = false;
    char *last = NULL;
    bool ok = view_init(&view, resource->path, filters, request);

    free(filters);
    if (!ok) {
        return NULL;
    }
    items = json_array_create_empty();
    cursor = store_after(store, resource, view.after);
    for (; !more && (row = ovsdb_idl_cursor_data(&cursor)) != NULL;
         ovsdb_idl_cursor_next(&cursor)) {
        struct json *item = represent(store, resource, row);

        if (!view_wants(&view, item)) {
            json_destroy(item);
        } else if (json_array(items)->n == view.limit) {
            json_destroy(item);
            more = true;
        } else {
            json_array_add(items, item);
            free(last);
            last = store_key(resource, row);
        }
    }
    json = view_answer(&view, items, more ? last : NULL);
    free(last);
    view_uninit(&view);
    return json;
}
