/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GUARD_H
#define GUARD_H 1

/* Memory that ends at a page nobody may touch, so that code that reads over
 * the end of its input crashes instead of passing (as in picohttpparser's
 * tests). */

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guard {
    char *end;                  /* The guard page. */
    size_t size;                /* Bytes before it. */
};

static inline void
guard_init(struct guard *guard, size_t size)
{
    size_t page = sysconf(_SC_PAGESIZE);
    char *base;

    size = (size + page - 1) / page * page;
    base = mmap(NULL, size + page, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || mprotect(base + size, page, PROT_NONE)) {
        abort();
    }
    guard->end = base + size;
    guard->size = size;
}

static inline void
guard_uninit(struct guard *guard)
{
    munmap(guard->end - guard->size, guard->size + sysconf(_SC_PAGESIZE));
}

/* A copy of the 'size' bytes at 'data', right before the guard page.  It is
 * good until the next copy. */
static inline char *
guard_copy(struct guard *guard, const void *data, size_t size)
{
    if (size > guard->size) {
        abort();
    }
    return memcpy(guard->end - size, data, size);
}

#endif /* guard.h */
