/* SPDX-License-Identifier: Apache-2.0 */

/* The BPF programs of the agent with bundles and encapsulated packets that
 * were changed at random, mostly before they were sealed.  Whatever it is, the
 * verdict is one that can be, it is counted once, and nothing is left behind
 * that the packet had no right to. */

#include <config.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <linux/pkt_cls.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "programs.h"
#include "lib/address.h"
#include "unit.h"

#define MUTATIONS 30000             /* Of each test, unless the environment has
                                     * another number. */
#define IP_AT 14
#define MAX_REQUEST 200
#define N_FLOW_IDS 4                /* So that they meet each other. */

/* What each counter says of the packet. */
static const enum {
    NEVER, ASIDE, DROPPED, ANSWERED, PASSED, N_KINDS
} kinds[N_COUNTERS] = {
    [COUNTER_BUNDLE] = ASIDE,
    [COUNTER_ENDED] = ASIDE,
    [COUNTER_REPLACED] = ASIDE,
    [COUNTER_EVENT_LOST] = ASIDE,
    [COUNTER_BAD_LENGTH] = DROPPED,
    [COUNTER_BAD_VERSION] = DROPPED,
    [COUNTER_UNKNOWN_KEY] = DROPPED,
    [COUNTER_BAD_SEAL] = DROPPED,
    [COUNTER_MALFORMED] = DROPPED,
    [COUNTER_NO_HELLO] = DROPPED,
    [COUNTER_OLD] = DROPPED,
    [COUNTER_UNKNOWN_FLOW] = DROPPED,
    [COUNTER_EARLY] = DROPPED,
    [COUNTER_STALE] = DROPPED,
    [COUNTER_FLOW_SYN] = DROPPED,
    [COUNTER_FLOW_FRAGMENT] = DROPPED,
    [COUNTER_FLOW_ERROR] = DROPPED,
    [COUNTER_LATE] = ANSWERED,
    [COUNTER_REFUSED_NO_LISTENER] = ANSWERED,
    [COUNTER_REFUSED_KERNEL] = ANSWERED,
    [COUNTER_REFUSED_FLOW_ID] = ANSWERED,
    [COUNTER_REFUSED_BUSY] = ANSWERED,
    [COUNTER_REFUSED_AGAIN] = ANSWERED,
    [COUNTER_FORWARDED] = PASSED,
};

/* The verdict on 'in', and what it has counted. */
struct outcome {
    int verdict;
    struct frame out;
    uint64_t counted[N_COUNTERS];
};

static void
give(const struct frame *in, struct outcome *o)
{
    uint64_t before[N_COUNTERS];

    all_counters(before);
    o->verdict = ingress(in, &o->out);
    all_counters(o->counted);
    for (int i = 0; i < N_COUNTERS; i++) {
        o->counted[i] -= before[i];
    }
}

/* Checks that the packet was counted once, as what became of it, or not at all
 * if it was let alone. */
static void
check_counters(const struct frame *in, const struct outcome *o)
{
    uint64_t n[N_KINDS] = { 0 };

    for (int i = 0; i < N_COUNTERS; i++) {
        n[kinds[i]] += o->counted[i];
    }
    CHECK_INT(n[DROPPED], o->verdict == TC_ACT_SHOT);
    CHECK_INT(n[ANSWERED], o->verdict == TC_ACT_REDIRECT);
    CHECK_INT(n[PASSED], o->verdict == TC_ACT_OK);
    CHECK_INT(n[NEVER], 0);
    CU_ASSERT(o->verdict == TC_ACT_SHOT || o->verdict == TC_ACT_REDIRECT
              || o->verdict == TC_ACT_OK || o->verdict == TC_ACT_UNSPEC);
    CU_ASSERT(o->verdict != TC_ACT_UNSPEC || frame_equals(in, &o->out));
}

/* Changes one to four of the 'size' bytes at 'p', mostly among the first. */
static void
mutate(uint8_t *p, size_t size)
{
    static const uint8_t edges[] = { 0, 1, 0x7f, 0x80, 0xff };

    for (int n = unit_random() % 4; n >= 0; n--) {
        size_t range = unit_random() % 4 && size > 128 ? 128 : size;
        uint8_t *at = &p[unit_random() % range];

        switch (unit_random() % 4) {
        case 0:
            *at ^= 1 << unit_random() % 8;
            break;
        case 1:
            *at = unit_random();
            break;
        case 2:
            *at = edges[unit_random() % sizeof edges];
            break;
        case 3:
            *at += unit_random() % 3 - 1;
            break;
        }
    }
}

