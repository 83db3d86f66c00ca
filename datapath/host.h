/* SPDX-License-Identifier: Apache-2.0 */
#ifndef HOST_H
#define HOST_H 1

/* The hosts that a switch sends connections to: what is known of each, and
 * whether it is there.  Owned by the engine and guarded by its caller. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "address.h"

#define HOST_MAX 8192           /* Hosts of one engine. */
#define HOST_BUCKETS 4096       /* Of the hash table of them. */

#define HOST_HELLOS 4           /* A power of 2, above HELLOS_UNANSWERED. */

/* What is asked of a host in audits: see audit.c. */
struct host_audit {
    bool running;
    bool missed;                /* It found more than there is room for. */
    bool complete;              /* One was, since the host has its epoch. */
    uint32_t number;            /* Of the latest. */
    uint8_t done;               /* Of the last complete one, its low byte. */
    uint32_t sequence;          /* Of the last question. */
    uint32_t after;             /* What was asked: what comes after this. */
    int64_t asked;              /* ms: when... */
    int64_t heard;              /* ...and when one was answered, or the first
                                 * was asked. */
    int64_t next;               /* ms: when the next audit is due. */
    int64_t begun;              /* ms: when the latest was... */
    int64_t known;              /* ...and the last complete one that has not
                                 * missed any. */
};

enum host_loss {
    LOSS_NONE,
    LOSS_AWAY,                  /* Not certain: those of other switches may be
                                 * live there yet. */
    LOSS_CERTAIN,               /* It says so itself. */
};

struct host {
    char *name;
    struct migrate_address address;
    uint16_t index;             /* In the engine's host table. */
    struct host *next;          /* With the same hash of 'address'. */
    uint16_t vlan;              /* That it is in; 0: frames are untagged. */
    bool configured;            /* Some pool may name it; false: leaving, kept
                                 * while it has connections. */
    bool mac_known;             /* Whether 'mac' (next hop) was learned. */
    uint8_t mac[6];
    int64_t moved;              /* When frames to it last became others: what
                                 * was placed before goes the old way. */
    bool up;                    /* Answered within MIGRATE_HELLO_TIMEOUT. */
    uint32_t epoch;             /* Of its mappings: another one means that it
                                 * has lost them.  0: not known. */
    int64_t last_heard;         /* Milliseconds. */
    int64_t seen;               /* While it is not up: when it went down, or
                                 * was added, or last told its Ethernet
                                 * address... */
    int64_t next_ask;           /* ...and not asked for that before then. */
    bool lost;                  /* Then it was away for so long that its
                                 * connections are lost. */
    enum host_loss loss;        /* They are to be lost now... */
    uint32_t n_lost;            /* ...and so many were. */
    unsigned int unanswered;    /* Hellos since then. */
    uint32_t asked, answered;   /* Sequence numbers of the last question, and
                                 * of the last that was answered. */
    int64_t said[HOST_HELLOS];  /* ms: when the last questions were sent, by
                                 * sequence number... */
    int64_t taken;              /* ...and the last one that the host took. */
    bool anew;                  /* It has not met this switch yet, since one of
                                 * the two has another epoch. */
    __be64 challenge;           /* What it wants to hear in a hello, to know
                                 * that it is a new one; 0: nothing. */
    uint32_t next_floor;        /* What that hello has said: when it is met,
                                 * this is... */
    uint32_t floor;             /* ...what the host takes no flow IDs from
                                 * before of any more. */
    int64_t renewed;            /* Then it did; 0: never.  What it has not
                                 * confirmed gets others, and it may yet
                                 * confirm the old ones. */
    struct host_audit audit;
    uint64_t news;              /* Number of the last that was taken. */
    uint32_t load;              /* Live connections, as it says itself. */
    uint32_t others;            /* Other switches that it hears of: likewise. */
    uint32_t n_connections;     /* That it has, as far as this engine knows. */
    uint32_t n_standby;         /* Of these, standby: see record.h. */
    uint32_t n_records;         /* Of the engine that name it. */
    uint64_t n_handoffs;        /* Confirmed since the engine began. */
    uint64_t n_refused;
    uint64_t n_silent;          /* Given up without an answer. */
};

/* Whether anything is to be heard of 'host'. */
static inline bool
host_wanted(const struct host *host)
{
    return host->configured || host->n_records;
}

/* 'host' has told its Ethernet address, 'mac'. */
static inline void
host_set_mac(struct host *host, const uint8_t mac[6], int64_t now)
{
    if (host->mac_known && memcmp(host->mac, mac, 6)) {
        host->moved = now;
    }
    memcpy(host->mac, mac, 6);
    host->mac_known = true;
}

/* Whether 'host' may get a new connection. */
static inline bool
host_usable(const struct host *host)
{
    return host->configured && host->up && host->mac_known;
}

#endif /* host.h */
