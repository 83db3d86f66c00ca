/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "census.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "byte-order.h"
#include "channel.h"
#include "controller/ovs-migrate-idl.h"
#include "decider.h"
#include "describe.h"
#include "fleet.h"
#include "http.h"
#include "openflow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "reply.h"
#include "seal.h"
#include "sset.h"
#include "survey.h"
#include "svec.h"
#include "timeval.h"
#include "topology.h"
#include "util.h"
#include "view.h"

#define MAX_QUERIES 64          /* Requests under way. */
#define RETRY_MSEC 200          /* A switch that is silent is asked again... */
#define MAX_TRIES 3             /* ...up to so often. */
#define MAX_ANSWERS 512         /* For a page: it may be short, if little of
                                 * what there is is wanted. */

/* Begins "after" of a page with the controller's own decisions.  No name of a
 * switch does. */
#define DECIDED '/'

/* A request. */
struct query {
    struct ovs_list node;       /* In 'queries'. */
    struct census *census;
    struct http_request *request;
    struct view view;
    struct migrate_list list;   /* The question, but for 'after'. */
    struct sset *decided;       /* NULL: it is for connections.  Else it is for
                                 * decisions, and these, by decision_id(), are
                                 * the controller's. */

    struct svec switches;       /* Those to ask, by name... */
    size_t at;                  /* ...and that which is asked now... */
    uint32_t after;             /* ...from there. */
    uint64_t token;             /* Of the question... */
    int tries;                  /* ...which was sent so often... */
    long long int retry;        /* ...and is to be sent again then. */
    int n_answers;

    struct json *items;
    struct json *unreachable;   /* Names of switches. */
};

struct census {
    struct fleet *fleet;
    struct ovs_list queries;
    size_t n_queries;
    uint64_t last_token;
};

struct census *
census_create(struct fleet *fleet)
{
    struct census *c = xzalloc(sizeof *c);

    c->fleet = fleet;
    ovs_list_init(&c->queries);
    c->last_token = time_wall_msec() << 16;     /* Not those of before. */
    return c;
}

/* Answers, and ends 'q'.  'last' is where to go on, or NULL. */
static void
finish(struct query *q, const char *last)
{
    struct json *json = view_answer(&q->view, q->items, last);

    json_object_put(json, "unreachable", q->unreachable);
    reply_json(q->request, 200, "application/json", json, NULL);
    json_destroy(json);
    ovs_list_remove(&q->node);
    q->census->n_queries--;
    view_uninit(&q->view);
    svec_destroy(&q->switches);
    if (q->decided) {
        sset_destroy(q->decided);
        free(q->decided);
    }
    free(q);
}

void
census_cancel(struct census *c)
{
    struct query *q;

    LIST_FOR_EACH_SAFE (q, node, &c->queries) {
        for (; q->at < q->switches.n; q->at++) {
            json_array_add(q->unreachable, json_string_create(
                q->switches.names[q->at]));
        }
        finish(q, NULL);
    }
}

void
census_destroy(struct census *c)
{
    census_cancel(c);
    free(c);
}

static const struct omrec_switch *
find_row(const struct census *c, const char *name)
{
    const struct omrec_switch *row;

    OMREC_SWITCH_FOR_EACH (row, c->fleet->idl) {
        if (!strcmp(row->name, name)) {
            return row;
        }
    }
    return NULL;
}

static struct fleet_switch *
find_switch(const struct census *c, const struct omrec_switch *row)
{
    struct fleet_switch *sw;

    HMAP_FOR_EACH (sw, node, &c->fleet->switches) {
        if (row && uuid_equals(&sw->uuid, &row->header_.uuid)) {
            return sw;
        }
    }
    return NULL;
}

/* Fills in where messages for 'sw' go.  Returns false if that is not known. */
static bool
get_end(const struct omrec_switch *row, const struct fleet_switch *sw,
        struct channel_end *end)
{
    const struct topology_port *local
        = topology_find_port(sw->ts, OFPP_LOCAL);
    char *address = xmemdup0(row->migrate_address,
                             strcspn(row->migrate_address, ", "));
    bool ok = local && address_parse(address, &end->address);

    free(address);
    if (ok) {
        end->dpid = sw->dpid;
        memcpy(end->mac, &local->mac, sizeof end->mac);
    }
    return ok;
}

/* Sends the question.  Returns false if the switch cannot be reached. */
static bool
ask(struct query *q)
{
    const struct census *c = q->census;
    const struct omrec_fabric *fabric = omrec_fabric_first(c->fleet->idl);
    const struct omrec_switch *row = find_row(c, q->switches.names[q->at]);
    const struct fleet_switch *sw = find_switch(c, row);
    size_t room = q->view.limit - json_array(q->items)->n;
    struct channel_end end;
    struct keyring keys;
    void *frame;
    size_t len;

    if (!sw || !sw->of || !openflow_is_ready(sw->of) || !fabric
        || !row->migrate_address || !survey_keys(fabric, &keys)
        || !get_end(row, sw, &end)) {
        return false;
    }
    q->list.token = htonll(q->token);
    q->list.after = htonl(q->after);
    q->list.max = htons(MIN(room, MIGRATE_LISTING_MAX));
    frame = channel_seal(&keys, &end, MIGRATE_LIST, &q->list, sizeof q->list,
                         &len);
    fleet_submit(c->fleet, end.dpid, frame, len);
    free(frame);
    q->tries++;
    q->retry = time_msec() + RETRY_MSEC;
    return true;
}

