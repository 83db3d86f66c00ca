/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bed.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* The bundle that is next, and nothing else. */
static struct bed_bundle
only_bundle(void)
{
    struct bed_bundle b = bed_expect_bundle();

    bed_expect_none();
    return b;
}

/* The next bundle, of which only the flow ID is wanted. */
static uint32_t
bundle_flow(unsigned int *host)
{
    struct bed_bundle b = bed_expect_bundle();

    if (host) {
        *host = b.host;
    }
    bed_bundle_free(&b);
    return b.flow_id;
}

/* Takes bundles until there is none. */
static unsigned int
count_bundles(void)
{
    unsigned int n = 0;

    while (!TAILQ_EMPTY(&bed.frames)) {
        bundle_flow(NULL);
        n++;
    }
    return n;
}

/* The whole way: a host is chosen by what the request says, and gets the
 * state, the mapping and the data. */
static void
test_chosen_by_request(void)
{
    for (int family = 4; family <= 6; family += 2) {
        bed_open(family, 64);
        for (unsigned int n = 0; n < 6; n++) {
            struct bed_client c = bed_client(n, BED_HTTP);
            struct bed_bundle b;

            bed_request(&c, "/images/x");
            b = only_bundle();
            CHECK_INT(b.host, 2);
            CHECK_INT(bed_record(&c)->rule, MIGRATE_RULE_MATCHED);
            CHECK_INT(b.b.family, family);
            CHECK_INT(ntohl(b.b.service_id), BED_HTTP);
            CU_ASSERT(address_equals(&b.b.client, &c.tuple.client));
            CU_ASSERT(address_equals(&b.b.service, &c.tuple.service));
            CHECK_INT(b.b.client_port, c.tuple.client_port);
            CHECK_INT(b.b.service_port, c.tuple.service_port);
            CU_ASSERT(address_equals(&b.inner->packet.src, &c.tuple.client));
            CU_ASSERT(address_equals(&b.inner->packet.dst,
                                     &c.tuple.service));
            CHECK_INT(b.inner->packet.seq, c.isn + 1);
            CHECK_INT(b.inner->packet.ack, c.ack);
            CHECK_INT(b.inner->packet.window, c.window);
            CU_ASSERT(bed_holds(b.inner, "GET /images/x HTTP/1.1"));
            bed_bundle_free(&b);
        }
        bed_close();
    }
}

/* Other requests go to all hosts in turn. */
static void
test_pool_of_all(void)
{
    unsigned int seen[BED_HOSTS] = { 0 };

    bed_open(4, 64);
    for (unsigned int n = 0; n < 6; n++) {
        struct bed_client c = bed_client(n, BED_HTTP);
        unsigned int host;

        bed_request(&c, "/image");
        bundle_flow(&host);
        seen[host]++;
        CHECK_INT(bed_record(&c)->rule, MIGRATE_RULE_DEFAULT);
    }
    for (unsigned int i = 0; i < BED_HOSTS; i++) {
        CHECK_INT(seen[i], 2);
        CHECK_INT(bed.engine->hosts[i]->n_connections, 2);
    }
    bed_close();
}

/* Flow IDs count connections; neither port is ever 0. */
static void
test_flow_id_counter(void)
{
    static const uint32_t expected[] = { 0xfffe, 0xffff, 0x20001, 0x20002 };

    bed_open(4, 64);
    bed.engine->next_flow_id = 0x1fffe;
    for (unsigned int n = 0; n < 4; n++) {
        struct bed_client c = bed_client(n, BED_HTTP);

        bed_request(&c, NULL);
        CHECK_INT(bundle_flow(NULL),
                  n < 2 ? 0x10000 + expected[n] : expected[n]);
    }
    bed.engine->next_flow_id = 0xffffffff;
    for (unsigned int n = 4; n < 6; n++) {
        struct bed_client c = bed_client(n, BED_HTTP);

        bed_request(&c, NULL);
        CHECK_INT(bundle_flow(NULL), n == 4 ? 0xffffffff : 0x10001);
    }
    bed_close();
}

/* What is lost is sent again: after 50 ms, then each 25, for 400 ms; then the
 * host is told to forget it, and another one is asked under another flow
 * ID. */
