/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bed.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* What hosts have, by their own account, becomes what the engine knows. */

#define FLOW 0x00770007u

/* Questions and answers that are lost are made up for; answers that are late,
 * doubled, or not to what was asked do nothing. */
static void
test_lost_slices(void)
{
    struct bed_client c[2];
    struct migrate_mapping maps[2];
    uint32_t after, sequence;

    bed_open(4, 64);
    c[0] = bed_old_client(0);
    c[1] = bed_old_client(1);
    maps[0] = bed_mapping(&c[0], FLOW);
    maps[1] = bed_mapping(&c[1], FLOW + 1);
    bed.hosts[0].alive = bed.hosts[1].alive = false;
    bed_wait(2000);
    bed_audit_all();
    CHECK_INT(bed_expect_audit(&after), 2);
    sequence = bed.hosts[2].asked;
    bed_expect_none();
    bed_wait(MIGRATE_HELLO_INTERVAL);
    CHECK_INT(bed_expect_audit(&after), 2);
    CHECK_INT(bed.hosts[2].asked, sequence + 1);

    bed.hosts[2].asked = sequence;          /* Late. */
    bed_mappings(2, 0, false, maps, 1);
    bed.hosts[2].asked = sequence + 1;
    bed_mappings(2, 5, false, maps, 1);     /* Of something else. */
    bed.hosts[2].epoch++;
    bed_mappings(2, 0, false, maps, 1);     /* Of another incarnation. */
    bed.hosts[2].epoch--;
    CHECK_INT(BED_COUNT(DROP_OLD), 3);
    bed_expect_none();
    CHECK_STR(bed_state(&c[0]), "none");

    bed_mappings(2, 0, false, maps, 1);
    bed_expect_audit(&after);
    CHECK_INT(after, FLOW);
    CHECK_STR(bed_state(&c[0]), "live");
    bed.hosts[2].asked--;
    bed_mappings(2, 0, false, maps, 1);     /* Doubled. */
    bed.hosts[2].asked++;
    CHECK_INT(BED_COUNT(DROP_OLD), 4);
    bed_mappings(2, after, false, maps, 2); /* It would never end. */
    CHECK_INT(BED_COUNT(DROP_CONTROL), 1);
    bed_mappings(2, after, true, maps + 1, 1);
    CHECK_STR(bed_state(&c[1]), "live");
    bed_mappings(2, after, true, maps + 1, 1);
    CHECK_INT(BED_COUNT(DROP_CONTROL), 2);  /* Nothing was asked. */
    bed_expect_none();
    bed_close();
}

/* Every so often all hosts are audited, not all at one time. */
static void
test_periodic(void)
{
    int64_t asked[BED_HOSTS] = { 0 };
    uint32_t number;
    uint64_t n;

    bed_open(4, 64);
    number = bed_engine_host(0)->audit.number;
    n = BED_COUNT(AUDIT);
    CHECK_INT(n, BED_HOSTS);
    bed_wait(29000);
    CHECK_INT(BED_COUNT(AUDIT), n);
    for (unsigned int ms = 0; ms < 10000; ms++) {
        bed_wait(0);
        bed.now++;
        for (unsigned int i = 0; i < BED_HOSTS; i++) {
            if (!asked[i] && bed_engine_host(i)->audit.number != number) {
                asked[i] = bed.now;
            }
        }
    }
    CHECK_INT(BED_COUNT(AUDIT), 2 * n);
    CU_ASSERT(asked[0] && asked[1] && asked[2]);
    CU_ASSERT(asked[0] != asked[1] && asked[1] != asked[2]);
    bed_close();
}

