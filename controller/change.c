/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "change.h"

#include <stdlib.h>
#include <string.h>

#include "controller/ovs-migrate-idl.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "problem.h"
#include "represent.h"
#include "store.h"
#include "util.h"
#include "value.h"

void
change_uninit(struct change *change)
{
    free(change->key);
    json_destroy(change->body);
    free(change->if_match);
    free(change->pointer);
}

static bool
is_null(const struct json *json)
{
    return !json || json->type == JSON_NULL;
}

/* RFC 7396: 'target', which is taken over, after 'patch'. */
static struct json *
merge(struct json *target, const struct json *patch)
{
    const struct shash_node *node;

    if (patch->type != JSON_OBJECT) {
        json_destroy(target);
        return json_deep_clone(patch);
    }
    if (!target || target->type != JSON_OBJECT) {
        json_destroy(target);
        target = json_object_create();
    }
    SHASH_FOR_EACH (node, json_object(patch)) {
        const struct json *value = node->data;
        struct json *old = shash_find_and_delete(json_object(target),
                                                 node->name);

        if (value->type == JSON_NULL) {
            json_destroy(old);
        } else {
            json_object_put(target, node->name, merge(old, value));
        }
    }
    return target;
}

/* Conditions. */

/* Whether 'list', as If-Match has it, names 'tag'. */
static bool
names_tag(const char *list, const char *tag)
{
    while (*list) {
        size_t len;

        list += strspn(list, ", \t");
        len = strcspn(list, ", \t");
        if (len == strlen(tag) && !memcmp(list, tag, len)) {
            return true;
        }
        list += len;
    }
    return false;
}

/* Whether the conditions of 'change' hold for 'row', NULL if there is none. */
static bool
conditions_hold(const struct change *change, const struct store *store,
                const struct ovsdb_idl_row *row, struct problem *problem)
{
    if (change->if_none_match && row) {
        problem_set(problem, 412, "leave out If-None-Match to replace it",
                    "there is a %s \"%s\" already", change->resource->name,
                    change->key);
        return false;
    } else if (change->if_match && !row) {
        problem_set(problem, 412, "leave out If-Match to create it",
                    "there is no %s \"%s\"", change->resource->name,
                    change->key);
        return false;
    } else if (change->if_match && strcmp(change->if_match, "*")) {
        char *tag = represent_etag(store, change->resource, row);
        bool ok = names_tag(change->if_match, tag);

        if (!ok) {
            char *remedy = xasprintf("read it again (it has ETag %s now) and "
                                     "decide anew", tag);

            problem_set(problem, 412, remedy, "somebody else has changed "
                        "%s \"%s\" since", change->resource->name,
                        change->key ? change->key : "");
            free(remedy);
        }
        free(tag);
        return ok;
    }
    return true;
}

/* From here on the transaction fails if somebody else changes what clients
 * write of 'row', so that each change is made as a whole. */
static void
verify(const struct resource *resource, const struct ovsdb_idl_row *row)
{
    for (size_t i = 0; i < resource->n_fields; i++) {
        const struct field *field = &resource->fields[i];

        if (!(field->flags & FIELD_READONLY) && !field->owner) {
            ovsdb_idl_txn_verify(row, field->column);
        }
    }
}

/* Values. */

/* The columns' new contents. */
struct values {
    struct ovsdb_datum *datums; /* By field. */
    bool *given;                /* By field: whether there is one. */
};

static void
values_uninit(struct values *values, const struct resource *resource)
{
    for (size_t i = 0; i < resource->n_fields; i++) {
        if (values->given[i]) {
            ovsdb_datum_destroy(&values->datums[i],
                                value_type(&resource->fields[i]));
        }
    }
    free(values->datums);
    free(values->given);
}

