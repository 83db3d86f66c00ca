/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* How fast the engine alone is, on one core, and what memory it takes.
 *
 *     engine-bench [ROUNDS [LIVE...]]
 *
 * With LIVE connections live, measures the answers to SYNs, the handoffs
 * (data segment in, bundle out) and the packets encapsulated, ROUNDS times
 * over.  Each line of output is a figure: name, LIVE, value.
 *
 * Frames come in bursts, as from a network card: they are built before the
 * clock starts.  What the engine sends is copied, as it must be.  The clock is
 * that of the thread's processor time. */

#include <arpa/inet.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu-time.h"
#include "migrate.h"
#include "seal.h"

#define BURST 256               /* Frames between two looks at the clock. */
#define BATCH 32                /* Frames that a switch handles at a time. */
#define FRESH 65536             /* Connections that come and go in a round. */
#define PACKETS 1048576         /* Encapsulated in a round. */
#define HOT 32                  /* Connections that these belong to, if hot. */
#define N_HOSTS 8
#define SERVICE_ID 1
#define FRAME_ROOM 512

static const char request[] =
    "GET /images/logo.png HTTP/1.1\r\n"
    "Host: www.example.com\r\n"
    "User-Agent: Mozilla/5.0 (X11; Linux)\r\n"
    "Accept: */*\r\n"
    "\r\n";

static const uint8_t client_mac[6] = { 2, 0, 0, 0, 1, 0 };
static const uint8_t switch_mac[6] = { 2, 0, 0, 0, 0, 0xfe };

struct buffer {
    size_t len;
    uint8_t data[FRAME_ROOM];
};

struct bench {
    struct migrate *engine;
    struct keyring keys;
    struct migrate_address address, service;
    struct migrate_address hosts[N_HOSTS];
    uint32_t n_live;
    uint32_t n_tuples;          /* Connections begun so far. */
    uint32_t hello_sequence, epoch; /* Of the engine's latest. */
    int64_t now;

    struct buffer in[BURST];    /* Frames to the engine... */
    struct buffer out[BURST];   /* ...and from it. */
    unsigned int n_out;
};

/* Bytes that are allocated. */
static size_t
allocated(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

static void
check(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "engine-bench: %s\n", what);
        exit(EXIT_FAILURE);
    }
}

static void
op_output(void *b_, const void *frame, size_t len,
          vlan_tag tag __attribute__((unused)))
{
    struct bench *b = b_;
    struct buffer *out = &b->out[b->n_out++ % BURST];

    check(len <= sizeof out->data, "the engine sent a long frame");
    out->len = len;
    memcpy(out->data, frame, len);
}

static bool
op_place(void *b __attribute__((unused)),
         const struct migrate_flow *flow __attribute__((unused)))
{
    return false;
}

static void
op_unplace(void *b __attribute__((unused)),
           const struct migrate_flow *flow __attribute__((unused)),
           struct migrate_use *use __attribute__((unused)))
{
}

static void
op_use(void *b __attribute__((unused)),
       const struct tuple *tuple __attribute__((unused)),
       struct migrate_use *use __attribute__((unused)))
{
}

static void
op_log(void *b __attribute__((unused)),
       const char *message __attribute__((unused)))
{
}

static const struct migrate_ops ops = {
    .output = op_output,
    .place = op_place,
    .unplace = op_unplace,
    .use = op_use,
    .log = op_log,
};

/* Frames of clients.  All that belongs to connection 'i' follows from 'i'. */

static struct migrate_address
client_address(uint32_t i)
{
    return address_from_v4(htonl(0x0a010000 + i / 16));
}

static uint32_t
client_isn(uint32_t i)
{
    return i * 2654435761u;
}

static void
client_frame(const struct bench *b, uint32_t i, struct segment *s,
             struct buffer *buffer)
{
    struct migrate_address client = client_address(i);

