/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "world.h"

#include <stdlib.h>
#include <string.h>

void
tcp_init(struct tcp *tcp)
{
    memset(tcp, 0, sizeof *tcp);
    tcp->receive = calloc(1, REQUEST_MAX + 1024);
    tcp->have = calloc(1, REQUEST_MAX + 1024);
}

void
tcp_uninit(struct tcp *tcp)
{
    free(tcp->send);
    free(tcp->receive);
    free(tcp->have);
}

bool
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

void
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

void
tcp_transmit(struct sim *s, struct tcp *tcp, const struct tuple *tuple,
             bool from_client, const uint8_t *eth_dst, const uint8_t *eth_src)
{
    size_t segment_max = from_client ? s->config->segment_max : 1400;
    /* A flight is at most ten segments (RFC 6928), after a timeout one
     * (RFC 6298 5.4). */
    uint32_t cuts[11], n = 0, max = tcp->backoff ? 1 : 10, at = tcp->snd_una;

    while (at < tcp->send_len && n < max) {
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

