/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bed.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* VLANs, throughout the engine: what goes to a client has the tag of its
 * frames, which bed_expect() checks; what goes to a host has the tag of the
 * host's VLAN, which bed_expect_message() checks. */

#define TAG(TPID, PCP, VID) ((vlan_tag) (TPID) << 16 | (PCP) << 13 | (VID))

/* A bed whose hosts are in VLAN 10, and a client in VLAN 20. */
static struct bed_client
open_tagged(uint32_t service_id)
{
    struct bed_client c;

    bed_open(4, 64);
    for (unsigned int i = 0; i < BED_HOSTS; i++) {
        bed_host_vlan(i, 10);
    }
    bed_configure();
    bed_wait(1);
    c = bed_client(0, service_id);
    c.tag = TAG(0x8100, 3, 20);
    return c;
}

static void
test_connection(void)
{
    struct bed_client c = open_tagged(BED_HTTP), slow = c;
    unsigned int host;

    slow.tuple.client_port++;
    slow.tag = TAG(0x88a8, 0, 30);
    bed_connect(&slow);
    CHECK_INT(bed_text(&slow, "GET / HTTP/1.1\r\n"), MIGRATE_DROP);
    bed_wait(DELAYED_ACK);
    free(bed_expect(&slow, SEG_ACK, slow.seq));

    /* The priority of the client's frames stays. */
    bed_live(&c, &host);
    CHECK_INT(bed_text(&c, "x"), MIGRATE_FORWARD);
    CHECK_INT(bed.forwarded->frame.tag, TAG(0x8100, 3, 10));
    CU_ASSERT(!memcmp(bed.forwarded->data, bed.hosts[host].mac, 6));
    CHECK_INT(bed_record(&c)->vlan, 20);
    bed_close();
}

/* What of a long request is behind its bundle. */
static void
test_continuation(void)
{
    static const char head[] = "POST / HTTP/1.1\r\nContent-Length: 3000\r\n\r\n";
    static char request[sizeof head - 1 + 3000];
    struct bed_client c = open_tagged(BED_HTTP);
    struct bed_bundle b;
    struct bed_frame *f;

    memcpy(request, head, sizeof head - 1);
    bed_connect(&c);
    bed_data(&c, request, sizeof request);
    b = bed_expect_bundle();
    bed_bundle_free(&b);
    f = bed_take();
    CU_ASSERT_FATAL(f && f->kind == FRAME_TCP);
    CHECK_INT(f->frame.tag, TAG(0x8100, 3, 10));
    free(f);
    bed_clear();
    bed_close();
}

/* A client and its host need not both be in a VLAN. */
static void
test_untagged(void)
{
    struct bed_client c;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    c.tag = TAG(0x88a8, 0, 20);
    bed_live(&c, NULL);
    CHECK_INT(bed_text(&c, "x"), MIGRATE_FORWARD);
    CHECK_INT(bed.forwarded->frame.tag, 0);
    bed_close();

    open_tagged(BED_HTTP);
    c = bed_client(1, BED_HTTP);
    bed_live(&c, NULL);
    CHECK_INT(bed_text(&c, "x"), MIGRATE_FORWARD);
    CHECK_INT(bed.forwarded->frame.tag, TAG(0x8100, 0, 10));
    CHECK_INT(bed_record(&c)->vlan, 0);
    bed_close();
}

static void
test_errors(void)
{
    struct bed_client c = open_tagged(BED_HTTP);

    bed_connect(&c);
    bed_text(&c, "nonsense\r\n\r\n");
    free(bed_expect(&c, SEG_PSH | SEG_ACK | SEG_FIN, c.seq));
    bed_wait(2500);
    bed_clear();

    c = bed_client(1, BED_HTTP);        /* Closes without a request. */
    c.tag = TAG(0x8100, 0, 30);
    bed_connect(&c);
    bed_segment(&c, SEG_FIN | SEG_ACK, c.seq, NULL, 0);
    free(bed_expect(&c, SEG_FIN | SEG_ACK, c.seq + 1));
    bed_close();
}

/* A second tag is inside the frame. */
static void
test_two_tags(void)
{
    uint8_t data[64] = { [12] = 0x81, [13] = 0x00 };
    struct frame frame = {
        .data = data, .len = sizeof data, .tag = TAG(0x88a8, 0, 20),
    };

    bed_open(4, 64);
    CHECK_INT(migrate_service_frame(bed.engine, BED_HTTP, &frame, bed.now),
              MIGRATE_DROP);
    CHECK_INT(BED_COUNT(DROP_NOT_TCP), 1);
    bed_close();
}

