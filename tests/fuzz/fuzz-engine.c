/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "engine.h"

#include <arpa/inet.h>

#include "csum.h"
#include "fuzz.h"

/* The input is a life of an engine: a byte of settings, then steps, each a
 * 'struct step' and the bytes that it counts.  What the engine sends must be
 * sound, its books must balance after each step, and in the end nothing may
 * be left hanging. */

struct step {
    uint8_t op;
    uint8_t who;                /* Client or host. */
    uint8_t x, y;
    uint8_t len_high, len_low;  /* Bytes that follow. */
};

enum {
    STEP_WAIT,                  /* x, y: milliseconds. */
    STEP_SYN,                   /* x: which options. */
    STEP_SEGMENT,               /* x: flags; y: off the next byte by so much;
                                 * the payload follows. */
    STEP_FRAME,                 /* To the service or (odd 'who') the switch:
                                 * any bytes. */
    STEP_REPORT,                /* Of host 'who' on client x's flow: event and
                                 * reason in y; 2 bytes follow: rcv_nxt. */
    STEP_MESSAGE,               /* Of host 'who', type x, y records: sealed. */
    STEP_FORGED,                /* The same, bit y of the seal turned. */
    STEP_STATUS,                /* Of host 'who', epoch x, y late; with a
                                 * challenge if 'who' has its upper bit. */
    STEP_CONFIGURE,             /* x: which hosts; y: which services. */
    STEP_ICMP,                  /* About client 'who': type x, code y; the
                                 * length says how much is quoted. */
    STEP_MAPPINGS,              /* See take_mappings(). */
    N_STEPS
};

/* Bits of 'x' in STEP_SEGMENT, besides those of TCP. */
#define SEGMENT_CORRUPT 0x20
#define SEGMENT_ACKS_MORE 0x40  /* What only a host can have sent. */
#define SEGMENT_STAY 0x80       /* The same bytes will be sent again. */

#define N_CLIENTS 4
#define N_HOSTS 3
#define MAX_SLOTS 16            /* Places for hosts that should ever do. */
#define MAX_FRAME 70000

static struct {
    struct migrate *engine;
    int64_t now;
    bool v6;
    bool may_place;
    enum service_protocol protocol; /* Of the first service. */
    unsigned int n_placed;
    struct keyring keys;
    struct migrate_address address, vip, hosts[N_HOSTS];
    uint32_t epoch, sequences[N_HOSTS];     /* Of the engine's hellos. */
    struct client {
        struct tuple tuple;
        uint8_t mac[6];
        struct tcp_options options;
        uint32_t seq, ack;
    } clients[N_CLIENTS];
} f;

static const uint8_t switch_mac[6] = { 2, 0, 0, 0, 0, 0xfe };

/* The engine's output. */

static void
check_message(const struct frame *frame, const struct packet *p)
{
    struct migrate_header header;
    void *copy = fuzz_copy(frame->data + p->payload, p->payload_len);

    FUZZ_CHECK(seal_check(&f.keys, &p->src, &p->dst, copy, p->payload_len));
    memcpy(&header, copy, sizeof header);
    if (header.type == MIGRATE_HELLO) {
        f.epoch = ntohl(header.epoch);
        for (size_t i = 0; i < N_HOSTS; i++) {
            if (address_equals(&f.hosts[i], &p->dst)) {
                f.sequences[i] = ntohl(header.sequence);
            }
        }
    } else if (header.type == MIGRATE_BUNDLE) {
        const struct migrate_bundle *b = copy;
        size_t len = ETH_LEN + ntohs(b->packet_len);
        struct frame inner = { .data = calloc(1, len), .len = len };
        struct packet q;

        FUZZ_CHECK(sizeof *b + ntohs(b->packet_len) <= p->payload_len);
        inner.data[12] = b->family == 4 ? 0x08 : 0x86;
        inner.data[13] = b->family == 4 ? 0x00 : 0xdd;
        memcpy(inner.data + ETH_LEN, b + 1, len - ETH_LEN);
        FUZZ_CHECK(frame_parse(&inner, &q) == FRAME_TCP);
        FUZZ_CHECK(frame_csum_ok(&inner, &q));
        FUZZ_CHECK(b->flow_id >> 16 && b->flow_id & 0xffff);
        free(inner.data);
    } else {
        FUZZ_CHECK(header.type == MIGRATE_ABORT
                   || header.type == MIGRATE_AUDIT);
    }
    free(copy);
}

