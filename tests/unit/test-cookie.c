/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "cookie.h"

#include <arpa/inet.h>
#include <string.h>

#include "unit.h"

#define T0 (1000 * COOKIE_LIFETIME * 1000LL)    /* A generation begins. */
#define LIFETIME (COOKIE_LIFETIME * 1000LL)     /* In milliseconds. */
#define ISN 0x89abcdef

static const struct syn_options plain = { .mss = 1460 };
static struct keyring keys;

/* The keys whose first letters are in 'names', the current one first. */
static struct keyring
keyring(const char *names)
{
    struct keyring ring = { .n = strlen(names) };

    for (unsigned int i = 0; i < ring.n; i++) {
        __u8 bytes[MIGRATE_KEY_LEN] = "? cookie test";

        bytes[0] = names[i];
        seal_key_init(&ring.keys[i], bytes);
    }
    return ring;
}

static struct cookie_secrets
secrets_at(int64_t now)
{
    struct cookie_secrets secrets;

    keys = keyring("A");
    memset(&secrets, 0, sizeof secrets);
    cookie_secrets_update(&secrets, &keys, now, now);
    return secrets;
}

static struct tuple
make_tuple(void)
{
    struct tuple t = {
        .client = address_from_v4(htonl(0x0a000001)),
        .client_port = htons(40000),
        .service_port = htons(80),
    };

    address_parse("2001:db8::100", &t.service);
    return t;
}

static bool
check(const struct cookie_secrets *secrets, const struct tuple *t,
      uint32_t client_isn, uint32_t isn)
{
    struct syn_options out;

    return cookie_check(secrets, t, client_isn, isn, &out);
}

/* The greatest of 'table' that is at most 'value', or its least. */
static unsigned int
round_down(const uint16_t *table, size_t n, unsigned int value)
{
    while (n > 1 && table[n - 1] > value) {
        n--;
    }
    return table[n - 1];
}

static void
test_options(void)
{
    static const uint16_t mss[] = {
        536, 1220, 1320, 1360, 1400, 1440, 1460, 8960
    };
    static const uint16_t wscale[] = { 0, 2, 5, 6, 7, 8, 10 };
    struct cookie_secrets secrets = secrets_at(T0);
    struct tuple t = make_tuple();

    for (unsigned int m = 0; m <= UINT16_MAX; m += m < 10000 ? 1 : 97) {
        for (int w = m % 5 ? m % 15 : -1; w <= 14; w += 4) {
            struct syn_options in = {
                .mss = m,
                .wscale_ok = w >= 0,
                .wscale = w >= 0 ? w : 0,
                .sack_ok = m & 1,
            };
            struct syn_options out;
            uint32_t isn = cookie_make(&secrets, &t, m, &in);

            memset(&out, 0x5a, sizeof out);
            CU_ASSERT_FATAL(cookie_check(&secrets, &t, m, isn, &out));
            CHECK_INT(out.mss, round_down(mss, 8, m));
            CHECK_INT(out.wscale_ok, w >= 0);
            CHECK_INT(out.wscale, w >= 0 ? round_down(wscale, 7, w) : 0);
            CHECK_INT(out.sack_ok, m & 1);
        }
    }
}

/* A cookie is for one connection, one client's ISN and one set of options. */
static void
test_bound(void)
{
    struct cookie_secrets secrets = secrets_at(T0);
    struct tuple t = make_tuple();
    uint32_t isn = cookie_make(&secrets, &t, ISN, &plain);

    CU_ASSERT(check(&secrets, &t, ISN, isn));
    for (size_t bit = 0; bit < 8 * sizeof t; bit++) {
        struct tuple other = t;

        ((__u8 *) &other)[bit / 8] ^= 1 << bit % 8;
        CU_ASSERT(!check(&secrets, &other, ISN, isn));
    }
    for (int bit = 0; bit < 32; bit++) {
        CU_ASSERT(!check(&secrets, &t, ISN ^ 1u << bit, isn));
        CU_ASSERT(!check(&secrets, &t, ISN, isn ^ 1u << bit));
    }
}

