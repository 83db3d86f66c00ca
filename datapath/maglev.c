/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "maglev.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "mix.h"
#include "xalloc.h"

/* Entries of a table: prime numbers.  And for each node so many, if there is
 * such a size. */
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
#define SIZES { 61, 509, 4093 } /* A fuzzer makes one for each input. */
#define ENTRIES_MIN 10
#else
#define SIZES { 4093, 65521, 524287 }
#define ENTRIES_MIN 100
#endif
#define SKEW_MAX 32             /* See turn_price(). */
#define NOBODY UINT16_MAX

struct maglev {
    atomic_uint refs;
    struct maglev_node *nodes;
    size_t n_nodes;
    uint32_t size;
    uint16_t entries[];         /* Indexes in 'nodes'. */
};

/* A node that takes its turns. */
struct player {
    uint32_t at;                /* The entry that it likes next, after... */
    uint32_t step;              /* ...the last one, plus this. */
    uint64_t credit;            /* Earned, and not spent. */
};

static uint32_t
choose_size(size_t n, bool lasting)
{
    static const uint32_t sizes[] = SIZES;
    size_t i = lasting;

    while (i < 2 && sizes[i] < n * ENTRIES_MIN) {
        i++;
    }
    return sizes[i];
}

/* What a turn costs: in each round each node earns its weight, and has a turn
 * whenever it can pay.  With the greatest weight as the price, nobody has two
 * turns in a row.  But the rounds must not become too many where that is far
 * above the average; so then the heaviest nodes do. */
static uint64_t
turn_price(const struct maglev_node nodes[], size_t n)
{
    uint64_t total = 0, max = 0, limit;

    for (size_t i = 0; i < n; i++) {
        total += nodes[i].weight;
        if (nodes[i].weight > max) {
            max = nodes[i].weight;
        }
    }
    limit = SKEW_MAX * total / (n ? n : 1) + 1;
    return max < limit ? max : limit;
}

/* Gives 'p', node 'node', what it likes best of what is left. */
static void
take(struct maglev *table, struct player *p, uint16_t node)
{
    while (table->entries[p->at] != NOBODY) {
        p->at += p->step;
        if (p->at >= table->size) {
            p->at -= table->size;
        }
    }
    table->entries[p->at] = node;
}

static void
fill(struct maglev *table, struct player players[], uint64_t price)
{
    uint32_t taken = 0;

    memset(table->entries, 0xff, table->size * sizeof *table->entries);
    for (;;) {
        for (size_t i = 0; i < table->n_nodes; i++) {
            struct player *p = &players[i];

            p->credit += table->nodes[i].weight;
            while (p->credit >= price) {
                p->credit -= price;
                take(table, p, i);
                if (++taken == table->size) {
                    return;
                }
            }
        }
    }
}

struct maglev *
maglev_create(const struct maglev_node nodes[], size_t n, bool lasting)
{
    uint64_t price = turn_price(nodes, n);
    uint32_t size = choose_size(n, lasting);
    struct player *players;
    struct maglev *table;

    if (!price) {
        return NULL;
    }
    table = xcalloc(1, sizeof *table + size * sizeof *table->entries);
    atomic_init(&table->refs, 1);
    table->nodes = xcalloc(n, sizeof *nodes);
    memcpy(table->nodes, nodes, n * sizeof *nodes);
    table->n_nodes = n;
    table->size = size;

    players = xcalloc(n, sizeof *players);
    for (size_t i = 0; i < n; i++) {
        players[i] = (struct player) {
            .at = nodes[i].hash % size,
            .step = mix64(nodes[i].hash) % (size - 1) + 1,
            .credit = price - 1,        /* Everybody has a first turn. */
        };
    }
    fill(table, players, price);
    free(players);
    return table;
}

struct maglev *
maglev_ref(struct maglev *table)
{
    atomic_fetch_add(&table->refs, 1);
    return table;
}

void
maglev_unref(struct maglev *table)
{
    if (table && atomic_fetch_sub(&table->refs, 1) == 1) {
        free(table->nodes);
        free(table);
    }
}

bool
maglev_is_of(const struct maglev *table, const struct maglev_node nodes[],
             size_t n, bool lasting)
{
    return (n == table->n_nodes && table->size == choose_size(n, lasting)
            && !memcmp(nodes, table->nodes, n * sizeof *nodes));
}

size_t
maglev_find(const struct maglev *table, uint64_t hash)
{
    return table->entries[hash % table->size];
}
