/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bed.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "csum.h"

/* Opens a bed with connection 0 offered to '*host' under the flow ID that is
 * returned. */
static uint32_t
open_offered(struct bed_client *c, unsigned int *host)
{
    struct bed_bundle b;

    bed_open(4, 64);
    *c = bed_client(0, BED_HTTP);
    bed_request(c, NULL);
    b = bed_expect_bundle();
    bed_bundle_free(&b);
    *host = b.host;
    return b.flow_id;
}

/* All that reports could change. */
struct snapshot {
    uint8_t state;
    uint32_t flow_id;
    struct host hosts[BED_HOSTS];
};

static struct snapshot
snapshot(const struct bed_client *c)
{
    struct snapshot s;

    memset(&s, 0, sizeof s);
    s.state = bed_record(c)->state;
    s.flow_id = bed_record(c)->flow_id;
    for (unsigned int i = 0; i < BED_HOSTS; i++) {
        memcpy(&s.hosts[i], bed_engine_host(i), sizeof s.hosts[i]);
    }
    return s;
}

/* Makes the UDP checksum in 'buf' right again, or 0, which means none. */
static void
fix_checksum(uint8_t *buf)
{
    memset(buf + ETH_LEN + 26, 0, 2);
}

/* A report with any bit turned is counted, and nothing else comes of it. */
static void
test_forged(void)
{
    struct bed_client c;
    unsigned int host;
    uint32_t flow_id = open_offered(&c, &host);
    struct migrate_report report = {
        .flow_id = htonl(flow_id), .event = MIGRATE_CONFIRM,
        .rcv_nxt = htonl(c.seq),
    };
    struct snapshot before = snapshot(&c), after;
    uint8_t good[256], buf[256];
    size_t len = bed_build_message(host, MIGRATE_REPORT, &report,
                                   sizeof report, 1, good);
    uint64_t n = 0;

    for (size_t bit = 8 * (ETH_LEN + 28); bit < 8 * len; bit++) {
        memcpy(buf, good, len);
        buf[bit / 8] ^= 1 << bit % 8;
        CHECK_INT(bed_control(buf, len), MIGRATE_DROP);
        CHECK_INT(BED_COUNT(DROP_CHECKSUM), n + 1);
        fix_checksum(buf);      /* A forger can do that. */
        CHECK_INT(bed_control(buf, len), MIGRATE_DROP);
        CHECK_INT(BED_COUNT(DROP_SEAL), ++n);
    }
    /* Cut short, with the headers made to agree; or under another key. */
    for (size_t cut = 1; cut <= 40; cut++) {
        memcpy(buf, good, len);
        buf[ETH_LEN + 25] -= cut;
        fix_checksum(buf);
        bed_control(buf, len);
        CHECK_INT(BED_COUNT(DROP_SEAL), ++n);
    }
    bed.keys.keys[0].key.k[0]++;
    bed_report(host, flow_id, MIGRATE_CONFIRM, 0, c.seq);
    CHECK_INT(BED_COUNT(DROP_SEAL), ++n);
    bed.keys.keys[0].key.k[0]--;

    after = snapshot(&c);
    CU_ASSERT(!memcmp(&before, &after, sizeof before));
    bed_expect_none();

    fix_checksum(good);
    bed_control(good, len);
    CHECK_STR(bed_state(&c), "live");
    bed_close();
}

