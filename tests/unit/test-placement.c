/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bed.h"

#include <arpa/inet.h>
#include <string.h>

/* Services with placement=flow and =kernel: handoff.c, client.c and the sweep
 * in migrate.c. */

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

/* Sends a byte of 'c', which goes on, and lets who sends it on have its
 * connection placed.  Returns whether it may be. */
static bool
offer_place(struct bed_client *c)
{
    const struct packet *p;
    bool placeable;

    CHECK_INT(bed_text(c, "x"), MIGRATE_FORWARD);
    p = &bed.forwarded->packet;
    placeable = bed.forwarded->frame.placeable;
    migrate_place(bed.engine, &p->dst,
                  flow_id_from_ports(ntohs(p->src_port),
                                     ntohs(p->dst_port)), bed.now);
    return placeable;
}

/* A client in a new bed whose connection is in the kernel. */
static struct bed_client
open_placed(int family)
{
    struct bed_client c;

    bed_open(family, 64);
    c = bed_client(0, BED_KERNEL);
    bed_live(&c, NULL);
    CU_ASSERT(offer_place(&c));
    return c;
}

/* placement=kernel: placed with the first packet after the handoff; packets
 * that come nevertheless have it placed anew, now and then. */
static void
test_kernel(void)
{
    struct bed_client c;
    struct bed_bundle b;
    uint32_t flow_id;

    bed_open(4, 64);
    c = bed_client(0, BED_KERNEL);
    bed_connect(&c);
    bed_text(&c, "GET / HTTP/1.1\r\n\r\n");
    b = bed_expect_bundle();
    flow_id = b.flow_id;
    CU_ASSERT(!offer_place(&c));        /* Nobody has confirmed. */
    CHECK_INT(bed.placed.n, 0);
    bed_report(b.host, flow_id, MIGRATE_CONFIRM, 0, c.seq);
    wait_for_sweep();
    CHECK_INT(bed.placed.n, 0);
    CU_ASSERT(offer_place(&c));
    CHECK_INT(bed.placed.n, 1);
    CHECK_INT(bed.placed.flow.placement, MIGRATE_PLACED_KERNEL);
    CHECK_INT(bed.placed.flow.flow_id, flow_id);
    CHECK_INT(bed_record(&c)->placed, MIGRATE_PLACED_KERNEL);

    CU_ASSERT(!offer_place(&c));        /* One that was under way. */
    CHECK_INT(bed.placed.n, 1);
    bed.now += 1000;
    CU_ASSERT(offer_place(&c));
    CHECK_INT(bed.unplaced.n, 1);
    CHECK_INT(bed.placed.n, 2);
    bed.now += 1000;                    /* Its way is not for the kernel. */
    CHECK_INT(bed_text(&c, "x"), MIGRATE_FORWARD);
    CHECK_INT(bed_record(&c)->placed, MIGRATE_PLACED_TABLE);
    CHECK_INT(bed.unplaced.n, 2);
    bed.now += 1000;
    CU_ASSERT(offer_place(&c));
    CHECK_INT(bed.placed.n, 3);
    bed_report(b.host, flow_id, MIGRATE_RELEASE, 0, 0);
    bed_bundle_free(&b);
    CHECK_INT(bed.unplaced.n, 3);
    CU_ASSERT(!offer_place(&c));
    CHECK_INT(bed.placed.n, 3);
    bed_close();
}

/* A host that comes back with another Ethernet address: who had the old one
 * is to have the new one, soon. */
static void
test_host_moved(uint32_t service_id)
{
    struct bed_client c;
    unsigned int host;

    bed_open(4, 64);
    c = bed_client(0, service_id);
    bed_live(&c, &host);
    offer_place(&c);
    wait_for_sweep();
    wait_for_sweep();
    CHECK_INT(bed.placed.n, 1);
    CHECK_INT(bed.unplaced.n, 0);
    bed.hosts[host].mute = true;
    bed_wait(1000);
    bed.hosts[host].mac[5] ^= 0x40;
    bed.hosts[host].mute = false;
    bed_wait(1000);
    wait_for_sweep();
    CHECK_INT(bed.unplaced.n, 1);
    offer_place(&c);
    wait_for_sweep();
    wait_for_sweep();
    CHECK_INT(bed.placed.n, 2);
    CU_ASSERT(!memcmp(bed.placed.flow.eth_dst, bed.hosts[host].mac, 6));
    CHECK_INT(bed.unplaced.n, 1);

    bed.config.mac[5] ^= 0x40;          /* So does the switch. */
    bed_configure();
    wait_for_sweep();
    CHECK_INT(bed.unplaced.n, 2);
    bed_close();
}

