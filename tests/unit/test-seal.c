/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "seal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <sodium.h>

#include "address.h"
#include "guard.h"
#include "unit.h"

static const __u8 bytes1[MIGRATE_KEY_LEN] = "first key .....";
static const __u8 bytes2[MIGRATE_KEY_LEN] = "second key ....";

static struct migrate_address src, dst;

static struct keyring
make_keyring(const __u8 *current, const __u8 *previous)
{
    struct keyring ring = { .n = previous ? 2 : 1 };

    seal_key_init(&ring.keys[0], current);
    if (previous) {
        seal_key_init(&ring.keys[1], previous);
    }
    return ring;
}

/* Fills the 'size' bytes at 'message' and seals them. */
static void
make_message(const struct keyring *ring, void *message, size_t size)
{
    struct migrate_header *h = message;

    for (size_t i = 0; i < size; i++) {
        ((__u8 *) message)[i] = unit_random();
    }
    h->version = MIGRATE_VERSION;
    h->length = htons(size);
    seal(&ring->keys[0], &src, &dst, h);
}

static void
set_up(void)
{
    src = address_from_v4(htonl(0x0a0000fe));
    address_parse("2001:db8::11", &dst);
}

/* Sets the seal of the 'size' bytes at 'message' as messages.h defines it, and
 * touches no other field. */
static void
seal_by_definition(void *message, size_t size)
{
    __u8 input[16 + 16 + 256];
    __u8 *m = message;

    memcpy(input, &src, 16);
    memcpy(input + 16, &dst, 16);
    memcpy(input + 32, m, 16);
    memcpy(input + 48, m + 24, size - 24);
    crypto_shorthash_siphash24(m + 16, input, 32 + size - 8, bytes1);
}

static void
test_definition(void)
{
    struct keyring ring = make_keyring(bytes1, NULL);
    struct migrate_bundle m, copy;
    __u8 id[8];

    set_up();
    make_message(&ring, &m, sizeof m);
    copy = m;
    seal_by_definition(&copy, sizeof copy);
    CHECK_INT(m.header.mac, copy.header.mac);

    crypto_shorthash_siphash24(id, NULL, 0, bytes1);
    CHECK_INT(m.header.key_id, id[0]);
}

/* A right seal does not make up for a wrong header. */
static void
test_header(void)
{
    struct keyring ring = make_keyring(bytes1, NULL);
    struct migrate_bundle m, copy;
    struct guard guard;

    set_up();
    guard_init(&guard, sizeof m);
    make_message(&ring, &m, sizeof m);

    copy = m;
    copy.header.version++;
    seal_by_definition(&copy, sizeof copy);
    CU_ASSERT(!seal_check(&ring, &src, &dst, &copy, sizeof copy));

    copy = m;
    copy.header.key_id++;
    seal_by_definition(&copy, sizeof copy);
    CU_ASSERT(!seal_check(&ring, &src, &dst, &copy, sizeof copy));

    for (size_t length = 0; length <= sizeof m + 16; length++) {
        copy = m;
        copy.header.length = htons(length);
        seal_by_definition(&copy, sizeof copy);
        CHECK_INT(seal_check(&ring, &src, &dst, &copy, sizeof copy),
                  length == sizeof copy);

        /* As long as it says, but not of whole words. */
        if (length % 8 && length <= sizeof m) {
            CU_ASSERT(!seal_check(&ring, &src, &dst,
                                  guard_copy(&guard, &copy, length),
                                  length));
        }
    }
    guard_uninit(&guard);
}