/* Finds the message in 'f', with plain code: returns its length, or 0 if there
 * is none that is whole and sealed. */
static size_t
sealed_message(const struct frame *f, struct migrate_address *src,
               struct migrate_address *dst, struct migrate_bundle *b)
{
    static uint64_t message[FRAME_MAX / 8];
    const uint8_t *ip = &f->bytes[IP_AT], *udp;
    size_t ip_len, len;

    memset(b, 0, sizeof *b);
    if (f->bytes[12] == 8) {
        struct in_addr a[2];

        memcpy(a, &ip[12], sizeof a);
        *src = address_from_v4(a[0].s_addr);
        *dst = address_from_v4(a[1].s_addr);
        udp = ip + (ip[0] & 15) * 4;
        ip_len = ip[2] << 8 | ip[3];
        if (ip[9] != IPPROTO_UDP || ((ip[6] << 8 | ip[7]) & 0x3fff)) {
            return 0;
        }
    } else {
        memcpy(src, &ip[8], sizeof *src);
        memcpy(dst, &ip[24], sizeof *dst);
        udp = ip + 40;
        ip_len = 40 + (ip[4] << 8 | ip[5]);
        if (ip[6] != IPPROTO_UDP) {
            return 0;
        }
    }
    if (IP_AT + ip_len > f->size || udp + 8 > ip + ip_len
        || (udp[2] << 8 | udp[3]) != MIGRATE_PORT
        || (udp[4] << 8 | udp[5]) != ip + ip_len - udp) {
        return 0;
    }
    len = ip + ip_len - udp - 8;
    memcpy(message, udp + 8, len);
    memcpy(b, message, len < sizeof *b ? len : sizeof *b);
    return seal_check(&keyring, src, dst, message, len) ? len : 0;
}

/* Checks the report in 'o', which answers 'b'. */
static void
check_answer(const struct outcome *o, const struct migrate_address *sw,
             const struct migrate_address *host,
             const struct migrate_bundle *b)
{
    struct migrate_address src, dst;
    struct migrate_bundle answer;
    struct migrate_report report;

    CHECK_INT(sealed_message(&o->out, &src, &dst, &answer),
              sizeof answer.header + sizeof report);
    memcpy(&report, &answer.header + 1, sizeof report);
    CU_ASSERT(address_equals(&src, host) && address_equals(&dst, sw));
    CHECK_INT(answer.header.type, MIGRATE_REPORT);
    CHECK_INT(answer.header.sequence, b->header.epoch);
    CHECK_INT(report.flow_id, b->flow_id);
    CU_ASSERT(report.event == MIGRATE_REFUSE
              || report.event == MIGRATE_RELEASE);
}

/* Checks what became of 'in', which arrived on MIGRATE_PORT, perhaps. */
static void
check_message(const struct frame *in)
{
    struct migrate_address src, dst;
    struct migrate_bundle b;
    struct outcome o;
    bool is_bundle;
    size_t len;

    len = sealed_message(in, &src, &dst, &b);
    is_bundle = (len >= sizeof b + 40
                 && b.header.type == MIGRATE_BUNDLE);
    give(in, &o);
    check_counters(in, &o);
    CHECK_INT(o.counted[COUNTER_BUNDLE], is_bundle);
    if (!len) {
        /* Noise, or dropped as such. */
        CU_ASSERT(o.verdict == TC_ACT_UNSPEC || o.verdict == TC_ACT_SHOT);
    } else if (b.header.type != MIGRATE_BUNDLE) {
        CHECK_INT(o.verdict, TC_ACT_UNSPEC);
    } else if (o.verdict == TC_ACT_REDIRECT) {
        check_answer(&o, &src, &dst, &b);
    } else {
        CHECK_INT(o.verdict, TC_ACT_SHOT);
    }
}

