/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "maglev.h"

#include <stdlib.h>
#include <string.h>

#include "mix.h"
#include "unit.h"
#include "xalloc.h"

#define N_MAX 8192

/* Nodes under test, and how many entries each has. */
static struct maglev_node nodes[N_MAX];
static unsigned int counts[N_MAX];

/* What weights nodes have. */
enum weighting { SAME, MIXED, ONE_HEAVY, HALF_NONE, N_WEIGHTINGS };

static void
set_up(size_t n, enum weighting weighting)
{
    memset(nodes, 0, sizeof nodes);
    for (size_t i = 0; i < n; i++) {
        uint64_t random = mix64(i + 1);

        nodes[i].hash = random;
        nodes[i].weight = (weighting == SAME ? 7
                           : weighting == MIXED ? 1 + random % 100
                           : weighting == ONE_HEAVY ? (i == n / 2 ? 65535 : 1)
                           : i % 2);
    }
}

static bool lasting;            /* Whether tables are. */

/* How many entries a table for 'n' nodes has. */
static uint32_t
table_size(size_t n)
{
    return n <= 40 && !lasting ? 4093 : n <= 655 ? 65521 : 524287;
}

/* Has 'check' look at tables of both kinds. */
static void
each_kind(void (*check)(void))
{
    for (int i = 0; i <= 1; i++) {
        lasting = i;
        check();
    }
    lasting = false;
}

static void
count(const struct maglev *table, size_t n)
{
    memset(counts, 0, sizeof counts);
    for (uint32_t i = 0; i < table_size(n); i++) {
        size_t node = maglev_find(table, i);

        CU_ASSERT_FATAL(node < n);
        counts[node]++;
    }
}

/* Each node has its share, to 1 or 2 percent and 1 entry. */
static void
check_balance(void)
{
    static const size_t ns[] = { 1, 2, 3, 40, 41, 655, 656, 5000, N_MAX };

    for (size_t k = 0; k < sizeof ns / sizeof ns[0]; k++) {
        for (enum weighting w = 0; w < N_WEIGHTINGS; w++) {
            size_t n = ns[k];
            double bound = n > 5242 ? .02 : .01;
            struct maglev *table;
            double total = 0;

            if (n == 1 && w == HALF_NONE) {
                continue;       /* It has none. */
            }
            set_up(n, w);
            table = maglev_create(nodes, n, lasting);
            count(table, n);
            for (size_t i = 0; i < n; i++) {
                total += nodes[i].weight;
            }
            for (size_t i = 0; i < n; i++) {
                double share = table_size(n) * nodes[i].weight / total;

                CU_ASSERT(counts[i] >= share * (1 - bound) - 1);
                CU_ASSERT(counts[i] <= share * (1 + bound) + 1);
                CU_ASSERT(!counts[i] == !nodes[i].weight);
            }
            maglev_unref(table);
        }
    }
}

/* Any hash has a node: that of its remainder by the number of entries. */
static void
check_sizes(void)
{
    static const size_t ns[] = { 1, 40, 41, 655, 656, 5000 };

    for (size_t k = 0; k < sizeof ns / sizeof ns[0]; k++) {
        uint64_t size = table_size(ns[k]);
        struct maglev *table;

        set_up(ns[k], SAME);
        table = maglev_create(nodes, ns[k], lasting);
        for (uint64_t i = 0; i < size; i++) {
            uint64_t hash = unit_random() / size * size + i;

            if (hash >= i) {
                CHECK_INT(maglev_find(table, hash), maglev_find(table, i));
            }
        }
        maglev_unref(table);
    }
}

/* Counts the entries that differ between 'a' and 'b', tables of 'n' nodes,
 * where one has node 'except' and where none has. */
static void
compare(const struct maglev *a, const struct maglev *b, size_t n,
        size_t except, unsigned int *with, unsigned int *without)
{
    *with = *without = 0;
    for (uint32_t i = 0; i < table_size(n); i++) {
        size_t x = maglev_find(a, i), y = maglev_find(b, i);

        if (x != y) {
            ++*(x == except || y == except ? with : without);
        }
    }
}

/* When a node leaves, or has twice the weight, few entries change that have
 * nothing to do with it: 2.5 percent of a table at most, and none of one
 * percent where nodes have 500 entries or more. */
