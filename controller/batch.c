/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "batch.h"

#include <stdlib.h>
#include <string.h>

#include "change.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "problem.h"
#include "sset.h"
#include "util.h"
#include "value.h"

#define CHANGES_MAX 20000
#define PREFIX "/v1/"

/* A member of 'entry' that is a string, or NULL. */
static const char *
string_member(const struct json *entry, const char *name)
{
    const struct json *json = shash_find_data(json_object(entry), name);

    return json && json->type == JSON_STRING ? json_string(json) : NULL;
}

static void
add_problem(const struct change *change, const char *member,
            const char *remedy, const char *detail, struct problem *problem)
{
    char *pointer = xasprintf("%s%s", change->pointer, member);

    problem_add(problem, pointer, remedy, "%s", detail);
    free(pointer);
}

/* Stores what 'path' names in 'change'. */
static bool
parse_path(const char *path, struct change *change)
{
    size_t len;

    if (!path || strncmp(path, PREFIX, strlen(PREFIX))) {
        return false;
    }
    path += strlen(PREFIX);
    len = strcspn(path, "/");
    change->resource = resource_by_path(path, len);
    change->key = path[len] ? xstrdup(path + len + 1) : NULL;
    return (change->resource
            && (change->resource->flags & RESOURCE_SINGLE ? !change->key
                : change->key && *change->key));
}

static bool
parse_method(const char *method, struct change *change)
{
    static const struct {
        const char *name;
        enum change_verb verb;
        int flag;
    } methods[] = {
        { "PUT", CHANGE_PUT, RESOURCE_PUT },
        { "PATCH", CHANGE_PATCH, RESOURCE_PATCH },
        { "DELETE", CHANGE_DELETE, RESOURCE_DELETE },
    };

    for (size_t i = 0; method && i < ARRAY_SIZE(methods); i++) {
        if (!strcmp(methods[i].name, method)) {
            change->verb = methods[i].verb;
            return change->resource->flags & methods[i].flag;
        }
    }
    return false;
}

/* Notes members of 'entry' that no change has. */
static void
check_members(const struct json *entry, const struct change *change,
              struct problem *problem)
{
    static const char *const known[] = {
        "method", "path", "body", "if_match", "if_none_match",
    };
    const struct shash_node *node;

    SHASH_FOR_EACH (node, json_object(entry)) {
        bool found = false;

        for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
            found |= !strcmp(node->name, known[i]);
        }
        if (!found) {
            char *pointer = pointer_append("", node->name);

            add_problem(change, pointer, "leave it out; known are method, "
                        "path, body, if_match, if_none_match",
                        "a change has no such member", problem);
            free(pointer);
        }
    }
}

static void
parse_body(const struct json *entry, struct change *change,
           struct problem *problem)
{
    const struct json *body = shash_find_data(json_object(entry), "body");

    if (change->verb == CHANGE_DELETE) {
        if (body) {
            add_problem(change, "/body", "leave it out",
                        "DELETE has no body", problem);
        }
    } else if (!body || body->type != JSON_OBJECT) {
        add_problem(change, "/body", "give an object",
                    "is not an object", problem);
    } else {
        change->body = json_deep_clone(body);
    }
}

static void
parse_conditions(const struct json *entry, struct change *change,
                 struct problem *problem)
{
    const struct shash *members = json_object(entry);
    const char *none_match = string_member(entry, "if_none_match");

    change->if_match = nullable_xstrdup(string_member(entry, "if_match"));
    if (!change->if_match && shash_find(members, "if_match")) {
        add_problem(change, "/if_match", "give an ETag, with its quotes",
                    "is not a string", problem);
    }
    change->if_none_match = none_match && !strcmp(none_match, "*");
    if (!change->if_none_match && shash_find(members, "if_none_match")) {
        add_problem(change, "/if_none_match", "give \"*\"",
                    "is not \"*\"", problem);
    }
}

/* Fills '*change', number 'index', from 'entry'.  'paths' has the paths of
 * those before. */
static void
parse_change(const struct json *entry, size_t index, struct change *change,
             struct sset *paths, struct problem *problem)
{
    const char *path;

    change->pointer = xasprintf("/changes/%"PRIuSIZE, index);
    if (entry->type != JSON_OBJECT) {
        add_problem(change, "", "give an object with \"method\" and "
                    "\"path\"", "is not an object", problem);
        return;
    }
    path = string_member(entry, "path");
    check_members(entry, change, problem);
    if (!parse_path(path, change)) {
        add_problem(change, "/path", "give one such as \"/v1/hosts/h1\"",
                    "there is no such resource", problem);
    } else if (!sset_add(paths, path)) {
        add_problem(change, "/path", "make one change of both",
                    "another change is of the same resource", problem);
    } else if (!parse_method(string_member(entry, "method"), change)) {
        add_problem(change, "/method", "give \"PUT\", \"PATCH\" or "
                    "\"DELETE\", as far as the resource has it",
                    "is no method that changes this resource", problem);
    } else {
        parse_body(entry, change, problem);
        parse_conditions(entry, change, problem);
    }
}

struct change *
batch_parse(const struct json *body, size_t *n, struct problem *problem)
{
    const struct json *entries = shash_find_data(json_object(body),
                                                 "changes");
    struct sset paths = SSET_INITIALIZER(&paths);
    struct change *changes;

    if (!entries || entries->type != JSON_ARRAY
        || !json_array(entries)->n || shash_count(json_object(body)) != 1) {
        problem_add(problem, "/changes", "give an array of changes, and "
                    "nothing else", "there are no changes");
        return NULL;
    }
    *n = json_array(entries)->n;
    if (*n > CHANGES_MAX) {
        problem_add(problem, "/changes", "send less at a time",
                    "there are more than %d changes", CHANGES_MAX);
        return NULL;
    }
    changes = xcalloc(*n, sizeof *changes);
    for (size_t i = 0; i < *n; i++) {
        parse_change(json_array(entries)->elems[i], i, &changes[i], &paths,
                     problem);
    }
    sset_destroy(&paths);
    if (problem->status) {
        for (size_t i = 0; i < *n; i++) {
            change_uninit(&changes[i]);
        }
        free(changes);
        return NULL;
    }
    return changes;
}

struct json *
batch_schema(void)
{
    char *text = xasprintf(
        "{\"type\": \"object\","
        " \"description\": \"Changes to make all or none.\","
        " \"required\": [\"changes\"],"
        " \"additionalProperties\": false,"
        " \"properties\": {\"changes\": {"
        "  \"type\": \"array\", \"minItems\": 1, \"maxItems\": %d,"
        "  \"description\": \"In any order that refers only to what comes "
        "earlier, or is there; each of another resource.\","
        "  \"items\": {\"type\": \"object\","
        "   \"required\": [\"method\", \"path\"],"
        "   \"additionalProperties\": false,"
        "   \"properties\": {"
        "    \"method\": {\"enum\": [\"PUT\", \"PATCH\", \"DELETE\"]},"
        "    \"path\": {\"type\": \"string\"},"
        "    \"body\": {\"type\": \"object\"},"
        "    \"if_match\": {\"type\": \"string\"},"
        "    \"if_none_match\": {\"const\": \"*\"}}}}}}", CHANGES_MAX);
    struct json *json = json_literal(text);

    free(text);
    return json;
}
