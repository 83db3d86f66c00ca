/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bed.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "seal.h"

/* Questions to the controller, and what comes of its answers. */

#define TIMEOUT 50

struct question {
    struct migrate_header header;
    struct migrate_decide decide;
    char fields[MIGRATE_DECIDE_MAX];
    size_t fields_len;
};

static void
open_asking(int family, uint32_t service_id)
{
    bed_open(family, 2000);
    bed.services[service_id - 1].decide_timeout = TIMEOUT;
    bed_configure();
    bed_wait(0);
    bed_clear();
}

/* The next frame is a question. */
static struct question
expect_question(const struct bed_client *c)
{
    struct bed_frame *f = bed_take();
    const struct packet *p = &f->packet;
    struct question q;
    uint64_t copy[MIGRATE_DECIDE_MAX / 8];

    CU_ASSERT_FATAL(f && f->kind == FRAME_UDP);
    CU_ASSERT(frame_csum_ok(&f->frame, p));
    CU_ASSERT(!memcmp(f->data, bed.mac, 6));
    CU_ASSERT(address_equals(&p->src, &bed.address));
    CU_ASSERT(address_equals(&p->dst, &bed.address));
    CHECK_INT(p->dst_port, htons(MIGRATE_CONTROLLER_PORT));
    CU_ASSERT_FATAL(p->payload_len <= sizeof copy);
    memcpy(copy, f->data + p->payload, p->payload_len);
    CU_ASSERT(seal_check(&bed.keys, &p->src, &p->dst, copy, p->payload_len));
    memset(&q, 0, sizeof q);
    memcpy(&q, copy, p->payload_len);
    q.fields_len = p->payload_len - sizeof q.header - sizeof q.decide;
    CHECK_INT(q.header.type, MIGRATE_DECIDE);
    CHECK_INT(ntohl(q.decide.timeout), TIMEOUT);
    CHECK_INT(ntohl(q.decide.service_id), c->service_id);
    CU_ASSERT(address_equals(&q.decide.client, &c->tuple.client));
    CHECK_INT(q.decide.client_port, c->tuple.client_port);
    free(f);
    return q;
}

/* The value of field 'n' of 'q', which is of 'type'. */
static const char *
field(const struct question *q, unsigned int n, uint8_t type)
{
    static char value[MIGRATE_DECIDE_MAX];
    struct migrate_field f;
    size_t at = 0;

    CU_ASSERT_FATAL(n < ntohs(q->header.count));
    for (;;) {
        CU_ASSERT_FATAL(at + sizeof f <= q->fields_len);
        memcpy(&f, q->fields + at, sizeof f);
        at += sizeof f;
        CU_ASSERT_FATAL(at + ntohs(f.length) <= q->fields_len);
        if (!n--) {
            break;
        }
        at += ntohs(f.length);
    }
    CHECK_INT(f.type, type);
    memcpy(value, q->fields + at, ntohs(f.length));
    value[ntohs(f.length)] = '\0';
    return value;
}

static void
answer_address(const struct question *q, uint8_t verdict,
               const struct migrate_address *host)
{
    struct migrate_decision d = {
        .token = q->decide.token,
        .client = q->decide.client,
        .service = q->decide.service,
        .client_port = q->decide.client_port,
        .service_port = q->decide.service_port,
        .verdict = verdict,
        .host = *host,
    };

    bed_controller_message(MIGRATE_DECISION, &d, sizeof d);
}

static void
answer(const struct question *q, unsigned int host)
{
    answer_address(q, MIGRATE_DECISION_HOST, &bed.hosts[host].address);
}

static void
expect_offer(unsigned int host)
{
    struct bed_bundle bundle = bed_expect_bundle();

    CHECK_INT(bundle.host, host);
    bed_bundle_free(&bundle);
}

/* Whoever it is offered to. */
static void
expect_any_offer(void)
{
    struct bed_bundle bundle = bed_expect_bundle();

    bed_bundle_free(&bundle);
}