static void
op_output(void *aux __attribute__((unused)), const void *data, size_t len,
          vlan_tag tag __attribute__((unused)))
{
    struct frame frame = { .data = fuzz_copy(data, len), .len = len };
    enum frame_kind kind;
    struct packet p;

    FUZZ_CHECK(len <= ETH_LEN + 1500);
    kind = frame_parse(&frame, &p);
    FUZZ_CHECK(kind == FRAME_TCP || kind == FRAME_UDP || kind == FRAME_ICMP
               || kind == FRAME_ARP);
    FUZZ_CHECK(kind == FRAME_ARP || frame_csum_ok(&frame, &p));
    if (kind == FRAME_UDP) {
        check_message(&frame, &p);
    } else if (kind == FRAME_TCP && p.flags == (SEG_SYN | SEG_ACK)) {
        for (size_t i = 0; i < N_CLIENTS; i++) {
            struct client *c = &f.clients[i];

            if (address_equals(&c->tuple.client, &p.dst)
                && c->tuple.client_port == p.dst_port) {
                c->seq = p.ack;
                c->ack = p.seq + 1;
            }
        }
    }
    free(frame.data);
}

static bool
op_place(void *aux __attribute__((unused)),
         const struct migrate_flow *flow __attribute__((unused)))
{
    f.n_placed += f.may_place;
    return f.may_place;
}

static void
op_unplace(void *aux __attribute__((unused)),
           const struct migrate_flow *flow __attribute__((unused)))
{
    FUZZ_CHECK(f.n_placed--);
}

static void
op_log(void *aux __attribute__((unused)),
       const char *message __attribute__((unused)))
{
}

static const struct migrate_ops ops = {
    .output = op_output,
    .place = op_place,
    .unplace = op_unplace,
    .log = op_log,
};

/* The engine's books. */

/* What records there are says what the engine, hosts and timers count. */
static void
check_books(void)
{
    struct migrate *m = f.engine;
    uint32_t at = 0, n = 0, n_placed = 0, n_pending = 0;
    uint32_t n_records[MAX_SLOTS] = { 0 }, n_connections[MAX_SLOTS] = { 0 };
    size_t pending_bytes = 0;
    const struct record *r;

    FUZZ_CHECK(m->n_hosts <= MAX_SLOTS);
    while ((r = migrate_next_connection(m, &at))) {
        bool handed = r->state == RECORD_OFFERED || r->state == RECORD_LIVE;

        n++;
        n_placed += r->placed;
        FUZZ_CHECK(!r->placed || r->state == RECORD_LIVE);
        FUZZ_CHECK(r->state != RECORD_DECIDED);
        FUZZ_CHECK(!r->pending == (r->state == RECORD_LIVE
                                   || r->state == RECORD_LINGER
                                   || r->state == RECORD_LOST));
        FUZZ_CHECK(!handed || r->flow_id);
        if (r->flow_id) {
            FUZZ_CHECK(m->hosts[r->host]);
            FUZZ_CHECK(record_find_flow(m->records, r->host, r->flow_id)
                       == r);
            n_records[r->host]++;
            n_connections[r->host] += handed;
        }
        if (r->pending) {
            n_pending++;
            pending_bytes += r->pending->charged;
            FUZZ_CHECK(r->pending->record == r);
            FUZZ_CHECK(r->pending->timer.place);    /* It cannot hang. */
        }
    }
    FUZZ_CHECK(n == migrate_connection_count(m));
    FUZZ_CHECK(n_placed == f.n_placed);
    FUZZ_CHECK(n_pending == m->timers.n);
    FUZZ_CHECK(pending_bytes == m->pending_bytes);
    for (size_t i = 0; i < m->n_hosts; i++) {
        if (m->hosts[i]) {
            FUZZ_CHECK(m->hosts[i]->n_records == n_records[i]);
            FUZZ_CHECK(m->hosts[i]->n_connections == n_connections[i]);
        }
    }
}

