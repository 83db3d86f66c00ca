/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bed.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* An engine that begins: until it knows what hosts have, and what it takes for
 * nobody's then. */

#define FLOW 0x00770007u

static const struct service *
engine_service(uint32_t id)
{
    const struct service *s;
    size_t at = 0;

    while ((s = migrate_next_service(bed.engine, &at)) && s->id != id) {
        continue;
    }
    return s;
}

/* An engine that begins takes over what its predecessor had. */
static void
test_rebuild(void)
{
    struct bed_client c[3];
    struct migrate_mapping maps[3];
    const struct record *r;
    uint32_t after, number;

    bed_open(4, 64);
    number = bed_engine_host(1)->audit.number;
    bed_open_silent();
    for (unsigned int i = 0; i < 3; i++) {
        c[i] = bed_old_client(i);
        maps[i] = bed_mapping(&c[i], FLOW + i);
    }
    maps[1].state = MIGRATE_MAPPING_ENDED;
    bed_wake(1);
    CHECK_INT(bed_expect_audit(&after), 1);
    CHECK_INT(after, 0);
    /* The list of its predecessor's last audit would not do. */
    CU_ASSERT(bed_engine_host(1)->audit.number != number);
    bed_expect_none();
    bed_mappings(1, 0, false, maps, 2);
    CHECK_INT(bed_expect_audit(&after), 1);
    CHECK_INT(after, FLOW + 1);
    bed_mappings(1, after, true, maps + 2, 1);
    bed_expect_none();

    CHECK_STR(bed_state(&c[0]), "live");
    CHECK_STR(bed_state(&c[1]), "linger");
    CHECK_STR(bed_state(&c[2]), "live");
    CHECK_INT(BED_COUNT(ADOPTED), 2);
    r = bed_record(&c[2]);
    CHECK_INT(r->flow_id, FLOW + 2);
    CHECK_INT(r->service_id, BED_HTTP);
    CHECK_INT(r->isn, c[2].ack - 1);
    CHECK_INT(r->made, (uint32_t) bed.now - 10);
    CHECK_INT(bed_engine_host(1)->n_connections, 2);
    CHECK_INT(bed_engine_host(1)->n_records, 3);
    CHECK_INT(engine_service(BED_HTTP)->n_connections, 2);
    CHECK_INT(engine_service(BED_HTTP)->n_handoffs, 0);

    /* They go on, and end, as any. */
    CHECK_INT(bed_text(&c[0], "more"), MIGRATE_FORWARD);
    CHECK_INT(ntohs(bed.forwarded->packet.src_port), FLOW >> 16);
    CHECK_INT(ntohs(bed.forwarded->packet.dst_port), FLOW & 0xffff);
    CU_ASSERT(address_equals(&bed.forwarded->packet.dst,
                             &bed.hosts[1].address));
    bed_report(1, FLOW, MIGRATE_RELEASE, 0, 0);
    CHECK_STR(bed_state(&c[0]), "linger");
    CHECK_INT(bed_engine_host(1)->n_connections, 1);
    CHECK_INT(engine_service(BED_HTTP)->n_connections, 1);
    bed_close();
}

/* A connection of a service with placement=flow gets its flow again, once it
 * is in use. */
static void
test_rebuild_placed(void)
{
    struct migrate_mapping map;
    struct bed_client c;
    uint32_t after;

    bed_open_silent();
    c = bed_old_client(0);
    c.service_id = BED_FLOW;
    map = bed_mapping(&c, FLOW);
    bed_wake(0);
    bed_expect_audit(&after);
    bed_mappings(0, 0, true, &map, 1);
    bed_wait(2 * SWEEP_ROUND);
    CHECK_INT(bed.placed.n, 0);
    bed_text(&c, "x");
    bed_wait(SWEEP_ROUND + SWEEP_INTERVAL);
    CHECK_INT(bed.placed.n, 1);
    CHECK_INT(bed.placed.flow.flow_id, FLOW);
    bed_close();
}

/* What only a cookie proves is dropped, not answered in any way, until it is
 * known that no host has it. */
