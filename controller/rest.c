/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "rest.h"

#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "body.h"
#include "bootstrap.h"
#include "census.h"
#include "change.h"
#include "controller/ovs-migrate-idl.h"
#include "database.h"
#include "enroll.h"
#include "event-stream.h"
#include "http.h"
#include "listing.h"
#include "live.h"
#include "metrics.h"
#include "openapi.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/vlog.h"
#include "problem.h"
#include "reply.h"
#include "smap.h"
#include "store.h"
#include "tokens.h"
#include "util.h"
#include "writes.h"

VLOG_DEFINE_THIS_MODULE(rest);

#define PREFIX "/v1/"

struct rest {
    struct store store;
    struct agents *agents;
    const struct live *live;
    char *name;
    struct bootstrap bootstrap;
    struct tokens *tokens;
    bool connected;             /* To the database. */
    struct http_server **servers;
    size_t n_servers;
    struct writes writes;
    struct event_streams event_streams;
};

/* Requests to write. */

/* Whether the body is of a type that the method takes. */
static bool
is_json(const struct http_request *request, enum change_verb verb)
{
    const char *type = http_header(request, "Content-Type");
    size_t len = type ? strcspn(type, "; \t") : 0;

    return ((len == 16 && !strncasecmp(type, "application/json", 16))
            || (verb == CHANGE_PATCH && len == 28
                && !strncasecmp(type, "application/merge-patch+json", 28)));
}

/* Returns the body, an object, or NULL if it has answered. */
static struct json *
parse_body(struct http_request *request, enum change_verb verb)
{
    struct problem problem = PROBLEM_INITIALIZER;
    struct json *json;

    if (!is_json(request, verb)) {
        reply_refusal(request, 415, "send \"Content-Type: application/json\"",
               "the body is not said to be JSON");
        return NULL;
    }
    json = body_parse(request->body, request->body_len, &problem);
    if (!json) {
        reply_problem(request, &problem, NULL);
    }
    return json;
}

struct write_parameters {
    bool dry_run;
    char *unknown;
};

static void
take_write_parameter(const char *name, const char *value, void *p_)
{
    struct write_parameters *p = p_;

    if (!strcmp(name, "dry_run") && value
        && (!strcmp(value, "true") || !strcmp(value, "false"))) {
        p->dry_run = !strcmp(value, "true");
    } else if (!p->unknown) {
        p->unknown = xasprintf("%s=%s", name, value ? value : "");
    }
}

/* Returns false if it has answered. */
static bool
parse_conditions(struct http_request *request, struct change *change)
{
    const char *none_match = http_header(request, "If-None-Match");

    change->if_match = nullable_xstrdup(http_header(request, "If-Match"));
    if (none_match && strcmp(none_match, "*")) {
        reply_refusal(request, 400, "use \"If-None-Match: *\", or If-Match",
               "If-None-Match with an ETag says nothing about a change");
        return false;
    }
    change->if_none_match = none_match != NULL;
    return true;
}

/* Reads the parameters of a write.  Returns false if it has answered. */
static bool
parse_parameters(struct http_request *request, bool *dry_run)
{
    struct write_parameters p = { .dry_run = false };

    http_for_each_parameter(request, take_write_parameter, &p);
    if (p.unknown) {
        reply_refusal(request, 400, "a write takes dry_run=true",
                      "unknown parameter \"%s\"", p.unknown);
        free(p.unknown);
        return false;
    }
    *dry_run = p.dry_run;
    return true;
}

static void
start_write(struct rest *rest, struct http_request *request,
            enum change_verb verb, const struct resource *resource,
            const char *key)
{
    struct change *change;
    bool dry_run;

    if (!parse_parameters(request, &dry_run)) {
        return;
    }
    change = xzalloc(sizeof *change);
    change->verb = verb;
    change->resource = resource;
    change->key = nullable_xstrdup(key);
    if (parse_conditions(request, change)
        && (verb == CHANGE_DELETE
            || (change->body = parse_body(request, verb)) != NULL)) {
        writes_add(&rest->writes, request, change, 1, dry_run);
    } else {
        change_uninit(change);
        free(change);
    }
}

