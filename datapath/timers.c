/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "timers.h"

#include <stdlib.h>

void
timers_init(struct timers *t)
{
    t->heap = NULL;
    t->n = t->allocated = 0;
}

void
timers_uninit(struct timers *t)
{
    free(t->heap);
}

static void
put(struct timers *t, uint32_t place, struct timer *timer)
{
    t->heap[place] = timer;
    timer->place = place;
}

static void
sift_up(struct timers *t, struct timer *timer, uint32_t place)
{
    while (place > 1 && t->heap[place / 2]->when > timer->when) {
        put(t, place, t->heap[place / 2]);
        place /= 2;
    }
    put(t, place, timer);
}

static void
sift_down(struct timers *t, struct timer *timer, uint32_t place)
{
    for (;;) {
        uint32_t child = 2 * place;

        if (child < t->n && t->heap[child + 1]->when < t->heap[child]->when) {
            child++;
        }
        if (child > t->n || t->heap[child]->when >= timer->when) {
            break;
        }
        put(t, place, t->heap[child]);
        place = child;
    }
    put(t, place, timer);
}

void
timers_set(struct timers *t, struct timer *timer, int64_t when)
{
    int64_t old = timer->when;

    timer->when = when;
    if (timer->place) {
        if (when < old) {
            sift_up(t, timer, timer->place);
        } else {
            sift_down(t, timer, timer->place);
        }
        return;
    }
    if (t->n + 1 >= t->allocated) {
        uint32_t allocated = t->allocated ? 2 * t->allocated : 64;
        struct timer **heap = realloc(t->heap, allocated * sizeof *heap);

        if (!heap) {
            abort();            /* As OVS does when memory is out. */
        }
        t->heap = heap;
        t->allocated = allocated;
    }
    sift_up(t, timer, ++t->n);
}

void
timers_cancel(struct timers *t, struct timer *timer)
{
    uint32_t place = timer->place;
    struct timer *last;

    if (!place) {
        return;
    }
    timer->place = 0;
    last = t->heap[t->n--];
    if (last != timer) {
        if (place > 1 && t->heap[place / 2]->when > last->when) {
            sift_up(t, last, place);
        } else {
            sift_down(t, last, place);
        }
    }
}

int64_t
timers_next(const struct timers *t)
{
    return t->n ? t->heap[1]->when : TIMERS_NEVER;
}

struct timer *
timers_pop(struct timers *t, int64_t now)
{
    struct timer *timer;

    if (timers_next(t) > now) {
        return NULL;
    }
    timer = t->heap[1];
    timers_cancel(t, timer);
    return timer;
}
