/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bed.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "seal.h"

/* Lists of connections for the controller. */

#define TOKEN 0x0123456789abcdefULL

struct answer {
    struct migrate_header header;
    struct migrate_listing listing;
    struct migrate_connection connections[MIGRATE_LISTING_MAX];
};

static struct answer
ask(const struct migrate_list *list)
{
    struct migrate_list copy = *list;
    struct bed_frame *f;
    struct answer a;

    copy.token = htobe64(TOKEN);
    bed_controller_message(MIGRATE_LIST, &copy, sizeof copy);
    f = bed_take();
    CU_ASSERT_FATAL(f && f->kind == FRAME_UDP);
    CHECK_INT(f->packet.dst_port, htons(MIGRATE_CONTROLLER_PORT));
    CU_ASSERT(address_equals(&f->packet.src, &bed.address));
    CU_ASSERT(address_equals(&f->packet.dst, &bed.address));
    CU_ASSERT_FATAL(f->packet.payload_len <= sizeof a);
    memset(&a, 0, sizeof a);
    memcpy(&a, f->data + f->packet.payload, f->packet.payload_len);
    CU_ASSERT(seal_check(&bed.keys, &bed.address, &bed.address, &a,
                         f->packet.payload_len));
    CHECK_INT(a.header.type, MIGRATE_LISTING);
    CHECK_INT(f->packet.payload_len,
              sizeof a.header + sizeof a.listing
              + ntohs(a.header.count) * sizeof a.connections[0]);
    CU_ASSERT(a.listing.token == htobe64(TOKEN));
    free(f);
    return a;
}

static void
test_one(void)
{
    struct migrate_list list = { .after = 0 };
    struct migrate_connection *c;
    struct bed_client client;
    unsigned int host;
    uint32_t flow_id;
    struct answer a;

    bed_open(4, 64);
    a = ask(&list);
    CHECK_INT(ntohs(a.header.count), 0);
    CHECK_INT(a.listing.last, 1);

    client = bed_client(0, BED_HTTP);
    flow_id = bed_live(&client, &host);
    bed_wait(1500);
    bed_data(&client, "more", 4);
    bed_wait(500);
    bed_clear();
    a = ask(&list);
    CHECK_INT(ntohs(a.header.count), 1);
    CHECK_INT(a.listing.last, 1);
    c = &a.connections[0];
    CU_ASSERT(address_equals(&c->client, &client.tuple.client));
    CHECK_INT(c->client_port, client.tuple.client_port);
    CU_ASSERT(address_equals(&c->host, &bed.hosts[host].address));
    CHECK_INT(ntohl(c->service_id), BED_HTTP);
    CHECK_INT(ntohl(c->flow_id), flow_id);
    CHECK_INT(ntohl(c->age), 2000);
    CHECK_INT(ntohl(c->idle), 500);
    CHECK_INT(ntohl(c->packets), 1);
    CHECK_INT(c->rule, MIGRATE_RULE_DEFAULT);
    CU_ASSERT(!strncmp(c->state, "live", sizeof c->state));

    client = bed_client(1, BED_HTTP);
    bed_request(&client, "/images/x");
    bed_clear();
    list.client = client.tuple.client;
    list.client_port = client.tuple.client_port;
    a = ask(&list);
    CHECK_INT(ntohs(a.header.count), 1);
    CHECK_INT(a.connections[0].rule, MIGRATE_RULE_MATCHED);
    CHECK_INT(ntohs(a.connections[0].rule_priority), 10);
    CU_ASSERT(!strncmp(a.connections[0].state, "offered", 8));
    bed_close();
}

/* Each is listed once, however many there are. */
static void
test_pages(void)
{
    struct migrate_list list = { .after = 0 };
    unsigned int n = 0, pages = 0;
    bool seen[200] = { false };
    struct answer a;

    bed_open(4, 20000);
    for (unsigned int i = 0; i < 200; i++) {
        struct bed_client c = bed_client(i, i % 2 ? BED_HTTP : BED_FLOW);

        bed_request(&c, NULL);
        bed_clear();
    }
    do {
        a = ask(&list);
        list.after = a.listing.after;
        for (unsigned int i = 0; i < ntohs(a.header.count); i++) {
            struct bed_client c;
            unsigned int k;

            for (k = 0; k < 200; k++) {
                c = bed_client(k, BED_HTTP);
                if (c.tuple.client_port == a.connections[i].client_port
                    && address_equals(&c.tuple.client,
                                      &a.connections[i].client)) {
                    break;
                }
            }
            CU_ASSERT_FATAL(k < 200 && !seen[k]);
            seen[k] = true;
            n++;
        }
        CU_ASSERT_FATAL(++pages < 100);
    } while (!a.listing.last);
    CHECK_INT(n, 200);
    CHECK_INT(pages, 6);        /* The last one is empty. */

    list = (struct migrate_list) { .max = htons(3) };
    a = ask(&list);
    CHECK_INT(ntohs(a.header.count), 3);
    CHECK_INT(a.listing.last, 0);

    list = (struct migrate_list) { .service_id = htonl(BED_HTTP) };
    for (n = 0; n < 100; list.after = a.listing.after) {
        a = ask(&list);
        n += ntohs(a.header.count);
        if (a.listing.last) {
            break;
        }
    }
    CHECK_INT(n, 100);
    bed_close();
}