static void
test_retransmission(void)
{
    struct bed_client c;
    struct bed_bundle b;
    uint32_t flow_id, first_packet_len;
    unsigned int host, n = 0;
    int64_t start;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    start = bed.now;
    b = only_bundle();
    CHECK_INT(ntohl(b.b.header.sequence), 0);
    host = b.host;
    flow_id = b.flow_id;
    first_packet_len = ntohs(b.b.packet_len);
    bed_bundle_free(&b);
    bed.hosts[host].alive = false;

    bed_wait(399);
    while (!TAILQ_EMPTY(&bed.frames)) {
        b = bed_expect_bundle();
        CHECK_INT(b.when, start + 50 + 25 * n++);
        CHECK_INT(ntohl(b.b.header.sequence), n);
        CHECK_INT(b.host, host);
        CHECK_INT(b.flow_id, flow_id);
        CHECK_INT(ntohs(b.b.packet_len), first_packet_len);
        /* As the switch's clock would be echoed now. */
        CHECK_INT(ntohl(b.b.tsecr), (uint32_t) b.when + bed.engine->ts_offset);
        bed_bundle_free(&b);
    }
    CHECK_INT(n, 14);
    CHECK_INT(BED_COUNT(BUNDLE_RETRANSMIT), 14);
    CHECK_INT(BED_COUNT(SILENT), 0);

    bed_wait(1);
    bed_expect_abort(host, flow_id);
    b = only_bundle();
    CHECK_INT(b.when, start + MIGRATE_ATTEMPT);
    CHECK_INT(ntohl(b.b.header.sequence), 0);
    CU_ASSERT(b.host != host);
    CU_ASSERT(b.flow_id != flow_id);
    CU_ASSERT(bed_holds(b.inner, "GET / "));
    bed_bundle_free(&b);
    CHECK_INT(BED_COUNT(SILENT), 1);
    CHECK_INT(BED_COUNT(RETARGETED), 1);
    CHECK_INT(bed.engine->hosts[host]->n_silent, 1);
    CHECK_INT(bed.engine->hosts[host]->n_connections, 0);
    bed_close();
}

static void
test_confirm(void)
{
    struct bed_client c;
    unsigned int host;
    uint32_t flow_id;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    flow_id = bed_live(&c, &host);
    CU_ASSERT(!bed_record(&c)->pending);
    CHECK_INT(bed.engine->pending_bytes, 0);
    CHECK_INT(BED_COUNT(CONFIRMED), 1);
    CHECK_INT(bed.engine->hosts[host]->n_handoffs, 1);
    bed_report(host, flow_id, MIGRATE_CONFIRM, 0, c.seq);   /* Doubled. */
    bed_report(host, flow_id, MIGRATE_REFUSE, 0, 0);        /* Late. */
    CHECK_INT(BED_COUNT(CONFIRMED), 1);
    CHECK_INT(BED_COUNT(REFUSED), 0);
    CHECK_STR(bed_state(&c), "live");
    bed_wait(2000);
    bed_expect_none();
    bed_close();
}

/* Only the host can have sent what the client acknowledges past the ISN. */
static void
test_confirmed_by_client(void)
{
    struct bed_client c;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    bundle_flow(NULL);
    bed_segment(&c, SEG_ACK, c.seq, NULL, 0);
    CHECK_STR(bed_state(&c), "offered");    /* That ACKs only the SYN. */
    c.ack++;
    bed_corrupted(&c, SEG_ACK, c.seq, NULL, 0, 0);
    CHECK_STR(bed_state(&c), "offered");
    CHECK_INT(bed_segment(&c, SEG_ACK, c.seq, NULL, 0), MIGRATE_FORWARD);
    CHECK_STR(bed_state(&c), "live");
    CHECK_INT(BED_COUNT(CONFIRMED_ACK), 1);
    bed_wait(2000);
    CHECK_INT(BED_COUNT(SILENT), 0);
    CHECK_INT(count_bundles(), 0);
    bed_close();
}

/* Client packets that come while the bundle is under way go on as well. */
static void
test_packets_while_offered(void)
{
    struct bed_client c;
    uint32_t flow_id;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    flow_id = bundle_flow(NULL);
    CHECK_INT(bed_text(&c, "more"), MIGRATE_FORWARD);
    CHECK_INT(ntohs(bed.forwarded->packet.src_port), flow_id >> 16);
    CHECK_INT(ntohs(bed.forwarded->packet.dst_port), flow_id & 0xffff);
    CU_ASSERT(bed_holds(bed.forwarded, "more"));
    CHECK_STR(bed_state(&c), "offered");

    /* Its window and clock in the next transmission are the latest. */
    bed_wait(20);
    c.window = 77;
    bed_segment(&c, SEG_ACK, c.seq, NULL, 0);
    bed_wait(30);
    {
        struct bed_bundle b = only_bundle();

        CHECK_INT(b.inner->packet.window, 77);
        CHECK_INT(ntohl(b.b.tsval), (uint32_t) bed.now - 30);
        bed_bundle_free(&b);
    }
    bed_close();
}

