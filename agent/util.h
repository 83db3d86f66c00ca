/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UTIL_H
#define UTIL_H 1

/* What every module of the daemon needs. */

#include <stdint.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "lib/xalloc.h"

#define ARRAY_SIZE(A) (sizeof (A) / sizeof (A)[0])

#define MSEC_PER_SEC 1000
#define NSEC_PER_MSEC 1000000

/* The daemon's exit statuses, explained in its manual page. */
enum {
    EXIT_COMMAND_LINE = 1,
    EXIT_MISSING = 2,               /* The system lacks something. */
    EXIT_RUNNING = 3,               /* Another agent has the run directory. */
    EXIT_LAYOUT = 4,                /* Live maps of another version. */
    EXIT_SYSTEM = 5,                /* A system call failed. */
};

/* CLOCK_MONOTONIC in ns, as bpf_ktime_get_ns(), and in ms. */
static inline uint64_t
time_nsec(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

static inline int64_t
time_msec(void)
{
    return time_nsec() / NSEC_PER_MSEC;
}

/* A random number that nobody can guess. */
static inline uint64_t
random_nonzero(void)
{
    uint64_t x = 0;

    while (!x) {
        if (getrandom(&x, sizeof x, 0) != sizeof x) {
            abort();
        }
    }
    return x;
}

static inline void *
xreallocarray(void *p, size_t n, size_t size)
{
    p = reallocarray(p, n ? n : 1, size);
    if (!p) {
        abort();
    }
    return p;
}

#endif /* util.h */
