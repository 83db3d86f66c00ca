/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "describe.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "byte-order.h"
#include "controller/ovs-migrate-idl.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "reason.h"
#include "smap.h"
#include "timeval.h"
#include "utf8.h"
#include "util.h"

/* What the database has of a connection.  Whatever is not known is NULL. */
struct origin {
    const struct omrec_service *service;
    const struct omrec_rule *rule;
    const struct omrec_pool *pool;
};

static struct origin
find_origin(const struct ovsdb_idl *idl, const struct migrate_connection *c)
{
    struct origin o = { NULL, NULL, NULL };
    const struct omrec_service *service;

    OMREC_SERVICE_FOR_EACH (service, idl) {
        if (service->id == ntohl(c->service_id)) {
            o.service = service;
        }
    }
    if (o.service && c->rule == MIGRATE_RULE_DEFAULT) {
        o.pool = o.service->default_pool;
    } else if (o.service && c->rule == MIGRATE_RULE_MATCHED) {
        for (size_t i = 0; i < o.service->n_rules; i++) {
            if (o.service->rules[i]->priority == ntohs(c->rule_priority)) {
                o.rule = o.service->rules[i];
                o.pool = o.rule->pool;
            }
        }
    }
    return o;
}

/* The host that 'c' is at, or is offered to, or NULL; its address if it has no
 * name, in 'text'. */
static const char *
host_name(const struct ovsdb_idl *idl, const struct migrate_connection *c,
          char text[ADDRESS_STRLEN])
{
    const struct omrec_host *row;

    if (!c->flow_id) {
        return NULL;
    }
    address_format(&c->host, text);
    OMREC_HOST_FOR_EACH (row, idl) {
        if (!strcmp(row->ip, text)) {
            return row->name;
        }
    }
    return text;
}

static bool
is_in_state(const struct migrate_connection *c, const char *state)
{
    return !strncmp(c->state, state, sizeof c->state);
}

/* What both lists have. */
static struct json *
describe(const struct origin *o, const char *sw,
         const struct migrate_connection *c)
{
    struct json *item = json_object_create();
    char text[ADDRESS_STRLEN];

    json_object_put_string(item, "switch", sw);
    json_object_put_string(item, "client", address_format(&c->client, text));
    json_object_put(item, "client_port",
                    json_integer_create(ntohs(c->client_port)));
    if (o->service) {
        json_object_put_string(item, "service", o->service->name);
    }
    if (o->pool) {
        json_object_put_string(item, "pool", o->pool->name);
    }
    if (c->retargets) {
        json_object_put(item, "retargets", json_integer_create(c->retargets));
        json_object_put_string(item, "reason", reason_name(c->reason));
    }
    return item;
}

static const char *
placement(const struct migrate_connection *c)
{
    return (c->placed == MIGRATE_PLACED_FLOW ? "flow"
            : c->placed == MIGRATE_PLACED_KERNEL ? "kernel"
            : "table");
}

struct json *
describe_connection(const struct ovsdb_idl *idl, const char *sw,
                    const struct migrate_connection *c)
{
    struct origin o = find_origin(idl, c);
    struct json *item = describe(&o, sw, c);
    char text[ADDRESS_STRLEN];
    const char *host = host_name(idl, c, text);

    if (host) {
        json_object_put_string(item, "host", host);
        json_object_put(item, "flow_id",
                        json_integer_create(ntohl(c->flow_id)));
    }
    if (o.rule) {
        json_object_put_string(item, "rule", o.rule->name);
    }
    json_object_put_format(item, "name", "%s:%"PRIu16,
                           address_format(&c->client, text),
                           ntohs(c->client_port));
    json_object_put(item, "state", json_string_create_nocopy(
        utf8_clean(c->state, strnlen(c->state, sizeof c->state))));
    json_object_put(item, "age", json_integer_create(ntohl(c->age)));
    json_object_put(item, "idle", json_integer_create(ntohl(c->idle)));
    json_object_put(item, "packets", json_integer_create(ntohl(c->packets)));
    json_object_put(item, "bytes", json_integer_create(ntohll(c->bytes)));
    json_object_put_string(item, "placement", placement(c));
    return item;
}