static void
test_refused(void)
{
    struct bed_client c;
    bool seen[BED_HOSTS] = { false };
    uint32_t flow_id[BED_HOSTS];
    struct bed_frame *f;
    unsigned int host;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    for (unsigned int i = 0; i < BED_HOSTS; i++) {
        flow_id[i] = bundle_flow(&host);
        CU_ASSERT(!seen[host]);
        CU_ASSERT(i == 0 || flow_id[i] != flow_id[i - 1]);
        seen[host] = true;
        bed_report(host, flow_id[i], MIGRATE_REFUSE,
                   MIGRATE_REASON_BACKLOG, 0);
        CHECK_INT(bed.engine->hosts[host]->n_refused, 1);
        CHECK_INT(bed.engine->hosts[host]->n_connections, 0);
    }
    f = bed_expect(&c, SEG_PSH | SEG_ACK | SEG_FIN, c.seq);
    CU_ASSERT(bed_holds(f, "HTTP/1.1 503 Service Unavailable\r\n"));
    free(f);
    bed_expect_none();
    CHECK_INT(BED_COUNT(REFUSED), 3);
    CHECK_INT(BED_COUNT(RETARGETED), 2);
    CHECK_INT(BED_COUNT(REJECT_503), 1);
    CHECK_STR(bed_state(&c), "rejected");
    bed_close();

    /* What is not HTTP gets a reset. */
    bed_open(6, 64);
    c = bed_client(0, BED_TCP);
    bed_connect(&c);
    bed_segment(&c, SEG_ACK, c.seq, "x", 1);
    for (unsigned int i = 0; i < BED_HOSTS; i++) {
        uint32_t id = bundle_flow(&host);

        bed_report(host, id, MIGRATE_REFUSE, MIGRATE_REASON_NO_LISTENER, 0);
    }
    free(bed_expect(&c, SEG_RST | SEG_ACK, c.seq + 1));
    bed_expect_none();
    CHECK_STR(bed_state(&c), "none");
    CHECK_INT(BED_COUNT(RESET), 1);
    bed_close();
}

/* A flow ID that is taken at the host: the same host, once more, under
 * another. */
static void
test_flow_id_taken(void)
{
    struct bed_client c;
    unsigned int first, host;
    uint32_t flow_id, second;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    flow_id = bundle_flow(&first);
    bed_report(first, flow_id, MIGRATE_REFUSE, MIGRATE_REASON_FLOW_ID, 0);
    second = bundle_flow(&host);
    CHECK_INT(host, first);
    CU_ASSERT(second - flow_id > 1000);     /* Far from what is taken. */
    CHECK_INT(bed.engine->hosts[first]->n_connections, 1);
    CHECK_INT(bed.engine->hosts[first]->n_records, 1);
    bed_report(first, second, MIGRATE_REFUSE, MIGRATE_REASON_FLOW_ID, 0);
    bundle_flow(&host);
    CU_ASSERT(host != first);
    CHECK_INT(bed.engine->hosts[first]->n_connections, 0);
    CHECK_INT(bed.engine->hosts[first]->n_records, 0);
    bed_close();
}

/* A connection that the host has already, from another switch or one that this
 * one was earlier, stays what it is there. */
static void
test_known(void)
{
    struct migrate_report report = { .event = MIGRATE_KNOWN };
    struct bed_client c;
    unsigned int host, again;
    uint32_t flow_id;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    flow_id = bundle_flow(&host);
    report.flow_id = htonl(flow_id);
    report.known_as = htonl(77 << 16 | 7);
    bed_message(host, MIGRATE_REPORT, &report, sizeof report, 1);
    CHECK_INT(bundle_flow(&again), 77 << 16 | 7);
    CHECK_INT(again, host);
    CHECK_INT(bed.engine->hosts[host]->n_connections, 1);
    bed_message(host, MIGRATE_REPORT, &report, sizeof report, 1);
    CHECK_INT(BED_COUNT(REPORT_UNKNOWN), 1);    /* Doubled. */
    bed_report(host, 77 << 16 | 7, MIGRATE_CONFIRM, 0, c.seq);
    CHECK_STR(bed_state(&c), "live");
    CHECK_INT(bed_record(&c)->flow_id, 77 << 16 | 7);

    /* Not if that is another connection's. */
    c = bed_client(1, BED_HTTP);
    do {
        c.tuple.client.byte[15]++;
        bed_request(&c, NULL);
        flow_id = bundle_flow(&again);
    } while (again != host);
    report.flow_id = htonl(flow_id);
    bed_message(host, MIGRATE_REPORT, &report, sizeof report, 1);
    bed_expect_none();
    CHECK_INT(bed_record(&c)->flow_id, flow_id);

    /* Nor if it is no flow ID at all. */
    report.known_as = htonl(7);
    bed_message(host, MIGRATE_REPORT, &report, sizeof report, 1);
    bed_expect_none();
    CHECK_INT(bed_record(&c)->flow_id, flow_id);
    bed_close();
}

