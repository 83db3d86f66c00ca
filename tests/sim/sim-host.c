/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "world.h"

#include <arpa/inet.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define CHALLENGE 0x1122334455667788
#define SLICE 4                 /* Mappings a message. */

void
host_init(struct sim *s, struct sim_host *h, unsigned int i)
{
    uint8_t mac[6] = { 2, 0, 0, 0, 2, i };

    address_parse(s->v6 ? "2001:db8::11" : "10.0.0.11", &h->address);
    h->address.byte[15] += i;
    memcpy(h->mac, mac, 6);
    h->mood = s->config->moods[i];
    h->epoch = 1;
    keys_init(s, &h->keys);
    if (h->mood == HOST_DIES || h->mood == HOST_REBOOTS) {
        h->dies = 800 + rnd_below(s, 1500);
    }
    if (h->mood == HOST_REBOOTS) {
        h->returns = h->dies + 1 + rnd_below(s, 15000);
    } else if (h->mood == HOST_STOPS) {
        stop_init(s, &h->stop);
    } else if (h->mood == HOST_AGENT_STOPS) {
        stop_init(s, &h->agent_stop);
    }
}

void
host_uninit(struct sim_host *h)
{
    for (size_t k = 0; k < HOST_SOCKETS; k++) {
        tcp_uninit(&h->sockets[k].tcp);
    }
}

/* Nothing of what it knew is there any more. */
static void
host_reboot(struct sim_host *h)
{
    host_uninit(h);
    memset(h->sockets, 0, sizeof h->sockets);
    memset(h->peers, 0, sizeof h->peers);
    h->epoch += 2;
    h->dead = false;
}

/* Sends a message to switch number 'to'. */
static void
host_send(struct sim *s, const struct sim_host *h, unsigned int to,
          uint8_t type, __be32 sequence, const void *body, size_t len,
          uint16_t n)
{
    const struct sim_switch *sw = &s->switches[to];
    uint8_t buf[2048];
    uint64_t message[1024 / 8];     /* Aligned. */
    struct migrate_header header = {
        .version = MIGRATE_VERSION,
        .type = type,
        .length = htons(sizeof header + len),
        .count = htons(n),
        .epoch = htonl(h->epoch),
        .sequence = sequence,
    };

    memcpy(message, &header, sizeof header);
    memcpy((uint8_t *) message + sizeof header, body, len);
    seal(keyring_key(&h->keys.keys, h->peers[to].key_id), &h->address, &sw->address, (void *) message);
    memcpy(buf + udp_overhead(&sw->address), message, sizeof header + len);
    fly(s, &s->config->host_link, buf,
        udp_build(buf, sizeof header + len, sw->mac, h->mac, &h->address,
                  &sw->address, MIGRATE_PORT));
}

static void
host_say(struct sim *s, const struct sim_host *h, unsigned int to,
         const struct migrate_report *report)
{
    host_send(s, h, to, MIGRATE_REPORT, h->peers[to].epoch, report,
              sizeof *report, 1);
}

static void
host_report(struct sim *s, const struct sim_host *h, unsigned int to,
            uint32_t flow_id, uint8_t event, uint8_t reason, uint32_t rcv_nxt)
{
    struct migrate_report report = {
        .flow_id = htonl(flow_id),
        .event = event,
        .reason = reason,
        .rcv_nxt = htonl(rcv_nxt),
    };

    host_say(s, h, to, &report);
}