/* A live record that its host does not list is released. */
static void
test_repair_lost_release(void)
{
    struct bed_client gone, kept, fresh;
    struct migrate_mapping map;
    unsigned int host, i;
    uint32_t flow_id, after;

    bed_open(4, 64);
    gone = bed_client(0, BED_HTTP);
    bed_live(&gone, &host);
    kept = bed_client(1, BED_HTTP);
    do {
        kept.isn++;
        kept.tuple.client_port++;
        flow_id = bed_live(&kept, &i);
    } while (i != host);
    map = bed_mapping(&kept, flow_id);

    /* One that is confirmed while the audit is under way is not in it. */
    bed_audit_all();
    fresh = bed_client(2, BED_HTTP);
    for (unsigned int n = 0; n < BED_HOSTS; n++) {
        i = bed_expect_audit(&after);
        if (i != host) {
            bed_mappings(i, 0, true, NULL, 0);
        }
    }
    do {
        fresh.isn++;
        fresh.tuple.client_port++;
        bed_live(&fresh, &i);
    } while (i != host);
    bed_mappings(host, 0, true, &map, 1);
    bed.keep_audits = false;
    CHECK_STR(bed_state(&gone), "live");
    bed_wait(SWEEP_ROUND + SWEEP_INTERVAL);
    CHECK_STR(bed_state(&gone), "linger");
    CHECK_STR(bed_state(&kept), "live");
    CHECK_STR(bed_state(&fresh), "live");
    CU_ASSERT(BED_COUNT(REPAIRED) >= 1);

    /* Many audits later, too. */
    bed_wait(20 * 60 * 1000);
    CHECK_STR(bed_state(&kept), "live");
    CHECK_STR(bed_state(&gone), "none");
    bed_close();
}

/* An end that the host lists. */
static void
test_repair_ended(void)
{
    struct bed_client c;
    struct migrate_mapping map;
    unsigned int host;
    uint32_t flow_id;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    flow_id = bed_live(&c, &host);
    map = bed_mapping(&c, flow_id);
    map.state = MIGRATE_MAPPING_ENDED;
    bed_audit(host, &map, 1);
    CHECK_STR(bed_state(&c), "linger");
    CHECK_INT(BED_COUNT(RELEASED), 1);
    bed_close();
}

/* A mapping that no record names is adopted; not twice. */
static void
test_adopt(void)
{
    struct migrate_mapping map;
    struct bed_client c;

    bed_open(4, 64);
    c = bed_old_client(0);
    map = bed_mapping(&c, FLOW);
    map.yours = 0;
    bed_audit(2, &map, 1);
    CHECK_STR(bed_state(&c), "standby");
    bed_audit(2, &map, 1);
    CHECK_INT(BED_COUNT(ADOPTED), 1);
    CHECK_INT(bed_engine_host(2)->n_connections, 1);
    CHECK_INT(bed_engine_host(2)->n_records, 1);

    /* Not one that this host cannot have. */
    address_parse("2001:db8::1", &map.client);
    map.flow_id++;
    bed_audit(2, &map, 1);
    CHECK_INT(BED_COUNT(ADOPTED), 1);
    CHECK_INT(BED_COUNT(DROP_CONTROL), 1);
    bed_close();
}

/* Opens a bed with connection 'c', live at '*host' under the flow ID that is
 * returned, and 'old' of the same client port, which another engine had handed
 * over. */
static uint32_t
open_reused(struct bed_client *c, struct bed_client *old, unsigned int *host)
{
    uint32_t flow_id;

    bed_open(4, 64);
    *old = bed_old_client(0);
    *c = bed_client(0, BED_HTTP);
    flow_id = bed_live(c, host);
    old->tuple = c->tuple;
    return flow_id;
}

/* Of two connections from one client port the newer one lives; the other is
 * aborted if it is this switch's. */
