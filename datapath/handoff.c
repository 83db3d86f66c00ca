/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* Connections on their way to a host: the choice, the bundle until it is
 * confirmed, and the next host if it is refused. */

#include <arpa/inet.h>
#include <string.h>

#include "compile.h"
#include "engine.h"
#include "rule.h"

#define LAST_CHANCE 200         /* ms that a host needs to answer at least. */
#define ATTEMPT_MIN 10          /* Transmissions before a host is given up. */
#define PARTIAL_TIMEOUT 10000   /* ms to get all that was ACKed across. */
#define FLOW_ID_JUMP (1u << 20) /* Past those that another switch uses. */

static struct host *
record_host(const struct migrate *m, const struct record *r)
{
    return m->hosts[r->host];
}

static struct service *
record_service(const struct migrate *m, const struct record *r)
{
    return policy_service(m->generation->policy, r->service_id);
}

/* A flow ID that no known connection has: the connection counter's next.
 * Lingering records keep theirs, which is the quarantine.  None comes twice in
 * one epoch. */
static uint32_t
new_flow_id(struct migrate *m)
{
    uint32_t id;

    if (m->next_flow_id - m->epoch_start >= MIGRATE_EPOCH_FLOWS) {
        m->epoch_start = m->next_flow_id;
        m->epoch += 2;          /* It stays odd. */
        m->next_hello = 0;
        for (size_t i = 0; i < m->n_hosts; i++) {
            if (m->hosts[i]) {
                m->hosts[i]->anew = true;
            }
        }
    }
    do {
        id = m->next_flow_id++;
    } while (!flow_id_is_valid(id) || record_flow_used(m->records, id));
    return id;
}

/* Sends what of the request lies at 'from' and beyond in packets as the client
 * would, under the flow ID. */
static void
send_continuation(struct migrate *m, struct pending *pending, size_t from,
                  int64_t now)
{
    const struct record *r = pending->record;
    const struct host *host = record_host(m, r);
    const struct assembly *a = &pending->assembly;
    size_t max = (m->mtu - 20 - (address_is_v4(&host->address) ? 20 : 40)
                  - (pending->tstamp_ok ? 12 : 0));
    bool fin = pending->fin && pending->fin_ofs == a->len;
    struct tcp_options options = {
        .tstamp_ok = pending->tstamp_ok,
        .tsval = pending->tsval,
        .tsecr = pending_ts_clock(pending, now),
    };
    struct segment s = {
        .eth_dst = host->mac, .eth_src = m->mac,
        .src = engine_address(m, &host->address), .dst = &host->address,
        .src_port = htons(flow_id_src_port(r->flow_id)),
        .dst_port = htons(flow_id_dst_port(r->flow_id)),
        .ack = r->isn + 1,
        .window = pending->window,
        .options = &options,
    };

    while (from < a->len) {
        size_t left = a->len - from;

        s.seq = pending->client_isn + 1 + from;
        s.payload = a->data + from;
        s.payload_len = left < max ? left : max;
        from += s.payload_len;
        s.flags = (SEG_ACK | (from == a->len ? SEG_PSH : 0)
                   | (from == a->len && fin ? SEG_FIN : 0));
        count(m, COUNTER_CONTINUATION);
        engine_output(m, segment_build(&s, m->scratch),
                      vlan_tag_make(host->vlan, pending->tag));
    }
}

/* When the bundle of 'pending', which has been sent now, is to be sent again,
 * or its host given up. */
static int64_t
next_transmission(const struct pending *pending, int64_t now)
{
    const int64_t ends[] = {
        pending->offered + MIGRATE_ATTEMPT,
        pending->decided + MIGRATE_DEADLINE,
    };
    int64_t when = now + (pending->transmissions ? MIGRATE_RETRANSMIT
                          : MIGRATE_CONFIRM_WAIT);

    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        if (ends[i] > now && ends[i] < when) {
            when = ends[i];
        }
    }
    return when;
}