/* A host that says that the flow is new, refuses or has ended: nothing of
 * that counts if it is not the record's host. */
static void
test_wrong_host(void)
{
    struct bed_client c;
    unsigned int host, other;
    uint32_t flow_id;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    flow_id = bundle_flow(&host);
    other = (host + 1) % BED_HOSTS;
    bed_report(other, flow_id, MIGRATE_REFUSE, MIGRATE_REASON_BACKLOG, 0);
    bed_report(other, flow_id, MIGRATE_RELEASE, 0, 0);
    bed_expect_none();
    bed_report(other, flow_id, MIGRATE_CONFIRM, 0, c.seq);
    bed_expect_abort(other, flow_id);
    CHECK_STR(bed_state(&c), "offered");
    CHECK_INT(BED_COUNT(REPORT_UNKNOWN), 3);
    bed_close();
}

static void
test_all_silent(void)
{
    struct bed_client c;
    struct bed_frame *f = NULL;
    unsigned int aborts = 0;
    int64_t start;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    for (unsigned int i = 0; i < BED_HOSTS; i++) {
        bed.hosts[i].alive = false;
    }
    bed_request(&c, NULL);
    start = bed.now;
    bed_wait(3000);
    while ((f = bed_take()) && f->kind == FRAME_UDP) {
        aborts += f->data[f->packet.payload + 1] == MIGRATE_ABORT;
        free(f);
    }
    CU_ASSERT_FATAL(f != NULL);
    CU_ASSERT(bed_holds(f, " 503 "));
    CU_ASSERT(f->when <= start + MIGRATE_DEADLINE);
    free(f);
    CU_ASSERT(aborts == 2);
    bed_close();
}

/* A host that has met another engine, or this one after a pause, takes only
 * flow IDs from then on. */
static void
test_renewed(void)
{
    struct migrate_report report = { .event = MIGRATE_KNOWN };
    struct bed_client c, confirmed, later;
    struct bed_bundle b, b2, again;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_request(&c, "/images/");
    b = bed_expect_bundle();
    confirmed = bed_client(3, BED_HTTP);
    bed_live(&confirmed, NULL);
    bed_clear();
    bed.hosts[b.host].challenge = 77;
    bed.now += 5000;
    bed_wait(MIGRATE_HELLO_INTERVAL);
    do {
        again = bed_expect_bundle();
        bed_bundle_free(&again);
    } while (again.flow_id == b.flow_id);
    CHECK_INT(again.host, b.host);
    CHECK_INT(bed.engine->hosts[b.host]->n_connections,
              1 + (bed_record(&confirmed)->host == b.host));
    CHECK_STR(bed_state(&confirmed), "live");
    bed_clear();
    bed_report(b.host, b.flow_id, MIGRATE_CONFIRM, 0, c.seq);
    bed_expect_none();          /* No ABORT: it may be told in a moment. */
    report.flow_id = htonl(again.flow_id);
    report.known_as = htonl(b.flow_id);
    bed_message(b.host, MIGRATE_REPORT, &report, sizeof report, 1);
    b2 = bed_expect_bundle();
    CHECK_INT(b2.flow_id, b.flow_id);
    bed_report(b.host, b.flow_id, MIGRATE_CONFIRM, 0, c.seq);
    CHECK_STR(bed_state(&c), "live");

    /* What was offered since stays as it is. */
    bed_clear();
    later = bed_client(4, BED_HTTP);
    bed_request(&later, NULL);
    bed_bundle_free(&b2);
    b2 = bed_expect_bundle();
    bed_wait(MIGRATE_HELLO_INTERVAL);
    CHECK_INT(bed_record(&later)->flow_id, b2.flow_id);
    bed_bundle_free(&b);
    bed_bundle_free(&b2);
    bed_close();
}

/* The same if its agent begins anew, however short that took. */
static void
test_begun_anew(void)
{
    struct bed_client c;
    struct bed_bundle b, again;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    b = bed_expect_bundle();
    bed.hosts[b.host].epoch++;
    bed.hosts[b.host].challenge = 77;
    bed_clear();
    bed_wait(MIGRATE_HELLO_INTERVAL);
    do {
        again = bed_expect_bundle();
        bed_bundle_free(&again);
    } while (again.flow_id == b.flow_id);
    CHECK_INT(again.host, b.host);
    /* It may have acknowledged all before. */
    bed_report(b.host, again.flow_id, MIGRATE_CONFIRM, 0, c.seq - 5);
    CHECK_STR(bed_state(&c), "offered");
    bed_report(b.host, again.flow_id, MIGRATE_CONFIRM, 0, c.seq);
    CHECK_STR(bed_state(&c), "live");
    bed_bundle_free(&b);
    bed_close();
}

