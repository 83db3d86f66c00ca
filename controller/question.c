/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "question.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "address.h"
#include "controller/ovs-migrate-idl.h"
#include "openvswitch/json.h"
#include "smap.h"
#include "switch-rows.h"
#include "timeval.h"
#include "utf8.h"
#include "util.h"

/* Adds the header "NAME:VALUE" to 'headers'.  One that comes again is a list
 * (RFC 9110 5.3). */
static void
put_header(struct json *headers, const char *text)
{
    const char *colon = strchr(text, ':');
    const struct json *old;
    char *name, *value;

    if (!colon) {
        return;                 /* It was cut. */
    }
    name = xmemdup0(text, colon - text);
    for (char *p = name; *p; p++) {
        *p = *p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p;
    }
    old = shash_find_data(json_object(headers), name);
    value = (old ? xasprintf("%s, %s", json_string(old), colon + 1)
             : xstrdup(colon + 1));
    json_object_put_nocopy(headers, name, json_string_create_nocopy(value));
}

/* The names in the 'len' bytes at 's', of TLS's ALPN, as an array. */
static struct json *
alpn_to_json(const char *s, size_t len)
{
    struct json *json = json_array_create_empty();

    while (len && (uint8_t) *s < len) {
        uint8_t n = *s;

        json_array_add(json, json_string_create_nocopy(utf8_clean(s + 1, n)));
        s += 1 + n;
        len -= 1 + n;
    }
    return json;
}

static void
take_field(struct question *q, uint8_t type, const char *value, size_t len)
{
    static const char *const names[] = {
        [MIGRATE_FIELD_METHOD] = "method",
        [MIGRATE_FIELD_HOST] = "host",
        [MIGRATE_FIELD_PATH] = "path",
        [MIGRATE_FIELD_SNI] = "sni",
        [MIGRATE_FIELD_HEADER] = "headers",
    };
    char *s = utf8_clean(value, len);
    struct json *headers;

    switch (type) {
    case MIGRATE_FIELD_POOL:
        free(q->pool);
        q->pool = s;
        return;
    case MIGRATE_FIELD_RULE:
        free(q->rule);
        q->rule = s;
        return;
    case MIGRATE_FIELD_ALPN:
        json_object_put(q->request, "alpn", alpn_to_json(value, len));
        break;
    case MIGRATE_FIELD_HEADER:
        headers = shash_find_data(json_object(q->request), names[type]);
        if (!headers) {
            headers = json_object_create();
            json_object_put(q->request, names[type], headers);
        }
        put_header(headers, s);
        break;
    case MIGRATE_FIELD_METHOD:
    case MIGRATE_FIELD_HOST:
    case MIGRATE_FIELD_PATH:
    case MIGRATE_FIELD_SNI:
        json_object_put(q->request, names[type],
                        json_string_create_nocopy(s));
        return;
    default:                    /* Of a later version. */
        break;
    }
    free(s);
}

/* Returns false if the fields are not as they must be. */
static bool
parse(struct question *q, const struct migrate_header *header)
{
    const char *at = (const char *) (header + 1);
    size_t left = ntohs(header->length) - sizeof *header;

    if (left < sizeof q->decide) {
        return false;
    }
    memcpy(&q->decide, at, sizeof q->decide);
    at += sizeof q->decide;
    left -= sizeof q->decide;
    for (size_t n = ntohs(header->count); n; n--) {
        struct migrate_field field;

        if (left < sizeof field) {
            return false;
        }
        memcpy(&field, at, sizeof field);
        at += sizeof field;
        left -= sizeof field;
        if (left < ntohs(field.length)) {
            return false;
        }
        take_field(q, field.type, at, ntohs(field.length));
        at += ntohs(field.length);
        left -= ntohs(field.length);
    }
    return q->pool && q->rule;
}

/* Whether connections of 'q' can be moved to 'host', of which nobody says that
 * it is down, unless 'down' is set. */
