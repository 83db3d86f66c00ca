/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "siphash.h"

#include <endian.h>
#include <string.h>
#include <sodium.h>

#include "unit.h"

#define MAX_WORDS 64

static uint64_t
siphash(const unsigned char key[16], const unsigned char *data, size_t size)
{
    struct siphash_key k;
    struct siphash h;

    memcpy(k.k, key, sizeof k.k);
    k.k[0] = le64toh(k.k[0]);
    k.k[1] = le64toh(k.k[1]);
    siphash_init(&h, &k);
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word;

        memcpy(&word, data + i, sizeof word);
        siphash_word(&h, le64toh(word));
    }
    return siphash_final(&h);
}

/* The vector of 8 bytes in appendix A of the paper's reference code. */
static void
test_reference(void)
{
    static const unsigned char expected[8] = {
        0x62, 0x24, 0x93, 0x9a, 0x79, 0xf5, 0xf5, 0x93
    };
    unsigned char key[16];
    unsigned char data[8];
    uint64_t hash;

    for (int i = 0; i < 16; i++) {
        key[i] = i;
    }
    memcpy(data, key, sizeof data);
    hash = htole64(siphash(key, data, sizeof data));
    CU_ASSERT(!memcmp(&hash, expected, sizeof hash));
}

static void
test_libsodium(void)
{
    for (size_t words = 0; words <= MAX_WORDS; words++) {
        for (int round = 0; round < 50; round++) {
            unsigned char key[crypto_shorthash_KEYBYTES];
            unsigned char data[MAX_WORDS * 8];
            unsigned char expected[crypto_shorthash_BYTES];
            uint64_t hash;

            for (size_t i = 0; i < sizeof key; i++) {
                key[i] = unit_random();
            }
            for (size_t i = 0; i < sizeof data; i++) {
                data[i] = unit_random();
            }
            crypto_shorthash_siphash24(expected, data, words * 8, key);
            hash = htole64(siphash(key, data, words * 8));
            CU_ASSERT(!memcmp(&hash, expected, sizeof hash));
        }
    }
}

static const struct unit_test tests[] = {
    { "reference vector", test_reference },
    { "same as libsodium", test_libsodium },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "siphash", tests };
