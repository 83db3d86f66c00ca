/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "sim.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

/* xorshift64*: Marsaglia 2003, Vigna 2016. */
uint64_t
rnd(struct sim *s)
{
    s->random ^= s->random >> 12;
    s->random ^= s->random << 25;
    s->random ^= s->random >> 27;
    return s->random * 0x2545f4914f6cdd1dULL;
}

unsigned int
rnd_below(struct sim *s, unsigned int n)
{
    return n ? (rnd(s) >> 32) % n : 0;
}

bool
chance(struct sim *s, unsigned int per_mille)
{
    return rnd_below(s, 1000) < per_mille;
}

void
fly(struct sim *s, const struct sim_link *link, const void *data, size_t len)
{
    unsigned int copies = 1 + chance(s, link->duplication);

    if (chance(s, link->loss)) {
        copies--;
    }
    while (copies--) {
        struct flight *f = malloc(sizeof *f + len);
        struct flight **at = &s->flights;

        f->when = s->now + rnd_below(s, link->delay_max + 1);
        f->len = len;
        memcpy(f->data, data, len);
        if (chance(s, link->corruption)) {
            f->data[rnd_below(s, len)] ^= 1 << rnd_below(s, 8);
        }
        while (*at && (*at)->when <= f->when) {
            at = &(*at)->next;
        }
        f->next = *at;
        *at = f;
    }
}

static const struct sim_link *
link_of(const struct sim *s, const uint8_t *mac)
{
    return (mac[4] == 2 ? &s->config->host_link
            : memcmp(mac, s->mac, 6) ? &s->config->client_link
            : &s->config->controller_link);
}

static void
op_output(void *s_, const void *frame, size_t len,
          vlan_tag tag __attribute__((unused)))
{
    struct sim *s = s_;

    fly(s, link_of(s, frame), frame, len);
}

static bool
op_place(void *s __attribute__((unused)), const struct migrate_flow *flow __attribute__((unused)))
{
    return false;
}

static void
op_unplace(void *s __attribute__((unused)), const struct migrate_flow *flow __attribute__((unused)))
{
}

static void
op_log(void *s __attribute__((unused)), const char *message __attribute__((unused)))
{
}

static const struct migrate_ops ops = {
    .output = op_output,
    .place = op_place,
    .unplace = op_unplace,
    .log = op_log,
};

/* The controller. */

/* Says any host, now and then one that there is not, or none. */
static void
controller_frame(struct sim *s, const struct frame *frame,
                 const struct packet *p)
{
    struct {
        struct migrate_header header;
        struct migrate_decide decide;
    } q;
    struct {
        struct migrate_header header;
        struct migrate_decision decision;
    } a = {
        .header = {
            .version = MIGRATE_VERSION, .type = MIGRATE_DECISION,
            .length = htons(sizeof a), .count = htons(1), .epoch = htonl(1),
        },
    };
    unsigned int host = rnd_below(s, SIM_HOSTS + 2);
    uint64_t message[sizeof a / 8];
    uint8_t buf[256];

    if (!frame_csum_ok(frame, p) || p->payload_len < sizeof q) {
        return;
    }
    memcpy(&q, frame->data + p->payload, sizeof q);
    a.decision = (struct migrate_decision) {
        .token = q.decide.token,
        .client = q.decide.client,
        .service = q.decide.service,
        .client_port = q.decide.client_port,
        .service_port = q.decide.service_port,
        .verdict = (host > SIM_HOSTS ? MIGRATE_DECISION_POLICY
                    : MIGRATE_DECISION_HOST),
    };
    if (host < SIM_HOSTS) {
        a.decision.host = s->hosts[host].address;
    }
    memcpy(message, &a, sizeof a);
    seal(&s->keys.keys[0], &s->address, &s->address, (void *) message);
    memcpy(buf + udp_overhead(&s->address), message, sizeof a);
    fly(s, &s->config->controller_link, buf,
        udp_build(buf, sizeof a, s->mac, s->mac, &s->address, &s->address,
                  MIGRATE_PORT));
}

/* The world. */

static void
deliver(struct sim *s, struct flight *f)
{
    struct frame frame = { .data = f->data, .len = f->len };
    struct packet p;
    enum frame_kind kind = frame_parse(&frame, &p);
    bool broadcast = f->data[0] & 1;

    if (f->len < ETH_LEN) {
        return;
    }
    if (!memcmp(f->data, s->mac, 6)) {
        if (kind == FRAME_UDP
            && p.dst_port == htons(MIGRATE_CONTROLLER_PORT)) {
            controller_frame(s, &frame, &p);
        } else if (kind == FRAME_ARP || kind == FRAME_ICMP || kind == FRAME_UDP) {
            migrate_control_frame(s->engine, &frame, s->now);
        } else if (migrate_service_frame(s->engine, 1, &frame, s->now)
                   == MIGRATE_FORWARD) {
            op_output(s, frame.data, frame.len, frame.tag);
        }
        return;
    }
    if (kind != FRAME_TCP && kind != FRAME_UDP && kind != FRAME_ARP
        && kind != FRAME_ICMP) {
        return;
    }
    for (size_t i = 0; i < SIM_HOSTS; i++) {
        if (broadcast || !memcmp(f->data, s->hosts[i].mac, 6)) {
            host_frame(s, &s->hosts[i], &frame, kind, &p);
        }
    }
    for (size_t i = 0; i < SIM_CLIENTS && kind == FRAME_TCP; i++) {
        if (!memcmp(f->data, s->clients[i].mac, 6)
            && !s->clients[i].gone && s->now >= s->clients[i].start) {
            client_frame(s, &s->clients[i], &frame, &p);
        }
    }
}

