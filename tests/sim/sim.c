/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "sim.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "seal.h"

#define END 30000               /* ms that a run may take. */
#define RTO 200
#define REQUEST_MAX 32768
#define CHALLENGE 0x1122334455667788
#define BODY_MARK "\r\n\r\n"

/* A frame in flight. */
struct flight {
    struct flight *next;
    int64_t when;
    size_t len;
    uint8_t data[];
};

/* One end of a TCP connection: just enough of RFC 9293 to notice what the
 * other end does wrong. */
struct tcp {
    uint32_t snd_isn, rcv_isn;
    uint32_t snd_una;           /* Offsets in the stream, from 0. */
    uint32_t rcv_nxt;
    uint8_t *send;              /* What to send... */
    uint32_t send_len;
    bool send_fin;
    uint8_t *receive;           /* ...and what came. */
    bool received_fin;
    uint8_t *have;              /* Which bytes of 'receive' came. */
    int64_t resend;             /* Next retransmission; 0: none. */
    unsigned int backoff;
};

enum client_state { SYN_SENT, OPEN, SERVED, REFUSED };

struct client {
    struct tuple tuple;
    uint8_t mac[6];
    enum client_state state;
    int64_t start;
    struct tcp tcp;
    bool changed;
    bool rude;                  /* Leaves before it is heard to close. */
    bool gone;                  /* Another has its address and port. */
    unsigned int infusions;
};

/* A connection in a host's stack. */
struct infused {
    bool used;
    uint32_t flow_id;
    struct client *client;
    struct tcp tcp;
    int64_t answer_at;          /* When the server has its answer. */
    bool closed;
    bool silent;                /* By ABORT. */
};

#define HOST_SOCKETS 32

struct sim_host {
    struct migrate_address address;
    uint8_t mac[6];
    enum sim_host_mood mood;
    int64_t dies;
    __be32 switch_epoch;        /* Not known: 0. */
    uint32_t heard;             /* Sequence number of its last hello. */
    struct infused sockets[HOST_SOCKETS];
};

struct sim {
    const struct sim_config *config;
    bool v6;
    uint64_t random;
    int64_t now;
    struct migrate *engine;
    struct keyring keys;
    struct migrate_address address;
    uint8_t mac[6];
    struct flight *flights;
    struct client clients[SIM_CLIENTS];
    struct sim_host hosts[SIM_HOSTS];
};

/* xorshift64*: Marsaglia 2003, Vigna 2016. */
static uint64_t
rnd(struct sim *s)
{
    s->random ^= s->random >> 12;
    s->random ^= s->random << 25;
    s->random ^= s->random >> 27;
    return s->random * 0x2545f4914f6cdd1dULL;
}

static unsigned int
rnd_below(struct sim *s, unsigned int n)
{
    return n ? (rnd(s) >> 32) % n : 0;
}

static bool
chance(struct sim *s, unsigned int per_mille)
{
    return rnd_below(s, 1000) < per_mille;
}

/* Puts a frame on its way over 'link'. */
static void
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

/* TCP. */

static void
tcp_init(struct tcp *tcp)
{
    memset(tcp, 0, sizeof *tcp);
    tcp->receive = calloc(1, REQUEST_MAX + 1024);
    tcp->have = calloc(1, REQUEST_MAX + 1024);
}

static void
tcp_uninit(struct tcp *tcp)
{
    free(tcp->send);
    free(tcp->receive);
    free(tcp->have);
}

/* Takes in 'p'.  Returns whether it should be acknowledged. */
static bool
tcp_receive(struct tcp *tcp, const struct frame *frame,
            const struct packet *p)
{
    uint32_t ofs = p->seq - (tcp->rcv_isn + 1);
    uint32_t acked = p->ack - (tcp->snd_isn + 1);
    uint32_t end = ofs + p->payload_len;

    if ((int32_t) (acked - tcp->snd_una) > 0
        && acked <= tcp->send_len + tcp->send_fin) {
        tcp->snd_una = acked;
        tcp->backoff = 0;
        if (acked == tcp->send_len + tcp->send_fin) {
            tcp->resend = 0;
        }
    }
    if (!p->payload_len && !(p->flags & SEG_FIN)) {
        return false;
    }
    if ((int32_t) ofs < 0 || end > REQUEST_MAX + 512) {
        return true;
    }
    memcpy(tcp->receive + ofs, frame->data + p->payload, p->payload_len);
    memset(tcp->have + ofs, 1, p->payload_len);
    while (tcp->have[tcp->rcv_nxt]) {
        tcp->rcv_nxt++;
    }
    if (p->flags & SEG_FIN && tcp->rcv_nxt == end) {
        tcp->received_fin = true;
    }
    return true;
}

