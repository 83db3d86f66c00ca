/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "seal.h"

#include <arpa/inet.h>

#include "address.h"
#include "fuzz.h"

/* The input is a message as it comes from the network.  It must be taken if
 * and only if it is what seal() would have made of it; and, once sealed, be
 * refused with any bit of it changed (which bit, its first seal decides).
 *
 * "Must be refused" alone would not do: libFuzzer watches comparisons, and
 * with them guesses right seals. */

static struct keyring ring;
static struct migrate_address src, dst;

static void
init(void)
{
    static const __u8 keys[2][MIGRATE_KEY_LEN] = { "current", "previous" };

    seal_key_init(&ring.keys[0], keys[0]);
    seal_key_init(&ring.keys[1], keys[1]);
    ring.n = 2;
    src = address_from_v4(htonl(0x0a0000fe));
    address_parse("2001:db8::1", &dst);
}

/* Whether the header of the 'size' bytes at 'message' describes them. */
static bool
is_whole(const void *message, size_t size)
{
    struct migrate_header header;

    if (size < sizeof header || size % 8) {
        return false;
    }
    memcpy(&header, message, sizeof header);
    return ntohs(header.length) == size && header.version == MIGRATE_VERSION;
}

/* Whether the whole message at 'message' is sealed with key 'i'. */
static bool
is_sealed(const void *message, size_t size, unsigned int i)
{
    struct keyring one = { .keys = { ring.keys[i] }, .n = 1 };
    void *copy = fuzz_copy(message, size);
    bool same;

    seal(&one.keys[0], &src, &dst, copy);
    same = !memcmp(copy, message, size);
    free(copy);
    return same;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *message;
    bool expected;

    if (!ring.n) {
        init();
    }
    message = fuzz_copy(data, size);
    expected = (is_whole(message, size)
                && (is_sealed(message, size, 0)
                    || is_sealed(message, size, 1)));
    FUZZ_CHECK(seal_check(&ring, &src, &dst, message, size) == expected);

    if (is_whole(message, size)) {
        size_t bit = (data[16] << 8 | data[17]) % (8 * size);

        seal(&ring.keys[0], &src, &dst, (void *) message);
        FUZZ_CHECK(seal_check(&ring, &src, &dst, message, size));
        message[bit / 8] ^= 1 << bit % 8;
        FUZZ_CHECK(!seal_check(&ring, &src, &dst, message, size));
    }
    free(message);
    return 0;
}