/* Compiles the connection and sends it to its host. */
static void
transmit(struct migrate *m, struct pending *pending, int64_t now)
{
    const struct record *r = pending->record;
    const struct host *host = record_host(m, r);
    struct connection connection = {
        .service_id = r->service_id,
        .data = pending->assembly.data,
        .data_len = pending->assembly.len,
        .fin = pending->fin && pending->fin_ofs == pending->assembly.len,
        .client_isn = pending->client_isn,
        .switch_isn = r->isn,
        .syn = pending->syn,
        .rcv_wscale = RCV_WSCALE,
        .tstamp_ok = pending->tstamp_ok,
        .tsval = pending->tsval,
        .tsecr = pending_ts_clock(pending, now),
        .window = pending->window,
        .tuple = r->tuple,
        .flow_id = r->flow_id,
    };
    size_t max = m->mtu - (udp_overhead(&host->address) - ETH_LEN);
    size_t taken, len;

    len = migrate_connection(&connection, engine_message(m), max,
                             &taken);
    if (!pending->transmissions) {
        pending->taken = taken;
    }
    engine_send(m, host, MIGRATE_BUNDLE, len, 0, pending->transmissions);
    count(m, pending->transmissions ? COUNTER_BUNDLE_RETRANSMIT
          : COUNTER_BUNDLE);
    m->counters[COUNTER_BUNDLE_BYTES] += udp_overhead(&host->address) + len;
    /* Another switch's bundle may have had less in it. */
    send_continuation(m, pending,
                      pending->confirmed ? pending->host_has : taken, now);
    timers_set(&m->timers, &pending->timer, next_transmission(pending, now));
    pending->transmissions++;
}

void
handoff_name(struct migrate *m, struct record *r, uint16_t host,
             uint32_t flow_id)
{
    if (r->flow_id) {
        record_host(m, r)->n_records--;
    }
    record_set_flow(m->records, r, host, flow_id);
    record_host(m, r)->n_records++;
}

/* Counts 'r' as a connection of its host and service, until handoff_end(). */
static void
begin(struct migrate *m, struct record *r)
{
    struct service *service = record_service(m, r);

    record_host(m, r)->n_connections++;
    if (service) {
        service->n_connections++;
    }
}

/* Offers the connection to the host with index 'index' as 'flow_id'. */
static void
offer(struct migrate *m, struct pending *pending, uint16_t index,
      uint32_t flow_id, int64_t now)
{
    struct record *r = pending->record;

    handoff_name(m, r, index, flow_id);
    r->state = RECORD_OFFERED;
    begin(m, r);
    if (pending->offers++) {
        /* Whoever had it before, or was this host before it was rebooted, may
         * have acknowledged as much. */
        pending->acked = pending->assembly.len;
    }
    pending->offered = now;
    pending->known = false;
    pending->transmissions = 0;
    transmit(m, pending, now);
}

/* The index of a host that did not have the chance yet, or -1. */
static int
next_host(const struct migrate *m, const struct pending *pending)
{
    const struct tuple *tuple = &pending->record->tuple;
    struct choice choice = {
        .client = &tuple->client,
        .random = record_hash(m->records, tuple),
        .affinity = pending->affinity,
        .tried = &pending->tried,
    };

    return pool_select(pending->pool, m->hosts, &choice);
}

/* Offers the connection to a host that did not have the chance yet. */
static void
offer_next(struct migrate *m, struct pending *pending, int64_t now)
{
    int host = (pending->pool && pending->tried.n < TRIED_MAX
                && now < pending->decided + MIGRATE_DEADLINE - LAST_CHANCE
                ? next_host(m, pending) : -1);

    if (host < 0) {
        reject_start(m, pending, 503, now);
        return;
    }
    if (pending->tried.n) {
        count(m, COUNTER_RETARGETED);
    }
    pending->record->chooser = (pending->affinity.set
                                ? MIGRATE_CHOOSER_AFFINITY
                                : MIGRATE_CHOOSER_POLICY);
    offer(m, pending, host, new_flow_id(m), now);
}

/* Notes for people by which rule the pool was selected. */
static void
note_rule(struct pending *pending)
{
    struct record *r = pending->record;

    if (pending->rule < 0) {
        r->rule = MIGRATE_RULE_DEFAULT;
    } else {
        r->rule = MIGRATE_RULE_MATCHED;
        r->rule_priority = pending->service->rules[pending->rule].priority;
    }
}

void
handoff_start(struct migrate *m, struct pending *pending,
              const struct request *request, int64_t now)
{
    TAILQ_REMOVE(&m->gathering, pending, by_age);
    pending->record->state = RECORD_DECIDED;
    pending->decided = now;
    pending->pool = service_classify(pending->service, request,
                                     &pending->rule);
    note_rule(pending);
    if (pending->pool && pending->pool->has_affinity) {
        affinity_read(&pending->pool->affinity, request, &pending->affinity);
    }
    if (!decide_ask(m, pending, request, now)) {
        offer_next(m, pending, now);
    }
}

