/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* Audits: what connections hosts have, by their own account.
 *
 * An engine that begins knows nothing, but its predecessor's connections go
 * on.  So each host that answers is audited at once, and what it has becomes
 * records again.  Until all have been that may have anything, the engine is
 * not settled: what only a cookie proves might be the first data of a live
 * connection, sent again, and must not be handed to a host a second time.
 *
 * Later audits, every AUDIT_INTERVAL, mend what lost reports have left wrong:
 * a connection that its host does not have any more is released, one that
 * nobody knows is taken in, and one that lost against another is aborted.
 *
 * A host answers with a slice of its list at a time, and is asked on from
 * there; what is not answered is asked again.  Each audit has a number, whose
 * low byte is put down in the records that it finds: a live record with an
 * older one was not there ('audit_lost'). */

#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

#include "engine.h"

#define AUDIT_INTERVAL 30000    /* ms from the end of one to the next. */
#define AUDIT_SPREAD 5000       /* More than that, by host. */
#define AUDIT_RETRY 50          /* ms without an answer. */
#define AUDIT_HURRY 5000        /* ms between audits out of turn. */

static void
ask(struct migrate *m, struct host *host, int64_t now)
{
    struct migrate_header *message = engine_message(m);
    struct migrate_audit audit = {
        .after = htonl(host->audit.after),
        .number = htonl(host->audit.number),
    };

    memcpy(message + 1, &audit, sizeof audit);
    engine_send(m, host, MIGRATE_AUDIT, sizeof *message + sizeof audit, 1,
                ++host->audit.sequence);
    host->audit.asked = now;
    count(m, COUNTER_AUDIT);
}

void
audit_begin(struct migrate *m, struct host *host, int64_t now)
{
    host->audit.running = true;
    host->audit.missed = false;
    host->audit.number++;
    host->audit.after = 0;
    host->audit.heard = host->audit.begun = now;
    ask(m, host, now);
}

void
audit_run(struct migrate *m, int64_t now)
{
    for (size_t i = 0; i < m->n_hosts; i++) {
        struct host *host = m->hosts[i];

        if (!host || !host->up || !host->mac_known) {
            continue;
        }
        if (!host->audit.running) {
            if (now >= host->audit.next) {
                audit_begin(m, host, now);
            }
        } else if (now - host->audit.asked >= AUDIT_RETRY) {
            ask(m, host, now);
        }
    }
}

void
audit_hurry(struct migrate *m, int64_t now)
{
    if (now < m->next_hurry) {
        return;
    }
    m->next_hurry = now + AUDIT_HURRY;
    for (size_t i = 0; i < m->n_hosts; i++) {
        if (m->hosts[i]) {
            m->hosts[i]->audit.next = now;
        }
    }
    m->next_hello = now;
}

/* Whether all that hosts of a family had at 'since' is known. */
static bool
is_known(const struct migrate *m, bool v4, int64_t since)
{
    for (size_t i = 0; i < m->n_hosts; i++) {
        const struct host *host = m->hosts[i];

        if (host && !host->lost && address_is_v4(&host->address) == v4
            && !(host->up && host->audit.complete
                 && host->audit.known >= since)) {
            return false;
        }
    }
    return true;
}

bool
audit_nobodys(struct migrate *m, const struct tuple *tuple, uint32_t seq,
              int64_t now)
{
    uint32_t hash = record_hash(m->records, tuple) ^ seq;
    struct stranger *s = &m->strangers[hash % STRANGERS];
    uint32_t age = (uint32_t) now - s->seen;

    if (s->hash != hash || age > STRANGER_LIFE) {
        *s = (struct stranger) { .hash = hash, .seen = now };
        return false;
    }
    /* What is repeated earlier may be behind the first data of a new
     * connection, which were lost. */
    return (age >= STRANGER_AGE
            && is_known(m, address_is_v4(&tuple->client), now - age));
}

/* Whether what 'host' has may matter and is not known yet: it has not been
 * given the time to say that it is there, or is there and answers. */
static bool
is_open(const struct migrate *m, const struct host *host, int64_t now)
{
    return (host && host->configured && !host->audit.complete
            && (!m->settle_by || now < m->settle_by
                || (host->up
                    && now < host->audit.heard + MIGRATE_HELLO_TIMEOUT)));
}

/* Whether other switches may hand over what comes here as well. */
static bool
has_others(const struct migrate *m)
{
    for (size_t i = 0; i < m->n_hosts; i++) {
        if (m->hosts[i] && m->hosts[i]->others) {
            return true;
        }
    }
    return false;
}