static void
check_answered(int family)
{
    open_asking(family, BED_HTTP);
    for (unsigned int i = 0; i < 6; i++) {
        struct bed_client c = bed_client(i, BED_HTTP);
        struct question q;

        bed_request(&c, NULL);
        q = expect_question(&c);
        CHECK_STR(field(&q, 0, MIGRATE_FIELD_POOL), "all");
        CHECK_STR(field(&q, 1, MIGRATE_FIELD_RULE), "default");
        CHECK_STR(field(&q, 2, MIGRATE_FIELD_METHOD), "GET");
        CHECK_STR(bed_state(&c), "asked");
        answer(&q, i % 2);      /* Round robin would go on to the third. */
        expect_offer(i % 2);
        CHECK_STR(bed_state(&c), "offered");
        CHECK_INT(bed_record(&c)->chooser, MIGRATE_CHOOSER_CONTROLLER);
    }
    CHECK_INT(BED_COUNT(DECIDE), 6);
    CHECK_INT(BED_COUNT(DECIDED), 6);
    CHECK_INT(bed.engine->n_asked, 0);
    bed_close();
}

static void
test_answered(void)
{
    check_answered(4);
    check_answered(6);
}

/* Everything that rules see is told; what is too long is cut. */
static void
test_fields(void)
{
    struct bed_client c;
    struct question q;
    char text[8192];

    open_asking(4, BED_HTTP);
    c = bed_client(0, BED_HTTP);
    bed_connect(&c);
    bed_text(&c, "POST /images/x HTTP/1.1\r\nHost: www:80\r\nA:  b\r\n"
             "Content-Length: 0\r\n\r\n");
    q = expect_question(&c);
    CHECK_INT(ntohs(q.header.count), 8);
    CHECK_STR(field(&q, 0, MIGRATE_FIELD_POOL), "h3");
    CHECK_STR(field(&q, 1, MIGRATE_FIELD_RULE), "path-prefix=/images");
    CHECK_STR(field(&q, 2, MIGRATE_FIELD_METHOD), "POST");
    CHECK_STR(field(&q, 3, MIGRATE_FIELD_HOST), "www");
    CHECK_STR(field(&q, 4, MIGRATE_FIELD_PATH), "/images/x");
    CHECK_STR(field(&q, 5, MIGRATE_FIELD_HEADER), "Host:www:80");
    CHECK_STR(field(&q, 6, MIGRATE_FIELD_HEADER), "A:b");

    c = bed_client(1, BED_HTTP);
    bed_connect(&c);
    strcpy(text, "GET / HTTP/1.1\r\nHost: a\r\nLong: ");
    memset(text + strlen(text), 'x', 6000);
    strcpy(text + strlen("GET / HTTP/1.1\r\nHost: a\r\nLong: ") + 6000,
           "\r\nMore: y\r\n\r\n");
    bed_text(&c, text);
    q = expect_question(&c);
    CHECK_INT(ntohs(q.header.length), MIGRATE_DECIDE_MAX);
    CHECK_INT(ntohs(q.header.count), 7);
    CU_ASSERT(!strncmp(field(&q, 6, MIGRATE_FIELD_HEADER), "Long:xxx", 8));
    bed_close();
}

static void
test_tls(void)
{
    struct bed_client c;
    struct question q;

    open_asking(4, BED_TLS);
    c = bed_client(0, BED_TLS);
    bed_connect(&c);
    bed_hello(&c, "images.example");
    q = expect_question(&c);
    CHECK_STR(field(&q, 2, MIGRATE_FIELD_SNI), "images.example");
    answer(&q, 2);
    expect_offer(2);
    bed_close();
}

/* Without an answer the pool's policy decides; after a few, at once; and now
 * and then the controller is tried again. */
static void
test_timeout(void)
{
    struct bed_client c;
    struct question q;

    open_asking(4, BED_HTTP);
    for (unsigned int i = 0; i < 3; i++) {
        c = bed_client(i, BED_HTTP);
        bed_request(&c, NULL);
        q = expect_question(&c);
        bed_wait(TIMEOUT - 1);
        bed_expect_none();
        bed_wait(1);
        expect_any_offer();
        bed_report(i, bed_record(&c)->flow_id, MIGRATE_CONFIRM, 0, c.seq);
    }
    CHECK_INT(BED_COUNT(DECIDE_TIMEOUT), 3);

    c = bed_client(10, BED_HTTP);
    bed_request(&c, NULL);
    expect_any_offer();
    bed_clear();
    CHECK_INT(BED_COUNT(DECIDE_SKIPPED), 1);

    /* A new configuration does not make it worth trying. */
    bed_configure();
    c = bed_client(11, BED_HTTP);
    bed_request(&c, NULL);
    expect_any_offer();
    CHECK_INT(BED_COUNT(DECIDE_SKIPPED), 2);

    bed_wait(1000);
    bed_clear();
    c = bed_client(12, BED_HTTP);
    bed_request(&c, NULL);
    q = expect_question(&c);
    c = bed_client(13, BED_HTTP);
    bed_request(&c, NULL);
    expect_any_offer();                 /* One is enough to try. */
    answer(&q, 1);
    expect_offer(1);
    c = bed_client(14, BED_HTTP);
    bed_request(&c, NULL);
    expect_question(&c);                /* It is back. */
    bed_close();
}