static void
test_conflict(void)
{
    struct bed_client old, c;
    struct migrate_mapping map;
    unsigned int host, other;
    uint32_t flow_id;

    flow_id = open_reused(&c, &old, &host);
    other = (host + 1) % BED_HOSTS;
    bed_wait(1000);

    map = bed_mapping(&old, FLOW);
    map.age = htonl(2000);
    map.yours = 0;
    bed_audit(other, &map, 1);
    bed_expect_none();
    map.yours = 1;
    map.state = MIGRATE_MAPPING_ENDED;
    bed_audit(other, &map, 1);
    bed_expect_none();
    map.state = MIGRATE_MAPPING_LIVE;
    bed_audit(other, &map, 1);
    bed_expect_abort(other, FLOW);
    bed_expect_none();
    CHECK_INT(bed_record(&c)->flow_id, flow_id);
    CHECK_INT(bed_engine_host(other)->n_connections, 0);

    map.age = htonl(500);
    bed_audit(other, &map, 1);
    bed_expect_none();
    CHECK_INT(bed_record(&c)->flow_id, FLOW);
    CHECK_INT(bed_record(&c)->host, other);
    CHECK_STR(bed_state(&c), "live");
    CHECK_INT(bed_engine_host(host)->n_connections, 0);
    CHECK_INT(bed_engine_host(host)->n_records, 0);
    CHECK_INT(bed_engine_host(other)->n_connections, 1);
    bed_close();
}

/* A request that has not come to any host gives way to a newer connection of
 * the same client port: what its client sends next may come here. */
static void
test_newer_than_request(void)
{
    for (unsigned int rejected = 0; rejected < 2; rejected++) {
        struct bed_client c, newer;
        struct migrate_mapping map;

        bed_open(4, 64);
        c = bed_client(0, BED_HTTP);
        bed_connect(&c);
        bed_text(&c, rejected ? "nonsense\r\n\r\n" : "GET / HT");
        CHECK_STR(bed_state(&c), rejected ? "rejected" : "gather");
        bed_wait(1000);
        bed_clear();
        newer = bed_old_client(0);
        newer.tuple = c.tuple;
        map = bed_mapping(&newer, FLOW);
        map.yours = 0;
        map.age = htonl(1500);
        bed_audit(0, &map, 1);
        CHECK_STR(bed_state(&c), rejected ? "rejected" : "gather");
        map.age = htonl(500);
        bed_audit(0, &map, 1);
        CHECK_STR(bed_state(&c), "standby");
        CHECK_INT(bed_record(&c)->flow_id, FLOW);
        bed_close();
    }
}

/* Of two from one client port that have ended, the last is the one whose
 * client may send its FIN again. */
static void
test_both_ended(void)
{
    struct bed_client old, c;
    struct migrate_mapping map;
    unsigned int host, other;
    uint32_t flow_id;

    flow_id = open_reused(&c, &old, &host);
    other = (host + 1) % BED_HOSTS;
    bed_report(host, flow_id, MIGRATE_RELEASE, 0, 0);
    CHECK_STR(bed_state(&c), "linger");
    bed_wait(1000);
    map = bed_mapping(&old, FLOW);
    map.state = MIGRATE_MAPPING_ENDED;
    map.age = htonl(2000);
    bed_audit(other, &map, 1);
    CHECK_INT(bed_record(&c)->flow_id, flow_id);
    map.age = htonl(500);
    bed_audit(other, &map, 1);
    CHECK_INT(bed_record(&c)->flow_id, FLOW);
    CHECK_INT(bed_record(&c)->host, other);
    CHECK_STR(bed_state(&c), "linger");
    CHECK_INT(bed_engine_host(host)->n_records, 0);
    bed_close();
}

/* A connection that two hosts have: the one that was confirmed stays. */
static void
test_double(void)
{
    struct migrate_mapping map;
    struct bed_client c;
    unsigned int host, other;
    uint32_t flow_id;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    flow_id = bed_live(&c, &host);
    other = (host + 1) % BED_HOSTS;
    map = bed_mapping(&c, FLOW);
    bed_audit(other, &map, 1);
    bed_expect_abort(other, FLOW);
    CHECK_INT(bed_record(&c)->flow_id, flow_id);
    bed_close();
}

/* A connection on its way to one host that another turns out to have: that is
 * asked to confirm it.  Not if it was given up there. */
