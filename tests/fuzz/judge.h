/* SPDX-License-Identifier: Apache-2.0 */
#ifndef JUDGE_H
#define JUDGE_H 1

/* For targets whose input is the body of a request: whether what the
 * controller takes, and what it refuses, is as /openapi.json says. */

#include <stdbool.h>

struct json;
struct problem;

/* Whether 'json' is as 'schema' wants it, which has only what those have that
 * the controller makes. */
bool judge_value(const struct json *schema, const struct json *json);

/* Checks that 'problem' is a refusal that can be told. */
void judge_problem(const struct problem *);

#endif /* judge.h */
