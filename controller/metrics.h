/* SPDX-License-Identifier: Apache-2.0 */
#ifndef METRICS_H
#define METRICS_H 1

/* /metrics: counters and gauges in the text format of Prometheus. */

struct write_statistics;
struct store;

/* Returns the text, which the caller frees. */
char *metrics_format(const struct store *, const struct write_statistics *);

#endif /* metrics.h */