    s->eth_dst = switch_mac;
    s->eth_src = client_mac;
    s->src = &client;
    s->dst = &b->service;
    s->src_port = htons(32768 + i % 16 * 1000 + i / 16 % 1000);
    s->dst_port = htons(80);
    s->window = 502;
    buffer->len = segment_build(s, buffer->data);
}

static void
build_syn(const struct bench *b, uint32_t i, struct buffer *buffer)
{
    struct tcp_options options = {
        .mss = 1460, .wscale_ok = true, .wscale = 7, .sack_ok = true,
        .tstamp_ok = true, .tsval = 1000,
    };
    struct segment s = {
        .seq = client_isn(i), .flags = SEG_SYN, .options = &options,
    };

    client_frame(b, i, &s, buffer);
}

/* The request, after the SYN was answered with 'isn'. */
static void
build_request(const struct bench *b, uint32_t i, uint32_t isn,
              struct buffer *buffer)
{
    struct tcp_options options = { .tstamp_ok = true, .tsval = 1001 };
    struct segment s = {
        .seq = client_isn(i) + 1, .ack = isn + 1,
        .flags = SEG_ACK | SEG_PSH, .options = &options,
        .payload = request, .payload_len = sizeof request - 1,
    };

    client_frame(b, i, &s, buffer);
}

/* An ACK of something that the host sent. */
static void
build_ack(const struct bench *b, uint32_t i, struct buffer *buffer)
{
    struct tcp_options options = { .tstamp_ok = true, .tsval = 1002 };
    struct segment s = {
        .seq = client_isn(i) + sizeof request, .ack = 12345,
        .flags = SEG_ACK, .options = &options,
    };

    client_frame(b, i, &s, buffer);
}

/* Has the engine take the 'n' frames at 'in'; returns how many had
 * 'verdict'. */
static unsigned int
take_batch(struct bench *b, struct buffer in[], unsigned int n,
           enum migrate_verdict verdict)
{
    struct frame frames[BATCH];
    unsigned int right = 0;

    for (unsigned int i = 0; i < n; i++) {
        frames[i] = (struct frame) { .data = in[i].data, .len = in[i].len };
    }
    migrate_lookup(b->engine, frames, n);
    for (unsigned int i = 0; i < n; i++) {
        right += migrate_service_frame(b->engine, SERVICE_ID, &frames[i],
                                       b->now) == verdict;
    }
    return right;
}

/* Has the engine take the 'n' frames of 'in', each with 'verdict'; returns the
 * seconds that took. */
static double
take(struct bench *b, unsigned int n, enum migrate_verdict verdict)
{
    unsigned int right = 0;
    double start;

    b->n_out = 0;
    start = cpu_seconds();
    for (unsigned int i = 0; i < n; i += BATCH) {
        right += take_batch(b, &b->in[i], n - i < BATCH ? n - i : BATCH,
                            verdict);
    }
    start = cpu_seconds() - start;
    check(right == n, "a frame was dropped, or was not");
    return start;
}

/* Messages of hosts. */

static void
host_mac(int host, uint8_t mac[6])
{
    static const uint8_t first[6] = { 2, 0, 0, 0, 2, 0 };

    memcpy(mac, first, 6);
    mac[5] = host;
}

static void
control(struct bench *b, int host, uint8_t type, const void *body,
        size_t body_len, unsigned int n)
{
    const size_t overhead = udp_overhead(&b->address);
    static uint8_t buf[FRAME_ROOM + BURST * sizeof(struct migrate_report)];
    struct migrate_header header = {
        .version = MIGRATE_VERSION,
        .type = type,
        .length = htons(sizeof header + body_len),
        .count = htons(n),
        .epoch = htonl(1),
        .sequence = htonl(type == MIGRATE_REPORT ? b->epoch
                          : b->hello_sequence),
    };
    struct frame frame = { .data = buf };
    uint64_t message[(sizeof buf - 64) / 8];
    uint8_t mac[6];

    host_mac(host, mac);
    memcpy(message, &header, sizeof header);
    memcpy((uint8_t *) message + sizeof header, body, body_len);
    seal(&b->keys.keys[0], &b->hosts[host], &b->address, (void *) message);
    memcpy(buf + overhead, message, sizeof header + body_len);
    frame.len = udp_build(buf, sizeof header + body_len, switch_mac, mac,
                          &b->hosts[host], &b->address, MIGRATE_PORT);
    migrate_control_frame(b->engine, &frame, b->now);
}

