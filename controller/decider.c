/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "decider.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "channel.h"
#include "controller/ovs-migrate-idl.h"
#include "events.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "question.h"
#include "seal.h"
#include "smap.h"
#include "timeval.h"
#include "utf8.h"
#include "util.h"
#include "webhook.h"

#define MAX_DECISIONS 1000      /* That are remembered. */
#define MAX_MISSES 3            /* Of a webhook, in a row... */
#define BACK_OFF_MSEC 1000      /* ...and then it is left alone so long. */
#define EVENT_MSEC 10000        /* Between two events about a webhook. */
#define FORGET_MSEC 1000        /* What hosts were given counts half. */
#define NAME_SHOWN 64           /* Bytes, of a host that a webhook invents. */

/* What is known of a service's webhook. */
struct hook {
    char *url;
    unsigned int misses;
    long long int retry;
    char *complaint;            /* For an event, or NULL. */
    long long int next_event;
};

/* A question that a webhook was asked. */
struct asked {
    struct decider *decider;
    struct question question;
    struct keyring keys;
};

struct decider {
    const struct ovsdb_idl *idl;
    decider_send_cb *send;
    void *aux;
    struct webhooks *webhooks;
    struct shash hooks;         /* Of "struct hook"s, by service. */

    struct shash given;         /* Of doubles, by host: new connections. */
    long long int forgotten;

    struct json *decisions[MAX_DECISIONS];      /* A ring. */
    unsigned long long int n_decisions;
};

struct decider_statistics decider_statistics;

struct decider *
decider_create(const struct ovsdb_idl *idl, decider_send_cb *send, void *aux)
{
    struct decider *d = xzalloc(sizeof *d);

    d->idl = idl;
    d->send = send;
    d->aux = aux;
    d->webhooks = webhooks_create();
    shash_init(&d->hooks);
    shash_init(&d->given);
    return d;
}

void
decider_destroy(struct decider *d)
{
    struct shash_node *node;

    webhooks_destroy(d->webhooks);
    SHASH_FOR_EACH (node, &d->hooks) {
        struct hook *hook = node->data;

        free(hook->url);
        free(hook->complaint);
    }
    shash_destroy_free_data(&d->hooks);
    shash_destroy_free_data(&d->given);
    for (size_t i = 0; i < MAX_DECISIONS; i++) {
        json_destroy(d->decisions[i]);
    }
    free(d);
}

/* The controller's own choice. */

/* What each host was given counts less and less, so that a host that comes
 * back is not given everything to catch up. */
static void
forget(struct decider *d)
{
    struct shash_node *node;

    if (time_msec() - d->forgotten < FORGET_MSEC) {
        return;
    }
    d->forgotten = time_msec();
    SHASH_FOR_EACH_SAFE (node, &d->given) {
        double *given = node->data;

        *given /= 2;
        if (*given < 0.01) {
            free(given);
            shash_delete(&d->given, node);
        }
    }
}

static void
give(struct decider *d, const char *host)
{
    double *given = shash_find_data(&d->given, host);

    if (!given) {
        given = xzalloc(sizeof *given);
        shash_add(&d->given, host, given);
    }
    *given += 1;
}

/* The candidate that was given least for its weight, or NULL if there is
 * none. */
static const struct candidate *
choose(struct decider *d, const struct question *q)
{
    const struct candidate *best = NULL;
    double best_share = 0;

    for (size_t i = 0; i < q->n_candidates; i++) {
        const struct candidate *c = &q->candidates[i];
        const double *given = shash_find_data(&d->given, c->name);
        double share = ((given ? *given : 0) + 1) / c->weight;

        if (!best || share < best_share) {
            best = c;
            best_share = share;
        }
    }
    return best;
}

/* Answers. */

static void
remember(struct decider *d, const struct question *q, const char *host,
         const char *by, const char *why)
{
    struct json *json = question_to_json(q);
    struct json **slot = &d->decisions[d->n_decisions++ % MAX_DECISIONS];

    json_object_put(json, "time", json_integer_create(q->wall));
    json_object_put(json, "msec", json_integer_create(time_msec()
                                                      - q->begun));
    json_object_put(json, "host", host ? json_string_create(host)
                    : json_null_create());
    json_object_put_string(json, "by", by);
    if (why) {
        json_object_put_string(json, "why", why);
    }
    json_destroy(*slot);
    *slot = json;
}

/* Tells the switch 'c', or, if that is null, that its policy is to decide. */
static void
answer(struct decider *d, const struct keyring *keys,
       const struct question *q, const struct candidate *c)
{
    struct migrate_decision decision = {
        .token = q->decide.token,
        .client = q->decide.client,
        .service = q->decide.service,
        .client_port = q->decide.client_port,
        .service_port = q->decide.service_port,
        .verdict = c ? MIGRATE_DECISION_HOST : MIGRATE_DECISION_POLICY,
    };
    void *frame;
    size_t len;

    if (c) {
        decision.host = c->address;
        give(d, c->name);
    }
    frame = channel_seal(keys, &q->end, MIGRATE_DECISION, &decision,
                         sizeof decision, &len);
    d->send(d->aux, q->end.dpid, frame, len);
    free(frame);
}

/* Decides 'q' without a webhook; 'why', or NULL, is why it has not. */
static void
decide(struct decider *d, const struct keyring *keys,
       const struct question *q, const char *why)
{
    const struct candidate *c = choose(d, q);

    decider_statistics.by_controller += c != NULL;
    decider_statistics.by_policy += !c;
    answer(d, keys, q, c);
    remember(d, q, c ? c->name : NULL, c ? "controller" : "switch",
             c ? why : "no host of the pool is ready");
}

/* Webhooks. */