static void
test_unsettled(void)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    struct bed_client c;
    struct bed_bundle b;
    uint32_t after;

    bed_open_silent();
    c = bed_client(0, BED_HTTP);
    bed_connect(&c);            /* SYNs are answered. */
    CHECK_INT(BED_COUNT(DROP_UNSETTLED), 1);
    bed_segment(&c, SEG_ACK, c.isn + 1, request, strlen(request));
    bed_segment(&c, SEG_ACK | SEG_FIN, c.isn + 1, NULL, 0);
    bed_segment(&c, SEG_ACK, c.isn, NULL, 0);
    CHECK_INT(BED_COUNT(DROP_UNSETTLED), 4);
    bed_expect_none();
    CHECK_STR(bed_state(&c), "none");

    /* All but one say what they have; that one does not answer the audit. */
    bed.hosts[0].alive = bed.hosts[1].alive = true;
    bed_wake(2);
    for (unsigned int i = 0; i < BED_HOSTS; i++) {
        CHECK_INT(bed_expect_audit(&after), i);
        if (i) {
            bed_mappings(i, 0, true, NULL, 0);
        }
    }
    bed_segment(&c, SEG_ACK, c.isn + 1, request, strlen(request));
    CHECK_INT(BED_COUNT(DROP_UNSETTLED), 5);
    bed_mappings(0, 0, true, NULL, 0);
    bed_segment(&c, SEG_ACK, c.isn + 1, request, strlen(request));
    b = bed_expect_bundle();
    bed_bundle_free(&b);
    CHECK_INT(BED_COUNT(DROP_UNSETTLED), 5);
    bed_close();
}

/* That is so as well where the port's older connection is known already. */
static void
test_unsettled_reuse(void)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    struct migrate_mapping map;
    struct bed_client c, old;
    struct bed_bundle b;
    uint32_t after;

    bed_open_silent();
    c = bed_client(0, BED_HTTP);
    bed_connect(&c);
    old = c;
    old.ack = 0x51000000;
    old.isn -= 100000;
    map = bed_mapping(&old, FLOW);
    map.state = MIGRATE_MAPPING_ENDED;
    bed.hosts[0].alive = bed.hosts[1].alive = true;
    bed_wake(2);
    CHECK_INT(bed_expect_audit(&after), 0);
    bed_mappings(0, 0, true, &map, 1);
    CHECK_STR(bed_state(&c), "linger");
    bed_segment(&c, SEG_ACK, c.isn + 1, request, strlen(request));
    CHECK_STR(bed_state(&c), "linger");
    for (unsigned int i = 1; i < BED_HOSTS; i++) {
        CHECK_INT(bed_expect_audit(&after), i);
        bed_mappings(i, 0, true, NULL, 0);
    }
    bed_segment(&c, SEG_ACK, c.isn + 1, request, strlen(request));
    b = bed_expect_bundle();
    bed_bundle_free(&b);
    bed_close();
}

/* A host that tells nothing, over and over, is not waited for. */
static void
test_settle_empty(void)
{
    int64_t start;

    bed_open_silent();
    bed_wake(0);
    start = bed.now;
    while (!audit_settled(bed.engine, bed.now)
           && bed.now < start + 10 * MIGRATE_HELLO_TIMEOUT) {
        uint32_t after;

        while (!TAILQ_EMPTY(&bed.frames)) {
            bed_mappings(bed_expect_audit(&after), 0, false, NULL, 0);
        }
        bed_wait(1);
    }
    CU_ASSERT(bed.now <= start + 2 * MIGRATE_HELLO_TIMEOUT);
    bed_close();
}

/* Hosts that are not heard of for some seconds after the engine has begun may
 * have anything: nobody is reset, whether all is silent or one host's agent
 * is. */
static void
test_silent_for_long(void)
{
    for (unsigned int i = 0; i < 2; i++) {
        struct bed_client c;
        unsigned int host;

        bed_open(4, 64);
        c = bed_client(0, BED_HTTP);
        bed_live(&c, &host);
        bed.hosts[host].mute = i;
        for (unsigned int k = 0; k < BED_HOSTS; k++) {
            bed.hosts[k].alive = i;
        }
        bed_restart();
        for (unsigned int k = 0; k < 8; k++) {
            bed_segment(&c, SEG_ACK | SEG_PSH, c.seq, "data", 4);
            bed_wait(STRANGER_AGE);
        }
        CHECK_INT(BED_COUNT(RESET), 0);
        bed_close();
    }
}

