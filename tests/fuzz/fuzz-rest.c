/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include <regex.h>

#include "batch.h"
#include "body.h"
#include "change.h"
#include "controller/ovs-migrate-idl.h"
#include "fuzz.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "problem.h"
#include "represent.h"
#include "store.h"
#include "unicode.h"
#include "value.h"

/* The input is the body of POST /v1/changes, which has the bodies of all other
 * writes in it, to an empty database.  Refused changes have a problem that can
 * be told.  What is taken must be as /openapi.json says, and the same when it
 * is sent back. */

static struct store store;

static void
init(void)
{
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    store_init(&store, "unix:/nowhere");
}

/* The number 'name' of 'schema', or 'def' if it has none. */
static long long int
limit(const struct json *schema, const char *name, long long int def)
{
    const struct json *json = shash_find_data(json_object(schema), name);

    return json ? json_integer(json) : def;
}

static bool
matches(const char *pattern, const char *s)
{
    regex_t regex;
    bool met;

    FUZZ_CHECK(!regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB));
    met = !regexec(&regex, s, 0, NULL, 0);
    regfree(&regex);
    return met;
}

static bool
string_conforms(const struct json *schema, const char *s)
{
    const struct json *words = shash_find_data(json_object(schema), "enum");
    const struct json *pattern = shash_find_data(json_object(schema),
                                                 "pattern");
    bool known = !words;

    for (size_t i = 0; words && i < json_array(words)->n; i++) {
        known |= !strcmp(json_string(json_array(words)->elems[i]), s);
    }
    return (known && (!pattern || matches(json_string(pattern), s))
            && strlen(s) >= limit(schema, "minLength", 0)
            && strlen(s) <= limit(schema, "maxLength", SIZE_MAX / 2));
}

/* Whether 'json' is as 'schema', made of what value_schema() makes them of,
 * wants it. */
static bool
conforms(const struct json *schema, const struct json *json)
{
    const char *type = json_string(shash_find_data(json_object(schema),
                                                   "type"));
    const struct json *members;
    const struct shash_node *node;

    if (!strcmp(type, "string")) {
        return json->type == JSON_STRING
               && string_conforms(schema, json_string(json));
    } else if (!strcmp(type, "integer")) {
        return json->type == JSON_INTEGER
               && json_integer(json) >= limit(schema, "minimum", INT64_MIN)
               && json_integer(json) <= limit(schema, "maximum", INT64_MAX);
    }
    FUZZ_CHECK(!strcmp(type, "object"));
    if (json->type != JSON_OBJECT
        || shash_count(json_object(json)) > limit(schema, "maxProperties",
                                                  INT_MAX)) {
        return false;
    }
    members = shash_find_data(json_object(schema), "additionalProperties");
    SHASH_FOR_EACH (node, json_object(json)) {
        if (!conforms(members, node->data)) {
            return false;
        }
    }
    return true;
}

/* Checks that what was written into the row of 'change' is as the schema says,
 * and puts it into 'back' for being sent back. */
static void
check_row(const struct change *change, struct change *back)
{
    const struct resource *resource = change->resource;

    back->verb = CHANGE_PUT;
    back->resource = resource;
    back->key = nullable_xstrdup(change->key);
    back->body = represent_written(&store, resource, change->row);
    for (size_t i = 0; i < resource->n_fields; i++) {
        const struct field *field = &resource->fields[i];
        const struct json *value = shash_find_data(json_object(back->body),
                                                   field->name);

        if (value) {
            struct json *schema = value_schema(field);

            FUZZ_CHECK(conforms(schema, value));
            json_destroy(schema);
        } else {
            FUZZ_CHECK(!(field->flags & FIELD_REQUIRED));
        }
    }
}

static void
check_problem(const struct problem *problem)
{
    struct json *json = problem_to_json(problem);
    char *text = json_to_string(json, 0);
    size_t len;

    FUZZ_CHECK(problem->status >= 400 && problem->status < 500);
    FUZZ_CHECK(!utf8_validate(text, &len));
    free(text);
    json_destroy(json);
}

/* Makes the 'n' changes in an empty database.  If they are taken, stores their
 * ETags in 'etags' and what would make the same in 'back'.  Both may be
 * NULL. */
static bool
apply(struct change *changes, size_t n, struct problem *problem,
      char **etags, struct change *back)
{
    struct ovsdb_idl_txn *txn = ovsdb_idl_txn_create(store.idl);
    bool ok;

    omrec_fabric_insert(txn);
    ok = changes_apply(changes, n, &store, txn, false, problem);
    FUZZ_CHECK(ok == !problem->status);
    for (size_t i = 0; i < n && ok && etags; i++) {
        etags[i] = represent_etag(&store, changes[i].resource,
                                  changes[i].row);
        if (back) {
            check_row(&changes[i], &back[i]);
        }
    }
    ovsdb_idl_txn_abort(txn);
    ovsdb_idl_txn_destroy(txn);
    return ok;
}

/* Makes the 'n' changes, none of which deletes, and those that they come out
 * as. */
static void
check_twice(struct change *changes, size_t n, struct problem *problem)
{
    struct change *back = xcalloc(n, sizeof *back);
    char **etags = xcalloc(2 * n, sizeof *etags);

    if (apply(changes, n, problem, etags, back)) {
        FUZZ_CHECK(apply(back, n, problem, &etags[n], NULL));
        for (size_t i = 0; i < n; i++) {
            FUZZ_CHECK(!strcmp(etags[i], etags[n + i]));
        }
    }
    for (size_t i = 0; i < n; i++) {
        change_uninit(&back[i]);
        free(etags[i]);
        free(etags[n + i]);
    }
    free(back);
    free(etags);
}

static bool
deletes(const struct change *changes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (changes[i].verb == CHANGE_DELETE) {
            return true;
        }
    }
    return false;
}

static void
handle(const struct json *body)
{
    struct problem problem = PROBLEM_INITIALIZER;
    struct change *changes;
    size_t n;

    changes = batch_parse(body, &n, &problem);
    FUZZ_CHECK(!changes == !!problem.status);
    if (changes) {
        if (deletes(changes, n)) {
            apply(changes, n, &problem, NULL, NULL);
        } else {
            check_twice(changes, n, &problem);
        }
        for (size_t i = 0; i < n; i++) {
            change_uninit(&changes[i]);
        }
        free(changes);
    }
    if (problem.status) {
        check_problem(&problem);
    }
    problem_uninit(&problem);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct problem problem = PROBLEM_INITIALIZER;
    struct json *json;
    char *text;

    if (!store.idl) {
        init();
    }
    text = calloc(1, size + 1);
    memcpy(text, data, size);
    json = body_parse(text, size, &problem);
    if (json) {
        handle(json);
        json_destroy(json);
    } else {
        check_problem(&problem);
    }
    problem_uninit(&problem);
    free(text);
    return 0;
}
