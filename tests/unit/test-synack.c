/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bed.h"

#include <stdlib.h>

/* Expects the SYN-ACK that 'c' has got before, no later than 'late' ms after
 * 'ms' have passed. */
static void
expect_synack(const struct bed_client *c, unsigned int ms, unsigned int late)
{
    struct bed_frame *f;
    int64_t when = bed.now + ms;

    bed_wait(ms - 1);
    bed_expect_none();
    bed_wait(late + 1);
    f = bed_expect(c, SEG_SYN | SEG_ACK, c->isn + 1);
    CHECK_INT(f->packet.seq, c->ack - 1);
    CU_ASSERT(f->when >= when);
    free(f);
    bed_expect_none();
}

/* Where the server speaks first, and the client's ACK is lost, the client has
 * nothing to say. */
static void
test_synack_again(void)
{
    struct bed_client c, lost;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);        /* It will say something. */
    bed_segment(&c, SEG_SYN, c.isn, NULL, 0);
    bed_clear();
    c = bed_client(1, BED_TCP);
    bed_connect(&c);
    bed_segment(&c, SEG_ACK, c.seq, NULL, 0);
    bed_clear();
    bed_report(bed_record(&c)->host, bed_record(&c)->flow_id,
               MIGRATE_CONFIRM, 0, c.seq);
    lost = bed_client(2, BED_AUTO);
    bed_connect(&lost);
    bed_clear();
    expect_synack(&lost, 1000, SWEEP_INTERVAL);
    expect_synack(&lost, 3000 - 1000 - SWEEP_INTERVAL, 2 * SWEEP_INTERVAL);
    CHECK_INT(BED_COUNT(SYN_ACK_AGAIN), 2);
    bed_segment(&lost, SEG_ACK, lost.seq, NULL, 0);
    CHECK_STR(bed_state(&lost), "gather");
    bed_wait(10000);
    CHECK_INT(BED_COUNT(SYN_ACK_AGAIN), 2);
    bed_close();
}

/* In a flood only the last can be sent again. */
static void
test_synack_flood(void)
{
    struct bed_client c;
    uint64_t again;

    bed_open(4, 64);
    c = bed_client(1, BED_TCP);
    bed.discard = true;
    for (uint32_t i = 0; i < 100000; i++) {
        bed_segment(&c, SEG_SYN, i, NULL, 0);
    }
    bed_wait(1000 + SWEEP_INTERVAL);
    again = BED_COUNT(SYN_ACK_AGAIN);
    CU_ASSERT(again > 0 && again < 10000);
    bed_wait(10000);
    CHECK_INT(BED_COUNT(SYN_ACK_AGAIN), 2 * again);
    bed_close();
}

static const struct unit_test tests[] = {
    { "again where the server may speak", test_synack_again },
    { "flood of SYNs", test_synack_flood },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "synack", tests };