/* What switch 'to' is told of 'i'. */
static struct migrate_mapping
host_mapping(const struct sim *s, const struct infused *i, unsigned int to)
{
    const struct tuple *t = &i->client->tuple;

    return (struct migrate_mapping) {
        .flow_id = htonl(i->flow_id),
        .service_id = htonl(1),
        .client = t->client,
        .service = t->service,
        .client_port = t->client_port,
        .service_port = t->service_port,
        .isn = htonl(i->tcp.snd_isn),
        .age = htonl(s->now - i->since),
        .state = (i->aborted ? MIGRATE_MAPPING_ABORTED
                  : i->closed ? MIGRATE_MAPPING_ENDED : MIGRATE_MAPPING_LIVE),
        .yours = i->owner == to,
    };
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

/* Other switches are to be told of 'i'. */
static void
news_add(struct sim *s, struct sim_host *h, const struct infused *i)
{
    for (unsigned int k = 0; k < s->n_switches; k++) {
        struct peer *peer = &h->peers[k];

        if (k != i->owner && peer->epoch
            && s->now - peer->said < MIGRATE_STALE) {
            peer->line[peer->last++ % HOST_LINE] = i->flow_id;
        }
    }
}

/* Tells them, a message at a time, until they have heard it. */
static void
news_run(struct sim *s, struct sim_host *h, unsigned int to)
{
    struct peer *peer = &h->peers[to];
    struct {
        struct migrate_news news;
        struct migrate_mapping rows[SLICE];
    } body;
    unsigned int n = 0;

    if (s->now - peer->said >= MIGRATE_STALE) {
        peer->first = peer->last;
        peer->told = 0;
    }
    if (peer->first == peer->last
        || (peer->told && s->now - peer->told < MIGRATE_NEWS_RETRY)) {
        return;
    }
    if (!peer->told) {
        peer->number++;
        peer->n_told = (peer->last - peer->first < SLICE
                        ? peer->last - peer->first : SLICE);
    }
    body.news.number = htobe64(peer->number);
    while (n < peer->n_told) {
        uint32_t flow_id = peer->line[(peer->first + n) % HOST_LINE];

        body.rows[n++] = host_mapping(s, host_socket(h, flow_id), to);
    }
    peer->told = s->now;
    host_send(s, h, to, MIGRATE_NEWS, peer->epoch, &body,
              sizeof body.news + n * sizeof body.rows[0], n);
}

/* 'i' has ended. */
static void
host_end(struct sim *s, struct infused *i)
{
    i->closed = true;
    i->since = s->now;
    i->news = true;
}

/* The agent tells what became of connections. */
static void
agent_run(struct sim *s, struct sim_host *h)
{
    for (size_t k = 0; k < HOST_SOCKETS; k++) {
        struct infused *i = &h->sockets[k];

        if (i->news) {
            i->news = false;
            host_report(s, h, i->owner, i->flow_id,
                        i->closed ? MIGRATE_RELEASE : MIGRATE_CONFIRM, 0,
                        i->closed ? 0 : i->tcp.rcv_isn + 1 + i->tcp.rcv_nxt);
            news_add(s, h, i);
        }
    }
    for (unsigned int k = 0; k < s->n_switches; k++) {
        news_run(s, h, k);
    }
}

/* The server has all of the request, or sees that it will get no more. */
static void
server_run(struct sim *s, const struct sim_host *h, struct infused *i)
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
        tcp_transmit(s, tcp, &c->tuple, false, c->mac, h->mac);
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
            host_end(s, i);
        }
        return;
    }
    if (tcp_receive(tcp, frame, p)) {
        tcp_send(s, tcp, &i->client->tuple, false, i->client->mac, h->mac,
                 SEG_ACK, tcp->snd_una, tcp->snd_una);
    }
    server_run(s, h, i);
    if (tcp->received_fin && tcp->send_fin
        && tcp->snd_una == tcp->send_len + 1 && !i->closed) {
        host_end(s, i);
    }
}

/* Whether 'p' may be of the connection of 'i'. */
static bool
is_rest(const struct infused *i, const struct packet *p)
{
    return p->ack - (i->tcp.snd_isn + 1) <= i->tcp.send_len + 1;
}

/* Answers 'p' for the socket of 'i', which is closed, as the listening one
 * does. */
