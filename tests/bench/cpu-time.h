/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CPU_TIME_H
#define CPU_TIME_H 1

#include <time.h>

/* Processor time that this thread has taken so far, in seconds. */
static inline double
cpu_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

#endif /* cpu-time.h */
