/* SPDX-License-Identifier: Apache-2.0 */

/* The BPF programs of the agent, one packet at a time: bytes in, verdict and
 * bytes out. */

#include <config.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/pkt_cls.h>
#include <string.h>

#include "programs.h"
#include "lib/address.h"
#include "unit.h"

#define UDP_AT (14 + 20)            /* Offset of the UDP header, IPv4. */
#define MESSAGE_AT (UDP_AT + 8)
#define SHORTEST 54                 /* Less is no concern of the programs. */

/* The report that answers a bundle of 'c'. */
static void
frame_report(const struct cast *c, struct frame *f, uint8_t event,
             uint8_t reason)
{
    struct {
        struct migrate_header header;
        struct migrate_report report;
    } m;

    memset(&m, 0, sizeof m);
    m.header.version = MIGRATE_VERSION;
    m.header.type = MIGRATE_REPORT;
    m.header.length = htons(sizeof m);
    m.header.count = htons(1);
    m.header.epoch = htonl(EPOCH);
    m.header.sequence = htonl(SWITCH_EPOCH);
    m.report.flow_id = htonl(FLOW_ID);
    m.report.event = event;
    m.report.reason = reason;
    seal(&keyring.keys[0], &c->host.address, &c->sw.address, &m.header);
    frame_udp(f, &c->host, &c->sw, &m, sizeof m);
}

static void
check_refusal(const struct cast *c)
{
    struct frame in, out, expected;
    uint64_t n = counter(COUNTER_REFUSED_NO_LISTENER);

    clear(skel->maps.refusals);
    frame_bundle(c, &in, 100);
    frame_report(c, &expected, MIGRATE_REFUSE, MIGRATE_REASON_NO_LISTENER);
    CHECK_INT(ingress(&in, &out), TC_ACT_REDIRECT);
    CU_ASSERT(frame_equals(&out, &expected));
    CHECK_INT(counter(COUNTER_REFUSED_NO_LISTENER) - n, 1);

    /* The same answer, because it was given once. */
    n = counter(COUNTER_REFUSED_AGAIN);
    CHECK_INT(ingress(&in, &out), TC_ACT_REDIRECT);
    CU_ASSERT(frame_equals(&out, &expected));
    CHECK_INT(counter(COUNTER_REFUSED_AGAIN) - n, 1);
    CU_ASSERT(is_empty(skel->maps.mappings));
    CU_ASSERT(is_empty(skel->maps.tuples));
}

static void
test_refusal(void)
{
    set_up_switches();
    check_refusal(&cast4);
    check_refusal(&cast6);
}

static void
test_every_length(void)
{
    struct frame in, out;

    set_up_switches();
    for (size_t size = 0; size < 2900; size += 7) {
        frame_bundle(&cast4, &in, size);
        CHECK_INT(ingress(&in, &out), TC_ACT_REDIRECT);
    }
}

static void
test_any_bit(void)
{
    uint64_t bundles = counter(COUNTER_BUNDLE);
    struct frame good, bad;

    set_up();
    frame_bundle(&cast4, &good, 60);
    for (size_t bit = MESSAGE_AT * 8; bit < good.size * 8; bit++) {
        bad = good;
        bad.bytes[bit / 8] ^= 1 << bit % 8;
        CHECK_INT(ingress(&bad, NULL), TC_ACT_SHOT);
    }
    CHECK_INT(counter(COUNTER_BUNDLE) - bundles, 0);
    CU_ASSERT(is_empty(skel->maps.mappings));
}

static void
test_other_addresses(void)
{
    uint64_t n = counter(COUNTER_BAD_SEAL);
    struct frame good, bad;

    /* The seal covers the outer addresses, which alone say for whom. */
    set_up();
    frame_bundle(&cast4, &good, 60);
    for (size_t byte = 14 + 12; byte < 14 + 20; byte++) {
        bad = good;
        bad.bytes[byte] ^= 1;
        CHECK_INT(ingress(&bad, NULL), TC_ACT_SHOT);
    }
    CHECK_INT(counter(COUNTER_BAD_SEAL) - n, 8);

    /* Another host's frame, seen because a switch floods. */
    bad = good;
    bad.bytes[0] = 2;
    CHECK_INT(ingress(&bad, NULL), TC_ACT_UNSPEC);
}