static void
socket_gone(struct sim *s, const struct sim_host *h, const struct infused *i,
            const struct packet *p)
{
    const struct tuple *tuple = &i->client->tuple;
    uint8_t buf[SEGMENT_OVERHEAD];
    struct segment seg = {
        .eth_dst = i->client->mac, .eth_src = h->mac,
        .src = &tuple->service, .dst = &tuple->client,
        .src_port = tuple->service_port, .dst_port = tuple->client_port,
        .seq = p->ack,
        .flags = SEG_RST,
    };

    fly(s, &s->config->client_link, buf, segment_build(&seg, buf));
}

static void
host_infuse(struct sim *s, struct sim_host *h, unsigned int from,
            const struct migrate_bundle *b, const struct frame *frame,
            const struct packet *p)
{
    struct infused *i = NULL;

    for (size_t k = 0; k < HOST_SOCKETS && !i; k++) {
        i = h->sockets[k].used ? NULL : &h->sockets[k];
    }
    if (!i) {
        abort();
    }
    i->used = true;
    i->flow_id = ntohl(b->flow_id);
    i->owner = from;
    i->since = s->now;
    for (size_t k = 0; k < SIM_CLIENTS; k++) {
        if (address_equals(&s->clients[k].tuple.client, &b->client)
            && s->clients[k].tcp.snd_isn + 1 == p->seq) {
            i->client = &s->clients[k];
        }
    }
    i->client->infusions++;
    tcp_init(&i->tcp);
    i->tcp.rcv_isn = p->seq - 1;
    i->tcp.snd_isn = p->ack - 1;
    i->news = h->mood != HOST_STALLS;
    socket_packet(s, h, i, frame, p);
}

/* Answers the bundle of a connection that is here, or was, as 'i'. */
static void
host_known(struct sim *s, const struct sim_host *h, unsigned int from,
           const struct infused *i, uint32_t flow_id)
{
    struct migrate_report known = {
        .flow_id = htonl(flow_id),
        .event = MIGRATE_KNOWN,
        .known_as = htonl(i->flow_id),
    };

    if (i->aborted && i->flow_id != flow_id) {
        host_report(s, h, from, flow_id, MIGRATE_REFUSE,
                    MIGRATE_REASON_CLOSED, 0);
    } else if (i->closed) {
        host_report(s, h, from, flow_id, MIGRATE_RELEASE, 0, 0);
    } else if (i->flow_id == flow_id) {
        host_report(s, h, from, flow_id, MIGRATE_CONFIRM, 0,
                    i->tcp.rcv_isn + 1 + i->tcp.rcv_nxt);
    } else {
        host_say(s, h, from, &known);
    }
}

/* The connection of bundle 'b' with packet 'p', under whatever flow ID. */
static struct infused *
host_find(struct sim_host *h, const struct migrate_bundle *b,
          const struct packet *p)
{
    for (size_t k = 0; k < HOST_SOCKETS; k++) {
        struct infused *i = &h->sockets[k];

        if (i->used && i->tcp.rcv_isn == p->seq - 1
            && i->tcp.snd_isn == p->ack - 1
            && address_equals(&i->client->tuple.client, &b->client)) {
            return i;
        }
    }
    return NULL;
}

static void
host_bundle(struct sim *s, struct sim_host *h, unsigned int from,
            const struct migrate_bundle *b)
{
    uint32_t flow_id = ntohl(b->flow_id);
    uint8_t buf[2048];
    struct frame frame = { .data = buf };
    struct packet p;
    struct infused *i;

    memset(buf, 0, ETH_LEN);
    buf[12] = s->v6 ? 0x86 : 0x08;
    buf[13] = s->v6 ? 0xdd : 0x00;
    frame.len = ETH_LEN + ntohs(b->packet_len);
    memcpy(buf + ETH_LEN, b + 1, ntohs(b->packet_len));
    if (frame_parse(&frame, &p) != FRAME_TCP || !frame_csum_ok(&frame, &p)) {
        abort();                /* Under a right seal? */
    }
    i = host_find(h, b, &p);
    if (i) {
        host_known(s, h, from, i, flow_id);
    } else if (s->now - h->peers[from].said > MIGRATE_STALE) {
        return;
    } else if ((int32_t) (flow_id - h->peers[from].floor) < 0) {
        return;                 /* Too old. */
    } else if (host_socket(h, flow_id)) {
        host_report(s, h, from, flow_id, MIGRATE_REFUSE,
                    MIGRATE_REASON_FLOW_ID, 0);
    } else if (h->mood == HOST_REFUSES) {
        host_report(s, h, from, flow_id, MIGRATE_REFUSE,
                    MIGRATE_REASON_NO_LISTENER, 0);
    } else {
        host_infuse(s, h, from, b, &frame, &p);
    }
}