static struct hook *
get_hook(struct decider *d, const struct question *q)
{
    struct hook *hook = shash_find_data(&d->hooks, q->service);

    if (!hook) {
        hook = xzalloc(sizeof *hook);
        shash_add(&d->hooks, q->service, hook);
    }
    if (!hook->url || strcmp(hook->url, q->webhook)) {
        free(hook->url);
        hook->url = xstrdup(q->webhook);
        hook->misses = 0;
    }
    return hook;
}

static void
complain(struct hook *hook, const char *why)
{
    free(hook->complaint);
    hook->complaint = xstrdup(why);
}

static void
missed(struct hook *hook, const char *why)
{
    decider_statistics.failed++;
    if (++hook->misses >= MAX_MISSES) {
        hook->retry = time_msec() + BACK_OFF_MSEC;
    }
    complain(hook, why);
}

/* What a webhook has answered with status 200: the candidate that 'body'
 * names, or NULL and why not, which the caller frees. */
static const struct candidate *
read_answer(const struct question *q, const char *body, char **why)
{
    struct json *json = json_from_string(body);
    const struct candidate *c = NULL;
    const struct json *host = NULL;

    *why = NULL;
    if (json->type == JSON_OBJECT) {
        host = shash_find_data(json_object(json), "host");
    }
    if (!host || host->type != JSON_STRING) {
        *why = xstrdup("the answer is no object with a string \"host\"");
    } else if (!(c = question_candidate(q, json_string(host)))) {
        char *name = utf8_clean(json_string(host),
                                strnlen(json_string(host), NAME_SHOWN));

        *why = xasprintf("the answer \"%s\" is no host of pool \"%s\" that "
                         "is ready", name, q->pool);
        free(name);
    }
    json_destroy(json);
    return c;
}

static void
webhook_answered(void *asked_, int status, const char *body)
{
    struct asked *asked = asked_;
    struct decider *d = asked->decider;
    struct question *q = &asked->question;
    struct hook *hook = get_hook(d, q);
    const struct candidate *c = NULL;
    char *why = NULL;

    if (status == 200) {
        c = read_answer(q, body, &why);
        hook->misses = 0;
        if (!c) {
            decider_statistics.unfit++;
            decider_statistics.by_policy++;
            complain(hook, why);
            answer(d, &asked->keys, q, NULL);
            remember(d, q, NULL, "switch", why);
        } else {
            decider_statistics.by_webhook++;
            answer(d, &asked->keys, q, c);
            remember(d, q, c->name, "webhook", NULL);
        }
    } else if (status == 204) {
        hook->misses = 0;
        decide(d, &asked->keys, q, NULL);
    } else {
        why = (status ? xasprintf("the webhook answers with status %d",
                                  status)
               : xasprintf("no answer of the webhook: %s", body));
        missed(hook, why);
        decide(d, &asked->keys, q, why);
    }
    free(why);
    question_uninit(q);
    free(asked);
}

/* Asks the webhook, and takes '*q' over.  Returns NULL, or why not. */
static const char *
ask(struct decider *d, const struct keyring *keys, struct question *q)
{
    struct hook *hook = get_hook(d, q);
    unsigned int timeout = ntohl(q->decide.timeout);
    struct asked *asked;
    struct json *json;
    char *body;
    bool ok;

    if (hook->misses >= MAX_MISSES) {
        if (time_msec() < hook->retry) {
            decider_statistics.skipped++;
            return "the webhook did not answer before";
        }
        hook->retry = time_msec() + BACK_OFF_MSEC;
    }
    asked = xmalloc(sizeof *asked);
    asked->decider = d;
    asked->keys = *keys;
    asked->question = *q;
    json = question_to_json(q);
    body = json_to_string(json, 0);
    /* Time for the answer to get to the switch. */
    ok = webhooks_post(d->webhooks, q->webhook, body, MAX(timeout * 4 / 5, 1),
                       webhook_answered, asked);
    json_destroy(json);
    free(body);
    if (!ok) {
        decider_statistics.skipped++;
        free(asked);
        return "too many questions to webhooks are open";
    }
    return NULL;
}

/* The whole. */

void
decider_receive(struct decider *d, const struct keyring *keys,
                const struct channel_end *end, const char *sw,
                const struct switch_weights *weights,
                const struct migrate_header *header)
{
    const char *why = NULL;
    struct question q;

    decider_statistics.asked++;
    if (!question_init(&q, d->idl, end, sw, weights, header)) {
        decider_statistics.malformed++;
        return;
    }
    forget(d);
    if (!q.webhook || !q.n_candidates || (why = ask(d, keys, &q))) {
        decide(d, keys, &q, why);
        question_uninit(&q);
    }
}

void
decider_run(struct decider *d)
{
    webhooks_run(d->webhooks);
}

void
decider_wait(struct decider *d)
{
    webhooks_wait(d->webhooks);
}

void
decider_report(struct decider *d, struct events *events)
{
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE (node, &d->hooks) {
        struct hook *hook = node->data;

        if (hook->complaint && time_msec() >= hook->next_event) {
            events_add(events, "warning", "webhook-failed", "services",
                       node->name, "service %s: %s", node->name,
                       hook->complaint);
            free(hook->complaint);
            hook->complaint = NULL;
            hook->next_event = time_msec() + EVENT_MSEC;
        }
    }
}

unsigned long long int
decider_range(const struct decider *d, unsigned long long int *end)
{
    *end = d->n_decisions;
    return d->n_decisions - MIN(d->n_decisions, MAX_DECISIONS);
}

const struct json *
decider_decision(const struct decider *d, unsigned long long int i)
{
    return d->decisions[i % MAX_DECISIONS];
}
