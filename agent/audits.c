/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "audits.h"

#include <arpa/inet.h>
#include <string.h>

#include "lib/address.h"
#include "udp.h"
#include "util.h"

void
audits_init(struct audits *a, int fd, struct migrator *m,
            const struct keyring *keyring)
{
    memset(a, 0, sizeof *a);
    a->fd = fd;
    a->m = m;
    a->keyring = keyring;
}

/* Throws the list away. */
static void
list_clear(struct audits *a)
{
    free(a->entries);
    a->entries = NULL;
    a->n = a->allocated = 0;
    a->scanning = a->complete = false;
}

void
audits_destroy(struct audits *a)
{
    list_clear(a);
}

/* The asker 'from', which is new if it was not one of the last AUDITS_MAX. */
static struct audits_asker *
find_asker(struct audits *a, const struct migrate_address *from)
{
    struct audits_asker *oldest = &a->askers[0];

    for (size_t i = 0; i < a->n_askers; i++) {
        struct audits_asker *asker = &a->askers[i];

        if (address_equals(&asker->from, from)) {
            return asker;
        }
        if (asker->asked < oldest->asked) {
            oldest = asker;
        }
    }
    if (a->n_askers < AUDITS_MAX) {
        oldest = &a->askers[a->n_askers++];
    }
    *oldest = (struct audits_asker) { .from = *from };
    return oldest;
}

void
audits_ask(struct audits *a, const struct migrate_address *from,
           const struct migrate_address *host,
           const struct migrate_header *header,
           const struct migrate_audit *audit)
{
    struct audits_asker *asker = find_asker(a, from);

    asker->asked = time_nsec();
    if (!asker->since || asker->number != audit->number) {
        asker->number = audit->number;
        asker->since = asker->asked;
        a->n_taken++;
    }
    asker->host = *host;
    asker->sequence = header->sequence;
    asker->key_id = header->key_id;
    asker->after = ntohl(audit->after);
    asker->waits = true;
}

static int
compare_entries(const void *a_, const void *b_)
{
    const struct audits_entry *a = a_, *b = b_;

    return a->flow_id < b->flow_id ? -1 : a->flow_id > b->flow_id;
}

/* Whether 'm' is to be told.  Aborted and replaced ones are of no use to
 * anybody.  One without a socket will have it in a moment, or the kernel has
 * dropped the connection and it is soon forgotten. */
static bool
is_listed(const struct audits *a, const struct mapping *m)
{
    return (m->state == MAPPING_ESTABLISHED || m->state == MAPPING_CLOSED
            || (m->state == MAPPING_INFUSING
                && m->changed + (uint64_t) AUDITS_INFUSING * NSEC_PER_MSEC
                   > a->begun));
}

static void
list_add(__be32 flow_id, const struct mapping *m, void *a_)
{
    struct audits *a = a_;

    if (!is_listed(a, m)) {
        return;
    }
    if (a->n == a->allocated) {
        a->allocated = a->allocated * 2 + 1024;
        a->entries = xreallocarray(a->entries, a->allocated,
                                   sizeof *a->entries);
    }
    a->entries[a->n++] = (struct audits_entry) {
        .flow_id = ntohl(flow_id), .mapping = *m,
    };
}

static void
list_begin(struct audits *a)
{
    a->begun = time_nsec();
    a->n = 0;
    a->complete = false;
    a->scanning = true;
    scan_start(&a->scan);
}

static void
list_run(struct audits *a)
{
    scan_run(&a->scan, a->m, list_add, a);
    if (!a->scan.done) {
        return;
    }
    a->scanning = false;
    a->complete = !a->scan.failed;
    if (a->n) {
        qsort(a->entries, a->n, sizeof *a->entries, compare_entries);
    }
    for (size_t i = 0; i < a->n_askers && a->scan.failed; i++) {
        a->askers[i].waits = false;     /* Until it asks again. */
    }
}

/* The index of the first entry beyond flow ID 'after'. */
static size_t
list_find(const struct audits *a, uint32_t after)
{
    size_t low = 0, high = a->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (a->entries[middle].flow_id <= after) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static enum migrate_mapping_state
row_state(const struct mapping *m)
{
    switch (m->state) {
    case MAPPING_INFUSING:
    case MAPPING_ESTABLISHED:
        return MIGRATE_MAPPING_LIVE;
    case MAPPING_CLOSED:
        return MIGRATE_MAPPING_ENDED;
    default:
        return MIGRATE_MAPPING_ABORTED;
    }
}

struct migrate_mapping
audits_row(__be32 flow_id, const struct mapping *m,
           const struct migrate_address *to)
{
    return (struct migrate_mapping) {
        .flow_id = flow_id,
        .service_id = m->service_id,
        .client = m->tuple.client,
        .service = m->tuple.service,
        .client_port = m->tuple.client_port,
        .service_port = m->tuple.service_port,
        .isn = htonl(ntohl(m->ack_seq) - 1),
        .age = htonl((time_nsec() - m->changed) / NSEC_PER_MSEC),
        .state = row_state(m),
        .yours = address_equals(&m->switch_address, to),
    };
}

static void
answer(struct audits *a, struct audits_asker *asker)
{
    bool v4 = address_is_v4(&asker->from);
    size_t at = list_find(a, asker->after);
    size_t size, n = 0;
    struct {
        struct migrate_header header;
        struct migrate_slice slice;
        struct migrate_mapping mappings[AUDITS_SLICE];
    } message;

    /* To a switch, we are another host in IPv4 than in IPv6. */
    while (at < a->n && n < AUDITS_SLICE) {
        const struct audits_entry *e = &a->entries[at++];

        if (address_is_v4(&e->mapping.switch_address) == v4) {
            message.mappings[n++] = audits_row(htonl(e->flow_id),
                                               &e->mapping, &asker->from);
        }
    }
    size = (sizeof message.header + sizeof message.slice
            + n * sizeof message.mappings[0]);
    message.header = (struct migrate_header) {
        .version = MIGRATE_VERSION,
        .type = MIGRATE_MAPPINGS,
        .length = htons(size),
        .count = htons(n),
        .epoch = a->m->config.epoch,
        .sequence = asker->sequence,
    };
    message.slice = (struct migrate_slice) {
        .after = htonl(asker->after), .last = at == a->n,
    };
    seal(keyring_key(a->keyring, asker->key_id), &asker->host, &asker->from,
         &message.header);
    udp_send(a->fd, &asker->host, &asker->from, &message, size);
    asker->waits = false;
}

bool
audits_run(struct audits *a)
{
    uint64_t last = 0;
    bool waits = false;

    if (a->scanning) {
        list_run(a);
    }
    for (size_t i = 0; i < a->n_askers; i++) {
        struct audits_asker *asker = &a->askers[i];

        if (asker->waits && a->complete && a->begun >= asker->since) {
            answer(a, asker);
        }
        waits |= asker->waits;
        last = asker->asked > last ? asker->asked : last;
    }
    if (a->scanning) {
        return true;
    }
    if (waits) {
        list_begin(a);
    } else if (a->allocated && time_nsec() - last
               > (uint64_t) AUDITS_KEEP * NSEC_PER_MSEC) {
        list_clear(a);
    }
    return waits;
}