/* Sends 'flags' and the bytes [from, to) from 'src' to 'dst' as they are on
 * the wire. */
static void
tcp_send(struct sim *s, const struct tcp *tcp, const struct tuple *tuple,
         bool from_client, const uint8_t eth_dst[6], const uint8_t eth_src[6],
         uint8_t flags, uint32_t from, uint32_t to)
{
    uint8_t buf[SEGMENT_OVERHEAD + 2048];
    struct segment seg = {
        .eth_dst = eth_dst, .eth_src = eth_src,
        .src = from_client ? &tuple->client : &tuple->service,
        .dst = from_client ? &tuple->service : &tuple->client,
        .src_port = from_client ? tuple->client_port : tuple->service_port,
        .dst_port = from_client ? tuple->service_port : tuple->client_port,
        .seq = tcp->snd_isn + 1 + from,
        .ack = tcp->rcv_isn + 1 + tcp->rcv_nxt + tcp->received_fin,
        .window = 65535,
        .flags = flags,
        .payload = tcp->send + from,
        .payload_len = to - from,
    };

    fly(s, &s->config->client_link, buf, segment_build(&seg, buf));
}

/* Sends all that is not acknowledged, cut at random. */
static void
tcp_transmit(struct sim *s, struct tcp *tcp, const struct tuple *tuple,
             bool from_client, const uint8_t *eth_dst, const uint8_t *eth_src)
{
    size_t segment_max = from_client ? s->config->segment_max : 1400;
    uint32_t cuts[64], n = 0, at = tcp->snd_una;

    /* A flight is at most ten segments, as after RFC 6928. */
    while (at < tcp->send_len && n < 10) {
        uint32_t len = 1 + rnd_below(s, segment_max);

        cuts[n++] = at;
        at += len < tcp->send_len - at ? len : tcp->send_len - at;
    }
    cuts[n] = at;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t j = i;

        if (from_client && s->config->shuffle && tcp->snd_una) {
            j = n - 1 - i;
        }
        tcp_send(s, tcp, tuple, from_client, eth_dst, eth_src,
                 SEG_ACK | SEG_PSH, cuts[j], cuts[j + 1]);
    }
    if (at == tcp->send_len && tcp->send_fin) {
        tcp_send(s, tcp, tuple, from_client, eth_dst, eth_src,
                 SEG_ACK | SEG_FIN, at, at);
    }
    tcp->resend = s->now + (RTO << tcp->backoff);
    if (tcp->backoff < 3) {
        tcp->backoff++;
    }
}

/* Clients. */

static void
client_transmit(struct sim *s, struct client *c)
{
    tcp_transmit(s, &c->tcp, &c->tuple, true, s->mac, c->mac);
}

static void
client_syn(struct sim *s, struct client *c)
{
    struct tcp_options options = { .mss = 1400 };
    uint8_t buf[SEGMENT_OVERHEAD];
    struct segment seg = {
        .eth_dst = s->mac, .eth_src = c->mac,
        .src = &c->tuple.client, .dst = &c->tuple.service,
        .src_port = c->tuple.client_port, .dst_port = c->tuple.service_port,
        .seq = c->tcp.snd_isn,
        .window = 65535,
        .flags = SEG_SYN,
        .options = &options,
    };

    fly(s, &s->config->client_link, buf, segment_build(&seg, buf));
    c->tcp.resend = s->now + (RTO << c->tcp.backoff);
    if (c->tcp.backoff < 3) {
        c->tcp.backoff++;
    }
}

