/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "weights.h"

#include "util.h"

/* Weights are multiplied by this where they are to be fractions. */
#define SCALE 100

/* What is left for a host that is busy to the last: that it gets something
 * shows when that is no longer so. */
#define LOAD_SHARE_MIN 5        /* Percent. */

/* Whether an operator wants the host to get connections. */
static bool
is_wanted(const struct weights_member *m)
{
    return m->weight > 0 && !m->draining;
}

bool
weights_fail_open(const struct weights_member *members, size_t n)
{
    bool any = false;

    for (size_t i = 0; i < n; i++) {
        if (is_wanted(&members[i])) {
            if (members[i].healthy) {
                return false;
            }
            any = true;
        }
    }
    return any;
}

/* Sees to it that only the nearest hosts of 'take' stay there, as long as they
 * are not too busy; then those that are nearest but for them, too, and so
 * on. */
static void
keep_near(int spill, const struct weights_member *members, size_t n,
          bool take[])
{
    bool *near = xcalloc(n, sizeof *near);
    uint64_t reach;
    size_t n_near;
    int load;

    do {
        reach = UINT64_MAX;
        for (size_t i = 0; i < n; i++) {
            if (take[i] && !near[i]) {
                reach = MIN(reach, members[i].distance);
            }
        }
        n_near = load = 0;
        for (size_t i = 0; i < n; i++) {
            near[i] |= take[i] && members[i].distance <= reach;
            if (near[i]) {
                n_near++;
                load += members[i].load;
            }
        }
    } while (reach != UINT64_MAX && load >= spill * (int) n_near);
    for (size_t i = 0; i < n; i++) {
        take[i] &= near[i];
    }
    free(near);
}

/* The share that 'm' gets of its weight, in 1/10000. */
static int
share(const struct weights_options *o, const struct weights_member *m)
{
    int free = MAX(100 - m->load, LOAD_SHARE_MIN);

    return m->ramp * (o->by_load ? free : 100);
}

void
weights_compute(const struct weights_options *o,
                const struct weights_member *members, size_t n,
                int64_t weights[])
{
    bool open = weights_fail_open(members, n);
    bool *take = xcalloc(n, sizeof *take);
    int64_t max = 1, scale = 1;
    bool fractions = false;

    for (size_t i = 0; i < n; i++) {
        const struct weights_member *m = &members[i];

        take[i] = is_wanted(m) && (m->healthy || open) && !m->full;
    }
    if (o->spill) {
        keep_near(o->spill, members, n, take);
    }
    for (size_t i = 0; i < n; i++) {
        if (take[i]) {
            max = MAX(max, members[i].weight);
            fractions |= share(o, &members[i]) != 10000;
        }
    }
    if (fractions) {
        scale = MAX(MIN(SCALE, WEIGHTS_MAX / max), 1);
    }
    for (size_t i = 0; i < n; i++) {
        int64_t w = members[i].weight * scale * share(o, &members[i]) / 10000;

        weights[i] = take[i] ? MAX(w, 1) : 0;
    }
    free(take);
}