/* A bundle of 'c', changed. */
static void
mutated_bundle(const struct cast *c, struct frame *f)
{
    static uint8_t buf[FRAME_MAX] __attribute__((aligned(8)));
    struct migrate_bundle *b = (void *) buf;
    size_t len = make_bundle(c, buf, unit_random() % MAX_REQUEST);

    b->flow_id = htonl(FLOW_ID + unit_random() % N_FLOW_IDS);
    mutate(buf, len);
    if (unit_random() % 4) {
        /* So that it is about what is behind the seal. */
        b->header.version = MIGRATE_VERSION;
        b->header.key_id = keyring.keys[0].id;
        b->header.length = htons(len);
        b->header.epoch = htonl(SWITCH_EPOCH);
    }
    if (unit_random() % 8 && ntohs(b->header.length) <= sizeof buf
        && ntohs(b->header.length) >= sizeof b->header) {
        seal(&keyring.keys[0], &c->sw.address, &c->host.address, &b->header);
    }
    frame_udp(f, &c->sw, &c->host, buf, len);
    if (unit_random() % 8 == 0) {
        mutate(&f->bytes[IP_AT], 48);
    }
    if (unit_random() % 16 == 0) {
        f->size -= unit_random() % 40;
    }
}

/* The number of sockets of TCP in this network namespace. */
static unsigned int
n_sockets(void)
{
    static const char *const files[] = {
        "/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6",
    };
    unsigned int n = 0;
    char line[512];

    for (int i = 0; i < 2; i++) {
        FILE *stream = fopen(files[i], "r");

        if (!stream) {
            unit_bail_out(files[i]);
        }
        while (fgets(line, sizeof line, stream)) {
            n++;
        }
        fclose(stream);
        n--;                        /* The heading. */
    }
    return n;
}

/* Leaves 'c' a mapping, or none.  Returns its state. */
static enum mapping_state
random_mapping(const struct cast *c)
{
    enum mapping_state state = unit_random() % 12;

    if (state < MAPPING_INFUSING || state > MAPPING_REPLACED) {
        return 0;
    }
    add_mapping(c, state);
    return state;
}

/* Checks that there is no mapping but that of 'c', if it had one, which is
 * still of the same connection. */
static void
check_mappings(const struct cast *c, bool had_one)
{
    int fd = bpf_map__fd(skel->maps.mappings);
    __be32 flow_id, next;
    struct mapping m;

    if (!had_one || bpf_map_get_next_key(fd, NULL, &flow_id)) {
        CU_ASSERT(is_empty(skel->maps.mappings));
        CU_ASSERT(is_empty(skel->maps.tuples));
        return;
    }
    CHECK_INT(flow_id, htonl(FLOW_ID));
    CU_ASSERT(bpf_map_get_next_key(fd, &flow_id, &next) != 0);
    CU_ASSERT(!bpf_map_lookup_elem(fd, &flow_id, &m));
    CU_ASSERT(address_equals(&m.tuple.client, &c->client.address));
    CU_ASSERT(address_equals(&m.tuple.service, &c->service.address));
    CHECK_INT(m.tuple.client_port, htons(c->client.port));
    CHECK_INT(m.tuple.service_port, htons(c->service.port));
    CHECK_INT(m.seq, 0);
    clear(skel->maps.mappings);
    clear(skel->maps.tuples);
}

static long
mutations(void)
{
    const char *s = getenv("MUTATIONS");

    return s ? atol(s) : MUTATIONS;
}

static void
check_bundles(void)
{
    for (long i = 0; i < mutations(); i++) {
        const struct cast *c = i % 2 ? &cast4 : &cast6;
        struct frame f;
        bool had_one;

        if (i % 100 == 0) {
            set_up_switches();      /* They say HELLO again. */
            clear(skel->maps.refusals);
        }
        had_one = random_mapping(c) != 0;
        mutated_bundle(c, &f);
        check_message(&f);
        check_mappings(c, had_one);
    }
    clear(skel->maps.refusals);
}

static void
test_bundles(void)
{
    uint64_t n;

    set_up_switches();
    n = counter(COUNTER_REFUSED_NO_LISTENER);
    check_bundles();
    CU_ASSERT(counter(COUNTER_REFUSED_NO_LISTENER) > n);
    CHECK_INT(n_sockets(), 0);
}

/* The kernel gets to see what the bundles say, and takes none of them: only
 * what a device receives may open a connection, and this is no device. */
