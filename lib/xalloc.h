/* SPDX-License-Identifier: Apache-2.0 */
#ifndef XALLOC_H
#define XALLOC_H 1

/* Allocation that does not fail, for what an operator configured or is told:
 * without memory for that there is nothing to go on with, and the process
 * ends, as OVS does.  (Where OVS's util.h is included, it has the same.) */

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Zeroed memory for 'n' elements of 'size' bytes; never NULL. */
static inline void *
xcalloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size ? size : 1);

    if (!p) {
        abort();
    }
    return p;
}

/* asprintf().  The caller frees the result. */
static inline char *__attribute__((format(printf, 1, 2)))
xasprintf(const char *format, ...)
{
    va_list args;
    char *s;

    va_start(args, format);
    if (vasprintf(&s, format, args) < 0) {
        abort();
    }
    va_end(args);
    return s;
}

#endif /* xalloc.h */
