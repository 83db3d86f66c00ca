/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "openapi.h"

#include <stdarg.h>
#include <stdlib.h>

#include "batch.h"
#include "enroll.h"
#include "listing.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "problem.h"
#include "resource.h"
#include "util.h"
#include "value.h"
#include "view-schema.h"
#include "view.h"

/* Building blocks. */

/* An object with string members: pairs of name and value, then NULL. */
static struct json * __attribute__((sentinel))
object(const char *name, ...)
{
    struct json *json = json_object_create();
    va_list args;

    va_start(args, name);
    for (; name; name = va_arg(args, const char *)) {
        json_object_put_string(json, name, va_arg(args, const char *));
    }
    va_end(args);
    return json;
}

static struct json *
reference(const char *kind, const char *name)
{
    struct json *json = json_object_create();

    json_object_put_format(json, "$ref", "#/components/%s/%s", kind, name);
    return json;
}

static struct json *
content(const char *type, struct json *schema, struct json *example)
{
    struct json *json = json_object_create();
    struct json *media = json_object_create();

    json_object_put(media, "schema", schema);
    if (example) {
        json_object_put(media, "example", example);
    }
    json_object_put(json, type, media);
    return json;
}

/* "Host" for "host". */
static char *
capitalized(const char *s)
{
    char *copy = xstrdup(s);

    copy[0] -= 'a' - 'A';
    return copy;
}

/* Schemas. */

static bool
is_required(const struct resource *resource, const struct field *field)
{
    /* The key is in the path already. */
    return field->flags & FIELD_REQUIRED && field != &resource->fields[0];
}

/* Lets 'schema' be null as well. */
static void
make_nullable(struct json *schema)
{
    struct json *enumeration = shash_find_data(json_object(schema), "enum");
    struct json *type = shash_find_and_delete(json_object(schema), "type");

    json_object_put(schema, "type", json_array_create_2(
        type, json_string_create("null")));
    if (enumeration) {
        json_array_add(enumeration, json_null_create());
    }
}

static struct json *
field_schema(const struct resource *resource, const struct field *field)
{
    struct json *schema = value_schema(field);

    if (!field->owner && field->column->type.n_min == 0
        && field->column->type.n_max == 1) {
        make_nullable(schema);
    }
    json_object_put_string(schema, "description", field_doc(resource, field));
    if (field->default_) {
        json_object_put(schema, "default", json_literal(field->default_));
    }
    json_object_put(schema, "examples", json_array_create_1(
        json_literal(field->example)));
    if (field->flags & FIELD_READONLY) {
        json_object_put(schema, "readOnly", json_boolean_create(true));
    }
    if (field->flags & FIELD_SECRET) {
        json_object_put(schema, "writeOnly", json_boolean_create(true));
    }
    return schema;
}

/* Adds to 'columns' what of 'field' goes into tables. */
static void
add_columns(struct json *columns, const struct field *field)
{
    char *members, *member, *save = NULL;

    if (!(field->flags & FIELD_COLUMN)) {
        return;
    } else if (!field->columns) {
        json_array_add(columns, json_string_create(field->name));
        return;
    }
    members = xstrdup(field->columns);
    for (member = strtok_r(members, " ", &save); member;
         member = strtok_r(NULL, " ", &save)) {
        json_array_add(columns, json_string_create_nocopy(
            xasprintf("%s.%s", field->name, member)));
    }
    free(members);
}

static struct json *
resource_schema(const struct resource *resource)
{
    struct json *schema = object("type", "object", "description",
                                 resource_doc(resource), NULL);
    struct json *required = json_array_create_empty();
    struct json *properties = json_object_create();
    struct json *columns = json_array_create_empty();

    for (size_t i = 0; i < resource->n_fields; i++) {
        const struct field *field = &resource->fields[i];

        json_object_put(properties, field->name,
                        field_schema(resource, field));
        if (is_required(resource, field)) {
            json_array_add(required, json_string_create(field->name));
        }
        add_columns(columns, field);
    }
    json_object_put(schema, "properties", properties);
    json_object_put(schema, "required", required);
    json_object_put(schema, "x-columns", columns);
    json_object_put(schema, "additionalProperties",
                    json_boolean_create(false));
    return schema;
}