void
handoff_choose(struct migrate *m, struct pending *pending,
               const struct host *host, int64_t now)
{
    m->n_asked--;
    pending->record->state = RECORD_DECIDED;
    pending->decided = now;
    if (host) {
        pending->record->chooser = MIGRATE_CHOOSER_CONTROLLER;
        offer(m, pending, host->index, new_flow_id(m), now);
    } else {
        offer_next(m, pending, now);
    }
}

/* What 'placement' is to do with packets of 'r': the same as the engine. */
static struct migrate_flow
record_flow(const struct migrate *m, const struct record *r,
            enum migrate_placement placement)
{
    const struct host *host = record_host(m, r);
    struct migrate_flow flow = {
        .placement = placement,
        .tuple = r->tuple,
        .service_id = r->service_id,
        .flow_id = r->flow_id,
        .src = *engine_address(m, &host->address),
        .dst = host->address,
        .client_vlan = r->vlan,
        .host_vlan = host->vlan,
    };

    memcpy(flow.eth_dst, host->mac, 6);
    memcpy(flow.eth_src, m->mac, 6);
    return flow;
}

void
handoff_place(struct migrate *m, struct record *r, int64_t now)
{
    struct migrate_flow flow = record_flow(m, r, r->wants);

    if (m->ops->place(m->aux, &flow)) {
        r->placed = r->wants;
        r->touched = now;
    }
}

void
handoff_unplace(struct migrate *m, struct record *r)
{
    if (r->placed) {
        struct migrate_flow flow = record_flow(m, r, r->placed);
        struct migrate_use use = { .packets = 0 };

        m->ops->unplace(m->aux, &flow, &use);
        r->packets += use.packets;
        r->bytes += use.bytes;
        r->placed = MIGRATE_PLACED_TABLE;
        r->client_ahead = true;
    }
}

void
handoff_end(struct migrate *m, struct record *r)
{
    struct service *service = record_service(m, r);
    struct host *host = record_host(m, r);

    host->n_connections--;
    host->n_standby -= r->standby;
    r->standby = false;
    if (service && service->n_connections) {
        service->n_connections--;
    }
    handoff_unplace(m, r);
}

static void
become_live(struct migrate *m, struct record *r)
{
    const struct service *service = record_service(m, r);

    r->state = RECORD_LIVE;
    r->audit = record_host(m, r)->audit.number;
    r->wants = service ? service->placement : MIGRATE_PLACED_TABLE;
}

void
handoff_adopt(struct migrate *m, struct record *r, bool standby)
{
    become_live(m, r);
    begin(m, r);
    r->standby = standby;
    record_host(m, r)->n_standby += standby;
    count(m, COUNTER_ADOPTED);
}

void
handoff_take_over(struct migrate *m, struct record *r)
{
    r->standby = false;
    record_host(m, r)->n_standby--;
    count(m, COUNTER_TAKEN_OVER);
}

void
handoff_confirmed(struct migrate *m, struct record *r, uint32_t rcv_nxt,
                  int64_t now)
{
    struct pending *pending = r->pending;
    struct service *service = record_service(m, r);
    uint32_t has = rcv_nxt - (pending->client_isn + 1);

    r->touched = now;
    if (!pending->confirmed) {
        pending->confirmed = true;
        count(m, COUNTER_CONFIRMED);
        record_host(m, r)->n_handoffs++;
        if (service) {
            service->n_handoffs++;
        }
    }
    if ((int32_t) has > 0) {
        pending->host_has = has;
    }
    if (pending->host_has < pending->acked) {
        return;                 /* The timer sends the rest again. */
    }
    pending_destroy(m, pending);
    become_live(m, r);
    r->made = now;
}

/* The host of 'pending' will not have it, for 'reason'. */
static void
give_up_host(struct migrate *m, struct pending *pending, uint8_t reason)
{
    struct record *r = pending->record;

    handoff_end(m, r);
    r->state = RECORD_DECIDED;
    r->reason = reason < MIGRATE_N_REASONS ? reason : MIGRATE_REASON_NONE;
    pending->tried.host[pending->tried.n++] = r->host;
    r->retargets = pending->tried.n;
}

