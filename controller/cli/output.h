/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H 1

/* What people, or with "-o json" programs, get to see. */

#include <jansson.h>
#include <stdbool.h>

struct kind;

/* Prints 'value' as JSON. */
void output_json(const json_t *value);

/* A table, or with 'json' an array, that is printed as its items come. */
struct output {
    const struct kind *kind;
    bool json;
    size_t *widths;             /* Of columns; NULL before the first page. */
    size_t n;                   /* Items that were printed. */
};

void output_begin(struct output *, const struct kind *, bool json);
void output_page(struct output *, const json_t *items);
void output_end(struct output *);

/* Prints 'item', a line for each field, or member of a field, that has a
 * value. */
void output_item(const struct kind *, const json_t *item);

#endif /* output.h */