static void
test_truncated(void)
{
    uint64_t n = counter(COUNTER_BUNDLE);
    struct frame good, bad;

    set_up();
    frame_bundle(&cast4, &good, 60);
    for (size_t size = UDP_AT; size < good.size; size++) {
        bad = good;
        bad.size = size;
        CHECK_INT(ingress(&bad, NULL), TC_ACT_UNSPEC);
        if (size >= MESSAGE_AT) {
            /* All lengths outside agree that this is all. */
            bad.bytes[16] = (size - 14) >> 8;
            bad.bytes[17] = size - 14;
            bad.bytes[UDP_AT + 4] = (size - UDP_AT) >> 8;
            bad.bytes[UDP_AT + 5] = size - UDP_AT;
            CHECK_INT(ingress(&bad, NULL),
                      size < SHORTEST ? TC_ACT_UNSPEC : TC_ACT_SHOT);
        }
    }
    CHECK_INT(counter(COUNTER_BUNDLE) - n, 0);
}

/* Expects that a bundle changed by 'change' and sealed afterwards is
 * malformed. */
static void
check_malformed(void (*change)(struct migrate_bundle *))
{
    static uint8_t buf[FRAME_MAX] __attribute__((aligned(8)));
    uint64_t n = counter(COUNTER_MALFORMED);
    struct migrate_bundle *b = (void *) buf;
    size_t len = make_bundle(&cast4, buf, 60);
    struct frame f;

    change(b);
    seal(&keyring.keys[0], &cast4.sw.address, &cast4.host.address, &b->header);
    frame_udp(&f, &cast4.sw, &cast4.host, buf, len);
    CHECK_INT(ingress(&f, NULL), TC_ACT_SHOT);
    CHECK_INT(counter(COUNTER_MALFORMED) - n, 1);
}

static uint8_t *
inner(struct migrate_bundle *b)
{
    return (uint8_t *) (b + 1);
}

static void bad_family(struct migrate_bundle *b) { b->family = 6; }
static void bad_client(struct migrate_bundle *b) { b->client.byte[15]++; }
static void bad_service(struct migrate_bundle *b) { b->service.byte[15]++; }
static void bad_prefix(struct migrate_bundle *b) { b->client.byte[0] = 1; }
static void bad_port(struct migrate_bundle *b) { b->client_port++; }
static void bad_port2(struct migrate_bundle *b) { b->service_port++; }
static void bad_packet(struct migrate_bundle *b) { b->packet_len = 0xffff; }
static void bad_packet2(struct migrate_bundle *b) { b->packet_len--; }
static void bad_options(struct migrate_bundle *b) { b->options = 0x80; }
static void bad_wscale(struct migrate_bundle *b) { b->snd_wscale = 15; }
static void bad_wscale2(struct migrate_bundle *b) { b->rcv_wscale = 15; }
static void bad_ihl(struct migrate_bundle *b) { inner(b)[0] = 0x46; }
static void bad_protocol(struct migrate_bundle *b) { inner(b)[9] = 17; }
static void bad_fragment(struct migrate_bundle *b) { inner(b)[6] = 0x20; }
static void bad_doff(struct migrate_bundle *b) { inner(b)[32] = 4 << 4; }
static void bad_syn(struct migrate_bundle *b) { inner(b)[33] |= T_SYN; }
static void bad_rst(struct migrate_bundle *b) { inner(b)[33] |= T_RST; }
static void bad_ack(struct migrate_bundle *b) { inner(b)[33] = T_PSH; }

static void
test_malformed(void)
{
    set_up_switches();
    check_malformed(bad_family);
    check_malformed(bad_client);
    check_malformed(bad_service);
    check_malformed(bad_prefix);
    check_malformed(bad_port);
    check_malformed(bad_port2);
    check_malformed(bad_packet);
    check_malformed(bad_packet2);
    check_malformed(bad_options);
    check_malformed(bad_wscale);
    check_malformed(bad_wscale2);
    check_malformed(bad_ihl);
    check_malformed(bad_protocol);
    check_malformed(bad_fragment);
    check_malformed(bad_doff);
    check_malformed(bad_syn);
    check_malformed(bad_rst);
    check_malformed(bad_ack);
}