static void
give_arp(uint16_t op, const struct migrate_address *sender,
         const struct migrate_address *target, vlan_tag tag)
{
    struct arp arp = {
        .op = op, .sender = *sender, .target = *target,
        .sender_mac = { 2, 9, 9, 9, 9, 9 },
    };
    uint8_t buf[ARP_FRAME_LEN];

    arp_build(&arp, bed.mac, buf);
    bed_control_tagged(buf, sizeof buf, tag);
}

/* Answers go to the VLAN of the question; of hosts, only what is said in their
 * own VLAN counts. */
static void
test_arp(void)
{
    static const uint8_t mac[6] = { 2, 9, 9, 9, 9, 9 };
    struct bed_client c = open_tagged(BED_HTTP);
    const struct host *host = bed.engine->hosts[0];
    struct bed_frame *f;

    bed.keep_hellos = true;
    bed_clear();
    give_arp(ARP_REQUEST, &c.tuple.client, &bed.vip, c.tag);
    f = bed_take();
    CU_ASSERT_FATAL(f && f->kind == FRAME_ARP);
    CHECK_INT(f->frame.tag, c.tag);
    free(f);

    bed.keep_hellos = false;
    bed.hosts[0].alive = false;
    bed_wait(2000);
    CU_ASSERT(!host->up);
    give_arp(ARP_REPLY, &bed.hosts[0].address, &bed.address,
             TAG(0x8100, 0, 20));
    give_arp(ARP_REPLY, &bed.hosts[0].address, &bed.address, 0);
    CU_ASSERT(memcmp(host->mac, mac, 6));
    give_arp(ARP_REPLY, &bed.hosts[0].address, &bed.address,
             TAG(0x8100, 7, 10));
    CU_ASSERT(!memcmp(host->mac, mac, 6));
    bed_close();
}

/* As with ARP. */
static void
test_nd(void)
{
    struct nd nd = { .type = ND_SOLICIT, .mac = { 2, 9, 9, 9, 9, 9 } };
    uint8_t buf[ND_FRAME_LEN];
    struct bed_client c;
    struct bed_frame *f;

    bed_open(6, 64);
    bed_host_vlan(0, 10);
    bed_configure();
    bed_wait(1);
    CU_ASSERT(bed.engine->hosts[0]->up);    /* It was asked in its VLAN. */

    c = bed_client(0, BED_HTTP);
    bed.keep_hellos = true;
    bed_clear();
    nd.target = bed.vip;
    nd_build(&nd, bed.mac, &c.tuple.client, &bed.vip, buf);
    bed_control_tagged(buf, sizeof buf, TAG(0x8100, 0, 20));
    f = bed_take();
    CU_ASSERT_FATAL(f && f->kind == FRAME_ICMP);
    CHECK_INT(f->frame.tag, TAG(0x8100, 0, 20));
    free(f);
    bed_close();
}

/* A host that moves to another VLAN is looked for there. */
static void
test_host_moves(void)
{
    struct bed_client c = open_tagged(BED_HTTP);
    const struct host *host = bed.engine->hosts[0];

    CU_ASSERT(host->up);
    bed_configure();
    CU_ASSERT(host->up);            /* Nothing has changed. */
    bed.host_configs[0].vlan = 11;
    bed_configure();
    bed_wait(1000);
    CU_ASSERT(!host->up && !host->mac_known);
    bed.hosts[0].vlan = 11;
    bed_wait(1000);
    CU_ASSERT(host->up);

    bed.members[1].weight = bed.members[2].weight = 0;
    bed_configure();
    bed_live(&c, NULL);
    CHECK_INT(bed_text(&c, "x"), MIGRATE_FORWARD);
    CHECK_INT(bed.forwarded->frame.tag, TAG(0x8100, 3, 11));
    bed_close();
}

static void
test_placement(void)
{
    struct bed_client c = open_tagged(BED_FLOW);

    bed_live(&c, NULL);
    bed_wait(SWEEP_ROUND + SWEEP_INTERVAL);
    CHECK_INT(bed.placed.n, 1);
    CHECK_INT(bed.placed.flow.client_vlan, 20);
    CHECK_INT(bed.placed.flow.host_vlan, 10);
    bed_close();
}

static const struct unit_test tests[] = {
    { "a connection from one VLAN to another", test_connection },
    { "continuation of a bundle", test_continuation },
    { "tags on one side only", test_untagged },
    { "error responses", test_errors },
    { "two tags", test_two_tags },
    { "ARP", test_arp },
    { "neighbor discovery", test_nd },
    { "a host that moves to another VLAN", test_host_moves },
    { "placement=flow", test_placement },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "vlan", tests };