static struct json *
problem_schema(void)
{
    return json_literal(
        "{\"type\": \"object\","
        " \"description\": \"What is wrong (RFC 9457).\","
        " \"required\": [\"title\", \"status\", \"detail\"],"
        " \"properties\": {"
        "  \"title\": {\"type\": \"string\"},"
        "  \"status\": {\"type\": \"integer\"},"
        "  \"detail\": {\"type\": \"string\"},"
        "  \"remedy\": {\"type\": \"string\"},"
        "  \"errors\": {\"type\": \"array\", \"items\": {"
        "   \"type\": \"object\","
        "   \"required\": [\"field\", \"detail\", \"remedy\"],"
        "   \"properties\": {"
        "    \"field\": {\"type\": \"string\", \"description\":"
        "     \"JSON pointer to the member of the body.\"},"
        "    \"detail\": {\"type\": \"string\"},"
        "    \"remedy\": {\"type\": \"string\"}}}}}}");
}

/* Examples. */

/* A good body for PUT. */
static struct json *
put_example(const struct resource *resource)
{
    struct json *json = json_object_create();

    for (size_t i = 0; i < resource->n_fields; i++) {
        const struct field *field = &resource->fields[i];

        if (!(field->flags & FIELD_READONLY)) {
            json_object_put(json, field->name,
                            json_literal(field->example));
        }
    }
    return json;
}

/* A good body for PATCH: the first field that may be left out. */
static struct json *
patch_example(const struct resource *resource)
{
    struct json *json = json_object_create();

    for (size_t i = 0; i < resource->n_fields; i++) {
        const struct field *field = &resource->fields[i];

        if (!(field->flags & (FIELD_READONLY | FIELD_REQUIRED
                              | FIELD_SECRET))) {
            json_object_put(json, field->name,
                            json_literal(field->example));
            break;
        }
    }
    return json;
}

/* Parameters. */

static struct json *
parameter(const char *in, const char *name, const char *description,
          struct json *schema)
{
    struct json *json = object("in", in, "name", name, "description",
                               description, NULL);

    json_object_put(json, "schema", schema);
    if (!strcmp(in, "path")) {
        json_object_put(json, "required", json_boolean_create(true));
    }
    return json;
}

static void
add_key(struct json *parameters, const struct resource *resource)
{
    const struct field *key = &resource->fields[0];
    struct json *json;

    if (!(resource->flags & RESOURCE_SINGLE)) {
        json = parameter("path", key->name, field_doc(resource, key),
                         value_schema(key));
        json_object_put(json, "example", json_literal(key->example));
        json_array_add(parameters, json);
    }
}

static void
add_dry_run(struct json *parameters)
{
    json_array_add(parameters, parameter(
        "query", "dry_run", "\"true\": only tell whether the change would be "
        "accepted, with 204.", json_literal("{\"type\": \"boolean\"}")));
}

static void
add_conditions(struct json *parameters, bool creates)
{
    add_dry_run(parameters);
    json_array_add(parameters, parameter(
        "header", "If-Match", "An ETag: change it only if it is as it was "
        "then.", json_literal("{\"type\": \"string\"}")));
    if (creates) {
        json_array_add(parameters, parameter(
            "header", "If-None-Match", "\"*\": create it only if there is "
            "none.", json_literal("{\"const\": \"*\"}")));
    }
}

static struct json *
list_parameters(const struct resource *resource)
{
    struct json *parameters = json_array_create_empty();
    struct json *limit = object("type", "integer", NULL);

    json_object_put(limit, "minimum", json_integer_create(1));
    json_object_put(limit, "maximum", json_integer_create(VIEW_LIMIT_MAX));
    json_object_put(limit, "default",
                    json_integer_create(VIEW_LIMIT_DEFAULT));
    json_array_add(parameters, parameter(
        "query", "limit", "How many to list at most.", limit));
    json_array_add(parameters, parameter(
        "query", "after", "List only those that follow this one.",
        value_schema(&resource->fields[0])));
    for (size_t i = 0; i < resource->n_fields; i++) {
        const struct field *field = &resource->fields[i];

        if (listing_filters(field)) {
            json_array_add(parameters, parameter(
                "query", field->name, "List only those that have this value.",
                value_schema(field)));
        }
    }
    return parameters;
}