static void
test_host_moved_flow(void)
{
    test_host_moved(BED_FLOW);
}

static void
test_host_moved_kernel(void)
{
    test_host_moved(BED_KERNEL);
}

/* What the kernel has sent on counts as well, while it is placed and after. */
static void
test_kernel_use(void)
{
    const struct record *r;
    struct bed_client c = open_placed(6);
    struct migrate_use use;

    r = bed_record(&c);
    use = migrate_record_use(bed.engine, r, bed.now);
    CHECK_INT(use.packets, r->packets);
    CHECK_INT(use.last, (uint32_t) bed.now);
    bed_wait(100);
    bed.use = (struct migrate_use) {
        .packets = 10, .bytes = 1000, .last = bed.now - 7,
    };
    use = migrate_record_use(bed.engine, r, bed.now);
    CHECK_INT(use.packets, r->packets + 10);
    CHECK_INT(use.bytes, r->bytes + 1000);
    CHECK_INT(use.last, (uint32_t) bed.now - 7);
    bed_segment(&c, SEG_SYN, c.isn + 1, NULL, 0);
    CHECK_INT(bed.unplaced.n, 1);
    CHECK_INT(bed_record(&c)->packets, use.packets);
    CHECK_INT(bed_record(&c)->bytes, use.bytes);
    use = migrate_record_use(bed.engine, r, bed.now);
    CHECK_INT(use.packets, r->packets);
    CU_ASSERT(!offer_place(&c));        /* The SYN may be followed up. */
    bed_close();
}

/* The engine does not see how far a connection gets in the kernel, and knows
 * its packets when they come again. */
static void
test_kernel_far(void)
{
    struct bed_client c = open_placed(4);

    bed_wait(FLOW_LIFE + 2 * SWEEP_ROUND);
    CHECK_INT(bed.unplaced.n, 1);
    c.seq += 1u << 30;
    c.ack += 1u << 30;
    CHECK_INT(bed_text(&c, "x"), MIGRATE_FORWARD);
    CHECK_INT(bed_record(&c)->client_seq, c.seq);
    CHECK_INT(bed_record(&c)->client_ack, c.ack);
    bed_close();
}

/* What is not used any more does without; with the next packet it is placed
 * again. */
static void
test_kernel_renewed(void)
{
    struct bed_client c = open_placed(4);

    bed_wait(FLOW_LIFE + 2 * SWEEP_ROUND);
    CHECK_INT(bed.unplaced.n, 1);
    CHECK_INT(bed.placed.n, 1);
    CU_ASSERT(offer_place(&c));
    CHECK_INT(bed.placed.n, 2);
    bed_close();

    bed_open(4, 64);
    bed.may_place = false;              /* The kernel does not want it. */
    c = bed_client(0, BED_KERNEL);
    bed_live(&c, NULL);
    CU_ASSERT(offer_place(&c));
    CU_ASSERT(!bed_record(&c)->placed);
    bed_close();
    CHECK_INT(bed.unplaced.n, 0);
}

static const struct unit_test tests[] = {
    { "flow for a lasting connection", test_placement },
    { "flow taken away and given anew", test_placement_renewed },
    { "no room for a flow", test_placement_refused },
    { "new connection from the same port", test_placement_replaced },
    { "SYN from the port of a placed one", test_placement_after_syn },
    { "placement=table", test_table_placement },
    { "kernel, after the handoff", test_kernel },
    { "another host address: flow", test_host_moved_flow },
    { "another host address: kernel", test_host_moved_kernel },
    { "kernel: what it sent on", test_kernel_use },
    { "kernel: taken away and given anew", test_kernel_renewed },
    { "kernel: far from where it was seen last", test_kernel_far },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "placement", tests };