/* POST /v1/changes. */
static void
start_batch(struct rest *rest, struct http_request *request)
{
    struct problem problem = PROBLEM_INITIALIZER;
    struct change *changes;
    struct json *body;
    bool dry_run;
    size_t n;

    if (!parse_parameters(request, &dry_run)) {
        return;
    }
    body = parse_body(request, CHANGE_PUT);
    if (!body) {
        return;
    }
    changes = batch_parse(body, &n, &problem);
    json_destroy(body);
    if (changes) {
        writes_add(&rest->writes, request, changes, n, dry_run);
    } else {
        reply_problem(request, &problem, NULL);
    }
}

/* Requests to read. */

static bool
is_active(const struct rest *rest)
{
    const struct omrec_fabric *fabric = omrec_fabric_first(rest->store.idl);
    const char *name = fabric ? smap_get(&fabric->active, "name") : NULL;

    return name && !strcmp(name, rest->name);
}

static void
reply_health(const struct rest *rest, struct http_request *request)
{
    bool connected = store_is_writable(&rest->store);
    struct json *json = json_object_create();

    json_object_put_string(json, "status", connected ? "ok" : "unavailable");
    json_object_put_string(json, "database", connected ? "connected"
                           : "disconnected");
    json_object_put(json, "active", json_boolean_create(
        connected && is_active(rest)));
    json_object_put_string(json, "name", rest->name);
    json_object_put_string(json, "version", OVM_VERSION);
    reply_json(request, connected ? 200 : 503, "application/json", json,
               NULL);
    json_destroy(json);
}

static void
reply_metrics(const struct rest *rest, struct http_request *request)
{
    char *text = metrics_format(&rest->store, &rest->writes.statistics,
                                is_active(rest));

    http_reply(request, 200, "text/plain; version=0.0.4", text, strlen(text),
               NULL);
}

static void
reply_openapi(struct http_request *request)
{
    struct json *json = openapi_create();

    reply_json(request, 200, "application/json", json, NULL);
    json_destroy(json);
}

static void
reply_one(const struct rest *rest, struct http_request *request,
          const struct resource *resource, const char *key)
{
    const struct ovsdb_idl_row *row = store_find(&rest->store, resource, key);

    if (row) {
        reply_row(&rest->store, request, 200, resource, row);
    } else {
        char *remedy = xasprintf("\"GET /v1/%s\" shows those that there are",
                                 resource->path);

        reply_refusal(request, 404, remedy, "there is no %s \"%s\"", resource->name,
               key ? key : "");
        free(remedy);
    }
}

static void
reply_list(const struct rest *rest, struct http_request *request,
           const struct resource *resource)
{
    struct json *json = listing_create(&rest->store, resource, request);

    if (json) {
        reply_json(request, 200, "application/json", json, NULL);
        json_destroy(json);
    }
}

/* Dispatching. */

static bool
is_read(const struct http_request *request)
{
    return (!strcmp(request->method, "GET")
            || !strcmp(request->method, "HEAD"));
}

/* Refuses the method; 'allowed' are those that would do. */
static void
refuse_method(struct http_request *request, const char *allowed,
              const char *remedy)
{
    struct problem problem = PROBLEM_INITIALIZER;
    char *headers = xasprintf("Allow: %s\n", allowed);

    problem_set(&problem, 405, remedy, "%s does not take %s", request->path,
                request->method);
    reply_problem(request, &problem, headers);
    free(headers);
}

