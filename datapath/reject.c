/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* The word to a client whose connection no host takes, in the protocol that
 * it speaks: an error response or an alert; where there is no word for it, a
 * reset. */

#include <stdio.h>
#include <string.h>

#include "engine.h"

#define REJECT_RETRANSMIT 300   /* ms between transmissions. */
#define REJECT_TIMEOUT 2000     /* ms for the client to take it. */

struct rejection {
    unsigned int status;        /* RFC 9110 15. */
    const char *reason;
    const char *text;
    enum migrate_counter counter;
};

static const struct rejection rejections[] = {
    { 400, "Bad Request", "The request was not understood.\n",
      COUNTER_REJECT_400 },
    { 408, "Request Timeout", "The request was not complete in time.\n",
      COUNTER_REJECT_408 },
    { 431, "Request Header Fields Too Large",
      "The head of the request is too large.\n", COUNTER_REJECT_431 },
    { 503, "Service Unavailable",
      "No host could take the connection now.\n", COUNTER_REJECT_503 },
};

#define RESPONSE_MAX 512        /* Bytes. */

static size_t
format_http(const struct rejection *rejection, char buf[RESPONSE_MAX])
{
    return snprintf(buf, RESPONSE_MAX,
                    "HTTP/1.1 %u %s\r\n"
                    "Content-Type: text/plain\r\n"
                    "Content-Length: %zu\r\n"
                    "%s"
                    "Connection: close\r\n"
                    "\r\n"
                    "%s",
                    rejection->status, rejection->reason,
                    strlen(rejection->text),
                    rejection->status == 503 ? "Retry-After: 1\r\n" : "",
                    rejection->text);
}

/* Writes what the client of 'pending' is told to 'buf'.  Returns its length, 0
 * if there is nothing to tell. */
static size_t
format_response(const struct pending *pending, char buf[RESPONSE_MAX])
{
    const struct rejection *rejection = pending->rejection;

    switch (pending->protocol) {
    case PROTOCOL_HTTP:
        return format_http(rejection, buf);
    case PROTOCOL_H2C:
        return h2_refusal(pending->assembly.data, pending->assembly.len,
                          rejection->status, (uint8_t *) buf);
    case PROTOCOL_TLS:
        /* TLS has alerts for what a client said, none for what we lack. */
        if (rejection->status == 400 || rejection->status == 431) {
            tls_alert(pending->assembly.data, pending->assembly.len,
                      (uint8_t *) buf);
            return TLS_ALERT_LEN;
        }
        break;
    case PROTOCOL_TCP:
    case PROTOCOL_AUTO:
        break;
    }
    return 0;
}

static void
respond(struct migrate *m, struct pending *pending, int64_t now)
{
    char response[RESPONSE_MAX];
    size_t len = format_response(pending, response);

    pending_reply(m, pending, SEG_PSH | SEG_ACK | SEG_FIN,
                 pending->record->isn + 1, response, len, now);
    timers_set(&m->timers, &pending->timer, now + REJECT_RETRANSMIT);
}

void
reject_start(struct migrate *m, struct pending *pending, unsigned int status,
             int64_t now)
{
    struct record *r = pending->record;
    char response[RESPONSE_MAX];

    if (r->state == RECORD_GATHER) {
        TAILQ_REMOVE(&m->gathering, pending, by_age);
    }
    for (size_t i = 0; i < sizeof rejections / sizeof rejections[0]; i++) {
        if (rejections[i].status == status) {
            pending->rejection = &rejections[i];
        }
    }
    r->state = RECORD_REJECTED;
    TAILQ_INSERT_TAIL(&m->rejecting, pending, by_age);
    pending->discarded = pending->assembly.len;
    count(m, pending->rejection->counter);
    if (!format_response(pending, response)) {
        count(m, COUNTER_RESET);
        pending_reply(m, pending, SEG_RST | SEG_ACK, r->isn + 1, NULL, 0, now);
        engine_forget(m, r);
        return;
    }
    pending->rejected = now;
    respond(m, pending, now);
}

/* The sequence number after the response and its FIN. */
static uint32_t
response_end(const struct pending *pending)
{
    char response[RESPONSE_MAX];

    return (pending->record->isn + 1
            + format_response(pending, response) + 1);
}

void
reject_packet(struct migrate *m, struct pending *pending,
              const struct packet *p, int64_t now)
{
    uint32_t ofs = p->seq - (pending->client_isn + 1);
    uint32_t end = ofs + p->payload_len;

    if (p->flags & SEG_RST) {
        if (ofs - pending->discarded <= pending->fin) {     /* RFC 5961 3.2. */
            engine_forget(m, pending->record);
        }
        return;
    }
    if (p->ack == response_end(pending)) {
        pending->response_acked = true;
    }
    /* What else it sends is taken in and thrown away: a reset now could
     * overtake the response (RFC 9112 9.6). */
    if ((int32_t) (ofs - pending->discarded) <= 0
        && (int32_t) (end - pending->discarded) > 0) {
        pending->discarded = end;
    }
    if (p->flags & SEG_FIN) {
        pending->fin = true;
        pending->fin_ofs = end;
    }
    if (p->payload_len || p->flags & SEG_FIN) {
        pending_reply(m, pending, SEG_ACK, response_end(pending), NULL, 0,
                     now);
    }
}

void
reject_timeout(struct migrate *m, struct pending *pending, int64_t now)
{
    if (now < pending->rejected + REJECT_TIMEOUT) {
        if (!pending->response_acked) {
            respond(m, pending, now);
        } else {
            timers_set(&m->timers, &pending->timer,
                       pending->rejected + REJECT_TIMEOUT);
        }
    } else {
        reject_end(m, pending, now);
    }
}

void
reject_end(struct migrate *m, struct pending *pending, int64_t now)
{
    if (!pending->response_acked || !pending->fin) {
        count(m, COUNTER_RESET);
        pending_reply(m, pending, SEG_RST | SEG_ACK, response_end(pending),
                     NULL, 0, now);
    }
    engine_forget(m, pending->record);
}
