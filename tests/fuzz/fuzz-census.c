/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "census.h"

#include <arpa/inet.h>

#include "byte-order.h"
#include "channel.h"
#include "controller/ovs-migrate-idl.h"
#include "decider.h"
#include "fleet.h"
#include "frame.h"
#include "fuzz.h"
#include "http.h"
#include "openflow.h"
#include "openvswitch/json.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "seal.h"
#include "switch-rows.h"
#include "topology.h"
#include "unicode.h"
#include "util.h"
#include "view.h"

/* The input is a request for connections or decisions, and what switches
 * answer to the questions that come of it: 'c' or 'd', a query that ends in a
 * newline, and for each answer whether it has the question's token, how many
 * connections there should be, and how many bytes there are behind the
 * message's header, in 5 bytes, and then these.
 *
 * This file is the other ends of it all: the client, and the switches "a" and
 * "b"; "c" cannot be reached.  Questions must be sound, and an answer is taken
 * if and only if plainer code can read it.  The client gets JSON that has what
 * was taken. */

#define KEY "000102030405060708090a0b0c0d0e0f"
#define OWN htonl(0x0a0000fe)   /* The switches' address, 10.0.0.254. */
#define SERVICE_ID 1
#define TAKEN_MAX (VIEW_LIMIT_MAX + MIGRATE_LISTING_MAX)

static struct fleet fleet;
static struct decider *decider;

/* What was said about the request so far. */
static struct life {
    const char *query;
    bool decisions;

    uint64_t asked;             /* Which switch has to answer... */
    struct migrate_list list;   /* ...this; 0: none. */
    uint64_t last;              /* Who has answered last, or 0... */
    uint32_t after;             /* ...and where it is to go on. */

    size_t n_taken;

    int status;                 /* Of the answer to the client; 0: none. */
    struct json *answer;
} life;

/* What was taken. */
static struct {
    uint64_t dpid;
    struct migrate_connection c;
} taken[TAKEN_MAX];

/* The client. */

void
http_for_each_parameter(struct http_request *request OVS_UNUSED,
                        void (*cb)(const char *name, const char *value,
                                   void *aux), void *aux)
{
    char *copy = xstrdup(life.query), *save = NULL;

    for (char *s = strtok_r(copy, "&", &save); s;
         s = strtok_r(NULL, "&", &save)) {
        char *value = strchr(s, '=');

        if (value) {
            *value++ = '\0';
        }
        cb(s, value, aux);
    }
    free(copy);
}

void
http_reply(struct http_request *request OVS_UNUSED, int status,
           const char *type OVS_UNUSED, char *body, size_t len,
           const char *headers OVS_UNUSED)
{
    FUZZ_CHECK(!life.status && len == strlen(body));
    life.status = status;
    life.answer = json_from_string(body);
    FUZZ_CHECK(life.answer->type == JSON_OBJECT);
    free(body);
}

/* The switches. */

bool
openflow_is_ready(const struct openflow *dpid)
{
    return (uintptr_t) dpid != 0xc;
}

/* A switch is asked. */
void
fleet_submit(struct fleet *f OVS_UNUSED, uint64_t dpid, const void *frame,
             size_t len)
{
    const struct migrate_address own = address_from_v4(OWN);
    struct {
        struct migrate_header header;
        struct migrate_list list;
    } m;
    struct keyring keys;

    FUZZ_CHECK(len == udp_overhead(&own) + sizeof m);
    memcpy(&m, (const uint8_t *) frame + udp_overhead(&own), sizeof m);
    FUZZ_CHECK(keyring_parse(KEY, &keys));
    FUZZ_CHECK(seal_check(&keys, &own, &own, &m, sizeof m));
    FUZZ_CHECK(m.header.type == MIGRATE_LIST);

    FUZZ_CHECK(!life.asked && !life.status && dpid >= life.last);
    FUZZ_CHECK(ntohll(m.list.token) > ntohll(life.list.token));
    FUZZ_CHECK(dpid != life.last || ntohl(m.list.after) == life.after);
    FUZZ_CHECK(ntohs(m.list.max) - 1 < MIGRATE_LISTING_MAX);
    life.asked = dpid;
    life.list = m.list;
}

static void
add_switch(struct ovsdb_idl_txn *txn, struct topology *topology,
           const char *name, uint64_t dpid)
{
    struct omrec_switch *row = omrec_switch_insert(txn);
    struct fleet_switch *sw = xzalloc(sizeof *sw);
    struct ofputil_phy_port local = {
        .port_no = OFPP_LOCAL, .hw_addr = ETH_ADDR_C(02,00,00,00,00,fe),
        .name = "br0",
    };

    omrec_switch_set_name(row, name);
    omrec_switch_set_migrate_address(row, "10.0.0.254");
    sw->uuid = row->header_.uuid;
    sw->dpid = dpid;
    sw->of = (struct openflow *) (uintptr_t) dpid;
    sw->ts = topology_add_switch(topology, dpid);
    topology_set_ports(sw->ts, &local, 1, 0);
    hmap_insert(&fleet.switches, &sw->node, uuid_hash(&sw->uuid));
}

