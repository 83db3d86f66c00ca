/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* Packets of clients: the handshake without memory, the request as it comes
 * in, and everything after the handoff. */

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"

/* A packet of a client, and what it belongs to. */
struct arrival {
    struct frame *frame;
    struct packet packet;
    struct tcp_options options; /* Parsed where they are needed. */
    struct tuple tuple;
    struct service *service;    /* NULL if it is not configured any more. */
    const struct host *replaced;    /* Has an older connection of the same
                                     * client port, if nonnull... */
    uint32_t replaced_flow_id;      /* ...as this. */
    int64_t now;
};

/* How windows are scaled after the handshake. */
static unsigned int
window_shift(const struct syn_options *syn)
{
    return syn->wscale_ok ? RCV_WSCALE : 0;
}

static enum migrate_verdict
drop(struct migrate *m, enum migrate_counter counter)
{
    count(m, counter);
    return MIGRATE_DROP;
}

/* Answers 'a' without a record.  'options' are those of 'a', which become
 * those of the answer. */
static void
reply_stateless(struct migrate *m, const struct arrival *a, uint8_t flags,
                uint32_t seq, uint32_t ack, unsigned int window_shift,
                struct tcp_options *options)
{
    const struct packet *p = &a->packet;
    struct segment s = {
        .eth_dst = a->frame->data + 6, .eth_src = a->frame->data,
        .src = &p->dst, .dst = &p->src,
        .src_port = p->dst_port, .dst_port = p->src_port,
        .seq = seq, .ack = ack,
        .window = ASSEMBLY_MAX >> window_shift,
        .flags = flags,
        .options = options,
    };
    uint32_t tsval = options->tsecr;    /* The client heard no later. */

    options->tsecr = options->tsval;
    options->tsval = tsval;
    engine_output(m, segment_build(&s, m->scratch), a->frame->tag);
}

/* Remembers that hosts must know the service address 'vip'. */
static void
learn_vip(struct migrate *m, const struct migrate_address *vip)
{
    for (size_t i = 0; i < m->n_vips; i++) {
        if (address_equals(&m->vips[i], vip)) {
            return;
        }
    }
    if (m->n_vips < MAX_VIPS) {
        m->vips[m->n_vips++] = *vip;
        m->next_hello = 0;
    } else {
        count(m, COUNTER_VIP_OVERFLOW);
    }
}

static struct tuple
packet_tuple(const struct packet *p)
{
    return (struct tuple) {
        .client = p->src,
        .service = p->dst,
        .client_port = p->src_port,
        .service_port = p->dst_port,
    };
}

