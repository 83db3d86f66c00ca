/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* Requests as they come in: from the first data of a client, which proved its
 * cookie, until the request is complete and a host is chosen for it. */

#include <stdlib.h>
#include <string.h>

#include "engine.h"

void
pending_reply(struct migrate *m, struct pending *pending, uint8_t flags,
             uint32_t seq, const void *payload, size_t len, int64_t now)
{
    const struct record *r = pending->record;
    const struct tuple *tuple = &r->tuple;
    uint32_t in_order = (r->state == RECORD_REJECTED
                         ? pending->discarded : pending->assembly.len);
    struct tcp_options options = {
        .tstamp_ok = pending->tstamp_ok,
        .tsval = pending_ts_clock(pending, now),
        .tsecr = pending->tsval,
    };
    struct segment s = {
        .eth_dst = pending->client_mac, .eth_src = pending->switch_mac,
        .src = &tuple->service, .dst = &tuple->client,
        .src_port = tuple->service_port, .dst_port = tuple->client_port,
        .seq = seq,
        .ack = (pending->client_isn + 1 + in_order
                + (pending->fin && pending->fin_ofs == in_order)),
        .window = ASSEMBLY_MAX >> window_shift(&pending->syn),
        .flags = flags,
        .options = &options,
        .payload = payload,
        .payload_len = len,
    };

    if (record_is_ours(r)) {
        pending->acked = pending->assembly.len;
        pending->ack_due = 0;
    }
    engine_output(m, segment_build(&s, m->scratch), pending->tag);
}

static void
reply_ack(struct migrate *m, struct pending *pending, int64_t now)
{
    pending_reply(m, pending, SEG_ACK, pending->record->isn + 1, NULL, 0, now);
}

/* Keeps the memory of pending connections within its bounds, at the expense of
 * the oldest: first of those that have been told an error, then of unfinished
 * requests. */
static void
evict(struct migrate *m, const struct pending *keep)
{
    while (m->pending_bytes > MAX_PENDING_BYTES) {
        struct pending *oldest = TAILQ_FIRST(&m->rejecting);

        if (oldest) {
            count(m, COUNTER_DROP_EVICTED);
            reject_end(m, oldest, oldest->rejected);
            continue;
        }
        oldest = TAILQ_FIRST(&m->gathering);
        if (!oldest || oldest == keep) {
            break;
        }
        count(m, COUNTER_DROP_EVICTED);
        pending_reply(m, oldest, SEG_RST | SEG_ACK, oldest->record->isn + 1,
                     NULL, 0, oldest->started);
        engine_forget(m, oldest->record);
    }
}

static void
charge(struct migrate *m, struct pending *pending)
{
    uint32_t bytes = (sizeof *pending + pending->assembly.allocated
                      + (pending->reader ? sizeof *pending->reader : 0));

    m->pending_bytes += bytes - pending->charged;
    pending->charged = bytes;
    evict(m, pending);
}

static int64_t
request_deadline(const struct pending *pending)
{
    return pending->started + pending->service->request_timeout;
}

static void
set_timer(struct migrate *m, struct pending *pending)
{
    int64_t when = request_deadline(pending);

    if (pending->ack_due && pending->ack_due < when) {
        when = pending->ack_due;
    }
    if (pending->unread_due && pending->unread_due < when) {
        when = pending->unread_due;
    }
    timers_set(&m->timers, &pending->timer, when);
}

/* Waits for more of the request. */
static void
await_more(struct migrate *m, struct pending *pending, int64_t now)
{
    if (pending->assembly.n_ranges) {
        reply_ack(m, pending, now);     /* Tells what is missing. */
    }
    if (!pending->ack_due && pending->acked < pending->assembly.len) {
        pending->ack_due = now + DELAYED_ACK;
    }
    pending->unread_due = (reader_waits(pending->reader)
                           && !pending->assembly.n_ranges
                           ? now + pending->service->first_data_timeout : 0);
    set_timer(m, pending);
}

/* Reads on in the request and acts on what it has become. */
static void
classify(struct migrate *m, struct pending *pending, int64_t now)
{
    const struct assembly *a = &pending->assembly;
    struct reader local, *reader = pending->reader;
    struct request request;
    enum read_result result;

    if (!reader) {
        reader = &local;
        reader_init(reader, pending->service->protocol);
    }
    result = reader_feed(reader, a->data, a->len, &request);
    if (result == READ_PARTIAL && pending->fin && pending->fin_ofs == a->len) {
        result = reader_end(reader, &request);
    }
    pending->protocol = reader->protocol;
    switch (result) {
    case READ_COMPLETE:
        handoff_start(m, pending, &request, now);
        return;
    case READ_INVALID:
        reject_start(m, pending, 400, now);
        return;
    case READ_TOO_LARGE:
        reject_start(m, pending, 431, now);
        return;
    case READ_PARTIAL:
        break;
    }
    if (reader == &local) {
        pending->reader = malloc(sizeof local);
        if (!pending->reader) {
            engine_forget(m, pending->record);
            return;
        }
        *pending->reader = local;
        charge(m, pending);
    }
    await_more(m, pending, now);
}

void
gather_timeout(struct migrate *m, struct pending *pending, int64_t now)
{
    struct request request;

    if (pending->record->state == RECORD_REJECTED) {
        reject_timeout(m, pending, now);
    } else if (now >= request_deadline(pending)) {
        if (reader_end(pending->reader, &request) == READ_COMPLETE) {
            handoff_start(m, pending, &request, now);
        } else {
            reject_start(m, pending, 408, now);
        }
    } else if (pending->unread_due && now >= pending->unread_due) {
        count(m, COUNTER_UNREAD);
        request_init(&request);
        handoff_start(m, pending, &request, now);
    } else {
        count(m, COUNTER_DELAYED_ACK);
        reply_ack(m, pending, now);
        set_timer(m, pending);
    }
}

