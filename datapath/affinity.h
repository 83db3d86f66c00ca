/* SPDX-License-Identifier: Apache-2.0 */
#ifndef AFFINITY_H
#define AFFINITY_H 1

/* What in a request keeps a client with its host: the value of a cookie that
 * the servers set, or of a header.
 *
 * The first "Cookie" that has the cookie, or the first such header, counts
 * (RFC 6265 5.4 has the most specific cookie first).  An empty value is
 * none. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "request.h"

struct affinity {
    bool cookie;                /* Or a header. */
    char *name;                 /* A header's is in lower case. */
    size_t name_len;
};

/* What is left of a value: hashes by affinity_hash(). */
struct affinity_key {
    bool set;                   /* There is a value. */
    uint64_t value;
    uint64_t route;             /* Of what is behind its first '.', as in
                                 * "SESSION.HOST"; else of all of it. */
};

/* Takes in 'text', "cookie.NAME" or "header.NAME".  Returns NULL, or an error
 * message that the caller frees; either way, 'affinity' needs
 * affinity_uninit(). */
char *affinity_init(struct affinity *, const char *text);

/* Frees what 'affinity', which may be all zeros, holds. */
void affinity_uninit(struct affinity *);

/* Reads 'key' from 'request'. */
void affinity_read(const struct affinity *, const struct request *,
                   struct affinity_key *key);

/* A hash of the 'len' bytes at 's', the same everywhere. */
uint64_t affinity_hash(const char *s, size_t len);

#endif /* affinity.h */