static void
client_init(struct sim *s, struct client *c, unsigned int i)
{
    uint8_t mac[6] = { 2, 0, 0, 0, 1, i };
    struct tcp *tcp = &c->tcp;
    int head;

    memcpy(c->mac, mac, 6);
    address_parse(s->v6 ? "2001:db8:2::1" : "192.0.2.1", &c->tuple.client);
    address_parse(s->v6 ? "2001:db8:1::1" : "198.51.100.1",
                  &c->tuple.service);
    c->tuple.client.byte[15] += i;
    c->tuple.client_port = htons(1024 + rnd_below(s, 60000));
    c->tuple.service_port = htons(80);
    c->start = 1000 + rnd_below(s, 500);
    c->rude = s->config->one_port && chance(s, 500);
    if (s->config->one_port && i) {
        memcpy(c->mac, s->clients[0].mac, 6);
        c->tuple = s->clients[0].tuple;
        c->start = END;         /* When its turn comes. */
    }
    tcp_init(tcp);
    tcp->snd_isn = rnd(s);
    tcp->send_len = 64 + rnd_below(s, s->config->request_max - 63);
    tcp->send = malloc(tcp->send_len + 1);
    head = (s->config->nonsense ? 0
            : snprintf((char *) tcp->send, tcp->send_len,
                       "POST /%u HTTP/1.1\r\nHost: x\r\n\r\n", i));
    for (uint32_t at = head; at < tcp->send_len; at++) {
        tcp->send[at] = rnd(s) | (s->config->nonsense ? 128 : 0);
    }
}

/* Looks at what the client has received so far. */
static void
client_judge(struct client *c)
{
    const struct tcp *tcp = &c->tcp;
    const char *receive = (const char *) tcp->receive;

    if (!tcp->received_fin) {
        return;
    }
    if (tcp->rcv_nxt == tcp->send_len
        && !memcmp(receive, tcp->send, tcp->send_len)) {
        c->state = SERVED;
    } else if (!strncmp(receive, "HTTP/1.1 ", 9)
               && strstr(receive, "Connection: close\r\n")) {
        c->state = REFUSED;
    } else {
        c->changed = true;
        c->state = SERVED;
    }
}

static void
client_frame(struct sim *s, struct client *c, const struct frame *frame,
             const struct packet *p)
{
    struct tcp *tcp = &c->tcp;

    if (p->dst_port != c->tuple.client_port || !frame_csum_ok(frame, p)) {
        return;
    }
    if (p->flags & SEG_RST) {
        if (c->state != SYN_SENT        /* RFC 5961 3.2. */
            && p->seq == (tcp->rcv_isn + 1 + tcp->rcv_nxt
                          + tcp->received_fin)) {
            c->state = c->state == OPEN ? REFUSED : c->state;
            tcp->resend = 0;
        }
    } else if (p->flags & SEG_SYN) {
        if (c->state == SYN_SENT && p->ack == tcp->snd_isn + 1) {
            tcp->rcv_isn = p->seq;
            c->state = OPEN;
            tcp->backoff = 0;
            tcp_send(s, tcp, &c->tuple, true, s->mac, c->mac, SEG_ACK, 0, 0);
            client_transmit(s, c);
        }
    } else if (c->state != SYN_SENT) {
        uint32_t before = tcp->snd_una;

        if (tcp_receive(tcp, frame, p)) {
            tcp_send(s, tcp, &c->tuple, true, s->mac, c->mac, SEG_ACK,
                     tcp->snd_una, tcp->snd_una);
        }
        if (c->state == OPEN) {
            client_judge(c);
        }
        if (tcp->received_fin && !tcp->send_fin) {
            tcp->send_fin = true;
            client_transmit(s, c);
        } else if (tcp->snd_una != before
                   && tcp->snd_una < tcp->send_len) {
            client_transmit(s, c);
        }
    }
}

/* Whether another may take the address and port of 'c'. */
static bool
turn_is_over(const struct client *c)
{
    const struct tcp *tcp = &c->tcp;

    return ((c->state == SERVED || c->state == REFUSED)
            && (c->rude || !tcp->resend));
}