/* Asks about the only connection that there is. */
static struct migrate_connection
ask_one(void)
{
    struct migrate_list list = { .after = 0 };
    struct answer a;

    bed_clear();
    a = ask(&list);
    CHECK_INT(ntohs(a.header.count), 1);
    return a.connections[0];
}

/* Who has not taken it before, and why the last of these has not. */
static void
test_retargets(void)
{
    struct bed_client client;
    struct migrate_connection c;
    uint16_t first;

    bed_open(4, 64);
    client = bed_client(0, BED_HTTP);
    bed_request(&client, NULL);
    bed_clear();
    c = ask_one();
    CHECK_INT(c.retargets, 0);

    first = bed_record(&client)->host;
    bed_report(first, bed_record(&client)->flow_id, MIGRATE_REFUSE,
               MIGRATE_REASON_BACKLOG, 0);
    c = ask_one();
    CHECK_INT(c.retargets, 1);
    CHECK_INT(c.reason, MIGRATE_REASON_BACKLOG);
    CU_ASSERT(!address_equals(&c.host, &bed.hosts[first].address));

    bed.hosts[bed_record(&client)->host].alive = false;
    bed_wait(420);
    c = ask_one();
    CHECK_INT(c.retargets, 2);
    CHECK_INT(c.reason, MIGRATE_REASON_NONE);
    CHECK_INT(c.chooser, MIGRATE_CHOOSER_POLICY);
    bed_close();
}

/* What of the pool has chosen. */
static void
test_affinity(void)
{
    struct bed_client client;

    bed_open(4, 64);
    bed.pools[0].affinity = (char *) "header.Who";
    bed_configure();
    client = bed_client(0, BED_HTTP);
    bed_connect(&client);
    bed_text(&client, "GET / HTTP/1.1\r\nHost: a\r\nWho: me\r\n\r\n");
    CHECK_INT(ask_one().chooser, MIGRATE_CHOOSER_AFFINITY);
    bed_close();

    bed_open(4, 64);
    bed.pools[0].affinity = (char *) "header.Who";
    bed_configure();
    client = bed_client(0, BED_HTTP);
    bed_request(&client, NULL);
    CHECK_INT(ask_one().chooser, MIGRATE_CHOOSER_POLICY);
    bed_close();
}

/* The rule that matched then, whatever rules there are now. */
static void
test_rules_change(void)
{
    struct rule_config rules[2];
    struct bed_client client;
    struct migrate_connection c;

    bed_open(4, 64);
    client = bed_client(0, BED_HTTP);
    bed_request(&client, "/images/x");
    c = ask_one();
    CHECK_INT(ntohs(c.rule_priority), 10);
    rules[0] = rules[1] = bed.rules[0];
    rules[1].priority = 20;
    bed.services[0].rules = rules;
    bed.services[0].n_rules = 2;
    bed_configure();
    c = ask_one();
    CHECK_INT(c.rule, MIGRATE_RULE_MATCHED);
    CHECK_INT(ntohs(c.rule_priority), 10);
    bed_close();
}

/* A place beyond the table, and messages that are too short. */
static void
test_wrong(void)
{
    struct migrate_list list = { .after = htonl(UINT32_MAX) };
    struct bed_client c;
    struct answer a;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    bed_clear();
    a = ask(&list);
    CHECK_INT(ntohs(a.header.count), 0);
    CHECK_INT(a.listing.last, 1);
    bed_controller_message(MIGRATE_LIST, &list, 48);
    CHECK_INT(BED_COUNT(DROP_CONTROL), 1);
    bed_expect_none();
    bed_close();
}

static const struct unit_test tests[] = {
    { "one connection", test_one },
    { "many", test_pages },
    { "retargets", test_retargets },
    { "affinity", test_affinity },
    { "rules that change", test_rules_change },
    { "wrong questions", test_wrong },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "list", tests };
