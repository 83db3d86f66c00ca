/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CENSUS_H
#define CENSUS_H 1

/* Lists of the connections that there are, from all switches.
 *
 * Switches are asked one after the other, a message with some connections at a
 * time, as long as the client's page is not full.  So neither a switch nor the
 * controller ever holds a list of all, of which there may be millions. */

#include <stddef.h>
#include <stdint.h>

struct census;
struct fleet;
struct http_request;
struct migrate_header;

struct census *census_create(struct fleet *);

/* Answers what is under way as it is. */
void census_cancel(struct census *);
void census_destroy(struct census *);

/* Handles "GET /v1/connections". */
void census_handle(struct census *, struct http_request *);

/* Takes the LISTING of switch 'dpid' that starts at 'header', which is
 * followed by as much as it says. */
void census_receive(struct census *, uint64_t dpid,
                    const struct migrate_header *header);

void census_run(struct census *);
void census_wait(struct census *);

#endif /* census.h */