static void
test_on_its_way(void)
{
    struct migrate_mapping map;
    struct bed_client c;
    struct bed_bundle b;
    unsigned int first, second, third;
    uint32_t flow_id;

    bed_open(4, 64);
    bed_audit_all();
    for (unsigned int i = 0; i < BED_HOSTS; i++) {
        uint32_t after;

        bed_expect_audit(&after);
    }
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    b = bed_expect_bundle();
    first = b.host;
    flow_id = b.flow_id;
    bed_bundle_free(&b);
    second = (first + 1) % BED_HOSTS;
    map = bed_mapping(&c, FLOW);
    bed_mappings(second, 0, true, &map, 1);
    bed_expect_abort(first, flow_id);
    b = bed_expect_bundle();
    CHECK_INT(b.host, second);
    CHECK_INT(b.flow_id, FLOW);
    bed_bundle_free(&b);
    CHECK_INT(bed_engine_host(first)->n_connections, 0);
    CHECK_INT(bed_engine_host(second)->n_connections, 1);

    bed_mappings(first, 0, true, NULL, 0);
    bed_mappings((second + 1) % BED_HOSTS, 0, true, NULL, 0);

    /* It refuses after all. */
    bed_report(second, FLOW, MIGRATE_REFUSE, MIGRATE_REASON_BACKLOG, 0);
    b = bed_expect_bundle();
    flow_id = b.flow_id;
    third = b.host;
    bed_bundle_free(&b);
    bed_audit(second, &map, 1);
    bed_expect_abort(second, FLOW);
    bed_expect_none();
    CHECK_INT(bed_record(&c)->flow_id, flow_id);
    CHECK_INT(bed_record(&c)->host, third);
    bed_report(third, flow_id, MIGRATE_CONFIRM, 0, c.seq);
    CHECK_STR(bed_state(&c), "live");
    CHECK_INT(bed_engine_host(second)->n_records, 0);
    bed_close();
}

/* One whose request is incomplete here although a host has had it. */
static void
test_gathering(void)
{
    struct bed_client c[2];
    struct migrate_mapping maps[2];
    struct bed_bundle b;

    bed_open(4, 64);
    for (unsigned int i = 0; i < 2; i++) {
        c[i] = bed_client(i, BED_HTTP);
        bed_connect(&c[i]);
        bed_text(&c[i], "GET ");
        maps[i] = bed_mapping(&c[i], FLOW + i);
    }
    maps[1].state = MIGRATE_MAPPING_ENDED;
    bed_wait(100);
    bed_clear();
    bed_audit(1, maps, 2);
    b = bed_expect_bundle();
    CHECK_INT(b.host, 1);
    CHECK_INT(b.flow_id, FLOW);
    bed_bundle_free(&b);
    CHECK_STR(bed_state(&c[0]), "offered");
    CHECK_STR(bed_state(&c[1]), "linger");
    bed_report(1, FLOW, MIGRATE_CONFIRM, 0, c[0].seq);
    CHECK_STR(bed_state(&c[0]), "live");
    bed_close();
}

/* A flow ID that the host says is another connection's. */
static void
test_flow_id_of_another(void)
{
    struct bed_client c, other;
    struct migrate_mapping map;
    unsigned int host;
    uint32_t flow_id;

    bed_open(4, 64);
    other = bed_old_client(7);
    c = bed_client(0, BED_HTTP);
    flow_id = bed_live(&c, &host);
    map = bed_mapping(&other, flow_id);
    bed_audit(host, &map, 1);
    CHECK_STR(bed_state(&c), "none");
    CHECK_STR(bed_state(&other), "live");
    CHECK_INT(bed_engine_host(host)->n_connections, 1);

    /* Our own offer it will refuse. */
    bed_request(&c, "/images");
    bed_clear();
    flow_id = bed_record(&c)->flow_id;
    other = bed_old_client(8);
    map = bed_mapping(&other, flow_id);
    bed_audit(2, &map, 1);
    CHECK_STR(bed_state(&c), "offered");
    CHECK_STR(bed_state(&other), "none");
    bed_close();
}