/* Notes members of 'body' that 'resource' does not have. */
static void
check_members(const struct resource *resource, const struct json *body,
              struct problem *problem)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, json_object(body)) {
        if (!resource_field(resource, node->name)) {
            struct ds known = DS_EMPTY_INITIALIZER;
            char *pointer = pointer_append("", node->name);

            ds_put_cstr(&known, "leave it out; known are ");
            for (size_t i = 0; i < resource->n_fields; i++) {
                ds_put_format(&known, "%s%s", i ? ", " : "",
                              resource->fields[i].name);
            }
            problem_add(problem, pointer, ds_cstr(&known),
                        "a %s has no such member", resource->name);
            ds_destroy(&known);
            free(pointer);
        }
    }
}

/* Reads 'body', all of it, into 'values'. */
static void
read_body(const struct store *store, const struct change *change,
          const struct json *body, struct values *values,
          struct problem *problem)
{
    const struct resource *resource = change->resource;

    values->datums = xcalloc(resource->n_fields, sizeof *values->datums);
    values->given = xcalloc(resource->n_fields, sizeof *values->given);
    check_members(resource, body, problem);
    for (size_t i = 0; i < resource->n_fields; i++) {
        const struct field *field = &resource->fields[i];
        const struct json *json = shash_find_data(json_object(body),
                                                  field->name);
        char *pointer = pointer_append("", field->name);

        if (field->flags & FIELD_READONLY) {
            /* What was read may be sent back. */
        } else if (!is_null(json)) {
            values->given[i] = true;
            value_parse(store, field, json, pointer, &values->datums[i],
                        problem);
        } else if (field->flags & FIELD_REQUIRED) {
            char *remedy = xasprintf("give it, such as %s", field->example);

            problem_add(problem, pointer, remedy, "is missing");
            free(remedy);
        }
        free(pointer);
    }
}

/* Sees to it that the key in 'body', which may be left out, is the path's, and
 * that that is a good one. */
static void
check_key(const struct change *change, struct json *body,
          struct problem *problem)
{
    const struct field *field = &change->resource->fields[0];
    const struct json *json;

    if (!change->key) {
        return;
    }
    json = shash_find_data(json_object(body), field->name);
    if (is_null(json)) {
        json_object_put_string(body, field->name, change->key);
    } else if (json->type == JSON_STRING
               && strcmp(json_string(json), change->key)) {
        char *pointer = pointer_append("", field->name);

        problem_conflict(problem, pointer, "leave it out: a name cannot be "
                         "changed", "\"%s\" is not the name in the path, "
                         "\"%s\"", json_string(json), change->key);
        free(pointer);
    }
}

/* Writing. */

/* A set that has nothing but a reference to 'row', for the functions that
 * change a part of a column, which take it over. */
static struct ovsdb_datum *
reference_set(const struct ovsdb_idl_row *row,
              const struct ovsdb_idl_column *column)
{
    union ovsdb_atom atom = { .uuid = row->uuid };
    struct ovsdb_datum *set = xmalloc(sizeof *set);

    ovsdb_datum_init_empty(set);
    ovsdb_datum_add_unsafe(set, &atom, NULL, &column->type, NULL);
    return set;
}

static void
disown(const struct field *field, const struct ovsdb_idl_row *owner,
       const struct ovsdb_idl_row *row)
{
    ovsdb_idl_txn_delete_partial_set(owner, field->column,
                                     reference_set(row, field->column));
}

/* Moves 'row' to the owner whose UUID 'datum' is, and returns that. */
static const struct ovsdb_idl_row *
set_owner(const struct store *store, const struct field *field,
          const struct ovsdb_idl_row *row, const struct ovsdb_datum *datum)
{
    const struct ovsdb_idl_row *new = ovsdb_idl_get_row_for_uuid(
        store->idl, field->owner, &datum->keys[0].uuid);
    const struct ovsdb_idl_row *old = store_referrer(
        store, row, field->owner, field->column, NULL);

    if (old != new) {
        if (old) {
            ovsdb_idl_txn_verify(old, field->column);
            disown(field, old, row);
        }
        ovsdb_idl_txn_write_partial_set(new, field->column,
                                        reference_set(row, field->column));
    }
    return new;
}

