/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CENSUS_H
#define CENSUS_H 1

/* Lists of the connections that there are, from all switches, and of why they
 * are where they are.
 *
 * Switches are asked one after the other, a message with some connections at a
 * time, as long as the client's page is not full.  So neither a switch nor the
 * controller ever holds a list of all, of which there may be millions. */

#include <stddef.h>
#include <stdint.h>

struct census;
struct decider;
struct fleet;
struct http_request;
struct migrate_header;

struct census *census_create(struct fleet *);

/* Answers what is under way with what there is, and names the switches that
 * were not asked to the end. */
void census_cancel(struct census *);
void census_destroy(struct census *);

/* Handle "GET /v1/connections" and "GET /v1/decisions". */
void census_handle_connections(struct census *, struct http_request *);
void census_handle_decisions(struct census *, const struct decider *,
                             struct http_request *);

/* Takes the LISTING of switch 'dpid' that starts at 'header', which is
 * followed by as much as it says. */
void census_receive(struct census *, uint64_t dpid,
                    const struct migrate_header *header);

void census_run(struct census *);
void census_wait(struct census *);

#endif /* census.h */