/* The world. */

static void
run(int64_t until)
{
    while (f.now < until) {
        int64_t next = migrate_deadline(f.engine);

        f.now = next > until ? until : next > f.now ? next : f.now + 1;
        migrate_run(f.engine, f.now, f.now);
    }
}

static void
configure(unsigned int which_hosts, unsigned int which_services)
{
    static char *names[] = { (char *) "h1", (char *) "h2", (char *) "h3" };
    struct host_config hosts[N_HOSTS];
    struct member_config members[N_HOSTS];
    struct match_config path = { (char *) "path-prefix", (char *) "/i" };
    struct match_config sni = { (char *) "sni", (char *) "*.i" };
    struct pool_config pools[2] = {
        { .name = names[0], .members = members,
          .policy = which_services >> 4 & 1 },
        { .name = names[1], .members = members },
    };
    struct rule_config rules[2] = {
        { .priority = 1, .matches = &path, .n_matches = 1, .pool = 1 },
        { .priority = 1, .matches = &sni, .n_matches = 1, .pool = 1 },
    };
    struct service_config services[3];
    struct migrate_config config = {
        .mtu = 1500, .keys = f.keys,
        .hosts = hosts, .pools = pools, .n_pools = 2, .services = services,
    };
    char *error;

    for (size_t i = 0; i < N_HOSTS; i++) {
        if (which_hosts & 1 << i) {
            hosts[config.n_hosts] = (struct host_config) {
                .name = names[i], .address = f.hosts[i],
            };
            members[config.n_hosts].host = config.n_hosts;
            members[config.n_hosts].weight = 1 + i;
            config.n_hosts++;
        }
    }
    pools[0].n_members = config.n_hosts;
    pools[1].n_members = config.n_hosts > 0;
    for (size_t i = 0; i < 3; i++) {
        enum service_protocol protocol = (i == 0 ? f.protocol
                                          : i == 1 ? PROTOCOL_TCP
                                          : PROTOCOL_HTTP);

        if (which_services & 1 << i) {
            services[config.n_services++] = (struct service_config) {
                .name = names[i], .id = 1 + i,
                .protocol = protocol,
                .placement = i == 2 ? PLACEMENT_FLOW : PLACEMENT_TABLE,
                .request_timeout = 5000, .first_data_timeout = 200,
                .rules = &rules[protocol == PROTOCOL_TLS],
                .n_rules = (protocol == PROTOCOL_AUTO ? 2
                            : protocol != PROTOCOL_TCP),
            };
        }
    }
    *(f.v6 ? &config.address6 : &config.address4) = f.address;
    memcpy(config.mac, switch_mac, 6);
    error = migrate_configure(f.engine, &config, f.now);
    FUZZ_CHECK(!error);
}

static void
set_up(uint8_t settings)
{
    static const uint8_t zeros[16];

    memset(&f, 0, sizeof f);
    f.now = 1000;
    f.v6 = settings & 1;
    f.may_place = !(settings & 2);
    f.protocol = (settings >> 3) % (PROTOCOL_AUTO + 1);
    seal_key_init(&f.keys.keys[0], zeros);
    f.keys.n = 1;
    address_parse(f.v6 ? "2001:db8::fe" : "10.0.0.254", &f.address);
    address_parse(f.v6 ? "2001:db8::80" : "10.0.0.80", &f.vip);
    for (size_t i = 0; i < N_HOSTS; i++) {
        f.hosts[i] = f.address;
        f.hosts[i].byte[15] = 11 + i;
    }
    for (size_t i = 0; i < N_CLIENTS; i++) {
        struct client *c = &f.clients[i];

        c->tuple.client = c->tuple.service = f.vip;
        c->tuple.client.byte[15] = 100 + i;
        c->tuple.client_port = htons(1000 + i);
        c->tuple.service_port = htons(80);
        c->mac[5] = i;
    }
    f.engine = migrate_create(&ops, NULL, settings & 4 ? 2 : 64, zeros);
    f.engine->settled = !(settings & 8);
    configure(7, 7);
    run(f.now + 1);
}

