/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PATHS_H
#define PATHS_H 1

/* Ways through the fabric, as people see them. */

struct live;
struct json;

/* The ways from each switch that migrates to each host, and back: an array of
 * objects, by "name". */
struct json *paths_create(const struct live *);

#endif /* paths.h */