/* Hosts that answer hellos but no bundle are waited for longer, but a request
 * is accepted or refused within MIGRATE_DEADLINE. */
static void
test_all_stall(void)
{
    struct bed_client c;
    struct bed_frame *f = NULL;
    int64_t start;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    start = bed.now;
    bed_wait(3000);
    while ((f = bed_take()) && f->kind == FRAME_UDP) {
        free(f);
    }
    CU_ASSERT_FATAL(f != NULL);
    CU_ASSERT(bed_holds(f, " 503 "));
    CU_ASSERT(f->when <= start + MIGRATE_DEADLINE);
    free(f);
    bed_close();
}

/* A host that confirms what was given up is told so, lest it keeps a
 * connection that nobody knows. */
static void
test_late_confirm(void)
{
    struct bed_client c;
    unsigned int host;
    uint32_t flow_id;

    /* Another host has it by now. */
    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    flow_id = bundle_flow(&host);
    bed.hosts[host].alive = false;
    bed_wait(MIGRATE_ATTEMPT);
    bed_clear();
    bed_report(host, flow_id, MIGRATE_CONFIRM, 0, c.seq);
    bed_expect_abort(host, flow_id);
    CHECK_STR(bed_state(&c), "offered");
    bed_close();

    /* There was no other: the client has got its 503. */
    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_request(&c, "/images");
    flow_id = bundle_flow(&host);
    bed.hosts[host].alive = false;
    bed_wait(MIGRATE_ATTEMPT);
    CHECK_STR(bed_state(&c), "rejected");
    bed_clear();
    bed_report(host, flow_id, MIGRATE_CONFIRM, 0, c.seq);
    bed_expect_abort(host, flow_id);
    CHECK_STR(bed_state(&c), "rejected");
    bed_close();
}

/* A released connection's record stays, so that late packets find their way,
 * and its flow ID is not given out again meanwhile. */
static void
test_release(void)
{
    struct bed_client c, other;
    unsigned int host;
    uint32_t flow_id;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    flow_id = bed_live(&c, &host);
    CHECK_INT(bed.engine->hosts[host]->n_connections, 1);
    bed_report(host, flow_id, MIGRATE_RELEASE, 0, 0);
    bed_report(host, flow_id, MIGRATE_RELEASE, 0, 0);
    CHECK_STR(bed_state(&c), "linger");
    CHECK_INT(BED_COUNT(RELEASED), 1);
    CHECK_INT(bed.engine->hosts[host]->n_connections, 0);

    CHECK_INT(bed_segment(&c, SEG_ACK, c.seq, NULL, 0), MIGRATE_FORWARD);
    bed.engine->next_flow_id = flow_id;
    other = bed_client(1, BED_HTTP);
    bed_request(&other, NULL);
    CHECK_INT(bundle_flow(NULL), flow_id + 1);

    bed_wait(MIGRATE_LINGER - 10);
    CHECK_STR(bed_state(&c), "linger");
    bed_segment(&c, SEG_ACK, c.seq, NULL, 0);
    bed_wait(10 + SWEEP_ROUND + SWEEP_INTERVAL);
    CHECK_STR(bed_state(&c), "none");
    bed_close();
}

/* RELEASE may overtake CONFIRM, or replace it. */
static void
test_release_while_offered(void)
{
    struct bed_client c;
    unsigned int host;
    uint32_t flow_id;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    flow_id = bundle_flow(&host);
    bed_report(host, flow_id, MIGRATE_RELEASE, 0, 0);
    CHECK_STR(bed_state(&c), "linger");
    bed_report(host, flow_id, MIGRATE_CONFIRM, 0, c.seq);
    CHECK_STR(bed_state(&c), "linger");
    bed_wait(1000);
    bed_expect_none();
    CHECK_INT(bed.engine->pending_bytes, 0);
    bed_close();
}

/* The client gives up while the bundle is under way: the host hears it from
 * the client's own packet. */
static void
test_client_reset(void)
{
    struct bed_client c;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    bundle_flow(NULL);
    CHECK_INT(bed_segment(&c, SEG_RST, c.seq, NULL, 0), MIGRATE_FORWARD);
    CHECK_INT(bed.forwarded->packet.flags, SEG_RST);
    CHECK_STR(bed_state(&c), "linger");
    CHECK_INT(BED_COUNT(CLIENT_RESET), 1);
    bed_wait(1000);
    CHECK_INT(count_bundles(), 0);
    bed_close();
}

/* What somebody sends who knows the ports and guesses the numbers, or what was
 * damaged on its way, goes on for the host to judge and does no harm here. */
