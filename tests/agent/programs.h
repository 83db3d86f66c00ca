/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROGRAMS_H
#define PROGRAMS_H 1

/* The BPF programs of the agent, loaded but at work nowhere, so that tests can
 * give them one packet at a time.  Needs root. */

#include <stdbool.h>
#include <stdint.h>

#include "bpf/counters-shared.h"
#include "bpf/migrator-shared.h"
#include "agent/bpf/migrator.skel.h"    /* After the types that it uses. */
#include "frame.h"

#define EPOCH 0x11223344            /* The host's. */
#define SWITCH_EPOCH 1
#define FLOW_ID 0xabcd1234

/* Who is who, in IPv4 and IPv6. */
struct cast {
    struct endpoint sw, host, client, service;
};

extern struct migrator_bpf *skel;
extern struct keyring keyring;
extern struct cast cast4, cast6;

/* Loads the programs, once, in a network namespace of their own.  Ends the
 * test, which is skipped, without root. */
void set_up(void);

/* The same, and all switches have just said HELLO. */
void set_up_switches(void);

/* Gives the programs key number 'index', or none. */
void set_key(__u32 index, const struct seal_key *key);

/* The switch of 'c' said HELLO 'silence' ms ago, and flow IDs from 'floor' on
 * are new. */
void say_hello(const struct cast *c, uint32_t epoch, uint32_t floor,
               uint64_t silence);

/* Runs 'prog', or the program for what comes in, on 'in'.  Returns the
 * verdict; the packet is in 'out' then, if that is not NULL. */
int run(const struct bpf_program *prog, const struct frame *in,
        struct frame *out);
int ingress(const struct frame *in, struct frame *out);

uint64_t counter(enum counter c);

/* All of them at once. */
void all_counters(uint64_t counted[N_COUNTERS]);

bool is_empty(const struct bpf_map *map);
void clear(const struct bpf_map *map);

bool frame_equals(const struct frame *a, const struct frame *b);

/* Puts a bundle with a request of 'size' bytes into 'buf', which has room for
 * FRAME_MAX - 100 and is aligned for 8, sealed.  Returns its length. */
size_t make_bundle(const struct cast *c, uint8_t *buf, size_t size);

/* The same in a frame. */
void frame_bundle(const struct cast *c, struct frame *f, size_t size);

/* Makes a mapping of 'c' in 'state'. */
void add_mapping(const struct cast *c, enum mapping_state state);

#endif /* programs.h */
