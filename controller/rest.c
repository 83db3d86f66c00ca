/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "rest.h"

#include <stdlib.h>
#include <string.h>

#include "change.h"
#include "controller/ovs-migrate-idl.h"
#include "database.h"
#include "bootstrap.h"
#include "http.h"
#include "listing.h"
#include "metrics.h"
#include "openapi.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "problem.h"
#include "smap.h"
#include "store.h"
#include "timeval.h"
#include "tokens.h"
#include "unicode.h"
#include "util.h"
#include "value.h"

VLOG_DEFINE_THIS_MODULE(rest);

/* The answer is JSON by OVS's own library.  libopenvswitch is linked anyway,
 * and jansson cannot be beside it: both have json_object() and others. */

#define WRITE_MSEC 10000        /* To commit a write. */
#define RETRY_MSEC 20           /* Between attempts, if nothing happens. */
#define REFUSALS_MAX 3          /* By the database, of what we let pass. */
#define PENDING_MAX 4096        /* Writes under way. */

#define PREFIX "/v1/"

/* A write that is under way. */
struct write {
    struct ovs_list node;
    struct http_request *request;
    struct change change;
    bool dry_run;
    struct ovsdb_idl_txn *txn;  /* NULL: to be tried, from 'next' on. */
    long long int next;         /* ... or when the replica changes from */
    unsigned int seqno;         /* ... this sequence number. */
    long long int deadline;
    enum change_result result;
    bool again;                 /* May have been committed before. */
    int refusals;
};

struct rest {
    struct store store;
    const struct database *db;
    char *name;
    struct bootstrap bootstrap;
    struct tokens *tokens;
    struct http_server **servers;
    size_t n_servers;
    struct ovs_list writes;
    struct rest_statistics statistics;
};

/* Answers. */

static void
reply_json(struct http_request *request, int status, const char *type,
           const struct json *json, const char *headers)
{
    char *body = json_to_string(json, JSSF_SORT);

    http_reply(request, status, type, body, strlen(body), headers);
}

static void
reply_problem(struct http_request *request, struct problem *problem,
              const char *headers)
{
    struct json *json = problem_to_json(problem);

    reply_json(request, problem->status, "application/problem+json", json,
               headers ? headers
               : problem->status == 503 ? "Retry-After: 1\n" : NULL);
    json_destroy(json);
    problem_uninit(problem);
}

static void OVS_PRINTF_FORMAT(4, 5)
refuse(struct http_request *request, int status, const char *remedy,
       const char *detail, ...)
{
    struct problem problem = PROBLEM_INITIALIZER;
    va_list args;
    char *text;

    va_start(args, detail);
    text = xvasprintf(detail, args);
    va_end(args);
    problem_set(&problem, status, remedy, "%s", text);
    free(text);
    reply_problem(request, &problem, NULL);
}

static void
reply_row(const struct rest *rest, struct http_request *request, int status,
          const struct resource *resource, const struct ovsdb_idl_row *row)
{
    struct json *json = represent(&rest->store, resource, row);
    struct ds headers = DS_EMPTY_INITIALIZER;
    char *tag = etag(&rest->store, resource, row);

    ds_put_format(&headers, "ETag: %s\n", tag);
    if (status == 201) {
        ds_put_format(&headers, "Location: %s\n", request->path);
    }
    reply_json(request, status, "application/json", json, ds_cstr(&headers));
    ds_destroy(&headers);
    json_destroy(json);
    free(tag);
}

/* Writes. */

static void
write_destroy(struct rest *rest, struct write *w)
{
    ovs_list_remove(&w->node);
    rest->statistics.pending--;
    if (w->txn) {
        ovsdb_idl_txn_destroy(w->txn);
    }
    change_uninit(&w->change);
    free(w);
}

/* Answers a write that was committed. */
static void
write_succeed(struct rest *rest, struct write *w)
{
    const struct ovsdb_idl_row *row = store_find(
        &rest->store, w->change.resource, w->change.key);

    rest->statistics.committed++;
    if (w->dry_run || w->change.verb == CHANGE_DELETE || !row) {
        http_reply(w->request, 204, NULL, NULL, 0, NULL);
    } else {
        reply_row(rest, w->request, w->result == CHANGE_CREATES ? 201 : 200,
                  w->change.resource, row);
    }
    write_destroy(rest, w);
}

static void
write_expire(struct rest *rest, struct write *w)
{
    rest->statistics.expired++;
    if (w->again) {
        refuse(w->request, 504, "read it, or send the same again",
               "the database did not answer in time; the change may have "
               "been made, or may yet be");
    } else {
        refuse(w->request, 503, "try again",
               "the database cannot be reached; nothing was changed");
    }
    write_destroy(rest, w);
}

/* Puts the write off until there is reason to believe that it may succeed. */
static void
write_retry(struct rest *rest, struct write *w)
{
    rest->statistics.retried++;
    ovsdb_idl_txn_destroy(w->txn);
    w->txn = NULL;
    w->again = true;
    w->next = time_msec() + RETRY_MSEC;
}

