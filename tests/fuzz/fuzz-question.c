/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "question.h"

#include <arpa/inet.h>

#include "address.h"
#include "controller/ovs-migrate-idl.h"
#include "fuzz.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "smap.h"
#include "switch-rows.h"
#include "unicode.h"
#include "util.h"

/* The input is what a switch asks the controller (MIGRATE_DECIDE): how many
 * fields there should be, in 2 bytes, then the message behind its header.  It
 * is taken if and only if plainer code can read it and it is about the one
 * service and the one pool there are.  What orchestrators get to see of it is
 * JSON that says the same when it is read again. */

#define SERVICE_ID 1
#define POOL "p"

static struct ovsdb_idl *idl;

static struct omrec_host *
add_host(struct ovsdb_idl_txn *txn, const char *name, const char *ip,
         const char *state)
{
    struct omrec_host *host = omrec_host_insert(txn);
    struct smap status = SMAP_CONST1(&status, "state", state);

    omrec_host_set_name(host, name);
    omrec_host_set_ip(host, ip);
    omrec_host_set_status(host, &status);
    return host;
}

/* The switch has the weights that the database has. */
static bool
get_weights(const void *aux OVS_UNUSED, const struct omrec_pool *pool,
            int64_t weights[])
{
    memcpy(weights, pool->value_hosts, pool->n_hosts * sizeof *weights);
    return true;
}

/* Fills the database, in a transaction that is never committed. */
static void
init(void)
{
    struct omrec_host *hosts[4];
    int64_t weights[] = { 1, 2, 0, 1 };
    struct omrec_service *service;
    struct ovsdb_idl_txn *txn;
    struct omrec_pool *pool;

    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    idl = ovsdb_idl_create("unix:/nowhere", &omrec_idl_class, true, true);
    txn = ovsdb_idl_txn_create(idl);
    hosts[0] = add_host(txn, "h4", "10.0.0.11", "up");
    hosts[1] = add_host(txn, "h6", "fd00::11", "up");
    hosts[2] = add_host(txn, "drained", "10.0.0.12", "up");
    hosts[3] = add_host(txn, "down", "10.0.0.13", "down");
    pool = omrec_pool_insert(txn);
    omrec_pool_set_name(pool, POOL);
    omrec_pool_set_hosts(pool, hosts, weights, ARRAY_SIZE(hosts));
    service = omrec_service_insert(txn);
    omrec_service_set_name(service, "s");
    omrec_service_set_id(service, SERVICE_ID);
}

/* A field, as plainer code reads it: the last one of its type counts. */
struct text {
    const char *s;              /* NULL: there is none. */
    size_t len;
};

/* Reads the 'count' fields in the 'left' bytes at 'p' into 'fields', by their
 * type.  Returns false if they are not there. */
static bool
read_plainly(const uint8_t *p, size_t left, size_t count,
             struct text fields[256])
{
    memset(fields, 0, 256 * sizeof *fields);
    while (count--) {
        size_t len;

        if (left < 4 || left - 4 < (len = p[2] << 8 | p[3])) {
            return false;
        }
        fields[p[0]] = (struct text) { (const char *) p + 4, len };
        p += 4 + len;
        left -= 4 + len;
    }
    return true;
}

static bool
text_is(const struct text *text, const char *s)
{
    return text->s && text->len == strlen(s) && !memcmp(text->s, s, text->len);
}

/* Checks member 'name' of the request against 'text', at least if that is
 * ASCII. */
static void
check_field(const struct question *q, const char *name,
            const struct text *text)
{
    const struct json *json = shash_find_data(json_object(q->request), name);

    FUZZ_CHECK(!json == !text->s);
    for (size_t i = 0; i < text->len; i++) {
        if (text->s[i] <= 0) {
            return;
        }
    }
    FUZZ_CHECK(!json || text_is(text, json_string(json)));
}

/* Checks the candidates: those of the client's family that are not down and
 * have a weight. */
static void
check_candidates(const struct question *q)
{
    bool is_v4 = address_is_v4(&q->decide.client);

    FUZZ_CHECK(q->n_candidates == 1);
    FUZZ_CHECK(!strcmp(q->candidates[0].name, is_v4 ? "h4" : "h6"));
    FUZZ_CHECK(address_is_v4(&q->candidates[0].address) == is_v4);
    FUZZ_CHECK(question_candidate(q, is_v4 ? "h4" : "h6")
               == q->candidates);
    FUZZ_CHECK(!question_candidate(q, "down"));
}

static void
check_json(const struct question *q)
{
    struct json *json = question_to_json(q), *again;
    char *text = json_to_string(json, 0);
    size_t len;

    FUZZ_CHECK(!utf8_validate(text, &len));
    again = json_from_string(text);
    FUZZ_CHECK(json_equal(json, again));
    json_destroy(again);
    json_destroy(json);
    free(text);
}

static void
ask(const struct migrate_header *header, size_t body_len)
{
    static const struct switch_weights weights = { .get = get_weights };
    const uint8_t *body = (const uint8_t *) (header + 1);
    struct channel_end end = { .dpid = 1 };
    struct text fields[256];
    struct question q;
    bool good;

    good = (body_len >= sizeof q.decide
            && read_plainly(body + sizeof q.decide,
                            body_len - sizeof q.decide,
                            ntohs(header->count), fields)
            && text_is(&fields[MIGRATE_FIELD_POOL], POOL)
            && fields[MIGRATE_FIELD_RULE].s
            && !memcmp(body + 8, &(__be32) { htonl(SERVICE_ID) }, 4));
    FUZZ_CHECK(question_init(&q, idl, &end, "sw", &weights, header)
               == good);
    if (good) {
        check_field(&q, "method", &fields[MIGRATE_FIELD_METHOD]);
        check_field(&q, "host", &fields[MIGRATE_FIELD_HOST]);
        check_field(&q, "path", &fields[MIGRATE_FIELD_PATH]);
        check_field(&q, "sni", &fields[MIGRATE_FIELD_SNI]);
        check_candidates(&q);
        check_json(&q);
        question_uninit(&q);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct migrate_header *header;
    size_t len;

    if (!idl) {
        init();
    }
    if (size < 2 || size - 2 > MIGRATE_DECIDE_MAX - sizeof *header) {
        return 0;
    }
    len = ROUND_UP(sizeof *header + size - 2, 8);
    header = calloc(1, len);
    header->length = htons(len);
    header->count = htons(data[0] << 8 | data[1]);
    memcpy(header + 1, data + 2, size - 2);
    ask(header, len - sizeof *header);
    free(header);
    return 0;
}