/* Responses. */

static void
add_response(struct json *responses, int status, const char *description,
             struct json *content_)
{
    char *code = xasprintf("%d", status);
    struct json *response = object("description", description, NULL);

    if (content_) {
        json_object_put(response, "content", content_);
    }
    json_object_put_nocopy(responses, code, response);
}

static void
add_problem(struct json *responses, int status, const char *description)
{
    add_response(responses, status, description,
                 content("application/problem+json",
                         reference("schemas", "Problem"), NULL));
}

static void
add_token_problems(struct json *responses)
{
    add_problem(responses, 401, "No token, or one that is not known.");
    add_problem(responses, 403, "The token does not allow it; or there are no "
                "tokens, and the server was called by no local name.");
}

static void
add_access_problems(struct json *responses, bool writes)
{
    add_token_problems(responses);
    add_problem(responses, 503, "The database cannot be reached.");
    if (writes) {
        add_problem(responses, 504, "The database did not answer in time; "
                    "the change may have been made.");
    }
}

static void
add_write_problems(struct json *responses, bool body, bool may_lack)
{
    add_access_problems(responses, true);
    add_problem(responses, 409, "Something else that exists is in the way.");
    add_problem(responses, 412, "If-Match or If-None-Match does not hold.");
    add_problem(responses, 400, "The request is malformed.");
    if (body) {
        add_problem(responses, 413, "The body is too large.");
        add_problem(responses, 415, "The body is not said to be JSON.");
        add_problem(responses, 422, "The body is not acceptable.");
    }
    if (may_lack) {
        add_problem(responses, 404, "There is none of this name.");
    }
}

/* Operations. */

/* 'tag' is the path of the resource that it is about, or NULL. */
static struct json *
operation(const char *tag, const char *verb, const char *what,
          const char *summary, struct json *parameters,
          struct json *responses)
{
    struct json *json = object("summary", summary, NULL);

    if (tag) {
        json_object_put(json, "tags",
                        json_array_create_1(json_string_create(tag)));
    }

    json_object_put_format(json, "operationId", "%s%s", verb, what);
    json_object_put(json, "parameters", parameters);
    json_object_put(json, "responses", responses);
    return json;
}

static struct json *
resource_content(const struct resource *resource)
{
    char *name = capitalized(resource->name);
    struct json *json = content("application/json",
                                reference("schemas", name), NULL);

    free(name);
    return json;
}

/* Adds what there is besides if the list may also be had as a stream. */
static void
add_stream(struct json *parameters, struct json *responses)
{
    struct json *response = shash_find_data(json_object(responses), "200");

    json_array_add(parameters, parameter(
        "header", "Last-Event-ID", "Of a stream: to begin after the event with "
        "this number, and not with the next one.",
        json_literal("{\"type\": \"integer\", \"minimum\": 0}")));
    json_object_put(shash_find_data(json_object(response), "content"),
                    "text/event-stream",
                    json_literal("{\"schema\": {\"type\": \"string\"}}"));
}

static struct json *
list_operation(const struct resource *resource, const char *what)
{
    struct json *parameters = list_parameters(resource);
    struct json *responses = json_object_create();
    struct json *schema = json_literal(
        "{\"type\": \"object\", \"required\": [\"items\"], \"properties\": {"
        " \"next\": {\"type\": \"string\","
        "  \"description\": \"Where to go on, if there is more.\"}}}");
    struct json *items = object("type", "array", NULL);

    json_object_put(items, "items", reference("schemas", what));
    json_object_put(shash_find_data(json_object(schema), "properties"),
                    "items", items);
    add_response(responses, 200, "Those that there are, by name.",
                 content("application/json", schema, NULL));
    if (!strcmp(resource->path, "events")) {
        add_stream(parameters, responses);
    }
    add_problem(responses, 400, "A parameter is not acceptable.");
    add_access_problems(responses, false);
    return operation(resource->path, "list", what, "List them.",
                     parameters, responses);
}