static void
check_disruption(void)
{
    static const size_t ns[] = { 3, 10, 40, 41, 100, 655, 656, 5000 };

    for (size_t k = 0; k < sizeof ns / sizeof ns[0]; k++) {
        for (enum weighting w = SAME; w <= MIXED; w++) {
            size_t n = ns[k], node = n / 3;
            uint32_t size = table_size(n);
            double bound = size / n >= 500 ? .01 : .025;
            struct maglev *before, *without, *twice;
            unsigned int own, others;

            set_up(n, w);
            before = maglev_create(nodes, n, lasting);
            nodes[node].weight *= 2;
            twice = maglev_create(nodes, n, lasting);
            nodes[node].weight = 0;
            without = maglev_create(nodes, n, lasting);

            compare(before, without, n, node, &own, &others);
            count(before, n);
            CHECK_INT(own, counts[node]);
            CU_ASSERT(others <= size * bound);
            compare(before, twice, n, node, &own, &others);
            CU_ASSERT(others <= size * bound);
            maglev_unref(before);
            maglev_unref(twice);
            maglev_unref(without);
        }
    }
}

static void
test_balance(void)
{
    each_kind(check_balance);
}

static void
test_sizes(void)
{
    each_kind(check_sizes);
}

static void
test_disruption(void)
{
    each_kind(check_disruption);
}

/* When a node is added, keys keep their nodes but for those that it gets, and
 * one percent at most. */
static void
test_growth(void)
{
    lasting = true;
    for (size_t n = 1; n <= 130; n++) {
        unsigned int own, others;
        struct maglev *before, *after;

        set_up(n + 1, SAME);
        before = maglev_create(nodes, n, lasting);
        after = maglev_create(nodes, n + 1, lasting);
        compare(before, after, n, n, &own, &others);
        count(after, n + 1);
        CHECK_INT(own, counts[n]);
        CU_ASSERT(others <= table_size(n) * .01);
        maglev_unref(before);
        maglev_unref(after);
    }
    lasting = false;
}

/* Those of a failed node go to all others. */
static void
test_spread(void)
{
    enum { N = 10 };
    struct maglev *before, *after;
    bool heirs[N] = { false };

    set_up(N, SAME);
    before = maglev_create(nodes, N, lasting);
    nodes[5].weight = 0;
    after = maglev_create(nodes, N, lasting);
    for (uint32_t i = 0; i < table_size(N); i++) {
        if (maglev_find(before, i) == 5) {
            heirs[maglev_find(after, i)] = true;
        }
    }
    for (size_t i = 0; i < N; i++) {
        CHECK_INT(heirs[i], i != 5);
    }
    maglev_unref(before);
    maglev_unref(after);
}

/* This would change if switches of two versions disagreed. */
static void
test_fixed(void)
{
    struct maglev *table;
    char text[65];

    set_up(10, MIXED);
    table = maglev_create(nodes, 10, lasting);
    for (int i = 0; i < 64; i++) {
        text[i] = '0' + maglev_find(table, i * 64);
    }
    text[64] = '\0';
    CHECK_STR(text, "4978233758117356676663447287439989425335457573"
              "373764733661116376");
    maglev_unref(table);
}

static void
test_none(void)
{
    CU_ASSERT(maglev_create(nodes, 0, lasting) == NULL);
    set_up(1, HALF_NONE);
    CU_ASSERT(maglev_create(nodes, 1, lasting) == NULL);
    maglev_unref(NULL);
}

static void
test_sharing(void)
{
    struct maglev *table;
    size_t node;

    set_up(10, MIXED);
    table = maglev_create(nodes, 10, lasting);
    node = maglev_find(table, 1234);
    CU_ASSERT(maglev_is_of(table, nodes, 10, lasting));
    CU_ASSERT(!maglev_is_of(table, nodes, 9, lasting));
    CU_ASSERT(!maglev_is_of(table, nodes, 10, !lasting));
    nodes[9].weight++;
    CU_ASSERT(!maglev_is_of(table, nodes, 10, lasting));
    nodes[9].weight--;
    nodes[9].hash++;
    CU_ASSERT(!maglev_is_of(table, nodes, 10, lasting));
    CU_ASSERT(maglev_ref(table) == table);
    maglev_unref(table);
    CHECK_INT(maglev_find(table, 1234), node);
    maglev_unref(table);
}

static const struct unit_test tests[] = {
    { "entries by weight", test_balance },
    { "sizes", test_sizes },
    { "few others move", test_disruption },
    { "a pool that grows", test_growth },
    { "all others inherit", test_spread },
    { "same in every version", test_fixed },
    { "nobody has a weight", test_none },
    { "sharing", test_sharing },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "maglev", tests };
