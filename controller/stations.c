/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "stations.h"

#include <stdlib.h>
#include <string.h>

#include "controller/ovs-migrate-idl.h"
#include "openvswitch/hmap.h"
#include "openvswitch/vlog.h"
#include "packets.h"
#include "util.h"
#include "uuid.h"

VLOG_DEFINE_THIS_MODULE(stations);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(20, 20);

#define MOVE_MSEC 1000          /* Between two moves. */
#define MAX_RECENT 4096         /* That are remembered for that. */
#define MAX_STATIONS 65536      /* "maxRows" of the table. */

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

/* Writes what 'r' says.  Returns whether it is to be seen whether that comes
 * to pass. */
static bool
write_station(const struct stations *s, struct ovsdb_idl_txn *txn,
              const struct recent *r, size_t n_stations)
{
    const struct omrec_switch *sw
        = omrec_switch_get_for_uuid(s->idl, &r->switch_uuid);
    const struct omrec_station *row;
    char mac[ETH_ADDR_STRLEN + 1];

    snprintf(mac, sizeof mac, ETH_ADDR_FMT, ETH_ADDR_ARGS(r->mac));
    row = find_station(s, mac);
    if (!sw || (row && row->switch_ == sw && !strcmp(row->port, r->port))) {
        return false;
    } else if (!row && n_stations >= MAX_STATIONS) {
        VLOG_WARN_RL(&rl, "%s is not added: there are too many stations", mac);
        return false;
    } else if (!row) {
        row = omrec_station_insert(txn);
        omrec_station_set_mac(row, mac);
    }
    VLOG_INFO_RL(&rl, "%s is at port %s of %s", mac, r->port, sw->name);
    omrec_station_set_switch_(row, sw);
    omrec_station_set_port(row, r->port);
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

void
stations_write(struct stations *s, struct ovsdb_idl_txn *txn)
{
    struct recent *r;
    size_t n;

    if (!s->n_pending) {
        return;
    }
    n = count_stations(s->idl);
    HMAP_FOR_EACH (r, node, &s->recent) {
        if (r->pending) {
            set_pending(s, r, write_station(s, txn, r, n++));
        }
    }
}
