/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "metrics.h"

#include "controller/ovs-migrate-idl.h"
#include "decider.h"
#include "health.h"
#include "http.h"
#include "openvswitch/dynamic-string.h"
#include "smap.h"
#include "store.h"
#include "util.h"
#include "writes.h"

static void
put_head(struct ds *ds, const char *name, const char *type, const char *help)
{
    ds_put_format(ds, "# HELP ovs_migrate_%s %s\n# TYPE ovs_migrate_%s %s\n",
                  name, help, name, type);
}

static void
put_one(struct ds *ds, const char *name, const char *type, const char *help,
        unsigned long long int value)
{
    put_head(ds, name, type, help);
    ds_put_format(ds, "ovs_migrate_%s %llu\n", name, value);
}

static void
put_http(struct ds *ds)
{
    put_one(ds, "http_connections", "gauge", "HTTP connections that are open.",
            http_statistics.connections);
    put_one(ds, "http_connections_total", "counter",
            "HTTP connections that were accepted.", http_statistics.accepted);
    put_one(ds, "http_streams", "gauge", "Streams of events that are sent.",
            http_statistics.streams);
    put_one(ds, "http_timeouts_total", "counter",
            "HTTP connections that were closed for being too slow or idle.",
            http_statistics.timed_out);
    put_head(ds, "http_requests_total", "counter",
             "HTTP requests that were answered.");
    for (int i = 2; i < 6; i++) {
        ds_put_format(ds, "ovs_migrate_http_requests_total{status=\"%dxx\"} "
                      "%llu\n", i, http_statistics.requests[i]);
    }
}

static void
put_writes(struct ds *ds, const struct write_statistics *statistics)
{
    put_one(ds, "writes_committed_total", "counter",
            "REST writes that were committed.", statistics->committed);
    put_one(ds, "writes_retried_total", "counter",
            "Transactions of REST writes that had to be tried again.",
            statistics->retried);
    put_one(ds, "writes_expired_total", "counter",
            "REST writes that were not committed in time.",
            statistics->expired);
    put_one(ds, "writes_pending", "gauge", "REST writes that are under way.",
            statistics->pending);
}

static void
put_decisions(struct ds *ds)
{
    const struct decider_statistics *s = &decider_statistics;

    put_one(ds, "questions_total", "counter",
            "Questions of switches for the host of a connection.", s->asked);
    put_one(ds, "questions_malformed_total", "counter",
            "Questions that were not understood.", s->malformed);
    put_head(ds, "decisions_total", "counter",
             "Questions that were answered, by who has chosen.");
    ds_put_format(ds, "ovs_migrate_decisions_total{by=\"webhook\"} %llu\n",
                  s->by_webhook);
    ds_put_format(ds, "ovs_migrate_decisions_total{by=\"controller\"} "
                  "%llu\n", s->by_controller);
    ds_put_format(ds, "ovs_migrate_decisions_total{by=\"switch\"} %llu\n",
                  s->by_policy);
    put_one(ds, "webhook_failures_total", "counter",
            "Questions that a webhook did not answer.", s->failed);
    put_one(ds, "webhook_unfit_total", "counter",
            "Answers of webhooks that name no host that does.", s->unfit);
    put_one(ds, "webhook_skipped_total", "counter",
            "Questions that a webhook was not asked, because it has not "
            "answered others.", s->skipped);
}

/* A number that was learned, by a key of 'status'. */
static void
put_status(struct ds *ds, const char *metric, const char *label,
           const char *name, const struct smap *status, const char *key)
{
    if (smap_get(status, key)) {
        ds_put_format(ds, "ovs_migrate_%s{%s=\"%s\"} %lld\n", metric, label,
                      name, smap_get_ullong(status, key, 0));
    }
}

/* A gauge for each host that says whether 'key' of its status is 'value', if it
 * is there. */
static void
put_host_states(struct ds *ds, struct ovsdb_idl *idl, const char *metric,
                const char *help, const char *key, const char *value)
{
    const struct omrec_host *host;

    put_head(ds, metric, "gauge", help);
    OMREC_HOST_FOR_EACH (host, idl) {
        const char *state = smap_get(&host->status, key);

        if (state) {
            ds_put_format(ds, "ovs_migrate_%s{host=\"%s\"} %d\n", metric,
                          host->name, !strcmp(state, value));
        }
    }
}

static void
put_hosts(struct ds *ds, struct ovsdb_idl *idl)
{
    static const struct {
        const char *metric, *type, *key, *help;
    } numbers[] = {
        { "host_connections", "gauge", "connections",
          "Connections that are with a host, as switches say." },
        { "host_handoffs_total", "counter", "handoffs",
          "Connections that a host has accepted." },
        { "host_agent_connections", "gauge", "agent-connections",
          "Migrated connections, as the host's agent says." },
        { "host_busy_percent", "gauge", "cpu",
          "How busy the processors of a host are." },
        { "host_accept_queue", "gauge", "accept-queue",
          "Connections in the longest accept queue of a host." },
    };
    const struct omrec_host *host;

    put_host_states(ds, idl, "host_up", "Whether a host takes connections, as "
                    "switches say.", "state", "up");
    put_host_states(ds, idl, "host_agent_up", "Whether the agent of a host "
                    "runs, if it has registered.", "agent", "up");
    put_head(ds, "host_failing", "gauge",
             "Whether a host fails the check of a pool.");
    OMREC_HOST_FOR_EACH (host, idl) {
        ds_put_format(ds, "ovs_migrate_host_failing{host=\"%s\"} %d\n",
                      host->name, smap_get(&host->status, "failing") != NULL);
    }
    put_head(ds, "host_ready", "gauge",
             "Whether a host is to get connections, as operators say.");
    OMREC_HOST_FOR_EACH (host, idl) {
        ds_put_format(ds, "ovs_migrate_host_ready{host=\"%s\"} %d\n",
                      host->name,
                      !host->state || !strcmp(host->state, "ready"));
    }
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        put_head(ds, numbers[i].metric, numbers[i].type, numbers[i].help);
        OMREC_HOST_FOR_EACH (host, idl) {
            put_status(ds, numbers[i].metric, "host", host->name,
                       &host->status, numbers[i].key);
        }
    }
}

