/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_APPLY_H
#define CLI_APPLY_H 1

/* A whole fabric in a file:
 *
 *     {"hosts": {"h1": {"ip": "10.0.0.11"}, ...}, "pools": {...}, ...}
 *
 * Each resource has an object of its items by name; a single one, such as
 * "fabric", is an object itself. */

#include <stdbool.h>

struct model;

struct apply_options {
    const char *file;           /* "-": standard input. */
    bool dry_run;               /* Only tell what would be done. */
    bool prune;                 /* Delete what is not in the file, of the
                                 * resources that are. */
    bool json;                  /* Print the changes as JSON. */
};

/* Makes what there is be as in the file, all or nothing, and prints what that
 * changes. */
void apply(const struct model *, const struct apply_options *);

/* Prints what there is, in a form that apply() takes. */
void apply_export(const struct model *);

#endif /* apply.h */
