/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WRITES_H
#define WRITES_H 1

/* Requests to write that are under way: from when they have been read until
 * they are answered, when they are committed.
 *
 * Several can be at a time.  If another one, of this or another controller, or
 * whoever else writes the database, comes in between so that what a write was
 * based on is no longer so, it is tried again. */

#include <stdbool.h>
#include <stddef.h>

#include "openvswitch/list.h"

struct change;
struct database;
struct http_request;
struct store;

/* Counters since the beginning. */
struct write_statistics {
    unsigned long long int committed;   /* Requests that were. */
    unsigned long long int retried;     /* Transactions that were tried again:
                                         * others changed the same rows, or
                                         * the database went away. */
    unsigned long long int expired;     /* Requests not committed in time. */
    unsigned int pending;               /* Requests that are under way. */
};

struct writes {
    struct ovs_list list;
    struct store *store;
    const struct database *db;
    const char *name;           /* Of the controller, for the log. */
    struct write_statistics statistics;
};

void writes_init(struct writes *, struct store *, const struct database *,
                 const char *name);

/* Answers those that are under way, as "unavailable" if it must. */
void writes_uninit(struct writes *);

void writes_run(struct writes *);
void writes_wait(const struct writes *);

/* Starts to make the 'n' changes, which it takes over, and will answer
 * 'request'.  With 'dry_run', it only tells whether it would. */
void writes_add(struct writes *, struct http_request *request,
                struct change *changes, size_t n, bool dry_run);

#endif /* writes.h */