/* A guess succeeds once in 2**24. */
static void
test_guesses(void)
{
    struct cookie_secrets secrets = secrets_at(T0);
    struct tuple t = make_tuple();
    unsigned int hits = 0;

    for (int i = 0; i < 10000000; i++) {
        hits += check(&secrets, &t, ISN, unit_random());
    }
    CU_ASSERT(hits <= 4);       /* 0.6 are to be expected. */
}

static void
test_rotation(void)
{
    struct tuple t = make_tuple();
    struct cookie_secrets made = secrets_at(T0);
    uint32_t isn = cookie_make(&made, &t, ISN, &plain);

    for (int64_t age = 0; age < 10 * LIFETIME; age += LIFETIME / 4) {
        struct cookie_secrets fresh = secrets_at(T0 + age);
        struct cookie_secrets kept = made;

        /* It does not matter how a switch came to this time. */
        cookie_secrets_update(&kept, &keys, T0 + age, T0 + age);
        CHECK_INT(check(&fresh, &t, ISN, isn), age < 2 * LIFETIME);
        CHECK_INT(check(&kept, &t, ISN, isn), age < 2 * LIFETIME);
        CHECK_INT(cookie_make(&kept, &t, ISN, &plain),
                  cookie_make(&fresh, &t, ISN, &plain));
    }

    /* What comes is not taken either. */
    made = secrets_at(T0 - 1);
    CU_ASSERT(!check(&made, &t, ISN, isn));
}

/* A zeroed struct is not what a key of zeros gives at time 0. */
static void
test_zero(void)
{
    static const __u8 bytes[MIGRATE_KEY_LEN];
    struct tuple t = make_tuple();
    struct cookie_secrets secrets, zero;
    struct keyring zero_keys = { .n = 1 };

    memset(&zero, 0, sizeof zero);
    secrets = zero;
    seal_key_init(&zero_keys.keys[0], bytes);
    cookie_secrets_update(&secrets, &zero_keys, 0, 0);
    CU_ASSERT(cookie_make(&secrets, &t, ISN, &plain)
              != cookie_make(&zero, &t, ISN, &plain));
}

static void
test_last_moment(void)
{
    struct tuple t = make_tuple();
    struct cookie_secrets secrets = secrets_at(T0 + LIFETIME - 1);
    uint32_t isn = cookie_make(&secrets, &t, ISN, &plain);

    cookie_secrets_update(&secrets, &keys, T0 + LIFETIME,
                          T0 + LIFETIME);
    CU_ASSERT(check(&secrets, &t, ISN, isn));
    CU_ASSERT(cookie_make(&secrets, &t, ISN, &plain) != isn);
    cookie_secrets_update(&secrets, &keys, T0 + 2 * LIFETIME - 1,
                          T0 + 2 * LIFETIME - 1);
    CU_ASSERT(check(&secrets, &t, ISN, isn));
    cookie_secrets_update(&secrets, &keys, T0 + 2 * LIFETIME,
                          T0 + 2 * LIFETIME);
    CU_ASSERT(!check(&secrets, &t, ISN, isn));
}

/* 'secrets', at 'now' under 'names'. */
static void
change_keys(struct cookie_secrets *secrets, const char *names, int64_t now)
{
    struct keyring ring = keyring(names);

    cookie_secrets_update(secrets, &ring, now, now);
}

/* Cookies of another switch, which has 'names', are taken. */
static bool
takes_from(const struct cookie_secrets *secrets, const char *names,
           int64_t now)
{
    struct tuple t = make_tuple();
    struct cookie_secrets other;

    memset(&other, 0, sizeof other);
    change_keys(&other, names, now);
    return check(secrets, &t, ISN, cookie_make(&other, &t, ISN, &plain));
}

/* A change of keys, in any number of steps and whichever switch makes it
 * first, ends no cookie before its time. */
