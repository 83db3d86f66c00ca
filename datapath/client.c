/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* Packets of clients: the handshake without memory, and everything after the
 * handoff.  What is in between, the request, is for gather.c. */

#include <arpa/inet.h>
#include <string.h>

#include "engine.h"

#define FAR (16u << 20)         /* Bytes: more than a window of RCV_WSCALE. */

/* Answers 'a' without a record.  'options' are those of 'a', which become
 * those of the answer. */
static void
reply_stateless(struct migrate *m, const struct arrival *a, uint8_t flags,
                uint32_t seq, uint32_t ack, unsigned int window_shift,
                struct tcp_options *options)
{
    const struct packet *p = a->packet;
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
    for (size_t i = 0; i < n; i++) {
        struct packet *p = &frames[i].packet;

        frames[i].looked_up = true;
        frames[i].kind = frame_parse(&frames[i], p);
        if (frames[i].kind == FRAME_TCP) {
            struct tuple tuple = packet_tuple(p);

            frames[i].bucket = record_bucket(m->records, &tuple);
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (frames[i].kind == FRAME_TCP) {
            record_prefetch(m->records, frames[i].bucket);
        }
    }
}

static enum migrate_verdict
syn(struct migrate *m, struct arrival *a)
{
    struct tcp_options *o = &a->options;
    struct syn_options syn;
    struct synack synack;
    struct record *r;
    uint32_t isn;

    if (a->packet->flags & (SEG_ACK | SEG_RST | SEG_FIN)) {
        return drop(m, COUNTER_DROP_FLAGS);
    }
    if (!address_is_unicast(engine_address(m, &a->packet->dst))) {
        return drop(m, COUNTER_DROP_FAMILY);
    }
    learn_vip(m, &a->packet->dst);

    syn.mss = o->mss ? o->mss : 536;    /* RFC 9293 3.7.1. */
    syn.wscale_ok = o->wscale_ok;
    syn.wscale = o->wscale;
    syn.sack_ok = o->sack_ok;
    isn = cookie_make(&m->secrets, &a->tuple, a->packet->seq, &syn);
    r = record_find_in(m->records, a->frame->bucket, &a->tuple);
    if (r && r->isn != isn) {
        r->syn_seen = true;
        r->syn_generation = m->secrets.generation & 3;
        r->syn_cookie = isn & SYN_COOKIE_MASK;
        handoff_unplace(m, r);  /* What follows, the engine must see. */
    }

    o->mss = m->mtu - (a->packet->family == 4 ? 40 : 60);
    o->wscale = RCV_WSCALE;
    o->tsecr = o->tsval;
    synack.tuple = a->tuple;
    memcpy(synack.client_mac, a->frame->data + 6, 6);
    memcpy(synack.switch_mac, a->frame->data, 6);
    synack.tag = a->frame->tag;
    synack.client_isn = a->packet->seq;
    synack.isn = isn;
    synack.options = *o;
    synack_send(m, &synack, a->now);
    if (!protocol_needs_data(a->service->protocol)) {
        synack_keep(m, &synack, a->now);
    }
    count(m, COUNTER_SYN);
    return MIGRATE_DROP;
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
    const struct packet *p = a->packet;

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
    const struct packet *p = a->packet;
    bool fin = p->flags & SEG_FIN;

    if (!audit_settled(m, a->now)) {
        return drop(m, COUNTER_DROP_UNSETTLED); /* A host may have it. */
    } else if (!tcp_options_parse(a->frame, p, &a->options)) {
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
        return gather_begin(m, a, syn_options);
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

    reply_stateless(m, a, SEG_RST, a->packet->ack, 0, 0, &none);
    return drop(m, COUNTER_RESET);
}

/* A packet that belongs to no record: only one that proves the cookie
 * matters. */
static enum migrate_verdict
stranger(struct migrate *m, struct arrival *a)
{
    const struct packet *p = a->packet;
    struct syn_options syn_options;
    enum proof proof = prove(m, a, &syn_options);

    if (proof != PROOF_NONE) {
        return newcomer(m, a, NULL, proof, &syn_options);
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

/* Whether 'p' is further from the last packet of 'r', in both directions, than
 * a packet of the same connection would be. */
static bool
is_far(const struct record *r, const struct packet *p)
{
    return (r->client_known && !r->client_ahead
            && p->seq - r->client_seq + FAR > 2 * FAR
            && p->ack - r->client_ack + FAR > 2 * FAR);
}

/* Whether packets of the client port of 'r' may be another connection's, whose
 * SYN another switch may have answered. */
static bool
may_be_newer(const struct record *r)
{
    return (r->syn_seen || r->standby || r->client_ahead
            || r->state == RECORD_LINGER);
}

/* Whether the kernel may go on with packets of 'r'. */
static bool
may_place(const struct record *r)
{
    return (r->wants == MIGRATE_PLACED_KERNEL && r->state == RECORD_LIVE
            && !r->syn_seen);
}

/* Has who sends 'p' on have 'r' placed in the kernel; returns whether it is to.
 * Where that cannot be, to find out costs more than to send the packet on: so
 * once a second. */
static bool
ask_to_place(struct record *r, const struct packet *p, int64_t now)
{
    uint8_t second = now / 1000 % UINT8_MAX + 1;

    if (r->asked_to_place == second || !may_place(r)
        || p->flags & (SEG_FIN | SEG_RST)) {
        return false;
    }
    r->asked_to_place = second;
    r->placeable = true;
    return true;
}

/* Sends a packet on to the host of 'r' under its flow ID. */
static enum migrate_verdict
forward(struct migrate *m, struct record *r, struct arrival *a)
{
    const struct host *host = m->hosts[r->host];

    if (!host->mac_known) {
        return drop(m, COUNTER_DROP_NO_HOST);
    }
    if (r->state != RECORD_LINGER && r->placed != MIGRATE_PLACED_FLOW) {
        r->touched = a->now;
    }
    if (r->standby) {
        handoff_take_over(m, r);
    }
    r->packets++;
    r->bytes += a->frame->len;
    m->counters[COUNTER_ENCAPSULATED_BYTES] += a->frame->len;
    count(m, COUNTER_ENCAPSULATED);
    /* As from a router: the frame may leave where it came in, and bridges
     * there must not learn the client's address from it. */
    frame_redirect(a->frame, a->packet, host->mac, m->mac,
                   engine_address(m, &host->address), &host->address,
                   htons(flow_id_src_port(r->flow_id)),
                   htons(flow_id_dst_port(r->flow_id)));
    a->frame->tag = vlan_tag_make(host->vlan, a->frame->tag);
    a->frame->placeable = ask_to_place(r, a->packet, a->now);
    if (a->frame->placeable) {
        handoff_unplace(m, r);  /* The kernel has let go of it. */
    }
    return MIGRATE_FORWARD;
}

/* A packet of a connection that its host has no more.  The client is told as
 * often as it asks: a reset may be lost, or answered with a challenge
 * (RFC 5961 3.2). */
static enum migrate_verdict
lost(struct migrate *m, struct record *r, struct arrival *a)
{
    const struct packet *p = a->packet;

    if (p->flags & SEG_RST || !(p->flags & SEG_ACK)) {
        lost_reset(r, p);
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

/* Whether 'p' goes on where all that came from the client of 'pending' ends,
 * which nobody hits by guessing. */
static bool
is_next(const struct pending *pending, const struct packet *p)
{
    uint32_t len = pending->assembly.len;
    bool fin = pending->fin && pending->fin_ofs == len;

    return p->seq - (pending->client_isn + 1) == len + fin;
}

/* A packet of a connection whose host has not confirmed yet.  It is for the
 * host to judge; what is read here must be the client's own and whole. */
static enum migrate_verdict
offered(struct migrate *m, struct record *r, struct arrival *a)
{
    struct pending *pending = r->pending;
    const struct packet *p = a->packet;
    enum migrate_verdict verdict;

    if (!in_window(pending, p) || !frame_csum_ok(a->frame, p)) {
        return forward(m, r, a);
    }
    gather_note(pending, a);
    if (p->flags & SEG_RST) {
        verdict = forward(m, r, a);
        if (p->seq - (pending->client_isn + 1) == pending->assembly.len) {
            count(m, COUNTER_CLIENT_RESET);
            handoff_released(m, r, a->now);
        }
        return verdict;
    }
    if (p->flags & SEG_ACK && p->ack != r->isn + 1 && pending->offers == 1
        && is_next(pending, p)) {
        /* Only the host can have sent what is acknowledged here.  If several
         * were offered the connection, or one as several flow IDs, they have
         * to say themselves who has it. */
        count(m, COUNTER_CONFIRMED_ACK);
        handoff_confirmed(m, r, pending->client_isn + 1 + pending->taken,
                          a->now);
    } else {
        gather_keep(m, pending, a);
    }
    return forward(m, r, a);
}

static enum migrate_verdict
service_packet(struct migrate *m, struct arrival *a)
{
    const struct packet *p = a->packet;
    struct record *r = record_find_in(m->records, a->frame->bucket,
                                      &a->tuple);
    struct syn_options syn_options;
    enum proof proof;
    bool far;

    if (!a->service && (!r || p->flags & SEG_SYN)) {
        return drop(m, COUNTER_DROP_NO_SERVICE);
    }
    if (!r) {
        return stranger(m, a);
    }
    far = is_far(r, p);
    if ((far || may_be_newer(r)) && a->service && p->ack - 1 != r->isn) {
        proof = prove(m, a, &syn_options);
        if (proof != PROOF_NONE) {
            return newcomer(m, a, r, proof, &syn_options);
        } else if (r->syn_seen && is_ahead(r, p)) {
            return drop(m, COUNTER_DROP_AHEAD);
        }
    }
    if (!far) {
        note_client(r, a);
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
        return gather_packet(m, r, a);
    }
    if (!in_window(r->pending, p)) {
        return drop(m, COUNTER_DROP_WINDOW);
    }
    gather_note(r->pending, a);
    reject_packet(m, r->pending, p, a->now);
    return MIGRATE_DROP;
}

void
migrate_place(struct migrate *m, const struct migrate_address *address,
              uint32_t flow_id, int64_t now)
{
    const struct host *host = engine_find_host(m, address);
    struct record *r = (host ? record_find_flow(m->records, host->index,
                                                flow_id) : NULL);

    if (r && r->placeable) {
        r->placeable = false;
        if (may_place(r)) {
            handoff_place(m, r, now);
        }
    }
}

enum migrate_verdict
migrate_service_frame(struct migrate *m, uint32_t service_id,
                      struct frame *frame, int64_t now)
{
    const struct packet *p = &frame->packet;
    struct arrival a = { .frame = frame, .packet = p, .now = now };

    engine_note_frame(m, now);
    if (!frame->looked_up) {
        migrate_lookup(m, frame, 1);
    }
    switch (frame->kind) {
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
