/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cookie.h"

#include <endian.h>
#include <string.h>

#define HASH_MASK 0xffffff00u   /* Bits 31..8 of a cookie. */
#define NO_WSCALE 0             /* Index in wscale_table. */

/* RFC 9293 3.7.1 has 536 for hosts that say nothing; the others are what
 * Ethernet, PPPoE, tunnels and jumbo frames lead to. */
static const uint16_t mss_table[8] = {
    536, 1220, 1320, 1360, 1400, 1440, 1460, 8960
};
static const uint8_t wscale_table[8] = {
    NO_WSCALE, 0, 2, 5, 6, 7, 8, 10
};

/* The greatest index whose value is at most 'mss', or the least index. */
static unsigned int
mss_index(uint16_t mss)
{
    unsigned int i = 7;

    while (i > 0 && mss_table[i] > mss) {
        i--;
    }
    return i;
}

static unsigned int
wscale_index(const struct syn_options *options)
{
    unsigned int i = 7;

    if (!options->wscale_ok) {
        return NO_WSCALE;
    }
    while (wscale_table[i] > options->wscale) {     /* Ends at 0. */
        i--;
    }
    return i;
}

/* The secret of 'generation' under 'key'.  No message under a seal is as
 * short as what is hashed here, so none can be asked for a secret. */
static struct siphash_key
derive_secret(const struct siphash_key *key, uint64_t generation)
{
    struct siphash_key secret;

    for (unsigned int i = 0; i < 2; i++) {
        struct siphash h;

        siphash_init(&h, key);
        siphash_word(&h, 0x65696b6f6f63ULL);    /* "cookie". */
        siphash_word(&h, generation);
        siphash_word(&h, i);
        secret.k[i] = siphash_final(&h);
    }
    return secret;
}

static bool
same_keys(const struct keyring *a, const struct keyring *b)
{
    for (unsigned int i = 0; i < a->n && a->n == b->n; i++) {
        if (memcmp(&a->keys[i].key, &b->keys[i].key,
                   sizeof a->keys[i].key)) {
            return false;
        }
    }
    return a->n == b->n;
}

static void
derive_set(struct cookie_set *set, const struct keyring *keys,
           uint64_t generation)
{
    set->n = keys->n;
    for (unsigned int i = 0; i < keys->n; i++) {
        const struct siphash_key *key = &keys->keys[i].key;

        set->secret[i][generation & 1] = derive_secret(key, generation);
        set->secret[i][!(generation & 1)] = derive_secret(key,
                                                          generation - 1);
    }
}

void
cookie_secrets_update(struct cookie_secrets *secrets,
                      const struct keyring *keys, int64_t wall, int64_t now)
{
    uint64_t generation = wall / (COOKIE_LIFETIME * 1000);
    uint64_t passed = generation - secrets->generation;
    bool same = secrets->ready && same_keys(&secrets->keys, keys);

    if (!same || passed > 1) {
        secrets->former = secrets->current;
        secrets->former_until = secrets->updated + 2 * COOKIE_LIFETIME * 1000;
    }
    if (!same || passed) {
        secrets->ready = true;
        secrets->generation = generation;
        secrets->keys = *keys;
        derive_set(&secrets->current, keys, generation);
    }
    secrets->updated = now;
    if (now >= secrets->former_until) {
        secrets->former.n = 0;
    }
}

static uint64_t
address_word(const struct migrate_address *a, size_t ofs)
{
    uint64_t word;

    memcpy(&word, &a->byte[ofs], sizeof word);
    return le64toh(word);
}

/* The hash, under the 'i'th key of 'set', of a connection and of 'low', the
 * low byte of its cookie before that is masked. */
static uint32_t
cookie_hash(const struct cookie_set *set, unsigned int i,
            const struct tuple *t, uint32_t client_isn, uint32_t low)
{
    uint64_t ports = (uint32_t) be16toh(t->client_port) << 16
                     | be16toh(t->service_port);
    struct siphash h;

    siphash_init(&h, &set->secret[i][low & 1]);
    siphash_word(&h, address_word(&t->client, 0));
    siphash_word(&h, address_word(&t->client, 8));
    siphash_word(&h, address_word(&t->service, 0));
    siphash_word(&h, address_word(&t->service, 8));
    siphash_word(&h, ports << 32 | client_isn);
    siphash_word(&h, low);
    return siphash_final(&h);
}

/* The low byte of a cookie is masked with the top byte of its hash, so that
 * ISNs do not all end alike. */
static uint32_t
low_mask(uint32_t hash)
{
    return hash >> 24;
}

uint32_t
cookie_make(const struct cookie_secrets *secrets, const struct tuple *t,
            uint32_t client_isn, const struct syn_options *options)
{
    uint32_t low = mss_index(options->mss) << 5
                   | wscale_index(options) << 2
                   | (options->sack_ok ? 1 << 1 : 0)
                   | (secrets->generation & 1);
    uint32_t hash = cookie_hash(&secrets->current, 0, t, client_isn, low);

    return (hash & HASH_MASK) | (low ^ low_mask(hash));
}

static bool
is_of_set(const struct cookie_set *set, const struct tuple *t,
          uint32_t client_isn, uint32_t isn, uint32_t low)
{
    for (unsigned int i = 0; i < set->n; i++) {
        if (!((cookie_hash(set, i, t, client_isn, low) ^ isn) & HASH_MASK)) {
            return true;
        }
    }
    return false;
}

bool
cookie_check(const struct cookie_secrets *secrets, const struct tuple *t,
             uint32_t client_isn, uint32_t isn, struct syn_options *options)
{
    uint32_t low = (isn & 0xff) ^ low_mask(isn);
    unsigned int wscale = low >> 2 & 7;

    if (!is_of_set(&secrets->current, t, client_isn, isn, low)
        && !is_of_set(&secrets->former, t, client_isn, isn, low)) {
        return false;
    }
    options->mss = mss_table[low >> 5];
    options->wscale_ok = wscale != NO_WSCALE;
    options->wscale = wscale_table[wscale];
    options->sack_ok = low >> 1 & 1;
    return true;
}
