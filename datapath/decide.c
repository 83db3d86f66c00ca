/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* Connections whose host the controller is to choose.
 *
 * The request is complete, and a rule has selected a pool.  The controller is
 * told both (DECIDE), and says a host of that pool (DECISION).  Until then the
 * connection takes in what its client sends, as before.  If nothing comes in
 * time, the pool's policy chooses.
 *
 * A controller that is away would cost each connection that time.  So after a
 * few questions in a row without an answer, the connections of the service are
 * not asked about any more, but for one in BACK_OFF. */

#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

#include "engine.h"
#include "rule.h"

#define MAX_ASKED 1024          /* Questions that are open at a time. */
#define MAX_MISSES 3            /* In a row. */
#define BACK_OFF 1000           /* ms. */

/* The message, as it is filled. */
struct writer {
    uint8_t *at, *end;
    uint16_t n;                 /* Fields. */
};

/* Adds a field that consists of 'a' and 'b', cut if it is too long. */
static void
put_field(struct writer *w, uint8_t type, const char *a, size_t a_len,
          const char *b, size_t b_len)
{
    struct migrate_field field = { .type = type };
    size_t room = w->end - w->at;

    if (room <= sizeof field) {
        return;
    }
    room -= sizeof field;
    if (a_len > room) {
        a_len = room;
    }
    if (b_len > room - a_len) {
        b_len = room - a_len;
    }
    field.length = htons(a_len + b_len);
    memcpy(w->at, &field, sizeof field);
    w->at += sizeof field;
    if (a_len) {
        memcpy(w->at, a, a_len);
        w->at += a_len;
    }
    if (b_len) {
        memcpy(w->at, b, b_len);
        w->at += b_len;
    }
    w->n++;
}

static void
put_string(struct writer *w, uint8_t type, const char *s)
{
    put_field(w, type, s, strlen(s), NULL, 0);
}

static void
put_request_field(struct writer *w, uint8_t type,
                  const struct request_field *f)
{
    if (f->len) {
        put_field(w, type, f->s, f->len, NULL, 0);
    }
}

static void
put_request(struct writer *w, const struct request *request)
{
    put_request_field(w, MIGRATE_FIELD_METHOD, &request->method);
    put_request_field(w, MIGRATE_FIELD_HOST, &request->host);
    put_request_field(w, MIGRATE_FIELD_PATH, &request->path);
    put_request_field(w, MIGRATE_FIELD_SNI, &request->sni);
    put_request_field(w, MIGRATE_FIELD_ALPN, &request->alpn);
    for (size_t i = 0; i < request->n_headers; i++) {
        const struct http_header *h = &request->headers[i];
        const char *name = request->buffer + h->name.ofs;
        char start[HTTP_MAX_HEAD + 1];

        memcpy(start, name, h->name.len);
        start[h->name.len] = ':';
        put_field(w, MIGRATE_FIELD_HEADER, start, h->name.len + 1,
                  request->buffer + h->value.ofs, h->value.len);
    }
}

static void
send_question(struct migrate *m, struct pending *pending,
              const struct request *request)
{
    const struct tuple *tuple = &pending->record->tuple;
    const struct service *service = pending->service;
    const struct migrate_address *own = engine_address(m, &tuple->client);
    struct migrate_header *message = engine_message(m);
    struct migrate_decide decide = {
        .token = htobe64(pending->token),
        .service_id = htonl(service->id),
        .timeout = htonl(service->decide_timeout),
        .client = tuple->client,
        .service = tuple->service,
        .client_port = tuple->client_port,
        .service_port = tuple->service_port,
    };
    uint8_t *start = (uint8_t *) message;
    struct writer w = {
        .at = start + sizeof *message + sizeof decide,
        .end = start + MIGRATE_DECIDE_MAX,
    };

    memcpy(message + 1, &decide, sizeof decide);
    put_string(&w, MIGRATE_FIELD_POOL, pending->pool->name);
    put_string(&w, MIGRATE_FIELD_RULE, service_rule_text(service,
                                                         pending->rule));
    put_request(&w, request);
    while ((w.at - start) % 8) {
        *w.at++ = 0;
    }
    engine_send_to(m, own, MIGRATE_CONTROLLER_PORT, m->mac, 0, MIGRATE_DECIDE,
                   w.at - start, w.n, 0);
}

