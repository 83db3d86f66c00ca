/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "listing.h"

#include <stdlib.h>

#include "openvswitch/json.h"
#include "ovsdb-data.h"
#include "problem.h"
#include "reply.h"
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

/* 'text' as a value of 'field' in JSON. */
static struct json *
filter_value(const struct field *field, const char *text)
{
    long long int integer;

    return (value_kind(field) == VALUE_INTEGER
            && str_to_llong(text, 10, &integer)
            ? json_integer_create(integer) : json_string_create(text));
}

/* Whether each filter has a value that its field may have.  What it refers to
 * need not exist.  Returns false if it has answered. */
static bool
check_filters(const struct store *store, const struct resource *resource,
              struct http_request *request, const struct view *view)
{
    struct problem problem = PROBLEM_INITIALIZER;
    const struct smap_node *node;

    SMAP_FOR_EACH (node, &view->filters) {
        const struct field *field = resource_field(resource, node->key);
        struct ovsdb_datum datum;
        struct json *json;

        if (value_kind(field) == VALUE_REFERENCE) {
            continue;
        }
        json = filter_value(field, node->value);
        if (value_parse(store, field, json, "", &datum, &problem)) {
            ovsdb_datum_destroy(&datum, value_type(field));
        }
        json_destroy(json);
        if (problem.errors) {
            const struct shash *error
                = json_object(json_array(problem.errors)->elems[0]);

            reply_refusal(request, 400,
                          json_string(shash_find_data(error, "remedy")),
                          "parameter \"%s=%s\" is not acceptable: %s",
                          node->key, node->value,
                          json_string(shash_find_data(error, "detail")));
            problem_uninit(&problem);
            return false;
        }
    }
    return true;
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
    if (ok && !check_filters(store, resource, request, &view)) {
        view_uninit(&view);
        ok = false;
    }
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
