/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bed.h"

#include <arpa/inet.h>
#include <string.h>

/* Services with placement=flow: handoff.c and the sweep in migrate.c. */

/* Lets the sweep come round. */
static void
wait_for_sweep(void)
{
    bed_wait(SWEEP_ROUND + SWEEP_INTERVAL);
}

/* placement=flow: a flow for a connection that lasts, once, and none when it
 * is over. */
static void
test_placement(void)
{
    struct bed_client c;
    unsigned int host;
    uint32_t flow_id;
    const struct migrate_flow *flow = &bed.placed.flow;

    bed_open(4, 64);
    c = bed_client(0, BED_FLOW);
    flow_id = bed_live(&c, &host);
    wait_for_sweep();
    wait_for_sweep();
    CHECK_INT(bed.placed.n, 1);
    CHECK_INT(flow->flow_id, flow_id);
    CHECK_INT(flow->service_id, BED_FLOW);
    CU_ASSERT(!memcmp(&flow->tuple, &c.tuple, sizeof c.tuple));
    CU_ASSERT(address_equals(&flow->src, &bed.address));
    CU_ASSERT(address_equals(&flow->dst, &bed.hosts[host].address));
    CU_ASSERT(!memcmp(flow->eth_dst, bed.hosts[host].mac, 6));
    CU_ASSERT(!memcmp(flow->eth_src, bed.mac, 6));
    CU_ASSERT(bed_record(&c)->placed);

    /* Stray packets still find the record. */
    CHECK_INT(bed_text(&c, "x"), MIGRATE_FORWARD);
    bed_report(host, flow_id, MIGRATE_CONFIRM, 0, c.seq);
    CHECK_INT(bed.placed.n, 1);
    CHECK_INT(bed.unplaced.n, 0);
    bed_report(host, flow_id, MIGRATE_RELEASE, 0, 0);
    bed_report(host, flow_id, MIGRATE_RELEASE, 0, 0);
    CHECK_INT(bed.unplaced.n, 1);
    CU_ASSERT(!memcmp(&bed.unplaced.flow, flow, sizeof *flow));
    wait_for_sweep();
    CHECK_INT(bed.placed.n, 1);
    bed_close();
    CHECK_INT(bed.unplaced.n, 1);
}

/* What was not placed is not removed either. */
static void
test_placement_refused(void)
{
    struct bed_client c;
    unsigned int host;
    uint32_t flow_id;

    bed_open(4, 64);
    bed.may_place = false;
    c = bed_client(1, BED_FLOW);
    flow_id = bed_live(&c, &host);
    wait_for_sweep();
    CU_ASSERT(bed.placed.n >= 1);
    CHECK_INT(bed_text(&c, "x"), MIGRATE_FORWARD);
    bed_report(host, flow_id, MIGRATE_RELEASE, 0, 0);
    bed_close();
    CHECK_INT(bed.unplaced.n, 0);
}

/* The flow goes now and then, and returns with the next packet. */
static void
test_placement_renewed(void)
{
    struct bed_client c;

    bed_open(4, 64);
    c = bed_client(5, BED_FLOW);
    bed_live(&c, NULL);
    wait_for_sweep();
    CHECK_INT(bed.placed.n, 1);
    CHECK_INT(bed_text(&c, "x"), MIGRATE_FORWARD);
    bed_wait(FLOW_LIFE - 2 * SWEEP_ROUND);
    CHECK_INT(bed_text(&c, "x"), MIGRATE_FORWARD);      /* Changes nothing. */
    CHECK_INT(bed.unplaced.n, 0);
    bed_wait(4 * SWEEP_ROUND);
    CHECK_INT(bed.unplaced.n, 1);
    CU_ASSERT(!memcmp(&bed.unplaced.flow, &bed.placed.flow,
                      sizeof bed.placed.flow));
    bed.now += 2 * FLOW_LIFE;
    wait_for_sweep();
    CHECK_INT(bed.placed.n, 1);
    CHECK_INT(bed_text(&c, "x"), MIGRATE_FORWARD);
    wait_for_sweep();
    CHECK_INT(bed.placed.n, 2);
    CU_ASSERT(bed_record(&c)->placed);

    /* One that is over without a word is not kept for its flow. */
    bed_wait(FLOW_LIFE + 2 * SWEEP_ROUND);
    CHECK_INT(bed.unplaced.n, 2);
    for (unsigned int i = 0; i < BED_HOSTS; i++) {
        bed.hosts[i].mute = true;
    }
    bed_wait(1000);
    bed.now += IDLE_TIMEOUT;
    wait_for_sweep();
    CU_ASSERT(!bed_record(&c));
    CHECK_INT(BED_COUNT(IDLE), 1);
    bed_close();
    CHECK_INT(bed.placed.n, 2);
    CHECK_INT(bed.unplaced.n, 2);
}

