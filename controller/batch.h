/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BATCH_H
#define BATCH_H 1

/* The body of POST /v1/changes: several changes to be made all or none. */

#include <stddef.h>

struct change;
struct json;
struct problem;

/* The changes that 'body', an object, has, and in '*n' how many there are.
 * The caller frees them.  Returns NULL, and sets the problem, if it is not
 * acceptable. */
struct change *batch_parse(const struct json *body, size_t *n,
                           struct problem *);

/* The schema of the body, for OpenAPI. */
struct json *batch_schema(void);

#endif /* batch.h */