static struct json *
get_operation(const struct resource *resource, const char *what)
{
    struct json *parameters = json_array_create_empty();
    struct json *responses = json_object_create();

    add_key(parameters, resource);
    add_response(responses, 200, "It.", resource_content(resource));
    if (!(resource->flags & RESOURCE_SINGLE)) {
        add_problem(responses, 404, "There is none of this name.");
    }
    add_access_problems(responses, false);
    return operation(resource->path, "get", what, "Read one.", parameters,
                     responses);
}

static struct json *
write_operation(const struct resource *resource, const char *what,
                const char *verb, const char *summary, const char *type,
                struct json *schema, struct json *example)
{
    bool puts = !strcmp(verb, "put");
    struct json *parameters = json_array_create_empty();
    struct json *responses = json_object_create();
    struct json *body = json_object_create();
    struct json *json;

    add_key(parameters, resource);
    add_conditions(parameters, puts);
    add_response(responses, 200, "It, as it is now.",
                 resource_content(resource));
    add_response(responses, 204, "With dry_run: it would be accepted.", NULL);
    if (puts) {
        add_response(responses, 201, "It, now that it is created.",
                     resource_content(resource));
    }
    add_write_problems(responses, true,
                       !puts && !(resource->flags & RESOURCE_SINGLE));
    json_object_put(body, "required", json_boolean_create(true));
    json_object_put(body, "content", content(type, schema, example));
    json = operation(resource->path, verb, what, summary, parameters,
                     responses);
    json_object_put(json, "requestBody", body);
    return json;
}

static struct json *
delete_operation(const struct resource *resource, const char *what)
{
    struct json *parameters = json_array_create_empty();
    struct json *responses = json_object_create();

    add_key(parameters, resource);
    add_conditions(parameters, false);
    add_response(responses, 204, "It is deleted.", NULL);
    add_write_problems(responses, false, true);
    return operation(resource->path, "delete", what, "Delete one.", parameters,
                     responses);
}

/* Paths. */

static void
add_item_path(struct json *paths, const struct resource *resource,
              const char *what)
{
    struct json *path = json_object_create();

    json_object_put(path, "get", get_operation(resource, what));
    if (resource->flags & RESOURCE_PUT) {
        json_object_put(path, "put", write_operation(
            resource, what, "put", "Create or replace one.",
            "application/json", reference("schemas", what),
            put_example(resource)));
    }
    if (resource->flags & RESOURCE_PATCH) {
        json_object_put(path, "patch", write_operation(
            resource, what, "patch", "Change some of one: JSON Merge Patch "
            "(RFC 7396).", "application/merge-patch+json",
            object("type", "object", NULL), patch_example(resource)));
    }
    if (resource->flags & RESOURCE_DELETE) {
        json_object_put(path, "delete", delete_operation(resource, what));
    }
    json_object_put_nocopy(
        paths, resource->flags & RESOURCE_SINGLE
        ? xasprintf("/v1/%s", resource->path)
        : xasprintf("/v1/%s/{%s}", resource->path, resource->fields[0].name),
        path);
}

static void
add_list_path(struct json *paths, const struct resource *resource,
              const char *what)
{
    struct json *path = json_object_create();

    json_object_put(path, "get", list_operation(resource, what));
    json_object_put_nocopy(paths, xasprintf("/v1/%s", resource->path), path);
}

/* A path that is no resource. */
static void
add_other_path(struct json *paths, const char *name, const char *what,
               const char *summary, const char *type, bool may_fail)
{
    struct json *responses = json_object_create();
    struct json *path = json_object_create();

    add_response(responses, 200, summary,
                 content(type, object("type", !strcmp(type, "text/plain")
                                      ? "string" : "object", NULL), NULL));
    add_token_problems(responses);
    if (may_fail) {
        add_response(responses, 503, "The database cannot be reached.",
                     content(type, object("type", "object", NULL), NULL));
    }
    json_object_put(path, "get", operation(
        NULL, "get", what, summary, json_array_create_empty(), responses));
    json_object_put(paths, name, path);
}

