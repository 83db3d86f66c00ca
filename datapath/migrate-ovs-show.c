/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* ovs-appctl migrate/...: what the engines know, for people. */

#include "migrate-ovs.h"

#include "host.h"
#include "openvswitch/dynamic-string.h"
#include "policy.h"
#include "reader.h"
#include "reason.h"
#include "rule.h"
#include "shortcut.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"

/* What a command was asked. */
struct query {
    struct ds *ds;
    const char *bridge;         /* NULL: all. */
    const char *service;        /* Name; NULL: all. */
    const char *host;           /* Name; NULL: all. */
    bool found;                 /* The bridge exists. */
    void (*show)(struct ovs_engine *, const struct query *);
};

/* Connections that are copied, so that packets need not wait until they are
 * shown, at a time. */
#define BATCH 64

static void
show_host(struct ds *ds, const struct host *host)
{
    char address[ADDRESS_STRLEN];

    ds_put_format(ds, "    host %s (%s", host->name,
                  address_format(&host->address, address));
    if (host->vlan) {
        ds_put_format(ds, ", VLAN %"PRIu16, host->vlan);
    }
    ds_put_format(ds, "): %s, %"PRIu32" connections",
                  host->up ? "up" : host->mac_known ? "down" : "unreachable",
                  host->n_connections);
    if (host->n_standby) {
        ds_put_format(ds, " (%"PRIu32" standby)", host->n_standby);
    }
    ds_put_format(ds, ", %"PRIu64" handoffs, %"PRIu64" refused, "
                  "%"PRIu64" silent",
                  host->n_handoffs, host->n_refused, host->n_silent);
    if (host->up) {
        ds_put_format(ds, ", heard %lld ms ago",
                      time_msec() - (long long int) host->last_heard);
    }
    ds_put_cstr(ds, host->configured ? "\n" : ", leaving\n");
}

static void
show_service(struct ds *ds, const struct service *service)
{
    ds_put_format(ds, "    service %s (id %"PRIu32"): %s, placement %s, "
                  "%"PRIu32" connections, %"PRIu64" handoffs\n",
                  service->name, service->id,
                  protocol_name(service->protocol),
                  placement_name(service->placement),
                  service->n_connections, service->n_handoffs);
    if (service->placement == MIGRATE_PLACED_KERNEL && !ovs_kernel_open()) {
        ds_put_format(ds, "        like table: %s\n", shortcut_error());
    }
    for (size_t i = 0; i < service->n_rules; i++) {
        ds_put_format(ds, "        rule %"PRIuSIZE": %s -> pool %s\n", i,
                      service_rule_text(service, i),
                      service_rule_pool(service, i)->name);
    }
    ds_put_format(ds, "        default -> %s%s\n",
                  service->default_pool ? "pool " : "503",
                  service->default_pool ? service->default_pool->name : "");
}

static void
show_engine(struct ovs_engine *engine, const struct query *q)
    OVS_EXCLUDED(engine->mutex)
{
    const struct service *service;
    const struct migrate *m;
    const struct host *host;
    size_t at;

    ovs_mutex_lock(&engine->mutex);
    m = engine->migrate;
    for (at = 0; (service = migrate_next_service(m, &at)); ) {
        if (!q->host && (!q->service || !strcmp(q->service, service->name))) {
            show_service(q->ds, service);
        }
    }
    for (at = 0; (host = migrate_next_host(m, &at)); ) {
        if (!q->service && (!q->host || !strcmp(q->host, host->name))) {
            show_host(q->ds, host);
        }
    }
    if (!q->service && !q->host) {
        ds_put_format(q->ds, "    connections: %"PRIu32" in %"PRIuSIZE
                      " bytes\n", migrate_connection_count(m),
                      migrate_memory(m));
    }
    ovs_mutex_unlock(&engine->mutex);
}

static const struct service *
record_service(const struct migrate *m, const struct record *r)
{
    const struct service *service;
    size_t at = 0;

    while ((service = migrate_next_service(m, &at))) {
        if (service->id == r->service_id) {
            return service;
        }
    }
    return NULL;
}

/* Brackets around IPv6 addresses, as in URLs. */
static void
put_endpoint(struct ds *ds, const struct migrate_address *address,
             ovs_be16 port)
{
    char text[ADDRESS_STRLEN];

    ds_put_format(ds, address_is_v4(address) ? "%s:%"PRIu16 : "[%s]:%"PRIu16,
                  address_format(address, text), ntohs(port));
}

/* Why 'r' is where it is. */
static void
show_decision(const struct service *service, const struct record *r,
              struct ds *ds)
{
    const char *text = "?";

    if (service && r->rule == MIGRATE_RULE_DEFAULT) {
        text = service_rule_text(service, -1);
    } else if (service && r->rule == MIGRATE_RULE_MATCHED) {
        for (int i = service->n_rules - 1; i >= 0; i--) {
            if (service->rules[i].priority == r->rule_priority) {
                text = service_rule_text(service, i);
            }
        }
    }
    ds_put_format(ds, ",rule=%s", text);
    if (r->chooser != MIGRATE_CHOOSER_POLICY) {
        ds_put_format(ds, ",by=%s", r->chooser == MIGRATE_CHOOSER_AFFINITY
                      ? "affinity" : "controller");
    }
    if (r->retargets) {
        ds_put_format(ds, ",retargets=%u,reason=%s", r->retargets,
                      reason_name(r->reason));
    }
}

