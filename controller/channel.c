/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "channel.h"

#include <arpa/inet.h>
#include <string.h>

#include "frame.h"
#include "seal.h"
#include "util.h"

/* Finds the UDP packet for the controller in 'frame'. */
static bool
parse(const void *frame_, size_t len, struct packet *p, struct frame *frame)
{
    *frame = (struct frame) {
        .data = CONST_CAST(uint8_t *, (const uint8_t *) frame_), .len = len,
    };
    return (frame_parse(frame, p) == FRAME_UDP
            && p->dst_port == htons(MIGRATE_CONTROLLER_PORT)
            && address_equals(&p->src, &p->dst));
}

bool
channel_is_message(const void *frame_, size_t len)
{
    struct frame frame;
    struct packet p;

    return parse(frame_, len, &p, &frame);
}

bool
channel_open(const struct keyring *keys, const void *frame_, size_t len,
             struct channel_message *m, struct channel_end *end)
{
    struct frame frame;
    struct packet p;

    if (!parse(frame_, len, &p, &frame) || !frame_csum_ok(&frame, &p)
        || p.payload_len > sizeof m->buffer) {
        return false;
    }
    memcpy(m->buffer, frame.data + p.payload, p.payload_len);
    if (!seal_check(keys, &p.src, &p.dst, m->buffer, p.payload_len)) {
        return false;
    }
    end->address = p.src;
    memcpy(end->mac, frame.data + 6, 6);
    return true;
}

void *
channel_seal(const struct keyring *keys, const struct channel_end *end,
             uint8_t type, const void *body, size_t len, size_t *frame_len)
{
    struct migrate_header header = {
        .version = MIGRATE_VERSION,
        .type = type,
        .length = htons(sizeof header + len),
        .epoch = htonl(1),
    };
    struct channel_message m;
    uint8_t *frame = xmalloc(udp_overhead(&end->address) + sizeof header
                             + len);

    ovs_assert(sizeof header + len <= sizeof m.buffer);
    memcpy(m.buffer, &header, sizeof header);
    memcpy((uint8_t *) m.buffer + sizeof header, body, len);
    seal(&keys->keys[0], &end->address, &end->address, (void *) m.buffer);
    memcpy(frame + udp_overhead(&end->address), m.buffer,
           sizeof header + len);
    *frame_len = udp_build(frame, sizeof header + len, end->mac, end->mac,
                           &end->address, &end->address, MIGRATE_PORT);
    return frame;
}
