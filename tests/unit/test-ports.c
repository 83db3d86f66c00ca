/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bed.h"

#include <arpa/inet.h>
#include <string.h>

/* Client ports that are used again while there is a record of the connection
 * before: client.c. */

#define REQUEST "GET / HTTP/1.1\r\nHost: test\r\n\r\n"
#define REQUEST_LEN (sizeof REQUEST - 1)

/* A new SYN from a live connection's port is answered, but only data that
 * proves its cookie replaces the connection. */
static void
test_replaced(void)
{
    struct bed_client c, old;
    uint32_t flow_id;
    struct bed_bundle b;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    flow_id = bed_live(&c, NULL);
    old = c;

    c.isn += 0x5555;
    bed_connect(&c);            /* With the last ACK, which changes nothing. */
    CHECK_STR(bed_state(&old), "live");
    CHECK_INT(bed_record(&old)->flow_id, flow_id);
    CHECK_INT(bed_segment(&old, SEG_ACK, old.seq, "GET", 3),
              MIGRATE_FORWARD);
    CHECK_INT(ntohs(bed.forwarded->packet.src_port), flow_id >> 16);

    c.ack++;                    /* A wrong cookie is the old connection's. */
    CHECK_INT(bed_segment(&c, SEG_ACK, c.seq, REQUEST, REQUEST_LEN),
              MIGRATE_FORWARD);
    c.ack--;
    bed_corrupted(&c, SEG_ACK, c.seq, REQUEST, REQUEST_LEN, 3);
    CHECK_STR(bed_state(&old), "live");
    bed_expect_none();
    CHECK_INT(BED_COUNT(REPLACED), 0);

    bed_data(&c, REQUEST, REQUEST_LEN);
    b = bed_expect_bundle();
    CU_ASSERT(b.flow_id != flow_id);
    CHECK_INT(b.inner->packet.seq, c.isn + 1);
    bed_bundle_free(&b);
    CHECK_INT(BED_COUNT(REPLACED), 1);
    CHECK_INT(migrate_connection_count(bed.engine), 1);
    bed_close();
}

/* What overtakes the first data of a new connection is not for the host of the
 * one before, which would answer it with a reset; the rest is. */
static void
check_ahead(bool released)
{
    struct bed_client c, old;
    unsigned int host;
    uint32_t flow_id;
    struct bed_bundle b;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    flow_id = bed_live(&c, &host);
    if (released) {
        bed_report(host, flow_id, MIGRATE_RELEASE, 0, 0);
    }
    old = c;

    c.isn += 0x5555;
    bed_connect(&c);
    CHECK_INT(bed_segment(&c, SEG_ACK, c.seq + 4, REQUEST + 4,
                          REQUEST_LEN - 4), MIGRATE_DROP);
    CHECK_INT(bed_segment(&c, SEG_ACK | SEG_FIN, c.seq + REQUEST_LEN, NULL,
                          0), MIGRATE_DROP);
    CHECK_INT(BED_COUNT(DROP_AHEAD), 2);
    bed_expect_none();
    CHECK_INT(bed_segment(&old, SEG_ACK, old.seq, NULL, 0), MIGRATE_FORWARD);
    CHECK_INT(ntohs(bed.forwarded->packet.src_port), flow_id >> 16);
    CHECK_INT(bed_segment(&old, SEG_RST, old.seq, NULL, 0), MIGRATE_FORWARD);

    bed_data(&c, REQUEST, REQUEST_LEN);
    b = bed_expect_bundle();
    CHECK_INT(b.inner->packet.seq, c.isn + 1);
    bed_bundle_free(&b);
    CHECK_INT(bed_segment(&c, SEG_ACK | SEG_FIN, c.seq, NULL, 0),
              MIGRATE_FORWARD);
    CHECK_INT(ntohs(bed.forwarded->packet.src_port),
              bed_record(&c)->flow_id >> 16);
    bed_close();
}

static void
test_ahead(void)
{
    check_ahead(false);
    check_ahead(true);
}

/* A late copy of a connection's own SYN is no news. */
static void
test_same_syn(void)
{
    struct bed_client c;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_live(&c, NULL);
    bed_segment(&c, SEG_SYN, c.isn, NULL, 0);
    CHECK_INT(BED_COUNT(SYN), 2);
    CU_ASSERT(!bed_record(&c)->syn_seen);
    CHECK_INT(bed_segment(&c, SEG_ACK | SEG_FIN, c.seq, NULL, 0),
              MIGRATE_FORWARD);
    bed_close();
}

static const struct unit_test tests[] = {
    { "new SYN replaces a record once proven", test_replaced },
    { "packets ahead of the first data", test_ahead },
    { "SYN of the same connection again", test_same_syn },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "ports", tests };
