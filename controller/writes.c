/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "writes.h"

#include <stdlib.h>

#include "change.h"
#include "controller/ovs-migrate-idl.h"
#include "database.h"
#include "http.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "problem.h"
#include "reply.h"
#include "represent.h"
#include "store.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(writes);

#define WRITE_MSEC 10000        /* To commit a write. */
#define RETRY_MSEC 20           /* Between attempts, if nothing happens. */
#define REFUSALS_MAX 3          /* By the database, of what we let pass. */
#define PENDING_MAX 4096        /* Writes under way. */

struct write {
    struct ovs_list node;
    struct http_request *request;
    struct change *changes;
    size_t n_changes;
    bool dry_run;
    struct ovsdb_idl_txn *txn;  /* NULL: to be tried, from 'next' on. */
    long long int next;         /* ... or when the replica changes from */
    unsigned int seqno;         /* ... this sequence number. */
    long long int deadline;
    bool again;                 /* May have been committed before. */
    int refusals;
};

static void
changes_destroy(struct change *changes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        change_uninit(&changes[i]);
    }
    free(changes);
}

static void
write_destroy(struct writes *ws, struct write *w)
{
    ovs_list_remove(&w->node);
    ws->statistics.pending--;
    if (w->txn) {
        ovsdb_idl_txn_destroy(w->txn);
    }
    changes_destroy(w->changes, w->n_changes);
    free(w);
}

/* Answers. */

static int
change_status(const struct change *change)
{
    return (change->verb == CHANGE_DELETE ? 204
            : change->result == CHANGE_CREATES ? 201 : 200);
}

/* Answers a request that has several changes. */
static void
reply_changes(struct writes *ws, struct write *w)
{
    struct json *results = json_array_create_empty();
    struct json *json = json_object_create();

    for (size_t i = 0; i < w->n_changes; i++) {
        const struct change *c = &w->changes[i];
        const struct ovsdb_idl_row *row = store_find(ws->store, c->resource,
                                                     c->key);
        struct json *result = json_object_create();

        json_object_put(result, "status",
                        json_integer_create(change_status(c)));
        if (row) {
            json_object_put(result, "etag", json_string_create_nocopy(
                represent_etag(ws->store, c->resource, row)));
        }
        json_array_add(results, result);
    }
    json_object_put(json, "results", results);
    reply_json(w->request, 200, "application/json", json, NULL);
    json_destroy(json);
}

/* Answers a write that was committed. */
static void
write_succeed(struct writes *ws, struct write *w)
{
    const struct change *c = &w->changes[0];
    const struct ovsdb_idl_row *row = NULL;

    if (w->dry_run) {
        http_reply(w->request, 204, NULL, NULL, 0, NULL);
    } else if (w->n_changes != 1 || c->pointer) {
        reply_changes(ws, w);
    } else {
        row = store_find(ws->store, c->resource, c->key);
        if (c->verb != CHANGE_DELETE && row) {
            reply_row(ws->store, w->request, change_status(c), c->resource,
                      row);
        } else {
            http_reply(w->request, 204, NULL, NULL, 0, NULL);
        }
    }
    ws->statistics.committed++;
    write_destroy(ws, w);
}

static void
write_expire(struct writes *ws, struct write *w)
{
    ws->statistics.expired++;
    if (w->again) {
        reply_refusal(w->request, 504, "read it, or send the same again",
                      "the database did not answer in time; the change may "
                      "have been made, or may yet be");
    } else {
        reply_refusal(w->request, 503, "try again", "the database cannot be "
                      "reached; nothing was changed");
    }
    write_destroy(ws, w);
}

/* Puts the write off until there is reason to believe that it may succeed. */
static void
write_retry(struct writes *ws, struct write *w)
{
    ws->statistics.retried++;
    ovsdb_idl_txn_destroy(w->txn);
    w->txn = NULL;
    w->again = true;
    w->next = time_msec() + RETRY_MSEC;
}

/* The database refuses what we found right.  Most likely our replica was
 * behind, and next time we shall know better. */
static void
write_refused(struct writes *ws, struct write *w)
{
    if (++w->refusals < REFUSALS_MAX) {
        write_retry(ws, w);
    } else {
        const char *error = ovsdb_idl_txn_get_error(w->txn);

        VLOG_WARN("database refuses %s %s: %s", w->request->method,
                  w->request->path, error);
        reply_refusal(w->request, 409, "see what the database says", "the "
                      "database refuses it, nothing was changed: %s", error);
        write_destroy(ws, w);
    }
}