static void
test_injected(void)
{
    struct bed_client c, other;
    struct bed_bundle b;
    uint32_t tsval;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    b = bed_expect_bundle();
    tsval = b.b.tsval;
    bed_bundle_free(&b);

    for (int sign = -1; sign <= 1; sign += 2) {
        CHECK_INT(bed_segment(&c, SEG_RST, c.seq + sign, NULL, 0),
                  MIGRATE_FORWARD);
        CHECK_INT(bed_segment(&c, SEG_RST | SEG_ACK, c.seq + sign, NULL, 0),
                  MIGRATE_FORWARD);
    }
    CHECK_INT(bed_corrupted(&c, SEG_RST, c.seq, NULL, 0, 0),
              MIGRATE_FORWARD);
    bed_corrupted(&c, SEG_ACK, c.seq, NULL, 0, 7);      /* Its timestamp. */
    other = c;
    other.ack += 1 << 30;
    CHECK_INT(bed_segment(&other, SEG_ACK, c.seq, NULL, 0), MIGRATE_FORWARD);
    other.ack = c.ack + 1;
    CHECK_INT(bed_segment(&other, SEG_ACK, c.seq + (1 << 30), NULL, 0),
              MIGRATE_FORWARD);
    CHECK_INT(bed_segment(&other, SEG_ACK, c.seq - (1 << 30), NULL, 0),
              MIGRATE_FORWARD);
    CHECK_STR(bed_state(&c), "offered");
    CHECK_INT(BED_COUNT(CLIENT_RESET), 0);
    CHECK_INT(BED_COUNT(CONFIRMED_ACK), 0);

    bed_wait(MIGRATE_CONFIRM_WAIT);
    b = bed_expect_bundle();
    CHECK_INT(ntohl(b.b.tsval), ntohl(tsval));
    bed_bundle_free(&b);
    bed_close();
}

/* Collects a bundle and its continuation into 'data' and returns how many
 * bytes there were. */
static size_t
collect(const struct bed_client *c, char *data, bool *fin)
{
    struct bed_bundle b = bed_expect_bundle();
    const struct packet *p = &b.inner->packet;
    size_t len = p->payload_len;
    uint32_t flow_id = b.flow_id;
    struct bed_frame *f;

    memcpy(data, b.inner->data + p->payload, len);
    *fin = p->flags & SEG_FIN;
    bed_bundle_free(&b);
    while ((f = bed_take())) {
        p = &f->packet;
        CU_ASSERT(!*fin);
        CHECK_INT(f->kind, FRAME_TCP);
        CU_ASSERT(frame_csum_ok(&f->frame, p));
        CU_ASSERT(f->frame.len <= ETH_LEN + 1500u);
        CHECK_INT((uint32_t) ntohs(p->src_port) << 16 | ntohs(p->dst_port),
                  flow_id);
        CHECK_INT(p->seq, c->isn + 1 + len);
        CHECK_INT(p->ack, c->ack);
        memcpy(data + len, f->data + p->payload, p->payload_len);
        len += p->payload_len;
        *fin = p->flags & SEG_FIN;
        free(f);
    }
    return len;
}

/* A request longer than a bundle goes on in packets under the flow ID, all of
 * which are kept until they are confirmed. */
static void
test_long_request(void)
{
    static char data[12000], got[12000];

    memset(data, 'x', sizeof data);
    memcpy(data, "POST / HTTP/1.1\r\nX: ", 20);
    for (size_t i = 20; i < sizeof data; i++) {
        data[i] = 'a' + i * 7 % 23;
    }
    memcpy(data + sizeof data - 4, "\r\n\r\n", 4);
    for (int family = 4; family <= 6; family += 2) {
        struct bed_client c;
        bool fin;

        bed_open(family, 64);
        c = bed_client(0, BED_HTTP);
        bed_connect(&c);
        for (size_t at = 0; at < sizeof data; at += 1000) {
            uint8_t flags = SEG_ACK | (at == 11000 ? SEG_FIN : 0);

            bed_segment(&c, flags, c.seq, data + at, 1000);
            c.seq += 1000;
        }
        CHECK_INT(collect(&c, got, &fin), sizeof data);
        CU_ASSERT(!memcmp(got, data, sizeof data));
        CU_ASSERT(fin);
        memset(got, 0, sizeof got);
        bed_wait(50);           /* All of it again. */
        CHECK_INT(collect(&c, got, &fin), sizeof data);
        CU_ASSERT(!memcmp(got, data, sizeof data));
        CU_ASSERT(fin);
        bed_close();
    }
}

/* A host that has not got all that the client was told is there is sent the
 * rest until it has. */
