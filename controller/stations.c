/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "stations.h"

#include <stdlib.h>
#include <string.h>

#include "controller/ovs-migrate-idl.h"
#include "openvswitch/hmap.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "simap.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(stations);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(20, 20);

#define MOVE_MSEC 1000          /* Between two moves. */
#define MAX_RECENT 4096         /* That are remembered for that. */
#define MAX_STATIONS 65536      /* "maxRows" of the table. */
#define ROOM 256                /* That are deleted then, at a time... */
#define ROOM_MSEC 1000          /* ...but not more often. */
#define LIFETIME_S 86400        /* By default. */
#define MAX_LOOK_MSEC 60000     /* Between two looks at all of them. */

/* What was heard of a station lately. */
struct recent {
    struct hmap_node node;
    struct eth_addr mac;
    struct uuid switch_uuid;
    char *port;
    long long int since;        /* When it was heard of there first. */
    bool pending;               /* To be written. */
};

struct stations {
    struct ovsdb_idl *idl;
    struct ovsdb_idl_index *by_mac;
    struct hmap recent;         /* Of "struct recent"s, by address. */
    size_t n_pending;

    long long int began;        /* stations_begin(). */
    long long int looked;       /* stations_run(), last... */
    bool look;                  /* ...and stations_write() is to. */
    long long int next_room;
};

struct stations *
stations_create(struct ovsdb_idl *idl)
{
    struct stations *s = xzalloc(sizeof *s);

    s->idl = idl;
    s->by_mac = ovsdb_idl_index_create1(idl, &omrec_station_col_mac);
    hmap_init(&s->recent);
    return s;
}

static void
set_pending(struct stations *s, struct recent *r, bool pending)
{
    s->n_pending += pending - r->pending;
    r->pending = pending;
}

static void
recent_destroy(struct stations *s, struct recent *r)
{
    set_pending(s, r, false);
    hmap_remove(&s->recent, &r->node);
    free(r->port);
    free(r);
}

void
stations_destroy(struct stations *s)
{
    if (s) {
        struct recent *r;

        HMAP_FOR_EACH_SAFE (r, node, &s->recent) {
            recent_destroy(s, r);
        }
        hmap_destroy(&s->recent);
        free(s);
    }
}

void
stations_begin(struct stations *s)
{
    s->began = time_msec();
    s->looked = 0;
}

static struct recent *
find_recent(const struct stations *s, struct eth_addr mac)
{
    struct recent *r;

    HMAP_FOR_EACH_WITH_HASH (r, node, hash_mac(mac, 0, 0), &s->recent) {
        if (eth_addr_equals(r->mac, mac)) {
            return r;
        }
    }
    return NULL;
}

/* Forgets what may be forgotten, to make room. */
static void
expire(struct stations *s, long long int now)
{
    struct recent *r;

    HMAP_FOR_EACH_SAFE (r, node, &s->recent) {
        if (!r->pending && now >= r->since + MOVE_MSEC) {
            recent_destroy(s, r);
        }
    }
}

void
stations_learn(struct stations *s, const void *frame, size_t len,
               const struct uuid *switch_uuid, const char *port,
               long long int now)
{
    const struct eth_header *eth = frame;
    struct eth_addr mac;
    struct recent *r;

    if (len < ETH_HEADER_LEN) {
        return;
    }
    mac = eth->eth_src;
    if (eth_addr_is_multicast(mac) || eth_addr_is_zero(mac)) {
        return;
    }
    r = find_recent(s, mac);
    if (r && (now < r->since + MOVE_MSEC
              || (r->pending && uuid_equals(&r->switch_uuid, switch_uuid)
                  && !strcmp(r->port, port)))) {
        return;
    } else if (!r) {
        if (hmap_count(&s->recent) >= MAX_RECENT) {
            expire(s, now);
        }
        if (hmap_count(&s->recent) >= MAX_RECENT) {
            return;             /* It will be heard of again. */
        }
        r = xzalloc(sizeof *r);
        r->mac = mac;
        hmap_insert(&s->recent, &r->node, hash_mac(mac, 0, 0));
    }
    r->switch_uuid = *switch_uuid;
    free(r->port);
    r->port = xstrdup(port);
    r->since = now;
    set_pending(s, r, true);
}

static const struct omrec_station *
find_station(const struct stations *s, const char *mac)
{
    struct omrec_station *key = omrec_station_index_init_row(s->by_mac);
    const struct omrec_station *row;

    omrec_station_index_set_mac(key, mac);
    row = omrec_station_index_find(s->by_mac, key);
    omrec_station_index_destroy_row(key);
    return row;
}

/* Writes what 'r' says, unless '*n' stations are too many.  Returns whether it
 * is to be seen whether that comes to pass. */