static void
client_run(struct sim *s, struct client *c)
{
    struct tcp *tcp = &c->tcp;

    if (c->start == END && turn_is_over(c - 1)) {
        c[-1].tcp.resend = 0;
        c[-1].gone = true;
        c->start = s->now + rnd_below(s, 50);
    }
    if (c->gone) {
        return;
    }

    if (s->now < c->start || (tcp->resend && s->now < tcp->resend)) {
        return;
    }
    if (c->state == SYN_SENT) {
        client_syn(s, c);
    } else if (tcp->resend) {
        client_transmit(s, c);
    }
}

/* Hosts. */

static bool
host_alive(const struct sim *s, const struct sim_host *h)
{
    return h->mood != HOST_DIES || s->now < h->dies;
}

static void
host_send(struct sim *s, const struct sim_host *h, uint8_t type,
          __be32 sequence, const void *body, size_t len, uint16_t n)
{
    uint8_t buf[2048];
    uint64_t message[1024 / 8];     /* Aligned. */
    struct migrate_header header = {
        .version = MIGRATE_VERSION,
        .type = type,
        .length = htons(sizeof header + len),
        .count = htons(n),
        .epoch = htonl(1),
        .sequence = sequence,
    };

    memcpy(message, &header, sizeof header);
    memcpy((uint8_t *) message + sizeof header, body, len);
    seal(&s->keys.keys[0], &h->address, &s->address, (void *) message);
    memcpy(buf + udp_overhead(&s->address), message, sizeof header + len);
    fly(s, &s->config->host_link, buf,
        udp_build(buf, sizeof header + len, s->mac, h->mac, &h->address,
                  &s->address, MIGRATE_PORT));
}

static void
host_report(struct sim *s, const struct sim_host *h, uint32_t flow_id,
            uint8_t event, uint8_t reason, uint32_t rcv_nxt)
{
    struct migrate_report report = {
        .flow_id = htonl(flow_id),
        .event = event,
        .reason = reason,
        .rcv_nxt = htonl(rcv_nxt),
    };

    host_send(s, h, MIGRATE_REPORT, h->switch_epoch, &report, sizeof report,
              1);
}

static struct infused *
host_socket(struct sim_host *h, uint32_t flow_id)
{
    for (size_t i = 0; i < HOST_SOCKETS; i++) {
        if (h->sockets[i].used && h->sockets[i].flow_id == flow_id) {
            return &h->sockets[i];
        }
    }
    return NULL;
}

/* The server has all of the request, or sees that it will get no more. */
static void
server_run(struct sim *s, struct infused *i)
{
    struct tcp *tcp = &i->tcp;
    struct client *c = i->client;

    if (memcmp(tcp->receive, c->tcp.send, tcp->rcv_nxt)) {
        c->changed = true;
    }
    if (tcp->rcv_nxt < c->tcp.send_len || tcp->send) {
        return;
    }
    if (!i->answer_at) {
        i->answer_at = s->now + (s->config->slow_server
                                 ? 1000 + rnd_below(s, 2000) : 0);
    }
    if (s->now >= i->answer_at) {
        tcp->send_len = tcp->rcv_nxt;
        tcp->send = malloc(tcp->send_len);
        memcpy(tcp->send, tcp->receive, tcp->send_len);
        tcp->send_fin = true;
        tcp_transmit(s, tcp, &c->tuple, false, c->mac, s->mac);
    }
}

/* Takes a packet of the connection, as the host's stack does. */
static void
socket_packet(struct sim *s, struct sim_host *h, struct infused *i,
              const struct frame *frame, const struct packet *p)
{
    struct tcp *tcp = &i->tcp;

    if (p->flags & SEG_RST) {
        if (!i->closed) {
            i->closed = true;
            host_report(s, h, i->flow_id, MIGRATE_RELEASE, 0, 0);
        }
        return;
    }
    if (tcp_receive(tcp, frame, p)) {
        tcp_send(s, tcp, &i->client->tuple, false, i->client->mac, s->mac,
                 SEG_ACK, tcp->snd_una, tcp->snd_una);
    }
    server_run(s, i);
    if (tcp->received_fin && tcp->send_fin
        && tcp->snd_una == tcp->send_len + 1 && !i->closed) {
        i->closed = true;
        host_report(s, h, i->flow_id, MIGRATE_RELEASE, 0, 0);
    }
}

