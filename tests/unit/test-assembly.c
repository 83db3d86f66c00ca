/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "assembly.h"

#include <stdbool.h>
#include <string.h>

#include "unit.h"

/* The obvious way: a byte and a flag for each offset. */
struct model {
    char data[ASSEMBLY_MAX];
    bool have[ASSEMBLY_MAX];
};

static uint32_t
model_len(const struct model *m)
{
    uint32_t len = 0;

    while (len < ASSEMBLY_MAX && m->have[len]) {
        len++;
    }
    return len;
}

/* How many runs of bytes there are beyond those in order. */
static uint32_t
model_ranges(const struct model *m)
{
    uint32_t n = 0;

    for (uint32_t i = model_len(m) + 1; i < ASSEMBLY_MAX; i++) {
        n += m->have[i] && !m->have[i - 1];
    }
    return n;
}

static void
model_add(struct model *m, uint32_t ofs, const char *data, uint32_t n)
{
    for (uint32_t i = 0; i < n && ofs + i < ASSEMBLY_MAX; i++) {
        if (!m->have[ofs + i]) {
            m->have[ofs + i] = true;
            m->data[ofs + i] = data[i];
        }
    }
}

/* Adds to both and checks that they agree.  Returns whether it was taken. */
static bool
add(struct assembly *a, struct model *m, uint32_t ofs, const char *data,
    uint32_t n)
{
    static struct model next;
    bool taken;

    next = *m;
    model_add(&next, ofs, data, n);
    taken = assembly_add(a, ofs, data, n);
    if (taken) {
        *m = next;
    } else {
        /* Only for want of a range. */
        CU_ASSERT(model_ranges(&next) > ASSEMBLY_MAX_RANGES);
    }
    CHECK_INT(a->len, model_len(m));
    CHECK_INT(a->n_ranges, model_ranges(m));
    CU_ASSERT(!a->len || !memcmp(a->data, m->data, a->len));
    CU_ASSERT(a->n_ranges <= ASSEMBLY_MAX_RANGES);
    for (uint32_t i = 0; i < a->n_ranges; i++) {
        CU_ASSERT(a->ranges[i].from < a->ranges[i].to);
        CU_ASSERT(a->ranges[i].from > (i ? a->ranges[i - 1].to : a->len));
    }
    return taken;
}

static const char *
random_bytes(char *buf, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        buf[i] = unit_random();
    }
    return buf;
}

/* Segments of any length, anywhere, over each other. */
static void
test_random(void)
{
    static struct model m;
    static char buf[ASSEMBLY_MAX];

    for (int round = 0; round < 300; round++) {
        uint32_t span = 1 + unit_random() % (round % 10 ? 300 : ASSEMBLY_MAX);
        struct assembly a;

        memset(&m, 0, sizeof m);
        assembly_init(&a);
        for (int i = 0; i < 40; i++) {
            uint32_t ofs = unit_random() % span;
            uint32_t n = 1 + unit_random() % (1 + span / 8);

            add(&a, &m, ofs, random_bytes(buf, n), n);
        }
        assembly_uninit(&a);
    }
}

/* A stream in pieces comes out whole, whatever their order, if no more pieces
 * wait than may. */
static void
check_order(const uint32_t *order, uint32_t n_pieces, uint32_t piece)
{
    static char stream[ASSEMBLY_MAX];
    struct assembly a;

    random_bytes(stream, n_pieces * piece);
    assembly_init(&a);
    for (uint32_t i = 0; i < n_pieces; i++) {
        CU_ASSERT(assembly_add(&a, order[i] * piece,
                               stream + order[i] * piece, piece));
    }
    CHECK_INT(a.len, n_pieces * piece);
    CHECK_INT(a.n_ranges, 0);
    CU_ASSERT(!memcmp(a.data, stream, a.len));
    assembly_uninit(&a);
}