/* The database and a decision of the controller's own. */

static void
add_service(struct ovsdb_idl_txn *txn)
{
    struct omrec_service *service = omrec_service_insert(txn);
    struct omrec_pool *pool = omrec_pool_insert(txn);
    struct omrec_host *host = omrec_host_insert(txn);
    struct omrec_rule *rule = omrec_rule_insert(txn);

    omrec_host_set_name(host, "h1");
    omrec_host_set_ip(host, "10.0.0.11");
    omrec_pool_set_name(pool, "p");
    omrec_pool_set_hosts(pool, &host, (int64_t[]) { 1 }, 1);
    omrec_rule_set_name(rule, "r");
    omrec_rule_set_priority(rule, 10);
    omrec_rule_set_pool(rule, pool);
    omrec_service_set_name(service, "s");
    omrec_service_set_id(service, SERVICE_ID);
    omrec_service_set_default_pool(service, pool);
    omrec_service_set_rules(service, &rule, 1);
}

static bool
get_weights(const void *aux OVS_UNUSED,
            const struct omrec_pool *pool OVS_UNUSED, int64_t weights[])
{
    weights[0] = 1;
    return true;
}

static void
ignore_decision(void *aux OVS_UNUSED, uint64_t dpid OVS_UNUSED,
                const void *frame OVS_UNUSED, size_t len OVS_UNUSED)
{
}

/* Decides for 10.0.0.1:1 at switch "a". */
static void
decide(void)
{
    static const struct switch_weights weights = { .get = get_weights };
    struct channel_end end = { .address = address_from_v4(OWN) };
    struct {
        struct migrate_header header;
        struct migrate_decide decide;
        struct migrate_field pool;
        char p[1];
        struct migrate_field rule;
        char r[1];
    } __attribute__((packed, aligned(8))) m = {
        .header = { .length = htons(sizeof m), .count = htons(2) },
        .decide = {
            .service_id = htonl(SERVICE_ID),
            .client = address_from_v4(htonl(0x0a000001)),
            .client_port = htons(1),
        },
        .pool = { .type = MIGRATE_FIELD_POOL, .length = htons(1) },
        .p = "p",
        .rule = { .type = MIGRATE_FIELD_RULE, .length = htons(1) },
        .r = "r",
    };
    unsigned long long int n;
    struct keyring keys;

    keyring_parse(KEY, &keys);
    decider_receive(decider, &keys, &end, "a", &weights, &m.header);
    decider_range(decider, &n);
    FUZZ_CHECK(n == 1);
}

/* Fills the database, in a transaction that is never committed. */
static void
init(void)
{
    const struct siphash_key key = { .k = { 0 } };
    struct topology *topology = topology_create(&key, NULL, NULL);
    struct ovsdb_idl_txn *txn;

    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    fleet.idl = ovsdb_idl_create("unix:/nowhere", &omrec_idl_class, true,
                                 true);
    txn = ovsdb_idl_txn_create(fleet.idl);
    omrec_fabric_set_current_key(omrec_fabric_insert(txn), KEY);
    add_service(txn);
    hmap_init(&fleet.switches);
    add_switch(txn, topology, "a", 0xa);
    add_switch(txn, topology, "b", 0xb);
    add_switch(txn, topology, "c", 0xc);
    decider = decider_create(fleet.idl, ignore_decision, NULL);
    decide();
}

/* Answers. */

/* Notes what of the answer is to be in the client's, if it must be taken. */
static void
note(const struct migrate_header *header)
{
    const uint8_t *p = (const uint8_t *) (header + 1);
    size_t len = ntohs(header->length) - sizeof *header;
    size_t n = ntohs(header->count);
    struct migrate_listing listing;

    if (!life.asked || len < sizeof listing || n > ntohs(life.list.max)
        || (len - sizeof listing) / sizeof(struct migrate_connection) < n) {
        return;
    }
    memcpy(&listing, p, sizeof listing);
    if (listing.token != life.list.token) {
        return;
    }
    p += sizeof listing;
    for (size_t i = 0; i < n; i++) {
        FUZZ_CHECK(life.n_taken < TAKEN_MAX);
        taken[life.n_taken].dpid = life.asked;
        memcpy(&taken[life.n_taken].c, p, sizeof taken->c);
        p += sizeof taken->c;
        life.n_taken++;
    }
    life.last = life.asked + !!listing.last;
    life.after = listing.last ? 0 : ntohl(listing.after);
    life.asked = 0;
}

