/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BODY_H
#define BODY_H 1

/* The body of a request that writes. */

#include <stddef.h>

struct json;
struct problem;

/* Parses 'text', 'len' bytes and a null byte: a JSON object (RFC 8259) in
 * UTF-8.  The caller destroys it.  Returns NULL, and sets the problem, if it
 * is anything else. */
struct json *body_parse(const char *text, size_t len, struct problem *);

#endif /* body.h */
