/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 OR BSD-2-Clause */
#ifndef SHORTCUT_SHARED_H
#define SHORTCUT_SHARED_H 1

/* What the programs in the switch's kernel and shortcut.c share: the layout of
 * the maps, which live as long as ovs-vswitchd does. */

#include "lib/messages.h"

#define SHORTCUT_MAX (1 << 20)          /* Connections. */
#define SHORTCUT_SLOTS 65536            /* The first is never used. */
#define SHORTCUT_ENGINES 257            /* The same. */


/* What went by.  Several processors may count at once. */
struct shortcut_counts {
    __u64 packets;
    __u64 bytes;                /* Ethernet headers included. */
    __u64 used;                 /* CLOCK_MONOTONIC ns; 0: never. */
    __u32 tcp_flags;            /* All that were seen. */
    __u32 pad;
};

/* Maps 'slots', by number, and 'totals', by engine, which has only counts: a
 * cache line each, since each is written for every packet. */
struct shortcut_slot {
    struct shortcut_counts counts;
    __u64 generation;           /* Odd: it is taken.  Never goes back. */
    __u32 next;                 /* Free: the next one, 0 for none. */
    __u32 pad[5];
} __attribute__((aligned(64)));

/* A slot, as it was. */
struct shortcut_ref {
    __u64 generation;
    __u32 slot;
    __u32 pad;
};

/* Map 'connections', by struct tuple. */
struct shortcut_entry {
    struct shortcut_counts counts;
    struct shortcut_ref first, last;    /* It is void unless both are so
                                         * still. */
    __u8 eth[12];               /* Destination and source that must be... */
    __u8 new_eth[12];           /* ...and become. */
    struct migrate_address src, dst;    /* New. */
    __be32 flow_id;             /* Becomes the ports. */
    __u32 in, out;              /* Interface indexes. */
    __u32 engine;
};

_Static_assert(sizeof(struct shortcut_slot) == 64, "layout");
_Static_assert(sizeof(struct shortcut_entry) == 136, "no hole in a value");

#endif /* shortcut-shared.h */
