/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "metrics.h"

#include "controller/ovs-migrate-idl.h"
#include "decider.h"
#include "http.h"
#include "openvswitch/dynamic-string.h"
#include "smap.h"
#include "store.h"
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

static void
put_hosts(struct ds *ds, struct ovsdb_idl *idl)
{
    const struct omrec_host *host;

    put_head(ds, "host_up", "gauge", "Whether a host takes connections.");
    OMREC_HOST_FOR_EACH (host, idl) {
        const char *state = smap_get(&host->status, "state");

        if (state) {
            ds_put_format(ds, "ovs_migrate_host_up{host=\"%s\"} %d\n",
                          host->name, !strcmp(state, "up"));
        }
    }
    put_head(ds, "host_connections", "gauge",
             "Connections that are with a host.");
    OMREC_HOST_FOR_EACH (host, idl) {
        put_status(ds, "host_connections", "host", host->name, &host->status,
                   "connections");
    }
}

static void
put_switches(struct ds *ds, struct ovsdb_idl *idl)
{
    const struct omrec_switch *sw;

    put_head(ds, "switch_programmed", "gauge",
             "Whether a switch has all that was last written.");
    OMREC_SWITCH_FOR_EACH (sw, idl) {
        ds_put_format(ds, "ovs_migrate_switch_programmed{switch=\"%s\"} %d\n",
                      sw->name,
                      sw->cur_cfg >= omrec_fabric_first(idl)->next_cfg);
    }
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
               const struct write_statistics *statistics)
{
    struct ovsdb_idl *idl = store->idl;
    struct ds ds = DS_EMPTY_INITIALIZER;

    put_http(&ds);
    put_writes(&ds, statistics);
    put_decisions(&ds);
    put_one(&ds, "database_connected", "gauge",
            "Whether the database can be reached.",
            ovsdb_idl_is_connected(idl));
    if (omrec_fabric_first(idl)) {
        put_hosts(&ds, idl);
        put_switches(&ds, idl);
        put_services(&ds, idl, "service_connections", "gauge",
                     "Connections of a service.", "connections");
        put_services(&ds, idl, "service_handoffs_total", "counter",
                     "Connections of a service that were handed to hosts.",
                     "handoffs");
    }
    return ds_steal_cstr(&ds);
}