/* What 'rule' matches, as switches put it. */
static struct json *
rule_text(const struct omrec_rule *rule)
{
    const struct smap_node **nodes = smap_sort(&rule->match);
    struct ds ds = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < smap_count(&rule->match); i++) {
        ds_put_format(&ds, "%s%s=%s", i ? "," : "", nodes[i]->key,
                      nodes[i]->value);
    }
    free(nodes);
    return json_string_create_nocopy(ds.length ? ds_steal_cstr(&ds)
                                     : xstrdup("any"));
}

/* Who has chosen the host of 'c'. */
static const char *
chooser(const struct migrate_connection *c)
{
    return (c->rule == MIGRATE_RULE_UNKNOWN && !is_in_state(c, "rejected")
            ? "unknown"
            : c->chooser == MIGRATE_CHOOSER_CONTROLLER ? "controller"
            : "switch");
}

/* Why nobody else has, or nobody; NULL: there is nothing to say. */
static char *
explain(const struct origin *o, const struct migrate_connection *c)
{
    const char *last = reason_name(c->reason);

    if (c->rule == MIGRATE_RULE_UNKNOWN) {
        return xstrdup(is_in_state(c, "rejected")
                       ? "the request was refused before it came to rules"
                       : "another switch has, or this one before it was "
                       "started");
    } else if (!o->service) {
        return xstrdup("the service is deleted");
    } else if (is_in_state(c, "rejected")) {
        return (c->retargets
                ? xasprintf("no host was left: it was offered to %u, of which "
                            "the last did not take it: %s", c->retargets,
                            last)
                : xstrdup("no host of the pool is ready, or there is no "
                          "pool"));
    } else if (c->retargets == 1) {
        return xasprintf("another host, offered it before, did not take it: "
                         "%s", last);
    } else if (c->retargets) {
        return xasprintf("%u other hosts, offered it before, did not take it; "
                         "the last: %s", c->retargets, last);
    } else if (c->chooser != MIGRATE_CHOOSER_CONTROLLER && o->service->decide
               && !strcmp(o->service->decide, "controller")) {
        return xstrdup("the controller has not, or not in time");
    } else {
        return NULL;
    }
}

struct json *
describe_decision(const struct ovsdb_idl *idl, const char *sw,
                  const struct migrate_connection *c)
{
    struct origin o = find_origin(idl, c);
    bool rejected = is_in_state(c, "rejected");
    char text[ADDRESS_STRLEN];
    const char *host = rejected ? NULL : host_name(idl, c, text);
    struct json *item;
    char *why;

    if (!host && !rejected) {
        return NULL;
    }
    item = describe(&o, sw, c);
    json_object_put(item, "time",
                    json_integer_create(time_wall_msec() - ntohl(c->age)));
    json_object_put(item, "host", host ? json_string_create(host)
                    : json_null_create());
    if (o.rule) {
        json_object_put(item, "rule", rule_text(o.rule));
    } else if (c->rule == MIGRATE_RULE_DEFAULT) {
        json_object_put_string(item, "rule", "default");
    }
    json_object_put_string(item, "by", chooser(c));
    if (o.pool && !strcmp(chooser(c), "switch")) {
        bool by_affinity = c->chooser == MIGRATE_CHOOSER_AFFINITY;

        json_object_put_string(item, by_affinity ? "affinity" : "policy",
                               by_affinity ? (o.pool->affinity
                                              ? o.pool->affinity : "")
                               : o.pool->policy ? o.pool->policy
                               : "round-robin");
    }
    why = explain(&o, c);
    if (why) {
        json_object_put(item, "why", json_string_create_nocopy(why));
    }
    return item;
}
