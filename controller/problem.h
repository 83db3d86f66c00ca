/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBLEM_H
#define PROBLEM_H 1

/* Why a request is not carried out: what becomes an "application/problem+json"
 * body (RFC 9457) that names what is wrong, where, and the remedy. */

#include <stdbool.h>

#include "openvswitch/compiler.h"

struct json;

struct problem {
    int status;                 /* HTTP status; 0: there is no problem. */
    char *detail;
    char *remedy;               /* Or NULL. */
    struct json *errors;        /* Or NULL: an array, one for each member. */
};

#define PROBLEM_INITIALIZER { 0, NULL, NULL, NULL }

void problem_uninit(struct problem *);

/* Sets the problem as a whole.  The first one stays. */
void problem_set(struct problem *, int status, const char *remedy,
                 const char *detail, ...) OVS_PRINTF_FORMAT(4, 5);

/* Adds what is wrong with the member of the body at 'pointer' (RFC 6901, such
 * as "/hosts/h1"), with status 422. */
void problem_add(struct problem *, const char *pointer, const char *remedy,
                 const char *detail, ...) OVS_PRINTF_FORMAT(4, 5);

/* The same, with status 409: the member is right in itself, but in the way of
 * something that exists. */
void problem_conflict(struct problem *, const char *pointer,
                      const char *remedy, const char *detail, ...)
    OVS_PRINTF_FORMAT(4, 5);

/* Adds to 'outer' what is in 'inner', the problem of a part of the request:
 * with its members below 'pointer' and 'sub', and all else at 'pointer'. */
void problem_nest(struct problem *outer, const struct problem *inner,
                  const char *pointer, const char *sub);

/* The body.  The caller destroys it. */
struct json *problem_to_json(const struct problem *);

/* What RFC 9110 calls 'status'. */
const char *http_status_phrase(int status);

#endif /* problem.h */
