/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MIGRATE_H
#define MIGRATE_H 1

/* The migration engine of one switch.
 *
 * It holds no clock, no socket and no thread: frames and the time go in;
 * verdicts, frames and the next deadline come out.  Whoever drives it calls
 * it from one thread at a time.  Times are milliseconds.
 *
 * How it works is told in docs/design.md. */

#include "counters.h"
#include "frame.h"
#include "migrate-config.h"
#include "record.h"

struct host;
struct migrate;
struct policy;
struct service;

/* The 5-tuple of a confirmed connection and what becomes of its packets, for
 * who does the same: an OpenFlow flow, or the kernel. */
struct migrate_flow {
    enum migrate_placement placement;   /* Not TABLE. */
    struct tuple tuple;
    uint32_t service_id;
    uint32_t flow_id;
    struct migrate_address src;     /* The migration address. */
    struct migrate_address dst;     /* The host. */
    uint8_t eth_dst[6];             /* Of the host... */
    uint8_t eth_src[6];             /* ...and of the switch. */
    uint16_t client_vlan, host_vlan;    /* 0: none. */
};

/* Packets of a connection that who else has it sent on. */
struct migrate_use {
    uint64_t packets;
    uint64_t bytes;             /* Ethernet headers included. */
    uint32_t last;              /* When the last one came: milliseconds, low 32
                                 * bits; if there was one. */
};

struct migrate_ops {
    /* Sends the 'len' bytes at 'frame', which the callee copies, with 'tag'
     * put in. */
    void (*output)(void *aux, const void *frame, size_t len, vlan_tag tag);

    /* Places a connection, unless there are too many: returns whether it did.
     * Either way, the engine's table knows the connection. */
    bool (*place)(void *aux, const struct migrate_flow *);

    /* Takes back what place() did; and what became of it, as far as is known,
     * for who counts that. */
    void (*unplace)(void *aux, const struct migrate_flow *,
                    struct migrate_use *);

    /* What has become of a connection so far that is placed in the kernel. */
    void (*use)(void *aux, const struct tuple *, struct migrate_use *);

    /* Something an operator wants to know: rare, and of hosts, not of
     * packets. */
    void (*log)(void *aux, const char *message);
};

/* Creates an engine with a table of at most 'max_connections', which calls
 * 'ops' with 'aux'.  'seed' is 16 random bytes. */
struct migrate *migrate_create(const struct migrate_ops *ops, void *aux,
                               uint32_t max_connections,
                               const uint8_t seed[16]);
void migrate_destroy(struct migrate *);

/* Makes of a configuration what migrate_apply() takes, which for large pools
 * takes long.  So packets need not wait for it: the thread that configures the
 * engine, or is to create it yet ('migrate' is null), may call this while
 * others use it.  Returns NULL, with an error message that the caller frees in
 * '*error', if the configuration is not right. */
struct policy *migrate_compile(const struct migrate *migrate,
                               const struct migrate_config *, char **error);

/* Replaces the configuration by that of which 'policy' was made, which this
 * takes over.  Connections go on.  Returns NULL, or, with nothing changed, an
 * error message that the caller frees. */
char *migrate_apply(struct migrate *, const struct migrate_config *,
                    struct policy *policy, int64_t now);

/* Both. */
char *migrate_configure(struct migrate *, const struct migrate_config *,
                        int64_t now);

enum migrate_verdict {
    MIGRATE_DROP,               /* Done with the frame. */
    MIGRATE_FORWARD,            /* Send the frame on, as it is now, with the
                                 * tag that it has now. */
};

/* Reads 'n' frames from clients, which migrate_service_frame() is to take next,
 * and begins to look up their connections, all at once, so that each does not
 * wait for memory in its turn.  Of a single frame, migrate_service_frame()
 * does it itself. */
void migrate_lookup(const struct migrate *, struct frame frames[], size_t n);

/* Takes a frame from a client to service 'service_id'. */
enum migrate_verdict migrate_service_frame(struct migrate *,
                                           uint32_t service_id,
                                           struct frame *, int64_t now);

/* Has the connection placed in the kernel whose packets go to 'host' under
 * 'flow_id', if that is what its service wants: the datapath knows now what
 * becomes of them (frame.placeable). */
void migrate_place(struct migrate *, const struct migrate_address *host,
                   uint32_t flow_id, int64_t now);

/* Takes a frame for the switch itself: a message of a host, ARP, neighbor
 * discovery, ICMP.  It goes no further, except in what it was turned into. */
enum migrate_verdict migrate_control_frame(struct migrate *, struct frame *,
                                           int64_t now);

/* Does what is due at 'now'.  'wall' is real time, for the cookies that the
 * switches of a fabric share. */
void migrate_run(struct migrate *, int64_t now, int64_t wall);

/* When migrate_run() is due next. */
int64_t migrate_deadline(const struct migrate *);

/* For people. */
uint64_t migrate_counter(const struct migrate *, enum migrate_counter);
const char *migrate_counter_name(enum migrate_counter);
const char *migrate_counter_text(enum migrate_counter);
const struct host *migrate_next_host(const struct migrate *, size_t *at);
const struct service *migrate_next_service(const struct migrate *,
                                           size_t *at);
const struct record *migrate_next_connection(const struct migrate *,
                                             uint32_t *at);
const struct record *migrate_find_connection(const struct migrate *,
                                             const struct tuple *);
const char *migrate_state_name(const struct record *);

/* The host of 'record', or NULL before one was chosen. */
const struct host *migrate_record_host(const struct migrate *,
                                       const struct record *record);

/* Packets of 'record' that were sent on under its flow ID, by whomever, as far
 * as is known, and when the last one came. */
struct migrate_use migrate_record_use(const struct migrate *,
                                      const struct record *record,
                                      int64_t now);

uint32_t migrate_connection_count(const struct migrate *);

/* Bytes of memory for connections. */
size_t migrate_memory(const struct migrate *);

#endif /* migrate.h */