static void
test_partial_confirm(void)
{
    static char data[5000];
    struct bed_client c;
    struct bed_frame *f;
    unsigned int host;
    uint32_t flow_id;

    memset(data, 'x', sizeof data);
    memcpy(data, "GET / HTTP/1.1\r\nX: ", 19);
    memcpy(data + sizeof data - 4, "\r\n\r\n", 4);
    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_connect(&c);
    bed_data(&c, data, 4990);
    bed_wait(DELAYED_ACK);
    free(bed_expect(&c, SEG_ACK, c.seq));   /* The client forgets these. */
    bed_data(&c, data + 4990, 10);
    flow_id = bundle_flow(&host);
    bed_clear();
    bed_report(host, flow_id, MIGRATE_CONFIRM, 0, c.isn + 1 + 2000);
    CHECK_STR(bed_state(&c), "offered");
    CHECK_INT(BED_COUNT(CONFIRMED), 1);
    bed_report(host, flow_id, MIGRATE_REFUSE, 0, 0);
    CHECK_STR(bed_state(&c), "offered");    /* It cannot be taken back. */

    bed_wait(50);
    CHECK_INT(bundle_flow(NULL), flow_id);
    f = bed_take();
    CU_ASSERT_FATAL(f != NULL);
    CHECK_INT(f->packet.seq, c.isn + 1 + 2000);
    free(f);
    bed_clear();
    bed_report(host, flow_id, MIGRATE_CONFIRM, 0, c.isn + 1 + 4990);
    CHECK_STR(bed_state(&c), "live");       /* The client has the rest. */
    CHECK_INT(BED_COUNT(CONFIRMED), 1);
    bed_wait(500);
    CHECK_INT(count_bundles(), 0);
    bed_close();
}

/* ... but not for ever. */
static void
test_partial_timeout(void)
{
    static char data[5000];
    struct bed_client c;
    unsigned int host;
    uint32_t flow_id;

    memset(data, 'x', sizeof data);
    memcpy(data, "GET / HTTP/1.1\r\nX: ", 19);
    memcpy(data + sizeof data - 4, "\r\n\r\n", 4);
    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_connect(&c);
    bed_data(&c, data, 4990);
    bed_wait(DELAYED_ACK);
    free(bed_expect(&c, SEG_ACK, c.seq));
    bed_data(&c, data + 4990, 10);
    flow_id = bundle_flow(&host);
    bed.discard = true;
    bed_report(host, flow_id, MIGRATE_CONFIRM, 0, c.isn + 1 + 2000);
    bed_wait(9900);
    CHECK_STR(bed_state(&c), "offered");
    bed_wait(200);
    CHECK_STR(bed_state(&c), "live");
    CHECK_INT(BED_COUNT(CONFIRMED), 1);
    bed_close();
}

/* The same by what clients say in other protocols. */
static void
test_chosen_in_other_protocols(void)
{
    static const struct {
        uint32_t service_id;
        void (*send)(struct bed_client *, const char *);
        const char *said;
        bool by_rule;
    } cases[] = {
        { BED_TLS, bed_hello, "images.example", true },
        { BED_TLS, bed_hello, "example", false },
        { BED_H2C, bed_h2_request, "/images/x", true },
        { BED_H2C, bed_h2_request, "/x", false },
        { BED_AUTO, bed_hello, "images.example", true },
        { BED_AUTO, bed_h2_request, "/images/x", true },
        { BED_AUTO, bed_http_request, "/images/x", true },
        { BED_AUTO, bed_http_request, "/x", false },
    };

    for (unsigned int i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bed_client c;
        struct bed_bundle b;

        bed_open(4, 64);
        c = bed_client(i, cases[i].service_id);
        bed_connect(&c);
        cases[i].send(&c, cases[i].said);
        b = only_bundle();
        CHECK_INT(b.host, cases[i].by_rule ? 2 : 0);
        CHECK_INT(bed_record(&c)->rule == MIGRATE_RULE_MATCHED,
                  cases[i].by_rule);
        CHECK_INT(b.inner->packet.payload_len, c.seq - (c.isn + 1));
        CU_ASSERT(bed_holds(b.inner, cases[i].said));
        bed_bundle_free(&b);
        bed_close();
    }
}

/* A client port that is used again: the host of the older connection is told,
 * unless it is the one that takes the new one. */
