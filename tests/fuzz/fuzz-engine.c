/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include <arpa/inet.h>

#include "csum.h"
#include "world.h"

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

#define MAX_STEPS 100
#define LIFE_MAX 15000          /* ms that steps wait in all: enough for a host
                                 * to be lost. */

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
    const struct host_audit *audit = find_audit(host);
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
take_step(const void *head, const uint8_t *body, size_t len)
{
    const struct step *s = head;
    struct client *c = &f.clients[s->who % N_CLIENTS];
    unsigned int host = s->who % N_HOSTS;
    struct migrate_status status = {
        .epoch = htonl(f.epoch), .challenge = s->who >> 7,
    };
    uint64_t before;
    int64_t until;

    switch (s->op % N_STEPS) {
    case STEP_WAIT:
        until = f.now + (s->x << 8 | s->y) % 4000;
        run(until < f.born + LIFE_MAX ? until : f.now + 1);
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

    if (!size) {
        return 0;
    }
    set_up(*data++);
    take_parts(data, end, sizeof(struct step), MAX_STEPS, take_step);
    run_out();
    tear_down();
    return 0;
}