/* Attempts. */

static void
write_comment(const struct writes *ws, struct write *w)
{
    ovsdb_idl_txn_add_comment(w->txn, "ovs-migrate-controller %s: %s %s%s%s",
                              ws->name, w->request->method, w->request->path,
                              w->request->user ? " by " : "",
                              w->request->user ? w->request->user : "");
}

/* Whether all was made before. */
static bool
write_was_made(const struct write *w)
{
    for (size_t i = 0; i < w->n_changes; i++) {
        if (w->changes[i].result != CHANGE_NONE) {
            return false;
        }
    }
    return true;
}

/* Makes an attempt.  May be done with the write then. */
static void
write_try(struct writes *ws, struct write *w)
{
    struct problem problem = PROBLEM_INITIALIZER;

    w->seqno = ovsdb_idl_get_seqno(ws->store->idl);
    w->txn = ovsdb_idl_txn_create(ws->store->idl);
    write_comment(ws, w);
    if (!changes_apply(w->changes, w->n_changes, ws->store, w->txn, w->again,
                       &problem)) {
        reply_problem(w->request, &problem, NULL);
        write_destroy(ws, w);
    } else if (w->dry_run || write_was_made(w)) {
        write_succeed(ws, w);
    } else if (ovsdb_idl_txn_commit(w->txn) == TXN_TRY_AGAIN) {
        /* There is no connection: it was not even sent. */
        bool again = w->again;

        write_retry(ws, w);
        w->again = again;
    }
}

/* Whether the time for an attempt has come. */
static bool
write_is_ready(const struct writes *ws, const struct write *w)
{
    return (!w->txn && store_is_writable(ws->store)
            && (time_msec() >= w->next
                || w->seqno != ovsdb_idl_get_seqno(ws->store->idl)));
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
write_run(struct writes *ws, struct write *w)
{
    if (w->txn) {
        switch (ovsdb_idl_txn_commit(w->txn)) {
        case TXN_TRY_AGAIN:
            write_retry(ws, w);
            break;
        case TXN_ERROR:
            write_refused(ws, w);
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
        write_expire(ws, w);
    } else if (write_is_ready(ws, w)) {
        write_try(ws, w);
    }
}

/* All. */

void
writes_init(struct writes *ws, struct store *store, const struct database *db,
            const char *name)
{
    ovs_list_init(&ws->list);
    ws->store = store;
    ws->db = db;
    ws->name = name;
    memset(&ws->statistics, 0, sizeof ws->statistics);
}

void
writes_uninit(struct writes *ws)
{
    struct write *w;

    writes_run(ws);
    LIST_FOR_EACH_SAFE (w, node, &ws->list) {
        w->again |= w->txn != NULL;
        write_expire(ws, w);
    }
}

void
writes_run(struct writes *ws)
{
    bool synced = false;
    struct write *w;

    LIST_FOR_EACH_SAFE (w, node, &ws->list) {
        if (write_is_committed(w)) {
            if (!synced) {
                database_sync(ws->db);
                synced = true;
            }
            write_succeed(ws, w);
        } else {
            write_run(ws, w);
        }
    }
}

void
writes_wait(const struct writes *ws)
{
    const struct write *w;

    LIST_FOR_EACH (w, node, &ws->list) {
        poll_timer_wait_until(w->deadline);
        if (w->txn) {
            ovsdb_idl_txn_wait(w->txn);
        } else if (store_is_writable(ws->store)) {
            poll_timer_wait_until(w->next);
        }
    }
}

void
writes_add(struct writes *ws, struct http_request *request,
           struct change *changes, size_t n, bool dry_run)
{
    struct write *w;

    if (ws->statistics.pending >= PENDING_MAX) {
        reply_refusal(request, 503, "try again", "too many writes are under "
                      "way; nothing was changed");
        changes_destroy(changes, n);
        return;
    }
    w = xzalloc(sizeof *w);
    w->request = request;
    w->changes = changes;
    w->n_changes = n;
    w->dry_run = dry_run;
    w->deadline = time_msec() + WRITE_MSEC;
    ovs_list_push_back(&ws->list, &w->node);
    ws->statistics.pending++;
    if (write_is_ready(ws, w)) {
        write_try(ws, w);
    }
}
