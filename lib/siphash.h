/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0 */
#ifndef SIPHASH_H
#define SIPHASH_H 1

/* SipHash-2-4 with 64 bits of result (Aumasson, Bernstein: "SipHash: a fast
 * short-input PRF", 2012), for inputs of whole 8-byte words.  Header only and
 * without loops inside a word, so that BPF programs compute it too. */

#include <linux/types.h>

struct siphash_key {
    __u64 k[2];                 /* The key's bytes, as little-endian words. */
};

struct siphash {
    __u64 v0, v1, v2, v3;
    __u64 words;                /* Words hashed so far. */
};

#define SIPHASH_ROTL(X, N) (((X) << (N)) | ((X) >> (64 - (N))))

static inline __attribute__((always_inline)) void
siphash_round(struct siphash *h)
{
    h->v0 += h->v1;
    h->v1 = SIPHASH_ROTL(h->v1, 13) ^ h->v0;
    h->v0 = SIPHASH_ROTL(h->v0, 32);
    h->v2 += h->v3;
    h->v3 = SIPHASH_ROTL(h->v3, 16) ^ h->v2;
    h->v0 += h->v3;
    h->v3 = SIPHASH_ROTL(h->v3, 21) ^ h->v0;
    h->v2 += h->v1;
    h->v1 = SIPHASH_ROTL(h->v1, 17) ^ h->v2;
    h->v2 = SIPHASH_ROTL(h->v2, 32);
}

static inline __attribute__((always_inline)) void
siphash_init(struct siphash *h, const struct siphash_key *key)
{
    h->v0 = key->k[0] ^ 0x736f6d6570736575ULL;
    h->v1 = key->k[1] ^ 0x646f72616e646f6dULL;
    h->v2 = key->k[0] ^ 0x6c7967656e657261ULL;
    h->v3 = key->k[1] ^ 0x7465646279746573ULL;
    h->words = 0;
}

/* Hashes 'word', 8 bytes of input read as a little-endian number. */
static inline __attribute__((always_inline)) void
siphash_word(struct siphash *h, __u64 word)
{
    h->v3 ^= word;
    siphash_round(h);
    siphash_round(h);
    h->v0 ^= word;
    h->words++;
}

static inline __attribute__((always_inline)) __u64
siphash_final(struct siphash *h)
{
    __u64 last = (h->words * 8) << 56;

    h->v3 ^= last;
    siphash_round(h);
    siphash_round(h);
    h->v0 ^= last;
    h->v2 ^= 0xff;
    siphash_round(h);
    siphash_round(h);
    siphash_round(h);
    siphash_round(h);
    return h->v0 ^ h->v1 ^ h->v2 ^ h->v3;
}

#endif /* siphash.h */
