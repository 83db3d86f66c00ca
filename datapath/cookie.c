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
siphash_key_equals(const struct siphash_key *a, const struct siphash_key *b)
{
    return a->k[0] == b->k[0] && a->k[1] == b->k[1];
}

void
cookie_secrets_update(struct cookie_secrets *secrets,
                      const struct seal_key *key, int64_t now)
{
    uint64_t generation = now / (COOKIE_LIFETIME * 1000);

    if (secrets->ready && secrets->generation == generation
        && siphash_key_equals(&secrets->fabric, &key->key)) {
        return;
    }
    secrets->ready = true;
    secrets->generation = generation;
    secrets->fabric = key->key;
    secrets->key[generation & 1] = derive_secret(&key->key, generation);
    secrets->key[!(generation & 1)] = derive_secret(&key->key,
                                                    generation - 1);
}

static uint64_t
address_word(const struct migrate_address *a, size_t ofs)
{
    uint64_t word;

    memcpy(&word, &a->byte[ofs], sizeof word);
    return le64toh(word);
}

/* The hash of a connection and of 'low', the low byte of its cookie before
 * that is masked. */
static uint32_t
cookie_hash(const struct cookie_secrets *secrets, const struct tuple *t,
            uint32_t client_isn, uint32_t low)
{
    uint64_t ports = (uint32_t) be16toh(t->client_port) << 16
                     | be16toh(t->service_port);
    struct siphash h;

    siphash_init(&h, &secrets->key[low & 1]);
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
    uint32_t hash = cookie_hash(secrets, t, client_isn, low);

    return (hash & HASH_MASK) | (low ^ low_mask(hash));
}

bool
cookie_check(const struct cookie_secrets *secrets, const struct tuple *t,
             uint32_t client_isn, uint32_t isn, struct syn_options *options)
{
    uint32_t low = (isn & 0xff) ^ low_mask(isn);
    uint32_t hash = cookie_hash(secrets, t, client_isn, low);
    unsigned int wscale = low >> 2 & 7;

    if ((hash ^ isn) & HASH_MASK) {
        return false;
    }
    options->mss = mss_table[low >> 5];
    options->wscale_ok = wscale != NO_WSCALE;
    options->wscale = wscale_table[wscale];
    options->sack_ok = low >> 1 & 1;
    return true;
}
