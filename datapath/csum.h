/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CSUM_H
#define CSUM_H 1

/* The Internet checksum (RFC 1071), as sums of 16-bit words in memory order,
 * and its update by difference (RFC 1624). */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "address.h"

/* Adds the 'len' bytes at 'data' to 'sum', which is a sum so far of an even
 * number of bytes. */
static inline uint64_t
csum_add(uint64_t sum, const void *data, size_t len)
{
    const uint8_t *p = data;
    uint32_t word;
    uint16_t half;

    for (; len >= 4; len -= 4, p += 4) {
        memcpy(&word, p, 4);
        sum += word;
    }
    if (len >= 2) {
        memcpy(&half, p, 2);
        sum += half;
        p += 2;
        len -= 2;
    }
    if (len) {
        half = 0;
        memcpy(&half, p, 1);
        sum += half;
    }
    return sum;
}

/* Folds 'sum' into 16 bits. */
static inline uint16_t
csum_fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + ((sum >> 16) & 0xffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

/* Adds the pseudo-header of a packet from 'src' to 'dst' with 'len' bytes of
 * 'protocol'.  The two prefixes of mapped IPv4 addresses add up to a multiple
 * of 0xffff, and so to nothing, which is why one function serves both IPv4
 * (RFC 9293 3.1) and IPv6 (RFC 8200 8.1). */
static inline uint64_t
csum_pseudo(uint64_t sum, const struct migrate_address *src,
            const struct migrate_address *dst, uint8_t protocol, uint32_t len)
{
    uint8_t tail[8] = { len >> 24, len >> 16, len >> 8, len, 0, 0, 0,
                        protocol };

    sum = csum_add(sum, src, sizeof *src);
    sum = csum_add(sum, dst, sizeof *dst);
    return csum_add(sum, tail, sizeof tail);
}

#endif /* csum.h */
