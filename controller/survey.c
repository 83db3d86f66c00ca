/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "survey.h"

#include <stdlib.h>
#include <string.h>

#include "controller/ovs-migrate-idl.h"
#include "fabric.h"
#include "packets.h"
#include "seal.h"
#include "stations.h"
#include "topology.h"
#include "util.h"

static uint64_t
parse_dpid(const char *s)
{
    return strtoull(s, NULL, 16);
}

static struct topology_switch *
find_switch(const struct topology *t, const struct omrec_switch *row)
{
    return row ? topology_find_switch(t, parse_dpid(row->dpid)) : NULL;
}

void
survey_links(const struct ovsdb_idl *idl, struct topology *t,
             long long int now)
{
    const struct omrec_switch *sw;
    const struct omrec_host *host;

    topology_begin(t);
    OMREC_SWITCH_FOR_EACH (sw, idl) {
        struct topology_switch *ts = find_switch(t, sw);

        for (size_t i = 0; ts && i < sw->n_links; i++) {
            const struct omrec_link *link = sw->links[i];

            topology_put_link(ts, link->port,
                              link->peer ? parse_dpid(link->peer->dpid) : 0,
                              link->peer ? link->peer_port : NULL,
                              link->n_cost ? *link->cost : 1);
        }
    }
    OMREC_HOST_FOR_EACH (host, idl) {
        struct topology_switch *ts = find_switch(t, host->switch_);

        if (ts && host->port) {
            topology_put_edge(ts, host->port);
        }
    }
    topology_commit(t, now);
}

static int
compare_switches(const void *a_, const void *b_)
{
    const struct omrec_switch *const *a = a_;
    const struct omrec_switch *const *b = b_;

    return strcmp((*a)->dpid, (*b)->dpid);
}

/* Takes 'text', up to one address of each family, with a comma between. */
static void
set_addresses(struct fabric_switch *s, const char *text)
{
    char *copy = xstrdup(text);
    char *save_ptr = NULL;

    for (char *word = strtok_r(copy, ",", &save_ptr); word;
         word = strtok_r(NULL, ",", &save_ptr)) {
        struct migrate_address a;

        if (address_parse(word, &a)) {
            s->addresses[!address_is_v4(&a)] = a;
        }
    }
    free(copy);
}

static void
add_switches(const struct ovsdb_idl *idl, const struct topology *t,
             struct fabric *f)
{
    const struct omrec_switch *row, **rows = NULL;
    size_t n = 0, allocated = 0;

    OMREC_SWITCH_FOR_EACH (row, idl) {
        if (n >= allocated) {
            rows = x2nrealloc(rows, &allocated, sizeof *rows);
        }
        rows[n++] = row;
    }
    if (n) {
        qsort(rows, n, sizeof *rows, compare_switches);
    }
    for (size_t i = 0; i < n; i++) {
        const struct topology_switch *ts = find_switch(t, rows[i]);
        struct fabric_switch *s
            = fabric_add_switch(f, parse_dpid(rows[i]->dpid));

        s->reachable = ts && ts->reachable;
        if (rows[i]->migrate_address) {
            set_addresses(s, rows[i]->migrate_address);
        }
    }
    free(rows);
}

static int
compare_services(const void *a_, const void *b_)
{
    const struct fabric_service *a = a_;
    const struct fabric_service *b = b_;

    return a->id < b->id ? -1 : a->id > b->id;
}

static void
add_services(const struct ovsdb_idl *idl, struct fabric *f)
{
    const struct omrec_service *row;

    OMREC_SERVICE_FOR_EACH (row, idl) {
        struct migrate_address a;

        if (address_parse(row->address, &a)) {
            struct fabric_service *s = fabric_add_service(f);

            s->id = row->id;
            s->port = row->port;
            s->address = a;
        }
    }
    if (f->n_services) {
        qsort(f->services, f->n_services, sizeof *f->services,
              compare_services);
    }
}

