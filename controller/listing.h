/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LISTING_H
#define LISTING_H 1

/* Lists of a resource, in the order of their keys, a page at a time. */

#include <stdbool.h>

struct ds;
struct field;
struct http_request;
struct json;
struct problem;
struct resource;
struct store;

#define LISTING_LIMIT_DEFAULT 1000
#define LISTING_LIMIT_MAX 10000

/* The list that the parameters of 'request' ask for: "limit", "after" (a key)
 * and, by name, fields that must have a value.  The caller destroys it.
 * Returns NULL, and sets the problem, if they are not acceptable. */
struct json *listing_create(const struct store *, const struct resource *,
                            struct http_request *request, struct problem *);

/* Whether a list can be asked for that has one value of 'field' only. */
bool listing_filters(const struct field *);

/* Appends 's' to 'ds' as it may be in a query. */
void listing_encode(struct ds *, const char *s);

#endif /* listing.h */
