/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AUDITS_H
#define AUDITS_H 1

/* Answers to AUDIT: what mappings there are, a slice a question.
 *
 * Slices go by flow ID, and the table does not, so the first question of a
 * switch's audit has a list made, which the questions that follow are answered
 * from.  What is in the table all the time between the first question and the
 * last answer is in the list, so whatever is not listed has ended. */

#include <stdbool.h>
#include <stdint.h>

#include "lib/seal.h"
#include "migrator.h"
#include "scan.h"

#define AUDITS_MAX 16               /* Switches that ask at a time. */
#define AUDITS_SLICE 21             /* Mappings a message: fits any MTU. */
#define AUDITS_KEEP 5000            /* ms that a list waits for a question. */
#define AUDITS_INFUSING 100         /* ms that a mapping without a socket is
                                     * given out; see audits.c. */

/* A switch that asks. */
struct audits_asker {
    struct migrate_address from;
    struct migrate_address host;    /* What it calls us. */
    __be32 number;                  /* Of its audit... */
    uint64_t since;                 /* ...whose first question came then, ns:
                                     * an older list will not do. */
    uint64_t asked;                 /* ns: its last question... */
    __be32 sequence;                /* ...the number of that... */
    __u8 key_id;                    /* ...its key... */
    uint32_t after;                 /* ...what it was... */
    bool waits;                     /* ...and whether it is open. */
};

struct audits_entry {
    uint32_t flow_id;
    struct mapping mapping;
};

struct audits {
    struct migrator *m;
    const struct keyring *keyring;
    int fd;
    struct audits_asker askers[AUDITS_MAX];
    size_t n_askers;

    /* The list. */
    struct scan scan;
    bool scanning, complete;
    uint64_t begun;                 /* ns. */
    struct audits_entry *entries;   /* By flow ID, once it is complete. */
    size_t n, allocated;
    uint64_t n_taken;               /* Audits, for people. */
};

void audits_init(struct audits *, int fd, struct migrator *,
                 const struct keyring *);
void audits_destroy(struct audits *);

/* 'from' asks 'host', which is us. */
void audits_ask(struct audits *, const struct migrate_address *from,
                const struct migrate_address *host,
                const struct migrate_header *, const struct migrate_audit *);

/* What the switch 'to' is told of 'm', which is mapping 'flow_id'. */
struct migrate_mapping audits_row(__be32 flow_id, const struct mapping *m,
                                  const struct migrate_address *to);

/* Does a piece of what is to do.  Returns whether there is more. */
bool audits_run(struct audits *);

#endif /* audits.h */
