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
#include "fleet.h"
#include "http.h"
#include "openflow.h"
#include "openvswitch/json.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "reply.h"
#include "seal.h"
#include "survey.h"
#include "svec.h"
#include "timeval.h"
#include "topology.h"
#include "util.h"
#include "view.h"

#define MAX_QUERIES 64          /* Requests under way. */
#define RETRY_MSEC 200          /* A switch that is silent is asked again... */
#define MAX_TRIES 3             /* ...up to so often. */

/* A request. */
struct query {
    struct ovs_list node;       /* In 'queries'. */
    struct census *census;
    struct http_request *request;
    struct view view;
    struct migrate_list list;   /* The question, but for 'after'. */

    struct svec switches;       /* Those to ask, by name... */
    size_t at;                  /* ...and that which is asked now... */
    uint32_t after;             /* ...from there. */
    uint64_t token;             /* Of the question... */
    int tries;                  /* ...which was sent so often... */
    long long int retry;        /* ...and is to be sent again then. */

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
    free(q);
}

void
census_cancel(struct census *c)
{
    struct query *q;

    LIST_FOR_EACH_SAFE (q, node, &c->queries) {
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

        if (json_array(q->items)->n >= q->view.limit) {
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

/* Sets what is asked for from the filters.  Returns false if nothing can be
 * that. */
static bool
set_filters(struct query *q, const struct ovsdb_idl *idl)
{
    const struct smap *f = &q->view.filters;
    const char *service = smap_get(f, "service");
    const char *host = smap_get(f, "host");
    const char *client = smap_get(f, "client");
    const char *port = smap_get(f, "client_port");
    unsigned int number;

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
    if (client && !address_parse(client, &q->list.client)) {
        return false;
    }
    if (port) {
        if (!str_to_uint(port, 10, &number) || !number
            || number > UINT16_MAX) {
            return false;
        }
        q->list.client_port = htons(number);
    }
    return true;
}

/* Sets which switches to ask, from where on. */
static void
set_switches(struct query *q, const struct ovsdb_idl *idl)
{
    const char *only = smap_get(&q->view.filters, "switch");
    const char *after = q->view.after;
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

void
census_handle(struct census *c, struct http_request *request)
{
    static const char *const filters[] = {
        "service", "host", "client", "client_port", "switch", NULL,
    };
    struct query *q;

    if (c->n_queries >= MAX_QUERIES) {
        reply_refusal(request, 503, "try again", "too many such requests are "
                      "under way");
        return;
    }
    q = xzalloc(sizeof *q);
    if (!view_init(&q->view, "connections", filters, request)) {
        free(q);
        return;
    }
    q->census = c;
    q->request = request;
    q->items = json_array_create_empty();
    q->unreachable = json_array_create_empty();
    svec_init(&q->switches);
    ovs_list_push_back(&c->queries, &q->node);
    c->n_queries++;
    if (set_filters(q, c->fleet->idl)) {
        set_switches(q, c->fleet->idl);
    }
    step(q);
}

/* Answers. */

/* Adds to 'item' the rule of 'service' that 'c' was decided by, and the pool,
 * as far as that is known. */
static void
put_rule(struct json *item, const struct omrec_service *service,
         const struct migrate_connection *c)
{
    const struct omrec_pool *pool = NULL;
    const char *rule = NULL;

    if (c->rule == MIGRATE_RULE_DEFAULT) {
        pool = service->default_pool;
    } else if (c->rule == MIGRATE_RULE_MATCHED) {
        for (size_t i = 0; i < service->n_rules; i++) {
            if (service->rules[i]->priority == ntohs(c->rule_priority)) {
                rule = service->rules[i]->name;
                pool = service->rules[i]->pool;
            }
        }
    }
    if (rule) {
        json_object_put_string(item, "rule", rule);
    }
    if (pool) {
        json_object_put_string(item, "pool", pool->name);
    }
}

static const char *
host_name(const struct ovsdb_idl *idl, const struct migrate_address *address)
{
    const struct omrec_host *row;
    struct migrate_address a;

    OMREC_HOST_FOR_EACH (row, idl) {
        if (address_parse(row->ip, &a) && address_equals(&a, address)) {
            return row->name;
        }
    }
    return NULL;
}

static struct json *
describe(const struct query *q, const struct migrate_connection *c)
{
    const struct ovsdb_idl *idl = q->census->fleet->idl;
    struct json *item = json_object_create();
    char state[sizeof c->state + 1] = "";
    const struct omrec_service *service;
    char text[ADDRESS_STRLEN];
    const char *host;

    memcpy(state, c->state, sizeof c->state);
    json_object_put_format(item, "name", "%s:%"PRIu16,
                           address_format(&c->client, text),
                           ntohs(c->client_port));
    json_object_put_string(item, "switch", q->switches.names[q->at]);
    json_object_put_string(item, "client", text);
    json_object_put(item, "client_port",
                    json_integer_create(ntohs(c->client_port)));
    json_object_put_string(item, "state", state);
    json_object_put(item, "age", json_integer_create(ntohl(c->age)));
    json_object_put(item, "idle", json_integer_create(ntohl(c->idle)));
    json_object_put(item, "packets", json_integer_create(ntohl(c->packets)));
    json_object_put(item, "bytes", json_integer_create(ntohll(c->bytes)));
    json_object_put_string(item, "placement", c->placed ? "flow" : "table");
    if (c->flow_id) {
        host = host_name(idl, &c->host);
        json_object_put_string(item, "host",
                               host ? host : address_format(&c->host, text));
        json_object_put(item, "flow_id",
                        json_integer_create(ntohl(c->flow_id)));
    }
    OMREC_SERVICE_FOR_EACH (service, idl) {
        if (service->id == ntohl(c->service_id)) {
            json_object_put_string(item, "service", service->name);
            put_rule(item, service, c);
        }
    }
    return item;
}

/* Takes the answer to the question of 'q'.  Returns false if it is none. */
static bool
take(struct query *q, const struct migrate_header *header,
     const struct migrate_listing *listing)
{
    const uint8_t *at = ((const uint8_t *) (header + 1)) + sizeof *listing;
    size_t n = ntohs(header->count);
    struct migrate_connection c;

    if (ntohs(header->length) < (sizeof *header + sizeof *listing
                                 + n * sizeof c)) {
        return false;
    }
    for (size_t i = 0; i < n; i++, at += sizeof c) {
        memcpy(&c, at, sizeof c);
        json_array_add(q->items, describe(q, &c));
    }
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
