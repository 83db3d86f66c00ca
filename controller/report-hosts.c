/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "report.h"

#include <stdlib.h>
#include <string.h>

#include "agents.h"
#include "controller/ovs-migrate-idl.h"
#include "events.h"
#include "fabric.h"
#include "health.h"
#include "openvswitch/dynamic-string.h"
#include "packets.h"
#include "smap.h"
#include "tally.h"
#include "timeval.h"
#include "topology.h"
#include "util.h"

/* What agents say changes all the time.  So often at most it is written. */
#define WORDS_MSEC 3000

/* Where machines are. */
struct places {
    const struct fabric *f;
    const struct topology *t;
    const struct omrec_switch **switches;       /* Of 'f'. */
};

/* Adds where the machine with address 'mac_text' is plugged in, if that is
 * known. */
static void
put_place(const struct places *places, const char *mac_text,
          struct smap *status)
{
    const struct fabric *f = places->f;
    const struct fabric_station *station;
    const struct topology_switch *ts;
    const struct topology_port *port;
    const struct omrec_switch *sw;
    struct eth_addr mac;

    if (!mac_text || !eth_addr_from_string(mac_text, &mac)) {
        return;
    }
    smap_add(status, "mac", mac_text);
    station = fabric_find_station(f, mac);
    if (!station) {
        return;
    }
    ts = topology_find_switch(places->t, f->switches[station->sw].dpid);
    sw = places->switches[station->sw];
    port = ts ? topology_find_port(ts, station->port) : NULL;
    if (sw && port) {
        smap_add(status, "switch", sw->name);
        smap_add(status, "port", port->name);
    }
}

/* What switches say. */
static void
put_tally(struct events *events, const struct omrec_host *row,
          const struct tally_host *host, struct smap *status)
{
    const char *state = host->n_up ? "up" : "down";

    if (!host->n_up && !host->n_down) {
        return;
    }
    if (events_is_change(&row->status, "state", state)) {
        events_add(events, host->n_up ? "info" : "warning",
                   host->n_up ? "host-up" : "host-down", "hosts", row->name,
                   "host %s is %s", row->name, state);
    }
    smap_add(status, "state", state);
    smap_add_format(status, "connections", "%"PRId64, host->connections);
    smap_add_format(status, "handoffs", "%"PRId64, host->handoffs);
}

static void
put_text(struct smap *status, const char *key, const char *text)
{
    if (text) {
        smap_add(status, key, text);
    }
}

static void
put_number(struct smap *status, const char *key, int64_t number)
{
    if (number >= 0) {
        smap_add_format(status, key, "%"PRId64, number);
    }
}

static void
put_words(const struct agent *agent, struct smap *status)
{
    const struct agent_words *words = &agent->words;
    long long int ago = time_msec() - agent->heard;

    put_text(status, "agent-version", words->version);
    put_text(status, "kernel", words->kernel);
    put_text(status, "addresses", words->addresses);
    put_number(status, "cpu", words->cpu);
    put_number(status, "agent-connections", words->connections);
    put_number(status, "accept-queue", words->accept_queue);
    smap_add_format(status, "agent-heard", "%lld", time_wall_msec() - ago);
}

/* The same as it was. */
static void
keep_words(const struct smap *old, struct smap *status)
{
    static const char *const keys[] = {
        "agent-version", "kernel", "addresses", "cpu", "agent-connections",
        "accept-queue", "agent-heard",
    };

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        put_text(status, keys[i], smap_get(old, keys[i]));
    }
}

static void
note_agent(struct events *events, const char *host, const char *old,
           const char *new)
{
    if (!nullable_string_is_equal(old, new)) {
        char *kind = xasprintf("agent-%s", new ? new : "left");
        bool alarm = new && strcmp(new, "up");

        events_add(events, alarm ? "warning" : "info", kind, "hosts", host,
                   "the agent of host %s %s%s", host, new ? "is " : "has left",
                   new ? new : "");
        free(kind);
    }
}

/* What agents say. */
static void
put_agent(struct events *events, const struct omrec_host *row,
          const struct agents *agents, struct smap *status)
{
    const struct agent *agent = agents_find(agents, row->name);
    const char *state = agents_state(agents, row->name, &row->status);
    const char *old = smap_get(&row->status, "agent");

    note_agent(events, row->name, old, state);
    if (!state) {
        return;
    }
    smap_add(status, "agent", state);
    if (agent && (!nullable_string_is_equal(state, old)
                  || time_wall_msec() - smap_get_ullong(
                      &row->status, "agent-heard", 0) >= WORDS_MSEC)) {
        put_words(agent, status);
    } else {
        keep_words(&row->status, status);
    }
}

static void
write_host(struct events *events, const struct omrec_host *row,
           const struct tally_host *host, const struct agents *agents,
           const struct health *health, const struct places *places)
{
    struct smap status = SMAP_INITIALIZER(&status);
    const char *mac = row->mac ? row->mac : host ? host->mac : NULL;
    struct ds failing = DS_EMPTY_INITIALIZER;

    if (host) {
        put_tally(events, row, host, &status);
    }
    put_agent(events, row, agents, &status);
    health_put_down(health, &row->header_.uuid, &failing);
    if (failing.length) {
        smap_add(&status, "failing", ds_cstr(&failing));
    }
    ds_destroy(&failing);
    put_place(places, mac, &status);
    omrec_host_set_status(row, &status);
    smap_destroy(&status);
}

void
report_hosts(struct events *events, int part, const struct tally *tally,
             const struct agents *agents, const struct health *health,
             const struct fabric *f, const struct topology *t)
{
    struct places places = {
        .f = f,
        .t = t,
        .switches = xmalloc(f->n_switches * sizeof *places.switches),
    };
    const struct omrec_host *row;

    for (size_t i = 0; i < f->n_switches; i++) {
        places.switches[i] = report_find_switch(events->idl,
                                                f->switches[i].dpid);
    }
    OMREC_HOST_FOR_EACH (row, events->idl) {
        if (uuid_hash(&row->header_.uuid) % REPORT_PARTS == part) {
            write_host(events, row,
                       shash_find_data(&tally->hosts, row->name), agents,
                       health, &places);
        }
    }
    free(places.switches);
}