static void
test_every_size(void)
{
    struct keyring ring = make_keyring(bytes1, NULL);
    static __u64 m[MIGRATE_MESSAGE_MAX / 8];
    struct guard guard;

    set_up();
    guard_init(&guard, sizeof m);
    for (size_t size = sizeof(struct migrate_header); size <= sizeof m;
         size += 8) {
        make_message(&ring, m, size);
        CU_ASSERT(seal_check(&ring, &src, &dst,
                             guard_copy(&guard, m, size), size));

        /* Any other size is not this message. */
        for (size_t cut = 1; cut <= 16; cut++) {
            CU_ASSERT(!seal_check(&ring, &src, &dst,
                                  guard_copy(&guard, m, size - cut),
                                  size - cut));
        }
    }
    for (size_t size = 0; size < sizeof(struct migrate_header); size++) {
        CU_ASSERT(!seal_check(&ring, &src, &dst,
                              guard_copy(&guard, m, size), size));
    }
    guard_uninit(&guard);
}

static void
test_every_bit(void)
{
    struct keyring ring = make_keyring(bytes1, bytes2);
    union {
        struct migrate_bundle bundle;
        __u8 byte[256];
    } m;

    set_up();
    make_message(&ring, &m, sizeof m);
    for (size_t bit = 0; bit < 8 * sizeof m; bit++) {
        m.byte[bit / 8] ^= 1 << bit % 8;
        CU_ASSERT(!seal_check(&ring, &src, &dst, &m, sizeof m));
        m.byte[bit / 8] ^= 1 << bit % 8;
    }
    for (size_t bit = 0; bit < 128; bit++) {
        struct migrate_address a = src;
        struct migrate_address b = dst;

        a.byte[bit / 8] ^= 1 << bit % 8;
        b.byte[bit / 8] ^= 1 << bit % 8;
        CU_ASSERT(!seal_check(&ring, &a, &dst, &m, sizeof m));
        CU_ASSERT(!seal_check(&ring, &src, &b, &m, sizeof m));
    }
    CU_ASSERT(!seal_check(&ring, &dst, &src, &m, sizeof m));
    CU_ASSERT(seal_check(&ring, &src, &dst, &m, sizeof m));
}

/* Keys change by steps, without a message lost. */
static void
test_two_keys(void)
{
    struct keyring old = make_keyring(bytes1, NULL);
    struct keyring both = make_keyring(bytes2, bytes1);
    struct keyring new = make_keyring(bytes2, NULL);
    struct migrate_bundle m;

    set_up();
    make_message(&old, &m, sizeof m);
    CU_ASSERT(seal_check(&old, &src, &dst, &m, sizeof m));
    CU_ASSERT(seal_check(&both, &src, &dst, &m, sizeof m));
    CU_ASSERT(!seal_check(&new, &src, &dst, &m, sizeof m));

    make_message(&both, &m, sizeof m);
    CHECK_INT(m.header.key_id, new.keys[0].id);
    CU_ASSERT(!seal_check(&old, &src, &dst, &m, sizeof m));
    CU_ASSERT(seal_check(&both, &src, &dst, &m, sizeof m));
    CU_ASSERT(seal_check(&new, &src, &dst, &m, sizeof m));

    /* Two keys with one id are both tried. */
    both.keys[0].id = both.keys[1].id;
    make_message(&old, &m, sizeof m);
    CU_ASSERT(seal_check(&both, &src, &dst, &m, sizeof m));
}

#define KEY1 "000102030405060708090a0b0c0d0e0f"
#define KEY2 "F0E0D0C0B0A090807060504030201000"

/* Reads a keyring from a file with 'content' and 'mode'.  Checks that the
 * answer is no error if 'expected' is null, else an error that starts with
 * the file's name and has 'expected' in it. */
static struct keyring
check_read(const char *content, mode_t mode, const char *expected)
{
    char name[] = "test-seal.XXXXXX";
    struct keyring ring = { .n = 77 };
    int fd = mkstemp(name);
    char *error;

    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT(write(fd, content, strlen(content)) == strlen(content));
    CU_ASSERT(!fchmod(fd, mode));
    close(fd);

    error = keyring_read(name, &ring);
    if (!expected) {
        CHECK_STR(error ? error : "no error", "no error");
    } else {
        CU_ASSERT(error && !strncmp(error, name, strlen(name)));
        CU_ASSERT(error && strstr(error, expected));
        CHECK_INT(ring.n, 77);
    }
    free(error);
    unlink(name);
    return ring;
}

