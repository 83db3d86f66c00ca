/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "graph.h"

#include <stdlib.h>

#include "util.h"

/* More than any path costs that leads through no avoided node. */
#define AVOIDED_COST (UINT64_C(1) << 40)

struct graph_link {
    size_t node[2];
    uint32_t port[2];
    uint32_t cost[2];           /* Of leaving node[i] by this link. */
};

struct graph {
    bool *avoided;              /* By node. */
    size_t n_nodes, allocated_nodes;
    struct graph_link *links;
    size_t n_links, allocated_links;
};

struct graph *
graph_create(void)
{
    return xzalloc(sizeof(struct graph));
}

void
graph_destroy(struct graph *g)
{
    if (g) {
        free(g->avoided);
        free(g->links);
        free(g);
    }
}

size_t
graph_add_node(struct graph *g, bool avoided)
{
    if (g->n_nodes >= g->allocated_nodes) {
        g->avoided = x2nrealloc(g->avoided, &g->allocated_nodes,
                                sizeof *g->avoided);
    }
    g->avoided[g->n_nodes] = avoided;
    return g->n_nodes++;
}

size_t
graph_add_link(struct graph *g, size_t a, uint32_t a_port, uint32_t a_cost,
               size_t b, uint32_t b_port, uint32_t b_cost)
{
    ovs_assert(a < g->n_nodes && b < g->n_nodes && a_cost && b_cost);
    if (g->n_links >= g->allocated_links) {
        g->links = x2nrealloc(g->links, &g->allocated_links,
                              sizeof *g->links);
    }
    g->links[g->n_links] = (struct graph_link) {
        .node = { a, b },
        .port = { a_port, b_port },
        .cost = { a_cost, b_cost },
    };
    return g->n_links++;
}

/* The distance to 'to' of a path that begins with 'link', from its end 'end',
 * given the distances of nodes.  UINT64_MAX if there is none. */
static uint64_t
distance_by(const struct graph *g, const struct graph_link *link, int end,
            size_t to, const struct graph_hops hops[])
{
    size_t next = link->node[!end];
    uint64_t rest = hops[next].distance;

    if (rest == UINT64_MAX) {
        return UINT64_MAX;
    }
    return (link->cost[end] + rest
            + (g->avoided[next] && next != to ? AVOIDED_COST : 0));
}

void
graph_route(const struct graph *g, size_t to, struct graph_hops hops[])
{
    bool changed;

    for (size_t i = 0; i < g->n_nodes; i++) {
        hops[i] = (struct graph_hops) { .distance = i == to ? 0 : UINT64_MAX };
    }

    /* Bellman and Ford's algorithm: as many rounds as the longest path has
     * links, which are few. */
    do {
        changed = false;
        for (size_t i = 0; i < 2 * g->n_links; i++) {
            const struct graph_link *link = &g->links[i / 2];
            struct graph_hops *h = &hops[link->node[i % 2]];
            uint64_t distance = distance_by(g, link, i % 2, to, hops);

            if (distance < h->distance) {
                h->distance = distance;
                changed = true;
            }
        }
    } while (changed);

    for (size_t i = 0; i < 2 * g->n_links; i++) {
        const struct graph_link *link = &g->links[i / 2];
        struct graph_hops *h = &hops[link->node[i % 2]];

        if (link->node[i % 2] != to && h->distance != UINT64_MAX
            && h->distance == distance_by(g, link, i % 2, to, hops)) {
            h->ports = xrealloc(h->ports, (h->n + 1) * sizeof *h->ports);
            h->ports[h->n++] = link->port[i % 2];
        }
    }
}

void
graph_hops_uninit(struct graph_hops hops[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(hops[i].ports);
    }
}

/* What a link adds to the cost of a tree. */
static uint64_t
tree_cost(const struct graph *g, const struct graph_link *link)
{
    return ((uint64_t) link->cost[0] + link->cost[1]
            + (g->avoided[link->node[0]] ? AVOIDED_COST : 0)
            + (g->avoided[link->node[1]] ? AVOIDED_COST : 0));
}

struct candidate {
    uint64_t cost;
    size_t link;
};

static int
compare_candidates(const void *a_, const void *b_)
{
    const struct candidate *a = a_;
    const struct candidate *b = b_;

    return (a->cost != b->cost ? (a->cost < b->cost ? -1 : 1)
            : a->link < b->link ? -1 : a->link > b->link);
}

/* The node that stands for all that 'node' is connected with. */
static size_t
find_root(size_t roots[], size_t node)
{
    while (roots[node] != node) {
        roots[node] = roots[roots[node]];
        node = roots[node];
    }
    return node;
}

void
graph_tree(const struct graph *g, bool tree[])
{
    struct candidate *candidates = xmalloc(g->n_links * sizeof *candidates);
    size_t *roots = xmalloc(g->n_nodes * sizeof *roots);

    for (size_t i = 0; i < g->n_nodes; i++) {
        roots[i] = i;
    }
    for (size_t i = 0; i < g->n_links; i++) {
        candidates[i] = (struct candidate) {
            .cost = tree_cost(g, &g->links[i]),
            .link = i,
        };
    }
    qsort(candidates, g->n_links, sizeof *candidates, compare_candidates);

    /* Kruskal's algorithm. */
    for (size_t i = 0; i < g->n_links; i++) {
        const struct graph_link *link = &g->links[candidates[i].link];
        size_t a = find_root(roots, link->node[0]);
        size_t b = find_root(roots, link->node[1]);

        tree[candidates[i].link] = a != b;
        roots[a] = b;
    }
    free(candidates);
    free(roots);
}
