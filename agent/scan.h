/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCAN_H
#define SCAN_H 1

/* Goes through the table of mappings a piece at a time, so that the daemon
 * does other things between. */

#include <stdbool.h>

#include "migrator.h"

#define SCAN_PIECE 1024             /* Mappings, at least. */

struct scan {
    uint32_t cursor;                /* The kernel's. */
    bool started, done;
    bool failed;                    /* Not all was seen. */
};

static inline void
scan_start(struct scan *s)
{
    *s = (struct scan) { .done = false };
}

/* Calls 'each' for the next piece of the table, and sets 's->done' if that
 * was the last.  Mappings that come or go meanwhile may be missed. */
void scan_run(struct scan *s, const struct migrator *m,
              void (*each)(__be32 flow_id, const struct mapping *,
                           void *aux), void *aux);

#endif /* scan.h */
