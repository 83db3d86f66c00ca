/* SPDX-License-Identifier: Apache-2.0 */
#ifndef QUESTION_H
#define QUESTION_H 1

/* A switch's question for the host of a connection, and what the database
 * OVS_Migrate has to say about it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "channel.h"

struct json;
struct ovsdb_idl;
struct switch_weights;

/* A host that may be chosen. */
struct candidate {
    char *name;
    struct migrate_address address;
    int64_t weight;             /* In the switch; not 0. */
};

struct question {
    struct channel_end end;
    struct migrate_decide decide;
    char *sw;                   /* Names of the switch, the service, ... */
    char *service;
    char *webhook;              /* The service's, or NULL. */
    char *pool;                 /* ...and the pool. */
    char *rule;                 /* What it matches. */
    struct candidate *candidates;
    size_t n_candidates;
    struct json *request;       /* Its fields, an object. */
    long long int begun;        /* By time_msec()... */
    long long int wall;         /* ...and since 1970. */
};

/* Reads the DECIDE that starts at 'header', which is followed by as much as it
 * says, of the switch 'sw' at 'end', where hosts have 'weights'.  Returns
 * false if it is malformed, or about a service or pool that the database does
 * not have. */
bool question_init(struct question *, const struct ovsdb_idl *,
                   const struct channel_end *end, const char *sw,
                   const struct switch_weights *weights,
                   const struct migrate_header *header);
void question_uninit(struct question *);

/* The candidate called 'name', or NULL. */
const struct candidate *question_candidate(const struct question *,
                                           const char *name);

/* The question as orchestrators see it.  The caller destroys it. */
struct json *question_to_json(const struct question *);

#endif /* question.h */