static bool
can_have(const struct question *q, const struct omrec_host *host, bool down,
         struct migrate_address *address)
{
    return ((down || strcmp(smap_get_def(&host->status, "state", "up"),
                            "down"))
            && address_parse(host->ip, address)
            && (address_is_v4(address)
                == address_is_v4(&q->decide.client)));
}

static void
add_candidates(struct question *q, const struct omrec_pool *pool,
               const int64_t weights[], bool down)
{
    for (size_t i = 0; i < pool->n_hosts; i++) {
        const struct omrec_host *host = pool->key_hosts[i];
        struct candidate *c = &q->candidates[q->n_candidates];

        if (weights[i] && can_have(q, host, down, &c->address)) {
            c->name = xstrdup(host->name);
            c->weight = weights[i];
            q->n_candidates++;
        }
    }
}

/* Notes who of 'pool' may have new connections of 'q'. */
static void
find_candidates(struct question *q, const struct omrec_pool *pool,
                const struct switch_weights *weights)
{
    int64_t *values = xcalloc(pool->n_hosts, sizeof *values);

    weights->get(weights->aux, pool, values);
    q->candidates = xcalloc(pool->n_hosts, sizeof *q->candidates);
    add_candidates(q, pool, values, false);
    if (!q->n_candidates) {
        /* The switch, which has asked, may know better. */
        add_candidates(q, pool, values, true);
    }
    free(values);
}

/* Looks up in the database what 'q' is about. */
static bool
look_up(struct question *q, const struct ovsdb_idl *idl,
        const struct switch_weights *weights)
{
    const struct omrec_service *service;
    const struct omrec_pool *pool;

    OMREC_SERVICE_FOR_EACH (service, idl) {
        if (service->id == ntohl(q->decide.service_id)) {
            q->service = xstrdup(service->name);
            q->webhook = nullable_xstrdup(service->decide_webhook);
            break;
        }
    }
    OMREC_POOL_FOR_EACH (pool, idl) {
        if (!strcmp(pool->name, q->pool)) {
            find_candidates(q, pool, weights);
            return q->service != NULL;
        }
    }
    return false;
}

bool
question_init(struct question *q, const struct ovsdb_idl *idl,
              const struct channel_end *end, const char *sw,
              const struct switch_weights *weights,
              const struct migrate_header *header)
{
    memset(q, 0, sizeof *q);
    q->end = *end;
    q->sw = xstrdup(sw);
    q->request = json_object_create();
    q->begun = time_msec();
    q->wall = time_wall_msec();
    if (!parse(q, header) || !look_up(q, idl, weights)) {
        question_uninit(q);
        return false;
    }
    return true;
}

void
question_uninit(struct question *q)
{
    for (size_t i = 0; i < q->n_candidates; i++) {
        free(q->candidates[i].name);
    }
    free(q->candidates);
    free(q->sw);
    free(q->service);
    free(q->webhook);
    free(q->pool);
    free(q->rule);
    json_destroy(q->request);
}

const struct candidate *
question_candidate(const struct question *q, const char *name)
{
    for (size_t i = 0; i < q->n_candidates; i++) {
        if (!strcmp(q->candidates[i].name, name)) {
            return &q->candidates[i];
        }
    }
    return NULL;
}

struct json *
question_to_json(const struct question *q)
{
    struct json *json = json_object_create();
    struct json *candidates = json_array_create_empty();
    char text[ADDRESS_STRLEN];

    for (size_t i = 0; i < q->n_candidates; i++) {
        json_array_add(candidates, json_string_create(q->candidates[i].name));
    }
    json_object_put_string(json, "switch", q->sw);
    json_object_put_string(json, "service", q->service);
    json_object_put_string(json, "client", address_format(&q->decide.client,
                                                          text));
    json_object_put(json, "client_port",
                    json_integer_create(ntohs(q->decide.client_port)));
    json_object_put_string(json, "pool", q->pool);
    json_object_put_string(json, "rule", q->rule);
    json_object_put(json, "candidates", candidates);
    json_object_put(json, "request", json_clone(q->request));
    return json;
}