static void
test_version_and_key(void)
{
    static uint8_t buf[FRAME_MAX] __attribute__((aligned(8)));
    struct migrate_bundle *b = (void *) buf;
    size_t len = make_bundle(&cast4, buf, 60);
    uint64_t n;
    struct frame f;

    set_up();
    n = counter(COUNTER_UNKNOWN_KEY);
    b->header.key_id++;
    frame_udp(&f, &cast4.sw, &cast4.host, buf, len);
    CHECK_INT(ingress(&f, NULL), TC_ACT_SHOT);
    CHECK_INT(counter(COUNTER_UNKNOWN_KEY) - n, 1);

    n = counter(COUNTER_BAD_VERSION);
    b->header.version = 2;
    seal(&keyring.keys[0], &cast4.sw.address, &cast4.host.address, &b->header);
    frame_udp(&f, &cast4.sw, &cast4.host, buf, len);
    CHECK_INT(ingress(&f, NULL), TC_ACT_SHOT);
    CHECK_INT(counter(COUNTER_BAD_VERSION) - n, 1);

    /* Other messages are the daemon's, if they are sealed. */
    n = counter(COUNTER_BAD_SEAL);
    b->header.version = MIGRATE_VERSION;
    for (unsigned int type = 0; type <= 255; type++) {
        if (type != MIGRATE_BUNDLE) {
            b->header.type = type;
            frame_udp(&f, &cast4.sw, &cast4.host, buf, len);
            CHECK_INT(ingress(&f, NULL), TC_ACT_SHOT);
            seal(&keyring.keys[0], &cast4.sw.address, &cast4.host.address,
                 &b->header);
            frame_udp(&f, &cast4.sw, &cast4.host, buf, len);
            CHECK_INT(ingress(&f, NULL), TC_ACT_UNSPEC);
        }
    }
    CHECK_INT(counter(COUNTER_BAD_SEAL) - n, 255);
}

/* The switch may not have the key that is the current one here. */
static void
test_key_of_answer(void)
{
    static const __u8 bytes[MIGRATE_KEY_LEN] = "the next key";
    struct seal_key next;

    set_up_switches();
    seal_key_init(&next, bytes);
    set_key(0, &next);
    set_key(1, &keyring.keys[0]);
    check_refusal(&cast4);
    check_refusal(&cast6);
    set_key(0, &keyring.keys[0]);
    set_key(1, NULL);
}

static void
check_forward(const struct cast *c)
{
    struct endpoint sw = c->sw, host = c->host;
    struct switch_peer peer = { .epoch = htonl(1) };
    struct frame in, out, expected;
    uint64_t n;

    sw.port = FLOW_ID >> 16;
    host.port = FLOW_ID & 0xffff;
    for (size_t size = 0; size < 1400; size += 13) {
        uint8_t data[1400];
        uint32_t seq;

        for (size_t i = 0; i < size; i++) {
            data[i] = unit_random();
        }
        add_mapping(c, size % 2 ? MAPPING_ESTABLISHED : MAPPING_CLOSED);
        seq = unit_random();
        frame_tcp(&in, &sw, &host, seq, 5, T_ACK, data, size);
        frame_tcp(&expected, &c->client, &c->service, seq, 5, T_ACK, data,
                  size);
        CHECK_INT(ingress(&in, &out), TC_ACT_OK);
        CU_ASSERT(frame_equals(&out, &expected));
    }

    /* An ended connection's own packets, and others'. */
    n = counter(COUNTER_STALE);
    add_mapping(c, MAPPING_CLOSED);
    for (uint32_t ack = -4; ack != 8; ack++) {
        bool own = ack + 2 <= 7;

        frame_tcp(&in, &sw, &host, 1, ack, T_ACK, "", 0);
        CHECK_INT(ingress(&in, NULL), own ? TC_ACT_OK : TC_ACT_SHOT);
    }
    frame_tcp(&in, &sw, &host, 1, 5, T_RST, "", 0);
    CHECK_INT(ingress(&in, NULL), TC_ACT_SHOT);
    CHECK_INT(counter(COUNTER_STALE) - n, 2 + 2 + 1);

    n = counter(COUNTER_STALE);
    add_mapping(c, MAPPING_REPLACED);
    CHECK_INT(ingress(&in, NULL), TC_ACT_SHOT);
    add_mapping(c, MAPPING_ABORTED);
    CHECK_INT(ingress(&in, NULL), TC_ACT_SHOT);
    CHECK_INT(counter(COUNTER_STALE) - n, 2);

    n = counter(COUNTER_EARLY);
    add_mapping(c, MAPPING_INFUSING);
    CHECK_INT(ingress(&in, NULL), TC_ACT_SHOT);
    CHECK_INT(counter(COUNTER_EARLY) - n, 1);

    n = counter(COUNTER_FLOW_SYN);
    add_mapping(c, MAPPING_ESTABLISHED);
    frame_tcp(&in, &sw, &host, 1, 0, T_SYN, "", 0);
    CHECK_INT(ingress(&in, NULL), TC_ACT_SHOT);
    CHECK_INT(counter(COUNTER_FLOW_SYN) - n, 1);

    n = counter(COUNTER_FLOW_FRAGMENT);
    for (int i = 0; i < 4; i++) {
        static const uint8_t extensions[] = { 0, 43, 44, 60 };

        frame_tcp(&in, &sw, &host, 1, 0, T_ACK, "data", 4);
        in.bytes[20] = (address_is_v4(&host.address) ? 0x20 : extensions[i]);
        CHECK_INT(ingress(&in, NULL), TC_ACT_SHOT);
        CHECK_INT(counter(COUNTER_FLOW_FRAGMENT) - n, i + 1);
    }

    n = counter(COUNTER_UNKNOWN_FLOW);
    host.port++;
    frame_tcp(&in, &sw, &host, 1, 0, T_ACK, "", 0);
    CHECK_INT(ingress(&in, NULL), TC_ACT_SHOT);
    CHECK_INT(counter(COUNTER_UNKNOWN_FLOW) - n, 1);

    /* From another switch it is the same, from anybody else traffic like any
     * other. */
    host.port--;
    sw.address.byte[15]++;
    frame_tcp(&in, &sw, &host, 1, 0, T_ACK, "", 0);
    bpf_map_update_elem(bpf_map__fd(skel->maps.switches), &sw.address, &peer,
                        BPF_ANY);
    frame_tcp(&expected, &c->client, &c->service, 1, 0, T_ACK, "", 0);
    CHECK_INT(ingress(&in, &out), TC_ACT_OK);
    CU_ASSERT(frame_equals(&out, &expected));
    sw.address.byte[15]++;
    frame_tcp(&in, &sw, &host, 1, 0, T_ACK, "", 0);
    CHECK_INT(ingress(&in, &out), TC_ACT_UNSPEC);
    CU_ASSERT(frame_equals(&in, &out));
}