/* The service of 'pending' as it is configured now, or NULL. */
static struct service *
current_service(const struct migrate *m, const struct pending *pending)
{
    return policy_service(m->generation->policy, pending->record->service_id);
}

/* Whether the controller may be worth asking.  If it was not lately, the next
 * in BACK_OFF is the one to try it again. */
static bool
is_promising(const struct migrate *m, const struct pending *pending,
             int64_t now)
{
    struct service *service = current_service(m, pending);

    if (m->n_asked >= MAX_ASKED || !service) {
        return false;
    }
    if (service->decide_misses < MAX_MISSES) {
        return true;
    }
    if (now < service->decide_retry) {
        return false;
    }
    service->decide_retry = now + BACK_OFF;
    return true;
}

bool
decide_ask(struct migrate *m, struct pending *pending,
           const struct request *request, int64_t now)
{
    if (!pending->service->decide_timeout || !pending->pool) {
        return false;
    }
    if (!is_promising(m, pending, now)) {
        count(m, COUNTER_DECIDE_SKIPPED);
        return false;
    }
    pending->record->state = RECORD_ASKED;
    pending->token = (uint64_t) m->epoch << 32 | ++m->last_token;
    m->n_asked++;
    send_question(m, pending, request);
    timers_set(&m->timers, &pending->timer,
               now + pending->service->decide_timeout);
    count(m, COUNTER_DECIDE);
    return true;
}

void
decide_timeout(struct migrate *m, struct pending *pending, int64_t now)
{
    struct service *service = current_service(m, pending);

    count(m, COUNTER_DECIDE_TIMEOUT);
    if (service && ++service->decide_misses == MAX_MISSES) {
        service->decide_retry = now + BACK_OFF;
    }
    handoff_choose(m, pending, NULL, now);
}

/* The connection that waits for 'decision', or NULL. */
static struct pending *
find_asked(const struct migrate *m, const struct migrate_decision *decision)
{
    struct tuple tuple = {
        .client = decision->client,
        .service = decision->service,
        .client_port = decision->client_port,
        .service_port = decision->service_port,
    };
    struct record *r = record_find(m->records, &tuple);

    return (r && r->state == RECORD_ASKED
            && r->pending->token == be64toh(decision->token)
            ? r->pending : NULL);
}

void
decide_decision(struct migrate *m, const struct migrate_header *header,
                int64_t now)
{
    struct migrate_decision decision;
    const struct host *host;
    struct service *service;
    struct pending *pending;

    if (ntohs(header->length) < sizeof *header + sizeof decision) {
        count(m, COUNTER_DROP_CONTROL);
        return;
    }
    memcpy(&decision, header + 1, sizeof decision);
    pending = find_asked(m, &decision);
    /* Before a stopped engine has heard what came meanwhile, nothing more is
     * offered; and then it will be late for this. */
    if (!pending || m->stopped) {
        count(m, COUNTER_DROP_OLD);
        return;
    }
    service = current_service(m, pending);
    if (service) {
        service->decide_misses = 0;
    }
    if (decision.verdict != MIGRATE_DECISION_HOST) {
        count(m, COUNTER_DECIDE_DECLINED);
        handoff_choose(m, pending, NULL, now);
        return;
    }
    host = engine_find_host(m, &decision.host);
    if (!host || !pool_may_select(pending->pool, m->hosts,
                                  &decision.client, host->index)) {
        count(m, COUNTER_DECIDE_UNFIT);
        host = NULL;
    } else {
        count(m, COUNTER_DECIDED);
    }
    handoff_choose(m, pending, host, now);
}
