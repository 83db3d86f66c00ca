/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LISTING_H
#define LISTING_H 1

/* Lists of a resource, in the order of their keys, a page at a time. */

#include <stdbool.h>

struct field;
struct http_request;
struct json;
struct resource;
struct store;

/* The list that the parameters of 'request' ask for: "limit", "after" (a key)
 * and, by name, fields that must have a value.  The caller destroys it.
 * Returns NULL if it has answered, as they are not acceptable. */
struct json *listing_create(const struct store *, const struct resource *,
                            struct http_request *request);

/* Whether a list can be asked for that has one value of 'field' only. */
bool listing_filters(const struct field *);

#endif /* listing.h */
