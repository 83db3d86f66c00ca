/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bed.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* Takes bundles until there is none. */
static unsigned int
count_bundles(void)
{
    unsigned int n = 0;

    while (!TAILQ_EMPTY(&bed.frames)) {
        bed_expect_flow_id(NULL);
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
            b = bed_only_bundle();
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
        bed_expect_flow_id(&host);
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
        CHECK_INT(bed_expect_flow_id(NULL),
                  n < 2 ? 0x10000 + expected[n] : expected[n]);
    }
    bed.engine->next_flow_id = 0xffffffff;
    for (unsigned int n = 4; n < 6; n++) {
        struct bed_client c = bed_client(n, BED_HTTP);

        bed_request(&c, NULL);
        CHECK_INT(bed_expect_flow_id(NULL), n == 4 ? 0xffffffff : 0x10001);
    }
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
    bed_expect_flow_id(NULL);
    bed_segment(&c, SEG_ACK, c.seq, NULL, 0);
    CHECK_STR(bed_state(&c), "offered");    /* That ACKs only the SYN. */
    c.ack++;
    bed_corrupted(&c, SEG_ACK, c.seq, NULL, 0, 0);
    CHECK_STR(bed_state(&c), "offered");
    CHECK_INT(bed_segment(&c, SEG_ACK, c.seq, NULL, 0), MIGRATE_FORWARD);
    CHECK_STR(bed_state(&c), "live");
    CHECK_INT(BED_COUNT(CONFIRMED_ACK), 1);

    /* Behind a FIN. */
    c = bed_client(1, BED_HTTP);
    bed_request(&c, NULL);
    bed_expect_flow_id(NULL);
    bed_segment(&c, SEG_ACK | SEG_FIN, c.seq++, NULL, 0);
    CHECK_STR(bed_state(&c), "offered");
    c.ack++;
    bed_segment(&c, SEG_ACK, c.seq, NULL, 0);
    CHECK_STR(bed_state(&c), "live");
    bed_wait(2000);
    CHECK_INT(BED_COUNT(SILENT), 0);
    CHECK_INT(count_bundles(), 0);
    bed_close();
}

/* What the switch has acknowledged, and the bundle has no room for, is sent
 * until the host says that it has it. */
static void
test_confirmed_in_part(void)
{
    static const uint8_t headers[] = {
        0, 7, 214, 1, 5, 0, 0, 0, 1,    /* 2006 bytes, all of them. */
        0x82, 0x86, 4, 0x7f, 0xd1, 0x0e /* GET, http, a path of 2000. */
    };
    char data[H2_PREFACE_LEN + 9 + sizeof headers + 2000];
    struct bed_client c;
    struct bed_bundle b;
    struct bed_frame *f;
    uint32_t has;

    memcpy(data, H2_PREFACE "\0\0\0\4\0\0\0\0\0", H2_PREFACE_LEN + 9);
    memcpy(data + H2_PREFACE_LEN + 9, headers, sizeof headers);
    memset(data + sizeof data - 2000, '/', 2000);
    bed_open(4, 64);
    c = bed_client(0, BED_H2C);
    bed_connect(&c);
    bed_data(&c, data, 1448);
    bed_wait(DELAYED_ACK + 1);
    free(bed_expect(&c, SEG_ACK, c.seq));
    bed_data(&c, data + 1448, sizeof data - 1448);
    b = bed_expect_bundle();
    has = c.isn + 1 + b.inner->packet.payload_len;
    CU_ASSERT(has - (c.isn + 1) < 1448);
    bed_clear();                /* What follows the bundle is lost. */
    c.ack += 9;                 /* The server's SETTINGS. */
    bed_segment(&c, SEG_ACK, c.seq, NULL, 0);
    CHECK_INT(BED_COUNT(CONFIRMED_ACK), 1);
    bed_clear();
    bed_wait(MIGRATE_CONFIRM_WAIT);
    bed_bundle_free(&b);
    b = bed_expect_bundle();
    f = bed_take();
    CU_ASSERT_FATAL(f && f->kind == FRAME_TCP);
    CHECK_INT(f->packet.seq, has);
    free(f);
    bed_report(b.host, b.flow_id, MIGRATE_CONFIRM, 0, c.seq);
    CHECK_STR(bed_state(&c), "live");
    bed_bundle_free(&b);
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
    flow_id = bed_expect_flow_id(NULL);
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
        struct bed_bundle b = bed_only_bundle();

        CHECK_INT(b.inner->packet.window, 77);
        CHECK_INT(ntohl(b.b.tsval), (uint32_t) bed.now - 30);
        bed_bundle_free(&b);
    }
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
    flow_id = bed_expect_flow_id(&host);
    report.flow_id = htonl(flow_id);
    report.known_as = htonl(77 << 16 | 7);
    bed_message(host, MIGRATE_REPORT, &report, sizeof report, 1);
    CHECK_INT(bed_expect_flow_id(&again), 77 << 16 | 7);
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
        flow_id = bed_expect_flow_id(&again);
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
    flow_id = bed_expect_flow_id(&host);
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
    CHECK_INT(bed_expect_flow_id(NULL), flow_id + 1);

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
    flow_id = bed_expect_flow_id(&host);
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
    bed_expect_flow_id(NULL);
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
    for (int ofs = -2; ofs <= 2; ofs++) {       /* Even if he knows so much. */
        if (ofs) {
            bed_segment(&other, SEG_ACK, c.seq + ofs, NULL, 0);
        }
    }
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
    flow_id = bed_expect_flow_id(&host);
    bed_clear();
    bed_report(host, flow_id, MIGRATE_CONFIRM, 0, c.isn + 1 + 2000);
    CHECK_STR(bed_state(&c), "offered");
    CHECK_INT(BED_COUNT(CONFIRMED), 1);
    bed_report(host, flow_id, MIGRATE_REFUSE, 0, 0);
    CHECK_STR(bed_state(&c), "offered");    /* It cannot be taken back. */

    bed_wait(50);
    CHECK_INT(bed_expect_flow_id(NULL), flow_id);
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
    flow_id = bed_expect_flow_id(&host);
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
        b = bed_only_bundle();
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

static const struct unit_test tests[] = {
    { "host is chosen by the request", test_chosen_by_request },
    { "host is chosen in other protocols", test_chosen_in_other_protocols },
    { "pool of all hosts", test_pool_of_all },
    { "flow IDs are a counter", test_flow_id_counter },
    { "CONFIRM", test_confirm },
    { "client's ACK past the ISN confirms", test_confirmed_by_client },
    { "... but no more than the bundle had in it", test_confirmed_in_part },
    { "packets while offered", test_packets_while_offered },
    { "connection that the host has already", test_known },
    { "older connection of the same client port", test_replaced },
    { "reports of another host", test_wrong_host },
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
