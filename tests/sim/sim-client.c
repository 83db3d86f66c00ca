/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "world.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Where what 'c' sends goes. */
static const uint8_t *
next_hop(const struct sim *s, const struct client *c)
{
    return s->switches[c->via].mac;
}

static void
client_transmit(struct sim *s, struct client *c)
{
    tcp_transmit(s, &c->tcp, &c->tuple, true, next_hop(s, c), c->mac);
}

static void
client_syn(struct sim *s, struct client *c)
{
    struct tcp_options options = { .mss = 1400 };
    uint8_t buf[SEGMENT_OVERHEAD];
    struct segment seg = {
        .eth_dst = next_hop(s, c), .eth_src = c->mac,
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

void
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
client_ack(struct sim *s, struct client *c)
{
    tcp_send(s, &c->tcp, &c->tuple, true, next_hop(s, c), c->mac, SEG_ACK,
             c->tcp.snd_una, c->tcp.snd_una);
}

/* How far 'p' begins behind what comes next. */
static int32_t
distance(const struct tcp *tcp, const struct packet *p)
{
    return p->seq - (tcp->rcv_isn + 1 + tcp->rcv_nxt + tcp->received_fin);
}

/* Whether 'p' is from before what comes next, as a keepalive probe is, and so
 * answered (RFC 9293 3.10.7.4). */
static bool
is_old(const struct tcp *tcp, const struct packet *p)
{
    return distance(tcp, p) < 0;
}

/* A reset is taken if it is exact, and questioned if it is in the window
 * (RFC 5961 3.2). */
static void
client_reset(struct sim *s, struct client *c, const struct packet *p)
{
    int32_t ofs = distance(&c->tcp, p);

    if (c->state == SYN_SENT) {
        return;
    } else if (!ofs) {
        c->reset |= c->state == OPEN && c->infusions > 0;
        c->state = c->state == OPEN ? REFUSED : c->state;
        c->tcp.resend = 0;
        c->dead = true;
    } else if (ofs > 0) {
        client_ack(s, c);
    }
}

/* Answers 'p', which is of a connection that 'c' has no more. */
static void
client_gone(struct sim *s, const struct client *c, const struct packet *p)
{
    uint8_t buf[SEGMENT_OVERHEAD];
    struct segment seg = {
        .eth_dst = next_hop(s, c), .eth_src = c->mac,
        .src = &c->tuple.client, .dst = &c->tuple.service,
        .src_port = c->tuple.client_port, .dst_port = c->tuple.service_port,
        .seq = p->ack,
        .flags = SEG_RST,
    };

    if (!(p->flags & SEG_RST)) {
        fly(s, &s->config->client_link, buf, segment_build(&seg, buf));
    }
}

void
client_frame(struct sim *s, struct client *c, const struct frame *frame,
             const struct packet *p)
{
    struct tcp *tcp = &c->tcp;

    if (p->dst_port != c->tuple.client_port || !frame_csum_ok(frame, p)) {
        return;
    }
    if (c->dead) {
        client_gone(s, c, p);
    } else if (p->flags & SEG_RST) {
        client_reset(s, c, p);
    } else if (p->flags & SEG_SYN) {
        if (c->state == SYN_SENT && p->ack == tcp->snd_isn + 1) {
            tcp->rcv_isn = p->seq;
            c->state = OPEN;
            tcp->backoff = 0;
            tcp_send(s, tcp, &c->tuple, true, next_hop(s, c), c->mac, SEG_ACK,
                     0, 0);
            client_transmit(s, c);
        }
    } else if (c->state != SYN_SENT) {
        uint32_t before = tcp->snd_una;

        if (tcp_receive(tcp, frame, p) || is_old(tcp, p)) {
            client_ack(s, c);
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

/* Changes the path, when chance has it or the switch on it is dead, to another
 * that is alive. */
static void
client_move(struct sim *s, struct client *c)
{
    unsigned int other = (c->via + 1) % s->n_switches;

    if (s->switches[other].engine
        && chance(s, s->switches[c->via].engine ? s->config->flips : 10)) {
        c->via = other;
    }
}

void
client_run(struct sim *s, struct client *c)
{
    struct tcp *tcp = &c->tcp;

    if (s->n_switches > 1) {
        client_move(s, c);
    }
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

