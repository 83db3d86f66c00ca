/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TREE_H
#define TREE_H 1

/* Which links broadcasts go along while the tree changes.
 *
 * Switches do not change at the same moment.  If some follow the new tree
 * while others still follow the old one, the links that they use together may
 * be a circle, and a broadcast goes round.  So a change is made in two steps:
 * first, links that are not in the new tree leave; when all switches know
 * that, new ones join. */

#include <stdbool.h>
#include <stddef.h>

struct fabric;

struct tree_link;

struct tree {
    struct tree_link *now;      /* Links in use. */
    size_t n_now;
    struct tree_link *next;     /* Links of the last tree. */
    size_t n_next;
};

void tree_init(struct tree *);
void tree_uninit(struct tree *);

/* 'in_tree' tells by link whether it is in the tree of 'f'.  Changes that to
 * what may be used now. */
void tree_update(struct tree *, const struct fabric *f, bool in_tree[]);

/* Whether there are links that wait to join. */
bool tree_is_pending(const struct tree *);

/* All switches know what tree_update() has said last. */
void tree_settle(struct tree *);

#endif /* tree.h */
