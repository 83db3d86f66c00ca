/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "news.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <endian.h>
#include <string.h>

#include "audits.h"
#include "lib/address.h"
#include "switches.h"
#include "udp.h"
#include "util.h"

void
news_init(struct news *n, int fd, struct migrator *m,
          const struct keyring *keyring, const struct switches *switches)
{
    memset(n, 0, sizeof *n);
    n->fd = fd;
    n->m = m;
    n->keyring = keyring;
    n->switches = switches;
}

void
news_destroy(struct news *n)
{
    for (size_t i = 0; i < n->n_peers; i++) {
        free(n->peers[i].ids);
    }
    n->n_peers = 0;
}

/* What a silent switch misses, it asks for when it is back (AUDIT). */
static bool
is_there(const struct news_peer *p, int64_t now)
{
    return now - p->heard < MIGRATE_STALE;
}

static void
drop_line(struct news *n, struct news_peer *p)
{
    n->n_lost += p->n;
    free(p->ids);
    p->ids = NULL;
    p->first = p->n = p->size = p->n_sent = 0;
}

/* The peer 'to', or one that it may become; NULL if all are taken. */
static struct news_peer *
obtain_peer(struct news *n, const struct migrate_address *to, int64_t now)
{
    struct news_peer *free_peer = NULL;

    for (size_t i = 0; i < n->n_peers; i++) {
        if (address_equals(&n->peers[i].to, to)) {
            return &n->peers[i];
        } else if (!is_there(&n->peers[i], now)) {
            free_peer = &n->peers[i];
        }
    }
    if (n->n_peers < NEWS_PEERS) {
        return &n->peers[n->n_peers++];
    }
    if (free_peer) {
        drop_line(n, free_peer);
    }
    return free_peer;
}

void
news_hello(struct news *n, const struct migrate_address *from,
           const struct migrate_address *host)
{
    int64_t now = time_msec();
    struct news_peer *p = obtain_peer(n, from, now);

    if (p) {
        p->to = *from;
        p->host = *host;
        p->heard = now;
    }
}

/* Whether 'p' is there, and told of what switch 'owner' does.  To a switch, we
 * are another host in IPv4 than in IPv6. */
static bool
is_other(const struct news_peer *p, const struct migrate_address *owner,
         int64_t now)
{
    return (!address_equals(&p->to, owner) && is_there(p, now)
            && address_is_v4(&p->to) == address_is_v4(owner));
}

unsigned int
news_others(const struct news *n, const struct migrate_address *from)
{
    int64_t now = time_msec();
    unsigned int others = 0;

    for (size_t i = 0; i < n->n_peers; i++) {
        others += is_other(&n->peers[i], from, now);
    }
    return others;
}

static void
grow(struct news_peer *p)
{
    size_t size = p->size ? p->size * 2 : 256;
    __be32 *ids = xcalloc(size, sizeof *ids);

    for (size_t i = 0; i < p->n; i++) {
        ids[i] = p->ids[(p->first + i) % p->size];
    }
    free(p->ids);
    p->ids = ids;
    p->first = 0;
    p->size = size;
}

void
news_add(struct news *n, const struct migrate_address *owner, __be32 flow_id)
{
    int64_t now = time_msec();

    for (size_t i = 0; i < n->n_peers; i++) {
        struct news_peer *p = &n->peers[i];

        if (!is_other(p, owner, now)) {
            continue;
        }
        if (p->n == NEWS_LINE) {
            n->n_lost++;
            continue;
        }
        if (p->n == p->size) {
            grow(p);
        }
        p->ids[(p->first + p->n++) % p->size] = flow_id;
    }
}

static void
pop(struct news_peer *p, size_t n)
{
    p->first = (p->first + n) % p->size;
    p->n -= n;
}

/* Sends what the first 'n_sent' in line have become.  Returns false if there
 * is nothing of them any more. */
static bool
send_message(struct news *n, struct news_peer *p, int64_t now)
{
    struct switch_peer peer;
    size_t size, n_rows = 0;
    struct {
        struct migrate_header header;
        struct migrate_news news;
        struct migrate_mapping rows[AUDITS_SLICE];
    } message;

    for (size_t i = 0; i < p->n_sent; i++) {
        __be32 flow_id = p->ids[(p->first + i) % p->size];
        struct mapping m;

        if (!bpf_map_lookup_elem(n->m->mappings_fd, &flow_id, &m)) {
            message.rows[n_rows++] = audits_row(flow_id, &m, &p->to);
        }
    }
    if (!n_rows) {
        return false;
    }
    size = (sizeof message.header + sizeof message.news
            + n_rows * sizeof message.rows[0]);
    switches_find(n->switches, &p->to, &peer);
    message.header = (struct migrate_header) {
        .version = MIGRATE_VERSION,
        .type = MIGRATE_NEWS,
        .length = htons(size),
        .count = htons(n_rows),
        .epoch = n->m->config.epoch,
        .sequence = peer.epoch,
    };
    message.news.number = htobe64(p->number);
    seal(keyring_key(n->keyring, peer.key_id), &p->host, &p->to,
         &message.header);
    udp_send(n->fd, &p->host, &p->to, &message, size);
    p->sent = now;
    return true;
}

/* Sends the next message, unless one is under way. */
static void
send_next(struct news *n, struct news_peer *p, int64_t now)
{
    while (!p->n_sent && p->n) {
        p->n_sent = p->n < AUDITS_SLICE ? p->n : AUDITS_SLICE;
        /* A clock that outlives this process, and is as old as the epoch at
         * most. */
        p->number = time_nsec();
        if (send_message(n, p, now)) {
            n->n_messages++;
        } else {
            pop(p, p->n_sent);
            p->n_sent = 0;
        }
    }
}

void
news_heard(struct news *n, const struct migrate_address *from,
           uint64_t number)
{
    for (size_t i = 0; i < n->n_peers; i++) {
        struct news_peer *p = &n->peers[i];

        if (p->n_sent && p->number == number
            && address_equals(&p->to, from)) {
            pop(p, p->n_sent);
            p->n_sent = 0;
            send_next(n, p, time_msec());
        }
    }
}

void
news_run(struct news *n)
{
    int64_t now = time_msec();

    for (size_t i = 0; i < n->n_peers; i++) {
        struct news_peer *p = &n->peers[i];

        if (p->n && !is_there(p, now)) {
            drop_line(n, p);
        }
        if (p->n_sent && now - p->sent >= MIGRATE_NEWS_RETRY) {
            n->n_again++;
            if (!send_message(n, p, now)) {
                pop(p, p->n_sent);
                p->n_sent = 0;
            }
        }
        send_next(n, p, now);
    }
}

int64_t
news_deadline(const struct news *n)
{
    int64_t deadline = INT64_MAX;

    for (size_t i = 0; i < n->n_peers; i++) {
        const struct news_peer *p = &n->peers[i];

        if (p->n_sent && p->sent + MIGRATE_NEWS_RETRY < deadline) {
            deadline = p->sent + MIGRATE_NEWS_RETRY;
        }
    }
    return deadline;
}
