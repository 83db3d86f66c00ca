/* SPDX-License-Identifier: Apache-2.0 */
#ifndef INTERN_H
#define INTERN_H 1

/* Values of database columns that many have: kept once.
 *
 * Nobody has to give anything back: what is not used any more is found and
 * forgotten by and by. */

#include <stddef.h>

struct ovsdb_datum;
struct ovsdb_type;

/* Makes '*datum' a copy of the one with the same value that was seen first. */
void intern_datum(struct ovsdb_datum *datum, const struct ovsdb_type *);

/* Makes the strings in '*datum', which nobody else has a copy of, those that
 * were seen first. */
void intern_strings(struct ovsdb_datum *datum, const struct ovsdb_type *);

/* How many values and strings there are. */
size_t intern_count(void);

#endif /* intern.h */