static const __u8 key1[MIGRATE_KEY_LEN] = {
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
};
static const __u8 key2[MIGRATE_KEY_LEN] = {
    0xf0, 0xe0, 0xd0, 0xc0, 0xb0, 0xa0, 0x90, 0x80,
    0x70, 0x60, 0x50, 0x40, 0x30, 0x20, 0x10, 0x00
};

static void
test_read(void)
{
    static const char *ones[] = {
        KEY1, KEY1 "\n", KEY1 "\r\n", "  " KEY1 " \t\n\n",
        "# current\n\n" KEY1 "\n  # nothing else\n",
    };
    struct keyring expected, ring;

    expected = make_keyring(key1, NULL);
    for (size_t i = 0; i < sizeof ones / sizeof *ones; i++) {
        ring = check_read(ones[i], 0600, NULL);
        CHECK_INT(ring.n, 1);
        CU_ASSERT(!memcmp(&ring.keys[0].key, &expected.keys[0].key, 16));
        CHECK_INT(ring.keys[0].id, expected.keys[0].id);
    }

    expected = make_keyring(key1, key2);
    ring = check_read(KEY1 "\n# previous:\n" KEY2, 0400, NULL);
    CHECK_INT(ring.n, 2);
    CU_ASSERT(!memcmp(&ring.keys[0].key, &expected.keys[0].key, 16));
    CU_ASSERT(!memcmp(&ring.keys[1].key, &expected.keys[1].key, 16));
}

static void
test_read_errors(void)
{
    struct keyring ring;
    char *error;

    check_read("", 0600, "no key");
    check_read("# only a comment\n", 0600, "no key");
    check_read(KEY1 "\n" KEY2 "\n" KEY1 "\n", 0600, ":3: more than 2 keys");
    check_read("\n" KEY1 "0\n", 0600, ":2: a key is 32 hexadecimal");
    check_read("0001020304050607", 0600, ":1: a key is 32 hexadecimal");
    check_read("g" KEY1, 0600, ":1: a key is 32 hexadecimal");
    check_read(KEY1 " " KEY2, 0600, ":1: a key is 32 hexadecimal");
    check_read("0x" KEY1, 0600, ":1: a key is 32 hexadecimal");
    check_read(KEY1, 0640, "chmod 600");
    check_read(KEY1, 0604, "chmod 600");
    check_read(KEY1, 0620, "chmod 600");

    error = keyring_read("no-such-file", &ring);
    CHECK_STR(error, "no-such-file: cannot read key file: "
              "No such file or directory");
    free(error);
}

static void
test_parse(void)
{
    static const char *const bad[] = {
        "", ",", KEY1 "," KEY2 "," KEY1, KEY1 "0", "0001020304050607",
        "x" KEY1, KEY1 ";" KEY2,
    };
    struct keyring expected, ring;

    expected = make_keyring(key1, NULL);
    CU_ASSERT(keyring_parse(KEY1, &ring));
    CHECK_INT(ring.n, 1);
    CU_ASSERT(!memcmp(&ring.keys[0].key, &expected.keys[0].key, 16));

    expected = make_keyring(key1, key2);
    CU_ASSERT(keyring_parse(KEY1 "," KEY2, &ring));
    CHECK_INT(ring.n, 2);
    CU_ASSERT(!memcmp(&ring.keys[0].key, &expected.keys[0].key, 16));
    CU_ASSERT(!memcmp(&ring.keys[1].key, &expected.keys[1].key, 16));

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ring.n = 77;
        CU_ASSERT(!keyring_parse(bad[i], &ring));
        CHECK_INT(ring.n, 77);
    }
}

static const struct unit_test tests[] = {
    { "made as documented", test_definition },
    { "header", test_header },
    { "every size", test_every_size },
    { "every bit flipped is refused", test_every_bit },
    { "two keys", test_two_keys },
    { "read key file", test_read },
    { "refuse bad key files", test_read_errors },
    { "keys in text", test_parse },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "seal", tests };
