/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "apply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "model.h"
#include "output.h"
#include "util.h"

/* What is to be done.  Things are made in the order in which they may refer to
 * each other, and deleted in the opposite one, after that. */
struct plan {
    const struct apply_options *options;
    json_t *changes;            /* For POST /v1/changes. */
    json_t *deletions;          /* ... in opposite order. */
    size_t n_left;              /* That --prune would delete. */
};

/* Differences. */

/* What 'field' of an item is that does not have it in its file. */
static json_t *
default_value(const json_t *schema)
{
    json_t *value = json_object_get(schema, "default");

    return (value ? json_incref(value)
            : field_is(schema, "object") && !field_is(schema, "null")
            ? json_object() : json_null());
}

/* Prints how 'field' changes, if it does; returns whether it does. */
static bool
compare(const char *field, const json_t *old, const json_t *new, bool print)
{
    char *old_text, *new_text;

    if (json_equal(old, new)) {
        return false;
    }
    if (print) {
        old_text = json_text(old);
        new_text = json_text(new);
        printf("    %s: %s -> %s\n", field, *old_text ? old_text : "(none)",
               *new_text ? new_text : "(none)");
        free(old_text);
        free(new_text);
    }
    return true;
}

/* Prints how an object changes, member by member. */
static bool
compare_objects(const char *field, const json_t *old, const json_t *new,
                bool print)
{
    const char *key;
    json_t *value;
    bool differ = false;

    json_object_foreach((json_t *) old, key, value) {
        char *name = xasprintf("%s.%s", field, key);

        differ |= compare(name, value, json_object_get(new, key), print);
        free(name);
    }
    json_object_foreach((json_t *) new, key, value) {
        if (!json_object_get(old, key)) {
            char *name = xasprintf("%s.%s", field, key);

            differ |= compare(name, NULL, value, print);
            free(name);
        }
    }
    return differ;
}

/* Whether 'wanted' differs from what there is, 'item'; with 'print', tells in
 * what. */
static bool
differs(const struct kind *kind, const json_t *item, const json_t *wanted,
        bool print)
{
    const json_t *properties = json_object_get(kind->schema, "properties");
    bool differ = false;
    const char *field;
    json_t *schema;

    json_object_foreach((json_t *) properties, field, schema) {
        const json_t *given = json_object_get(wanted, field);
        const json_t *old = json_object_get(item, field);
        json_t *new;

        if (!field_is_writable(schema) || !strcmp(field, "name")) {
            continue;
        } else if (json_is_true(json_object_get(schema, "writeOnly"))) {
            differ |= given && compare(field, NULL, json_true(), print);
            continue;
        } else if (!given && (kind->single || !item)) {
            continue;           /* It is changed, not replaced; or new. */
        }
        new = (given && !json_is_null(given)
               ? json_incref((json_t *) given) : default_value(schema));
        differ |= (json_is_object(old) && json_is_object(new)
                   ? compare_objects(field, old, new, print)
                   : compare(field, old, new, print));
        json_decref(new);
    }
    return differ;
}

/* Planning. */

static void
add_change(json_t *changes, const char *method, const struct kind *kind,
           const char *name, const json_t *body)
{
    char *path = kind_path(kind, name);
    json_t *change = json_pack("{s:s, s:s}", "method", method, "path", path);

    if (body) {
        json_object_set(change, "body", (json_t *) body);
    }
    json_array_append_new(changes, change);
    free(path);
}

static void
print_change(const struct plan *plan, char sign, const struct kind *kind,
             const char *name)
{
    if (!plan->options->json) {
        printf("%c %s%s%s\n", sign, kind->name, *name ? " " : "", name);
    }
}

/* Plans to make 'item', what there is or NULL, be 'wanted'. */
static void
plan_item(struct plan *plan, const struct kind *kind, const char *name,
          const json_t *item, const json_t *wanted)
{
    if (!json_is_object(wanted)) {
        die(EXIT_USAGE, "%s: \"%s\" of \"%s\" is not an object",
            plan->options->file, name, kind->path);
    }
    if (!item || differs(kind, item, wanted, false)) {
        print_change(plan, item ? '~' : '+', kind, name);
        if (!plan->options->json) {
            differs(kind, item, wanted, true);
        }
        add_change(plan->changes, kind->single ? "PATCH" : "PUT", kind, name,
                   wanted);
    }
}

/* Plans to delete what is not in 'wanted'. */
static void
plan_deletions(struct plan *plan, const struct kind *kind,
               const json_t *items, const json_t *wanted)
{
    const json_t *item;
    size_t i;

    json_array_foreach(items, i, item) {
        const char *name = json_string_value(json_object_get(item, "name"));

        if (json_object_get(wanted, name)) {
            continue;
        } else if (plan->options->prune) {
            print_change(plan, '-', kind, name);
            add_change(plan->deletions, "DELETE", kind, name, NULL);
        } else {
            plan->n_left++;
        }
    }
}

static json_t *
by_name(const json_t *items)
{
    json_t *object = json_object();
    const json_t *item;
    size_t i;

    json_array_foreach(items, i, item) {
        json_object_set(object, json_string_value(json_object_get(item,
                                                                  "name")),
                        (json_t *) item);
    }
    return object;
}

