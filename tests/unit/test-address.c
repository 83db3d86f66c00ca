/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "address.h"

#include <arpa/inet.h>

#include "unit.h"

static void
test_round_trip(void)
{
    static const struct {
        const char *text;
        const char *formatted;
        bool v4;
    } cases[] = {
        { "0.0.0.0", "0.0.0.0", true },
        { "10.0.0.254", "10.0.0.254", true },
        { "255.255.255.255", "255.255.255.255", true },
        { "::ffff:10.0.0.1", "10.0.0.1", true },
        { "::", "::", false },
        { "::1", "::1", false },
        { "2001:DB8:0:0::42", "2001:db8::42", false },
        { "fe80::1", "fe80::1", false },
        { "::fffe:10.0.0.1", "::fffe:a00:1", false },
        { "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
          "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", false },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct migrate_address a;
        char buf[ADDRESS_STRLEN];

        CU_ASSERT(address_parse(cases[i].text, &a));
        CHECK_STR(address_format(&a, buf), cases[i].formatted);
        CHECK_INT(address_is_v4(&a), cases[i].v4);
    }
}

static void
test_bad_text(void)
{
    static const char *cases[] = {
        "", " ", "10.0.0", "10.0.0.256", "10.0.0.1 ", " 10.0.0.1",
        "10.0.0.1/24", "10.0.0.1:80", "[::1]", "::1%lo", ":::", "1::2::3",
        "g::", "1:2:3:4:5:6:7", "localhost", "010.0.0.1.",
    };
    struct migrate_address before, a;

    memset(&before, 0x5a, sizeof before);
    a = before;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        CU_ASSERT(!address_parse(cases[i], &a));
        CU_ASSERT(address_equals(&a, &before));
    }
}

static void
test_v4(void)
{
    static const __u8 bytes[16] = {
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1
    };
    struct migrate_address a = address_from_v4(htonl(0xc0000201));

    CU_ASSERT(!memcmp(a.byte, bytes, sizeof bytes));
    CHECK_INT(ntohl(address_to_v4(&a)), 0xc0000201);
    CU_ASSERT(address_is_v4(&a));

    /* Every byte counts. */
    for (size_t i = 0; i < sizeof a.byte; i++) {
        struct migrate_address b = a;

        CU_ASSERT(address_equals(&a, &b));
        b.byte[i] ^= 0x80;
        CU_ASSERT(!address_equals(&a, &b));
        CHECK_INT(address_is_v4(&b), i >= 12);
    }
}

static const struct unit_test tests[] = {
    { "parse and format", test_round_trip },
    { "refuse what is no address", test_bad_text },
    { "IPv4 in IPv6", test_v4 },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "address", tests };