/* Tells the engine where the hosts are. */
static void
answer_arp(struct bench *b)
{
    for (int i = 0; i < N_HOSTS; i++) {
        struct arp arp = {
            .op = ARP_REPLY,
            .sender = b->hosts[i],
            .target = b->address,
        };
        uint8_t buf[ARP_FRAME_LEN];
        struct frame frame = { .data = buf, .len = sizeof buf };

        host_mac(i, arp.sender_mac);
        memcpy(arp.target_mac, switch_mac, sizeof arp.target_mac);
        arp_build(&arp, switch_mac, buf);
        migrate_control_frame(b->engine, &frame, b->now);
    }
}

/* Finds the latest hello in what the engine sent. */
static void
note_hello(struct bench *b)
{
    for (unsigned int i = 0; i < b->n_out && i < BURST; i++) {
        const struct buffer *out = &b->out[i];
        struct migrate_header header;

        if (out->len >= udp_overhead(&b->address) + sizeof header) {
            memcpy(&header, out->data + udp_overhead(&b->address),
                   sizeof header);
            if (header.type == MIGRATE_HELLO) {
                b->hello_sequence = ntohl(header.sequence);
                b->epoch = ntohl(header.epoch);
            }
        }
    }
}

/* Lets 'ms' pass, in which the hosts are there. */
static void
pass(struct bench *b, int64_t ms)
{
    int64_t end = b->now + ms;

    while (b->now < end) {
        struct migrate_status status = { .capacity = htonl(1 << 20) };

        b->now += 100;
        b->n_out = 0;
        migrate_run(b->engine, b->now, 0);
        note_hello(b);
        status.epoch = htonl(b->epoch);
        for (int i = 0; i < N_HOSTS; i++) {
            control(b, i, MIGRATE_STATUS, &status, sizeof status, 1);
        }
    }
}

/* The hosts report 'event' for those of the 'n' 'flow_ids' that they have. */
static void
report(struct bench *b, const uint32_t *flow_ids, const uint8_t *hosts,
       unsigned int n, enum migrate_event event)
{
    for (int host = 0; host < N_HOSTS; host++) {
        struct migrate_report reports[BURST];
        unsigned int n_reports = 0;

        for (unsigned int i = 0; i < n; i++) {
            if (hosts[i] == host) {
                reports[n_reports++] = (struct migrate_report) {
                    .flow_id = flow_ids[i],
                    .event = event,
                };
            }
        }
        if (n_reports) {
            control(b, host, MIGRATE_REPORT, reports,
                    n_reports * sizeof reports[0], n_reports);
        }
    }
}

/* Connections. */

struct handoff_times {
    double syn, handoff;        /* Seconds. */
};

/* Brings BURST (or 'n', if that is less) new connections to their hosts, which
 * release them at once if 'release'. */
static void
burst(struct bench *b, unsigned int n, bool release, struct handoff_times *t)
{
    const size_t bundle_ofs = udp_overhead(&b->address);
    uint32_t first = b->n_tuples;
    uint32_t flow_ids[BURST];
    uint8_t hosts[BURST];

    for (unsigned int i = 0; i < n; i++) {
        build_syn(b, first + i, &b->in[i]);
    }
    t->syn += take(b, n, MIGRATE_DROP);
    check(b->n_out == n, "a SYN was not answered");

    for (unsigned int i = 0; i < n; i++) {
        struct frame frame = { .data = b->out[i].data, .len = b->out[i].len };
        struct packet p;

        check(frame_parse(&frame, &p) == FRAME_TCP
              && p.flags == (SEG_SYN | SEG_ACK), "no SYN-ACK");
        build_request(b, first + i, p.seq, &b->in[i]);
    }
    t->handoff += take(b, n, MIGRATE_DROP);
    check(b->n_out == n, "a request was not handed off");

    for (unsigned int i = 0; i < n; i++) {
        const struct migrate_bundle *bundle
            = (const void *) (b->out[i].data + bundle_ofs);

        check(bundle->header.type == MIGRATE_BUNDLE, "no bundle");
        memcpy(&flow_ids[i], &bundle->flow_id, sizeof flow_ids[i]);
        hosts[i] = b->out[i].data[5];
    }
    report(b, flow_ids, hosts, n, MIGRATE_CONFIRM);
    if (release) {
        report(b, flow_ids, hosts, n, MIGRATE_RELEASE);
    }
    b->n_tuples += n;
}

