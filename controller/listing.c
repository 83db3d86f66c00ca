/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "listing.h"

#include <stdlib.h>
#include <string.h>

#include "http.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "problem.h"
#include "represent.h"
#include "smap.h"
#include "store.h"
#include "util.h"
#include "value.h"

struct parameters {
    const struct resource *resource;
    struct problem *problem;
    int limit;
    char *after;
    struct smap filters;        /* By name of the field. */
    struct ds query;            /* As much of it as goes into "next". */
};

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

void
listing_encode(struct ds *ds, const char *s)
{
    for (; *s; s++) {
        if (strchr("-._~:", *s) || (*s >= '0' && *s <= '9')
            || (*s >= 'A' && *s <= 'Z') || (*s >= 'a' && *s <= 'z')) {
            ds_put_char(ds, *s);
        } else {
            ds_put_format(ds, "%%%02X", (unsigned char) *s);
        }
    }
}

static void
refuse(struct parameters *p, const char *name, const char *value)
{
    struct ds remedy = DS_EMPTY_INITIALIZER;

    ds_put_format(&remedy, "known are limit (1 to %d), after",
                  LISTING_LIMIT_MAX);
    for (size_t i = 0; i < p->resource->n_fields; i++) {
        const struct field *field = &p->resource->fields[i];

        if (listing_filters(field)) {
            ds_put_format(&remedy, ", %s", field->name);
        }
    }
    problem_set(p->problem, 400, ds_cstr(&remedy),
                "parameter \"%s=%s\" is not acceptable", name, value);
    ds_destroy(&remedy);
}

static void
take_parameter(const char *name, const char *value, void *p_)
{
    struct parameters *p = p_;
    const struct field *field = resource_field(p->resource, name);
    int limit;

    value = value ? value : "";
    if (!strcmp(name, "limit")) {
        if (str_to_int(value, 10, &limit) && limit > 0
            && limit <= LISTING_LIMIT_MAX) {
            p->limit = limit;
        } else {
            refuse(p, name, value);
        }
    } else if (!strcmp(name, "after")) {
        free(p->after);
        p->after = xstrdup(value);
        return;                         /* Is another one in "next". */
    } else if (field && listing_filters(field)) {
        smap_replace(&p->filters, name, value);
    } else {
        refuse(p, name, value);
    }
    ds_put_format(&p->query, "&%s=", name);
    listing_encode(&p->query, value);
}

/* Whether 'item' has the fields that are asked for. */
static bool
is_wanted(const struct parameters *p, const struct json *item)
{
    const struct smap_node *node;

    SMAP_FOR_EACH (node, &p->filters) {
        const struct json *json = shash_find_data(json_object(item),
                                                  node->key);
        char *text = (json->type == JSON_STRING ? xstrdup(json_string(json))
                      : json_to_string(json, 0));
        bool equal = !strcmp(text, node->value);

        free(text);
        if (!equal) {
            return false;
        }
    }
    return true;
}

/* The path of what follows after 'key'. */
static char *
next_page(const struct parameters *p, const char *key)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    ds_put_format(&ds, "/v1/%s?after=", p->resource->path);
    listing_encode(&ds, key);
    ds_put_cstr(&ds, ds_cstr_ro(&p->query));
    return ds_steal_cstr(&ds);
}

static struct json *
list(const struct parameters *p, const struct store *store)
{
    struct ovsdb_idl_cursor cursor = store_after(store, p->resource,
                                                 p->after);
    struct json *items = json_array_create_empty();
    struct json *json = json_object_create();
    const struct ovsdb_idl_row *row;
    char *last = NULL;

    for (; (row = ovsdb_idl_cursor_data(&cursor)) != NULL;
         ovsdb_idl_cursor_next(&cursor)) {
        struct json *item = represent(store, p->resource, row);

        if (!is_wanted(p, item)) {
            json_destroy(item);
        } else if (json_array(items)->n == p->limit) {
            json_destroy(item);
            json_object_put(json, "next",
                            json_string_create_nocopy(next_page(p, last)));
            break;
        } else {
            json_array_add(items, item);
            free(last);
            last = store_key(p->resource, row);
        }
    }
    free(last);
    json_object_put(json, "items", items);
    return json;
}

struct json *
listing_create(const struct store *store, const struct resource *resource,
               struct http_request *request, struct problem *problem)
{
    struct parameters p = {
        .resource = resource,
        .problem = problem,
        .limit = LISTING_LIMIT_DEFAULT,
        .query = DS_EMPTY_INITIALIZER,
    };
    struct json *json;

    smap_init(&p.filters);
    http_for_each_parameter(request, take_parameter, &p);
    json = problem->status ? NULL : list(&p, store);
    smap_destroy(&p.filters);
    ds_destroy(&p.query);
    free(p.after);
    return json;
}
