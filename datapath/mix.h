/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MIX_H
#define MIX_H 1

#include <stdint.h>

/* Another number for each 'x', as good as random: the finalizer of
 * MurmurHash3. */
static inline uint64_t
mix64(uint64_t x)
{
    x = (x ^ x >> 33) * 0xff51afd7ed558ccdULL;
    x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53ULL;
    return x ^ x >> 33;
}

#endif /* mix.h */