static void
test_bundles_listener(void)
{
    struct sockaddr_in6 any = { .sin6_family = AF_INET6 };
    uint64_t n;
    int fd;

    set_up_switches();
    any.sin6_port = htons(cast4.service.port);
    fd = socket(AF_INET6, SOCK_STREAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *) &any, sizeof any)
        || listen(fd, 8)) {
        unit_bail_out("listening socket");
    }
    n = counter(COUNTER_REFUSED_KERNEL);
    check_bundles();
    CU_ASSERT(counter(COUNTER_REFUSED_KERNEL) > n);
    CHECK_INT(n_sockets(), 1);
    close(fd);
}

/* The sum over what the checksum of TCP covers, which starts 'at'. */
static uint16_t
tcp_sum(const struct frame *f, size_t at, size_t end)
{
    size_t addresses = f->bytes[12] == 8 ? 8 : 32;
    size_t addresses_at = IP_AT + (addresses == 8 ? 12 : 8);

    return sum16(&f->bytes[at], end - at,
                 sum16(&f->bytes[addresses_at], addresses, 0)) % 0xffff;
}

/* Checks that 'out' is 'in' with the addresses and ports of 'c', and as whole
 * or broken as it was. */
static void
check_forwarded(const struct cast *c, const struct frame *in,
                const struct frame *out)
{
    bool is_v4 = c == &cast4;
    const uint8_t *ip = &in->bytes[IP_AT];
    size_t at = IP_AT + (is_v4 ? (ip[0] & 15) * 4 : 40);
    size_t end = IP_AT + (is_v4 ? ip[2] << 8 | ip[3]
                          : 40 + (ip[4] << 8 | ip[5]));
    uint16_t ports[2] = { htons(c->client.port), htons(c->service.port) };
    struct frame expected = *in;
    uint8_t *to = &expected.bytes[IP_AT];

    CU_ASSERT_FATAL(at >= IP_AT + 20 && at + 20 <= end);
    if (is_v4) {
        memcpy(&to[12], &c->client.address.byte[12], 4);
        memcpy(&to[16], &c->service.address.byte[12], 4);
        memcpy(&to[10], &out->bytes[IP_AT + 10], 2);
        CHECK_INT(sum16(&out->bytes[IP_AT], 20, 0) % 0xffff,
                  sum16(ip, 20, 0) % 0xffff);
    } else {
        memcpy(&to[8], &c->client.address, 16);
        memcpy(&to[24], &c->service.address, 16);
    }
    memcpy(&expected.bytes[at], ports, sizeof ports);
    memcpy(&expected.bytes[at + 16], &out->bytes[at + 16], 2);
    CU_ASSERT(frame_equals(&expected, out));
    CHECK_INT(tcp_sum(out, at, end), tcp_sum(in, at, end));
}

static void
test_packets(void)
{
    uint64_t n;

    set_up_switches();
    n = counter(COUNTER_FORWARDED);
    for (long i = 0; i < mutations(); i++) {
        const struct cast *c = i % 2 ? &cast4 : &cast6;
        struct endpoint sw = c->sw, host = c->host;
        enum mapping_state state = random_mapping(c);
        uint8_t data[MAX_REQUEST];
        struct outcome o;
        struct frame f;

        sw.port = FLOW_ID >> 16;
        host.port = FLOW_ID & 0xffff;
        for (size_t j = 0; j < sizeof data; j++) {
            data[j] = unit_random();
        }
        frame_tcp(&f, &sw, &host, unit_random(), unit_random() % 8, T_ACK,
                  data, unit_random() % sizeof data);
        if (unit_random() % 4) {
            mutate(&f.bytes[IP_AT], f.size - IP_AT);
        }
        give(&f, &o);
        check_counters(&f, &o);
        CHECK_INT(o.counted[COUNTER_BUNDLE], 0);
        CU_ASSERT(o.verdict != TC_ACT_REDIRECT);
        if (o.verdict == TC_ACT_OK) {
            CU_ASSERT(state == MAPPING_ESTABLISHED || state == MAPPING_CLOSED);
            check_forwarded(c, &f, &o.out);
        }
        check_mappings(c, state != 0);
    }
    CU_ASSERT(counter(COUNTER_FORWARDED) > n);
    CHECK_INT(n_sockets(), 0);
}

static const struct unit_test tests[] = {
    { "changed bundles, and nobody who listens", test_bundles },
    { "changed bundles for a server that listens", test_bundles_listener },
    { "changed encapsulated packets", test_packets },
    { NULL, NULL },
};

const struct unit_suite unit_suite = { "mutations", tests };
