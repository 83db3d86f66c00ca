/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "world.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine.h"


/* A frame in flight. */
struct flight {
    struct flight *next;
    int64_t when;
    size_t len;
    uint8_t data[];
};

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

/* ARP and Ethernet headers have no checksum but the wire's, which nothing here
 * gets past. */
static bool
is_arp(const uint8_t *frame)
{
    return frame[12] == 0x08 && frame[13] == 0x06;
}

static struct flight *
take_off(struct sim *s, int64_t when, const void *data, size_t len)
{
    struct flight *f = malloc(sizeof *f + len);
    struct flight **at = &s->flights;

    f->when = when;
    f->len = len;
    memcpy(f->data, data, len);
    while (*at && (*at)->when <= when) {
        at = &(*at)->next;
    }
    f->next = *at;
    *at = f;
    return f;
}

void
fly_until(struct sim *s, int64_t when, const void *data, size_t len)
{
    take_off(s, when, data, len);
}

/* Leads a copy of a client's frame to the other switch. */
static void
fork_path(const struct sim *s, struct flight *f)
{
    for (unsigned int i = 0; i < s->n_switches; i++) {
        if (!memcmp(f->data, s->switches[i].mac, 6)) {
            memcpy(f->data, s->switches[!i].mac, 6);
            return;
        }
    }
}

void
fly(struct sim *s, const struct sim_link *link, const void *data, size_t len)
{
    unsigned int copies = 1 + chance(s, link->duplication);

    if (chance(s, link->loss)) {
        copies--;
    }
    while (copies--) {
        struct flight *f = take_off(s, s->now + rnd_below(s, link->delay_max
                                                          + 1), data, len);

        if (chance(s, link->corruption) && !is_arp(data)) {
            f->data[ETH_LEN + rnd_below(s, len - ETH_LEN)]
                ^= 1 << rnd_below(s, 8);
        }
        if (copies && s->config->copies_fork
            && link == &s->config->client_link) {
            fork_path(s, f);
        }
    }
}

static const struct sim_link *
link_of(const struct sim_switch *sw, const uint8_t *mac)
{
    const struct sim_config *config = sw->sim->config;

    return (mac[4] == 2 ? &config->host_link
            : memcmp(mac, sw->mac, 6) ? &config->client_link
            : &config->controller_link);
}

static void
op_output(void *sw_, const void *frame, size_t len,
          vlan_tag tag __attribute__((unused)))
{
    struct sim_switch *sw = sw_;

    fly(sw->sim, link_of(sw, frame), frame, len);
}

static bool
op_place(void *s __attribute__((unused)), const struct migrate_flow *flow __attribute__((unused)))
{
    return false;
}

static void
op_unplace(void *s __attribute__((unused)), const struct migrate_flow *flow __attribute__((unused)),
           struct migrate_use *use __attribute__((unused)))
{
}

static void
op_use(void *s __attribute__((unused)),
       const struct tuple *tuple __attribute__((unused)),
       struct migrate_use *use __attribute__((unused)))
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
    .use = op_use,
    .log = op_log,
};

/* The world. */

