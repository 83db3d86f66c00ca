/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "utf8.h"

#include <stdlib.h>

#include "unicode.h"
#include "util.h"

char *
utf8_clean(const char *s, size_t len)
{
    char *copy = xmemdup0(s, len), *error;
    size_t length;

    for (size_t i = 0; i < len; i++) {
        if (!copy[i]) {
            copy[i] = '?';
        }
    }
    error = utf8_validate(copy, &length);
    if (error) {
        free(error);
        for (size_t i = 0; i < len; i++) {
            if (copy[i] & 0x80) {
                copy[i] = '?';
            }
        }
    }
    return copy;
}
