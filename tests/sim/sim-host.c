/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define CHALLENGE 0x1122334455667788

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

void
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

void
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
