/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "tree.h"

#include <stdlib.h>
#include <string.h>

#include "fabric.h"
#include "util.h"

/* A link of a fabric, by names that outlive it. */
struct tree_link {
    uint64_t dpid[2];
    ofp_port_t port[2];
};

void
tree_init(struct tree *t)
{
    memset(t, 0, sizeof *t);
}

void
tree_uninit(struct tree *t)
{
    free(t->now);
    free(t->next);
}

static bool
contains(const struct tree_link *links, size_t n, const struct tree_link *link)
{
    for (size_t i = 0; i < n; i++) {
        if (links[i].dpid[0] == link->dpid[0]
            && links[i].dpid[1] == link->dpid[1]
            && links[i].port[0] == link->port[0]
            && links[i].port[1] == link->port[1]) {
            return true;
        }
    }
    return false;
}

void
tree_update(struct tree *t, const struct fabric *f, bool in_tree[])
{
    size_t n_now = 0;

    t->next = xrealloc(t->next, f->n_links * sizeof *t->next);
    t->n_next = 0;
    for (size_t i = 0; i < f->n_links; i++) {
        const struct fabric_link *l = &f->links[i];
        struct tree_link link = {
            .dpid = { f->switches[l->sw[0]].dpid,
                      f->switches[l->sw[1]].dpid },
            .port = { l->port[0], l->port[1] },
        };

        if (in_tree[i]) {
            t->next[t->n_next++] = link;
            in_tree[i] = contains(t->now, t->n_now, &link);
        }
    }
    for (size_t i = 0; i < t->n_now; i++) {
        if (contains(t->next, t->n_next, &t->now[i])) {
            t->now[n_now++] = t->now[i];
        }
    }
    t->n_now = n_now;
}

bool
tree_is_pending(const struct tree *t)
{
    return t->n_now < t->n_next;
}

void
tree_settle(struct tree *t)
{
    t->now = xrealloc(t->now, t->n_next * sizeof *t->now);
    memcpy(t->now, t->next, t->n_next * sizeof *t->now);
    t->n_now = t->n_next;
}
