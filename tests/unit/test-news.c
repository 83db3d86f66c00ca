/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bed.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

/* What hosts tell of the connections of other switches: audit_news(). */

#define FLOW 0x00770007u

/* Client 'n', whose connection another switch has handed to a host, and the
 * mapping that the host has of it. */
static struct bed_client
other_client(unsigned int n, struct migrate_mapping *map)
{
    struct bed_client c = bed_old_client(n);

    *map = bed_mapping(&c, FLOW + n);
    map->yours = 0;
    return c;
}

/* Host 'host' tells of 'map' in message 'number'. */
static void
tell(unsigned int host, uint64_t number, const struct migrate_mapping *map)
{
    struct {
        struct migrate_news news;
        struct migrate_mapping map;
    } body = { .news.number = htobe64(number), .map = *map };

    bed_message(host, MIGRATE_NEWS, &body, sizeof body, 1);
}

/* The same, and the engine answers. */
static void
news(unsigned int host, uint64_t number, const struct migrate_mapping *map)
{
    struct {
        struct migrate_header header;
        struct migrate_news heard;
    } message;

    bed_clear();
    tell(host, number, map);
    CHECK_INT(bed_expect_message(MIGRATE_HEARD, &message, sizeof message),
              host);
    CHECK_INT(be64toh(message.heard.number), number);
}

/* One that begins, moves over here, and ends. */
static void
test_life(void)
{
    struct migrate_mapping map;
    struct bed_client c;

    bed_open(4, 64);
    c = other_client(0, &map);
    news(1, 1, &map);
    CHECK_STR(bed_state(&c), "standby");
    CHECK_INT(bed_engine_host(1)->n_connections, 1);
    CHECK_INT(bed_engine_host(1)->n_standby, 1);
    CHECK_INT(BED_COUNT(NEWS), 1);
    bed_expect_none();

    CHECK_INT(bed_text(&c, "more"), MIGRATE_FORWARD);
    CHECK_INT(ntohs(bed.forwarded->packet.src_port), FLOW >> 16);
    CHECK_INT(ntohs(bed.forwarded->packet.dst_port), FLOW & 0xffff);
    CU_ASSERT(address_equals(&bed.forwarded->packet.src, &bed.address));
    CU_ASSERT(address_equals(&bed.forwarded->packet.dst,
                             &bed.hosts[1].address));
    CHECK_STR(bed_state(&c), "live");
    CHECK_INT(BED_COUNT(TAKEN_OVER), 1);
    bed_text(&c, "more");
    CHECK_INT(BED_COUNT(TAKEN_OVER), 1);
    CHECK_INT(bed_engine_host(1)->n_connections, 1);
    CHECK_INT(bed_engine_host(1)->n_standby, 0);

    map.state = MIGRATE_MAPPING_ENDED;
    news(1, 2, &map);
    CHECK_STR(bed_state(&c), "linger");
    CHECK_INT(bed_engine_host(1)->n_connections, 0);
    bed_wait(MIGRATE_LINGER + 2 * SWEEP_ROUND);
    CHECK_STR(bed_state(&c), "none");
    CHECK_INT(bed_engine_host(1)->n_records, 0);
    bed_close();
}

/* One that ends, or is aborted, without having come here. */
static void
test_end(void)
{
    struct migrate_mapping map;
    struct bed_client c;

    bed_open(6, 64);
    c = other_client(0, &map);
    news(1, 1, &map);
    map.state = MIGRATE_MAPPING_ENDED;
    news(1, 2, &map);
    CHECK_STR(bed_state(&c), "linger");
    CHECK_INT(bed_engine_host(1)->n_standby, 0);

    c = other_client(1, &map);
    news(1, 3, &map);
    map.state = MIGRATE_MAPPING_ABORTED;
    news(1, 4, &map);
    CHECK_STR(bed_state(&c), "none");
    CHECK_INT(bed_engine_host(1)->n_connections, 0);
    CHECK_INT(bed_engine_host(1)->n_standby, 0);
    CHECK_INT(bed_engine_host(1)->n_records, 1);

    /* And without having been known. */
    c = other_client(2, &map);
    map.state = MIGRATE_MAPPING_ABORTED;
    news(1, 5, &map);
    CHECK_STR(bed_state(&c), "none");
    bed_close();
}