/* Refuses the method for one of 'resource', or, if 'all' is set, for all. */
static void
refuse_resource_method(struct http_request *request,
                       const struct resource *resource, bool all)
{
    int flags = all ? 0 : resource->flags;
    char *allowed = xasprintf("GET, HEAD%s%s%s",
                              flags & RESOURCE_PUT ? ", PUT" : "",
                              flags & RESOURCE_PATCH ? ", PATCH" : "",
                              flags & RESOURCE_DELETE ? ", DELETE" : "");
    char *remedy = (all && resource->flags & RESOURCE_PUT
                    ? xasprintf("GET lists all; for one, use /v1/%s/NAME, "
                                "which PUT creates", resource->path)
                    : xasprintf("use one of: %s", allowed));

    refuse_method(request, allowed, remedy);
    free(allowed);
    free(remedy);
}

/* Handles a request for 'key' of 'resource'; NULL: for all, or for the single
 * one. */
static void
handle_resource(struct rest *rest, struct http_request *request,
                const struct resource *resource, const char *key)
{
    bool single = resource->flags & RESOURCE_SINGLE;
    int flags = key || single ? resource->flags : 0;

    if (is_read(request)) {
        if (!store_is_filled(&rest->store)) {
            reply_refusal(request, 503, "try again",
                   "the database has not been read yet");
        } else if (!key && !strcmp(resource->path, "events")
                   && event_streams_wanted(request)) {
            event_streams_handle(&rest->event_streams, request);
        } else if (key || single) {
            reply_one(rest, request, resource, key);
        } else {
            reply_list(rest, request, resource);
        }
    } else if (!strcmp(request->method, "PUT") && flags & RESOURCE_PUT) {
        start_write(rest, request, CHANGE_PUT, resource, key);
    } else if (!strcmp(request->method, "PATCH") && flags & RESOURCE_PATCH) {
        start_write(rest, request, CHANGE_PATCH, resource, key);
    } else if (!strcmp(request->method, "DELETE")
               && flags & RESOURCE_DELETE) {
        start_write(rest, request, CHANGE_DELETE, resource, key);
    } else {
        refuse_resource_method(request, resource, !key && !single);
    }
}

/* POST /v1/agents/{name}. */
static void
handle_agent(struct rest *rest, struct http_request *request,
             const char *name)
{
    struct json *body;
    bool dry_run;

    if (strcmp(request->method, "POST")) {
        refuse_method(request, "POST", "use POST");
    } else if (!store_is_writable(&rest->store)) {
        reply_refusal(request, 503, "ask another one", "this controller has "
                      "no database");
    } else if (!parse_parameters(request, &dry_run)) {
        return;
    } else if (dry_run) {
        reply_refusal(request, 400, "leave it out", "what an agent says "
                      "cannot be tried only");
    } else if ((body = parse_body(request, CHANGE_PUT)) != NULL) {
        enroll_handle(rest->agents, &rest->writes, request, name, body);
    }
}

/* Handles a request below /v1/.  Returns false if there is no such path. */
static bool
handle_v1(struct rest *rest, struct http_request *request)
{
    const char *path = request->path + strlen(PREFIX);
    size_t len = strcspn(path, "/");
    const struct resource *resource = resource_by_path(path, len);
    const char *key = path[len] ? path + len + 1 : NULL;

    if (!strcmp(path, "changes")) {
        if (!strcmp(request->method, "POST")) {
            start_batch(rest, request);
        } else {
            refuse_method(request, "POST", "use POST");
        }
        return true;
    }
    if (live_has(path)) {
        if (is_read(request)) {
            live_handle(rest->live, request, path);
        } else {
            refuse_method(request, "GET, HEAD", "use GET");
        }
        return true;
    }
    if (!strncmp(path, "agents/", 7) && path[7]) {
        handle_agent(rest, request, path + 7);
        return true;
    }
    if (!resource || (key && (!*key || resource->flags & RESOURCE_SINGLE))) {
        return false;
    }
    handle_resource(rest, request, resource, key);
    return true;
}