/* Late, doubled and wrong answers change nothing. */
static void
test_wrong(void)
{
    struct bed_client c;
    struct question q, other;

    open_asking(4, BED_HTTP);
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    q = expect_question(&c);

    bed_controller_message(MIGRATE_DECISION, &q, 8);
    CHECK_INT(BED_COUNT(DROP_CONTROL), 1);
    bed_controller_message(MIGRATE_DECIDE, &q, 64);
    bed_controller_message(MIGRATE_REPORT, &q, 64);
    CHECK_INT(BED_COUNT(DROP_CONTROL), 3);
    other = q;
    other.decide.token++;
    answer(&other, 1);
    other = q;
    other.decide.client_port++;
    answer(&other, 1);
    CHECK_INT(BED_COUNT(DROP_OLD), 2);
    CHECK_STR(bed_state(&c), "asked");
    bed_expect_none();

    answer(&q, 1);
    expect_offer(1);
    answer(&q, 2);
    bed_expect_none();
    CHECK_INT(BED_COUNT(DROP_OLD), 3);

    c = bed_client(1, BED_HTTP);
    bed_request(&c, NULL);
    q = expect_question(&c);
    bed_wait(TIMEOUT);
    answer(&q, 1);
    CHECK_INT(BED_COUNT(DROP_OLD), 4);
    CHECK_INT(BED_COUNT(DECIDE_TIMEOUT), 1);
    bed_close();
}

/* Who has not the key says nothing. */
static void
test_forged(void)
{
    struct keyring keys;
    struct bed_client c;
    struct question q;

    open_asking(4, BED_HTTP);
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    q = expect_question(&c);
    keys = bed.keys;
    bed.keys.keys[0].key.k[0]++;
    answer(&q, 1);
    bed.keys = keys;
    CHECK_INT(BED_COUNT(DROP_SEAL), 1);
    CHECK_STR(bed_state(&c), "asked");
    bed_close();
}

/* A host that may not have it is not given it. */
static void
test_unfit(void)
{
    struct migrate_address nobody;
    struct bed_client c;
    struct question q;

    open_asking(4, BED_HTTP);
    address_parse("10.0.0.99", &nobody);
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    q = expect_question(&c);
    answer_address(&q, MIGRATE_DECISION_HOST, &nobody);
    expect_any_offer();

    c = bed_client(1, BED_HTTP);
    bed_request(&c, "/images/a");       /* Pool "h3". */
    q = expect_question(&c);
    answer(&q, 0);
    expect_offer(2);

    bed.members[1].weight = 0;
    bed_configure();
    c = bed_client(2, BED_HTTP);
    bed_request(&c, NULL);
    q = expect_question(&c);
    answer(&q, 1);
    expect_any_offer();
    CHECK_INT(BED_COUNT(DECIDE_UNFIT), 3);

    c = bed_client(3, BED_HTTP);
    bed_request(&c, NULL);
    q = expect_question(&c);
    answer_address(&q, MIGRATE_DECISION_POLICY, &nobody);
    expect_any_offer();
    CHECK_INT(BED_COUNT(DECIDE_DECLINED), 1);
    CHECK_INT(BED_COUNT(DECIDED), 0);
    bed_close();
}

