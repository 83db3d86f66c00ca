/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "packets.h"

#include <arpa/inet.h>
#include <string.h>

#include "unit.h"

#define V4(...) { .byte = { [10] = 0xff, 0xff, __VA_ARGS__ } }
#define V6(LAST) { .byte = { 0xfd, [15] = LAST } }

#define COMMON \
    .engine = 1, .in = 1, .out = 7, \
    .eth_dst = { 2, 0, 0, 0, 0, 0xfe }, .eth_src = { 2, 0, 0, 0, 0, 1 }, \
    .new_eth_dst = { 2, 0, 0, 0, 0, 11 }, \
    .new_eth_src = { 2, 1, 2, 3, 4, 5 }, \
    .flow_id = 0xabcd1234

const struct shortcut shortcut4 = {
    COMMON,
    .tuple = {
        .client = V4(192, 0, 2, 77), .service = V4(10, 0, 0, 100),
        .client_port = 0x1234, .service_port = 0x5000,
    },
    .src = V4(10, 0, 0, 254), .dst = V4(10, 0, 0, 11),
};

const struct shortcut shortcut6 = {
    COMMON,
    .tuple = {
        .client = V6(77), .service = V6(100),
        .client_port = 0x1234, .service_port = 0x5000,
    },
    .src = V6(254), .dst = V6(11),
};

void
packet_make(struct bytes *b, const struct shortcut *s, uint8_t flags,
            size_t size)
{
    static const struct tcp_options options = {
        .tstamp_ok = true, .tsval = 12345, .tsecr = 54321,
    };
    uint8_t data[PACKET_MAX];
    struct segment segment = {
        .eth_dst = s->eth_dst, .eth_src = s->eth_src,
        .src = &s->tuple.client, .dst = &s->tuple.service,
        .src_port = s->tuple.client_port, .dst_port = s->tuple.service_port,
        .seq = 1001, .ack = 5001, .window = 512, .flags = flags,
        .options = &options, .payload = data, .payload_len = size,
    };

    for (size_t i = 0; i < size; i++) {
        data[i] = i * 7;
    }
    b->n = segment_build(&segment, b->p);
}

bool
packet_redirect(struct bytes *b, const struct shortcut *s, bool partial)
{
    struct frame frame = {
        .data = b->p, .len = b->n, .csum_partial = partial,
    };
    struct packet packet;

    if (frame_parse(&frame, &packet) != FRAME_TCP) {
        return false;
    }
    frame_redirect(&frame, &packet, s->new_eth_dst, s->new_eth_src, &s->src,
                   &s->dst, htons(flow_id_src_port(s->flow_id)),
                   htons(flow_id_dst_port(s->flow_id)));
    return frame_parse(&frame, &packet) == FRAME_TCP
           && frame_csum_ok(&frame, &packet);
}

bool
bytes_equal(const struct bytes *a, const struct bytes *b)
{
    return a->n == b->n && !memcmp(a->p, b->p, a->n);
}

void
set_up(void)
{
    if (shortcut_filter() >= 0) {
        return;
    }
    unit_own_network();
    if (shortcut_open()) {
        unit_bail_out(shortcut_error());
    }
}