/* A full table takes no more in, and nothing comes of it. */
static void
test_full(void)
{
    struct migrate_mapping maps[20];
    struct bed_client c;

    bed_open(4, 10);
    for (unsigned int i = 0; i < 20; i++) {
        c = bed_old_client(i);
        maps[i] = bed_mapping(&c, FLOW + i);
    }
    bed_audit(0, maps, 20);
    CHECK_INT(migrate_connection_count(bed.engine), 10);
    CHECK_INT(BED_COUNT(DROP_TABLE_FULL), 10);
    CHECK_INT(bed_engine_host(0)->n_connections, 10);

    /* What found no room is not what nobody has. */
    bed_wait(1);
    bed_segment(&c, SEG_ACK, c.seq, "data", 4);
    bed_audit(0, maps, 20);
    bed.keep_audits = true;     /* Nobody else answers for the hosts. */
    bed_wait(STRANGER_AGE);
    bed_segment(&c, SEG_ACK, c.seq, "data", 4);
    CHECK_INT(BED_COUNT(RESET), 0);
    bed_close();
}

/* The host that it was on its way to may have acknowledged more than the one
 * that has it. */
static void
test_on_its_way_and_acknowledged(void)
{
    struct migrate_mapping map;
    struct bed_client c;
    struct bed_bundle b;
    struct bed_frame *f;
    unsigned int other;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    b = bed_expect_bundle();
    other = (b.host + 1) % BED_HOSTS;
    map = bed_mapping(&c, FLOW);
    bed_audit(other, &map, 1);
    bed_expect_abort(b.host, b.flow_id);
    bed_report(other, FLOW, MIGRATE_CONFIRM, 0, c.seq - 5);
    CHECK_STR(bed_state(&c), "offered");
    bed_clear();
    bed_wait(MIGRATE_CONFIRM_WAIT);
    bed_bundle_free(&b);
    b = bed_expect_bundle();
    f = bed_take();             /* What is missing. */
    CU_ASSERT_FATAL(f && f->kind == FRAME_TCP);
    CHECK_INT(f->packet.seq, c.seq - 5);
    CHECK_INT(f->packet.payload_len, 5);
    free(f);
    bed_report(other, FLOW, MIGRATE_CONFIRM, 0, c.seq);
    CHECK_STR(bed_state(&c), "live");
    bed_bundle_free(&b);
    bed_close();
}

/* A host has one connection under one flow ID: what it says itself.  The flow
 * with the other one goes. */
static void
test_other_name(void)
{
    struct migrate_mapping map;
    struct bed_client c;
    unsigned int host;
    uint32_t flow_id;

    bed_open(4, 64);
    c = bed_client(0, BED_FLOW);
    flow_id = bed_live(&c, &host);
    bed_wait(SWEEP_ROUND + SWEEP_INTERVAL);
    CHECK_INT(bed.placed.n, 1);
    map = bed_mapping(&c, FLOW);
    bed_audit(host, &map, 1);
    bed_expect_none();
    CHECK_INT(bed.unplaced.n, 1);
    CHECK_INT(bed.unplaced.flow.flow_id, flow_id);
    CHECK_INT(bed_record(&c)->flow_id, FLOW);
    bed_wait(SWEEP_ROUND + SWEEP_INTERVAL);
    CHECK_STR(bed_state(&c), "live");
    CHECK_INT(BED_COUNT(REPAIRED), 0);
    bed_close();
}

static const struct unit_test tests[] = {
    { "lost, late and wrong answers", test_lost_slices },
    { "every so often", test_periodic },
    { "repair: lost RELEASE", test_repair_lost_release },
    { "repair: listed end", test_repair_ended },
    { "connection that nobody knows", test_adopt },
    { "connections from one client port", test_conflict },
    { "ended connections from one client port", test_both_ended },
    { "request, and a newer connection of its port",
      test_newer_than_request },
    { "connection that two hosts have", test_double },
    { "connection on its way elsewhere", test_on_its_way },
    { "connection on its way that another host acknowledged",
      test_on_its_way_and_acknowledged },
    { "connection with an incomplete request", test_gathering },
    { "flow ID of another connection", test_flow_id_of_another },
    { "full table", test_full },
    { "known connection under another flow ID", test_other_name },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "audit", tests };