/* Adds the station with address 'mac' at 'port'. */
static void
add_station(const struct topology_port *port, struct eth_addr mac,
            bool doubted, struct fabric *f)
{
    size_t sw = fabric_find_switch(f, port->sw->dpid);

    if (sw != SIZE_MAX && port->present && port->role == TOPOLOGY_EDGE) {
        struct fabric_station *s = fabric_add_station(f);

        s->mac = mac;
        s->doubted = doubted;
        s->sw = sw;
        s->port = port->number;
    }
}

static void
add_station_at(const struct topology *t, const struct omrec_switch *sw,
               const char *port_name, const char *mac_text, bool doubted,
               struct fabric *f)
{
    const struct topology_switch *ts = find_switch(t, sw);
    const struct topology_port *port
        = ts ? shash_find_data(&ts->ports, port_name) : NULL;
    struct eth_addr mac;

    if (port && eth_addr_from_string(mac_text, &mac)) {
        add_station(port, mac, doubted, f);
    }
}

static int
compare_stations(const void *a_, const void *b_)
{
    const struct fabric_station *a = a_;
    const struct fabric_station *b = b_;
    int c = eth_addr_compare_3way(a->mac, b->mac);

    return (c ? c : a->sw != b->sw ? (a->sw < b->sw ? -1 : 1)
            : a->port < b->port ? -1 : a->port > b->port);
}

static int
compare_macs(const void *a_, const void *b_)
{
    const struct fabric_station *a = a_;
    const struct fabric_station *b = b_;

    return eth_addr_compare_3way(a->mac, b->mac);
}

/* Sorts the stations from 'first' on, and drops those of them that have an
 * address twice or that one before 'first', which are sorted already, has. */
static void
settle_stations(struct fabric *f, size_t first)
{
    struct fabric_station *s = f->stations;
    size_t n = first;

    if (f->n_stations == first) {
        return;
    }
    qsort(s + first, f->n_stations - first, sizeof *s, compare_stations);
    for (size_t i = first; i < f->n_stations; i++) {
        if ((n == first || compare_macs(&s[i], &s[n - 1]))
            && !(first && bsearch(&s[i], s, first, sizeof *s,
                                  compare_macs))) {
            s[n++] = s[i];
        }
    }
    f->n_stations = n;
    qsort(s, n, sizeof *s, compare_stations);
}

/* What operators say goes first, then the switches themselves, then what was
 * learned. */
static void
add_stations(const struct ovsdb_idl *idl, const struct topology *t,
             struct fabric *f)
{
    long long int lifetime = stations_lifetime(idl);
    const struct omrec_station *station;
    const struct omrec_host *host;
    size_t n;

    OMREC_HOST_FOR_EACH (host, idl) {
        if (host->mac && host->switch_ && host->port) {
            add_station_at(t, host->switch_, host->port, host->mac, false, f);
        }
    }
    settle_stations(f, 0);

    n = f->n_stations;
    for (size_t i = 0; i < f->n_switches; i++) {
        const struct topology_switch *ts
            = topology_find_switch(t, f->switches[i].dpid);
        const struct topology_port *local
            = ts ? topology_find_port(ts, OFPP_LOCAL) : NULL;

        if (local) {
            add_station(local, local->mac, false, f);
        }
    }
    settle_stations(f, n);

    n = f->n_stations;
    OMREC_STATION_FOR_EACH (station, idl) {
        add_station_at(t, station->switch_, station->port, station->mac,
                       stations_doubts(station, lifetime), f);
    }
    settle_stations(f, n);
}

void
survey_fabric(const struct ovsdb_idl *idl, const struct topology *t,
              struct fabric *f)
{
    add_switches(idl, t, f);
    topology_fill(t, f);
    add_services(idl, f);
    add_stations(idl, t, f);
}

bool
survey_keys(const struct omrec_fabric *fabric, struct keyring *keys)
{
    char text[2 * (2 * MIGRATE_KEY_LEN + 1)];

    if (!fabric->current_key) {
        return false;
    }
    snprintf(text, sizeof text, "%s%s%s", fabric->current_key,
             fabric->accepted_key ? "," : "",
             fabric->accepted_key ? fabric->accepted_key : "");
    return keyring_parse(text, keys);
}