static void
test_replaced(void)
{
    struct bed_client c;
    struct bed_bundle b;
    unsigned int first, host;
    uint32_t flow_id;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    flow_id = bed_live(&c, &first);
    do {
        unsigned int before = first;

        c.isn += 1000;
        bed_request(&c, NULL);
        b = bed_expect_bundle();
        host = b.host;
        bed_bundle_free(&b);
        bed_report(host, b.flow_id, MIGRATE_CONFIRM, 0, c.seq);
        CHECK_STR(bed_state(&c), "live");
        if (host != before) {
            bed_expect_abort(before, flow_id);
        }
        bed_expect_none();
        first = host;
        flow_id = b.flow_id;
    } while (BED_COUNT(ABORT) < 2);

    /* The same host takes it. */
    c.isn += 1000;
    bed_request(&c, host == 2 ? "/images" : NULL);
    b = bed_expect_bundle();
    while (b.host != first) {
        bed_bundle_free(&b);
        bed_report(b.host, b.flow_id, MIGRATE_REFUSE, MIGRATE_REASON_BACKLOG,
                   0);
        b = bed_expect_bundle();
    }
    bed_report(b.host, b.flow_id, MIGRATE_CONFIRM, 0, c.seq);
    bed_expect_none();
    flow_id = b.flow_id;
    bed_bundle_free(&b);

    /* Nobody does, or nothing comes of it. */
    c.isn += 1000;
    bed_connect(&c);
    bed_text(&c, "GET /");
    bed_segment(&c, SEG_RST, c.seq, NULL, 0);
    bed_expect_abort(first, flow_id);
    bed_expect_none();
    CHECK_STR(bed_state(&c), "none");
    bed_close();
}

/* When several hosts were offered the connection, the client's ACK does not
 * tell which of them has it. */
static void
test_ambiguous_ack(void)
{
    struct bed_client c;
    const struct record *r;
    unsigned int host;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    bundle_flow(&host);
    bed.hosts[host].alive = false;
    bed_wait(600);
    r = bed_record(&c);
    CU_ASSERT_FATAL(r && r->host != host);
    c.ack += 10;
    CHECK_INT(bed_segment(&c, SEG_ACK, c.seq, NULL, 0), MIGRATE_FORWARD);
    CHECK_STR(bed_state(&c), "offered");
    bed_report(r->host, r->flow_id, MIGRATE_CONFIRM, 0, c.seq);
    CHECK_STR(bed_state(&c), "live");
    bed_close();
}

/* What a host may have acknowledged before it died, and it alone, the next one
 * is given, until it has all of it. */
static void
test_acknowledged_by_the_dead(void)
{
    static const char body[] = "12345678";
    struct bed_client c;
    struct bed_bundle b, next;
    struct bed_frame *f;
    uint32_t head;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_connect(&c);
    bed_text(&c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n");
    head = c.seq;
    b = bed_expect_bundle();
    CHECK_INT(bed_text(&c, body), MIGRATE_FORWARD);
    bed.hosts[b.host].alive = false;
    do {
        bed_wait(1);
        f = TAILQ_FIRST(&bed.frames);
        if (f && f->packet.dst.byte[15] == bed.hosts[b.host].address.byte[15]) {
            free(bed_take());
            f = NULL;
        }
    } while (!f);
    next = bed_expect_bundle();
    CU_ASSERT(next.host != b.host);
    CU_ASSERT(bed_holds(next.inner, body));

    bed_report(next.host, next.flow_id, MIGRATE_CONFIRM, 0, head);
    CHECK_STR(bed_state(&c), "offered");
    bed_report(next.host, next.flow_id, MIGRATE_CONFIRM, 0, c.seq);
    CHECK_STR(bed_state(&c), "live");
    bed_bundle_free(&b);
    bed_bundle_free(&next);
    bed_close();
}

static const struct unit_test tests[] = {
    { "host is chosen by the request", test_chosen_by_request },
    { "host is chosen in other protocols", test_chosen_in_other_protocols },
    { "pool of all hosts", test_pool_of_all },
    { "flow IDs are a counter", test_flow_id_counter },
    { "bundle is sent again, then another host", test_retransmission },
    { "CONFIRM", test_confirm },
    { "client's ACK past the ISN confirms", test_confirmed_by_client },
    { "packets while offered", test_packets_while_offered },
    { "REFUSE: other hosts, then 503 or RST", test_refused },
    { "flow ID taken at the host", test_flow_id_taken },
    { "connection that the host has already", test_known },
    { "older connection of the same client port", test_replaced },
    { "reports of another host", test_wrong_host },
    { "silence of all hosts", test_all_silent },
    { "host that takes no older flow IDs", test_renewed },
    { "host that begins anew", test_begun_anew },
    { "ambiguous ACK", test_ambiguous_ack },
    { "what a dead host acknowledged", test_acknowledged_by_the_dead },
    { "hosts that stall: refused in time", test_all_stall },
    { "late CONFIRM is answered by ABORT", test_late_confirm },
    { "RELEASE lingers", test_release },
    { "RELEASE without CONFIRM", test_release_while_offered },
    { "client's reset while offered", test_client_reset },
    { "injected packets do no harm", test_injected },
    { "long request", test_long_request },
    { "CONFIRM of a part", test_partial_confirm },
    { "CONFIRM of a part, then nothing", test_partial_timeout },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "handoff", tests };