/* The database refuses what we found right.  Most likely our replica was
 * behind, and next time we shall know better. */
static void
write_refused(struct rest *rest, struct write *w)
{
    if (++w->refusals < REFUSALS_MAX) {
        write_retry(rest, w);
    } else {
        const char *error = ovsdb_idl_txn_get_error(w->txn);

        VLOG_WARN("database refuses %s %s: %s", w->request->method,
                  w->request->path, error);
        refuse(w->request, 409, "see what the database says",
               "the database refuses it, nothing was changed: %s", error);
        write_destroy(rest, w);
    }
}

static void
write_comment(struct rest *rest, struct write *w)
{
    ovsdb_idl_txn_add_comment(w->txn, "ovs-migrate-controller %s: %s %s%s%s",
                              rest->name, w->request->method,
                              w->request->path,
                              w->request->user ? " by " : "",
                              w->request->user ? w->request->user : "");
}

/* Makes an attempt.  May be done with the write then. */
static void
write_try(struct rest *rest, struct write *w)
{
    struct problem problem = PROBLEM_INITIALIZER;

    w->seqno = ovsdb_idl_get_seqno(rest->store.idl);
    w->txn = ovsdb_idl_txn_create(rest->store.idl);
    write_comment(rest, w);
    w->result = change_apply(&w->change, &rest->store, w->txn, w->again,
                             &problem);
    if (w->result == CHANGE_REFUSED) {
        reply_problem(w->request, &problem, NULL);
        write_destroy(rest, w);
    } else if (w->result == CHANGE_NONE || w->dry_run) {
        write_succeed(rest, w);
    } else if (ovsdb_idl_txn_commit(w->txn) == TXN_TRY_AGAIN) {
        /* There is no connection: it was not even sent. */
        bool again = w->again;

        write_retry(rest, w);
        w->again = again;
    }
}

/* Whether the time for an attempt has come. */
static bool
write_is_ready(const struct rest *rest, const struct write *w)
{
    return (!w->txn && omrec_fabric_first(rest->store.idl)
            && ovsdb_idl_is_connected(rest->store.idl)
            && (time_msec() >= w->next
                || w->seqno != ovsdb_idl_get_seqno(rest->store.idl)));
}

/* Whether the write's transaction is committed. */
static bool
write_is_committed(const struct write *w)
{
    enum ovsdb_idl_txn_status status;

    if (!w->txn) {
        return false;
    }
    status = ovsdb_idl_txn_commit(w->txn);
    return status == TXN_SUCCESS || status == TXN_UNCHANGED;
}

/* Goes on with a write that is not committed. */
static void
write_run(struct rest *rest, struct write *w)
{
    if (w->txn) {
        switch (ovsdb_idl_txn_commit(w->txn)) {
        case TXN_TRY_AGAIN:
            write_retry(rest, w);
            break;
        case TXN_ERROR:
            write_refused(rest, w);
            return;
        case TXN_UNCOMMITTED:
        case TXN_UNCHANGED:
        case TXN_INCOMPLETE:
        case TXN_ABORTED:
        case TXN_SUCCESS:
        case TXN_NOT_LOCKED:
        default:
            break;
        }
    }
    if (time_msec() >= w->deadline) {
        w->again |= w->txn != NULL;
        write_expire(rest, w);
    } else if (write_is_ready(rest, w)) {
        write_try(rest, w);
    }
}

static void
writes_run(struct rest *rest)
{
    bool synced = false;
    struct write *w;

    LIST_FOR_EACH_SAFE (w, node, &rest->writes) {
        if (write_is_committed(w)) {
            if (!synced) {
                database_sync(rest->db);
                synced = true;
            }
            write_succeed(rest, w);
        } else {
            write_run(rest, w);
        }
    }
}

static void
writes_wait(const struct rest *rest)
{
    const struct write *w;

    LIST_FOR_EACH (w, node, &rest->writes) {
        poll_timer_wait_until(w->deadline);
        if (w->txn) {
            ovsdb_idl_txn_wait(w->txn);
        } else if (omrec_fabric_first(rest->store.idl)
                   && ovsdb_idl_is_connected(rest->store.idl)) {
            poll_timer_wait_until(w->next);
        }
    }
}

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
    struct json *json;
    char *error;
    size_t len;

    if (!is_json(request, verb)) {
        refuse(request, 415, "send \"Content-Type: application/json\"",
               "the body is not said to be JSON");
        return NULL;
    }
    error = utf8_validate(request->body, &len);
    if (error) {
        refuse(request, 400, "correct it", "the body is not UTF-8: %s",
               error);
        free(error);
        return NULL;
    }
    json = json_from_string(request->body);
    if (json->type == JSON_OBJECT
        && strlen(request->body) == request->body_len) {
        return json;
    } else if (json->type == JSON_STRING) {
        refuse(request, 400, "correct it", "the body is not JSON: %s",
               json_string(json));
    } else {
        refuse(request, 400, "send an object", "the body is not an object");
    }
    json_destroy(json);
    return NULL;
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
        refuse(request, 400, "use \"If-None-Match: *\", or If-Match",
               "If-None-Match with an ETag says nothing about a change");
        return false;
    }
    change->if_none_match = none_match != NULL;
    return true;
}