/* Whether 'peer' is the sender of 'header', and said hello not long ago. */
static bool
is_present(const struct sim *s, const struct peer *peer,
           const struct migrate_header *header)
{
    return (header->epoch == peer->epoch
            && s->now - peer->said <= MIGRATE_STALE);
}

/* Takes a hello if it is new, as agent/switches.c does. */
static void
host_hello(struct sim *s, struct sim_host *h, unsigned int from,
           const struct migrate_header *header)
{
    struct peer *peer = &h->peers[from];
    struct migrate_status status = { .epoch = header->epoch };
    uint32_t sequence = ntohl(header->sequence);
    bool present = is_present(s, peer, header);
    struct migrate_hello hello;

    memcpy(&hello, header + 1, sizeof hello);
    if (hello.challenge == CHALLENGE && !present) {
        peer->epoch = header->epoch;
        peer->floor = peer->mark = ntohl(hello.next_flow_id);
        peer->marked = s->now;
        peer->audit = ntohl(hello.next_audit) - 1;
    } else if (hello.challenge != CHALLENGE
               && (!present || (int32_t) (sequence - peer->heard) <= 0)) {
        status.challenge = CHALLENGE;
    }
    if (!status.challenge) {
        if (s->now - peer->marked >= MIGRATE_STALE) {
            peer->floor = peer->mark;
            peer->mark = ntohl(hello.next_flow_id);
            peer->marked = s->now;
        }
        peer->heard = sequence;
        peer->said = s->now;
    }
    for (unsigned int k = 0; k < s->n_switches; k++) {
        if (k != from && s->now - h->peers[k].said < MIGRATE_STALE
            && h->peers[k].epoch) {
            status.others = htonl(1);
        }
    }
    host_send(s, h, from, MIGRATE_STATUS, header->sequence, &status,
              sizeof status, 1);
}

/* Ends the connections that are to be aborted, and the asking switch's. */
static void
host_abort(struct sim *s, struct sim_host *h, unsigned int from,
           const struct migrate_header *header)
{
    struct migrate_abort abort_;
    struct infused *i;

    memcpy(&abort_, header + 1, sizeof abort_);
    i = host_socket(h, ntohl(abort_.flow_id));
    if (i && i->owner == from && !i->closed) {
        i->aborted = true;
        host_end(s, i);
    } else {
        host_report(s, h, from, ntohl(abort_.flow_id), MIGRATE_RELEASE, 0, 0);
    }
}

/* Lists what comes next after the flow ID that is asked for. */
static void
host_audit(struct sim *s, const struct sim_host *h, unsigned int from,
           const struct migrate_header *header)
{
    struct migrate_audit audit;
    struct {
        struct migrate_slice slice;
        struct migrate_mapping rows[SLICE];
    } body = { .slice.last = 1 };
    uint32_t after;
    unsigned int n = 0;

    memcpy(&audit, header + 1, sizeof audit);
    body.slice.after = audit.after;
    after = ntohl(audit.after);
    for (;;) {
        const struct infused *next = NULL;

        for (size_t k = 0; k < HOST_SOCKETS; k++) {
            const struct infused *i = &h->sockets[k];

            if (i->used && !i->aborted && i->flow_id > after
                && (!i->closed || s->now - i->since < MIGRATE_LINGER)
                && (!next || i->flow_id < next->flow_id)) {
                next = i;
            }
        }
        if (!next) {
            break;
        } else if (n == SLICE) {
            body.slice.last = 0;
            break;
        }
        body.rows[n++] = host_mapping(s, next, from);
        after = next->flow_id;
    }
    host_send(s, h, from, MIGRATE_MAPPINGS, header->sequence, &body,
              sizeof body.slice + n * sizeof body.rows[0], n);
}