/* A good message for another, from another, or of no sense here. */
static void
test_misdirected(void)
{
    struct bed_client c;
    unsigned int host;
    uint32_t flow_id = open_offered(&c, &host);
    struct bed_host saved = bed.hosts[host];
    struct migrate_address address = bed.address;
    struct snapshot before = snapshot(&c), after;
    uint8_t body[64] = { 0 };

    /* A host that is not configured. */
    address_parse("10.0.0.99", &bed.hosts[host].address);
    bed_report(host, flow_id, MIGRATE_CONFIRM, 0, c.seq);
    CHECK_INT(BED_COUNT(DROP_STRANGER), 1);
    bed.hosts[host] = saved;

    /* For another switch. */
    address_parse("10.0.0.253", &bed.address);
    bed_report(host, flow_id, MIGRATE_CONFIRM, 0, c.seq);
    CHECK_INT(BED_COUNT(DROP_CONTROL), 1);
    bed.address = address;

    /* What hosts do not send, what does not exist, what is too short. */
    bed_message(host, MIGRATE_BUNDLE, body, 64, 1);
    bed_message(host, MIGRATE_ABORT, body, 8, 1);
    bed_message(host, 0, body, 8, 1);
    bed_message(host, 255, body, 8, 1);
    bed_message(host, MIGRATE_STATUS, body, 0, 0);
    bed_message(host, MIGRATE_REPORT, body, 8, 1);
    bed_message(host, MIGRATE_REPORT, body, 16, 2);
    bed_message(host, MIGRATE_REPORT, body, 16, 65535);
    CHECK_INT(BED_COUNT(DROP_CONTROL), 9);

    /* An event that does not exist; no flow. */
    bed_report(host, flow_id, 0, 0, 0);
    bed_report(host, flow_id, 77, 0, 0);
    CHECK_INT(BED_COUNT(DROP_CONTROL), 11);
    bed_report(host, 0, MIGRATE_REFUSE, 0, 0);
    bed_report(host, flow_id + 1, MIGRATE_RELEASE, 0, 0);
    CHECK_INT(BED_COUNT(REPORT_UNKNOWN), 2);

    after = snapshot(&c);
    CU_ASSERT(!memcmp(&before, &after, sizeof before));
    bed_expect_none();
    bed_close();
}

/* One message reports of several connections. */
static void
test_batch(void)
{
    struct migrate_report reports[4] = { { .event = 0 } };
    struct bed_client clients[4];

    bed_open(4, 64);
    for (unsigned int i = 0; i < 4; i++) {
        struct bed_bundle b;

        clients[i] = bed_client(i, BED_HTTP);
        bed_request(&clients[i], "/images");
        b = bed_expect_bundle();
        bed_bundle_free(&b);
        reports[i].flow_id = b.b.flow_id;
        reports[i].event = i < 2 ? MIGRATE_CONFIRM : MIGRATE_RELEASE;
        reports[i].rcv_nxt = htonl(i < 2 ? clients[i].seq : 0);
    }
    bed_message(2, MIGRATE_REPORT, reports, sizeof reports, 4);
    for (unsigned int i = 0; i < 4; i++) {
        CHECK_STR(bed_state(&clients[i]), i < 2 ? "live" : "linger");
    }
    bed_close();
}

/* Keys change without a lost message: the previous one is still taken. */
static void
test_two_keys(void)
{
    static const uint8_t bytes[MIGRATE_KEY_LEN] = "the next key";
    struct bed_client c;
    unsigned int host;
    uint32_t flow_id = open_offered(&c, &host);
    struct keyring old = bed.keys;

    bed.config.keys.keys[1] = old.keys[0];
    seal_key_init(&bed.config.keys.keys[0], bytes);
    bed.config.keys.n = 2;
    bed_configure();
    bed_report(host, flow_id, MIGRATE_CONFIRM, 0, c.seq);
    CHECK_STR(bed_state(&c), "live");

    bed.keys = bed.config.keys;     /* What the switch seals with now. */
    bed_wait(200);
    CHECK_INT(BED_COUNT(DROP_SEAL), 0);
    bed.keys.keys[0] = old.keys[0];
    bed.config.keys.n = 1;
    bed_configure();
    bed_report(host, flow_id, MIGRATE_RELEASE, 0, 0);
    CHECK_INT(BED_COUNT(DROP_SEAL), 1);
    CHECK_STR(bed_state(&c), "live");
    bed_close();
}

/* Takes hellos and ARP requests off the frames and counts them. */
static void
count_hellos(unsigned int hellos[BED_HOSTS], unsigned int arps[BED_HOSTS])
{
    struct bed_frame *f;
    struct arp arp;

    memset(hellos, 0, BED_HOSTS * sizeof *hellos);
    memset(arps, 0, BED_HOSTS * sizeof *arps);
    while ((f = bed_take())) {
        for (unsigned int i = 0; i < BED_HOSTS; i++) {
            if (f->kind == FRAME_ARP) {
                arp_read(&f->frame, &f->packet, &arp);
                CHECK_INT(arp.op, ARP_REQUEST);
                arps[i] += address_equals(&arp.target,
                                          &bed.hosts[i].address);
            } else if (address_equals(&f->packet.dst,
                                      &bed.hosts[i].address)) {
                CHECK_INT(f->data[f->packet.payload + 1], MIGRATE_HELLO);
                hellos[i]++;
            }
        }
        free(f);
    }
}