static void
start_write(struct rest *rest, struct http_request *request,
            enum change_verb verb, const struct resource *resource,
            const char *key)
{
    struct write_parameters p = { .dry_run = false };
    struct change change = { .verb = verb, .resource = resource };
    struct write *w;

    http_for_each_parameter(request, take_write_parameter, &p);
    if (p.unknown) {
        refuse(request, 400, "a write takes dry_run=true",
               "unknown parameter \"%s\"", p.unknown);
        free(p.unknown);
        return;
    } else if (rest->statistics.pending >= PENDING_MAX) {
        refuse(request, 503, "try again", "too many writes are under way");
        return;
    }
    if (!parse_conditions(request, &change)
        || (verb != CHANGE_DELETE
            && !(change.body = parse_body(request, verb)))) {
        change_uninit(&change);
        return;
    }
    change.key = nullable_xstrdup(key);
    w = xzalloc(sizeof *w);
    w->request = request;
    w->change = change;
    w->dry_run = p.dry_run;
    w->deadline = time_msec() + WRITE_MSEC;
    ovs_list_push_back(&rest->writes, &w->node);
    rest->statistics.pending++;
    if (write_is_ready(rest, w)) {
        write_try(rest, w);
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
    bool connected = (ovsdb_idl_is_connected(rest->store.idl)
                      && omrec_fabric_first(rest->store.idl));
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
    char *text = metrics_format(&rest->store, &rest->statistics);

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
        reply_row(rest, request, 200, resource, row);
    } else {
        char *remedy = xasprintf("\"GET /v1/%s\" shows those that there are",
                                 resource->path);

        refuse(request, 404, remedy, "there is no %s \"%s\"", resource->name,
               key ? key : "");
        free(remedy);
    }
}

static void
reply_list(const struct rest *rest, struct http_request *request,
           const struct resource *resource)
{
    struct problem problem = PROBLEM_INITIALIZER;
    struct json *json = listing_create(&rest->store, resource, request,
                                       &problem);

    if (json) {
        reply_json(request, 200, "application/json", json, NULL);
        json_destroy(json);
    } else {
        reply_problem(request, &problem, NULL);
    }
}

/* Dispatching. */

static bool
is_read(const struct http_request *request)
{
    return (!strcmp(request->method, "GET")
            || !strcmp(request->method, "HEAD"));
}

static void
refuse_method(struct http_request *request, int flags)
{
    struct problem problem = PROBLEM_INITIALIZER;
    struct ds allow = DS_EMPTY_INITIALIZER;
    char *remedy;

    ds_put_format(&allow, "Allow: GET, HEAD%s%s%s\n",
                  flags & RESOURCE_PUT ? ", PUT" : "",
                  flags & RESOURCE_PATCH ? ", PATCH" : "",
                  flags & RESOURCE_DELETE ? ", DELETE" : "");
    remedy = xasprintf("use one of: %.*s", (int) allow.length - 8,
                       ds_cstr(&allow) + 7);
    problem_set(&problem, 405, remedy, "%s does not take %s", request->path,
                request->method);
    reply_problem(request, &problem, ds_cstr(&allow));
    free(remedy);
    ds_destroy(&allow);
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
            refuse(request, 503, "try again",
                   "the database has not been read yet");
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
        refuse_method(request, flags);
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
            refuse_method(request, 0);
        } else if (health) {
            reply_health(rest, request);
        } else if (metrics) {
            reply_metrics(rest, request);
        } else {
            reply_openapi(request);
        }
    } else if (strncmp(path, PREFIX, strlen(PREFIX))
               || !handle_v1(rest, request)) {
        refuse(request, 404, "\"GET /openapi.json\" tells what there is",
               "there is nothing at %s", path);
    }
}

/* The whole. */

struct rest *
rest_create(const struct database *db, const char *name)
{
    struct rest *rest = xzalloc(sizeof *rest);

    rest->db = db;
    rest->name = xstrdup(name);
    store_init(&rest->store, database_remote(db));
    ovs_list_init(&rest->writes);
    return rest;
}

void
rest_destroy(struct rest *rest)
{
    struct write *w;

    if (!rest) {
        return;
    }
    writes_run(rest);
    LIST_FOR_EACH_SAFE (w, node, &rest->writes) {
        w->again |= w->txn != NULL;
        write_expire(rest, w);
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

void
rest_run(struct rest *rest)
{
    ovsdb_idl_run(rest->store.idl);
    bootstrap_run(&rest->bootstrap, rest->store.idl);
    writes_run(rest);
    for (size_t i = 0; i < rest->n_servers; i++) {
        http_server_run(rest->servers[i]);
    }
}

void
rest_wait(struct rest *rest)
{
    ovsdb_idl_wait(rest->store.idl);
    bootstrap_wait(&rest->bootstrap);
    writes_wait(rest);
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