static void
give(uint32_t service_id, const void *data, size_t len, uint8_t offload)
{
    struct frame frame = {
        .data = fuzz_copy(data, len), .len = len,
        .csum_good = offload & 1, .csum_partial = offload & 2,
    };
    enum frame_kind kind;
    struct packet p;
    bool good;

    if (service_id) {
        kind = frame_parse(&frame, &p);
        good = ((kind == FRAME_TCP || kind == FRAME_ICMP)
                && frame_csum_ok(&frame, &p));
        if (migrate_service_frame(f.engine, service_id, &frame, f.now)
            == MIGRATE_FORWARD && p.family == (f.v6 ? 6 : 4)) {
            FUZZ_CHECK(kind == FRAME_TCP || (kind == FRAME_ICMP && good));
            FUZZ_CHECK(frame_parse(&frame, &p) == kind);
            FUZZ_CHECK(frame_csum_ok(&frame, &p) == good);
            FUZZ_CHECK(kind == FRAME_ICMP
                       || address_equals(&p.src, &f.address));
        }
    } else {
        migrate_control_frame(f.engine, &frame, f.now);
    }
    free(frame.data);
}

static void
give_segment(struct client *c, uint32_t service_id, uint8_t flags,
             uint32_t seq, uint32_t ack, const void *payload, size_t len,
             bool corrupt)
{
    static uint8_t buf[SEGMENT_OVERHEAD + MAX_FRAME];
    struct tcp_options options = c->options;
    struct segment s = {
        .eth_dst = switch_mac, .eth_src = c->mac,
        .src = &c->tuple.client, .dst = &c->tuple.service,
        .src_port = c->tuple.client_port, .dst_port = c->tuple.service_port,
        .seq = seq, .ack = ack, .window = 1000, .flags = flags,
        .options = &options, .payload = payload, .payload_len = len,
    };
    size_t frame_len;

    options.tsval = f.now;
    frame_len = segment_build(&s, buf);
    buf[frame_len - 1] ^= corrupt;
    give(service_id, buf, frame_len, 0);
}

static void
give_message(unsigned int host, uint8_t type, uint16_t n, uint32_t epoch,
             uint32_t sequence, const void *body, size_t len, int turned_bit)
{
    uint8_t buf[64 + MIGRATE_MESSAGE_MAX];
    uint64_t message[MIGRATE_MESSAGE_MAX / 8] = { 0 };
    struct migrate_header *header = (void *) message;

    if (len > MIGRATE_MESSAGE_MAX - sizeof *header) {
        len = MIGRATE_MESSAGE_MAX - sizeof *header;
    }
    if (len) {
        memcpy(header + 1, body, len);
    }
    len = (sizeof *header + len + 7) / 8 * 8;
    header->version = MIGRATE_VERSION;
    header->type = type;
    header->length = htons(len);
    header->count = htons(n);
    header->epoch = htonl(epoch);
    header->sequence = htonl(sequence);
    seal(&f.keys.keys[0], &f.hosts[host], &f.address, header);
    if (turned_bit >= 0) {
        header->mac ^= 1ull << turned_bit % 64;
    }
    memcpy(buf + udp_overhead(&f.address), message, len);
    give(0, buf, udp_build(buf, len, switch_mac, f.clients[0].mac,
                           &f.hosts[host], &f.address, MIGRATE_PORT), 0);
}

/* What a router says of the service's packet to 'c', of which it quotes as
 * much as the lower 6 bits of 'len' say. */
