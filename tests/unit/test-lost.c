/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bed.h"

#include <stdlib.h>

/* Clients that send nothing more when their host is dead: lost_hint(). */

#define HINTS 5                 /* As many as lost.c gives. */

/* A client that is served by '*host', and has received 'n' bytes. */
static struct bed_client
receiver(unsigned int i, uint32_t n, unsigned int *host)
{
    struct bed_client c = bed_client(i, BED_HTTP);

    bed_live(&c, host);
    c.ack += n;
    CHECK_INT(bed_segment(&c, SEG_ACK, c.seq, NULL, 0), MIGRATE_FORWARD);
    bed_clear();
    return c;
}

/* The engine sends 'c' a reset and a probe, which expect that it is where its
 * last packet was. */
static void
expect_hint(const struct bed_client *c)
{
    struct bed_frame *f = bed_expect(c, SEG_RST, 0);

    CHECK_INT(f->packet.seq, c->ack);
    free(f);
    f = bed_expect(c, SEG_ACK, c->seq);
    CHECK_INT(f->packet.seq, c->ack - 1);
    CHECK_INT(f->packet.payload_len, 0);
    free(f);
}

/* 'host' goes away for so long that its connections are lost. */
static void
die(unsigned int host)
{
    bed.hosts[host].alive = false;
    bed_wait(HOST_LOST);
    bed_expect_none();
    bed_wait(MIGRATE_HELLO_TIMEOUT + SWEEP_ROUND);
}

/* A client that has received more than the engine saw it acknowledge: the
 * probe tells where it is. */
static void
answered(int family)
{
    struct bed_client c;
    struct bed_frame *f;
    unsigned int host;

    bed_open(family, 64);
    c = receiver(0, 100000, &host);
    die(host);
    CHECK_STR(bed_state(&c), "lost");
    CHECK_INT(BED_COUNT(LOST_HINT), 1);
    expect_hint(&c);
    bed_expect_none();

    c.ack += 1400;
    CHECK_INT(bed_segment(&c, SEG_ACK, c.seq, NULL, 0), MIGRATE_DROP);
    f = bed_expect(&c, SEG_RST, 0);
    CHECK_INT(f->packet.seq, c.ack);
    free(f);

    bed_wait(SWEEP_ROUND);      /* That may have been lost. */
    expect_hint(&c);
    bed_segment(&c, SEG_RST, c.seq, NULL, 0);
    bed_wait(2 * SWEEP_ROUND);
    bed_expect_none();
    bed_wait(MIGRATE_LINGER);
    CHECK_STR(bed_state(&c), "none");
    bed_close();
}

static void
test_answered(void)
{
    answered(4);
    answered(6);
}

/* A client that is silent, because the reset has reached it, or for good. */
static void
test_silent(void)
{
    struct bed_client c;
    unsigned int host;

    bed_open(4, 64);
    c = receiver(0, 5, &host);
    die(host);
    for (int i = 0; i < HINTS; i++) {
        expect_hint(&c);
        bed_expect_none();
        CHECK_STR(bed_state(&c), "lost");
        bed_wait(SWEEP_ROUND);
    }
    bed_expect_none();
    bed_wait(MIGRATE_LINGER);
    CHECK_STR(bed_state(&c), "none");
    CHECK_INT(BED_COUNT(LOST_HINT), HINTS);
    bed_close();
}

/* One that has closed meanwhile answers the probe with a reset. */
static void
test_gone(void)
{
    struct bed_client c;
    unsigned int host;

    bed_open(4, 64);
    c = receiver(0, 5, &host);
    die(host);
    expect_hint(&c);
    bed_segment(&c, SEG_RST, c.seq + 1, NULL, 0);       /* A stranger's. */
    bed_wait(SWEEP_ROUND);
    expect_hint(&c);
    bed_segment(&c, SEG_RST, c.seq, NULL, 0);
    bed_wait(SWEEP_ROUND);
    bed_expect_none();
    bed_close();
}

/* The request is all that came of the client, in a VLAN; and its FIN. */
static void
test_request_only(void)
{
    struct bed_client c;
    unsigned int host;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    c.tag = 0x81000007;
    bed_live(&c, &host);
    bed.hosts[host].epoch++;    /* It says itself that it has lost it. */
    bed_wait(MIGRATE_HELLO_INTERVAL + SWEEP_ROUND);
    expect_hint(&c);

    bed_segment(&c, SEG_ACK | SEG_FIN, c.seq, NULL, 0);
    CHECK_INT(bed_record(&c)->client_seq, c.seq + 1);
    bed_close();
}

/* A while without a host is no death, nor is an agent's; and a host that is
 * back has its connections. */
static void
test_not_dead(void)
{
    struct bed_client c;
    unsigned int host;

    bed_open(4, 64);
    c = receiver(0, 5, &host);
    bed.hosts[host].alive = false;
    bed_wait(HOST_LOST);
    bed.hosts[host].alive = true;
    bed_wait(2 * SWEEP_ROUND);
    bed.hosts[host].mute = true;
    bed_wait(2 * HOST_LOST);
    CHECK_STR(bed_state(&c), "live");
    bed_expect_none();
    CHECK_INT(BED_COUNT(LOST_HINT), 0);
    bed_close();
}

/* However many there are, the engine stops for none of them. */
static void
test_many(void)
{
    const unsigned int n = 3 * SWEEP_HINTS;
    uint64_t hints = 0;
    unsigned int host;

    bed_open(4, n);
    for (unsigned int i = 0; i < n; i++) {
        receiver(i, 0, &host);
    }
    for (unsigned int i = 0; i < BED_HOSTS; i++) {
        bed.hosts[i].epoch++;
    }
    while (hints < n * HINTS) {
        bed_wait(SWEEP_INTERVAL);
        bed_clear();
        CU_ASSERT_FATAL(BED_COUNT(LOST_HINT) - hints <= SWEEP_HINTS);
        CU_ASSERT_FATAL(bed.now < 1000000 + 60000);
        hints = BED_COUNT(LOST_HINT);
    }
    bed_wait(2 * MIGRATE_LINGER);
    CHECK_INT(BED_COUNT(LOST_HINT), n * HINTS);
    CHECK_INT(migrate_connection_count(bed.engine), 0);
    bed_close();
}

static const struct unit_test tests[] = {
    { "client that answers the probe", test_answered },
    { "silent client", test_silent },
    { "client that has closed", test_gone },
    { "nothing came but the request", test_request_only },
    { "host that is not dead", test_not_dead },
    { "many clients", test_many },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "lost", tests };
