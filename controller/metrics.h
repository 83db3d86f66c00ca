/* SPDX-License-Identifier: Apache-2.0 */
#ifndef METRICS_H
#define METRICS_H 1

/* /metrics: counters and gauges in the text format of Prometheus. */

#include <stdbool.h>

struct write_statistics;
struct store;

/* Returns the text, which the caller frees.  'active' is whether this
 * controller is the active one. */
char *metrics_format(const struct store *, const struct write_statistics *,
                     bool active);

#endif /* metrics.h */