static void
test_orders(void)
{
    uint32_t order[100];

    for (uint32_t i = 0; i < 100; i++) {
        order[i] = i;
    }
    check_order(order, 100, 100);
    for (uint32_t i = 0; i < 100; i++) {
        order[i] = 99 - i;
    }
    check_order(order, 100, 327);   /* Reverse: always one run. */
    for (int round = 0; round < 1000; round++) {
        for (uint32_t i = 0; i < 16; i++) {
            order[i] = i;
        }
        for (uint32_t i = 15; i > 0; i--) {
            uint32_t j = unit_random() % (i + 1);
            uint32_t saved = order[i];

            order[i] = order[j];
            order[j] = saved;
        }
        check_order(order, 16, 1 + unit_random() % 2000);
    }
}

/* More pieces than may wait: the new one is refused, those there stay. */
static void
test_many_ranges(void)
{
    static struct model m;
    struct assembly a;

    memset(&m, 0, sizeof m);
    assembly_init(&a);
    for (uint32_t i = 1; i <= ASSEMBLY_MAX_RANGES; i++) {
        CU_ASSERT(add(&a, &m, 10 * i, "abc", 3));
    }
    CHECK_INT(a.n_ranges, ASSEMBLY_MAX_RANGES);
    CU_ASSERT(!add(&a, &m, 10 * ASSEMBLY_MAX_RANGES + 10, "abc", 3));
    CU_ASSERT(!add(&a, &m, 5, "abc", 3));
    CHECK_INT(a.n_ranges, ASSEMBLY_MAX_RANGES);

    CU_ASSERT(add(&a, &m, 13, "defghij", 7));   /* It closes a gap. */
    CHECK_INT(a.n_ranges, ASSEMBLY_MAX_RANGES - 1);
    CU_ASSERT(add(&a, &m, 19, "x", 1));         /* There already. */
    CU_ASSERT(add(&a, &m, 0, "0123456789", 10));
    CHECK_INT(a.len, 23);
    CU_ASSERT(!memcmp(a.data, "0123456789abcdefghijabc", 23));
    assembly_uninit(&a);
}

/* What is beyond the limit is left out; what is before it is taken. */
static void
test_limit(void)
{
    static struct model m;
    static char data[2 * ASSEMBLY_MAX];
    struct assembly a;

    memset(&m, 0, sizeof m);
    assembly_init(&a);
    random_bytes(data, sizeof data);
    CU_ASSERT(add(&a, &m, ASSEMBLY_MAX, data, 10));
    CU_ASSERT(add(&a, &m, UINT32_MAX, data, 10));
    CU_ASSERT(add(&a, &m, ASSEMBLY_MAX + 1, data, UINT32_MAX));
    CHECK_INT(a.allocated, 0);
    CU_ASSERT(add(&a, &m, ASSEMBLY_MAX - 5, data, 10));
    CU_ASSERT(add(&a, &m, 0, data, sizeof data));
    CHECK_INT(a.len, ASSEMBLY_MAX);
    CU_ASSERT(add(&a, &m, 7, data, sizeof data));
    CU_ASSERT(a.allocated <= 2 * ASSEMBLY_MAX);
    assembly_uninit(&a);

    memset(&m, 0, sizeof m);
    assembly_init(&a);
    CU_ASSERT(add(&a, &m, 0, data, sizeof data));
    CHECK_INT(a.len, ASSEMBLY_MAX);
    assembly_uninit(&a);
}

/* Bytes that came twice keep their first value. */
static void
test_first_wins(void)
{
    static struct model m;
    struct assembly a;

    memset(&m, 0, sizeof m);
    assembly_init(&a);
    add(&a, &m, 2, "CD", 2);
    add(&a, &m, 6, "GH", 2);
    add(&a, &m, 0, "abxxefyyij", 10);
    CHECK_INT(a.len, 10);
    CU_ASSERT(!memcmp(a.data, "abCDefGHij", 10));
    add(&a, &m, 0, "zzzzzzzzzzk", 11);
    CU_ASSERT(!memcmp(a.data, "abCDefGHijk", 11));
    assembly_uninit(&a);
}

static const struct unit_test tests[] = {
    { "random segments", test_random },
    { "any order", test_orders },
    { "too many pieces", test_many_ranges },
    { "too many bytes", test_limit },
    { "first value wins", test_first_wins },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "assembly", tests };