/* Answers 'p' for the socket of 'i', which is closed, as the listening one
 * does. */
static void
socket_gone(struct sim *s, const struct infused *i, const struct packet *p)
{
    const struct tuple *tuple = &i->client->tuple;
    uint8_t buf[SEGMENT_OVERHEAD];
    struct segment seg = {
        .eth_dst = i->client->mac, .eth_src = s->mac,
        .src = &tuple->service, .dst = &tuple->client,
        .src_port = tuple->service_port, .dst_port = tuple->client_port,
        .seq = p->ack,
        .flags = SEG_RST,
    };

    fly(s, &s->config->client_link, buf, segment_build(&seg, buf));
}

static void
host_infuse(struct sim *s, struct sim_host *h,
            const struct migrate_bundle *b)
{
    uint8_t buf[2048];
    struct frame frame = { .data = buf };
    struct infused *i = NULL;
    struct packet p;

    for (size_t k = 0; k < HOST_SOCKETS && !i; k++) {
        i = h->sockets[k].used ? NULL : &h->sockets[k];
    }
    memset(buf, 0, ETH_LEN);
    buf[12] = s->v6 ? 0x86 : 0x08;
    buf[13] = s->v6 ? 0xdd : 0x00;
    frame.len = ETH_LEN + ntohs(b->packet_len);
    memcpy(buf + ETH_LEN, b + 1, ntohs(b->packet_len));
    if (!i || frame_parse(&frame, &p) != FRAME_TCP
        || !frame_csum_ok(&frame, &p)) {
        abort();                /* Under a right seal? */
    }
    i->used = true;
    i->flow_id = ntohl(b->flow_id);
    for (size_t k = 0; k < SIM_CLIENTS; k++) {
        if (address_equals(&s->clients[k].tuple.client, &b->client)
            && s->clients[k].tcp.snd_isn + 1 == p.seq) {
            i->client = &s->clients[k];
        }
    }
    i->client->infusions++;
    tcp_init(&i->tcp);
    i->tcp.rcv_isn = p.seq - 1;
    i->tcp.snd_isn = p.ack - 1;
    if (h->mood != HOST_STALLS) {
        host_report(s, h, i->flow_id, MIGRATE_CONFIRM, 0,
                    p.seq + p.payload_len);
    }
    socket_packet(s, h, i, &frame, &p);
}

static void
host_bundle(struct sim *s, struct sim_host *h, const struct migrate_bundle *b)
{
    uint32_t flow_id = ntohl(b->flow_id);
    struct infused *i = host_socket(h, flow_id);

    if (i && i->closed) {
        host_report(s, h, flow_id, MIGRATE_RELEASE, 0, 0);
    } else if (i) {
        host_report(s, h, flow_id, MIGRATE_CONFIRM, 0,
                    i->tcp.rcv_isn + 1 + i->tcp.rcv_nxt);
    } else if (h->mood == HOST_REFUSES) {
        host_report(s, h, flow_id, MIGRATE_REFUSE,
                    MIGRATE_REASON_NO_LISTENER, 0);
    } else {
        host_infuse(s, h, b);
    }
}

/* Takes a hello if it is new. */
static void
host_hello(struct sim *s, struct sim_host *h,
           const struct migrate_header *header)
{
    struct migrate_status status = { .epoch = header->epoch };
    uint32_t sequence = ntohl(header->sequence);
    struct migrate_hello hello;

    memcpy(&hello, header + 1, sizeof hello);
    if (hello.challenge == CHALLENGE
        || (header->epoch == h->switch_epoch
            && (int32_t) (sequence - h->heard) > 0)) {
        h->switch_epoch = header->epoch;
        h->heard = sequence;
    } else {
        status.challenge = CHALLENGE;
    }
    host_send(s, h, MIGRATE_STATUS, header->sequence, &status, sizeof status,
              1);
}