static void
configure(struct sim *s)
{
    struct host_config hosts[SIM_HOSTS];
    struct member_config members[SIM_HOSTS];
    struct pool_config pool = {
        .name = "all", .members = members, .n_members = SIM_HOSTS,
    };
    struct service_config service = {
        .name = "web", .id = 1, .protocol = s->config->protocol,
        .request_timeout = 5000, .first_data_timeout = 200,
        .decide_timeout = s->config->decide_timeout,
        .default_pool = 0,
    };
    struct migrate_config config = {
        .mtu = 1500, .keys = s->keys,
        .hosts = hosts, .n_hosts = SIM_HOSTS,
        .pools = &pool, .n_pools = 1,
        .services = &service, .n_services = 1,
    };
    char names[SIM_HOSTS][8];
    char *error;

    *(s->v6 ? &config.address6 : &config.address4) = s->address;
    memcpy(config.mac, s->mac, 6);
    for (size_t i = 0; i < SIM_HOSTS; i++) {
        snprintf(names[i], sizeof names[i], "h%zu", i + 1);
        hosts[i] = (struct host_config) { names[i], s->hosts[i].address, 0 };
        members[i].host = i;
        members[i].weight = 1;
    }
    error = migrate_configure(s->engine, &config, s->now);
    if (error) {
        printf("Bail out! %s\n", error);
        abort();
    }
}

static void
sim_init(struct sim *s, const struct sim_config *config, uint64_t seed)
{
    static const uint8_t key[MIGRATE_KEY_LEN] = "0123456789abcdef";
    uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 };
    uint8_t engine_seed[16];

    memset(s, 0, sizeof *s);
    s->config = config;
    s->v6 = seed & 1;
    s->random = seed * 0x9e3779b97f4a7c15ULL + 1;
    memcpy(s->mac, mac, 6);
    address_parse(s->v6 ? "2001:db8::fe" : "10.0.0.254", &s->address);
    seal_key_init(&s->keys.keys[0], key);
    s->keys.n = 1;
    for (unsigned int i = 0; i < SIM_HOSTS; i++) {
        struct sim_host *h = &s->hosts[i];
        uint8_t host_mac[6] = { 2, 0, 0, 0, 2, i };

        address_parse(s->v6 ? "2001:db8::11" : "10.0.0.11", &h->address);
        h->address.byte[15] += i;
        memcpy(h->mac, host_mac, 6);
        h->mood = config->moods[i];
        h->dies = 800 + rnd_below(s, 1500);
    }
    for (unsigned int i = 0; i < SIM_CLIENTS; i++) {
        client_init(s, &s->clients[i], i);
    }
    for (size_t i = 0; i < sizeof engine_seed; i += 8) {
        uint64_t word = rnd(s);

        memcpy(&engine_seed[i], &word, 8);
    }
    s->engine = migrate_create(&ops, s, 64, engine_seed);
    configure(s);
}

static bool
all_ended(const struct sim *s)
{
    for (size_t i = 0; i < SIM_CLIENTS; i++) {
        if (s->clients[i].state == SYN_SENT || s->clients[i].state == OPEN) {
            return false;
        }
    }
    return true;
}

static void
step(struct sim *s)
{
    struct flight *f;

    while ((f = s->flights) && f->when <= s->now) {
        s->flights = f->next;
        deliver(s, f);
        free(f);
    }
    migrate_run(s->engine, s->now, s->now);
    for (size_t i = 0; i < SIM_CLIENTS; i++) {
        client_run(s, &s->clients[i]);
    }
    for (size_t i = 0; i < SIM_HOSTS; i++) {
        host_run(s, &s->hosts[i]);
    }
}

/* Runs on until nobody speaks any more, and looks what is left. */
static unsigned int
aftermath(struct sim *s)
{
    int64_t end = s->now + 2 * MIGRATE_LINGER + 10000;
    unsigned int n = 0;
    const struct record *r;
    uint32_t at = 0;

    for (; s->now < end; s->now += 50) {
        step(s);
    }
    while ((r = migrate_next_connection(s->engine, &at))) {
        n += r->pending != NULL;
    }
    return n;
}

static void
sim_uninit(struct sim *s)
{
    while (s->flights) {
        struct flight *f = s->flights;

        s->flights = f->next;
        free(f);
    }
    for (size_t i = 0; i < SIM_CLIENTS; i++) {
        tcp_uninit(&s->clients[i].tcp);
    }
    for (size_t i = 0; i < SIM_HOSTS; i++) {
        for (size_t k = 0; k < HOST_SOCKETS; k++) {
            tcp_uninit(&s->hosts[i].sockets[k].tcp);
        }
    }
    migrate_destroy(s->engine);
}

void
sim_run(const struct sim_config *config, uint64_t seed,
        struct sim_result *result)
{
    static struct sim s;        /* Large. */

    sim_init(&s, config, seed);
    for (s.now = 1; s.now < END && !all_ended(&s); s.now++) {
        step(&s);
    }
    memset(result, 0, sizeof *result);
    for (size_t i = 0; i < SIM_CLIENTS; i++) {
        const struct client *c = &s.clients[i];

        result->served += c->state == SERVED && !c->changed;
        result->refused += c->state == REFUSED;
        result->hung += c->state == SYN_SENT || c->state == OPEN;
        result->changed += c->changed;
        result->doubled += c->infusions > 1;
    }
    result->leaked = aftermath(&s);
    for (int i = 0; i < N_COUNTERS; i++) {
        result->counters[i] = migrate_counter(s.engine, i);
    }
    sim_uninit(&s);
}