/* Has a switch answer with the 'len' bytes at 'body'. */
static void
answer(struct census *census, bool right, uint16_t count, const uint8_t *body,
       size_t len)
{
    size_t length = ROUND_UP(sizeof(struct migrate_header) + len, 8);
    struct migrate_header *header = calloc(1, length);

    header->length = htons(length);
    header->count = htons(count);
    memcpy(header + 1, body, len);
    if (right && len >= 8) {
        memcpy(header + 1, &life.list.token, 8);
    }
    note(header);
    census_receive(census, life.asked, header);
    free(header);
}

static const char *
text(const struct json *item, const char *name)
{
    const struct json *json = shash_find_data(json_object(item), name);

    return json && json->type == JSON_STRING ? json_string(json) : "";
}

static long long int
number(const struct json *item, const char *name)
{
    const struct json *json = shash_find_data(json_object(item), name);

    return json ? json_integer(json) : -1;
}

static bool
is_about(const struct json *item, uint64_t dpid,
         const struct migrate_connection *c)
{
    return (text(item, "switch")[0] == (dpid == 0xa ? 'a' : 'b')
            && number(item, "client_port") == ntohs(c->client_port)
            && !strcmp(text(item, "service"),
                       ntohl(c->service_id) == SERVICE_ID ? "s" : ""));
}

/* Checks what a client is told of connection 'c'. */
static void
check_connection(const struct json *item, const struct migrate_connection *c)
{
    size_t len = strnlen(c->state, sizeof c->state), ascii = 0;

    FUZZ_CHECK(!c->flow_id == !*text(item, "host"));
    FUZZ_CHECK(!c->flow_id || number(item, "flow_id") == ntohl(c->flow_id));
    FUZZ_CHECK(number(item, "bytes") == (long long int) ntohll(c->bytes));
    FUZZ_CHECK(!*text(item, "rule")
               || (c->rule == MIGRATE_RULE_MATCHED
                   && c->rule_priority == htons(10)));
    while (ascii < len && c->state[ascii] > 0) {
        ascii++;
    }
    FUZZ_CHECK(ascii < len
               || (strlen(text(item, "state")) == len
                   && !memcmp(text(item, "state"), c->state, len)));
}

/* Checks that the client is told of connections as they were taken, and of
 * decisions that are among them. */
static void
check_items(const struct json_array *items)
{
    size_t at = 0;

    for (size_t i = 0; i < items->n; i++) {
        const struct json *item = items->elems[i];

        if (!life.decisions) {
            FUZZ_CHECK(at < life.n_taken
                       && is_about(item, taken[at].dpid, &taken[at].c));
            check_connection(item, &taken[at++].c);
        } else if (strcmp(text(item, "by"), "controller")
                   || number(item, "client_port") != 1) {
            while (at < life.n_taken
                   && !is_about(item, taken[at].dpid, &taken[at].c)) {
                at++;
            }
            FUZZ_CHECK(at++ < life.n_taken);
        }
    }
    FUZZ_CHECK(life.decisions || at == life.n_taken);
}

static void
check_answer(void)
{
    char *s = json_to_string(life.answer, 0);
    size_t len;

    FUZZ_CHECK(!utf8_validate(s, &len));
    free(s);
    FUZZ_CHECK(life.status == 200 || life.status == 400);
    if (life.status == 200) {
        check_items(json_array(shash_find_data(json_object(life.answer),
                                               "items")));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *p = size ? memchr(data, '\n', size) : NULL;
    const uint8_t *end = data + size;
    struct http_request request = { .method = "GET" };
    struct census *census;
    char *query;

    if (!p || p == data) {
        return 0;
    }
    if (!decider) {
        init();
    }
    query = xmemdup0((const char *) data + 1, p++ - data - 1);
    life = (struct life) { .query = query, .decisions = *data == 'd' };
    census = census_create(&fleet);
    if (life.decisions) {
        census_handle_decisions(census, decider, &request);
    } else {
        census_handle_connections(census, &request);
    }
    while (end - p >= 5 && !life.status) {
        size_t len = MIN(p[3] << 8 | p[4], end - p - 5);

        len = MIN(len, MIGRATE_MESSAGE_MAX - sizeof(struct migrate_header));
        answer(census, p[0] & 1, p[1] << 8 | p[2], p + 5, len);
        p += 5 + len;
    }
    census_destroy(census);
    check_answer();
    json_destroy(life.answer);
    free(query);
    return 0;
}