/* A flow would hide a new connection from the same port. */
static void
test_placement_replaced(void)
{
    struct bed_client c, old;
    struct bed_bundle b;
    uint32_t flow_id;

    bed_open(4, 64);
    c = old = bed_client(2, BED_FLOW);
    flow_id = bed_live(&old, NULL);
    wait_for_sweep();
    CHECK_INT(bed.placed.n, 1);
    c.isn++;
    bed_connect(&c);
    CHECK_INT(bed.unplaced.n, 1);
    wait_for_sweep();
    CHECK_INT(bed.placed.n, 1);
    CHECK_INT(bed_text(&old, "x"), MIGRATE_FORWARD);    /* By the table. */
    CHECK_INT(ntohs(bed.forwarded->packet.src_port), flow_id >> 16);
    bed_text(&c, "GET / HTTP/1.1\r\n\r\n");
    b = bed_expect_bundle();
    CU_ASSERT(b.flow_id != flow_id);
    bed_bundle_free(&b);
    bed_close();
    CHECK_INT(bed.unplaced.n, 1);

    bed_open(4, 64);            /* The end of the engine. */
    c = bed_client(3, BED_FLOW);
    bed_live(&c, NULL);
    wait_for_sweep();
    bed_close();
    CHECK_INT(bed.placed.n, 1);
    CHECK_INT(bed.unplaced.n, 1);
}

/* A SYN that nothing follows, of whomever, takes the flow away for so long as
 * its cookie is taken. */
static void
test_placement_after_syn(void)
{
    struct bed_client c;

    bed_open(4, 64);
    c = bed_client(4, BED_FLOW);
    bed_live(&c, NULL);
    wait_for_sweep();
    CHECK_INT(bed.placed.n, 1);
    bed_segment(&c, SEG_SYN, c.isn, NULL, 0);           /* Its own, late. */
    CHECK_INT(bed.unplaced.n, 0);
    bed_segment(&c, SEG_SYN, c.isn + 1, NULL, 0);
    CHECK_INT(bed.unplaced.n, 1);
    bed.now += COOKIE_LIFETIME * 1000 - 2 * SWEEP_ROUND;
    CHECK_INT(bed_text(&c, "x"), MIGRATE_FORWARD);
    wait_for_sweep();
    CHECK_INT(bed.placed.n, 1);
    bed.now += COOKIE_LIFETIME * 1000 + SWEEP_ROUND;
    CHECK_INT(bed_text(&c, "x"), MIGRATE_FORWARD);
    wait_for_sweep();
    CHECK_INT(bed.placed.n, 2);
    CU_ASSERT(bed_record(&c)->placed);
    bed_close();
}

static void
test_table_placement(void)
{
    struct bed_client c;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_live(&c, NULL);
    wait_for_sweep();
    bed_close();
    CHECK_INT(bed.placed.n + bed.unplaced.n, 0);
}

static const struct unit_test tests[] = {
    { "flow for a lasting connection", test_placement },
    { "flow taken away and given anew", test_placement_renewed },
    { "no room for a flow", test_placement_refused },
    { "new connection from the same port", test_placement_replaced },
    { "SYN from the port of a placed one", test_placement_after_syn },
    { "placement=table", test_table_placement },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "placement", tests };
