/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANNEL_H
#define CHANNEL_H 1

/* Sealed messages between a switch's engine and the controller, in the frames
 * that come in packet-ins and go out in packet-outs: see messages.h. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "messages.h"

struct keyring;

/* Where a message came from, and its answer is to go. */
struct channel_end {
    uint64_t dpid;              /* Of the switch. */
    struct migrate_address address;     /* Its migration address. */
    uint8_t mac[6];
};

/* A message, as it came.  The header is followed by as many bytes as it
 * says. */
struct channel_message {
    uint64_t buffer[MIGRATE_MESSAGE_MAX / 8];
};

static inline const struct migrate_header *
channel_header(const struct channel_message *m)
{
    return (const struct migrate_header *) m->buffer;
}

/* Whether 'frame' may have a message for the controller. */
bool channel_is_message(const void *frame, size_t len);

/* Takes the message out of 'frame', and fills in 'end' but for 'dpid'.
 * Returns false if it is none, or not sealed with one of 'keys'. */
bool channel_open(const struct keyring *keys, const void *frame, size_t len,
                  struct channel_message *, struct channel_end *end);

/* Builds a frame with a message of 'type' and the 'len' bytes at 'body', of
 * which there must be a multiple of 8, for 'end'.  Returns the frame, and its
 * length in '*frame_len'; the caller frees it. */
void *channel_seal(const struct keyring *keys, const struct channel_end *end,
                   uint8_t type, const void *body, size_t len,
                   size_t *frame_len);

#endif /* channel.h */