/* As burst(), for any 'n'. */
static void
bursts(struct bench *b, uint32_t n, bool release, struct handoff_times *t)
{
    while (n) {
        unsigned int part = n < BURST ? n : BURST;

        burst(b, part, release, t);
        n -= part;
        migrate_run(b->engine, b->now, 0);
    }
}

/* Encapsulates PACKETS packets that belong to 'n' live connections, in no
 * order; returns the seconds that took. */
static double
encapsulate(struct bench *b, uint32_t n)
{
    uint64_t random = 88172645463325252ULL;
    double seconds = 0;

    for (uint32_t left = PACKETS; left; left -= BURST) {
        for (unsigned int i = 0; i < BURST; i++) {
            random ^= random << 13;     /* Marsaglia 2003, xorshift. */
            random ^= random >> 7;
            random ^= random << 17;
            build_ack(b, (random >> 32) % n, &b->in[i]);
        }
        seconds += take(b, BURST, MIGRATE_FORWARD);
    }
    return seconds;
}

static struct migrate_config
configuration(struct bench *b)
{
    static char names[N_HOSTS][8];
    static char pool_name[] = "all", service_name[] = "web";
    static char path[] = "path-prefix", host[] = "host", images[] = "/images/",
        api[] = "/api/", other[] = "other.example.com";
    static struct host_config hosts[N_HOSTS];
    static struct member_config members[N_HOSTS];
    static struct match_config matches[] = {
        { host, other }, { path, api }, { path, images },
    };
    static struct rule_config rules[] = {
        { .priority = 30, .matches = &matches[0], .n_matches = 1 },
        { .priority = 20, .matches = &matches[1], .n_matches = 1 },
        { .priority = 10, .matches = &matches[2], .n_matches = 1 },
    };
    static struct pool_config pool = {
        .name = pool_name, .policy = POOL_ROUND_ROBIN,
        .members = members, .n_members = N_HOSTS,
    };
    static struct service_config service = {
        .name = service_name, .id = SERVICE_ID, .protocol = PROTOCOL_HTTP,
        .placement = MIGRATE_PLACED_TABLE, .request_timeout = 10000,
        .rules = rules, .n_rules = sizeof rules / sizeof rules[0],
    };
    struct migrate_config config = {
        .address4 = b->address,
        .mtu = 1500,
        .keys = b->keys,
        .hosts = hosts, .n_hosts = N_HOSTS,
        .pools = &pool, .n_pools = 1,
        .services = &service, .n_services = 1,
    };

    memcpy(config.mac, switch_mac, sizeof config.mac);
    for (size_t i = 0; i < N_HOSTS; i++) {
        snprintf(names[i], sizeof names[i], "h%zu", i);
        hosts[i].name = names[i];
        hosts[i].address = b->hosts[i];
        members[i].host = i;
        members[i].weight = 1;
    }
    return config;
}

