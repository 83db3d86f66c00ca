/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "view.h"

#include <stdlib.h>
#include <string.h>

#include "http.h"
#include "openvswitch/json.h"
#include "problem.h"
#include "reply.h"
#include "util.h"

struct parameters {
    struct view *view;
    const char *const *filters;
    struct problem problem;
};

/* Appends 's' to 'ds' as it may be in a query. */
static void
encode(struct ds *ds, const char *s)
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
                  VIEW_LIMIT_MAX);
    for (const char *const *f = p->filters; *f; f++) {
        ds_put_format(&remedy, ", %s", *f);
    }
    problem_set(&p->problem, 400, ds_cstr(&remedy),
                "parameter \"%s=%s\" is not acceptable", name, value);
    ds_destroy(&remedy);
}

static bool
has_filter(const char *const *filters, const char *name)
{
    for (; *filters; filters++) {
        if (!strcmp(*filters, name)) {
            return true;
        }
    }
    return false;
}

static void
take_parameter(const char *name, const char *value, void *p_)
{
    struct parameters *p = p_;
    int limit;

    value = value ? value : "";
    if (!strcmp(name, "limit")) {
        if (!str_to_int(value, 10, &limit) || limit < 1
            || limit > VIEW_LIMIT_MAX) {
            refuse(p, name, value);
            return;
        }
        p->view->limit = limit;
    } else if (!strcmp(name, "after")) {
        free(p->view->after);
        p->view->after = xstrdup(value);
        return;                         /* Is another one in "next". */
    } else if (has_filter(p->filters, name)) {
        smap_replace(&p->view->filters, name, value);
    } else {
        refuse(p, name, value);
        return;
    }
    ds_put_format(&p->view->query, "&%s=", name);
    encode(&p->view->query, value);
}

bool
view_init(struct view *v, const char *path, const char *const *filters,
          struct http_request *request)
{
    struct parameters p = {
        .view = v, .filters = filters, .problem = PROBLEM_INITIALIZER,
    };

    v->path = path;
    v->limit = VIEW_LIMIT_DEFAULT;
    v->after = NULL;
    smap_init(&v->filters);
    ds_init(&v->query);
    http_for_each_parameter(request, take_parameter, &p);
    if (p.problem.status) {
        view_uninit(v);
        reply_problem(request, &p.problem, NULL);
        return false;
    }
    return true;
}

void
view_uninit(struct view *v)
{
    free(v->after);
    smap_destroy(&v->filters);
    ds_destroy(&v->query);
}

bool
view_wants(const struct view *v, const struct json *item)
{
    const struct smap_node *node;

    SMAP_FOR_EACH (node, &v->filters) {
        const struct json *json = shash_find_data(json_object(item),
                                                  node->key);
        char *text = (!json ? xstrdup("")
                      : json->type == JSON_STRING
                      ? xstrdup(json_string(json))
                      : json_to_string(json, 0));
        bool equal = !strcmp(text, node->value);

        free(text);
        if (!equal) {
            return false;
        }
    }
    return true;
}

struct json *
view_answer(const struct view *v, struct json *items, const char *last)
{
    struct json *json = json_object_create();

    json_object_put(json, "items", items);
    if (last) {
        struct ds ds = DS_EMPTY_INITIALIZER;

        ds_put_format(&ds, "/v1/%s?after=", v->path);
        encode(&ds, last);
        ds_put_cstr(&ds, ds_cstr_ro(&v->query));
        json_object_put(json, "next",
                        json_string_create_nocopy(ds_steal_cstr(&ds)));
    }
    return json;
}