/* A host is asked each 200 ms, is down after 700 ms of silence, gets no new
 * connection then, and is up again when it answers. */
static void
test_up_and_down(void)
{
    unsigned int hellos[BED_HOSTS], arps[BED_HOSTS];
    int64_t start;

    bed_open(4, 64);
    start = bed_engine_host(1)->last_heard;
    bed.hosts[1].alive = false;
    while (bed_engine_host(1)->up && bed.now < start + 2000) {
        bed_wait(1);
    }
    CU_ASSERT(bed.now - start >= MIGRATE_HELLO_TIMEOUT);
    CU_ASSERT(bed.now - start <= MIGRATE_HELLO_TIMEOUT
              + 2 * MIGRATE_HELLO_INTERVAL);
    CU_ASSERT(strstr(bed.last_log, "host h2 is down") != NULL);
    CU_ASSERT(bed_engine_host(0)->up && bed_engine_host(2)->up);
    for (unsigned int n = 0; n < 4; n++) {
        struct bed_client c = bed_client(n, BED_HTTP);
        unsigned int host;

        bed_live(&c, &host);
        CU_ASSERT(host != 1);
    }
    bed_wait(1);
    bed_clear();

    /* Only now its Ethernet address is in question as well. */
    bed.keep_hellos = true;
    start = bed.engine->next_hello;
    bed_wait(start - bed.now);
    count_hellos(hellos, arps);
    CHECK_INT(hellos[0], 1);
    CHECK_INT(hellos[1], 1);
    CHECK_INT(arps[0], 0);
    CHECK_INT(arps[1], 1);

    bed.keep_hellos = false;
    bed.hosts[1].alive = true;
    bed.hosts[1].mac[5] = 0x77;     /* It has a new one. */
    bed_wait(2 * MIGRATE_HELLO_INTERVAL);
    CU_ASSERT(bed_engine_host(1)->up);
    CHECK_STR(bed.last_log, "host h2 is up");
    CU_ASSERT(!memcmp(bed_engine_host(1)->mac, bed.hosts[1].mac, 6));
    bed_close();
}

/* A host whose mappings are gone, as its new epoch says, has none of its
 * connections any more: the client hears that with its next packet. */
static void
test_restarted(void)
{
    struct bed_client mine, other, placed;
    struct bed_frame *f;
    unsigned int host, i;

    bed_open(4, 64);
    mine = bed_client(0, BED_HTTP);
    bed_live(&mine, &host);
    other = bed_client(1, BED_HTTP);
    bed_live(&other, &i);
    CU_ASSERT(i != host);
    placed = bed_client(2, BED_FLOW);
    do {
        placed.isn++;
        bed_live(&placed, &i);
    } while (i != host);
    bed_wait(SWEEP_ROUND + SWEEP_INTERVAL);
    CU_ASSERT(bed.placed.n > 0);
    CHECK_STR(bed_state(&mine), "live");

    bed.hosts[host].epoch++;
    bed_wait(2 * MIGRATE_HELLO_INTERVAL);
    CHECK_STR(bed.last_log + 8, "has begun anew: 2 connections are lost");
    CHECK_STR(bed_state(&mine), "lost");
    CHECK_STR(bed_state(&placed), "lost");
    CHECK_STR(bed_state(&other), "live");
    CHECK_INT(BED_COUNT(LOST), 2);
    CHECK_INT(bed.unplaced.n, bed.placed.n);
    CHECK_INT(bed_engine_host(host)->n_connections, 0);
    CU_ASSERT(bed_engine_host(host)->up);

    bed_clear();
    CHECK_INT(bed_segment(&placed, SEG_RST, placed.seq, NULL, 0),
              MIGRATE_DROP);
    bed_expect_none();          /* No RST for a RST. */
    for (int n = 0; n < 3; n++) {
        /* As often as it asks: a RST may be lost. */
        CHECK_INT(bed_text(&mine, "x"), MIGRATE_DROP);
        f = bed_expect(&mine, SEG_RST, 0);
        CHECK_INT(f->packet.seq, mine.ack);
        free(f);
        bed_wait(5000);
        bed_clear();
    }
    CHECK_STR(bed_state(&mine), "lost");
    CHECK_STR(bed_state(&placed), "none");
    bed_wait(MIGRATE_LINGER + SWEEP_ROUND);
    CHECK_STR(bed_state(&mine), "none");
    bed_close();
}

