/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "reports.h"

#include <arpa/inet.h>
#include <string.h>

#include "lib/address.h"
#include "switches.h"
#include "udp.h"
#include "util.h"

struct reports_peer {
    struct migrate_address host, to;
    struct {
        struct migrate_header header;
        struct migrate_report records[REPORTS_MAX];
    } message;
    unsigned int n;
};

void
reports_init(struct reports *r, int fd, __be32 epoch,
             const struct keyring *keyring, const struct switches *switches)
{
    memset(r, 0, sizeof *r);
    r->fd = fd;
    r->epoch = epoch;
    r->keyring = keyring;
    r->switches = switches;
}

void
reports_destroy(struct reports *r)
{
    free(r->peers);
    r->peers = NULL;
}

static void
send_peer(struct reports *r, struct reports_peer *p)
{
    size_t size = sizeof p->message.header
                  + p->n * sizeof p->message.records[0];
    struct switch_peer peer;

    switches_find(r->switches, &p->to, &peer);
    p->message.header = (struct migrate_header) {
        .version = MIGRATE_VERSION,
        .type = MIGRATE_REPORT,
        .length = htons(size),
        .count = htons(p->n),
        .epoch = r->epoch,
        .sequence = peer.epoch,
    };
    seal(keyring_key(r->keyring, peer.key_id), &p->host, &p->to,
         &p->message.header);
    if (udp_send(r->fd, &p->host, &p->to, &p->message, size)) {
        r->n_errors++;
    } else {
        r->n_messages++;
        r->n_records += p->n;
    }
    p->n = 0;
}

static struct reports_peer *
find_peer(struct reports *r, const struct migrate_address *host,
          const struct migrate_address *to)
{
    struct reports_peer *p;

    for (size_t i = 0; i < r->n_peers; i++) {
        p = &r->peers[i];
        if (address_equals(&p->to, to) && address_equals(&p->host, host)) {
            return p;
        }
    }
    if (r->n_peers == r->allocated_peers) {
        r->allocated_peers = r->allocated_peers * 2 + 4;
        r->peers = xreallocarray(r->peers, r->allocated_peers,
                                 sizeof *r->peers);
    }
    p = &r->peers[r->n_peers++];
    memset(p, 0, sizeof *p);
    p->host = *host;
    p->to = *to;
    return p;
}

void
reports_add(struct reports *r, const struct migrate_address *host,
            const struct migrate_address *to,
            const struct migrate_report *report)
{
    struct reports_peer *p = find_peer(r, host, to);

    p->message.records[p->n++] = *report;
    if (p->n == REPORTS_MAX) {
        send_peer(r, p);
    }
}

void
reports_flush(struct reports *r)
{
    for (size_t i = 0; i < r->n_peers; i++) {
        if (r->peers[i].n) {
            send_peer(r, &r->peers[i]);
        }
    }
    r->n_peers = 0;
}