/* Writes 'values' into 'row'.  Returns its owner, or NULL. */
static const struct ovsdb_idl_row *
write_row(const struct store *store, const struct resource *resource,
          const struct ovsdb_idl_row *row, const struct values *values)
{
    const struct ovsdb_idl_row *owner = NULL;

    for (size_t i = 0; i < resource->n_fields; i++) {
        const struct field *field = &resource->fields[i];
        struct ovsdb_datum datum;

        if (field->flags & FIELD_READONLY) {
            continue;
        } else if (field->owner) {
            owner = set_owner(store, field, row, &values->datums[i]);
            continue;
        } else if (values->given[i]) {
            ovsdb_datum_clone(&datum, &values->datums[i]);
        } else {
            ovsdb_datum_init_empty(&datum);
        }
        ovsdb_idl_txn_write(row, field->column, &datum);
    }
    return owner;
}

/* Counts the change, for the part that programs switches to tell how far each
 * of them has come.
 *
 * Also if it changes nothing: whether that is so is for the database to say,
 * which our replica may be behind. */
static void
count(const struct store *store, struct ovsdb_idl_txn *txn)
{
    const struct omrec_fabric *fabric = omrec_fabric_first(store->idl);

    ovsdb_idl_txn_increment(txn, &fabric->header_, &omrec_fabric_col_next_cfg,
                            true);
}

/* Makes of 'row', or a new one, what 'body' says. */
static void
apply_body(struct change *change, struct store *store,
           struct ovsdb_idl_txn *txn, const struct ovsdb_idl_row *row,
           struct json *body, struct problem *problem)
{
    const struct resource *resource = change->resource;
    bool creates = !row;
    struct values values;

    check_key(change, body, problem);
    read_body(store, change, body, &values, problem);
    if (!problem->status) {
        if (creates) {
            row = ovsdb_idl_txn_insert(txn, resource->class, NULL);
            if (resource->create) {
                resource->create(store, row);
            }
        }
        change->owner = write_row(store, resource, row, &values);
        change->row = row;
        change->result = creates ? CHANGE_CREATES : CHANGE_UPDATES;
    }
    values_uninit(&values, resource);
}

static void
not_found(const struct change *change, struct problem *problem)
{
    char *remedy = xasprintf("\"GET /v1/%s\" shows those that there are",
                             change->resource->path);

    problem_set(problem, 404, remedy, "there is no %s \"%s\"",
                change->resource->name, change->key ? change->key : "");
    free(remedy);
}

/* Deleting. */

/* Notes who refers to 'row' so that it cannot be deleted. */
static void
check_unused(const struct change *change, const struct store *store,
             const struct ovsdb_idl_row *row, struct problem *problem)
{
    for (size_t i = 0; i < N_RESOURCES; i++) {
        const struct resource *other = &resources[i];

        for (size_t j = 0; j < other->n_fields; j++) {
            const struct field *field = &other->fields[j];
            const struct ovsdb_idl_row *user;

            if (field->owner || value_target(field) != change->resource
                || field->column->type.key.uuid.refType != OVSDB_REF_STRONG) {
                continue;
            }
            user = store_referrer(store, row, other->class, field->column,
                                  NULL);
            if (user) {
                char *key = store_key(other, user);
                char *remedy = xasprintf("take it out of \"%s\" of "
                                         "/v1/%s/%s first", field->name,
                                         other->path, key);

                problem_set(problem, 409, remedy, "%s \"%s\" is in use by "
                            "%s \"%s\"", change->resource->name, change->key,
                            other->name, key);
                free(remedy);
                free(key);
            }
        }
    }
}