void
audit_resume(struct migrate *m, int64_t now)
{
    if (!has_others(m)) {
        return;
    }
    m->settled = false;
    m->settle_by = now + MIGRATE_HELLO_TIMEOUT;
    for (size_t i = 0; i < m->n_hosts; i++) {
        struct host *host = m->hosts[i];

        if (host) {
            host->audit.running = host->audit.complete = false;
            host->audit.next = now;
        }
    }
    m->next_hello = now;
}

bool
audit_settled(struct migrate *m, int64_t now)
{
    for (size_t i = 0; i < m->n_hosts && !m->settled; i++) {
        if (is_open(m, m->hosts[i], now)) {
            return false;
        }
    }
    m->settled = true;
    return true;
}

bool
audit_lost(const struct migrate *m, const struct record *r)
{
    const struct host *host = m->hosts[r->host];

    return (r->state == RECORD_LIVE && host->audit.complete
            && (int8_t) (r->audit - host->audit.done) < 0);
}

/* 'host' has connection 'map', for which there is a record under this flow
 * ID. */
static void
found(struct migrate *m, struct record *r, const struct migrate_mapping *map,
      int64_t now)
{
    struct host *host = m->hosts[r->host];

    r->audit = host->audit.number;
    if (map->state == MIGRATE_MAPPING_ABORTED) {
        if (!r->pending) {
            engine_forget(m, r);
        }
    } else if (map->state == MIGRATE_MAPPING_ENDED) {
        handoff_released(m, r, now);
    } else if (r->state == RECORD_LOST) {
        handoff_adopt(m, r, !map->yours);
    } else if (r->state == RECORD_REJECTED && map->yours) {
        control_abort(m, host, r->flow_id);
    }
}

/* Whether 'r', which no host has confirmed, is the connection 'map' of 'host'
 * and was not given up there. */
static bool
is_on_its_way(const struct record *r, const struct host *host,
              const struct migrate_mapping *map)
{
    return (r->isn == ntohl(map->isn)
            && (record_is_ours(r)
                || (r->state == RECORD_OFFERED && !r->pending->confirmed
                    && !tried_has(&r->pending->tried, host->index))));
}

/* Whether 'r', of the same client port as 'map', which 'host' infused at
 * 'since', gives way to it. */
static bool
gives_way(const struct record *r, const struct host *host,
          const struct migrate_mapping *map, uint32_t since)
{
    bool same = r->isn == ntohl(map->isn);

    if (map->state == MIGRATE_MAPPING_ENDED) {
        /* Of two that have ended, the last is the one whose FIN may yet be
         * repeated. */
        return (is_on_its_way(r, host, map)
                || (r->state == RECORD_LINGER && !same
                    && (int32_t) (since - r->touched) > 0));
    }
    /* The same connection twice: its switch has taken it elsewhere. */
    return (r->state == RECORD_LOST
            || (r->state != RECORD_OFFERED && (!same || r->standby)
                && (int32_t) (since - r->made) > 0));
}

/* Takes in 'map', a connection of 'host' that is not known as such. */
static void
take_in(struct migrate *m, struct host *host, const struct tuple *tuple,
        const struct migrate_mapping *map, int64_t now)
{
    uint32_t since = (uint32_t) now - ntohl(map->age);
    struct record *r = record_find(m->records, tuple);

    if (r && is_on_its_way(r, host, map)) {
        if (r->state == RECORD_OFFERED && r->host != host->index) {
            control_abort(m, m->hosts[r->host], r->flow_id);
        }
        if (map->state == MIGRATE_MAPPING_LIVE) {
            handoff_known(m, r, host, ntohl(map->flow_id), now);
            return;
        }
    }
    if (r && r->state == RECORD_LIVE && r->isn == ntohl(map->isn)
        && r->host == host->index) {
        handoff_unplace(m, r);
        handoff_name(m, r, r->host, ntohl(map->flow_id));   /* There is one. */
        r->audit = host->audit.number;
        return;
    }
    if (r && !gives_way(r, host, map, since)) {
        if (map->yours && map->state == MIGRATE_MAPPING_LIVE) {
            control_abort(m, host, ntohl(map->flow_id));
        }
        return;
    }
    if (r) {
        engine_forget(m, r);
    }
    r = record_add(m->records, tuple);
    if (!r) {
        host->audit.missed = true;
        count(m, COUNTER_DROP_TABLE_FULL);
        return;
    }
    r->service_id = ntohl(map->service_id);
    r->isn = ntohl(map->isn);
    r->made = since;
    r->audit = host->audit.number;
    handoff_name(m, r, host->index, ntohl(map->flow_id));
    if (map->state == MIGRATE_MAPPING_LIVE) {
        /* Whether it is in use here remains to be seen. */
        r->touched = now - FLOW_LIFE;
        handoff_adopt(m, r, !map->yours);
    } else {
        r->state = RECORD_LINGER;
        r->touched = now;
    }
}