static void
host_message(struct sim *s, struct sim_host *h, const struct frame *frame,
             const struct packet *p)
{
    uint64_t buffer[MIGRATE_MESSAGE_MAX / 8];
    const struct migrate_header *header = (void *) buffer;

    memcpy(buffer, frame->data + p->payload, p->payload_len);
    if (!seal_check(&s->keys, &p->src, &p->dst, buffer, p->payload_len)) {
        return;
    }
    if (header->type == MIGRATE_BUNDLE) {
        if (header->epoch != h->switch_epoch) {
            return;
        }
        host_bundle(s, h, (void *) buffer);
    } else if (header->type == MIGRATE_HELLO) {
        host_hello(s, h, header);
    } else if (header->type == MIGRATE_ABORT) {
        uint32_t flow_id;
        struct infused *i;

        memcpy(&flow_id, header + 1, sizeof flow_id);
        i = host_socket(h, ntohl(flow_id));
        if (i) {
            i->closed = i->silent = true;
            host_report(s, h, ntohl(flow_id), MIGRATE_RELEASE, 0, 0);
        }
    }
}

static void
host_arp(struct sim *s, struct sim_host *h, const struct frame *frame,
         const struct packet *p)
{
    uint8_t buf[ARP_FRAME_LEN];
    struct arp arp;

    arp_read(frame, p, &arp);
    if (arp.op == ARP_REQUEST && address_equals(&arp.target, &h->address)) {
        arp.op = ARP_REPLY;
        arp.target = arp.sender;
        arp.sender = h->address;
        memcpy(arp.target_mac, arp.sender_mac, 6);
        memcpy(arp.sender_mac, h->mac, 6);
        arp_build(&arp, s->mac, buf);
        fly(s, &s->config->host_link, buf, sizeof buf);
    }
}

static void
host_icmp(struct sim *s, struct sim_host *h, const struct frame *frame,
          const struct packet *p)
{
    uint8_t buf[ND_FRAME_LEN];
    struct nd nd;

    if (frame->data[p->l4] == ND_SOLICIT && frame_csum_ok(frame, p)
        && nd_read(frame, p, &nd) && nd.type == ND_SOLICIT
        && address_equals(&nd.target, &h->address)) {
        nd.type = ND_ADVERTISE;
        nd.solicited = true;
        memcpy(nd.mac, h->mac, 6);
        nd_build(&nd, s->mac, &h->address, &p->src, buf);
        fly(s, &s->config->host_link, buf, sizeof buf);
    }
}

static void
host_frame(struct sim *s, struct sim_host *h, const struct frame *frame,
           enum frame_kind kind, const struct packet *p)
{
    if (!host_alive(s, h)) {
        return;
    }
    if (kind == FRAME_ARP) {
        host_arp(s, h, frame, p);
    } else if (kind == FRAME_ICMP) {
        host_icmp(s, h, frame, p);
    } else if (!address_equals(&p->dst, &h->address)
               || !frame_csum_ok(frame, p)) {
        return;
    } else if (kind == FRAME_UDP) {
        host_message(s, h, frame, p);
    } else {
        struct infused *i = host_socket(h, (uint32_t) ntohs(p->src_port) << 16
                                        | ntohs(p->dst_port));

        if (i && !i->closed) {
            socket_packet(s, h, i, frame, p);
        } else if (i && !i->silent && !(p->flags & SEG_RST)) {
            socket_gone(s, i, p);
        }
    }
}

static void
host_run(struct sim *s, struct sim_host *h)
{
    for (size_t k = 0; k < HOST_SOCKETS && host_alive(s, h); k++) {
        struct infused *i = &h->sockets[k];

        if (!i->used || i->closed) {
            continue;
        }
        if (i->answer_at) {
            server_run(s, i);
        }
        if (i->tcp.resend && s->now >= i->tcp.resend) {
            tcp_transmit(s, &i->tcp, &i->client->tuple, false,
                         i->client->mac, s->mac);
        }
    }
}

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
