/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_API_H
#define CLI_API_H 1

/* Requests to the controller's REST interface. */

#include <jansson.h>
#include <stdbool.h>

/* From now on requests go to the controllers at 'urls', one or more separated
 * by commas, with 'token', and trust the PEM file 'ca_file', or what the
 * system trusts.  Both may be NULL. */
void api_init(const char *urls, const char *token, const char *ca_file);

/* Sends a request with 'body', or none if it is NULL, and 'header', a whole
 * line, or NULL.  Of several controllers the first one that can be reached,
 * and can reach its database, gets it.  Returns what it answers, null if that
 * is nothing; the caller gives up its reference.
 *
 * Unless the request succeeds, tells why and ends the program. */
json_t *api_request(const char *method, const char *path, const json_t *body,
                    const char *header);

/* All items of the resource with 'path', such as "hosts", that have the fields
 * of 'filter', a part of a query, or "": an array. */
json_t *api_list(const char *path, const char *filter);

/* The same, a page at a time, for what may be more than memory holds: calls
 * 'cb' with 'aux' and each array, at least once.  Returns whether those are
 * all: if switches did not answer, tells which. */
bool api_pages(const char *path, const char *filter,
               void (*cb)(void *aux, const json_t *items), void *aux);

/* Follows events, from the next one on, or, if 'after' is not negative, from
 * the one after that number: calls 'cb' with each.  Returns when the controller
 * has ended the stream, or cannot be reached; ends the program if it refuses.
 * Stores the number of the last event in '*after'. */
void api_follow(json_int_t *after, void (*cb)(const json_t *event));

#endif /* api.h */
