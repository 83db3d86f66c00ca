/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* Frames for the switch itself: the sealed messages of hosts and of the
 * controller.  (What is about
 * Ethernet addresses is for neighbor.c.) */

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine.h"

#define HELLOS_UNANSWERED 3     /* Then a host is down: it was silent for
                                 * MIGRATE_HELLO_TIMEOUT at least, and asked
                                 * meanwhile.  Answers to older ones are not
                                 * taken. */
#define LOST_ASK 1000           /* ms between questions for the Ethernet address
                                 * of a lost host: there may be thousands. */

static void __attribute__((format(printf, 2, 3)))
log_event(struct migrate *m, const char *format, ...)
{
    char message[256];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    m->ops->log(m->aux, message);
}

static void
send_hello(struct migrate *m, struct host *host, int64_t now)
{
    struct migrate_header *message = engine_message(m);
    struct migrate_hello hello = {
        .next_flow_id = htonl(m->next_flow_id),
        .next_audit = htonl(host->audit.sequence + 1),
        .challenge = host->challenge,
    };
    uint8_t *at = (uint8_t *) (message + 1);
    uint16_t n = 0;

    if (host->challenge) {
        host->next_floor = m->next_flow_id;
    }
    memcpy(at, &hello, sizeof hello);
    at += sizeof hello;
    for (size_t i = 0; i < m->n_vips; i++) {
        if (address_is_v4(&m->vips[i]) == address_is_v4(&host->address)) {
            memcpy(at, &m->vips[i], sizeof m->vips[i]);
            at += sizeof m->vips[i];
            n++;
        }
    }
    engine_send(m, host, MIGRATE_HELLO, at - (uint8_t *) message, n,
                ++host->asked);
    host->said[host->asked % HOST_HELLOS] = now;
    host->unanswered++;
    count(m, COUNTER_HELLO);
}

/* Hosts have nothing of what they had, as their 'loss' says. */
static void
lose(struct migrate *m, const char *why, int64_t now)
{
    handoff_lose(m, now);
    for (size_t i = 0; i < m->n_hosts; i++) {
        struct host *host = m->hosts[i];

        if (host && host->loss) {
            log_event(m, "host %s %s: %"PRIu32" connections are lost",
                      host->name, why, host->n_lost);
            host->loss = LOSS_NONE;
            host->n_lost = 0;
        }
    }
}

void
control_hellos(struct migrate *m, int64_t now)
{
    bool losing = false;

    for (size_t i = 0; i < m->n_hosts; i++) {
        struct host *host = m->hosts[i];

        if (!host || !host_wanted(host)) {
            continue;
        }
        if (host->up && host->unanswered >= HELLOS_UNANSWERED
            && now - host->last_heard >= MIGRATE_HELLO_TIMEOUT) {
            host->up = false;
            host->seen = now;
            log_event(m, "host %s is down: no answer for %d ms", host->name,
                      (int) (now - host->last_heard));
        }
        if (!host->up && !host->lost && now - host->seen >= HOST_LOST) {
            host->lost = losing = true;
            host->loss = LOSS_AWAY;
        }
        /* A host that is away may come back with another address. */
        if (!host->up && (now >= host->next_ask || now < m->settle_by)) {
            neighbor_ask(m, host);
            host->next_ask = now + (host->lost ? LOST_ASK : 0);
        }
        if (host->mac_known) {
            send_hello(m, host, now);
        }
    }
    if (losing) {
        lose(m, "was away too long", now);
    }
}

void
control_abort(struct migrate *m, const struct host *host, uint32_t flow_id)
{
    struct migrate_header *message = engine_message(m);
    struct migrate_abort abort = { .flow_id = htonl(flow_id) };

    memcpy(message + 1, &abort, sizeof abort);
    engine_send(m, host, MIGRATE_ABORT, sizeof *message + sizeof abort, 1, 0);
    count(m, COUNTER_ABORT);
}

