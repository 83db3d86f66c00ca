/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEXT_H
#define TEXT_H 1

/* ASCII text, in which no locale has a say. */

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "xalloc.h"

static inline char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

/* A copy of 's' in lower case. */
static inline char *
xstrlower(const char *s)
{
    char *copy = xasprintf("%s", s);

    for (char *p = copy; *p; p++) {
        *p = lower(*p);
    }
    return copy;
}

/* Whether the 'len' bytes at 's' are those at 'lowered', which is in lower
 * case, but for case. */
static inline bool
equals_nocase(const char *s, const char *lowered, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (lower(s[i]) != lowered[i]) {
            return false;
        }
    }
    return true;
}

/* Whether 's' is a token of HTTP (RFC 9110 5.6.2), as the names of methods,
 * headers and cookies are. */
static inline bool
is_token(const char *s)
{
    static const char tchar[] = "!#$%&'*+-.^_`|~0123456789"
                                "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

    return *s && !s[strspn(s, tchar)];
}

/* Which of the 'n' 'names' is 'name', or the first if none is or 'name' is
 * NULL. */
static inline size_t
name_index(const char *name, const char *const names[], size_t n)
{
    for (size_t i = 0; name && i < n; i++) {
        if (!strcmp(names[i], name)) {
            return i;
        }
    }
    return 0;
}

#endif /* text.h */