static void
test_forward(void)
{
    set_up_switches();
    check_forward(&cast4);
    check_forward(&cast6);
    clear(skel->maps.mappings);
    clear(skel->maps.tuples);
}

static void
test_late_duplicate(void)
{
    __be32 flow_id = htonl(FLOW_ID), other = htonl(FLOW_ID + 1);
    struct frame in, out, expected;
    uint64_t n = counter(COUNTER_LATE);
    struct mapping m;

    set_up_switches();
    clear(skel->maps.refusals);
    add_mapping(&cast4, MAPPING_CLOSED);
    bpf_map_lookup_elem(bpf_map__fd(skel->maps.mappings), &flow_id, &m);
    m.seq = htonl(1001);
    m.ack_seq = htonl(5001);
    m.epoch = htonl(SWITCH_EPOCH);
    bpf_map_update_elem(bpf_map__fd(skel->maps.mappings), &flow_id, &m,
                        BPF_ANY);
    frame_bundle(&cast4, &in, 100);
    frame_report(&cast4, &expected, MIGRATE_RELEASE, MIGRATE_REASON_NONE);
    CHECK_INT(ingress(&in, &out), TC_ACT_REDIRECT);
    CU_ASSERT(frame_equals(&out, &expected));
    CHECK_INT(counter(COUNTER_LATE) - n, 1);

    /* The switch has been silent: it may have been stopped, and wait for
     * this. */
    say_hello(&cast4, SWITCH_EPOCH, FLOW_ID, MIGRATE_STALE + 1);
    CHECK_INT(ingress(&in, &out), TC_ACT_REDIRECT);
    CU_ASSERT(frame_equals(&out, &expected));
    CHECK_INT(counter(COUNTER_LATE) - n, 2);
    set_up_switches();

    /* The same under another flow ID, which another switch gave it. */
    bpf_map_delete_elem(bpf_map__fd(skel->maps.mappings), &flow_id);
    bpf_map_update_elem(bpf_map__fd(skel->maps.mappings), &other, &m,
                        BPF_ANY);
    bpf_map_update_elem(bpf_map__fd(skel->maps.tuples), &m.tuple, &other,
                        BPF_ANY);
    CHECK_INT(ingress(&in, &out), TC_ACT_REDIRECT);
    CU_ASSERT(frame_equals(&out, &expected));
    CHECK_INT(counter(COUNTER_LATE) - n, 3);
    say_hello(&cast4, SWITCH_EPOCH, FLOW_ID, MIGRATE_STALE + 1);
    CHECK_INT(ingress(&in, &out), TC_ACT_REDIRECT);
    CU_ASSERT(frame_equals(&out, &expected));
    set_up_switches();
    m.state = MAPPING_ABORTED;
    bpf_map_update_elem(bpf_map__fd(skel->maps.mappings), &other, &m,
                        BPF_ANY);
    frame_report(&cast4, &expected, MIGRATE_REFUSE, MIGRATE_REASON_CLOSED);
    CHECK_INT(ingress(&in, &out), TC_ACT_REDIRECT);
    CU_ASSERT(frame_equals(&out, &expected));
    clear(skel->maps.mappings);
    clear(skel->maps.tuples);
    clear(skel->maps.refusals);

    /* Another connection under the same flow ID. */
    m.seq++;
    bpf_map_update_elem(bpf_map__fd(skel->maps.mappings), &flow_id, &m,
                        BPF_ANY);
    frame_report(&cast4, &expected, MIGRATE_REFUSE, MIGRATE_REASON_FLOW_ID);
    CHECK_INT(ingress(&in, &out), TC_ACT_REDIRECT);
    CU_ASSERT(frame_equals(&out, &expected));
    clear(skel->maps.mappings);
    clear(skel->maps.tuples);
    clear(skel->maps.refusals);
}