/* The same, where the host had taken the connection, but not yet all that the
 * switch has acknowledged. */
static void
test_restarted_partly_confirmed(void)
{
    struct bed_client c;
    struct bed_bundle b;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_connect(&c);
    bed_text(&c, "GET / HTTP/1.1\r\n");
    bed_wait(DELAYED_ACK + 1);
    free(bed_expect(&c, SEG_ACK, c.seq));
    bed_text(&c, "Host: a\r\n\r\n");
    b = bed_expect_bundle();
    bed_report(b.host, b.flow_id, MIGRATE_CONFIRM, 0, c.isn + 1);
    CHECK_STR(bed_state(&c), "offered");
    bed.hosts[b.host].epoch++;
    bed_wait(MIGRATE_HELLO_INTERVAL);
    CHECK_STR(bed_state(&c), "lost");
    CHECK_INT(bed_engine_host(b.host)->n_connections, 0);
    bed_clear();
    bed_bundle_free(&b);
    bed_wait(1000);
    bed_expect_none();
    bed_text(&c, "x");
    free(bed_expect(&c, SEG_RST, 0));
    bed_close();
}

/* A host that is away for long has lost its connections; a while does no
 * harm, nor that only its agent is dead. */
static void
test_away(void)
{
    struct bed_client c;
    unsigned int host;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_live(&c, &host);
    bed.hosts[host].alive = false;
    bed_wait(HOST_LOST);
    CU_ASSERT(!bed_engine_host(host)->up);
    CHECK_INT(bed_text(&c, "x"), MIGRATE_FORWARD);
    bed.hosts[host].alive = true;
    bed_wait(2 * MIGRATE_HELLO_INTERVAL);
    CHECK_STR(bed_state(&c), "live");

    bed.hosts[host].mute = true;
    bed_wait(5 * HOST_LOST);
    CU_ASSERT(!bed_engine_host(host)->up);
    CHECK_INT(bed_text(&c, "x"), MIGRATE_FORWARD);

    bed.hosts[host].alive = false;
    bed_wait(HOST_LOST + MIGRATE_HELLO_INTERVAL);
    CHECK_STR(bed_state(&c), "lost");
    CHECK_STR(bed.last_log + 8, "was away too long: 1 connections are lost");
    CHECK_INT(bed_engine_host(host)->n_connections, 0);
    bed_clear();
    bed_text(&c, "x");
    free(bed_expect(&c, SEG_RST, 0));
    bed_close();
}

/* Where hosts are that have been away for long is asked once a second. */
static void
test_asked(void)
{
    unsigned int hellos[BED_HOSTS], arps[BED_HOSTS];

    bed_open(4, 64);
    bed.hosts[1].alive = false;
    bed_restart();              /* It was not heard of yet. */
    bed_wait(HOST_LOST - MIGRATE_HELLO_INTERVAL);
    CU_ASSERT(!bed_engine_host(1)->lost);
    bed_wait(2 * MIGRATE_HELLO_INTERVAL);
    CU_ASSERT(bed_engine_host(1)->lost);
    CHECK_STR(bed.last_log + 8, "was away too long: 0 connections are lost");
    bed_clear();
    bed.keep_hellos = true;
    bed_wait(5000);
    count_hellos(hellos, arps);
    CHECK_INT(arps[1], 5);
    CHECK_INT(hellos[0], 5000 / MIGRATE_HELLO_INTERVAL);

    /* A configuration that brings no host asks nobody. */
    bed_configure();
    bed_wait(0);
    count_hellos(hellos, arps);
    CHECK_INT(hellos[0], 0);

    bed.keep_hellos = false;
    bed.hosts[1].alive = true;
    bed_wait(1000 + MIGRATE_HELLO_INTERVAL);
    CU_ASSERT(bed_engine_host(1)->up);
    bed_close();
}

/* It comes back with its connections after all: those whose clients have not
 * been told go on. */