/* Plans for all items of 'kind'. */
static void
plan_kind(struct plan *plan, const struct kind *kind, const json_t *wanted)
{
    json_t *items, *names;
    const char *name;
    json_t *value;

    if (!json_is_object(wanted)) {
        die(EXIT_USAGE, "%s: \"%s\" is not an object", plan->options->file,
            kind->path);
    } else if (kind->single) {
        char *path = kind_path(kind, NULL);
        json_t *item = api_request("GET", path, NULL, NULL);

        plan_item(plan, kind, "", item, wanted);
        json_decref(item);
        free(path);
        return;
    } else if (!kind_has(kind, "put")) {
        die(EXIT_USAGE, "%s: \"%s\" cannot be made", plan->options->file,
            kind->path);
    }
    items = api_list(kind->path, "");
    names = by_name(items);
    json_object_foreach((json_t *) wanted, name, value) {
        plan_item(plan, kind, name, json_object_get(names, name), value);
    }
    plan_deletions(plan, kind, items, wanted);
    json_decref(names);
    json_decref(items);
}

/* Complains of members of 'file' that are no resources. */
static void
check_file(const struct model *model, const struct apply_options *options,
           const json_t *file)
{
    const char *name;
    json_t *value;

    if (!json_is_object(file)) {
        die(EXIT_USAGE, "%s: is not an object", options->file);
    }
    json_object_foreach((json_t *) file, name, value) {
        struct kind kind;

        if (!model_find(model, name, &kind) || strcmp(kind.path, name)) {
            die(EXIT_USAGE, "%s: there is no resource \"%s\"", options->file,
                name);
        }
        kind_uninit(&kind);
    }
}

static json_t *
read_file(const char *name)
{
    json_error_t error;
    json_t *json = (strcmp(name, "-")
                    ? json_load_file(name, JSON_REJECT_DUPLICATES, &error)
                    : json_loadf(stdin, JSON_REJECT_DUPLICATES, &error));

    if (!json) {
        die(EXIT_USAGE, "%s:%d: %s", name, error.line, error.text);
    }
    return json;
}

/* Carrying out. */

static void
carry_out(const struct plan *plan)
{
    json_t *body = json_pack("{s:O}", "changes", plan->changes);
    size_t n = json_array_size(plan->changes);

    if (plan->options->json) {
        output_json(body);
    }
    if (n) {
        json_decref(api_request("POST", plan->options->dry_run
                                ? "/v1/changes?dry_run=true" : "/v1/changes",
                                body, NULL));
    }
    if (!plan->options->json) {
        printf("%zu change%s%s\n", n, n == 1 ? "" : "s",
               plan->options->dry_run ? " would be made" : " made");
        if (plan->n_left) {
            printf("%zu more there %s not in the file; --prune deletes "
                   "them\n", plan->n_left, plan->n_left == 1 ? "is" : "are");
        }
    }
    json_decref(body);
}

void
apply(const struct model *model, const struct apply_options *options)
{
    json_t *file = read_file(options->file);
    struct plan plan = { options, json_array(), json_array(), 0 };
    struct kind kind;

    check_file(model, options, file);
    for (size_t i = 0; model_kind(model, i, &kind); i++) {
        const json_t *wanted = json_object_get(file, kind.path);

        if (wanted) {
            plan_kind(&plan, &kind, wanted);
        }
        kind_uninit(&kind);
    }
    for (size_t i = json_array_size(plan.deletions); i-- > 0; ) {
        json_array_append(plan.changes, json_array_get(plan.deletions, i));
    }
    carry_out(&plan);
    json_decref(plan.changes);
    json_decref(plan.deletions);
    json_decref(file);
}

/* Exporting. */

/* What of 'item' was written, as a file would have it. */
static json_t *
export_item(const struct kind *kind, const json_t *item)
{
    json_t *object = json_object();
    const char *field;
    json_t *value;

    json_object_foreach((json_t *) item, field, value) {
        const json_t *schema = kind_field(kind, field);
        json_t *unset = default_value(schema);

        if (field_is_writable(schema) && strcmp(field, "name")
            && !json_equal(value, unset)) {
            json_object_set(object, field, value);
        }
        json_decref(unset);
    }
    return object;
}

static json_t *
export_kind(const struct kind *kind)
{
    json_t *object, *items;
    const json_t *item;
    size_t i;

    if (kind->single) {
        char *path = kind_path(kind, NULL);

        items = api_request("GET", path, NULL, NULL);
        object = export_item(kind, items);
        free(path);
    } else {
        object = json_object();
        items = api_list(kind->path, "");
        json_array_foreach(items, i, item) {
            json_object_set_new(object, json_string_value(
                json_object_get(item, "name")), export_item(kind, item));
        }
    }
    json_decref(items);
    return object;
}

void
apply_export(const struct model *model)
{
    json_t *all = json_object();
    struct kind kind;

    for (size_t i = 0; model_kind(model, i, &kind); i++) {
        if (kind.single || kind_has(&kind, "put")) {
            json_object_set_new(all, kind.path, export_kind(&kind));
        }
        kind_uninit(&kind);
    }
    output_json(all);
    json_decref(all);
}