void
migrate_lookup(const struct migrate *m, struct frame frames[], size_t n)
{
    struct packet p;

    for (size_t i = 0; i < n; i++) {
        frames[i].looked_up = frame_parse(&frames[i], &p) == FRAME_TCP;
        if (frames[i].looked_up) {
            struct tuple tuple = packet_tuple(&p);

            frames[i].bucket = record_bucket(m->records, &tuple);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (frames[i].looked_up) {
            record_prefetch(m->records, frames[i].bucket);
        }
    }
}

static struct record *
find_record(const struct migrate *m, const struct arrival *a)
{
    return (a->frame->looked_up
            ? record_find_in(m->records, a->frame->bucket, &a->tuple)
            : record_find(m->records, &a->tuple));
}

static enum migrate_verdict
syn(struct migrate *m, struct arrival *a)
{
    struct tcp_options *o = &a->options;
    struct syn_options syn;
    struct synack synack;
    struct record *r;
    uint32_t isn;

    if (a->packet.flags & (SEG_ACK | SEG_RST | SEG_FIN)) {
        return drop(m, COUNTER_DROP_FLAGS);
    }
    if (!address_is_unicast(engine_address(m, &a->packet.dst))) {
        return drop(m, COUNTER_DROP_FAMILY);
    }
    learn_vip(m, &a->packet.dst);

    syn.mss = o->mss ? o->mss : 536;    /* RFC 9293 3.7.1. */
    syn.wscale_ok = o->wscale_ok;
    syn.wscale = o->wscale;
    syn.sack_ok = o->sack_ok;
    isn = cookie_make(&m->secrets, &a->tuple, a->packet.seq, &syn);
    r = record_find(m->records, &a->tuple);
    if (r && r->isn != isn) {
        r->syn_seen = true;
        r->syn_generation = m->secrets.generation & 3;
        r->syn_cookie = isn & SYN_COOKIE_MASK;
        handoff_unplace(m, r);  /* What follows, the engine must see. */
    }

    o->mss = m->mtu - (a->packet.family == 4 ? 40 : 60);
    o->wscale = RCV_WSCALE;
    o->tsecr = o->tsval;
    synack.tuple = a->tuple;
    memcpy(synack.client_mac, a->frame->data + 6, 6);
    memcpy(synack.switch_mac, a->frame->data, 6);
    synack.tag = a->frame->tag;
    synack.client_isn = a->packet.seq;
    synack.isn = isn;
    synack.options = *o;
    synack_send(m, &synack, a->now);
    if (!protocol_needs_data(a->service->protocol)) {
        synack_keep(m, &synack, a->now);
    }
    count(m, COUNTER_SYN);
    return MIGRATE_DROP;
}

void
client_reply(struct migrate *m, struct pending *pending, uint8_t flags,
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
    client_reply(m, pending, SEG_ACK, pending->record->isn + 1, NULL, 0, now);
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
        client_reply(m, oldest, SEG_RST | SEG_ACK, oldest->record->isn + 1,
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
client_timeout(struct migrate *m, struct pending *pending, int64_t now)
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

/* What every packet of the client tells. */
static void
note_client(struct pending *pending, const struct arrival *a)
{
    const struct packet *p = &a->packet;

    pending->window = p->window;
    if (a->options.tstamp_ok
        && (int32_t) (a->options.tsval - pending->tsval) > 0) {
        pending->tsval = a->options.tsval;
    }
}

/* Takes in the 'len' bytes at 'data' at offset 'ofs' of the request, and the
 * FIN behind them if 'fin'. */
static enum migrate_verdict
take(struct migrate *m, struct pending *pending, uint32_t ofs,
     const void *data, uint32_t len, bool fin, int64_t now)
{
    if (ofs > ASSEMBLY_MAX
        || !assembly_add(&pending->assembly, ofs, data, len)) {
        return drop(m, COUNTER_DROP_WINDOW);
    }
    if (fin) {
        pending->fin = true;
        pending->fin_ofs = ofs + len;
    }
    charge(m, pending);
    if (pending->record->state == RECORD_GATHER) {
        classify(m, pending, now);
    } else if (pending->assembly.n_ranges) {
        reply_ack(m, pending, now);     /* Tells what is missing. */
    }
    return MIGRATE_DROP;
}

/* Takes a segment of a connection that no host was offered yet. */
static enum migrate_verdict
gather(struct migrate *m, struct record *r, struct arrival *a)
{
    struct pending *pending = r->pending;
    const struct packet *p = &a->packet;
    uint32_t ofs = p->seq - (pending->client_isn + 1);
    uint32_t len = p->payload_len;
    uint32_t old = 0;           /* Bytes from before the first. */

    r->touched = a->now;
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
    note_client(pending, a);
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

/* Makes a record for the connection whose cookie 'a' has proven. */
static enum migrate_verdict
connection_new(struct migrate *m, struct arrival *a,
               const struct syn_options *syn_options)
{
    const struct packet *p = &a->packet;
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
    r->vlan = vlan_tag_vid(a->frame->tag);
    r->isn = p->ack - 1;
    r->touched = r->made = a->now;
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

/* What a packet proves by acknowledging a cookie. */
enum proof {
    PROOF_NONE,
    PROOF_FIRST,                /* It has the first byte behind the SYN. */
    PROOF_PROBE,                /* It is a keepalive probe before that. */
};

static enum proof
prove(const struct migrate *m, const struct arrival *a,
      struct syn_options *syn_options)
{
    const struct packet *p = &a->packet;

    if (p->flags & SEG_RST || !(p->flags & SEG_ACK)) {
        return PROOF_NONE;
    } else if (cookie_check(&m->secrets, &a->tuple, p->seq - 1, p->ack - 1,
                            syn_options)) {
        return PROOF_FIRST;
    }
    /* RFC 9293 3.8.4: a probe has the sequence number before the next, and no
     * data or a byte of nonsense. */
    return (p->payload_len <= 1 && !(p->flags & SEG_FIN)
            && cookie_check(&m->secrets, &a->tuple, p->seq, p->ack - 1,
                            syn_options)
            ? PROOF_PROBE : PROOF_NONE);
}

/* A packet that has 'proof' of a connection that has no record; 'old', if
 * nonnull, is that of an earlier one. */
static enum migrate_verdict
newcomer(struct migrate *m, struct arrival *a, struct record *old,
         enum proof proof, const struct syn_options *syn_options)
{
    const struct packet *p = &a->packet;
    bool fin = p->flags & SEG_FIN;

    if (!tcp_options_parse(a->frame, p, &a->options)) {
        return drop(m, COUNTER_DROP_MALFORMED);
    } else if (proof == PROOF_PROBE) {
        reply_stateless(m, a, SEG_ACK, p->ack, p->seq + 1,
                        window_shift(syn_options), &a->options);
        return drop(m, COUNTER_PROBE);
    } else if (p->payload_len
               || (!fin && !protocol_needs_data(a->service->protocol))) {
        if (!frame_csum_ok(a->frame, p)) {
            return drop(m, COUNTER_DROP_CHECKSUM);
        }
        if (old) {
            count(m, COUNTER_REPLACED);
            if ((old->state == RECORD_LIVE && !old->standby)
                || old->state == RECORD_OFFERED) {
                a->replaced = m->hosts[old->host];
                a->replaced_flow_id = old->flow_id;
            }
            engine_forget(m, old);
        }
        return connection_new(m, a, syn_options);
    } else if (fin) {
        /* It closes without a request. */
        reply_stateless(m, a, SEG_FIN | SEG_ACK, p->ack, p->seq + 1,
                        window_shift(syn_options), &a->options);
        return drop(m, COUNTER_PROBE);
    }
    return drop(m, COUNTER_ACK_DROP);
}

/* Resets the connection of 'a', which nobody has. */
static enum migrate_verdict
reset(struct migrate *m, const struct arrival *a)
{
    struct tcp_options none = { .tstamp_ok = false };

    reply_stateless(m, a, SEG_RST, a->packet.ack, 0, 0, &none);
    return drop(m, COUNTER_RESET);
}

/* A packet that belongs to no record: only one that proves the cookie
 * matters. */
static enum migrate_verdict
stranger(struct migrate *m, struct arrival *a)
{
    const struct packet *p = &a->packet;
    struct syn_options syn_options;
    enum proof proof = prove(m, a, &syn_options);

    if (proof != PROOF_NONE) {
        return (audit_settled(m, a->now)
                ? newcomer(m, a, NULL, proof, &syn_options)
                : drop(m, COUNTER_DROP_UNSETTLED));
    } else if (p->flags & SEG_RST || !(p->flags & SEG_ACK)) {
        return drop(m, COUNTER_DROP_NO_RECORD);
    }
    audit_hurry(m, a->now);
    if (p->payload_len) {
        if (audit_nobodys(m, &a->tuple, p->seq, a->now)) {
            return reset(m, a);
        }
        return drop(m, COUNTER_DROP_COOKIE);
    }
    return drop(m, (p->flags & SEG_FIN ? COUNTER_DROP_NO_RECORD
                    : COUNTER_ACK_DROP));
}

/* Whether 'p' acknowledges the cookie of a connection that begins in place of
 * that of 'r'.  The host of 'r' would answer that with a reset, if it has the
 * old connection no more. */
static bool
is_ahead(const struct record *r, const struct packet *p)
{
    return (p->flags & SEG_ACK
            && !((p->ack - 1 - r->syn_cookie) & SYN_COOKIE_MASK));
}

/* Whether packets of the client port of 'r' may be another connection's, whose
 * SYN another switch may have answered. */
static bool
may_be_newer(const struct record *r)
{
    return r->syn_seen || r->standby || r->state == RECORD_LINGER;
}

/* Sends a packet on to the host of 'r' under its flow ID. */
static enum migrate_verdict
forward(struct migrate *m, struct record *r, struct arrival *a)
{
    const struct host *host = m->hosts[r->host];

    if (!host->mac_known) {
        return drop(m, COUNTER_DROP_NO_HOST);
    }
    if (r->state != RECORD_LINGER && !r->placed) {
        r->touched = a->now;
    }
    if (r->standby) {
        handoff_take_over(m, r);
    }
    r->packets++;
    r->vlan = vlan_tag_vid(a->frame->tag);
    r->bytes += a->frame->len;
    m->counters[COUNTER_ENCAPSULATED_BYTES] += a->frame->len;
    count(m, COUNTER_ENCAPSULATED);
    /* As from a router: the frame may leave where it came in, and bridges
     * there must not learn the client's address from it. */
    frame_redirect(a->frame, &a->packet, host->mac, m->mac,
                   engine_address(m, &host->address), &host->address,
                   htons(flow_id_src_port(r->flow_id)),
                   htons(flow_id_dst_port(r->flow_id)));
    a->frame->tag = vlan_tag_make(host->vlan, a->frame->tag);
    return MIGRATE_FORWARD;
}

/* A packet of a connection that its host has no more.  The client is told as
 * often as it asks: a reset may be lost, or answered with a challenge
 * (RFC 5961 3.2). */
static enum migrate_verdict
lost(struct migrate *m, struct record *r, struct arrival *a)
{
    const struct packet *p = &a->packet;

    if (p->flags & SEG_RST || !(p->flags & SEG_ACK)) {
        return drop(m, COUNTER_DROP_NO_RECORD);
    }
    r->told = true;
    r->touched = a->now;
    return reset(m, a);
}

/* Whether 'p' may be from the client of 'pending', as far as the windows go
 * that both ends may have opened meanwhile.  Who only knows the ports would
 * have to try (RFC 5961 5). */
static bool
in_window(const struct pending *pending, const struct packet *p)
{
    uint32_t ofs = p->seq - pending->client_isn;    /* 0: a keepalive. */
    uint32_t acked = p->ack - (pending->record->isn + 1);
    const struct syn_options *syn = &pending->syn;

    return (ofs <= UINT16_MAX << window_shift(syn)
            && (!(p->flags & SEG_ACK)
                || acked <= UINT16_MAX << (syn->wscale_ok ? syn->wscale
                                           : 0)));
}

/* A packet of a connection whose host has not confirmed yet.  It is for the
 * host to judge; what is read here must be the client's own and whole. */
static enum migrate_verdict
offered(struct migrate *m, struct record *r, struct arrival *a)
{
    struct pending *pending = r->pending;
    const struct packet *p = &a->packet;
    enum migrate_verdict verdict;

    if (!in_window(pending, p) || !frame_csum_ok(a->frame, p)) {
        return forward(m, r, a);
    }
    note_client(pending, a);
    if (p->flags & SEG_RST) {
        verdict = forward(m, r, a);
        if (p->seq - (pending->client_isn + 1) == pending->assembly.len) {
            count(m, COUNTER_CLIENT_RESET);
            handoff_released(m, r, a->now);
        }
        return verdict;
    }
    if (p->flags & SEG_ACK && p->ack != r->isn + 1) {
        /* Only the host can have sent what is acknowledged here. */
        count(m, COUNTER_CONFIRMED_ACK);
        handoff_confirmed(m, r, pending->client_isn + 1 + pending->acked,
                          a->now);
    }
    return forward(m, r, a);
}

static enum migrate_verdict
service_packet(struct migrate *m, struct arrival *a)
{
    const struct packet *p = &a->packet;
    struct record *r = find_record(m, a);
    struct syn_options syn_options;
    enum proof proof;

    if (!a->service && (!r || p->flags & SEG_SYN)) {
        return drop(m, COUNTER_DROP_NO_SERVICE);
    }
    if (!r) {
        return stranger(m, a);
    }
    if (may_be_newer(r) && a->service && p->ack - 1 != r->isn) {
        proof = prove(m, a, &syn_options);
        if (proof != PROOF_NONE) {
            return newcomer(m, a, r, proof, &syn_options);
        } else if (r->syn_seen && is_ahead(r, p)) {
            return drop(m, COUNTER_DROP_AHEAD);
        }
    }
    if (r->state == RECORD_LIVE || r->state == RECORD_LINGER) {
        return forward(m, r, a);
    }
    if (r->state == RECORD_LOST) {
        return lost(m, r, a);
    }
    if (!tcp_options_parse(a->frame, p, &a->options)) {
        return drop(m, COUNTER_DROP_MALFORMED);
    }
    if (r->state == RECORD_OFFERED) {
        return offered(m, r, a);
    }
    if (!frame_csum_ok(a->frame, p)) {
        return drop(m, COUNTER_DROP_CHECKSUM);
    }
    if (record_is_ours(r)) {
        return gather(m, r, a);
    }
    if (!in_window(r->pending, p)) {
        return drop(m, COUNTER_DROP_WINDOW);
    }
    note_client(r->pending, a);
    reject_packet(m, r->pending, p, a->now);
    return MIGRATE_DROP;
}

enum migrate_verdict
migrate_service_frame(struct migrate *m, uint32_t service_id,
                      struct frame *frame, int64_t now)
{
    struct arrival a = { .frame = frame, .now = now };
    struct packet *p = &a.packet;

    engine_note_frame(m, now);
    switch (frame_parse(frame, p)) {
    case FRAME_TCP:
        break;
    case FRAME_MALFORMED:
        return drop(m, COUNTER_DROP_MALFORMED);
    case FRAME_FRAGMENT:
        return drop(m, COUNTER_DROP_FRAGMENT);
    case FRAME_EXTENDED:
        return drop(m, COUNTER_DROP_EXTENDED);
    case FRAME_ICMP:
        return (m->configured ? icmp_packet(m, frame, p, now)
                : drop(m, COUNTER_DROP_NO_SERVICE));
    case FRAME_UDP:
    case FRAME_ARP:
    case FRAME_OTHER:
        return drop(m, COUNTER_DROP_NOT_TCP);
    }
    /* Not before migrate_run() has made the secrets of cookies. */
    a.service = (m->configured && m->secrets.ready
                 ? policy_service(m->generation->policy, service_id) : NULL);
    a.tuple = packet_tuple(p);
    if (!(p->flags & SEG_SYN) || !a.service) {
        return service_packet(m, &a);
    }
    if (!frame_csum_ok(frame, p)) {
        return drop(m, COUNTER_DROP_CHECKSUM);
    }
    return (tcp_options_parse(frame, p, &a.options)
            ? syn(m, &a) : drop(m, COUNTER_DROP_MALFORMED));
}
