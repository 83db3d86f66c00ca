/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BYTES_H
#define BYTES_H 1

/* What a client sends, in the making. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define BYTES_MAX 65000

struct bytes {
    uint8_t p[BYTES_MAX];
    size_t n;
};

static inline void
put(struct bytes *b, const void *p, size_t n)
{
    if (n > sizeof b->p - b->n) {
        abort();
    }
    if (n) {                    /* memcpy() wants no null pointer. */
        memcpy(b->p + b->n, p, n);
    }
    b->n += n;
}

/* Appends the low 'width' bytes of 'value', in network byte order. */
static inline void
put_int(struct bytes *b, unsigned long int value, size_t width)
{
    while (width--) {
        uint8_t byte = value >> 8 * width;

        put(b, &byte, 1);
    }
}

#endif /* bytes.h */
