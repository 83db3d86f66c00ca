/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GRAPH_H
#define GRAPH_H 1

/* Switches and links as a graph: shortest paths, and a tree for broadcasts.
 *
 * Nodes are numbered from 0, in the order that they were added.  Everything is
 * a function of the nodes and links in the order that they were added, so that
 * the same graph gives the same answer. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct graph;

struct graph *graph_create(void);
void graph_destroy(struct graph *);

/* Adds a node and returns its number.  No path leads through an 'avoided' node
 * to another one, and no tree beyond it, if there is any other way. */
size_t graph_add_node(struct graph *, bool avoided);

/* Adds a link between port 'a_port' of 'a' and port 'b_port' of 'b', which is
 * used in both directions, and returns its number, from 0.  To leave 'a' by it
 * costs 'a_cost', to leave 'b' costs 'b_cost', at least 1. */
size_t graph_add_link(struct graph *, size_t a, uint32_t a_port,
                      uint32_t a_cost, size_t b, uint32_t b_port,
                      uint32_t b_cost);

/* How to get from one node to another. */
struct graph_hops {
    uint64_t distance;          /* UINT64_MAX: no way. */
    size_t n;                   /* Ports that begin a shortest path, ... */
    uint32_t *ports;            /* ... in order of links. */
};

/* Stores in 'hops', an array with an element for each node, the ways from each
 * of them to node 'to'.  Following them never leads in a circle.  The caller
 * frees them with graph_hops_uninit(). */
void graph_route(const struct graph *, size_t to, struct graph_hops hops[]);
void graph_hops_uninit(struct graph_hops[], size_t n);

/* Stores in 'tree', an array with an element for each link, whether the link
 * is part of a least-cost spanning tree (or of a forest, if the graph is not
 * connected).  When a link goes, the others in the tree stay. */
void graph_tree(const struct graph *, bool tree[]);

#endif /* graph.h */