/* 'host' has the connection 'map'. */
static void
learn(struct migrate *m, struct host *host, const struct migrate_mapping *map,
      int64_t now)
{
    struct tuple tuple = {
        .client = map->client,
        .service = map->service,
        .client_port = map->client_port,
        .service_port = map->service_port,
    };
    struct record *r = record_find_flow(m->records, host->index,
                                        ntohl(map->flow_id));

    if (address_is_v4(&tuple.client) != address_is_v4(&host->address)) {
        count(m, COUNTER_DROP_CONTROL);
        return;
    }
    if (r && r->isn == ntohl(map->isn)
        && !memcmp(&r->tuple, &tuple, sizeof tuple)) {
        found(m, r, map, now);
    } else if (map->state == MIGRATE_MAPPING_ABORTED) {
        return;                 /* It never was here. */
    } else if (!r) {
        take_in(m, host, &tuple, map, now);
    } else if (!r->pending) {
        /* The host should know whose flow ID it is. */
        engine_forget(m, r);
        take_in(m, host, &tuple, map, now);
    }
}

/* Takes in the 'n' mappings at 'at'.  If 'after' is nonnull, the flow ID of each
 * must be above '*after', which becomes that flow ID.  Returns false at the
 * first that makes no sense. */
static bool
learn_all(struct migrate *m, struct host *host, const uint8_t *at, size_t n,
          uint32_t *after, int64_t now)
{
    struct migrate_mapping map;

    for (size_t i = 0; i < n; i++, at += sizeof map) {
        uint32_t flow_id;

        memcpy(&map, at, sizeof map);
        flow_id = ntohl(map.flow_id);
        if (!flow_id_is_valid(flow_id) || (after && flow_id <= *after)) {
            count(m, COUNTER_DROP_CONTROL);
            return false;
        }
        if (after) {
            *after = flow_id;
        }
        learn(m, host, &map, now);
    }
    return true;
}

/* Tells 'host' that its news 'number' were heard. */
static void
send_heard(struct migrate *m, const struct host *host, __be64 number)
{
    struct migrate_header *message = engine_message(m);
    struct migrate_news heard = { .number = number };

    memcpy(message + 1, &heard, sizeof heard);
    engine_send(m, host, MIGRATE_HEARD, sizeof *message + sizeof heard, 1, 0);
}

void
audit_news(struct migrate *m, struct host *host,
           const struct migrate_header *header, int64_t now)
{
    const uint8_t *at = (const uint8_t *) (header + 1);
    size_t n = ntohs(header->count);
    struct migrate_news news;

    if (ntohs(header->length)
        < sizeof *header + sizeof news + n * sizeof(struct migrate_mapping)) {
        count(m, COUNTER_DROP_CONTROL);
        return;
    }
    memcpy(&news, at, sizeof news);
    at += sizeof news;
    if (ntohl(header->epoch) != host->epoch || !host->mac_known
        || ntohl(header->sequence) != m->epoch
        || be64toh(news.number) < host->news) {
        count(m, COUNTER_DROP_OLD);
        return;
    }
    if (be64toh(news.number) > host->news) {
        host->news = be64toh(news.number);
        count(m, COUNTER_NEWS);
        learn_all(m, host, at, n, NULL, now);
    }
    send_heard(m, host, news.number);
}

void
audit_mappings(struct migrate *m, struct host *host,
               const struct migrate_header *header, int64_t now)
{
    const uint8_t *at = (const uint8_t *) (header + 1);
    size_t n = ntohs(header->count);
    struct migrate_slice slice;

    if (ntohs(header->length)
        < sizeof *header + sizeof slice + n * sizeof(struct migrate_mapping)
        || !host->audit.running) {
        count(m, COUNTER_DROP_CONTROL);
        return;
    }
    memcpy(&slice, at, sizeof slice);
    at += sizeof slice;
    if (ntohl(header->epoch) != host->epoch
        || ntohl(header->sequence) != host->audit.sequence
        || ntohl(slice.after) != host->audit.after) {
        count(m, COUNTER_DROP_OLD);
        return;
    }
    if (!learn_all(m, host, at, n, &host->audit.after, now)) {
        return;                 /* Or it might be endless. */
    }
    if (n || slice.last) {
        host->audit.heard = now;
    }
    if (!slice.last) {
        if (n) {
            ask(m, host, now);
        }
        return;
    }
    host->audit.running = false;
    host->audit.complete = true;
    if (!host->audit.missed) {
        host->audit.known = host->audit.begun;
    }
    host->audit.done = host->audit.number;
    host->audit.next = (now + AUDIT_INTERVAL
                        + host->index * 997 % AUDIT_SPREAD);
}
