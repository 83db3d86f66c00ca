/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef CHECK_H
#define CHECK_H 1

/* The seal on a message: lib/seal.h, where the message is a packet that may be
 * in pieces. */

#include "packet.h"

#define CHUNK 64                    /* Bytes copied and hashed at a time. */

struct check {
    struct siphash h;
    struct __sk_buff *skb;
    __u32 offset;
};

static __always_inline __u64
le64(__u64 x)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return __builtin_bswap64(x);
#else
    return x;
#endif
}

/* Hashes the 'size' bytes at 'p', which is aligned for 4-byte words. */
static __always_inline void
hash_bytes(struct siphash *h, const void *p, __u32 size)
{
    const __u32 *w = p;

#pragma unroll
    for (__u32 i = 0; i < size / 4; i += 2) {
        __u64 word;

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        word = (__u64) w[i] << 32 | w[i + 1];
#else
        word = (__u64) w[i + 1] << 32 | w[i];
#endif
        siphash_word(h, le64(word));
    }
}

static long
check_chunk(__u32 i, void *c_)
{
    struct check *c = c_;
    struct siphash h = c->h;
    __u64 words[CHUNK / 8];

    if (bpf_skb_load_bytes(c->skb, c->offset, words, sizeof words)) {
        return 1;
    }
#pragma unroll
    for (int j = 0; j < CHUNK / 8; j++) {
        siphash_word(&h, le64(words[j]));
    }
    c->h = h;
    c->offset += CHUNK;
    return 0;
}

static long
check_word(__u32 i, void *c_)
{
    struct check *c = c_;
    struct siphash h = c->h;
    __u64 word;

    if (bpf_skb_load_bytes(c->skb, c->offset, &word, sizeof word)) {
        return 1;
    }
    siphash_word(&h, le64(word));
    c->h = h;
    c->offset += sizeof word;
    return 0;
}

static __always_inline __be64
check_seal(struct __sk_buff *skb, const struct packet *p,
           const struct migrate_header *header, const struct fabric_key *key)
{
    __u32 rest = bpf_ntohs(header->length) - sizeof *header;
    struct check c = {
        .skb = skb,
        .offset = p->l4 + sizeof(struct udphdr) + sizeof *header,
    };

    siphash_init(&c.h, &key->key);
    hash_bytes(&c.h, &p->src, sizeof p->src);
    hash_bytes(&c.h, &p->dst, sizeof p->dst);
    hash_bytes(&c.h, header, offsetof(struct migrate_header, mac));
    bpf_loop(rest / CHUNK, check_chunk, &c, 0);
    bpf_loop(rest % CHUNK / 8, check_word, &c, 0);
    return le64(siphash_final(&c.h));
}

/* The first of our keys with 'id'. */
static __always_inline struct fabric_key *
find_key(__u8 id)
{
    for (__u32 i = 0; i < MIGRATOR_KEYS; i++) {
        __u32 index = i;
        struct fabric_key *key = bpf_map_lookup_elem(&keys, &index);

        if (key && key->valid && key->id == id) {
            return key;
        }
    }
    return NULL;
}

/* Whether the message in 'skb', whose length is right, is sealed with one of
 * our keys.  If not, '*why' is the counter for it. */
static __always_inline int
check(struct __sk_buff *skb, const struct packet *p,
      const struct migrate_header *header, enum counter *why)
{
    *why = COUNTER_UNKNOWN_KEY;
    for (__u32 i = 0; i < MIGRATOR_KEYS; i++) {
        __u32 index = i;
        struct fabric_key *key = bpf_map_lookup_elem(&keys, &index);

        if (key && key->valid && key->id == header->key_id) {
            if (check_seal(skb, p, header, key) == header->mac) {
                return 1;
            }
            *why = COUNTER_BAD_SEAL;
        }
    }
    return 0;
}

#endif /* check.h */
