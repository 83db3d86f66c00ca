/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bed.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* Hosts that refuse, are silent, or begin anew: who else gets the connection. */

/* What is lost is sent again: after 50 ms, then each 15, for 400 ms; then the
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
    b = bed_only_bundle();
    CHECK_INT(ntohl(b.b.header.sequence), 0);
    host = b.host;
    flow_id = b.flow_id;
    first_packet_len = ntohs(b.b.packet_len);
    bed_bundle_free(&b);
    bed.hosts[host].alive = false;

    bed_wait(399);
    while (!TAILQ_EMPTY(&bed.frames)) {
        b = bed_expect_bundle();
        CHECK_INT(b.when, start + 50 + 15 * n++);
        CHECK_INT(ntohl(b.b.header.sequence), n);
        CHECK_INT(b.host, host);
        CHECK_INT(b.flow_id, flow_id);
        CHECK_INT(ntohs(b.b.packet_len), first_packet_len);
        /* As the switch's clock would be echoed now. */
        CHECK_INT(ntohl(b.b.tsecr), (uint32_t) b.when + bed.engine->ts_offset);
        bed_bundle_free(&b);
    }
    CHECK_INT(n, 24);
    CHECK_INT(BED_COUNT(BUNDLE_RETRANSMIT), 24);
    CHECK_INT(BED_COUNT(SILENT), 0);

    bed_wait(1);
    bed_expect_abort(host, flow_id);
    b = bed_only_bundle();
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
        flow_id[i] = bed_expect_flow_id(&host);
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
        uint32_t id = bed_expect_flow_id(&host);

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
    flow_id = bed_expect_flow_id(&first);
    bed_report(first, flow_id, MIGRATE_REFUSE, MIGRATE_REASON_FLOW_ID, 0);
    second = bed_expect_flow_id(&host);
    CHECK_INT(host, first);
    CU_ASSERT(second - flow_id > 1000);     /* Far from what is taken. */
    CHECK_INT(bed.engine->hosts[first]->n_connections, 1);
    CHECK_INT(bed.engine->hosts[first]->n_records, 1);
    bed_report(first, second, MIGRATE_REFUSE, MIGRATE_REASON_FLOW_ID, 0);
    bed_expect_flow_id(&host);
    CU_ASSERT(host != first);
    CHECK_INT(bed.engine->hosts[first]->n_connections, 0);
    CHECK_INT(bed.engine->hosts[first]->n_records, 0);
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
    flow_id = bed_expect_flow_id(&host);
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
    flow_id = bed_expect_flow_id(&host);
    bed.hosts[host].alive = false;
    bed_wait(MIGRATE_ATTEMPT);
    CHECK_STR(bed_state(&c), "rejected");
    bed_clear();
    bed_report(host, flow_id, MIGRATE_CONFIRM, 0, c.seq);
    bed_expect_abort(host, flow_id);
    CHECK_STR(bed_state(&c), "rejected");
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
    bed_expect_flow_id(&host);
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
    { "bundle is sent again, then another host", test_retransmission },
    { "REFUSE: other hosts, then 503 or RST", test_refused },
    { "flow ID taken at the host", test_flow_id_taken },
    { "silence of all hosts", test_all_silent },
    { "host that takes no older flow IDs", test_renewed },
    { "host that begins anew", test_begun_anew },
    { "ambiguous ACK", test_ambiguous_ack },
    { "what a dead host acknowledged", test_acknowledged_by_the_dead },
    { "hosts that stall: refused in time", test_all_stall },
    { "late CONFIRM is answered by ABORT", test_late_confirm },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "retarget", tests };