static bool
write_station(const struct stations *s, struct ovsdb_idl_txn *txn,
              const struct recent *r, size_t *n)
{
    const struct omrec_switch *sw
        = omrec_switch_get_for_uuid(s->idl, &r->switch_uuid);
    const struct omrec_station *row;
    char mac[ETH_ADDR_STRLEN + 1];
    bool is_there;

    snprintf(mac, sizeof mac, ETH_ADDR_FMT, ETH_ADDR_ARGS(r->mac));
    row = find_station(s, mac);
    is_there = row && row->switch_ == sw && !strcmp(row->port, r->port);
    if (!sw || (is_there
                && !stations_doubts(row, stations_lifetime(s->idl)))) {
        return false;
    } else if (!row && *n >= MAX_STATIONS) {
        VLOG_WARN_RL(&rl, "%s is not added: there are too many stations", mac);
        return false;
    } else if (!row) {
        row = omrec_station_insert(txn);
        omrec_station_set_mac(row, mac);
        (*n)++;
    }
    if (!is_there) {
        VLOG_INFO_RL(&rl, "%s is at port %s of %s", mac, r->port, sw->name);
    }
    omrec_station_set_switch_(row, sw);
    omrec_station_set_port(row, r->port);
    omrec_station_set_heard(row, time_wall_msec());
    return true;
}

static size_t
count_stations(const struct ovsdb_idl *idl)
{
    const struct omrec_station *row;
    size_t n = 0;

    OMREC_STATION_FOR_EACH (row, idl) {
        n++;
    }
    return n;
}

/* Limits. */

long long int
stations_lifetime(const struct ovsdb_idl *idl)
{
    const struct omrec_fabric *fabric = omrec_fabric_first(idl);

    return 1000LL * (fabric && fabric->station_lifetime
                     ? *fabric->station_lifetime : LIFETIME_S);
}

bool
stations_doubts(const struct omrec_station *row, long long int lifetime)
{
    return row->heard + lifetime / 2 <= time_wall_msec();
}

bool
stations_run(struct stations *s)
{
    long long int next = s->looked + MIN(stations_lifetime(s->idl) / 16,
                                         MAX_LOOK_MSEC);

    if (time_msec() < next) {
        poll_timer_wait_until(next);
        return false;
    }
    s->looked = time_msec();
    s->look = true;
    return true;
}

/* Deletes those whose time is over. */
static void
bury(struct stations *s)
{
    long long int lifetime = stations_lifetime(s->idl);
    const struct omrec_station *row;

    if (time_msec() < s->began + lifetime / 2) {
        return;                 /* This controller did not listen so long. */
    }
    OMREC_STATION_FOR_EACH_SAFE (row, s->idl) {
        if (row->heard + lifetime <= time_wall_msec()) {
            VLOG_INFO_RL(&rl, "nothing is heard of %s any more", row->mac);
            omrec_station_delete(row);
        }
    }
}

static char *
place_name(const struct omrec_station *row)
{
    return xasprintf("%s of %s", row->port,
                     row->switch_ ? row->switch_->name : "no switch");
}

/* The name of the place where most stations are. */
static char *
find_fullest(const struct ovsdb_idl *idl)
{
    struct simap counts = SIMAP_INITIALIZER(&counts);
    const struct simap_node *node, *most = NULL;
    const struct omrec_station *row;
    char *name;

    OMREC_STATION_FOR_EACH (row, idl) {
        name = place_name(row);
        simap_increase(&counts, name, 1);
        free(name);
    }
    SIMAP_FOR_EACH (node, &counts) {
        most = !most || node->data > most->data ? node : most;
    }
    name = xstrdup(most ? most->name : "");
    simap_destroy(&counts);
    return name;
}

static int
compare_heard(const void *a_, const void *b_)
{
    const struct omrec_station *const *a = a_, *const *b = b_;

    return (*a)->heard < (*b)->heard ? -1 : (*a)->heard > (*b)->heard;
}

/* Deletes some, so that others can be added: at the port that has most, those
 * that were not heard of for longest.  So who invents addresses harms nobody
 * who is elsewhere.  Returns how many. */
static size_t
make_room(struct stations *s)
{
    char *fullest = find_fullest(s->idl);
    const struct omrec_station **rows, *row;
    size_t n = 0;

    VLOG_WARN_RL(&rl, "there are too many stations, most of them at port %s; "
                 "the oldest ones there are forgotten", fullest);
    rows = xmalloc(MAX_STATIONS * sizeof *rows);
    OMREC_STATION_FOR_EACH (row, s->idl) {
        char *name = place_name(row);

        if (n < MAX_STATIONS && !strcmp(name, fullest)) {
            rows[n++] = row;
        }
        free(name);
    }
    qsort(rows, n, sizeof *rows, compare_heard);
    n = MIN(n, ROOM);
    for (size_t i = 0; i < n; i++) {
        omrec_station_delete(rows[i]);
    }
    free(rows);
    free(fullest);
    return n;
}

void
stations_write(struct stations *s, struct ovsdb_idl_txn *txn)
{
    struct recent *r;
    size_t n;

    if (s->look) {
        s->look = false;
        bury(s);
    }
    if (!s->n_pending) {
        return;
    }
    n = count_stations(s->idl);
    if (n >= MAX_STATIONS && time_msec() >= s->next_room) {
        s->next_room = time_msec() + ROOM_MSEC;
        n -= make_room(s);
    }
    HMAP_FOR_EACH (r, node, &s->recent) {
        if (r->pending) {
            set_pending(s, r, write_station(s, txn, r, &n));
        }
    }
}