static void
add_changes_path(struct json *paths)
{
    struct json *parameters = json_array_create_empty();
    struct json *responses = json_object_create();
    struct json *body = json_object_create();
    struct json *path = json_object_create();
    struct json *post;

    add_dry_run(parameters);
    add_response(responses, 200, "They are made.", content(
        "application/json", json_literal(
            "{\"type\": \"object\", \"required\": [\"results\"],"
            " \"properties\": {\"results\": {\"type\": \"array\","
            "  \"items\": {\"type\": \"object\","
            "   \"required\": [\"status\"], \"properties\": {"
            "    \"status\": {\"type\": \"integer\"},"
            "    \"etag\": {\"type\": \"string\"}}}}}}"), NULL));
    add_response(responses, 204, "With dry_run: they would be accepted.",
                 NULL);
    add_write_problems(responses, true, true);
    post = operation(NULL, "post", "Changes", "Make several changes, all or "
                     "none.", parameters, responses);
    json_object_put(body, "required", json_boolean_create(true));
    json_object_put(body, "content", content(
        "application/json", reference("schemas", "Changes"), json_literal(
            "{\"changes\": [{\"method\": \"PATCH\","
            " \"path\": \"/v1/fabric\", \"body\": {}}]}")));
    json_object_put(post, "requestBody", body);
    json_object_put(path, "post", post);
    json_object_put(paths, "/v1/changes", path);
}

/* Connections, decisions and paths. */
static void
add_view_path(struct json *paths, const struct view_schema *view)
{
    struct json *filters = json_literal(view->filters);
    struct json *parameters = json_array_create_empty();
    struct json *responses = json_object_create();
    struct json *path = json_object_create();
    struct json *schema = json_literal(
        "{\"type\": \"object\", \"required\": [\"items\"], \"properties\": {"
        " \"unreachable\": {\"type\": \"array\","
        "  \"items\": {\"type\": \"string\"}},"
        " \"next\": {\"type\": \"string\","
        "  \"description\": \"Where to go on, if there is more.\"}}}");
    struct json *items = object("type", "array", NULL);

    json_array_add(parameters, parameter(
        "query", "limit", "How many to list at most.", json_literal(
            "{\"type\": \"integer\", \"minimum\": 1, \"maximum\": 10000,"
            " \"default\": 1000}")));
    json_array_add(parameters, parameter(
        "query", "after", "Where to go on, as \"next\" has it.",
        object("type", "string", NULL)));
    for (size_t i = 0; i < json_array(filters)->n; i++) {
        const struct shash *f = json_object(json_array(filters)->elems[i]);

        json_array_add(parameters, parameter(
            "query", json_string(shash_find_data(f, "name")),
            "List only those that have this value.",
            object("type", json_string(shash_find_data(f, "type")), NULL)));
    }
    json_destroy(filters);
    json_object_put(items, "items", reference("schemas", view->what));
    json_object_put(shash_find_data(json_object(schema), "properties"),
                    "items", items);
    add_response(responses, 200, view->summary,
                 content("application/json", schema, NULL));
    add_problem(responses, 400, "A parameter is not acceptable.");
    add_token_problems(responses);
    add_problem(responses, 503, "This controller is not the active one.");
    json_object_put(path, "get", operation(view->path, "list", view->what,
                                           view->summary, parameters,
                                           responses));
    json_object_put_nocopy(paths, xasprintf("/v1/%s", view->path), path);
}