/* What comes twice does nothing twice, and old news are none. */
static void
test_replay(void)
{
    struct migrate_mapping map, ended;
    struct bed_client c;

    bed_open(4, 64);
    c = other_client(0, &map);
    ended = map;
    ended.state = MIGRATE_MAPPING_ENDED;
    news(1, 7, &map);
    news(1, 7, &ended);         /* It was not heard that this was heard. */
    CHECK_STR(bed_state(&c), "standby");
    CHECK_INT(BED_COUNT(NEWS), 1);
    news(1, 9, &ended);
    bed_wait(MIGRATE_LINGER + 2 * SWEEP_ROUND);
    bed_clear();
    tell(1, 8, &map);
    bed_expect_none();
    CHECK_INT(BED_COUNT(DROP_OLD), 1);
    CHECK_STR(bed_state(&c), "none");

    /* Nor are those of another epoch of either. */
    bed.hosts[1].epoch++;
    tell(1, 10, &map);
    bed.hosts[1].epoch--;
    bed.engine->epoch += 2;
    news(1, 10, &map);          /* The bed says what epoch that is. */
    CHECK_INT(BED_COUNT(DROP_OLD), 2);
    bed_close();
}

static void
test_malformed(void)
{
    struct migrate_news body = { .number = htobe64(1) };
    struct migrate_mapping map;

    bed_open(4, 64);
    bed_clear();
    bed_message(0, MIGRATE_NEWS, NULL, 0, 0);
    bed_message(0, MIGRATE_NEWS, &body, sizeof body, 1);
    CHECK_INT(BED_COUNT(DROP_CONTROL), 2);
    bed_expect_none();
    other_client(0, &map);
    map.flow_id = htonl(0x00770000);    /* None can be. */
    news(0, 1, &map);
    CHECK_INT(migrate_connection_count(bed.engine), 0);
    bed_close();
}

/* An audit that does not find it any more ends it, as any. */
static void
test_audit(void)
{
    struct migrate_mapping map;
    struct bed_client c;

    bed_open(4, 64);
    c = other_client(0, &map);
    news(0, 1, &map);
    bed.keep_audits = true;
    bed_engine_host(0)->audit.next = 0;
    bed_wait(MIGRATE_HELLO_INTERVAL);
    for (;;) {
        uint32_t after;
        unsigned int host = bed_expect_audit(&after);

        bed_mappings(host, 0, true, NULL, 0);
        if (host == 0) {
            break;
        }
    }
    bed.keep_audits = false;
    bed_wait(SWEEP_ROUND + SWEEP_INTERVAL);
    CHECK_STR(bed_state(&c), "linger");
    CHECK_INT(bed_engine_host(0)->n_standby, 0);
    bed_close();
}

/* Its request is on its way to another host here, or incomplete. */
static void
test_request_here(void)
{
    struct migrate_mapping map;
    struct bed_bundle b;
    struct bed_client c;
    unsigned int other;
    uint32_t flow_id;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    b = bed_expect_bundle();
    flow_id = b.flow_id;
    other = (b.host + 1) % BED_HOSTS;
    map = bed_mapping(&c, FLOW);
    map.yours = 0;
    tell(other, 1, &map);
    bed_expect_abort(b.host, flow_id);
    bed_bundle_free(&b);
    b = bed_expect_bundle();
    CHECK_INT(b.host, other);
    CHECK_INT(b.flow_id, FLOW);
    bed_bundle_free(&b);
    bed_report(other, FLOW, MIGRATE_CONFIRM, 0, c.seq);
    CHECK_STR(bed_state(&c), "live");

    bed_clear();
    c = bed_client(1, BED_HTTP);
    bed_connect(&c);
    bed_text(&c, "GET ");
    map = bed_mapping(&c, FLOW + 1);
    map.yours = 0;
    map.state = MIGRATE_MAPPING_ABORTED;
    news(2, 1, &map);           /* Then it is still to be made. */
    CHECK_STR(bed_state(&c), "gather");
    map.state = MIGRATE_MAPPING_ENDED;
    news(2, 2, &map);
    CHECK_STR(bed_state(&c), "linger");
    bed_close();
}

/* Its switch took it to another host. */
static void
test_elsewhere(void)
{
    struct migrate_mapping map;
    struct bed_client c;

    bed_open(4, 64);
    c = other_client(0, &map);
    map.age = htonl(500);
    news(0, 1, &map);
    map.flow_id = htonl(FLOW + 9);
    map.age = htonl(1);
    news(1, 1, &map);
    CHECK_STR(bed_state(&c), "standby");
    CHECK_INT(bed_record(&c)->flow_id, FLOW + 9);
    CHECK_INT(bed_engine_host(0)->n_standby, 0);
    CHECK_INT(bed_engine_host(1)->n_standby, 1);

    /* The older one, told late, is of no interest. */
    map.flow_id = htonl(FLOW);
    map.age = htonl(500);
    news(0, 2, &map);
    CHECK_INT(bed_record(&c)->flow_id, FLOW + 9);
    bed_close();
}

