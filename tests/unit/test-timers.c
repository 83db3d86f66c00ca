/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "timers.h"

#include <string.h>

#include "unit.h"

#define N 300

/* The obvious way: an array to look through. */
static struct timer timers[N];
static int64_t when[N];             /* TIMERS_NEVER: not set. */

static int64_t
earliest(void)
{
    int64_t min = TIMERS_NEVER;

    for (int i = 0; i < N; i++) {
        min = when[i] < min ? when[i] : min;
    }
    return min;
}

static void
reset(void)
{
    memset(timers, 0, sizeof timers);
    for (int i = 0; i < N; i++) {
        when[i] = TIMERS_NEVER;
    }
}

/* Each timer is where it says it is, and none before the one above it. */
static void
check_heap(const struct timers *t)
{
    uint32_t n = 0;

    for (int i = 0; i < N; i++) {
        CHECK_INT(timers[i].place != 0, when[i] != TIMERS_NEVER);
        if (timers[i].place) {
            n++;
            CU_ASSERT(t->heap[timers[i].place] == &timers[i]);
            CHECK_INT(timers[i].when, when[i]);
            CU_ASSERT(timers[i].place == 1
                      || t->heap[timers[i].place / 2]->when <= when[i]);
        }
    }
    CHECK_INT(t->n, n);
}

static void
test_random(void)
{
    struct timers t;

    timers_init(&t);
    reset();
    for (int step = 0; step < 60000; step++) {
        int i = unit_random() % N;
        struct timer *due;
        int64_t now;

        switch (unit_random() % 5) {
        case 0:
            timers_cancel(&t, &timers[i]);      /* Whether set or not. */
            when[i] = TIMERS_NEVER;
            break;
        case 1:
            now = (int64_t) (unit_random() % 1200) - 100;
            due = timers_pop(&t, now);
            if (earliest() > now) {
                CU_ASSERT(!due);
            } else {
                CU_ASSERT_FATAL(due != NULL);
                CHECK_INT(when[due - timers], earliest());
                when[due - timers] = TIMERS_NEVER;
            }
            break;
        default:
            when[i] = unit_random() % 1000;
            timers_set(&t, &timers[i], when[i]);
            break;
        }
        CHECK_INT(timers_next(&t), earliest());
        if (step % 64 == 0) {
            check_heap(&t);
        }
    }
    check_heap(&t);
    timers_uninit(&t);
}

/* They come in order, however they were set. */
static void
test_order(void)
{
    struct timers t;
    int64_t last = INT64_MIN;
    struct timer *due;

    timers_init(&t);
    reset();
    CHECK_INT(timers_next(&t), TIMERS_NEVER);
    CU_ASSERT(!timers_pop(&t, INT64_MAX - 1));
    for (int i = 0; i < N; i++) {
        timers_set(&t, &timers[i], -1);
        timers_set(&t, &timers[i], i * 7919 % N - N / 2);
    }
    for (int i = 0; i < N; i++) {
        due = timers_pop(&t, N);
        CU_ASSERT_FATAL(due != NULL);
        CU_ASSERT(due->when > last);
        CHECK_INT(due->place, 0);
        last = due->when;
    }
    CU_ASSERT(!timers_pop(&t, N));
    timers_uninit(&t);
}

/* Not one millisecond early. */
static void
test_exact(void)
{
    struct timer timer = { .when = 0 };
    struct timers t;

    timers_init(&t);
    timers_set(&t, &timer, 1000);
    CU_ASSERT(!timers_pop(&t, 999));
    CU_ASSERT(timers_pop(&t, 1000) == &timer);
    timers_uninit(&t);
}

static const struct unit_test tests[] = {
    { "random operations", test_random },
    { "order", test_order },
    { "exact", test_exact },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "timers", tests };
