/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "probe.h"

#include <string.h>

#include "guard.h"
#include "packets.h"
#include "unit.h"
#include "util.h"

static const struct siphash_key key = { { 1, 2 } };
static const struct eth_addr mac = ETH_ADDR_C(02,00,00,00,00,07);
static const struct probe sent = { 0x123456789abcdef0, "leaf1-spine1" };

static void
test_round_trip(void)
{
    uint8_t frame[PROBE_MAX_LEN];
    struct probe probe = { 0, "" };
    size_t len = probe_build(&sent, &key, mac, frame);

    CU_ASSERT(probe_parse(frame, len, &key, &probe));
    CU_ASSERT(probe.dpid == sent.dpid);
    CHECK_STR(probe.port, sent.port);

    /* What follows is padding. */
    CU_ASSERT(probe_parse(frame, len + 1, &key, &probe));
}

/* What anybody who reads LLDP sees. */
static void
test_bytes(void)
{
    static const uint8_t expected[] =
        "\x01\x80\xc2\x00\x00\x0e" "\x02\x00\x00\x00\x00\x07" "\x88\xcc"
        "\x02\x11" "\x07" "123456789abcdef0"
        "\x04\x0d" "\x05" "leaf1-spine1"
        "\x06\x02" "\x00\x0a"
        "\xfe\x0c" "\x02om\x01";
    uint8_t frame[PROBE_MAX_LEN];
    size_t len = probe_build(&sent, &key, mac, frame);

    CHECK_INT(len, sizeof expected - 1 + 8 + 2);
    CU_ASSERT(!memcmp(frame, expected, sizeof expected - 1));
    CU_ASSERT(!memcmp(frame + len - 2, "\0\0", 2));
}

static void
test_longest(void)
{
    struct probe longest = { UINT64_MAX, "fifteen-letters" };
    uint8_t frame[PROBE_MAX_LEN];
    struct probe probe;
    size_t len = probe_build(&longest, &key, mac, frame);

    CU_ASSERT(len <= sizeof frame);
    CU_ASSERT(probe_parse(frame, len, &key, &probe));
    CHECK_STR(probe.port, longest.port);
}

/* Whatever is changed or cut off, it is not believed, and nothing is read
 * beyond the end. */
static void
test_forgeries(void)
{
    static const struct siphash_key other = { { 1, 3 } };
    uint8_t frame[PROBE_MAX_LEN];
    struct probe probe;
    size_t len = probe_build(&sent, &key, mac, frame);
    size_t ttl = ETH_HEADER_LEN + 2 + 17 + 2 + 13 + 2;
    struct guard guard;

    CU_ASSERT(!probe_parse(frame, len, &other, &probe));
    for (size_t i = ETH_HEADER_LEN; i < len - 2; i++) {
        bool is_ttl = i == ttl || i == ttl + 1;

        frame[i] ^= 1;
        CHECK_INT(probe_parse(frame, len, &key, &probe), is_ttl);
        frame[i] ^= 1;
    }
    guard_init(&guard, len);
    for (size_t i = 0; i < len - 2; i++) {
        CU_ASSERT(!probe_parse((uint8_t *) guard_copy(&guard, frame, i), i,
                               &key, &probe));
    }
    guard_uninit(&guard);
}

static const struct unit_test tests[] = {
    { "there and back", test_round_trip },
    { "bytes", test_bytes },
    { "longest", test_longest },
    { "forgeries", test_forgeries },
    { NULL, NULL }
};

const struct unit_suite unit_suite = { "probe", tests };