/* Gives the program a bundle of flow ID 'flow_id' in epoch 'epoch'. */
static void
check_bundle(uint32_t epoch, uint32_t flow_id, int verdict,
             enum counter counted)
{
    static uint8_t buf[FRAME_MAX] __attribute__((aligned(8)));
    struct migrate_bundle *b = (void *) buf;
    size_t len = make_bundle(&cast4, buf, 60);
    uint64_t n = counter(counted), infused = counter(COUNTER_INFUSED);
    struct frame f;

    clear(skel->maps.refusals);
    b->header.epoch = htonl(epoch);
    b->flow_id = htonl(flow_id);
    seal(&keyring.keys[0], &cast4.sw.address, &cast4.host.address, &b->header);
    frame_udp(&f, &cast4.sw, &cast4.host, buf, len);
    CHECK_INT(ingress(&f, NULL), verdict);
    CHECK_INT(counter(counted) - n, 1);
    CHECK_INT(counter(COUNTER_INFUSED), infused);
}

/* ... which is taken for a new one. */
static void
check_new(uint32_t epoch, uint32_t flow_id)
{
    check_bundle(epoch, flow_id, TC_ACT_REDIRECT,
                 COUNTER_REFUSED_NO_LISTENER);
}

static void
check_old(uint32_t epoch, uint32_t flow_id)
{
    check_bundle(epoch, flow_id, TC_ACT_SHOT, COUNTER_OLD);
}

static void
test_old_flow_ids(void)
{
    static const uint32_t floors[] = {
        0x00010001, 0x7fffffff, 0x80000000, 0xfffffff0, 0xffffffff, 0, 5,
    };

    set_up();
    for (size_t i = 0; i < sizeof floors / sizeof floors[0]; i++) {
        uint32_t floor = floors[i];

        say_hello(&cast4, 7, floor, 0);
        check_new(7, floor);
        check_new(7, floor + 1);
        check_new(7, floor + 1000000);
        check_new(7, floor + MIGRATE_EPOCH_FLOWS);
        check_old(7, floor - 1);
        check_old(7, floor - 1000000);
        check_old(7, floor - MIGRATE_EPOCH_FLOWS);
    }
}

static void
check_not_heard(uint32_t epoch)
{
    check_bundle(epoch, FLOW_ID, TC_ACT_SHOT, COUNTER_NO_HELLO);
}

static void
test_no_hello(void)
{
    set_up();
    say_hello(&cast4, 7, FLOW_ID, 0);
    check_new(7, FLOW_ID);
    check_not_heard(6);
    check_not_heard(8);
    check_not_heard(0);
    say_hello(&cast4, 7, FLOW_ID, MIGRATE_STALE / 2);
    check_new(7, FLOW_ID);
    say_hello(&cast4, 7, FLOW_ID, MIGRATE_STALE + 1);
    check_not_heard(7);
    clear(skel->maps.switches);
    check_not_heard(7);
    check_not_heard(0);
    CU_ASSERT(is_empty(skel->maps.switches));
}

