/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PATHS_H
#define PATHS_H 1

/* Ways through the fabric, as people see them. */

struct live;
struct json;
struct view;

/* The ways from each switch that migrates to each host, and back, that 'view'
 * wants: an array of as many objects as it takes, by "switch", then by "host".
 * Stores the "name" of the last one in '*last', which the caller frees, if
 * there are more, else NULL. */
struct json *paths_create(const struct live *, const struct view *,
                          char **last);

#endif /* paths.h */