static void
give_icmp(const struct client *c, uint8_t type, uint8_t code, size_t len)
{
    static const uint8_t quoted[64];
    uint8_t packet[SEGMENT_OVERHEAD], buf[256] = { 0 };
    struct segment s = {
        .src = &c->tuple.service, .dst = &c->tuple.client,
        .src_port = c->tuple.service_port, .dst_port = c->tuple.client_port,
        .flags = SEG_ACK, .payload = quoted, .payload_len = 40,
    };
    struct migrate_address router = f.vip;
    size_t icmp_len = 8 + len % 64;
    uint8_t protocol = f.v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
    size_t l4 = udp_overhead(&f.vip) - 8;
    uint8_t *ip = buf + ETH_LEN;
    uint16_t csum;

    router.byte[15] = 99;
    segment_build(&s, packet);
    /* A UDP frame has the headers that it takes. */
    udp_build(buf, len % 64, switch_mac, c->mac, &router, &c->tuple.service,
              0);
    memset(buf + l4, 0, 8);
    buf[l4] = type;
    buf[l4 + 1] = code;
    memcpy(buf + l4 + 8, packet, len % 64);
    csum = ~csum_fold(csum_add(f.v6 ? csum_pseudo(0, &router,
                                                  &c->tuple.service,
                                                  protocol, icmp_len) : 0,
                               buf + l4, icmp_len));
    memcpy(buf + l4 + 2, &csum, 2);
    if (f.v6) {
        ip[6] = protocol;
    } else {
        ip[9] = protocol;
        memset(ip + 10, 0, 2);
        csum = ~csum_fold(csum_add(0, ip, 20));
        memcpy(ip + 10, &csum, 2);
    }
    give(len & 1 ? 0 : 1, buf, l4 + icmp_len, 0);
}

static void
take_report(const struct step *s, const uint8_t *body, size_t len)
{
    const struct client *c = &f.clients[s->x % N_CLIENTS];
    const struct record *r = migrate_find_connection(f.engine, &c->tuple);
    unsigned int host = s->who % N_HOSTS;
    struct migrate_report report = {
        .flow_id = r ? htonl(r->flow_id) : htonl(s->x),
        .event = s->y & 7,
        .reason = s->y >> 3,
        .rcv_nxt = htonl(c->seq - (len >= 2 ? body[0] << 8 | body[1] : 0)),
    };

    /* Mostly, it is the right host that speaks. */
    for (unsigned int i = 0; i < N_HOSTS && r && r->flow_id; i++) {
        if (!(s->who & 0x80) && address_equals(
                &f.hosts[i], &migrate_record_host(f.engine, r)->address)) {
            host = i;
        }
    }
    give_message(host, MIGRATE_REPORT, 1, 1, f.epoch - (s->who >> 4 & 2),
                 &report, sizeof report, -1);
}

/* Host 'who' answers the last question of an audit with client x's connection:
 * y has its age, whether it ends the audit, has ended, is another switch's,
 * has the flow ID that the engine knows; 2 bytes follow: its ISN, off what the
 * client knows. */
static void
take_mappings(const struct step *s, const uint8_t *body, size_t len)
{
    const struct client *c = &f.clients[s->x % N_CLIENTS];
    const struct record *r = migrate_find_connection(f.engine, &c->tuple);
    unsigned int host = s->who % N_HOSTS;
    const struct host_audit *audit = NULL;
    struct {
        struct migrate_slice slice;
        struct migrate_mapping map;
    } m = {
        .slice = { .last = s->y >> 4 & 1 },
        .map = {
            .service_id = htonl(1 + s->x / N_CLIENTS % 3),
            .client = c->tuple.client,
            .service = c->tuple.service,
            .client_port = c->tuple.client_port,
            .service_port = c->tuple.service_port,
            .isn = htonl(c->ack - 1
                         + (len >= 2 ? body[0] << 8 | body[1] : 0)),
            .age = htonl((s->y & 15) << 8),
            .state = (s->y & 0x20 ? MIGRATE_MAPPING_ENDED
                      : MIGRATE_MAPPING_LIVE),
            .yours = !(s->y & 0x40),
        },
    };

    for (size_t i = 0; i < f.engine->n_hosts; i++) {
        const struct host *h = f.engine->hosts[i];

        if (h && address_equals(&h->address, &f.hosts[host])) {
            audit = &h->audit;
        }
    }
    if (audit) {
        m.slice.after = htonl(audit->after);
        m.map.flow_id = (s->y & 0x80 && r ? htonl(r->flow_id)
                         : htonl(audit->after + 0x10001 + s->who / N_HOSTS));
        give_message(host, MIGRATE_MAPPINGS, 1, 1, audit->sequence, &m,
                     sizeof m, -1);
    }
}