/* Asks on, whom there is to ask, or ends 'q'. */
static void
step(struct query *q)
{
    while (q->at < q->switches.n) {
        const char *name = q->switches.names[q->at];

        if (json_array(q->items)->n >= q->view.limit
            || q->n_answers >= MAX_ANSWERS) {
            char *last = xasprintf("%s:%"PRIu32, name, q->after);

            finish(q, last);
            free(last);
            return;
        }
        q->token = ++q->census->last_token;
        q->tries = 0;
        if (ask(q)) {
            return;
        }
        json_array_add(q->unreachable, json_string_create(name));
        q->at++;
        q->after = 0;
    }
    finish(q, NULL);
}

/* Requests. */

/* Sets which client is asked for from the filters.  Returns false if it has
 * refused them. */
static bool
set_client(struct query *q)
{
    const char *client = smap_get(&q->view.filters, "client");
    const char *port = smap_get(&q->view.filters, "client_port");
    unsigned int number = 0;

    if (client && !address_parse(client, &q->list.client)) {
        reply_refusal(q->request, 400, "give an IPv4 or IPv6 address",
                      "parameter \"client=%s\" is not acceptable", client);
        return false;
    } else if (port && (!str_to_uint(port, 10, &number) || !number
                        || number > UINT16_MAX)) {
        reply_refusal(q->request, 400, "give a TCP port, 1 to 65535",
                      "parameter \"client_port=%s\" is not acceptable", port);
        return false;
    }
    q->list.client_port = htons(number);
    return true;
}

/* Sets of which service and host from the filters.  Returns false if nothing
 * can be that. */
static bool
set_filters(struct query *q, const struct ovsdb_idl *idl)
{
    const struct smap *f = &q->view.filters;
    const char *service = smap_get(f, "service");
    const char *host = smap_get(f, "host");

    if (service) {
        const struct omrec_service *row;

        OMREC_SERVICE_FOR_EACH (row, idl) {
            if (!strcmp(row->name, service)) {
                q->list.service_id = htonl(row->id);
            }
        }
        if (!q->list.service_id) {
            return false;
        }
    }
    if (host) {
        const struct omrec_host *row;
        bool found = false;

        OMREC_HOST_FOR_EACH (row, idl) {
            if (!strcmp(row->name, host)) {
                found = address_parse(row->ip, &q->list.host);
            }
        }
        if (!found) {
            return false;
        }
    }
    return true;
}

/* Sets which switches to ask, from where on: 'after', unless it is NULL. */
static void
set_switches(struct query *q, const struct ovsdb_idl *idl, const char *after)
{
    const char *only = smap_get(&q->view.filters, "switch");
    size_t len = after ? strcspn(after, ":") : 0;
    const struct omrec_switch *row;

    OMREC_SWITCH_FOR_EACH (row, idl) {
        if (row->migrate_address && (!only || !strcmp(only, row->name))) {
            svec_add(&q->switches, row->name);
        }
    }
    svec_sort(&q->switches);
    if (after) {
        char *name = xmemdup0(after, len);

        while (q->at < q->switches.n
               && strcmp(q->switches.names[q->at], name) < 0) {
            q->at++;
        }
        if (q->at < q->switches.n
            && !strcmp(q->switches.names[q->at], name) && after[len]) {
            q->after = strtoul(after + len + 1, NULL, 10);
        }
        free(name);
    }
}

/* Begins to handle a request.  Returns NULL if it has answered. */
static struct query *
query_create(struct census *c, const char *path, const char *const *filters,
             struct http_request *request)
{
    struct query *q;

    if (c->n_queries >= MAX_QUERIES) {
        reply_refusal(request, 503, "try again", "too many such requests are "
                      "under way");
        return NULL;
    }
    q = xzalloc(sizeof *q);
    if (!view_init(&q->view, path, filters, request)) {
        free(q);
        return NULL;
    }
    q->census = c;
    q->request = request;
    if (!set_client(q)) {
        view_uninit(&q->view);
        free(q);
        return NULL;
    }
    q->items = json_array_create_empty();
    q->unreachable = json_array_create_empty();
    svec_init(&q->switches);
    ovs_list_push_back(&c->queries, &q->node);
    c->n_queries++;
    return q;
}

void
census_handle_connections(struct census *c, struct http_request *request)
{
    static const char *const filters[] = {
        "service", "host", "client", "client_port", "switch", NULL,
    };
    struct query *q = query_create(c, "connections", filters, request);

    if (q) {
        if (set_filters(q, c->fleet->idl)) {
            set_switches(q, c->fleet->idl, q->view.after);
        }
        step(q);
    }
}