/* An ARP packet of 'operation' from 'sender' about 'target'. */
static void
frame_arp(struct frame *f, uint16_t operation, const struct endpoint *sender,
          const struct endpoint *target)
{
    static const uint8_t start[] = { 0, 1, 8, 0, 6, 4 };

    frame_init(f, &cast4.sw.address);
    f->bytes[12] = 0x08;
    f->bytes[13] = 0x06;
    memcpy(&f->bytes[14], start, sizeof start);
    f->bytes[21] = operation;
    memcpy(&f->bytes[28], &sender->address.byte[12], 4);
    memcpy(&f->bytes[38], &target->address.byte[12], 4);
    f->size = 42;
}

/* A mapping that is forgotten takes the floor with it. */
static void
test_forgotten(void)
{
    struct batch *batch = &skel->bss->batch;
    struct switch_peer peer;
    struct frame frame;

    set_up();
    for (int same = 0; same <= 1; same++) {
        uint32_t epoch = same ? 0 : 1;  /* add_mapping() has 0. */

        say_hello(&cast4, epoch, FLOW_ID - 5, 0);
        add_mapping(&cast4, MAPPING_CLOSED);
        memset(batch, 0, sizeof *batch);
        batch->op = BATCH_REAP;
        batch->n = 1;
        batch->entries[0].flow_id = htonl(FLOW_ID);
        frame_arp(&frame, 1, &cast4.host, &cast4.sw);
        run(skel->progs.migrator_batch, &frame, NULL);
        CHECK_INT(batch->entries[0].result, BATCH_DONE);
        CU_ASSERT(is_empty(skel->maps.mappings));
        bpf_map_lookup_elem(bpf_map__fd(skel->maps.switches),
                            &cast4.sw.address, &peer);
        CHECK_INT(peer.floor, same ? FLOW_ID + 1 : FLOW_ID - 5);
    }
    /* It is never lowered. */
    say_hello(&cast4, 0, FLOW_ID + 5, 0);
    add_mapping(&cast4, MAPPING_CLOSED);
    run(skel->progs.migrator_batch, &frame, NULL);
    CU_ASSERT(is_empty(skel->maps.mappings));
    bpf_map_lookup_elem(bpf_map__fd(skel->maps.switches), &cast4.sw.address,
                        &peer);
    CHECK_INT(peer.floor, FLOW_ID + 5);
}

static void
check_arp(uint16_t operation, const struct endpoint *sender,
          const struct endpoint *target, int verdict,
          const struct endpoint *becomes)
{
    struct frame in, out, expected;

    frame_arp(&in, operation, sender, target);
    frame_arp(&expected, operation, becomes, target);
    CHECK_INT(run(skel->progs.migrator_egress, &in, &out), verdict);
    CU_ASSERT(frame_equals(&out, &expected));
}

static void
test_arp(void)
{
    struct service service = { .named = 1 };

    set_up();
    bpf_map_update_elem(bpf_map__fd(skel->maps.services),
                        &cast4.service.address, &service, BPF_ANY);
    /* Replies and announcements; requests; what is not about it. */
    check_arp(2, &cast4.service, &cast4.sw, TC_ACT_SHOT, &cast4.service);
    check_arp(1, &cast4.service, &cast4.service, TC_ACT_SHOT, &cast4.service);
    check_arp(1, &cast4.service, &cast4.sw, TC_ACT_UNSPEC, &cast4.host);
    check_arp(1, &cast4.host, &cast4.sw, TC_ACT_UNSPEC, &cast4.host);
    check_arp(2, &cast4.host, &cast4.sw, TC_ACT_UNSPEC, &cast4.host);
}

/* A neighbor message of 'type' from 'src' about 'target'. */
static void
frame_nd(struct frame *f, uint8_t type, const struct endpoint *src,
         const struct endpoint *target)
{
    uint8_t *icmp = &f->bytes[54];
    uint16_t sum;

    frame_udp(f, src, &cast6.sw, "sixteen bytes:-)", 16);
    f->bytes[20] = IPPROTO_ICMPV6;
    memset(icmp, 0, 24);
    icmp[0] = type;
    memcpy(&icmp[8], &target->address, 16);
    sum = ~sum16(icmp, 24, sum16(&f->bytes[22], 32, IPPROTO_ICMPV6 + 24));
    icmp[2] = sum >> 8;
    icmp[3] = sum;
}

