/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JUDGE_H
#define JUDGE_H 1

/* For targets whose input is the body of a request: whether what the
 * controller takes, and what it refuses, is as /openapi.json says. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json;
struct problem;

/* Whether 'json' is as 'schema' wants it, which has only what those have that
 * the controller makes. */
bool judge_value(const struct json *schema, const struct json *json);

/* Calls 'handle' with what the 'size' bytes at 'data' are as a body, unless
 * they are none. */
void judge_body(const uint8_t *data, size_t size,
                void (*handle)(const struct json *));

/* Checks that 'problem' is a refusal that can be told. */
void judge_problem(const struct problem *);

#endif /* judge.h */
