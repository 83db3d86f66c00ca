/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LIVE_H
#define LIVE_H 1

/* The part of the REST interface that shows what the database does not have:
 * connections and decisions (census.h), and paths (paths.h).
 *
 * Only the active controller knows that. */

#include <stdbool.h>
#include <stdint.h>

struct census;
struct decider;
struct fabric;
struct fabric_routes;
struct fleet;
struct http_request;
struct migrate_header;
struct topology;

/* Where it is known from, while this controller is the active one. */
struct live {
    bool active;
    const struct fleet *fleet;
    const struct topology *topology;
    const struct fabric *fabric;
    const struct fabric_routes *routes;
    const struct decider *decider;
    struct census *census;
};

/* Handles a request, to read, for 'path', without "/v1/", for which
 * live_has() is true. */
void live_handle(const struct live *, struct http_request *,
                 const char *path);

/* Whether there is such a path. */
bool live_has(const char *path);

#endif /* live.h */