static void
take_segment(const struct step *s, const uint8_t *body, size_t len)
{
    struct client *c = &f.clients[s->who % N_CLIENTS];
    uint32_t service_id = 1 + s->who / N_CLIENTS % 3;
    uint32_t seq = c->seq + (int8_t) s->y;

    if (s->x & SEGMENT_ACKS_MORE) {
        c->ack++;
    }
    if (!(s->x & SEGMENT_STAY)) {
        c->seq = seq + len;
    }
    give_segment(c, service_id, s->x & 0x1f, seq, c->ack, body, len,
                 s->x & SEGMENT_CORRUPT);
}

static void
take_step(const struct step *s, const uint8_t *body, size_t len)
{
    struct client *c = &f.clients[s->who % N_CLIENTS];
    unsigned int host = s->who % N_HOSTS;
    struct migrate_status status = {
        .epoch = htonl(f.epoch), .challenge = s->who >> 7,
    };
    uint64_t before;

    switch (s->op % N_STEPS) {
    case STEP_WAIT:
        run(f.now + (s->x << 8 | s->y) % 4000);
        break;
    case STEP_SYN:
        c->options = (struct tcp_options) {
            .mss = s->x << 4, .wscale_ok = s->x & 1, .wscale = s->y & 15,
            .sack_ok = s->x & 2, .tstamp_ok = s->x & 4,
        };
        give_segment(c, 1 + s->who / N_CLIENTS % 3, SEG_SYN,
                     0xfffffff0 + s->y, 0, NULL, 0, false);
        break;
    case STEP_SEGMENT:
        take_segment(s, body, len);
        break;
    case STEP_FRAME:
        give(s->who & 1 ? 0 : 1 + s->who / 2 % 3, body, len, s->x);
        break;
    case STEP_REPORT:
        take_report(s, body, len);
        break;
    case STEP_MESSAGE:
        give_message(host, s->x, s->y, 1, 0, body, len, -1);
        break;
    case STEP_FORGED:
        before = migrate_counter(f.engine, COUNTER_DROP_SEAL)
                 + migrate_counter(f.engine, COUNTER_DROP_STRANGER);
        give_message(host, s->x, 1, 1, 0, body, len, s->y);
        FUZZ_CHECK(migrate_counter(f.engine, COUNTER_DROP_SEAL)
                   + migrate_counter(f.engine, COUNTER_DROP_STRANGER)
                   == before + 1);
        break;
    case STEP_STATUS:
        give_message(host, MIGRATE_STATUS, 0, 1 + s->x,
                     f.sequences[host] - s->y, &status, sizeof status, -1);
        break;
    case STEP_CONFIGURE:
        configure(s->x, s->y);
        break;
    case STEP_ICMP:
        give_icmp(c, s->x, s->y, len);
        break;
    case STEP_MAPPINGS:
        take_mappings(s, body, len);
        break;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = data + size;
    uint32_t at = 0;
    const struct record *r;

    if (!size) {
        return 0;
    }
    set_up(*data++);
    for (int n = 0; (size_t) (end - data) >= sizeof(struct step) && n < 200;
         n++) {
        struct step s;
        size_t len;

        memcpy(&s, data, sizeof s);
        data += sizeof s;
        len = s.len_high << 8 | s.len_low;
        if (len > (size_t) (end - data)) {
            len = end - data;
        }
        take_step(&s, data, len);
        check_books();
        data += len;
    }

    /* The longest timeout is that of a request or a part of one, and then of
     * the response. */
    run(f.now + 20000);
    check_books();
    while ((r = migrate_next_connection(f.engine, &at))) {
        FUZZ_CHECK(!r->pending && r->state != RECORD_LINGER);
    }
    migrate_destroy(f.engine);
    FUZZ_CHECK(!f.n_placed);
    return 0;
}
