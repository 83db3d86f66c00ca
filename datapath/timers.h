/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TIMERS_H
#define TIMERS_H 1

/* Deadlines in a binary heap: the earliest first. */

#include <stdbool.h>
#include <stdint.h>

/* A deadline; part of what it belongs to.  Zeroed, it is not set. */
struct timer {
    int64_t when;               /* Milliseconds. */
    uint32_t place;             /* In the heap, from 1; 0: not set. */
};

struct timers {
    struct timer **heap;        /* From index 1 on. */
    uint32_t n, allocated;
};

#define TIMERS_NEVER INT64_MAX

void timers_init(struct timers *);
void timers_uninit(struct timers *);

/* Sets 'timer' to 'when', whether it was set or not. */
void timers_set(struct timers *, struct timer *, int64_t when);

/* Takes 'timer' out if it was set. */
void timers_cancel(struct timers *, struct timer *);

/* The earliest deadline, or TIMERS_NEVER. */
int64_t timers_next(const struct timers *);

/* Takes out and returns the earliest timer that is due at 'now', or NULL. */
struct timer *timers_pop(struct timers *, int64_t now);

#endif /* timers.h */