static void
test_back(void)
{
    struct migrate_mapping maps[2];
    struct bed_client told, untold;
    unsigned int host, i;
    uint32_t after;

    bed_open(4, 64);
    untold = bed_client(0, BED_HTTP);
    maps[0] = bed_mapping(&untold, bed_live(&untold, &host));
    maps[0].isn = htonl(untold.ack - 1);
    told = bed_client(1, BED_HTTP);
    do {
        told.isn++;
        told.tuple.client_port++;
        maps[1].flow_id = htonl(bed_live(&told, &i));
    } while (i != host);
    bed.hosts[host].alive = false;
    bed_wait(HOST_LOST + 2000);
    CHECK_STR(bed_state(&untold), "lost");
    CHECK_STR(bed_state(&told), "lost");
    bed_clear();
    bed_text(&told, "x");
    free(bed_expect(&told, SEG_RST, 0));
    bed_wait(MIGRATE_LINGER + SWEEP_ROUND);
    CHECK_STR(bed_state(&told), "none");
    bed_clear();

    bed.keep_audits = true;
    bed.hosts[host].alive = true;
    bed_wait(MIGRATE_HELLO_INTERVAL);
    CHECK_INT(bed_expect_audit(&after), host);
    bed_mappings(host, 0, true, maps, 1);
    CHECK_STR(bed_state(&untold), "live");
    CHECK_INT(bed_engine_host(host)->n_connections, 1);
    CHECK_INT(bed_text(&untold, "x"), MIGRATE_FORWARD);
    bed_close();
}

/* Hosts that leave the configuration are looked after as long as they have
 * connections. */
static void
test_leaving(void)
{
    struct bed_client c;
    unsigned int host;
    uint32_t flow_id;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    flow_id = bed_live(&c, &host);
    bed.config.n_hosts--;
    for (unsigned int i = host; i + 1 < BED_HOSTS; i++) {
        bed.host_configs[i] = bed.host_configs[i + 1];
    }
    bed.pools[0].n_members = bed.config.n_hosts;
    bed.pools[1].members = bed.members;
    bed_configure();
    CU_ASSERT(bed_engine_host(host) && !bed_engine_host(host)->configured);
    bed_wait(HOST_LOST);
    CU_ASSERT(bed_engine_host(host)->up);
    bed.hosts[host].alive = false;
    bed_wait(HOST_LOST + 2000);
    CHECK_STR(bed_state(&c), "lost");
    bed.hosts[host].alive = true;
    bed_wait(1000);
    bed_report(host, flow_id, MIGRATE_RELEASE, 0, 0);
    bed_text(&c, "x");
    bed_wait(MIGRATE_LINGER + SWEEP_ROUND);
    CU_ASSERT(!bed_engine_host(host));
    bed_close();
}

/* A STATUS counts once, soon, and for the engine that asked. */
static void
test_replayed_status(void)
{
    struct migrate_status status = { .connections = 0 };
    uint8_t old[128], other[128];
    size_t len;

    bed_open(4, 64);
    status.epoch = htonl(bed.engine->epoch);
    bed_wait(300);
    len = bed_build_message(0, MIGRATE_STATUS, &status, sizeof status, 0,
                            old);
    CHECK_INT(BED_COUNT(DROP_OLD), 0);
    bed.hosts[0].alive = false;
    for (int i = 0; i < 20; i++) {
        uint32_t heard = bed.hosts[0].heard;

        bed_control(old, len);          /* Answered at once. */
        /* The latest question, asked by another engine; it may have had the
         * same numbers. */
        bed.hosts[0].heard = bed_engine_host(0)->asked;
        status.epoch++;
        bed_build_message(0, MIGRATE_STATUS, &status, sizeof status, 0,
                          other);
        status.epoch--;
        bed.hosts[0].heard = heard;
        bed_control(other, len);
        bed_wait(100);
    }
    CU_ASSERT(!bed_engine_host(0)->up);
    CHECK_INT(BED_COUNT(DROP_OLD), 40);

    /* One that was held back for too long. */
    bed.hosts[0].heard = bed_engine_host(0)->asked - 3;
    bed_build_message(0, MIGRATE_STATUS, &status, sizeof status, 0, old);
    bed.hosts[0].heard++;
    bed_build_message(0, MIGRATE_STATUS, &status, sizeof status, 0, other);
    bed_wait(MIGRATE_HELLO_INTERVAL);
    bed_control(old, len);
    CHECK_INT(BED_COUNT(DROP_OLD), 41);
    CU_ASSERT(!bed_engine_host(0)->up);
    bed_control(other, len);
    CU_ASSERT(bed_engine_host(0)->up);
    bed_close();
}

