/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "weights.h"

#include <CUnit/CUnit.h>
#include <string.h>

#include "unit.h"

#define N 4

static struct weights_options options;
static struct weights_member m[N];
static int64_t w[N];

/* Four hosts that nothing is wrong with. */
static void
setup(void)
{
    memset(&options, 0, sizeof options);
    memset(m, 0, sizeof m);
    for (int i = 0; i < N; i++) {
        m[i].weight = 1;
        m[i].healthy = true;
        m[i].ramp = 100;
    }
}

static bool
weights_are(int64_t a, int64_t b, int64_t c, int64_t d)
{
    int64_t expected[N] = { a, b, c, d };

    weights_compute(&options, m, N, w);
    return !memcmp(w, expected, sizeof w);
}

static void
test_plain(void)
{
    setup();
    CU_ASSERT(weights_are(1, 1, 1, 1));
    m[1].weight = 65535;
    m[2].weight = 0;
    CU_ASSERT(weights_are(1, 65535, 0, 1));
    m[0].draining = true;
    CU_ASSERT(weights_are(0, 65535, 0, 1));
    weights_compute(&options, NULL, 0, NULL);
    CU_ASSERT_FALSE(weights_fail_open(NULL, 0));
}

static void
test_health(void)
{
    setup();
    m[0].healthy = m[1].healthy = false;
    CU_ASSERT(weights_are(0, 0, 1, 1));
    m[2].healthy = false;
    CU_ASSERT(weights_are(0, 0, 0, 1));
    m[3].healthy = false;
    CU_ASSERT(weights_fail_open(m, N));
    CU_ASSERT(weights_are(1, 1, 1, 1));

    /* Who is to get nothing anyway neither prevents that, nor gets any. */
    m[3].healthy = true;
    m[3].weight = 0;
    m[2].draining = true;
    CU_ASSERT(weights_fail_open(m, N));
    CU_ASSERT(weights_are(1, 1, 0, 0));

    /* That others are full is no reason to call a sick host. */
    setup();
    m[0].healthy = false;
    m[1].full = m[2].full = m[3].full = true;
    CU_ASSERT_FALSE(weights_fail_open(m, N));
    CU_ASSERT(weights_are(0, 0, 0, 0));
}

static void
test_full(void)
{
    setup();
    m[0].full = true;
    CU_ASSERT(weights_are(0, 1, 1, 1));
    m[1].full = m[2].full = m[3].full = true;
    CU_ASSERT(weights_are(0, 0, 0, 0));
}

static void
test_load(void)
{
    setup();
    m[0].load = 100;
    m[1].load = 75;
    m[2].load = 50;
    CU_ASSERT(weights_are(1, 1, 1, 1));
    options.by_load = true;
    CU_ASSERT(weights_are(5, 25, 50, 100));
    m[3].weight = 10;
    CU_ASSERT(weights_are(5, 25, 50, 1000));

    /* Large weights stay within what a switch takes, small ones at least 1. */
    m[3].weight = 65535;
    CU_ASSERT(weights_are(1, 1, 1, 65535));
}

static void
test_ramp(void)
{
    setup();
    m[3].ramp = 10;
    CU_ASSERT(weights_are(100, 100, 100, 10));
    options.by_load = true;
    m[3].load = 50;
    CU_ASSERT(weights_are(100, 100, 100, 5));
}

static void
test_locality(void)
{
    setup();
    m[0].distance = 0;
    m[1].distance = m[2].distance = 2;
    m[3].distance = WEIGHTS_FAR;
    CU_ASSERT(weights_are(1, 1, 1, 1));
    options.spill = 80;
    CU_ASSERT(weights_are(1, 0, 0, 0));
    m[0].load = 79;
    CU_ASSERT(weights_are(1, 0, 0, 0));
    m[0].load = 80;
    CU_ASSERT(weights_are(1, 1, 1, 0));

    /* On the average of those that share it. */
    m[0].load = m[1].load = 100;
    CU_ASSERT(weights_are(1, 1, 1, 0));
    m[2].load = 40;
    CU_ASSERT(weights_are(1, 1, 1, 1));

    /* Who gets nothing does not count as near. */
    m[0].healthy = false;
    m[1].full = true;
    CU_ASSERT(weights_are(0, 0, 1, 0));
}

static const struct unit_test tests[] = {
    { "as operators say", test_plain },
    { "health", test_health },
    { "full", test_full },
    { "load", test_load },
    { "slow start", test_ramp },
    { "locality", test_locality },
    { NULL, NULL }
};

const struct unit_suite unit_suite = { "weights", tests };
