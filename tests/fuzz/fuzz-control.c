/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include <arpa/inet.h>

#include "world.h"

/* The input is what hosts say to an engine that has just offered them a
 * connection: a byte of settings, then messages, each a 'struct message' and
 * the bytes of its body that it counts.  They are sealed, so all of them come
 * to be decoded. */

struct message {
    uint8_t type;               /* enum migrate_type. */
    uint8_t host;               /* Bit 7: not the one that has the offer. */
    uint8_t n;                  /* Records that it claims to have. */
    uint8_t late;               /* So many behind the engine's own number. */
    uint8_t len_high, len_low;
};

#define MAX_MESSAGES 32

/* Host 'i' says where it is. */
static void
announce(unsigned int i)
{
    struct arp arp = { .op = ARP_REPLY, .sender = f.hosts[i],
                       .target = f.address };
    struct nd nd = { .type = ND_ADVERTISE, .target = f.hosts[i],
                     .solicited = true, .mac_given = true };
    uint8_t buf[ND_FRAME_LEN];

    arp.sender_mac[0] = nd.mac[0] = 2;
    arp.sender_mac[5] = nd.mac[5] = 0x10 + i;
    if (f.v6) {
        nd_build(&nd, switch_mac, &f.hosts[i], &f.address, buf);
        give(0, buf, ND_FRAME_LEN, 0);
    } else {
        arp_build(&arp, switch_mac, buf);
        give(0, buf, ARP_FRAME_LEN, 0);
    }
}

/* All hosts come up. */
static void
wake_hosts(void)
{
    for (unsigned int i = 0; i < N_HOSTS; i++) {
        announce(i);
    }
    run(f.now + MIGRATE_HELLO_INTERVAL);
    for (unsigned int i = 0; i < N_HOSTS; i++) {
        struct migrate_status status = {
            .capacity = htonl(1000), .epoch = htonl(f.epoch),
        };

        give_message(i, MIGRATE_STATUS, 1, 1, f.sequences[i], &status,
                     sizeof status, -1);
    }
}

/* A client's request, which the engine offers to a host. */
static void
offer(void)
{
    static const char request[] = "GET /i HTTP/1.1\r\nHost: a\r\n\r\n";
    struct client *c = &f.clients[0];

    c->options = (struct tcp_options) { .mss = 1460, .tstamp_ok = true };
    give_segment(c, 3, SEG_SYN, 100, 0, NULL, 0, false);
    give_segment(c, 3, SEG_ACK | SEG_PSH, c->seq, c->ack, request,
                 sizeof request - 1, false);
}

/* The number that an answer of 'type' has to have. */
static uint32_t
number(uint8_t type, unsigned int host)
{
    const struct host_audit *audit = find_audit(host);

    return (type == MIGRATE_REPORT || type == MIGRATE_NEWS ? f.epoch
            : type == MIGRATE_MAPPINGS && audit ? audit->sequence
            : f.sequences[host]);
}

/* A body that begins with 0 is about the connection that there is, or follows
 * on what was asked. */
static void
fill_in(uint8_t type, unsigned int host, uint8_t *body, size_t len)
{
    const struct record *r = migrate_find_connection(f.engine,
                                                     &f.clients[0].tuple);
    const struct host_audit *audit = find_audit(host);
    uint32_t word;

    if (len < 4) {
        return;
    }
    memcpy(&word, body, sizeof word);
    if (!word) {
        word = (type == MIGRATE_REPORT ? htonl(r ? r->flow_id : 0)
                : type == MIGRATE_MAPPINGS ? htonl(audit ? audit->after : 0)
                : 0);
        memcpy(body, &word, sizeof word);
    }
}

static void
say(const void *head, const uint8_t *body, size_t len)
{
    const struct message *m = head;
    const struct record *r = migrate_find_connection(f.engine,
                                                     &f.clients[0].tuple);
    unsigned int host = m->host % N_HOSTS;
    uint8_t *copy = fuzz_copy(body, len);

    for (unsigned int i = 0; i < N_HOSTS && r && r->flow_id; i++) {
        if (!(m->host & 0x80) && address_equals(
                &f.hosts[i], &migrate_record_host(f.engine, r)->address)) {
            host = i;
        }
    }
    fill_in(m->type, host, copy, len);
    give_message(host, m->type, m->n, 1, number(m->type, host) - m->late,
                 copy, len, -1);
    free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *end = data + size;

    if (!size) {
        return 0;
    }
    set_up(*data++);
    wake_hosts();
    offer();
    FUZZ_CHECK(migrate_connection_count(f.engine) == f.engine->settled);
    take_parts(data, end, sizeof(struct message), MAX_MESSAGES, say);
    tear_down();
    return 0;
}
