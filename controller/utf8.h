/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UTF8_H
#define UTF8_H 1

/* Strings of others, in JSON of ours. */

#include <stddef.h>

/* The 'len' bytes at 's' as a string that may be in JSON: what is not has '?'
 * in its place.  The caller frees it. */
char *utf8_clean(const char *s, size_t len);

#endif /* utf8.h */
