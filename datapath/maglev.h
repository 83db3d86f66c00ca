/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAGLEV_H
#define MAGLEV_H 1

/* Lookup tables for consistent hashing, as in Maglev (Eisenbud et al.,
 * "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016,
 * 3.4), with weights.
 *
 * Each node has its own order of preference of all the entries of a table,
 * which follows from its hash.  Nodes take turns; the node whose turn it is
 * takes the entry that it likes best of those that are left.  So a node has
 * turns, and then entries, in proportion to its weight, whoever else leaves
 * changes little of that, and everybody who knows the same nodes has the same
 * table.
 *
 * A lookup reads one entry.  The sizes are primes, so that whatever step a
 * node takes leads it to all entries:
 *
 *     nodes        entries    memory
 *     up to 40        4093     8 KiB     only if it need not last
 *     up to 655      65521   128 KiB
 *     more          524287     1 MiB
 *
 * That is 100 entries a node up to 5242 nodes.  Nearly every key has another
 * node in a table of another size, so a lasting table, by which keys should
 * keep their nodes when others are added, has only two.
 *
 * A table is made in about 'size' * ln('size') steps: the largest in 20 ms, as
 * measured with 5000 nodes, the next one in 2 ms, the smallest in 0.05 ms.  So
 * whoever has a table of the same nodes already should share it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAGLEV_MAX 65535        /* Nodes of one table. */

struct maglev;

struct maglev_node {
    uint64_t hash;              /* Of what it is known by everywhere. */
    uint64_t weight;            /* Up to 65535. */
};

/* The table of the 'n' nodes, at most MAGLEV_MAX, whose order is the same
 * everywhere, lasting or not; or NULL, if none has a weight.  A node has its share of the
 * entries as its weight says, to 1 percent (2, of more than 5242 nodes) and 1
 * entry, and 1 entry at least if it has a weight. */
struct maglev *maglev_create(const struct maglev_node[], size_t n,
                             bool lasting);

/* The same table once more, for maglev_unref().  Any thread may call these,
 * and others use the table meanwhile. */
struct maglev *maglev_ref(struct maglev *);

/* Frees 'table', which may be NULL, if this was the last reference. */
void maglev_unref(struct maglev *);

/* Whether 'table' was made of this. */
bool maglev_is_of(const struct maglev *, const struct maglev_node[],
                  size_t n, bool lasting);

/* The index of the node that has the key with hash 'hash', which is as good as
 * random. */
size_t maglev_find(const struct maglev *, uint64_t hash);

#endif /* maglev.h */
