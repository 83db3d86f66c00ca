/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PACKETS_H
#define PACKETS_H 1

/* Packets of one connection, in IPv4 and IPv6, for tests of the short way
 * through the kernel. */

#include <stddef.h>
#include <stdint.h>

#include "frame.h"
#include "shortcut.h"

#define PACKET_MAX 3400         /* What BPF_PROG_TEST_RUN takes. */

struct bytes {
    uint8_t p[PACKET_MAX];
    size_t n;
};

/* What becomes of the connections; without slots.  They come in at the
 * loopback interface, whose index is 1. */
extern const struct shortcut shortcut4, shortcut6;

/* Makes the packet of the connection of 's' with 'flags' (SEG_*), timestamps
 * and 'size' bytes of data. */
void packet_make(struct bytes *, const struct shortcut *s, uint8_t flags,
                 size_t size);

/* Does to the packet what the engine does.  Returns false if the checksum is
 * wrong then.  'partial': see struct frame. */
bool packet_redirect(struct bytes *, const struct shortcut *, bool partial);

bool bytes_equal(const struct bytes *, const struct bytes *);

/* Opens the programs, once, in a network namespace of their own.  Ends the
 * test, which is skipped, without root. */
void set_up(void);

#endif /* packets.h */