/* A connection whose SYN another engine has answered: what is said to the
 * client next must not be older by the clock that it has heard. */
static void
test_timestamps(void)
{
    struct bed_client c;
    struct bed_bundle b;
    struct bed_frame *f;
    struct tcp_options o;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_connect(&c);
    bed_restart();
    bed_wait(MIGRATE_HELLO_INTERVAL);
    CU_ASSERT(bed.engine->ts_offset + (uint32_t) bed.now - c.ts_recent > 1000);
    bed_segment(&c, SEG_ACK, c.seq - 1, NULL, 0);      /* Keepalive. */
    f = bed_expect(&c, SEG_ACK, c.seq);
    CU_ASSERT(tcp_options_parse(&f->frame, &f->packet, &o));
    CHECK_INT(o.tsval, c.ts_recent);
    CHECK_INT(o.tsecr, (uint32_t) bed.now);
    free(f);
    bed_text(&c, "GET / HTTP/1.1\r\n");
    bed_wait(DELAYED_ACK + 1);
    f = bed_expect(&c, SEG_ACK, c.seq);
    CU_ASSERT(tcp_options_parse(&f->frame, &f->packet, &o));
    CHECK_INT(o.tsval, c.ts_recent + DELAYED_ACK);
    free(f);
    bed_text(&c, "Host: a\r\n\r\n");
    b = bed_expect_bundle();
    CHECK_INT(ntohl(b.b.tsecr), c.ts_recent + DELAYED_ACK + 1);
    bed_bundle_free(&b);
    bed_close();
}

/* Whoever is not there is not waited for any longer than it takes to see that.
 * Meanwhile hosts are asked often. */
static void
test_settle_time(void)
{
    struct bed_client c;
    int64_t start;

    bed_open_silent();
    bed_wait(60000);            /* No flow leads here yet. */
    CU_ASSERT(!audit_settled(bed.engine, bed.now));
    start = bed.now;
    c = bed_client(0, BED_HTTP);
    bed_segment(&c, SEG_SYN, c.isn, NULL, 0);
    bed_wake(0);                    /* Is there, but answers no audit. */
    while (!audit_settled(bed.engine, bed.now)) {
        bed_wait(1);
    }
    CU_ASSERT(bed.now - start >= MIGRATE_HELLO_TIMEOUT);
    CU_ASSERT(bed.now - start <= (MIGRATE_HELLO_TIMEOUT
                                  + 2 * MIGRATE_HELLO_INTERVAL));
    CU_ASSERT(BED_COUNT(HELLO) >= MIGRATE_HELLO_TIMEOUT / SETTLE_INTERVAL - 1);
    CU_ASSERT(BED_COUNT(AUDIT) >= MIGRATE_HELLO_TIMEOUT / SETTLE_INTERVAL - 1);
    bed_close();
}

/* A host with much to tell is waited for as long as it tells. */
static void
test_settle_long(void)
{
    struct migrate_mapping map;
    uint32_t after;

    bed_open_silent();
    bed_wake(0);
    bed_expect_audit(&after);
    for (unsigned int i = 0; i < 10; i++) {
        struct bed_client c = bed_old_client(i);

        CU_ASSERT(!audit_settled(bed.engine, bed.now));
        bed_wait(500);
        bed_clear();
        map = bed_mapping(&c, FLOW + i);
        bed.hosts[0].asked = bed_engine_host(0)->audit.sequence;
        bed_mappings(0, after, i == 9, &map, 1);
        after = FLOW + i;
    }
    CU_ASSERT(audit_settled(bed.engine, bed.now));
    CHECK_INT(BED_COUNT(ADOPTED), 10);
    bed_close();
}

/* A CONFIRM of something unknown is not answered with ABORT as long as the
 * connection might be an earlier engine's. */