static void
test_neighbor_discovery(void)
{
    struct service service = { .named = 1 };
    struct frame in, out, expected;

    set_up();
    bpf_map_update_elem(bpf_map__fd(skel->maps.services),
                        &cast6.service.address, &service, BPF_ANY);
    frame_nd(&in, 136, &cast6.host, &cast6.service);
    CHECK_INT(run(skel->progs.migrator_egress, &in, NULL), TC_ACT_SHOT);
    frame_nd(&in, 136, &cast6.host, &cast6.host);
    CHECK_INT(run(skel->progs.migrator_egress, &in, NULL), TC_ACT_UNSPEC);
    frame_nd(&in, 135, &cast6.service, &cast6.sw);
    frame_nd(&expected, 135, &cast6.host, &cast6.sw);
    CHECK_INT(run(skel->progs.migrator_egress, &in, &out), TC_ACT_UNSPEC);
    CU_ASSERT(frame_equals(&out, &expected));
}

static void
check_reset(const struct cast *c)
{
    struct frame f;

    frame_tcp(&f, &c->service, &c->client, 1, 2, T_RST | T_ACK, "", 0);
    add_mapping(c, MAPPING_ESTABLISHED);
    CHECK_INT(run(skel->progs.migrator_egress, &f, NULL), TC_ACT_UNSPEC);
    add_mapping(c, MAPPING_ABORTED);
    CHECK_INT(run(skel->progs.migrator_egress, &f, NULL), TC_ACT_SHOT);
    frame_tcp(&f, &c->service, &c->client, 1, 2, T_ACK, "", 0);
    CHECK_INT(run(skel->progs.migrator_egress, &f, NULL), TC_ACT_UNSPEC);
}

static void
test_reset(void)
{
    set_up();
    check_reset(&cast4);
    check_reset(&cast6);
    clear(skel->maps.mappings);
    clear(skel->maps.tuples);
}

static void
test_other_traffic(void)
{
    struct frame in, out;

    set_up();
    for (int i = 0; i < 100000; i++) {
        struct endpoint a = cast4.client, b = cast4.host;

        /* Noise behind a header that says IPv4, IPv6 or ARP. */
        frame_init(&in, i % 2 ? &cast4.sw.address : &cast6.sw.address);
        in.bytes[13] ^= i % 3 ? 0 : 6;
        in.size = 14 + 40 + unit_random() % 200;
        for (size_t j = 14; j < in.size; j++) {
            in.bytes[j] = unit_random();
        }
        CHECK_INT(ingress(&in, &out), TC_ACT_UNSPEC);
        CU_ASSERT(frame_equals(&in, &out));
        run(skel->progs.migrator_egress, &in, NULL);
        if (i % 100 == 0) {
            a.port = unit_random();
            frame_tcp(&in, &a, &b, 1, 1, unit_random(), "x", 1);
            CHECK_INT(ingress(&in, &out), TC_ACT_UNSPEC);
            CU_ASSERT(frame_equals(&in, &out));
        }
    }
}

static const struct unit_test tests[] = {
    { "a bundle that nobody listens for is refused", test_refusal },
    { "bundles of every length are sealed right", test_every_length },
    { "a bundle with any bit flipped is dropped", test_any_bit },
    { "a bundle for another host is dropped", test_other_addresses },
    { "a bundle cut short is dropped", test_truncated },
    { "a bundle that disagrees with itself is dropped", test_malformed },
    { "another version, another key, another message",
      test_version_and_key },
    { "an answer is under the key of the question", test_key_of_answer },
    { "encapsulated packets get their addresses back", test_forward },
    { "a late duplicate is released", test_late_duplicate },
    { "an old flow ID is dropped", test_old_flow_ids },
    { "a switch must be heard of", test_no_hello },
    { "what is forgotten does not come again", test_forgotten },
    { "ARP does not know the service address", test_arp },
    { "neighbor discovery does not either", test_neighbor_discovery },
    { "an aborted connection's reset is dropped", test_reset },
    { "other traffic is left alone", test_other_traffic },
    { NULL, NULL },
};

const struct unit_suite unit_suite = { "migrator", tests };