/* An engine with room for 'max' connections of which 'n' are live. */
static struct bench *
bench_create(uint32_t max, uint32_t n)
{
    static const uint8_t seed[16] = "a seed of sixtee";
    struct bench *b = calloc(1, sizeof *b);
    struct handoff_times unused = { .syn = 0 };
    struct migrate_config config;
    char *error;

    check(b, "no memory");
    b->n_live = n;
    b->now = 1000000;
    seal_key_init(&b->keys.keys[0], seed);
    b->keys.n = 1;
    b->address = address_from_v4(htonl(0x0a0000fe));
    b->service = address_from_v4(htonl(0x0a000064));
    for (size_t i = 0; i < N_HOSTS; i++) {
        b->hosts[i] = address_from_v4(htonl(0x0a00000b + i));
    }
    b->engine = migrate_create(&ops, b, max, seed);
    check(b->engine, "no engine");
    config = configuration(b);
    error = migrate_configure(b->engine, &config, b->now);
    check(!error, error);
    answer_arp(b);
    pass(b, 2 * MIGRATE_HELLO_TIMEOUT);     /* Hosts answer no audits. */
    bursts(b, n, false, &unused);
    check(migrate_connection_count(b->engine) == n,
          "not all connections are live");
    return b;
}

static void
bench_destroy(struct bench *b)
{
    migrate_destroy(b->engine);
    free(b);
}

/* Fresh connections come and go; the live ones stay. */
static void
come_and_go(struct bench *b, struct handoff_times *t)
{
    bursts(b, FRESH, true, t);
    pass(b, MIGRATE_LINGER + 3000);
    check(migrate_connection_count(b->engine) == b->n_live,
          "connections were left or lost");
}

static void
print(const char *name, uint32_t live, double value)
{
    printf("%s %"PRIu32" %.1f\n", name, live, value);
}

/* The bytes of an engine that is as small as can be and has no connection. */
static size_t
empty_engine(void)
{
    size_t before = allocated();
    struct bench *b = bench_create(1, 0);
    size_t size = allocated() - before;

    bench_destroy(b);
    return size;
}

/* What connections, with their share of the tables, and SYNs cost in memory,
 * in bytes each. */
static void
measure_memory(uint32_t live)
{
    size_t before = allocated() + empty_engine();
    struct bench *b = bench_create(live, live);
    size_t full = allocated(), after;

    print("bytes-per-connection", live, (double) (full - before) / live);

    for (uint32_t i = 0; i < FRESH; i += BURST) {
        for (unsigned int j = 0; j < BURST; j++) {
            build_syn(b, live + i + j, &b->in[j]);
        }
        take(b, BURST, MIGRATE_DROP);
    }
    after = allocated();
    print("bytes-per-syn", live, (double) (after - full) / FRESH);
    bench_destroy(b);
}

static void
measure_round(struct bench *b)
{
    struct handoff_times t = { .syn = 0 };

    come_and_go(b, &t);
    print("syns", b->n_live, FRESH / t.syn);
    print("handoffs", b->n_live, FRESH / t.handoff);
    print("hot", b->n_live,
          PACKETS / encapsulate(b, b->n_live < HOT ? b->n_live : HOT));
    print("spread", b->n_live, PACKETS / encapsulate(b, b->n_live));
    fflush(stdout);
}

int
main(int argc, char *argv[])
{
    static char buffer[BUFSIZ];
    static uint32_t sizes[16] = { 1, 10000, 1000000 };
    unsigned int rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 5;
    struct bench *benches[16];
    int n = 3;

    setvbuf(stdout, buffer, _IOLBF, sizeof buffer);     /* Not allocated. */
    if (argc > 2) {
        for (n = 0; n < 16 && n + 2 < argc; n++) {
            sizes[n] = strtoul(argv[n + 2], NULL, 10);
        }
    }
    for (int i = 0; i < n; i++) {
        measure_memory(sizes[i]);
    }
    for (int i = 0; i < n; i++) {
        struct handoff_times unused = { .syn = 0 };

        benches[i] = bench_create(sizes[i] + FRESH, sizes[i]);
        come_and_go(benches[i], &unused);       /* Touches all memory. */
    }
    for (unsigned int round = 0; round < rounds; round++) {
        for (int i = 0; i < n; i++) {
            measure_round(benches[i]);
        }
    }
    for (int i = 0; i < n; i++) {
        bench_destroy(benches[i]);
    }
    return 0;
}
