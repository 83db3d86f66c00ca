/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "world.h"

#include <arpa/inet.h>

#include "csum.h"

#define MAX_SLOTS 16            /* Places for hosts that should ever do. */
#define LIFE_END 60000          /* ms for all to end: above all timeouts that
                                 * may come one after the other. */

struct world f;

const uint8_t switch_mac[6] = { 2, 0, 0, 0, 0, 0xfe };

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
                   || header.type == MIGRATE_AUDIT
                   || header.type == MIGRATE_HEARD);
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
           const struct migrate_flow *flow __attribute__((unused)),
           struct migrate_use *use __attribute__((unused)))
{
    FUZZ_CHECK(f.n_placed--);
}

static void
op_use(void *aux __attribute__((unused)),
       const struct tuple *tuple __attribute__((unused)),
       struct migrate_use *use __attribute__((unused)))
{
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
    .use = op_use,
    .log = op_log,
};

/* The engine's books. */

void
check_books(bool all)
{
    struct migrate *m = f.engine;
    uint32_t at = 0, n = 0, n_placed = 0, n_pending = 0;
    uint32_t n_records[MAX_SLOTS] = { 0 }, n_connections[MAX_SLOTS] = { 0 };
    uint32_t n_standby[MAX_SLOTS] = { 0 };
    size_t pending_bytes = 0;
    const struct record *r;

    FUZZ_CHECK(m->n_hosts <= MAX_SLOTS);
    while ((all || n < migrate_connection_count(m))
           && (r = migrate_next_connection(m, &at))) {
        bool handed = r->state == RECORD_OFFERED || r->state == RECORD_LIVE;

        n++;
        n_placed += r->placed != MIGRATE_PLACED_TABLE;
        FUZZ_CHECK(!r->placed || r->state == RECORD_LIVE);
        FUZZ_CHECK(!r->standby || r->state == RECORD_LIVE);
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
            n_standby[r->host] += r->standby;
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
            FUZZ_CHECK(m->hosts[i]->n_standby == n_standby[i]);
        }
    }
}

/* The world. */

void
run(int64_t until)
{
    while (f.now < until) {
        int64_t next = migrate_deadline(f.engine);

        f.now = next > until ? until : next > f.now ? next : f.now + 1;
        migrate_run(f.engine, f.now, f.now);
    }
}

/* Whether a connection is there that will not last. */
static bool
is_busy(void)
{
    uint32_t left = migrate_connection_count(f.engine), at = 0;

    while (left--) {            /* Most of the table is empty. */
        const struct record *r = migrate_next_connection(f.engine, &at);

        if (r->pending || r->state == RECORD_LINGER) {
            return true;
        }
    }
    return false;
}

/* Looks now and then only, as a busy switch does (though not as seldom as would
 * make it think that it was stopped). */
void
run_out(void)
{
    int64_t until = f.now + LIFE_END;

    while (f.now < until && is_busy()) {
        f.now += STALL / 2;
        migrate_run(f.engine, f.now, f.now);
    }
    FUZZ_CHECK(!is_busy());
}

void
configure(unsigned int which_hosts, unsigned int which_services)
{
    static char *names[] = { (char *) "h1", (char *) "h2", (char *) "h3" };
    struct host_config hosts[N_HOSTS];
    struct member_config members[N_HOSTS];
    struct match_config path = { (char *) "path-prefix", (char *) "/i" };
    struct match_config sni = { (char *) "sni", (char *) "*.i" };
    static char affinity[] = "cookie.a";
    struct pool_config pools[2] = {
        { .name = names[0], .members = members,
          .policy = which_services >> 4 & 3, .affinity = affinity },
        { .name = names[1], .members = members },
    };
    struct rule_config rules[2] = {
        { .priority = 1, .matches = &path, .n_matches = 1, .pool = 1 },
        { .priority = 1, .matches = &sni, .n_matches = 1, .pool = 1 },
    };
    static const enum migrate_placement placements[3] = {
        MIGRATE_PLACED_KERNEL, MIGRATE_PLACED_TABLE, MIGRATE_PLACED_FLOW
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
                .placement = placements[i],
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

void
set_up(uint8_t settings)
{
    static const uint8_t zeros[16];
    /* Flow IDs from 0x10001 on: with 0 in either half there are none, and it
     * takes long to skip those. */
    static const uint8_t seed[16] = { 1, 0, 1, 0 };

    memset(&f, 0, sizeof f);
    f.born = f.now = 1000;
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
    f.engine = migrate_create(&ops, NULL, settings & 4 ? 2 : 64, seed);
    f.engine->settled = !(settings & 8);
    configure(7, 7);
    run(f.now + 1);
}

void
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
            if (frame.placeable) {
                migrate_place(f.engine, &p.dst,
                              flow_id_from_ports(ntohs(p.src_port),
                                     ntohs(p.dst_port)),
                              f.now);
            }
        }
    } else {
        migrate_control_frame(f.engine, &frame, f.now);
    }
    free(frame.data);
}

void
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

void
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

const struct host_audit *
find_audit(unsigned int host)
{
    for (size_t i = 0; i < f.engine->n_hosts; i++) {
        const struct host *h = f.engine->hosts[i];

        if (h && address_equals(&h->address, &f.hosts[host])) {
            return &h->audit;
        }
    }
    return NULL;
}

void
tear_down(void)
{
    check_books(true);
    migrate_destroy(f.engine);
    FUZZ_CHECK(!f.n_placed);
}

void
take_parts(const uint8_t *data, const uint8_t *end, size_t head_size, int max,
           void (*take)(const void *head, const uint8_t *body, size_t len))
{
    for (int n = 0; (size_t) (end - data) >= head_size && n < max; n++) {
        const uint8_t *head = data;
        size_t len;

        data += head_size;
        len = data[-2] << 8 | data[-1];
        if (len > (size_t) (end - data)) {
            len = end - data;
        }
        take(head, data, len);
        check_books(false);
        data += len;
    }
}