/* What the client sends meanwhile is taken in. */
static void
test_more_data(void)
{
    struct bed_bundle bundle;
    struct bed_client c;
    struct question q;

    open_asking(4, BED_HTTP);
    c = bed_client(0, BED_HTTP);
    bed_connect(&c);
    bed_text(&c, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n");
    q = expect_question(&c);
    bed_text(&c, "body");
    bed_expect_none();
    bed_segment(&c, SEG_ACK, c.seq - 4, "body", 4);     /* Again. */
    free(bed_expect(&c, SEG_ACK, c.seq));
    c.seq += 4;
    bed_segment(&c, SEG_ACK, c.seq, "!", 1);            /* With a gap. */
    free(bed_expect(&c, SEG_ACK, c.seq - 4));
    c.seq -= 4;
    bed_text(&c, "more");
    answer(&q, 0);
    bundle = bed_expect_bundle();
    CU_ASSERT(bed_holds(bundle.inner, "bodymore!"));
    bed_bundle_free(&bundle);
    bed_close();
}

/* Connections that end while the controller thinks. */
static void
test_ended(void)
{
    struct bed_client c;
    struct question q;

    open_asking(4, BED_HTTP);
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    q = expect_question(&c);
    bed_segment(&c, SEG_RST, c.seq, NULL, 0);
    CHECK_STR(bed_state(&c), "none");
    CHECK_INT(bed.engine->n_asked, 0);
    answer(&q, 0);
    bed_expect_none();

    /* The service goes. */
    c = bed_client(1, BED_HTTP);
    bed_request(&c, NULL);
    q = expect_question(&c);
    bed.config.services++;
    bed.config.n_services--;
    bed_configure();
    bed_wait(TIMEOUT);
    CHECK_INT(BED_COUNT(DECIDE_TIMEOUT), 1);
    CHECK_INT(bed.engine->n_asked, 0);
    bed_close();
}

/* The host that the controller has chosen refuses: the policy has the next. */
static void
test_refused(void)
{
    struct bed_bundle bundle;
    struct bed_client c;
    struct question q;

    open_asking(4, BED_HTTP);
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    q = expect_question(&c);
    answer(&q, 1);
    bundle = bed_expect_bundle();
    bed_report(1, bundle.flow_id, MIGRATE_REFUSE, MIGRATE_REASON_BACKLOG, 0);
    bed_bundle_free(&bundle);
    bundle = bed_expect_bundle();
    CU_ASSERT(bundle.host != 1);
    CHECK_INT(bed_record(&c)->chooser, MIGRATE_CHOOSER_POLICY);
    bed_bundle_free(&bundle);
    bed_close();
}

/* A decision for an engine that was stopped comes too late: another switch may
 * have handed over the connection by now. */
static void
test_stopped(void)
{
    struct bed_client c = bed_client(0, BED_HTTP);
    struct question q;

    open_asking(4, BED_HTTP);
    bed_request(&c, NULL);
    q = expect_question(&c);
    bed.now += 5000;
    answer(&q, 1);
    bed_expect_none();
    CHECK_STR(bed_state(&c), "asked");
    CHECK_INT(BED_COUNT(DROP_OLD), 1);
    bed_wait(LISTEN);
    expect_any_offer();
    bed_close();
}

/* Only so many wait at a time. */
static void
test_many(void)
{
    open_asking(4, BED_HTTP);
    for (unsigned int i = 0; i < 1100; i++) {
        struct bed_client c = bed_client(i, BED_HTTP);

        bed_request(&c, NULL);
        CHECK_STR(bed_state(&c), i < 1024 ? "asked" : "offered");
        bed_clear();
    }
    CHECK_INT(BED_COUNT(DECIDE), 1024);
    CHECK_INT(BED_COUNT(DECIDE_SKIPPED), 76);
    bed_wait(TIMEOUT);
    CHECK_INT(bed.engine->n_asked, 0);
    CHECK_INT(BED_COUNT(DECIDE_TIMEOUT), 1024);
    bed_close();
}

/* An audit finds at a host what the controller was asked about. */
static void
test_known(void)
{
    struct migrate_mapping map;
    struct bed_client c;
    struct question q;
    uint32_t after;

    open_asking(4, BED_HTTP);
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    q = expect_question(&c);
    map = bed_mapping(&c, 0x00770007);
    bed.keep_audits = true;
    bed.engine->hosts[0]->audit.next = 0;
    bed.engine->next_hello = bed.now;
    bed_wait(0);
    CHECK_INT(bed_expect_audit(&after), 0);
    bed_mappings(0, 0, true, &map, 1);
    expect_offer(0);
    CHECK_INT(bed.engine->n_asked, 0);
    answer(&q, 1);
    CHECK_INT(BED_COUNT(DROP_OLD), 1);
    bed_close();
}

static const struct unit_test tests[] = {
    { "answered", test_answered },
    { "fields", test_fields },
    { "TLS", test_tls },
    { "no answer", test_timeout },
    { "late, doubled and wrong answers", test_wrong },
    { "forged answer", test_forged },
    { "hosts that may not have it", test_unfit },
    { "more data", test_more_data },
    { "connections that end", test_ended },
    { "host that refuses", test_refused },
    { "answer to an engine that was stopped", test_stopped },
    { "very many", test_many },
    { "connection that a host has", test_known },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "decide", tests };
