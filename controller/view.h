/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VIEW_H
#define VIEW_H 1

/* Requests for lists: their parameters, and the pages of the answer. */

#include <stdbool.h>
#include <stddef.h>

#include "openvswitch/dynamic-string.h"
#include "smap.h"

struct http_request;
struct json;

#define VIEW_LIMIT_DEFAULT 1000
#define VIEW_LIMIT_MAX 10000

struct view {
    const char *path;           /* Such as "paths". */
    size_t limit;
    char *after;                /* Or NULL. */
    struct smap filters;
    struct ds query;            /* As much of it as goes into "next". */
};

/* Reads the parameters of 'request', of which 'filters', which ends with NULL,
 * are to have what items are to have.  Returns false if it has answered;
 * otherwise the caller uses view_uninit(). */
bool view_init(struct view *, const char *path, const char *const *filters,
               struct http_request *request);
void view_uninit(struct view *);

/* Whether the object 'item' has what the filters say. */
bool view_wants(const struct view *, const struct json *item);

/* The answer that has 'items', which it takes over, and, unless 'last' is
 * NULL, goes on after that. */
struct json *view_answer(const struct view *, struct json *items,
                         const char *last);

#endif /* view.h */