static void
apply_delete(struct change *change, struct store *store,
             const struct ovsdb_idl_row *row, struct problem *problem)
{
    const struct resource *resource = change->resource;

    check_unused(change, store, row, problem);
    if (problem->status) {
        return;
    }
    for (size_t i = 0; i < resource->n_fields; i++) {
        const struct field *field = &resource->fields[i];

        if (field->owner) {
            const struct ovsdb_idl_row *owner = store_referrer(
                store, row, field->owner, field->column, NULL);

            if (owner) {
                disown(field, owner, row);
            }
        }
    }
    if (resource->remove) {
        resource->remove(store, row);
    }
    ovsdb_idl_txn_delete(row);
    change->result = CHANGE_DELETES;
}

static void
apply_put_or_patch(struct change *change, struct store *store,
                   struct ovsdb_idl_txn *txn, const struct ovsdb_idl_row *row,
                   struct problem *problem)
{
    struct json *body = (change->verb == CHANGE_PATCH
                         ? merge(represent_written(store, change->resource,
                                                   row), change->body)
                         : json_deep_clone(change->body));

    apply_body(change, store, txn, row, body, problem);
    json_destroy(body);
}

/* When the conditions do not hold for a change that was tried before: whether
 * that is because it was made then (RFC 9110 13.1.1). */
static bool
was_made(struct change *change, struct store *store,
         struct ovsdb_idl_txn *txn, const struct ovsdb_idl_row *row)
{
    struct problem problem = PROBLEM_INITIALIZER;
    char *before = represent_etag(store, change->resource, row);
    bool made = false;

    apply_put_or_patch(change, store, txn, row, &problem);
    if (!problem.status) {
        char *after = represent_etag(store, change->resource, row);

        made = !strcmp(before, after);
        free(after);
    }
    free(before);
    problem_uninit(&problem);
    return made;
}

/* Puts 'change' into 'txn', without a look at other rows. */
static void
apply(struct change *change, struct store *store, struct ovsdb_idl_txn *txn,
      bool again, struct problem *problem)
{
    const struct ovsdb_idl_row *row = store_find(store, change->resource,
                                                 change->key);

    change->result = CHANGE_NONE;
    change->row = row;
    if (!row && change->verb != CHANGE_PUT) {
        if (change->verb != CHANGE_DELETE || !again) {
            not_found(change, problem);
        }
    } else if (!conditions_hold(change, store, row, problem)) {
        if (again && row && change->verb != CHANGE_DELETE
            && was_made(change, store, txn, row)) {
            problem_uninit(problem);
            change->result = CHANGE_NONE;
        }
    } else {
        if (row) {
            verify(change->resource, row);
        }
        if (change->verb == CHANGE_DELETE) {
            apply_delete(change, store, row, problem);
        } else {
            apply_put_or_patch(change, store, txn, row, problem);
        }
    }
}

/* Moves the problem of one change to that of all. */
static void
take_problem(const struct change *change, struct problem *one,
             struct problem *all)
{
    if (!one->status) {
        return;
    } else if (change->pointer) {
        problem_nest(all, one, change->pointer, "/body");
        problem_uninit(one);
    } else {
        *all = *one;
    }
}

bool
changes_apply(struct change *changes, size_t n, struct store *store,
              struct ovsdb_idl_txn *txn, bool again, struct problem *problem)
{
    bool ok;

    for (size_t i = 0; i < n; i++) {
        struct problem one = PROBLEM_INITIALIZER;

        apply(&changes[i], store, txn, again, &one);
        take_problem(&changes[i], &one, problem);
    }
    ok = !problem->status;
    for (size_t i = 0; i < n && ok; i++) {
        const struct change *c = &changes[i];
        struct problem one = PROBLEM_INITIALIZER;

        if (c->resource->check && (c->result == CHANGE_CREATES
                                   || c->result == CHANGE_UPDATES)) {
            c->resource->check(store, c->row, c->owner, &one);
            take_problem(c, &one, problem);
        }
    }
    if (!problem->status) {
        count(store, txn);
    }
    return !problem->status;
}