/* Reports are of one epoch of the switch, as its flow IDs are. */
static void
test_replayed_report(void)
{
    struct migrate_report report = { .event = MIGRATE_RELEASE };
    struct bed_client c;
    unsigned int host;
    uint8_t old[128];
    size_t len;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    report.flow_id = htonl(bed_live(&c, &host));
    bed.engine->epoch -= 2;
    len = bed_build_message(host, MIGRATE_REPORT, &report, sizeof report, 1,
                            old);
    bed.engine->epoch += 2;
    bed_control(old, len);
    CHECK_STR(bed_state(&c), "live");
    CHECK_INT(BED_COUNT(DROP_OLD), 1);
    bed_close();
}

/* What a host took after it has begun anew is not lost with what it had
 * before: it counts once the host has said that it has begun anew, which it is
 * asked for at once. */
static void
test_report_before_status(void)
{
    struct bed_client old, c;
    unsigned int host, other, n = 0;
    uint32_t flow_id;

    bed_open(4, 64);
    bed_wait(bed.engine->next_hello - bed.now);
    bed_wait(SETTLE_INTERVAL);
    old = bed_client(0, BED_HTTP);
    bed_live(&old, &other);
    do {
        c = bed_client(++n, BED_HTTP);
        bed_request(&c, "/");
        flow_id = bed_expect_flow_id(&host);
    } while (host != other);
    bed.hosts[host].epoch++;
    bed_report(host, flow_id, MIGRATE_CONFIRM, 0, c.seq);
    CHECK_STR(bed_state(&c), "offered");
    CHECK_INT(BED_COUNT(DROP_OLD), 1);

    bed_wait(0);
    CHECK_STR(bed_state(&old), "lost");
    CHECK_STR(bed_state(&c), "offered");
    bed_report(host, flow_id, MIGRATE_CONFIRM, 0, c.seq);
    CHECK_STR(bed_state(&c), "live");
    CHECK_INT(BED_COUNT(LOST), 1);
    bed_close();
}

/* A host that does not know whether a hello is new says so, and hears another
 * one at once.  It is up only then. */
static void
test_challenge(void)
{
    struct {
        struct migrate_header header;
        struct migrate_hello hello;
    } first, second;
    uint64_t n;

    bed_open(4, 64);
    bed.hosts[0].alive = false;
    bed_wait(2000);
    CU_ASSERT(!bed_engine_host(0)->up);
    bed.hosts[0].alive = true;
    bed.hosts[0].challenge = 0x1122334455667788;
    n = BED_COUNT(HELLO);
    bed_wait(bed.engine->next_hello - bed.now);
    CU_ASSERT(bed_engine_host(0)->up);
    CHECK_INT(BED_COUNT(HELLO) - n, BED_HOSTS + 1);

    /* In detail; a host that is up stays so meanwhile. */
    bed_clear();
    bed.keep_hellos = true;
    bed_wait(bed.engine->next_hello - bed.now);
    CHECK_INT(bed_expect_message(MIGRATE_HELLO, &first, sizeof first), 0);
    CHECK_INT(first.hello.challenge, 0);
    CHECK_INT(ntohl(first.hello.next_flow_id), bed.engine->next_flow_id);
    bed_clear();
    bed.hosts[0].heard = ntohl(first.header.sequence);
    bed.hosts[0].challenge = 77;
    bed_status(0);
    CHECK_INT(bed_expect_message(MIGRATE_HELLO, &second, sizeof second), 0);
    CHECK_INT(second.hello.challenge, 77);
    CHECK_INT(ntohl(second.header.sequence),
              ntohl(first.header.sequence) + 1);
    CU_ASSERT(bed_engine_host(0)->up);
    bed.hosts[0].heard++;
    bed.hosts[0].challenge = 0;
    bed_status(0);
    bed_expect_none();
    bed_wait(bed.engine->next_hello - bed.now);
    bed_expect_message(MIGRATE_HELLO, &first, sizeof first);
    CHECK_INT(first.hello.challenge, 0);
    bed_close();
}

/* Flow IDs come again, but not in one epoch. */
static void
test_epoch_ends(void)
{
    struct bed_client c;
    uint32_t epoch, first, last;

    bed_open(4, 64);
    epoch = bed.engine->epoch;
    c = bed_client(0, BED_HTTP);
    first = bed_live(&c, NULL);
    bed.engine->next_flow_id = first + MIGRATE_EPOCH_FLOWS - 1;
    c = bed_client(1, BED_HTTP);
    last = bed_live(&c, NULL);
    CHECK_INT(last, first + MIGRATE_EPOCH_FLOWS - 1);
    CHECK_INT(bed.engine->epoch, epoch);
    for (unsigned int i = 2; i < 5; i++) {
        c = bed_client(i, BED_HTTP);
        CHECK_INT(bed_live(&c, NULL), ++last);
        CU_ASSERT(bed.engine->epoch != epoch && bed.engine->epoch);
    }
    bed_close();
}