static void
handle(struct http_request *request, void *rest_)
{
    struct rest *rest = rest_;
    const char *path = request->path;
    bool health = !strcmp(path, "/healthz");
    bool metrics = !strcmp(path, "/metrics");
    bool openapi = !strcmp(path, "/openapi.json");

    if (health || metrics || openapi) {
        if (!is_read(request)) {
            refuse_method(request, "GET, HEAD", "use GET");
        } else if (health) {
            reply_health(rest, request);
        } else if (metrics) {
            reply_metrics(rest, request);
        } else {
            reply_openapi(request);
        }
    } else if (strncmp(path, PREFIX, strlen(PREFIX))
               || !handle_v1(rest, request)) {
        reply_refusal(request, 404, "\"GET /openapi.json\" tells what there is",
               "there is nothing at %s", path);
    }
}

/* The whole. */

struct rest *
rest_create(const struct database *db, const char *name,
            struct agents *agents, const struct live *live)
{
    struct rest *rest = xzalloc(sizeof *rest);

    rest->agents = agents;
    rest->live = live;
    rest->name = xstrdup(name);
    store_init(&rest->store, database_remote(db));
    writes_init(&rest->writes, &rest->store, db, rest->name);
    event_streams_init(&rest->event_streams, &rest->store);
    return rest;
}

void
rest_destroy(struct rest *rest)
{
    if (!rest) {
        return;
    }
    writes_uninit(&rest->writes);
    event_streams_end(&rest->event_streams);
    if (rest->live->active) {
        census_cancel(rest->live->census);
    }
    for (size_t i = 0; i < rest->n_servers; i++) {
        http_server_destroy(rest->servers[i]);
    }
    free(rest->servers);
    bootstrap_uninit(&rest->bootstrap);
    store_uninit(&rest->store);
    tokens_destroy(rest->tokens);
    free(rest->name);
    free(rest);
}

char *
rest_read_tokens(struct rest *rest, const char *file)
{
    char *error;
    struct tokens *tokens = tokens_read(file, &error);

    if (!tokens) {
        return error;
    }
    for (size_t i = 0; i < rest->n_servers; i++) {
        http_server_set_tokens(rest->servers[i], tokens);
    }
    tokens_destroy(rest->tokens);
    rest->tokens = tokens;
    return NULL;
}

char *
rest_listen(struct rest *rest, const struct http_options *options_)
{
    struct http_options options = *options_;
    struct http_server *server;
    char *error;

    options.tokens = rest->tokens;
    server = http_server_create(&options, handle, rest, &error);
    if (!server) {
        return error;
    }
    rest->servers = xrealloc(rest->servers, (rest->n_servers + 1)
                             * sizeof *rest->servers);
    rest->servers[rest->n_servers++] = server;
    VLOG_INFO("listening at %s", http_server_url(server));
    return NULL;
}

static void
note_connection(struct rest *rest)
{
    bool connected = ovsdb_idl_is_connected(rest->store.idl);

    if (connected && !rest->connected) {
        VLOG_INFO("connected to the database");
    } else if (!connected && rest->connected) {
        VLOG_WARN("the connection to the database is lost");
    }
    rest->connected = connected;
}

void
rest_run(struct rest *rest)
{
    ovsdb_idl_run(rest->store.idl);
    note_connection(rest);
    bootstrap_run(&rest->bootstrap, rest->store.idl);
    writes_run(&rest->writes);
    event_streams_run(&rest->event_streams);
    for (size_t i = 0; i < rest->n_servers; i++) {
        http_server_run(rest->servers[i]);
    }
}

void
rest_wait(struct rest *rest)
{
    ovsdb_idl_wait(rest->store.idl);
    bootstrap_wait(&rest->bootstrap);
    writes_wait(&rest->writes);
    event_streams_wait(&rest->event_streams);
    for (size_t i = 0; i < rest->n_servers; i++) {
        http_server_wait(rest->servers[i]);
    }
}

char *
rest_show(const struct rest *rest)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < rest->n_servers; i++) {
        ds_put_format(&ds, "%s\n", http_server_url(rest->servers[i]));
    }
    return ds_steal_cstr(&ds);
}