void
gather_note(struct pending *pending, const struct arrival *a)
{
    const struct packet *p = a->packet;

    pending->window = p->window;
    if (a->options.tstamp_ok
        && (int32_t) (a->options.tsval - pending->tsval) > 0) {
        pending->tsval = a->options.tsval;
    }
}

/* Adds the 'len' bytes at 'data' at offset 'ofs' to the request, and the FIN
 * behind them if 'fin'.  Returns false if there is no room for them. */
static bool
add(struct migrate *m, struct pending *pending, uint32_t ofs,
    const void *data, uint32_t len, bool fin)
{
    if (ofs > ASSEMBLY_MAX
        || !assembly_add(&pending->assembly, ofs, data, len)) {
        return false;
    }
    if (fin) {
        pending->fin = true;
        pending->fin_ofs = ofs + len;
    }
    charge(m, pending);
    return true;
}

void
gather_keep(struct migrate *m, struct pending *pending,
            const struct arrival *a)
{
    const struct packet *p = a->packet;
    uint32_t ofs = p->seq - (pending->client_isn + 1);

    if (p->payload_len || p->flags & SEG_FIN) {
        add(m, pending, ofs, a->frame->data + p->payload, p->payload_len,
            p->flags & SEG_FIN);
    }
}

/* Takes them in, and acts on what the request has become. */
static enum migrate_verdict
take(struct migrate *m, struct pending *pending, uint32_t ofs,
     const void *data, uint32_t len, bool fin, int64_t now)
{
    if (!add(m, pending, ofs, data, len, fin)) {
        return drop(m, COUNTER_DROP_WINDOW);
    }
    if (pending->record->state == RECORD_GATHER) {
        classify(m, pending, now);
    } else if (pending->assembly.n_ranges) {
        reply_ack(m, pending, now);     /* Tells what is missing. */
    }
    return MIGRATE_DROP;
}

enum migrate_verdict
gather_packet(struct migrate *m, struct record *r, struct arrival *a)
{
    struct pending *pending = r->pending;
    const struct packet *p = a->packet;
    uint32_t ofs = p->seq - (pending->client_isn + 1);
    uint32_t len = p->payload_len;
    uint32_t old = 0;           /* Bytes from before the first. */

    r->touched = a->now;
    if (!audit_settled(m, a->now)) {
        return drop(m, COUNTER_DROP_UNSETTLED);
    }
    if (p->flags & SEG_RST) {
        if (ofs != pending->assembly.len) {     /* RFC 5961 3.2. */
            return drop(m, COUNTER_DROP_WINDOW);
        }
        count(m, COUNTER_CLIENT_RESET);
        engine_forget(m, r);
        return MIGRATE_DROP;
    }
    if (p->ack != r->isn + 1) {
        return drop(m, COUNTER_DROP_WINDOW);
    }
    gather_note(pending, a);
    if ((int32_t) ofs < 0) {
        old = -ofs < len ? -ofs : len;
    }
    ofs += old;
    len -= old;
    if ((int32_t) (ofs + len - pending->assembly.len) <= 0
        && !(p->flags & SEG_FIN && !pending->fin)) {
        reply_ack(m, pending, a->now);          /* Nothing new. */
        return MIGRATE_DROP;
    }
    return take(m, pending, ofs, a->frame->data + p->payload + old, len,
                p->flags & SEG_FIN, a->now);
}

enum migrate_verdict
gather_begin(struct migrate *m, struct arrival *a,
             const struct syn_options *syn_options)
{
    const struct packet *p = a->packet;
    /* If eviction did not help, hosts do not keep up. */
    bool room = m->pending_bytes <= MAX_PENDING_BYTES;
    struct record *r = room ? record_add(m->records, &a->tuple) : NULL;
    struct pending *pending = r ? calloc(1, sizeof *pending) : NULL;

    if (!pending) {
        if (r) {
            record_remove(m->records, r);
        }
        if (a->replaced) {
            control_abort(m, a->replaced, a->replaced_flow_id);
        }
        return drop(m, COUNTER_DROP_TABLE_FULL);
    }
    if (a->replaced) {
        pending->replaced_at = a->replaced->address;
        pending->replaced_flow_id = a->replaced_flow_id;
    }
    r->state = RECORD_GATHER;
    r->service_id = a->service->id;
    r->isn = p->ack - 1;
    r->touched = r->made = a->now;
    note_client(r, a);
    r->pending = pending;
    pending->record = r;
    pending->generation = m->generation;
    pending->generation->refs++;
    pending->service = a->service;
    pending->started = a->now;
    memcpy(pending->client_mac, a->frame->data + 6, 6);
    memcpy(pending->switch_mac, a->frame->data, 6);
    pending->tag = a->frame->tag;
    pending->client_isn = p->seq - 1;
    pending->syn = *syn_options;
    pending->tstamp_ok = a->options.tstamp_ok;
    pending->tsval = a->options.tsval;
    pending->ts_start = a->options.tsecr;
    assembly_init(&pending->assembly);
    TAILQ_INSERT_TAIL(&m->gathering, pending, by_age);
    pending->window = p->window;
    count(m, COUNTER_GATHER);
    return take(m, pending, 0, a->frame->data + p->payload, p->payload_len,
                p->flags & SEG_FIN, a->now);
}