void
handoff_refused(struct migrate *m, struct record *r, uint8_t reason,
                int64_t now)
{
    struct pending *pending = r->pending;

    if (pending->confirmed) {
        return;                 /* A late answer to a duplicate. */
    }
    count(m, COUNTER_REFUSED);
    record_host(m, r)->n_refused++;
    if (reason == MIGRATE_REASON_FLOW_ID && !pending->flow_id_changed) {
        /* The counter has run into flow IDs of another switch; unless it has
         * been moved on since this one. */
        pending->flow_id_changed = true;
        if (m->next_flow_id - r->flow_id < FLOW_ID_JUMP) {
            m->next_flow_id += FLOW_ID_JUMP;
        }
        handoff_end(m, r);
        offer(m, pending, r->host, new_flow_id(m), now);
        return;
    }
    give_up_host(m, pending, reason);
    offer_next(m, pending, now);
}

void
handoff_released(struct migrate *m, struct record *r, int64_t now)
{
    if (r->state == RECORD_OFFERED || r->state == RECORD_LIVE) {
        handoff_end(m, r);
        if (r->pending) {
            pending_destroy(m, r->pending);
        }
        r->state = RECORD_LINGER;
        r->touched = now;
        count(m, COUNTER_RELEASED);
    }
}

void
handoff_known(struct migrate *m, struct record *r, const struct host *host,
              uint32_t flow_id, int64_t now)
{
    struct pending *pending = r->pending;

    if (!flow_id_is_valid(flow_id)
        || record_find_flow(m->records, host->index, flow_id)) {
        return;
    }
    if (r->state == RECORD_GATHER) {
        TAILQ_REMOVE(&m->gathering, pending, by_age);
        pending->decided = now;
    } else if (r->state == RECORD_ASKED) {
        m->n_asked--;
        pending->decided = now;
    } else {
        handoff_end(m, r);
    }
    /* CONFIRM will answer, and say what the host has. */
    offer(m, pending, host->index, flow_id, now);
    pending->known = true;
}

/* Whether the host of 'r', which has not confirmed, takes no bundle under its
 * flow ID any more. */
static bool
is_outdated(const struct migrate *m, const struct record *r)
{
    const struct host *host = record_host(m, r);

    return (host->renewed && !r->pending->known
            && (int32_t) (r->flow_id - host->floor) < 0);
}

/* Whether the host of 'r' is known to have taken the connection. */
static bool
is_taken(const struct record *r)
{
    return (r->state == RECORD_LIVE
            || (r->state == RECORD_OFFERED && r->pending->confirmed));
}

void
handoff_lose(struct migrate *m, int64_t now)
{
    struct record *r;
    uint32_t at = 0;

    while ((r = record_next(m->records, &at))) {
        struct host *host = is_taken(r) ? record_host(m, r) : NULL;

        if (host && (host->loss == LOSS_CERTAIN
                     || (host->loss == LOSS_AWAY && !r->standby))) {
            handoff_end(m, r);
            if (r->pending) {
                pending_destroy(m, r->pending);
            }
            r->state = RECORD_LOST;
            r->told = false;
            r->hints = 0;
            r->touched = now;
            count(m, COUNTER_LOST);
            host->n_lost++;
        }
    }
}

void
handoff_timeout(struct migrate *m, struct pending *pending, int64_t now)
{
    struct record *r = pending->record;
    struct host *host = record_host(m, r);
    int64_t waited = now - pending->offered;

    if (pending->confirmed) {
        if (waited < PARTIAL_TIMEOUT) {
            transmit(m, pending, now);
        } else {
            handoff_confirmed(m, r, pending->client_isn + 1 + pending->acked,
                              now);
        }
        return;
    }
    if (is_outdated(m, r)) {
        /* If it was taken under the old one, KNOWN will say so. */
        handoff_end(m, r);
        offer(m, pending, r->host, new_flow_id(m), now);
        return;
    }
    /* A host that is heard of otherwise may yet answer. */
    if (now < pending->decided + MIGRATE_DEADLINE
        && (pending->transmissions < ATTEMPT_MIN
            || host->last_heard > pending->offered
            || waited < MIGRATE_ATTEMPT)) {
        transmit(m, pending, now);
        return;
    }
    count(m, COUNTER_SILENT);
    host->n_silent++;
    control_abort(m, host, r->flow_id);
    give_up_host(m, pending, MIGRATE_REASON_NONE);
    offer_next(m, pending, now);
}
