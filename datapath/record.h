/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RECORD_H
#define RECORD_H 1

/* The table of connections that sent data: found by 4-tuple (packets of
 * clients) and by host and flow ID (reports of hosts).
 *
 * Records live in chunks that never move; links between them are indexes of
 * 32 bits, 0 for none.  Both hash tables have their final size from the
 * start, so that no packet ever waits for a rehash. */

#include <stdbool.h>
#include <stdint.h>

#include "cookie.h"
#include "messages.h"

struct pending;

#define SYN_COOKIE_MASK 0xfffff

enum record_state {
    RECORD_FREE,
    RECORD_GATHER,              /* The request is incomplete. */
    RECORD_ASKED,               /* The controller is to say a host. */
    RECORD_DECIDED,             /* Between hosts, for a moment. */
    RECORD_OFFERED,             /* A bundle is under way to a host. */
    RECORD_LIVE,                /* The host confirmed. */
    RECORD_REJECTED,            /* An error response is under way. */
    RECORD_LINGER,              /* The host released it. */
    RECORD_LOST,                /* The host has it no more, and the client is
                                 * to be told. */
};

struct record {
    struct tuple tuple;
    uint32_t flow_id;           /* From OFFERED on. */
    uint32_t next_by_tuple, next_by_flow;   /* Indexes. */
    uint32_t service_id;
    uint32_t isn;               /* The switch's, a cookie. */
    uint32_t touched;           /* When a packet last came, or it was placed,
                                 * or, with a flow, only the latter:
                                 * milliseconds, low 32 bits. */
    uint32_t made;              /* When it began, and again when it became
                                 * LIVE: the same. */
    uint16_t host;              /* Index, from OFFERED on. */
    uint16_t rule_priority;     /* Of the rule that matched. */
    uint8_t state : 4;          /* enum record_state. */
    uint8_t chooser : 2;        /* enum migrate_chooser: of the host. */
    uint8_t wants : 2;          /* enum migrate_placement: its service's. */
    uint8_t audit;              /* The host's last audit that found it. */
    bool syn_seen : 1;          /* The tuple's last SYN was answered with
                                 * another cookie than 'isn': what comes next
                                 * may be a new connection's. */
    uint8_t syn_generation : 2; /* Of that cookie, and... */
    uint8_t placed : 2;         /* enum migrate_placement: what it has. */
    bool told : 1;              /* LOST: the client was, at least once. */
    bool standby : 1;           /* LIVE: another switch handed it over, and
                                 * its client's packets did not come here
                                 * yet. */
    uint8_t rule : 2;           /* enum migrate_rule: whether one matched;
                                 * UNKNOWN: another incarnation of the engine,
                                 * or another switch, selected the pool. */
    uint8_t retargets : 3;      /* Hosts that it was offered before... */
    uint8_t reason : 3;         /* ...and why the last of them has not taken
                                 * it: enum migrate_reason, or NONE. */
    uint32_t syn_cookie : 20;   /* ...its SYN_COOKIE_MASK. */
    uint32_t vlan : 12;         /* That the client is in; 0: none. */
    uint32_t packets;           /* Sent on under the flow ID... */
    uint64_t bytes;             /* ...Ethernet headers included. */
    uint32_t client_seq;        /* What the client sends next, by its last
                                 * packet... */
    uint32_t client_ack;        /* ...and what it expects next... */
    uint8_t client_mac[6];      /* ...and where that came from... */
    bool client_known : 1;      /* ...if one came. */
    bool client_ahead : 1;      /* Others than the engine may have sent on
                                 * packets of the client's since. */
    uint8_t hints : 3;          /* LOST: so many times it was told unasked: see
                                 * lost.c. */
    bool placeable : 1;         /* Wants KERNEL: migrate_place() is to place
                                 * it. */
    uint8_t asked_to_place;     /* When that was set last: seconds, low 8 bits,
                                 * and 0 is never. */
    struct pending *pending;    /* What is needed until the host confirmed;
                                 * NULL in LIVE and LINGER. */
};

/* Whether no host was offered the connection of 'r' yet. */
static inline bool
record_is_ours(const struct record *r)
{
    return r->state == RECORD_GATHER || r->state == RECORD_ASKED;
}

struct record_table;

/* Creates a table for at most 'max' records. */
struct record_table *record_table_create(uint32_t max,
                                         const struct siphash_key *);
void record_table_destroy(struct record_table *);

/* Adds a record for 'tuple', which must not be in the table; all else in it
 * is zero.  Returns NULL if the table is full. */
struct record *record_add(struct record_table *, const struct tuple *);

/* Removes and frees 'record'.  The caller has freed what it points to. */
void record_remove(struct record_table *, struct record *);

struct record *record_find(const struct record_table *, const struct tuple *);

/* The same in two steps, between which others may be taken: the bucket where
 * a record for 'tuple' would be, and the record in it.  Memory that is not in
 * the processor's cache is fetched meanwhile: the bucket after record_bucket(),
 * its first record after record_prefetch(). */
uint32_t record_bucket(const struct record_table *, const struct tuple *);
void record_prefetch(const struct record_table *, uint32_t bucket);
struct record *record_find_in(const struct record_table *, uint32_t bucket,
                              const struct tuple *);

/* A hash of 'tuple' that clients cannot foresee. */
uint32_t record_hash(const struct record_table *, const struct tuple *);

/* Gives 'record' the flow ID 'flow_id' at 'host', in place of what it has. */
void record_set_flow(struct record_table *, struct record *, uint16_t host,
                     uint32_t flow_id);

/* The record that has flow ID 'flow_id' at 'host', or NULL. */
struct record *record_find_flow(const struct record_table *, uint16_t host,
                                uint32_t flow_id);

/* Whether a record has 'flow_id', at whatever host. */
bool record_flow_used(const struct record_table *, uint32_t flow_id);

uint32_t record_count(const struct record_table *);

/* Records that there is memory for. */
uint32_t record_capacity(const struct record_table *);

/* Bytes of memory that the table has taken from the system. */
size_t record_memory(const struct record_table *);

/* Steps through all records in no order: '*at' starts at 0; NULL ends.  The
 * record last returned may be removed between steps. */
struct record *record_next(const struct record_table *, uint32_t *at);

/* The same, but examines at most '*n' places, counting them down, and wraps
 * around: the hand of a clock. */
struct record *record_sweep(const struct record_table *, uint32_t *at,
                            uint32_t *n);

#endif /* record.h */
