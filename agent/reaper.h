/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REAPER_H
#define REAPER_H 1

/* Forgets what is over.  A mapping whose connection ended lingers for
 * MIGRATE_LINGER; those wait in line here, in the order in which they ended,
 * so that none is looked for.  Meanwhile the switch is told once more: else a
 * lost RELEASE would leave a record there until the next audit.
 *
 * Events can get lost: when the ring buffer is full, and while no daemon
 * runs.  So the reaper also checks all mappings against the sockets that
 * there are, at once after a start and then every REAPER_PERIOD. */

#include <stdbool.h>
#include <stdint.h>

#include "migrator.h"
#include "reports.h"
#include "scan.h"

#define REAPER_PERIOD 30000         /* ms */
#define REAPER_PACE 20              /* ms between two pieces of a check, and that
                                     * a mapping lingers too long so that
                                     * several end at once. */

#define REAPER_TELL_AGAIN 1000      /* ms after an end: RELEASEs get lost like
                                     * all else. */
#define REAPER_TELL_PACE 50         /* ms */

struct reaper_entry {
    __be32 flow_id;
    struct migrate_address switch_address, host;
    uint64_t ended;                 /* ns, the mapping's 'changed'. */
};

struct services;
struct switches;

struct reaper {
    struct migrator *m;
    struct reports *reports;
    struct services *services;      /* Told which are used, as are... */
    struct switches *switches;

    /* The line: entries[first] to entries[first + n), modulo 'size'. */
    struct reaper_entry *entries;
    size_t first, n, size;
    size_t n_told;                  /* So many of them were told again. */
    int64_t next_telling;           /* ms */

    struct scan scan;
    bool hurry;                     /* The check after a start. */
    int64_t next_check;             /* ms: next piece of it. */
    uint32_t n_batch;               /* Entries waiting in 'm->batch'. */
    uint64_t n_repaired;            /* Lost ends that were found. */
};

void reaper_init(struct reaper *, struct migrator *, struct reports *,
                 struct services *, struct switches *);
void reaper_destroy(struct reaper *);

/* A mapping ended, as 'event' says. */
void reaper_add(struct reaper *, const struct event *event);

/* Does what is due. */
void reaper_run(struct reaper *);

/* When reaper_run() has something to do next: time_msec(). */
int64_t reaper_deadline(const struct reaper *);

#endif /* reaper.h */
