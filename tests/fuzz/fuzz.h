/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FUZZ_H
#define FUZZ_H 1

/* What every fuzz target needs. */

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Called by libFuzzer with one input after the other. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the run, with the input at hand as a finding, unless 'CONDITION'.  Not
 * assert(), which NDEBUG takes away. */
#define FUZZ_CHECK(CONDITION)                                           \
    do {                                                                \
        if (!(CONDITION)) {                                             \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__,  \
                    #CONDITION);                                        \
            abort();                                                    \
        }                                                               \
    } while (0)

/* A copy of the 'size' bytes at 'data' in memory of just that size, so that
 * AddressSanitizer sees whoever reads over its end. */
static inline void *
fuzz_copy(const void *data, size_t size)
{
    void *copy = calloc(1, size);

    FUZZ_CHECK(copy || !size);
    if (size) {
        memcpy(copy, data, size);
    }
    return copy;
}

#endif /* fuzz.h */