/* What tells a decision from others. */
static char *
decision_id(const struct json *decision)
{
    static const char *const names[] = {
        "switch", "client", "client_port", "host",
    };
    struct ds ds = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        json_to_ds(shash_find_data(json_object(decision), names[i]), 0, &ds);
    }
    return ds_steal_cstr(&ds);
}

/* Notes which decisions are the controller's. */
static void
note_decided(struct query *q, const struct decider *decider)
{
    unsigned long long int begin, end;

    q->decided = xmalloc(sizeof *q->decided);
    sset_init(q->decided);
    begin = decider_range(decider, &end);
    for (unsigned long long int i = begin; i < end; i++) {
        sset_add_and_free(q->decided,
                          decision_id(decider_decision(decider, i)));
    }
}

/* Begins the page with the controller's own decisions, the latest first, from
 * 'after', if it has the number of one, on.  Returns false if that fills the
 * page, and so the answer is given. */
static bool
add_decided(struct query *q, const struct decider *decider)
{
    unsigned long long int begin, end, from;

    begin = decider_range(decider, &end);
    from = q->view.after && *q->view.after == DECIDED ? strtoull(
        q->view.after + 1, NULL, 10) : end;
    for (unsigned long long int i = MIN(from, end); i > begin; i--) {
        const struct json *item = decider_decision(decider, i - 1);

        if (!view_wants(&q->view, item)) {
            continue;
        } else if (json_array(q->items)->n == q->view.limit) {
            char *last = xasprintf("%c%llu", DECIDED, i);

            finish(q, last);
            free(last);
            return false;
        }
        json_array_add(q->items, json_clone(item));
    }
    return true;
}

void
census_handle_decisions(struct census *c, const struct decider *decider,
                        struct http_request *request)
{
    static const char *const filters[] = {
        "switch", "service", "client", "client_port", "pool", "host", "by",
        NULL,
    };
    struct query *q = query_create(c, "decisions", filters, request);
    const char *after = q ? q->view.after : NULL;

    if (!q) {
        return;
    }
    note_decided(q, decider);
    if (!after || *after == DECIDED) {
        after = NULL;
        if (!add_decided(q, decider)) {
            return;
        }
    }
    if (set_filters(q, c->fleet->idl)) {
        set_switches(q, c->fleet->idl, after);
    }
    step(q);
}

/* Answers. */

/* Adds to the page what is to be told of 'c', if anything is. */
static void
add_item(struct query *q, const struct migrate_connection *c)
{
    const struct ovsdb_idl *idl = q->census->fleet->idl;
    const char *sw = q->switches.names[q->at];
    struct json *item = (q->decided ? describe_decision(idl, sw, c)
                         : describe_connection(idl, sw, c));

    if (item && q->decided) {
        char *id = decision_id(item);

        if (sset_contains(q->decided, id) || !view_wants(&q->view, item)) {
            json_destroy(item);
            item = NULL;
        }
        free(id);
    }
    if (item) {
        json_array_add(q->items, item);
    }
}

/* Takes the answer to the question of 'q'.  Returns false if it is none. */
static bool
take(struct query *q, const struct migrate_header *header,
     const struct migrate_listing *listing)
{
    const uint8_t *at = ((const uint8_t *) (header + 1)) + sizeof *listing;
    size_t n = ntohs(header->count);
    struct migrate_connection c;

    if (n > ntohs(q->list.max)
        || ntohs(header->length) < (sizeof *header + sizeof *listing
                                    + n * sizeof c)) {
        return false;
    }
    for (size_t i = 0; i < n; i++, at += sizeof c) {
        memcpy(&c, at, sizeof c);
        add_item(q, &c);
    }
    q->n_answers++;
    q->after = ntohl(listing->after);
    if (listing->last) {
        q->at++;
        q->after = 0;
    }
    return true;
}

void
census_receive(struct census *c, uint64_t dpid OVS_UNUSED,
               const struct migrate_header *header)
{
    struct migrate_listing listing;
    struct query *q;

    if (ntohs(header->length) < sizeof *header + sizeof listing) {
        return;
    }
    memcpy(&listing, header + 1, sizeof listing);
    LIST_FOR_EACH (q, node, &c->queries) {
        if (q->token == ntohll(listing.token)) {
            if (take(q, header, &listing)) {
                step(q);
            }
            return;
        }
    }
}

void
census_run(struct census *c)
{
    struct query *q;

    LIST_FOR_EACH_SAFE (q, node, &c->queries) {
        if (time_msec() < q->retry) {
            continue;
        }
        if (q->tries >= MAX_TRIES || !ask(q)) {
            json_array_add(q->unreachable, json_string_create(
                q->switches.names[q->at]));
            q->at++;
            q->after = 0;
            step(q);
        }
    }
}

void
census_wait(struct census *c)
{
    const struct query *q;

    LIST_FOR_EACH (q, node, &c->queries) {
        poll_timer_wait_until(q->retry);
    }
}
