/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* Lists of connections, for the controller.
 *
 * It asks for those that come next after a place in the table, and gets as
 * many as fit into a message, of so many places that nobody else waits.  The
 * place of a connection does not change, so whoever asks on sees each that
 * lasts exactly once. */

#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

#include "engine.h"

#define MAX_PLACES 8192         /* Looked at for one answer. */

static bool
is_any(const struct migrate_address *a)
{
    static const struct migrate_address any;

    return address_equals(a, &any);
}

/* Whether 'r' has ended, and this switch has nothing to do with it. */
static bool
is_hearsay(const struct record *r)
{
    return (r->state == RECORD_LINGER && r->rule == MIGRATE_RULE_UNKNOWN
            && !r->packets);
}

static bool
is_wanted(const struct migrate *m, const struct migrate_list *list,
          const struct record *r)
{
    const struct host *host = migrate_record_host(m, r);

    return (!r->standby && !is_hearsay(r)
            && (!list->service_id || ntohl(list->service_id) == r->service_id)
            && (is_any(&list->client)
                || address_equals(&list->client, &r->tuple.client))
            && (!list->client_port
                || list->client_port == r->tuple.client_port)
            && (is_any(&list->host)
                || (host && address_equals(&list->host, &host->address))));
}

static struct migrate_connection
describe(const struct migrate *m, const struct record *r, int64_t now)
{
    const struct host *host = migrate_record_host(m, r);
    const char *state = migrate_state_name(r);
    struct migrate_use use = migrate_record_use(m, r, now);
    struct migrate_connection c = {
        .client = r->tuple.client,
        .service = r->tuple.service,
        .client_port = r->tuple.client_port,
        .service_port = r->tuple.service_port,
        .service_id = htonl(r->service_id),
        .flow_id = htonl(r->flow_id),
        .age = htonl((uint32_t) now - r->made),
        .idle = htonl((uint32_t) now - use.last),
        .packets = htonl(use.packets),
        .bytes = htobe64(use.bytes),
        .placed = r->placed,
        .rule = r->rule,
        .rule_priority = htons(r->rule_priority),
        .chooser = r->chooser,
        .retargets = r->retargets,
        .reason = r->reason,
    };

    memcpy(c.state, state, strnlen(state, sizeof c.state));
    if (host) {
        c.host = host->address;
    }
    return c;
}

void
list_connections(struct migrate *m, const struct migrate_address *own,
                 const struct migrate_header *header, int64_t now)
{
    struct migrate_header *message = engine_message(m);
    uint8_t *at = (uint8_t *) (message + 1);
    uint32_t capacity = record_capacity(m->records);
    uint32_t place, n_places;
    struct migrate_listing listing;
    struct migrate_list list;
    const struct record *r;
    uint16_t n = 0, max;

    if (ntohs(header->length) < sizeof *header + sizeof list) {
        count(m, COUNTER_DROP_CONTROL);
        return;
    }
    memcpy(&list, header + 1, sizeof list);
    place = ntohl(list.after);
    n_places = place < capacity ? capacity - place : 0;
    if (n_places > MAX_PLACES) {
        n_places = MAX_PLACES;
    }
    at += sizeof listing;
    max = ntohs(list.max);
    if (!max || max > MIGRATE_LISTING_MAX) {
        max = MIGRATE_LISTING_MAX;
    }
    while (n < max
           && (r = record_sweep(m->records, &place, &n_places))) {
        if (is_wanted(m, &list, r)) {
            struct migrate_connection c = describe(m, r, now);

            memcpy(at, &c, sizeof c);
            at += sizeof c;
            n++;
        }
    }
    listing = (struct migrate_listing) {
        .token = list.token,
        .after = htonl(place),
        .last = place >= capacity,
    };
    memcpy(message + 1, &listing, sizeof listing);
    count(m, COUNTER_LIST);
    engine_send_to(m, own, MIGRATE_CONTROLLER_PORT, m->mac, 0,
                   MIGRATE_LISTING, at - (uint8_t *) message, n, 0);
}