static void
test_no_abort_before(void)
{
    uint32_t after;

    bed_open_silent();
    bed_wake(1);
    bed_expect_audit(&after);
    bed_report(1, FLOW, MIGRATE_CONFIRM, 0, 0);
    bed_expect_none();
    bed_mappings(1, 0, true, NULL, 0);
    bed_report(1, FLOW, MIGRATE_CONFIRM, 0, 0);
    bed_expect_abort(1, FLOW);
    bed_close();
}

/* Data that proves nothing may be of a connection that the engine missed: it
 * asks, but not for each. */
static void
test_hurry(void)
{
    struct migrate_mapping map;
    struct bed_client c;
    uint32_t after;

    bed_open(4, 64);
    c = bed_old_client(0);
    bed_wait(1000);
    bed.keep_audits = true;
    bed_text(&c, "data");
    CHECK_INT(BED_COUNT(DROP_COOKIE), 1);
    bed_wait(0);
    map = bed_mapping(&c, FLOW);
    for (unsigned int i = 0; i < BED_HOSTS; i++) {
        CHECK_INT(bed_expect_audit(&after), i);
        bed_mappings(i, 0, true, &map, i == 0);
    }
    CHECK_STR(bed_state(&c), "live");
    c = bed_old_client(1);
    for (unsigned int i = 0; i < 10; i++) {
        bed_text(&c, "data");
        bed_wait(100);
        bed_expect_none();
    }
    bed_close();
}

/* Sends 'c' its first data again and returns whether it is reset. */
static bool
resets(const struct bed_client *c, const char *data)
{
    uint64_t n = BED_COUNT(RESET);
    struct bed_frame *f;

    bed_clear();
    bed_segment(c, SEG_ACK | SEG_PSH, c->seq, data, strlen(data));
    if (BED_COUNT(RESET) == n) {
        bed_expect_none();
        return false;
    }
    f = bed_expect(c, SEG_RST, 0);
    CHECK_INT(f->packet.seq, c->ack);
    free(f);
    return true;
}

/* Who goes on sending for a connection that nobody has, such as one whose
 * cookie has expired, is told, once that is certain. */
static void
test_nobodys(void)
{
    struct bed_client c;

    bed_open(4, 64);
    bed_wait(1000);
    c = bed_old_client(0);
    CU_ASSERT(!resets(&c, "data"));
    CU_ASSERT(!resets(&c, "data"));     /* Hosts have not answered yet. */
    bed_wait(STRANGER_AGE - 1);
    CU_ASSERT(!resets(&c, "data"));     /* Its first data may be late. */
    bed_wait(1);
    CU_ASSERT(resets(&c, "data"));
    CU_ASSERT(resets(&c, "data"));      /* The reset may be lost. */
    c.seq++;
    CU_ASSERT(!resets(&c, "data"));     /* It may be another by now. */
    bed_wait(STRANGER_LIFE + 1);
    CU_ASSERT(!resets(&c, "data"));

    /* A host that is away may have it, but not for ever. */
    bed.hosts[1].alive = false;
    bed_wait(2000);
    c = bed_old_client(1);
    CU_ASSERT(!resets(&c, "data"));
    bed_wait(HOST_LOST - 3000);
    CU_ASSERT(!resets(&c, "data"));
    bed_wait(3000);
    CU_ASSERT(resets(&c, "data"));
    bed_close();
}

static const struct unit_test tests[] = {
    { "rebuild", test_rebuild },
    { "rebuild: placement=flow", test_rebuild_placed },
    { "unsettled engine drops what a cookie proves", test_unsettled },
    { "unsettled engine, and a port that is used again",
      test_unsettled_reuse },
    { "hosts that are silent for long", test_silent_for_long },
    { "timestamps go on", test_timestamps },
    { "settled in time", test_settle_time },
    { "host with much to tell", test_settle_long },
    { "host with nothing to tell", test_settle_empty },
    { "no ABORT of what may be an earlier engine's", test_no_abort_before },
    { "hurry", test_hurry },
    { "connection that nobody has", test_nobodys },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "settle", tests };
