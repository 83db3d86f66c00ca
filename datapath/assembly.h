/* SPDX-License-Identifier: Apache-2.0 */
#ifndef ASSEMBLY_H
#define ASSEMBLY_H 1

/* The first bytes of a connection, put in order as segments bring them.
 *
 * Offset 0 is the byte after the SYN.  Bytes that came twice keep their first
 * value, so that what was classified cannot change afterwards. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ASSEMBLY_MAX 32768      /* Bytes held of one connection, and the
                                 * window that is offered to clients. */
#define ASSEMBLY_MAX_RANGES 8   /* Pieces waiting for what is before them. */

struct assembly_range {
    uint32_t from, to;          /* Offsets, 'to' exclusive. */
};

struct assembly {
    char *data;
    uint32_t allocated;         /* Bytes at 'data'. */
    uint32_t len;               /* Bytes in order, from offset 0. */
    struct assembly_range ranges[ASSEMBLY_MAX_RANGES + 1];  /* Ascending,
                                 * apart, beyond 'len'; one is spare. */
    uint32_t n_ranges;
};

void assembly_init(struct assembly *);
void assembly_uninit(struct assembly *);

/* Adds the 'n' bytes at 'data' that belong at offset 'ofs'.  What is beyond
 * ASSEMBLY_MAX is left out.  Returns false, with nothing added, if the
 * pieces would be too many or there is no memory. */
bool assembly_add(struct assembly *, uint32_t ofs, const void *data,
                  uint32_t n);

#endif /* assembly.h */
