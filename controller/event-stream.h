/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EVENT_STREAM_H
#define EVENT_STREAM_H 1

/* "GET /v1/events" with "Accept: text/event-stream": events as they happen, as
 * Server-Sent Events (WHATWG HTML 9.2).
 *
 * A stream keeps no events, only the number of the last one it has sent: who
 * reads slowly is told when he has caught up, from the database, as long as
 * that has them.  So it goes on after "Last-Event-ID" at any controller. */

#include <stdbool.h>

#include "openvswitch/list.h"

struct http_request;
struct store;

struct event_streams {
    const struct store *store;
    struct ovs_list streams;
    unsigned int n;
    unsigned int seqno;         /* Of the database, that all have seen. */
    bool ending;
};

void event_streams_init(struct event_streams *, const struct store *);

/* Ends all streams; the HTTP servers must run once more. */
void event_streams_end(struct event_streams *);

/* Whether the client wants a stream. */
bool event_streams_wanted(const struct http_request *);

/* Begins one. */
void event_streams_handle(struct event_streams *, struct http_request *);

void event_streams_run(struct event_streams *);
void event_streams_wait(struct event_streams *);

#endif /* event-stream.h */
