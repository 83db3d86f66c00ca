/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SHORTCUT_H
#define SHORTCUT_H 1

/* The short way through the switch's kernel, for confirmed connections of
 * placement "kernel": at the port where the client's packets come in, BPF
 * rewrites them and puts them out, and ovs-vswitchd does not wake up.
 *
 * It is a cache of what the datapath did with an earlier packet of the same
 * connection, and leaves to ovs-vswitchd whatever is not just like that one.
 * An entry is good as long as the datapath flows are that the packet has met.
 * For each of these there is a slot, with a number, and entries name two: that
 * of the first flow, which migrates, and that of the last, which outputs.
 * Whoever changes or removes a flow voids its slot.  That costs one write to
 * memory, however many entries name it.  A slot also counts, so that the
 * flow's statistics stay true.
 *
 * There is one for the process.  All functions but shortcut_close() may be
 * called from any thread; with nothing open, they do and find nothing. */

#include <stdbool.h>
#include <stdint.h>

#include "cookie.h"

/* One connection's short way. */
struct shortcut {
    struct tuple tuple;
    uint32_t engine;                    /* 1..256. */
    uint32_t in, out;                   /* Interface indexes. */
    uint8_t eth_dst[6], eth_src[6];     /* That its packets must have... */
    uint8_t new_eth_dst[6], new_eth_src[6]; /* ...and get. */
    struct migrate_address src, dst;    /* New; of the tuple's family. */
    uint32_t flow_id;
    uint32_t first, last;               /* Slots. */
};

/* What went the short way. */
struct shortcut_use {
    uint64_t packets;                   /* What GRO has put together is one. */
    uint64_t bytes;                     /* Ethernet headers included. */
    uint64_t used;                      /* ms, CLOCK_MONOTONIC; 0: never. */
    uint16_t tcp_flags;                 /* All that were seen. */
};

/* Loads the programs and makes the maps, once.  Returns 0 or an errno value,
 * and after a failure the same again until shortcut_close(). */
int shortcut_open(void);

/* Why shortcut_open() failed: a sentence's worth, for people. */
const char *shortcut_error(void);

/* Forgets all connections, slots and failures.  No other thread may be in
 * here. */
void shortcut_close(void);

/* The programs' file descriptors, or -1. */
int shortcut_filter(void);
int shortcut_ingress(void);

/* Gives 'socket', the AF_PACKET socket of the interface 'ifindex', the filter,
 * and the interface the program at ingress.  Returns the link, a file
 * descriptor, which detaches the latter when it is closed, or a negative
 * errno value: then nothing is attached.
 *
 * Whoever closes the link closes the socket, or gives it another filter:
 * this one withholds what nobody takes any more. */
int shortcut_attach(int ifindex, int socket);

/* Adds an entry that is good from now until one of its slots is voided, in
 * place of one for the same tuple, whose counts are lost.  Returns false if
 * the table is full or a slot is not taken. */
bool shortcut_add(const struct shortcut *);

/* Removes the entry of 'tuple' and says what it was used for.  Returns false
 * if there is none. */
bool shortcut_remove(const struct tuple *, struct shortcut_use *);

/* What the entry of 'tuple', void or not, was used for.  Returns false if
 * there is none. */
bool shortcut_find(const struct tuple *, struct shortcut_use *);

/* Takes a slot, with nothing counted.  Returns 0, which is none, if all
 * 65,535 are taken. */
uint32_t shortcut_slot_new(void);

/* From now on, entries with 'slot' that were added before are void. */
void shortcut_slot_void(uint32_t slot);

/* The same, and it may be taken again. */
void shortcut_slot_free(uint32_t slot);

/* Grows whenever 'slot' is taken, voided or freed.  Odd: it is taken. */
uint64_t shortcut_slot_generation(uint32_t slot);

void shortcut_slot_use(uint32_t slot, struct shortcut_use *);

/* All that 'engine' (1..256) had go the short way since it was begun. */
void shortcut_total(uint32_t engine, struct shortcut_use *);
void shortcut_begin(uint32_t engine);

#endif /* shortcut.h */
