/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 OR BSD-2-Clause */
#ifndef MIGRATOR_SHARED_H
#define MIGRATOR_SHARED_H 1

/* What the programs and the daemon share: the layout of the maps, which
 * outlive the daemon, and of the ring buffer and the batches, which do not.
 *
 * Whoever changes the layout of a pinned map increments MIGRATOR_LAYOUT, so
 * that a newer daemon does not misread the maps of an older one. */

#include "lib/messages.h"
#include "lib/siphash.h"

#define MIGRATOR_LAYOUT 6
#define MIGRATOR_KEYS 2                 /* SEAL_MAX_KEYS. */
#define MIGRATOR_BATCH 128

/* INFUSING -> ESTABLISHED -> CLOSED; ABORTED comes from either of the first
 * two, REPLACED and FORGOTTEN from any.  Only a compare-and-swap changes it:
 * who wins one to either of the last two may change what map 'tuples' says of
 * the mapping's addresses. */
enum mapping_state {
    MAPPING_INFUSING = 1,       /* Handed to the kernel: no socket seen. */
    MAPPING_ESTABLISHED = 2,    /* A socket has it. */
    MAPPING_CLOSED = 3,         /* The socket is closed.  Its late packets are
                                 * mapped still, for TIME_WAIT to answer. */
    MAPPING_ABORTED = 4,        /* The switch ended it.  Nothing of it may
                                 * reach the client. */
    MAPPING_REPLACED = 5,       /* A newer flow ID has the same addresses. */
    MAPPING_FORGOTTEN = 6,      /* It leaves the maps in this moment. */
};

/* Map 'mappings', by flow ID: what that means here, whichever switch says
 * it. */
struct mapping {
    struct tuple tuple;
    __be32 service_id;
    __u32 state;                /* enum mapping_state. */
    __be32 seq, ack_seq;        /* Of the bundle's packet.  With the tuple
                                 * they say which connection this is. */
    struct migrate_address switch_address; /* Whose bundle it was... */
    struct migrate_address host; /* ...and what it calls us... */
    __be32 epoch;               /* ...in which incarnation. */
    __u64 changed;              /* Made, or closed: CLOCK_MONOTONIC ns. */
    __u32 snd_una, snd_nxt;     /* CLOSED: what the socket's peer may have
                                 * acknowledged in the end.  All there is, if
                                 * nobody saw it close. */
};

/* Map 'refusals': REFUSE promises that the connection will never be infused
 * here, and so does the RELEASE after ABORT, so a duplicate must meet the same
 * answer. */
struct refusal_key {
    struct migrate_address switch_address;
    __be32 flow_id;
};

struct refusal {
    struct tuple tuple;
    __be32 epoch;
    __be32 seq, ack_seq;
    __u8 reason;                /* enum migrate_reason. */
    __u8 any;                   /* Every connection of this flow ID and epoch:
                                 * the switch aborted it unseen. */
    __u8 pad[2];
    __u64 made;                 /* CLOCK_MONOTONIC ns. */
};

/* Map 'switches', by address: who has said a HELLO that was no replay.
 *
 * What a bundle brought is remembered for some seconds after it is over: in
 * its mapping, or as a refusal.  By then 'floor' is past its flow ID: it
 * follows the HELLOs by MIGRATE_STALE to twice that.  So no bundle can be
 * replayed as long as the switch is heard of, and it must be heard of. */
struct switch_peer {
    __u64 heard;                /* Last HELLO: CLOCK_MONOTONIC ns. */
    __u64 marked;               /* The one that 'mark' is from. */
    __be32 epoch;
    __u32 sequence;             /* Of its last HELLO... */
    __u32 audit;                /* ...and AUDIT. */
    __u32 floor;                /* Flow IDs before this are not infused. */
    __u32 mark;                 /* The next floor. */
    __u32 key_id;               /* What it seals with. */
};

/* Map 'services', by address: what the daemon made local.  Egress keeps
 * silent about it. */
struct service {
    __u64 named;                /* Last HELLO that did: CLOCK_MONOTONIC ns. */
    __u32 ours;                 /* The route to it is the daemon's. */
    __u32 pad;
};

/* Map 'keys'. */
struct fabric_key {
    struct siphash_key key;
    __u32 id;
    __u32 valid;
};

/* Map 'config', one entry. */
struct migrator_config {
    __u32 layout;               /* MIGRATOR_LAYOUT. */
    __be32 epoch;               /* This host's: as old as the maps. */
    __be32 own_v4;              /* The interface's own addresses, for ARP */
    struct migrate_address own_v6; /* and ND. */
};

/* Ring buffer 'events'. */
struct event {
    __be32 flow_id;
    __u8 type;                  /* MIGRATE_CONFIRM or MIGRATE_RELEASE. */
    __u8 pad[3];
    struct migrate_address switch_address, host; /* The mapping's... */
    __u64 changed;              /* ...as is this. */
};

/* What the program 'migrator_batch' does to one mapping. */
enum batch_op {
    BATCH_CONFIRM = 1,  /* Read its socket's rcv_nxt. */
    BATCH_ABORT,        /* Make it ABORTED, if it is that switch's. */
    BATCH_REAP,         /* Forget it, if it ended at 'changed'. */
    BATCH_CHECK,        /* Make it agree with the sockets there are. */
};

enum batch_result {
    BATCH_NONE,         /* No such mapping, or nothing to do. */
    BATCH_DONE,
    BATCH_RELEASED,     /* CHECK: it ended unseen, and is forgotten now. */
};

struct batch_entry {
    __be32 flow_id;             /* In. */
    __u32 result;               /* Out: enum batch_result. */
    struct migrate_address switch_address; /* In: ABORT.  Out: others. */
    struct migrate_address host; /* Out. */
    struct tuple tuple;         /* Out: ABORT. */
    __be32 rcv_nxt;             /* Out: CONFIRM. */
    __u64 changed;              /* In: REAP.  Out: others, if it is there. */
};

struct batch {
    __u32 op;                   /* enum batch_op. */
    __u32 n;                    /* 0..MIGRATOR_BATCH. */
    struct batch_entry entries[MIGRATOR_BATCH];
};

_Static_assert(sizeof(struct refusal_key) == 20, "no hole in a key");
_Static_assert(sizeof(struct mapping) == 104, "layout");
_Static_assert(sizeof(struct refusal) == 64, "layout");
_Static_assert(sizeof(struct switch_peer) == 40, "layout");
_Static_assert(sizeof(struct event) == 48, "layout");

#endif /* migrator-shared.h */