static void
show_connection(const struct migrate *m, const struct record *r,
                const struct query *q)
{
    const struct service *service = record_service(m, r);
    const struct host *host = migrate_record_host(m, r);
    long long int now = time_msec();
    struct migrate_use use = migrate_record_use(m, r, now);

    if ((q->service && (!service || strcmp(q->service, service->name)))
        || (q->host && (!host || strcmp(q->host, host->name)))) {
        return;
    }
    ds_put_cstr(q->ds, "    client=");
    put_endpoint(q->ds, &r->tuple.client, r->tuple.client_port);
    if (r->vlan) {
        ds_put_format(q->ds, ",vlan=%"PRIu16, r->vlan);
    }
    ds_put_cstr(q->ds, ",service=");
    put_endpoint(q->ds, &r->tuple.service, r->tuple.service_port);
    ds_put_format(q->ds, ",name=%s,state=%s",
                  service ? service->name : "?", migrate_state_name(r));
    if (host) {
        ds_put_format(q->ds, ",host=%s,flow_id=0x%08"PRIx32, host->name,
                      r->flow_id);
        show_decision(service, r, q->ds);
        ds_put_format(q->ds, ",placement=%s", placement_name(r->placed));
    }
    ds_put_format(q->ds, ",packets=%"PRIu64",bytes=%"PRIu64
                  ",idle=%.1fs\n", use.packets, use.bytes,
                  ((uint32_t) now - use.last) / 1000.0);
}

static void
show_connections(struct ovs_engine *engine, const struct query *q)
    OVS_EXCLUDED(engine->mutex)
{
    struct record batch[BATCH];
    const struct migrate *m;
    uint32_t at = 0;
    size_t n;

    do {
        const struct record *r;

        ovs_mutex_lock(&engine->mutex);
        m = engine->migrate;
        for (n = 0; n < BATCH && (r = migrate_next_connection(m, &at)); n++) {
            batch[n] = *r;
        }
        ovs_mutex_unlock(&engine->mutex);
        /* The rest of what is shown changes in this thread only. */
        for (size_t i = 0; i < n; i++) {
            show_connection(m, &batch[i], q);
        }
    } while (n);
}

static void
show_counters(struct ovs_engine *engine, const struct query *q)
    OVS_EXCLUDED(engine->mutex)
{
    ovs_mutex_lock(&engine->mutex);
    for (int i = 0; i < N_COUNTERS; i++) {
        ds_put_format(q->ds, "    %-20s %12"PRIu64"  %s\n",
                      migrate_counter_name(i),
                      migrate_counter(engine->migrate, i)
                      + ovs_kernel_counter(engine->id, i),
                      migrate_counter_text(i));
    }
    ovs_mutex_unlock(&engine->mutex);
}

static void
query_engine(struct ovs_engine *engine, void *query)
{
    struct query *q = query;
    bool runs;

    if (q->bridge && strcmp(q->bridge, engine->bridge)) {
        return;
    }
    q->found = true;
    ovs_mutex_lock(&engine->mutex);
    runs = engine->migrate != NULL;
    ovs_mutex_unlock(&engine->mutex);
    if (runs || engine->error) {
        ds_put_format(q->ds, "%s:\n", engine->bridge);
    }
    if (engine->error) {
        ds_put_format(q->ds, "    error: %s\n", engine->error);
    }
    if (runs) {
        q->show(engine, q);
    }
}

/* Parses "[bridge=BRIDGE] [service=NAME] [host=NAME]"; a bare word is a
 * bridge. */
static bool
parse_query(int argc, const char *argv[], struct query *q)
{
    for (int i = 1; i < argc; i++) {
        if (!strncmp(argv[i], "service=", 8)) {
            q->service = argv[i] + 8;
        } else if (!strncmp(argv[i], "host=", 5)) {
            q->host = argv[i] + 5;
        } else if (!strncmp(argv[i], "bridge=", 7)) {
            q->bridge = argv[i] + 7;
        } else if (!strchr(argv[i], '=')) {
            q->bridge = argv[i];
        } else {
            return false;
        }
    }
    return true;
}

static void
unixctl_query(struct unixctl_conn *conn, int argc, const char *argv[],
              void *show)
{
    struct ds ds = DS_EMPTY_INITIALIZER;
    struct query q = { .ds = &ds, .show = show };

    if (!parse_query(argc, argv, &q)) {
        unixctl_command_reply_error(conn, "arguments are BRIDGE, "
                                    "service=NAME and host=NAME");
        return;
    }
    ovs_engines_for_each(query_engine, &q);
    if (q.bridge && !q.found) {
        unixctl_command_reply_error(conn, "no such bridge with migration");
    } else {
        unixctl_command_reply(conn, ds_cstr(&ds));
    }
    ds_destroy(&ds);
}

void
migrate_ovs_show_init(void)
{
    const char *usage = "[BRIDGE] [service=NAME] [host=NAME]";

    unixctl_command_register("migrate/show", usage, 0, 3, unixctl_query,
                             show_engine);
    unixctl_command_register("migrate/connections", usage, 0, 3,
                             unixctl_query, show_connections);
    unixctl_command_register("migrate/counters", "[BRIDGE]", 0, 1,
                             unixctl_query, show_counters);
}