static void
report(struct migrate *m, struct host *host, const struct migrate_report *rep,
       int64_t now)
{
    struct record *r = record_find_flow(m->records, host->index,
                                        ntohl(rep->flow_id));

    if (!r || r->state == RECORD_REJECTED) {
        count(m, COUNTER_REPORT_UNKNOWN);
        if (rep->event == MIGRATE_CONFIRM && host->audit.complete
            && now - host->renewed > MIGRATE_DEADLINE) {
            /* Given up here meanwhile, so nobody would ever tell it.  It is
             * none of an earlier engine's: those are known. */
            control_abort(m, host, ntohl(rep->flow_id));
        }
        return;
    }
    switch (rep->event) {
    case MIGRATE_CONFIRM:
        if (r->state == RECORD_OFFERED) {
            handoff_confirmed(m, r, ntohl(rep->rcv_nxt), now);
        }
        break;
    case MIGRATE_REFUSE:
        /* A stopped engine asks again when it has heard all that came. */
        if (r->state == RECORD_OFFERED && !m->stopped) {
            handoff_refused(m, r, rep->reason, now);
        }
        break;
    case MIGRATE_RELEASE:
        handoff_released(m, r, now);
        break;
    case MIGRATE_KNOWN:
        if (r->state == RECORD_OFFERED && !r->pending->confirmed) {
            handoff_known(m, r, host, ntohl(rep->known_as), now);
        }
        break;
    default:
        count(m, COUNTER_DROP_CONTROL);
        break;
    }
}

/* A message of 'host' came under another epoch than it had: its status, which
 * would have said that it has begun anew, may have been lost. */
static void
ask_again(struct migrate *m, struct host *host, int64_t now)
{
    int64_t asked = host->said[host->asked % HOST_HELLOS];

    if (host->mac_known && now - asked >= SETTLE_INTERVAL) {
        send_hello(m, host, now);
    }
}

static void
reports(struct migrate *m, struct host *host,
        const struct migrate_header *header, int64_t now)
{
    const uint8_t *at = (const uint8_t *) (header + 1);
    size_t n = ntohs(header->count);

    if (ntohs(header->length)
        < sizeof *header + n * sizeof(struct migrate_report)) {
        count(m, COUNTER_DROP_CONTROL);
        return;
    }
    /* Flow IDs come again in another epoch.  What a host has that has begun
     * anew counts when its status has said so: that ends what it had. */
    if (ntohl(header->sequence) != m->epoch
        || ntohl(header->epoch) != host->epoch) {
        count(m, COUNTER_DROP_OLD);
        if (ntohl(header->sequence) == m->epoch) {
            ask_again(m, host, now);
        }
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct migrate_report rep;

        memcpy(&rep, at + i * sizeof rep, sizeof rep);
        report(m, host, &rep, now);
    }
}

static void
status(struct migrate *m, struct host *host, const struct frame *frame,
       const struct migrate_header *header, int64_t now)
{
    uint32_t sequence = ntohl(header->sequence);
    struct migrate_status s;

    if (ntohs(header->length) < sizeof *header + sizeof s) {
        count(m, COUNTER_DROP_CONTROL);
        return;
    }
    /* Each question is answered once, and soon: what else comes is a replay. */
    memcpy(&s, header + 1, sizeof s);
    if (ntohl(s.epoch) != m->epoch
        || (int32_t) (sequence - host->answered) <= 0
        || host->asked - sequence > HELLOS_UNANSWERED) {
        count(m, COUNTER_DROP_OLD);
        return;
    }
    host->answered = sequence;
    count(m, COUNTER_STATUS);
    if (!host->up) {
        /* The seal does not cover this, so a host that is up keeps what it
         * has. */
        host_set_mac(host, frame->data + 6, now);
    }
    if (host->epoch != ntohl(header->epoch)) {
        if (host->epoch) {
            host->loss = LOSS_CERTAIN;
            lose(m, "has begun anew", now);
        }
        host->epoch = ntohl(header->epoch);
        host->anew = true;
        host->audit.running = host->audit.complete = false;
        host->audit.next = now;
        host->news = 0;
    }
    if (s.challenge) {
        host->challenge = s.challenge;
        host->audit.next = now;     /* It has told nothing meanwhile. */
        send_hello(m, host, now);
        return;
    }
    if (host->challenge) {
        host->challenge = 0;
        if (host->anew || (now - host->taken
                           > MIGRATE_STALE - MIGRATE_HELLO_INTERVAL)) {
            host->anew = false;
            host->floor = host->next_floor;
            host->renewed = now;
        }
    }
    if (!host->up) {
        host->up = true;
        host->lost = false;
        log_event(m, "host %s is up", host->name);
        audit_begin(m, host, now);
    }
    host->load = ntohl(s.connections);
    host->others = ntohl(s.others);
    host->last_heard = now;
    host->taken = host->said[sequence % HOST_HELLOS];
    host->unanswered = 0;
}