static void
host_heard(struct peer *peer, const struct migrate_header *header)
{
    struct migrate_news heard;

    memcpy(&heard, header + 1, sizeof heard);
    if (peer->told && be64toh(heard.number) == peer->number) {
        peer->first += peer->n_told;
        peer->told = 0;
    }
}

static void
host_message(struct sim *s, struct sim_host *h, const struct frame *frame,
             const struct packet *p)
{
    uint64_t buffer[MIGRATE_MESSAGE_MAX / 8];
    const struct migrate_header *header = (void *) buffer;
    unsigned int from = 0;
    struct peer *peer;

    memcpy(buffer, frame->data + p->payload, p->payload_len);
    if (!seal_check(&h->keys.keys, &p->src, &p->dst, buffer, p->payload_len)) {
        return;
    }
    while (!address_equals(&s->switches[from].address, &p->src)) {
        from++;
    }
    peer = &h->peers[from];
    if (header->type != MIGRATE_BUNDLE && is_stopped(s, &h->agent_stop)) {
        stop_hold(s, &h->agent_stop, frame->data, frame->len);
        return;
    }
    peer->key_id = header->key_id;
    if (header->type == MIGRATE_HELLO) {
        host_hello(s, h, from, header);
    } else if (header->epoch != peer->epoch) {
        return;
    } else if (header->type == MIGRATE_BUNDLE) {
        host_bundle(s, h, from, (void *) buffer);
    } else if (!is_present(s, peer, header)) {
        return;
    } else if (header->type == MIGRATE_ABORT) {
        host_abort(s, h, from, header);
    } else if (header->type == MIGRATE_AUDIT
               && (int32_t) (ntohl(header->sequence) - peer->audit) > 0) {
        peer->audit = ntohl(header->sequence);
        host_audit(s, h, from, header);
    } else if (header->type == MIGRATE_HEARD) {
        host_heard(peer, header);
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
        arp_build(&arp, arp.target_mac, buf);
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
        nd_build(&nd, frame->data + 6, &h->address, &p->src, buf);
        fly(s, &s->config->host_link, buf, sizeof buf);
    }
}

void
host_frame(struct sim *s, struct sim_host *h, const struct frame *frame,
           enum frame_kind kind, const struct packet *p)
{
    if (h->dead || is_stopped(s, &h->stop)) {
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
        } else if (i && !i->aborted && !(p->flags & SEG_RST)
                   && (!s->config->guarded || is_rest(i, p))) {
            socket_gone(s, h, i, p);
        }
    }
}

/* Dies, returns, or stands still.  Returns whether it does anything else. */
static bool
host_lives(struct sim *s, struct sim_host *h)
{
    if (h->dies && s->now >= h->dies) {
        h->dies = 0;
        host_gone(s, h, true);
        h->dead = true;
    } else if (h->dead && h->returns && s->now >= h->returns) {
        host_reboot(h);
    }
    if (s->now == h->stop.from) {
        host_gone(s, h, false);
    }
    return !h->dead && !is_stopped(s, &h->stop);
}

void
host_run(struct sim *s, struct sim_host *h)
{
    if (!host_lives(s, h)) {
        return;
    }
    keys_run(s, &h->keys);
    if (!is_stopped(s, &h->agent_stop)) {
        agent_run(s, h);
    }
    for (size_t k = 0; k < HOST_SOCKETS; k++) {
        struct infused *i = &h->sockets[k];

        if (!i->used || i->closed) {
            continue;
        }
        if (i->answer_at) {
            server_run(s, h, i);
        }
        if (i->tcp.resend && s->now >= i->tcp.resend) {
            tcp_transmit(s, &i->tcp, &i->client->tuple, false,
                         i->client->mac, h->mac);
        }
    }
}