static void
put_switches(struct ds *ds, struct ovsdb_idl *idl)
{
    static const char *const connections[] = { "ovsdb", "openflow" };
    const struct omrec_switch *sw;

    put_head(ds, "switch_programmed", "gauge",
             "Whether a switch has all that was last written.");
    OMREC_SWITCH_FOR_EACH (sw, idl) {
        ds_put_format(ds, "ovs_migrate_switch_programmed{switch=\"%s\"} %d\n",
                      sw->name,
                      sw->cur_cfg >= omrec_fabric_first(idl)->next_cfg);
    }
    put_head(ds, "switch_connected", "gauge",
             "Whether a switch is connected to the active controller.");
    OMREC_SWITCH_FOR_EACH (sw, idl) {
        for (size_t i = 0; i < ARRAY_SIZE(connections); i++) {
            const char *state = smap_get_def(&sw->status, connections[i], "");

            ds_put_format(ds, "ovs_migrate_switch_connected{switch=\"%s\","
                          "protocol=\"%s\"} %d\n", sw->name, connections[i],
                          !strcmp(state, "connected"));
        }
    }
}

/* 'name', which a switch has chosen, as the value of a label. */
static void
put_label(struct ds *ds, const char *name)
{
    for (; *name; name++) {
        if (*name == '\\' || *name == '"') {
            ds_put_char(ds, '\\');
        }
        ds_put_char(ds, *name == '\n' ? ' ' : *name);
    }
}

static void
put_links(struct ds *ds, struct ovsdb_idl *idl)
{
    const struct omrec_link *link;

    put_head(ds, "link_up", "gauge", "Whether a link carries frames.");
    OMREC_LINK_FOR_EACH (link, idl) {
        ds_put_cstr(ds, "ovs_migrate_link_up{link=\"");
        put_label(ds, link->name);
        ds_put_format(ds, "\"} %d\n",
                      !strcmp(smap_get_def(&link->status, "state", ""),
                              "up"));
    }
}

static void
put_stations(struct ds *ds, struct ovsdb_idl *idl)
{
    const struct omrec_station *row;
    uint64_t n = 0;

    OMREC_STATION_FOR_EACH (row, idl) {
        n++;
    }
    put_one(ds, "stations", "gauge", "Machines that the fabric knows the way "
            "to; beyond 65536 some are forgotten.", n);
}

/* The last number that was given, so that one can tell how many there are in a
 * time. */
static void
put_events(struct ds *ds, struct ovsdb_idl *idl)
{
    const struct omrec_event *event;
    int64_t last = 0;

    OMREC_EVENT_FOR_EACH (event, idl) {
        last = MAX(last, event->seq);
    }
    put_one(ds, "events_total", "counter", "Events that there have been.",
            last);
}

static void
put_checks(struct ds *ds)
{
    put_head(ds, "checks_total", "counter",
             "Checks of hosts that this controller has made.");
    ds_put_format(ds, "ovs_migrate_checks_total{result=\"success\"} %llu\n"
                  "ovs_migrate_checks_total{result=\"failure\"} %llu\n",
                  health_statistics.succeeded, health_statistics.failed);
}

static void
put_services(struct ds *ds, struct ovsdb_idl *idl, const char *metric,
             const char *type, const char *help, const char *key)
{
    const struct omrec_service *service;

    put_head(ds, metric, type, help);
    OMREC_SERVICE_FOR_EACH (service, idl) {
        for (size_t i = 0; i < service->n_statistics; i++) {
            if (!strcmp(service->key_statistics[i], key)) {
                ds_put_format(ds, "ovs_migrate_%s{service=\"%s\"} %"PRId64
                              "\n", metric, service->name,
                              service->value_statistics[i]);
            }
        }
    }
}

char *
metrics_format(const struct store *store,
               const struct write_statistics *statistics, bool active)
{
    struct ovsdb_idl *idl = store->idl;
    struct ds ds = DS_EMPTY_INITIALIZER;

    put_http(&ds);
    put_writes(&ds, statistics);
    put_decisions(&ds);
    put_checks(&ds);
    put_head(&ds, "build_info", "gauge", "The version, as a label.");
    ds_put_format(&ds, "ovs_migrate_build_info{version=\"%s\"} 1\n",
                  OVM_VERSION);
    put_one(&ds, "active", "gauge",
            "Whether this controller is the active one.", active);
    put_one(&ds, "database_connected", "gauge",
            "Whether the database can be reached.",
            ovsdb_idl_is_connected(idl));
    if (omrec_fabric_first(idl)) {
        put_hosts(&ds, idl);
        put_switches(&ds, idl);
        put_links(&ds, idl);
        put_stations(&ds, idl);
        put_events(&ds, idl);
        put_services(&ds, idl, "service_connections", "gauge",
                     "Connections of a service.", "connections");
        put_services(&ds, idl, "service_handoffs_total", "counter",
                     "Connections of a service that were handed to hosts.",
                     "handoffs");
    }
    return ds_steal_cstr(&ds);
}