/* Hosts have to meet a switch in its new epoch before they take a bundle: what
 * was offered meanwhile is offered again. */
static void
test_epoch_met(void)
{
    struct bed_client c;
    struct bed_bundle b;
    uint32_t epoch;

    bed_open(4, 64);
    for (unsigned int i = 0; i < BED_HOSTS; i++) {
        bed.hosts[i].challenge = 55 + i;    /* As hosts do at first. */
    }
    bed_wait(5000);
    CU_ASSERT(!bed_engine_host(0)->anew);
    epoch = bed.engine->epoch;
    for (unsigned int i = 0; i < BED_HOSTS; i++) {
        bed.hosts[i].challenge = 77 + i;
    }
    bed.engine->next_flow_id = bed.engine->epoch_start + MIGRATE_EPOCH_FLOWS;
    c = bed_client(0, BED_HTTP);
    bed_request(&c, NULL);
    CU_ASSERT(bed.engine->epoch != epoch);
    b = bed_expect_bundle();
    bed_wait(MIGRATE_CONFIRM_WAIT);
    CU_ASSERT((int32_t) (b.flow_id - bed_engine_host(b.host)->floor) < 0);
    CU_ASSERT((int32_t) (bed_record(&c)->flow_id
                         - bed_engine_host(b.host)->floor) >= 0);
    CHECK_INT(bed_record(&c)->host, b.host);
    bed_bundle_free(&b);
    bed_close();
}

/* Nor does it take much to end an epoch: what was refused under flow IDs from
 * before the counter jumped does not let it jump again. */
static void
test_epoch_jumps(void)
{
    struct bed_bundle b[4];
    uint32_t first;

    bed_open(4, 64);
    first = bed.engine->next_flow_id;
    for (unsigned int i = 0; i < 4; i++) {
        struct bed_client c = bed_client(i, BED_HTTP);

        bed_request(&c, NULL);
        b[i] = bed_expect_bundle();
    }
    for (unsigned int i = 0; i < 4; i++) {
        bed_report(b[i].host, b[i].flow_id, MIGRATE_REFUSE,
                   MIGRATE_REASON_FLOW_ID, 0);
        bed_bundle_free(&b[i]);
    }
    CHECK_INT(bed.engine->next_flow_id, first + (1 << 20) + 8);
    bed_close();
}

/* A host that is put into another VLAN has its connections still. */
static void
test_moved(void)
{
    struct bed_client c;
    unsigned int host;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_live(&c, &host);
    bed_wait(2 * HOST_LOST);
    bed.hosts[host].alive = false;      /* For a moment. */
    bed_host_vlan(host, 7);
    bed_configure();
    bed_wait(0);
    CHECK_STR(bed_state(&c), "live");
    bed.hosts[host].alive = true;
    bed_wait(2 * MIGRATE_HELLO_INTERVAL);
    CHECK_INT(bed_text(&c, "x"), MIGRATE_FORWARD);
    bed_close();
}

/* A switch that did not run for long does not take its own silence for that
 * of its hosts. */
static void
test_late_switch(void)
{
    unsigned int n_logs;

    bed_open(4, 64);
    bed_wait(1000);
    n_logs = bed.n_logs;
    bed.now += 60000;
    bed_wait(0);
    CU_ASSERT(bed_engine_host(0)->up);
    bed_wait(300);
    CU_ASSERT(bed_engine_host(0)->up);
    CHECK_INT(bed.n_logs, n_logs);      /* Not down for a moment either. */
    bed_close();
}

/* Nor does it give hosts less time when it has many a question. */
static void
test_many_hellos(void)
{
    struct bed_client c;

    bed_open(4, 64);
    bed_wait(1000);
    c = bed_client(0, BED_HTTP);
    bed.hosts[0].alive = false;
    for (int i = 0; i < 10; i++) {
        c.tuple.service.byte[15]++;
        bed_segment(&c, SEG_SYN, c.isn, NULL, 0);
        bed_wait(10);           /* A hello with the new address. */
    }
    CU_ASSERT(bed_engine_host(0)->unanswered >= 10);
    CU_ASSERT(bed_engine_host(0)->up);
    bed_close();
}