static void
switch_frame(struct sim_switch *sw, struct frame *frame, enum frame_kind kind,
             const struct packet *p)
{
    struct sim *s = sw->sim;

    if (!sw->engine) {
        return;
    } else if (kind == FRAME_UDP
               && p->dst_port == htons(MIGRATE_CONTROLLER_PORT)) {
        controller_frame(s, sw, frame, p);
    } else if (kind == FRAME_ARP || kind == FRAME_ICMP || kind == FRAME_UDP) {
        migrate_control_frame(sw->engine, frame, s->now);
    } else if (migrate_service_frame(sw->engine, 1, frame, s->now)
               == MIGRATE_FORWARD) {
        op_output(sw, frame->data, frame->len, frame->tag);
    }
}

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
    for (unsigned int i = 0; i < s->n_switches; i++) {
        struct sim_switch *sw = &s->switches[i];

        if (memcmp(f->data, sw->mac, 6)) {
            continue;
        } else if (is_stopped(s, &sw->stop)) {
            stop_hold(s, &sw->stop, f->data, f->len);
        } else {
            switch_frame(sw, &frame, kind, &p);
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
configure(struct sim_switch *sw)
{
    struct sim *s = sw->sim;
    struct host_config hosts[SIM_HOSTS];
    struct member_config members[SIM_HOSTS];
    struct pool_config pool = {
        .name = "all", .members = members, .n_members = SIM_HOSTS,
        .policy = (s->config->by_client ? POOL_SOURCE_HASH
                   : POOL_ROUND_ROBIN),
    };
    struct service_config service = {
        .name = "web", .id = 1, .protocol = s->config->protocol,
        .request_timeout = 5000, .first_data_timeout = 200,
        .decide_timeout = s->config->decide_timeout,
        .default_pool = 0,
    };
    struct migrate_config config = {
        .mtu = 1500, .keys = sw->keys.keys,
        .hosts = hosts, .n_hosts = SIM_HOSTS,
        .pools = &pool, .n_pools = 1,
        .services = &service, .n_services = 1,
    };
    char names[SIM_HOSTS][8];
    char *error;

    *(s->v6 ? &config.address6 : &config.address4) = sw->address;
    memcpy(config.mac, sw->mac, 6);
    for (size_t i = 0; i < SIM_HOSTS; i++) {
        snprintf(names[i], sizeof names[i], "h%zu", i + 1);
        hosts[i] = (struct host_config) { names[i], s->hosts[i].address, 0 };
        members[i].host = i;
        members[i].weight = 1;
    }
    error = migrate_configure(sw->engine, &config, s->now);
    if (error) {
        printf("Bail out! %s\n", error);
        abort();
    }
}

static void
switch_begin(struct sim_switch *sw)
{
    uint8_t seed[16];

    for (size_t i = 0; i < sizeof seed; i += 8) {
        uint64_t word = rnd(sw->sim);

        memcpy(&seed[i], &word, 8);
    }
    if (sw->sim->config->wraps) {
        uint32_t flow_id = -1 - rnd_below(sw->sim, 4);

        memcpy(seed, &flow_id, sizeof flow_id);     /* As migrate_create(). */
    }
    sw->engine = migrate_create(&ops, sw, 64, seed);
    configure(sw);
}

static void
switch_end(struct sim_switch *sw)
{
    for (int i = 0; i < N_COUNTERS && sw->engine; i++) {
        sw->sim->counters[i] += migrate_counter(sw->engine, i);
    }
    migrate_destroy(sw->engine);
    sw->engine = NULL;
}

/* Counts handoffs that have neither been confirmed nor refused by their
 * deadline. */
static unsigned int
count_late(const struct sim_switch *sw)
{
    const struct record *r;
    unsigned int n = 0;
    uint32_t at = 0;

    while ((r = migrate_next_connection(sw->engine, &at))) {
        n += (r->state == RECORD_OFFERED && !r->pending->confirmed
              && sw->sim->now > r->pending->decided + MIGRATE_DEADLINE);
    }
    return n;
}

static void
switch_run(struct sim_switch *sw)
{
    int64_t now = sw->sim->now;

    if (sw->dies && now >= sw->dies) {
        sw->dies = 0;
        switch_end(sw);
    } else if (!sw->engine && sw->returns && now >= sw->returns) {
        switch_begin(sw);
    }
    if (sw->engine && !is_stopped(sw->sim, &sw->stop)) {
        if (keys_run(sw->sim, &sw->keys)) {
            configure(sw);
        }
        migrate_run(sw->engine, now, clock_read(sw->sim, sw));
        if (!(now % 20) && !sw->engine->stopped) {
            sw->late += count_late(sw);
        }
    }
}

static void
switch_init(struct sim *s, unsigned int i)
{
    struct sim_switch *sw = &s->switches[i];
    uint8_t mac[6] = { 2, 0, 0, 0, 0, 1 + i };

    sw->sim = s;
    memcpy(sw->mac, mac, 6);
    address_parse(s->v6 ? "2001:db8::fe" : "10.0.0.254", &sw->address);
    sw->address.byte[15] -= i;
    if (!i && s->config->switch_dies) {
        sw->dies = 1000 + rnd_below(s, 2000);
        sw->returns = (s->config->away
                       ? sw->dies + 1 + rnd_below(s, s->config->away) : 0);
    }
    if (!i && s->config->switch_stops) {
        stop_init(s, &sw->stop);
    }
    keys_init(s, &sw->keys);
    clock_init(s, sw);
    switch_begin(sw);
}

static void
sim_init(struct sim *s, const struct sim_config *config, uint64_t seed)
{
    memset(s, 0, sizeof *s);
    s->config = config;
    s->v6 = seed & 1;
    s->random = seed * 0x9e3779b97f4a7c15ULL + 1;
    s->n_switches = config->two_switches ? 2 : 1;
    faults_init(s);
    for (unsigned int i = 0; i < SIM_HOSTS; i++) {
        host_init(s, &s->hosts[i], i);
    }
    for (unsigned int i = 0; i < SIM_CLIENTS; i++) {
        client_init(s, &s->clients[i], i);
    }
    for (unsigned int i = 0; i < s->n_switches; i++) {
        switch_init(s, i);
    }
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
    for (unsigned int i = 0; i < s->n_switches; i++) {
        switch_run(&s->switches[i]);
    }
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

    for (; s->now < end; s->now += 50) {
        step(s);
    }
    for (unsigned int i = 0; i < s->n_switches; i++) {
        const struct migrate *engine = s->switches[i].engine;
        const struct record *r;
        uint32_t at = 0;

        while (engine && (r = migrate_next_connection(engine, &at))) {
            n += r->pending != NULL;
        }
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
        host_uninit(&s->hosts[i]);
    }
}

/* Whether a switch that died has acknowledged to 'c' what no host has got. */
static bool
is_lost(const struct sim *s, const struct client *c)
{
    uint32_t got = 0;

    for (size_t i = 0; i < SIM_HOSTS; i++) {
        for (size_t k = 0; k < HOST_SOCKETS; k++) {
            const struct infused *socket = &s->hosts[i].sockets[k];

            if (socket->used && socket->client == c
                && socket->tcp.rcv_nxt > got) {
                got = socket->tcp.rcv_nxt;
            }
        }
    }
    return s->config->switch_dies && c->tcp.snd_una > got;
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
        if (c->state == SYN_SENT || c->state == OPEN) {
            *(is_lost(&s, c) ? &result->lost : &result->hung) += 1;
        }
        result->reset += c->reset;
        result->changed += c->changed;
        result->doubled += c->infusions > 1;
        result->unsure += c->infusions && c->unsure;
    }
    result->leaked = aftermath(&s);
    for (unsigned int i = 0; i < s.n_switches; i++) {
        result->late += s.switches[i].late;
        switch_end(&s.switches[i]);
    }
    memcpy(result->counters, s.counters, sizeof s.counters);
    sim_uninit(&s);
}
