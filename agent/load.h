/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOAD_H
#define LOAD_H 1

/* How busy the host is. */

#include <stdint.h>

/* What /proc/stat had, in clock ticks. */
struct load_ticks {
    uint64_t busy, all;
};

/* Percent of the processors' time that was busy since 'previous', which this
 * replaces; -1 if that cannot be told, as the first time, when 'previous' is
 * all zeros. */
int load_cpu(struct load_ticks *previous);

/* Connections that wait in the longest accept queue of this network namespace;
 * -1 if the kernel does not tell. */
int64_t load_accept_queue(void);

#endif /* load.h */
