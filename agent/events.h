/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EVENTS_H
#define EVENTS_H 1

/* From the programs' events to reports and news for the switches. */

#include "migrator.h"
#include "news.h"
#include "reaper.h"
#include "reports.h"

#define EVENTS_PACE 10              /* ms between two looks, while busy. */
#define EVENTS_QUIET 8              /* Looks in vain before it sleeps. */

struct events {
    struct migrator *m;
    struct reports *reports;
    struct reaper *reaper;
    struct news *news;

    /* CONFIRMs whose sockets are to be looked at, 'n' of them. */
    struct event confirms[MIGRATOR_BATCH];
    uint32_t n;
    unsigned int quiet;             /* Looks in vain in a row. */
};

void events_init(struct events *, struct migrator *, struct reports *,
                 struct reaper *, struct news *);

/* For migrator_open(); 'aux' is the 'struct events'. */
int events_take(void *aux, void *data, size_t size);

/* Takes and reports all events that there are.  Returns how long the caller
 * may wait for the next time, in ms, or -1 until migrator_event_fd() becomes
 * readable. */
int events_run(struct events *);

#endif /* events.h */