static void
test_keys_change(void)
{
    static const char *const changes[][5] = {
        { "A", "AB", "BA", "B" },
        { "A", "BA", "B" },
        { "A", "B" },
    };

    for (size_t i = 0; i < 3; i++) {
        struct tuple t = make_tuple();
        struct cookie_secrets secrets = secrets_at(T0);
        int64_t now = T0;

        for (size_t step = 1; changes[i][step]; step++) {
            uint32_t isn = cookie_make(&secrets, &t, ISN, &plain);

            change_keys(&secrets, changes[i][step], ++now);
            CU_ASSERT(check(&secrets, &t, ISN, isn));
            for (const char *s = changes[i][step]; *s; s++) {
                CU_ASSERT(takes_from(&secrets, (char [2]) { *s }, now));
            }
            CU_ASSERT(!takes_from(&secrets, "C", now));
            isn = cookie_make(&secrets, &t, ISN, &plain);
            CU_ASSERT(check(&secrets, &t, ISN, isn));
        }
        CU_ASSERT(takes_from(&secrets, "A", now));
        change_keys(&secrets, "B", now + LIFETIME);
        change_keys(&secrets, "B", now + 2 * LIFETIME - 2);
        CU_ASSERT(takes_from(&secrets, "A", T0));
        change_keys(&secrets, "B", now + 2 * LIFETIME);
        CU_ASSERT(!takes_from(&secrets, "A", T0));
        CU_ASSERT(!takes_from(&secrets, "A", now + 2 * LIFETIME));
        CU_ASSERT(takes_from(&secrets, "B", now + 2 * LIFETIME));
    }
}

/* Wherever the clock of the day steps to, cookies are good for as long as
 * ever. */
static void
test_clock_steps(void)
{
    static const int64_t steps[] = {
        -1, -LIFETIME, -2 * LIFETIME, -T0, 2 * LIFETIME, 3 * LIFETIME,
        1000 * LIFETIME
    };

    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct tuple t = make_tuple();
        struct cookie_secrets secrets = secrets_at(T0);
        uint32_t isn = cookie_make(&secrets, &t, ISN, &plain), after;

        cookie_secrets_update(&secrets, &keys, T0 + steps[i], T0 + 1);
        CU_ASSERT(check(&secrets, &t, ISN, isn));
        after = cookie_make(&secrets, &t, ISN, &plain);
        CU_ASSERT(after != isn);
        CU_ASSERT(check(&secrets, &t, ISN, after));
        for (int64_t age = 0; age < LIFETIME; age += LIFETIME / 8) {
            cookie_secrets_update(&secrets, &keys, T0 + steps[i] + age,
                                  T0 + 1 + age);
            CU_ASSERT(check(&secrets, &t, ISN, isn));
            CU_ASSERT(check(&secrets, &t, ISN, after));
        }
        /* It steps back. */
        cookie_secrets_update(&secrets, &keys, T0, T0 + LIFETIME);
        CU_ASSERT(check(&secrets, &t, ISN, isn));
        CU_ASSERT(check(&secrets, &t, ISN, after));
    }
}

/* All 256 low bytes come out about as often, whatever clients ask for. */
static void
test_masked(void)
{
    struct cookie_secrets secrets = secrets_at(T0);
    struct tuple t = make_tuple();
    unsigned int seen[256] = { 0 };

    for (uint32_t i = 0; i < 256 * 100; i++) {
        seen[cookie_make(&secrets, &t, i, &plain) & 0xff]++;
    }
    for (int i = 0; i < 256; i++) {
        CU_ASSERT(seen[i] > 50 && seen[i] < 150);
    }
}

static const struct unit_test tests[] = {
    { "options survive", test_options },
    { "bound to tuple and ISN", test_bound },
    { "guesses are refused", test_guesses },
    { "two generations", test_rotation },
    { "time 0", test_zero },
    { "rotation at the last moment", test_last_moment },
    { "keys change", test_keys_change },
    { "clock steps", test_clock_steps },
    { "low byte is masked", test_masked },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "cookie", tests };