/* Another switch's connection is not reset as long as a host may have it. */
static void
test_no_reset(void)
{
    struct migrate_mapping map;
    struct bed_client c;
    struct bed_frame *f;

    bed_open(4, 64);
    c = other_client(0, &map);
    news(1, 1, &map);
    bed.hosts[1].alive = false;
    bed_wait(HOST_LOST + 2000);
    CHECK_INT(bed_engine_host(1)->lost, true);
    CHECK_STR(bed_state(&c), "standby");

    /* If it says itself that it has none, the client is told. */
    bed.hosts[1].alive = true;
    bed.hosts[1].epoch++;
    bed_wait(1000);
    CHECK_STR(bed_state(&c), "lost");
    CHECK_INT(bed_engine_host(1)->n_standby, 0);
    bed_clear();
    bed_wait(2 * SWEEP_ROUND);  /* Nobody knows yet where the client is. */
    bed_expect_none();
    bed_text(&c, "x");
    f = bed_take();
    CU_ASSERT_FATAL(f && f->packet.flags & SEG_RST);
    free(f);
    bed_close();
}

/* A new connection from the same client port takes its place; nothing is
 * aborted that is another switch's. */
static void
test_replaced(void)
{
    struct migrate_mapping map;
    struct bed_client c, old;
    unsigned int host;

    bed_open(4, 64);
    old = other_client(0, &map);
    news(2, 1, &map);
    bed_wait(1000);
    c = bed_client(0, BED_HTTP);
    bed_live(&c, &host);
    CHECK_STR(bed_state(&old), "live");
    CHECK_INT(bed_record(&old)->isn, c.ack - 1);
    CHECK_INT(BED_COUNT(REPLACED), 1);
    CHECK_INT(BED_COUNT(ABORT), 0);
    CHECK_INT(bed_engine_host(2)->n_standby, 0);
    bed_close();
}

/* The same, if the other switch has answered its SYN. */
static void
test_replaced_unseen(void)
{
    struct migrate_mapping map;
    struct bed_client c, old;
    struct bed_bundle b;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_connect(&c);
    for (int state = MIGRATE_MAPPING_LIVE; state <= MIGRATE_MAPPING_ENDED;
         state++) {
        bed_restart();
        bed_wait(1000);
        old = other_client(0, &map);
        map.state = state;
        news(2, 1, &map);
        CHECK_STR(bed_state(&old), state == MIGRATE_MAPPING_LIVE
                  ? "standby" : "linger");
        bed_clear();
        bed_segment(&c, SEG_ACK, c.seq, "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                    27);
        b = bed_expect_bundle();
        bed_bundle_free(&b);
        CHECK_INT(bed_record(&old)->isn, c.ack - 1);
    }
    bed_close();
}

/* A SYN that one switch answered, and a request for the other. */
static void
test_cookie(void)
{
    struct bed_bundle b;
    struct bed_client c;

    for (int family = 4; family <= 6; family += 2) {
        bed_open(family, 64);
        c = bed_client(0, BED_HTTP);
        bed_connect(&c);
        bed_restart();
        bed_wait(1000);
        bed_clear();
        bed_text(&c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        b = bed_expect_bundle();
        bed_bundle_free(&b);
        bed_close();
    }
}

/* ACKs of an unknown connection have hosts asked as well: of a download,
 * there is nothing else. */
static void
test_hurry(void)
{
    struct migrate_mapping map;
    struct bed_client c;
    uint32_t after;

    bed_open(4, 64);
    c = other_client(0, &map);
    bed_wait(1000);
    bed.keep_audits = true;
    bed_segment(&c, SEG_ACK, c.seq, NULL, 0);
    CHECK_INT(BED_COUNT(ACK_DROP), 1);
    bed_wait(0);
    bed_expect_audit(&after);
    bed_close();
}

/* A host that was not heard of by this switch's hellos for so long that it
 * wants proof has told nothing meanwhile: it is asked. */
static void
test_pause(void)
{
    uint32_t after, number;

    bed_open(4, 64);
    bed_wait(1000);
    number = bed_engine_host(0)->audit.number;
    bed.keep_audits = true;
    bed.hosts[0].challenge = htobe64(77);
    bed_wait(2 * MIGRATE_HELLO_INTERVAL);
    CHECK_INT(bed_expect_audit(&after), 0);
    CHECK_INT(bed_engine_host(0)->audit.number, number + 1);
    bed_close();
}

static const struct unit_test tests[] = {
    { "one begins, comes here, and ends", test_life },
    { "one ends elsewhere", test_end },
    { "old ones", test_replay },
    { "malformed ones", test_malformed },
    { "an audit knows better", test_audit },
    { "a request that is here, too", test_request_here },
    { "one goes to another host", test_elsewhere },
    { "no reset of what may be live", test_no_reset },
    { "one is replaced", test_replaced },
    { "one is replaced by one begun elsewhere", test_replaced_unseen },
    { "a cookie of another switch", test_cookie },
    { "ACKs of an unknown connection", test_hurry },
    { "a pause", test_pause },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "news", tests };
