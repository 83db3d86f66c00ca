/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bed.h"

/* An engine whose process, or machine, was stopped for a while. */

#define FLOW 0x00770007u

/* Nobody was silent meanwhile. */
static void
test_silence(void)
{
    struct bed_client live, offered, trickled;
    struct bed_bundle b;
    unsigned int host;

    bed_open(4, 64);
    live = bed_client(0, BED_HTTP);
    bed_live(&live, &host);
    bed.hosts[host].alive = false;
    bed_wait(2000);             /* It is down. */
    bed_clear();
    offered = bed_client(1, BED_HTTP);
    bed_request(&offered, NULL);
    b = bed_expect_bundle();
    trickled = bed_client(2, BED_HTTP);
    bed_connect(&trickled);
    bed_text(&trickled, "GET / ");

    bed.now += 60000;
    bed_wait(0);
    CHECK_STR(bed_state(&live), "live");
    CHECK_STR(bed_state(&offered), "offered");
    CHECK_STR(bed_state(&trickled), "gather");
    bed_wait(LISTEN / 2);
    bed_report(b.host, b.flow_id, MIGRATE_CONFIRM, 0, offered.seq);
    CHECK_STR(bed_state(&offered), "live");
    bed_clear();
    bed_text(&trickled, "HTTP/1.1\r\nHost: a\r\n\r\n");
    CHECK_STR(bed_state(&trickled), "offered");
    bed_wait(2000);
    CHECK_STR(bed_state(&live), "live");
    bed_wait(HOST_LOST);
    CHECK_STR(bed_state(&live), "lost");
    bed_bundle_free(&b);
    bed_close();
}

/* In the middle of a handoff, whose host gets all the time that it had. */
static void
test_handoff(void)
{
    struct bed_client c;
    struct bed_bundle b, again;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    b = bed_expect_bundle();
    bed_wait(10);
    bed.now += 5000;
    bed_wait(LISTEN);
    again = bed_expect_bundle();
    CHECK_INT(again.host, b.host);
    CHECK_INT(again.flow_id, b.flow_id);
    CU_ASSERT(again.when >= b.when + 5000);
    bed_report(b.host, b.flow_id, MIGRATE_CONFIRM, 0, c.seq);
    CHECK_STR(bed_state(&c), "live");
    CHECK_INT(BED_COUNT(SILENT), 0);
    bed_bundle_free(&b);
    bed_bundle_free(&again);

    /* But not more, and one that began afterwards gets no more either. */
    bed_clear();
    c = bed_client(1, BED_HTTP);
    bed_request(&c, NULL);
    bed.now += 5000;
    bed_wait(LISTEN + MIGRATE_DEADLINE);
    CHECK_STR(bed_state(&c), "rejected");
    bed_clear();
    bed.now += 5000;
    c = bed_client(2, BED_HTTP);
    bed_request(&c, NULL);
    bed_wait(MIGRATE_DEADLINE + LISTEN);
    CHECK_STR(bed_state(&c), "rejected");
    bed_close();
}

/* Until hosts have heard of it again they take no bundle, so it says hello
 * often: what waits may push the first answers out of a queue. */
static void
test_hellos(void)
{
    uint64_t before;

    bed_open(4, 64);
    bed.now += 5000;
    bed_wait(0);
    before = BED_COUNT(HELLO);
    bed_wait(LISTEN - 1);
    CHECK_INT(BED_COUNT(HELLO) - before,
              BED_HOSTS * (LISTEN / SETTLE_INTERVAL - 1));
    bed_wait(1000);
    before = BED_COUNT(HELLO);
    bed_wait(1000);
    CHECK_INT(BED_COUNT(HELLO) - before,
              BED_HOSTS * 1000 / MIGRATE_HELLO_INTERVAL);
    bed_close();
}

/* A refusal that waited with the rest is heard when the host is asked again:
 * the connection may be at another one by now, through another switch. */
static void
test_refused(void)
{
    struct bed_client c;
    struct bed_bundle b, again;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    b = bed_expect_bundle();
    bed.now += 5000;
    bed_report(b.host, b.flow_id, MIGRATE_REFUSE, MIGRATE_REASON_BACKLOG, 0);
    bed_expect_none();
    CHECK_STR(bed_state(&c), "offered");
    bed_wait(LISTEN);
    again = bed_expect_bundle();
    CHECK_INT(again.host, b.host);
    bed_bundle_free(&again);
    bed_clear();
    bed_report(b.host, b.flow_id, MIGRATE_REFUSE, MIGRATE_REASON_BACKLOG, 0);
    again = bed_expect_bundle();
    CU_ASSERT(again.host != b.host);
    bed_bundle_free(&again);
    bed_bundle_free(&b);
    bed_close();
}

/* Whatever was asked is answered: 'host' has 'map', the others have nothing. */
static void
answer(unsigned int host, const struct migrate_mapping *map)
{
    uint32_t after;

    while (!TAILQ_EMPTY(&bed.frames)) {
        bed_expect_audit(&after);
    }
    for (unsigned int i = 0; i < BED_HOSTS; i++) {
        bed_mappings(i, 0, true, map, i == host);
    }
}

/* Beside another switch, which may have served meanwhile what it goes on with: it
 * asks first. */
static void
test_beside_another(void)
{
    struct migrate_mapping map;
    struct bed_client waiting, offered;
    struct bed_bundle b;
    unsigned int other;

    bed_open(4, 64);
    bed.others = 1;
    bed_wait(MIGRATE_HELLO_INTERVAL);
    waiting = bed_client(0, BED_HTTP);
    bed_connect(&waiting);
    offered = bed_client(1, BED_HTTP);
    bed_request(&offered, NULL);
    b = bed_expect_bundle();
    other = (b.host + 1) % BED_HOSTS;
    map = bed_mapping(&offered, FLOW);
    map.state = MIGRATE_MAPPING_ENDED;
    map.yours = 0;

    bed.keep_audits = true;
    bed.now += 5000;
    bed_segment(&waiting, SEG_ACK, waiting.seq, "GET / HTTP/1.1\r\n", 16);
    CHECK_STR(bed_state(&waiting), "none");
    CHECK_INT(BED_COUNT(DROP_UNSETTLED), 1);
    bed_wait(LISTEN + 100);
    CHECK_STR(bed_state(&offered), "offered");
    answer(other, &map);        /* There is no frame but questions. */
    bed_expect_abort(b.host, b.flow_id);
    CHECK_STR(bed_state(&offered), "linger");
    CHECK_INT(BED_COUNT(BUNDLE_RETRANSMIT), 0);

    bed_text(&waiting, "GET / HTTP/1.1\r\n");
    CHECK_STR(bed_state(&waiting), "gather");
    bed_bundle_free(&b);
    bed_close();
}

static const struct unit_test tests[] = {
    { "nobody was silent", test_silence },
    { "in the middle of a handoff", test_handoff },
    { "hellos", test_hellos },
    { "refused meanwhile", test_refused },
    { "beside another engine", test_beside_another },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "stopped", tests };