static void
add_agents_path(struct json *paths)
{
    struct json *parameters = json_array_create_empty();
    struct json *responses = json_object_create();
    struct json *body = json_object_create();
    struct json *path = json_object_create();
    const struct resource *host = resource_by_table("Host");
    struct json *post;

    add_key(parameters, host);
    add_response(responses, 200, "It is heard.", content(
        "application/json", json_literal(
            "{\"type\": \"object\", \"required\": [\"interval\"],"
            " \"properties\": {"
            "  \"interval\": {\"type\": \"integer\", \"description\":"
            "   \"Milliseconds until it is to speak again.\"},"
            "  \"keys\": {\"type\": \"array\","
            "   \"items\": {\"type\": \"string\"}, \"description\":"
            "   \"The fabric's, the current one first; for agents"
            " only.\"}}}"), NULL));
    add_response(responses, 201, "The host, which is created.",
                 resource_content(host));
    add_write_problems(responses, true, true);
    post = operation("hosts", "post", "Agent", "What the agent of a host says "
                     "every second.", parameters, responses);
    json_object_put(body, "required", json_boolean_create(true));
    json_object_put(body, "content", content(
        "application/json", enroll_schema(), json_literal(
            "{\"ip\": \"192.0.2.11\", \"state\": \"up\", \"cpu\": 12,"
            " \"connections\": 100, \"accept_queue\": 0}")));
    json_object_put(post, "requestBody", body);
    json_object_put(path, "post", post);
    json_object_put(paths, "/v1/agents/{name}", path);
}

static struct json *
all_paths(void)
{
    struct json *paths = json_object_create();

    for (size_t i = 0; i < N_RESOURCES; i++) {
        char *what = capitalized(resources[i].name);

        if (!(resources[i].flags & RESOURCE_SINGLE)) {
            add_list_path(paths, &resources[i], what);
        }
        add_item_path(paths, &resources[i], what);
        free(what);
    }
    for (size_t i = 0; i < N_VIEW_SCHEMAS; i++) {
        add_view_path(paths, &view_schemas[i]);
    }
    add_changes_path(paths);
    add_agents_path(paths);
    add_other_path(paths, "/healthz", "Health", "Whether the controller can "
                   "do its work, and whether it is the active one.",
                   "application/json", true);
    add_other_path(paths, "/metrics", "Metrics", "Counters and gauges, for "
                   "Prometheus.", "text/plain", false);
    add_other_path(paths, "/openapi.json", "Openapi", "This description.",
                   "application/json", false);
    return paths;
}

static struct json *
components(void)
{
    struct json *json = json_literal(
        "{\"securitySchemes\": {\"bearer\":"
        " {\"type\": \"http\", \"scheme\": \"bearer\"}}}");
    struct json *schemas = json_object_create();

    for (size_t i = 0; i < N_RESOURCES; i++) {
        json_object_put_nocopy(schemas, capitalized(resources[i].name),
                               resource_schema(&resources[i]));
    }
    for (size_t i = 0; i < N_VIEW_SCHEMAS; i++) {
        json_object_put(schemas, view_schemas[i].what,
                        json_literal(view_schemas[i].item));
    }
    json_object_put(schemas, "Changes", batch_schema());
    json_object_put(schemas, "Problem", problem_schema());
    json_object_put(json, "schemas", schemas);
    return json;
}

/* The resources, in the order in which they can be created, and then what can
 * only be listed. */
static struct json *
tags(void)
{
    struct json *json = json_array_create_empty();

    for (size_t i = 0; i < N_RESOURCES; i++) {
        json_array_add(json, object("name", resources[i].path, "description",
                                    resource_doc(&resources[i]), NULL));
    }
    for (size_t i = 0; i < N_VIEW_SCHEMAS; i++) {
        json_array_add(json, object("name", view_schemas[i].path,
                                    "description", view_schemas[i].summary,
                                    NULL));
    }
    return json;
}

struct json *
openapi_create(void)
{
    struct json *json = object("openapi", "3.1.0", NULL);

    json_object_put(json, "info", object(
        "title", "ovs-migrate-controller", "version", OVM_VERSION,
        "description", "What a fabric of switches that migrate connections "
        "is to do, and what is known about it.", NULL));
    json_object_put(json, "security",
                    json_literal("[{\"bearer\": []}, {}]"));
    json_object_put(json, "tags", tags());
    json_object_put(json, "paths", all_paths());
    json_object_put(json, "components", components());
    return json;
}
