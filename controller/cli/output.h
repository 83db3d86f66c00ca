/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H 1

/* What people, or with "-o json" programs, get to see. */

#include <jansson.h>
#include <stdbool.h>

struct kind;

/* Prints 'value' as JSON. */
void output_json(const json_t *value);

/* Prints 'items', an array, as a table. */
void output_table(const struct kind *, const json_t *items);

/* Prints 'item', a line for each field that has a value. */
void output_item(const struct kind *, const json_t *item);

#endif /* output.h */