/* Who sends from the switch's own address, and has the key, is the
 * controller. */
static void
controller_message(struct migrate *m, const struct migrate_address *own,
                   const struct migrate_header *header, int64_t now)
{
    if (header->type == MIGRATE_DECISION) {
        decide_decision(m, header, now);
    } else if (header->type == MIGRATE_LIST) {
        list_connections(m, own, header, now);
    } else {
        count(m, COUNTER_DROP_CONTROL);
    }
}

static enum migrate_verdict
message(struct migrate *m, const struct frame *frame,
        const struct packet *p, int64_t now)
{
    /* Aligned, for the structs of messages.h. */
    uint64_t buffer[MIGRATE_MESSAGE_MAX / 8];
    const struct migrate_header *header = (void *) buffer;
    bool from_controller = address_equals(&p->src, &p->dst);
    struct host *host = engine_find_host(m, &p->src);

    if (!host && !from_controller) {
        return drop(m, COUNTER_DROP_STRANGER);
    }
    if (p->payload_len > sizeof buffer
        || !address_equals(&p->dst, engine_address(m, &p->dst))) {
        return drop(m, COUNTER_DROP_CONTROL);
    }
    memcpy(buffer, frame->data + p->payload, p->payload_len);
    if (!seal_check(&m->keys, &p->src, &p->dst, buffer, p->payload_len)) {
        return drop(m, COUNTER_DROP_SEAL);
    }
    if (from_controller) {
        controller_message(m, &p->dst, header, now);
    } else if (header->type == MIGRATE_REPORT) {
        reports(m, host, header, now);
    } else if (header->type == MIGRATE_STATUS) {
        status(m, host, frame, header, now);
    } else if (header->type == MIGRATE_MAPPINGS) {
        audit_mappings(m, host, header, now);
    } else if (header->type == MIGRATE_NEWS) {
        audit_news(m, host, header, now);
    } else {
        count(m, COUNTER_DROP_CONTROL);
    }
    return MIGRATE_DROP;
}

enum migrate_verdict
migrate_control_frame(struct migrate *m, struct frame *frame, int64_t now)
{
    struct packet p;

    if (!m->configured) {
        return drop(m, COUNTER_DROP_CONTROL);
    }
    engine_note_frame(m, now);
    switch (frame_parse(frame, &p)) {
    case FRAME_UDP:
        if (p.dst_port != htons(MIGRATE_PORT)) {
            break;
        }
        if (!frame_csum_ok(frame, &p)) {
            return drop(m, COUNTER_DROP_CHECKSUM);
        }
        return message(m, frame, &p, now);
    case FRAME_ARP:
        return neighbor_arp(m, frame, &p, now);
    case FRAME_ICMP:
        return icmp_packet(m, frame, &p, now);
    case FRAME_MALFORMED:
        return drop(m, COUNTER_DROP_MALFORMED);
    case FRAME_FRAGMENT:
        return drop(m, COUNTER_DROP_FRAGMENT);
    case FRAME_TCP:
    case FRAME_EXTENDED:
    case FRAME_OTHER:
        break;
    }
    /* To pass it on would be to send it back to where it came from, with its
     * sender's address, and bridges there would learn that. */
    return drop(m, COUNTER_DROP_CONTROL);
}