/* Hellos tell hosts the service addresses that clients use. */
static void
test_service_addresses(void)
{
    struct {
        struct migrate_header header;
        struct migrate_hello hello;
        struct migrate_vip vips[2];
    } hello;
    struct bed_client c;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    bed_connect(&c);
    bed.keep_hellos = true;
    bed_wait(0);
    bed_expect_message(MIGRATE_HELLO, &hello,
                       sizeof hello - sizeof hello.vips[1]);
    CHECK_INT(ntohs(hello.header.count), 1);
    CU_ASSERT(address_equals(&hello.vips[0].address, &bed.vip));
    bed_clear();

    c.tuple.service.byte[15]++;
    bed.keep_hellos = false;
    bed_connect(&c);
    bed.keep_hellos = true;
    bed_wait(0);
    bed_expect_message(MIGRATE_HELLO, &hello, sizeof hello);
    CHECK_INT(ntohs(hello.header.count), 2);
    CU_ASSERT(address_equals(&hello.vips[1].address, &c.tuple.service));

    /* There are no more than a hello has room for. */
    bed.discard = true;
    for (int i = 0; i < 100; i++) {
        c.tuple.service.byte[15]++;
        bed_segment(&c, SEG_SYN, c.isn, NULL, 0);
        bed_wait(1);
    }
    CHECK_INT(bed.engine->n_vips, MAX_VIPS);
    CHECK_INT(BED_COUNT(VIP_OVERFLOW), 102 - MAX_VIPS);
    bed_close();
}

/* What else is steered here goes no further: to pass it on would be to send
 * it back to where it came from. */
static void
test_other_frames(void)
{
    struct bed_client c;
    uint8_t buf[512] = { 0 };
    size_t len;

    bed_open(4, 64);
    c = bed_client(0, BED_HTTP);
    CHECK_INT(bed_control(buf, 60), MIGRATE_DROP);
    CHECK_INT(BED_COUNT(DROP_CONTROL), 1);
    CHECK_INT(bed_control(buf, 10), MIGRATE_DROP);
    CHECK_INT(BED_COUNT(DROP_MALFORMED), 1);
    len = udp_build(buf, 100, bed.mac, c.mac, &c.tuple.client, &bed.address,
                    53);
    CHECK_INT(bed_control(buf, len), MIGRATE_DROP);
    CHECK_INT(BED_COUNT(DROP_CONTROL), 2);
    len = udp_build(buf, 100, bed.mac, c.mac, &c.tuple.client, &bed.address,
                    MIGRATE_PORT);
    CHECK_INT(bed_control(buf, len), MIGRATE_DROP);
    CHECK_INT(BED_COUNT(DROP_STRANGER), 1);
    buf[20] ^= 0x20;            /* A fragment. */
    buf[24] ^= 0x20;
    CHECK_INT(bed_control(buf, len), MIGRATE_DROP);
    CHECK_INT(BED_COUNT(DROP_FRAGMENT), 1);
    bed_expect_none();
    bed_close();
}

static const struct unit_test tests[] = {
    { "forged reports change nothing", test_forged },
    { "misdirected and senseless messages", test_misdirected },
    { "reports in a batch", test_batch },
    { "two keys", test_two_keys },
    { "hosts go down and come up", test_up_and_down },
    { "host that lost its connections", test_restarted },
    { "host that lost one that was confirmed in part",
      test_restarted_partly_confirmed },
    { "host that is away", test_away },
    { "host that is away is asked for", test_asked },
    { "host that comes back with what it had", test_back },
    { "host that is not configured any more", test_leaving },
    { "replayed STATUS", test_replayed_status },
    { "replayed REPORT", test_replayed_report },
    { "challenge of a host", test_challenge },
    { "report before status", test_report_before_status },
    { "flow IDs of an epoch", test_epoch_ends },
    { "flow IDs from before a host knew the epoch", test_epoch_met },
    { "flow IDs that are taken", test_epoch_jumps },
    { "host that is moved to another VLAN", test_moved },
    { "silence of the switch itself", test_late_switch },
    { "many hellos in little time", test_many_hellos },
    { "hellos hold the service addresses", test_service_addresses },
    { "other frames", test_other_frames },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "control", tests };
