/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "graph.h"

#include <stdlib.h>

#include "openvswitch/dynamic-string.h"
#include "unit.h"
#include "util.h"

#define N_MAX 40

/* Checks the ports that begin the shortest paths from 'from' to 'to'. */
static void
check_route(const struct graph *g, size_t n_nodes, size_t from, size_t to,
            const char *expected)
{
    struct graph_hops hops[N_MAX];
    struct ds s = DS_EMPTY_INITIALIZER;

    graph_route(g, to, hops);
    if (hops[from].distance == UINT64_MAX) {
        ds_put_cstr(&s, "none");
    } else {
        ds_put_format(&s, "%"PRIu64":", hops[from].distance);
    }
    for (size_t i = 0; i < hops[from].n; i++) {
        ds_put_format(&s, " %"PRIu32, hops[from].ports[i]);
    }
    CHECK_STR(ds_cstr(&s), expected);
    ds_destroy(&s);
    graph_hops_uninit(hops, n_nodes);
}

/* Checks the numbers of the links in the tree. */
static void
check_tree(const struct graph *g, size_t n_links, const char *expected)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    bool tree[N_MAX];

    graph_tree(g, tree);
    for (size_t i = 0; i < n_links; i++) {
        if (tree[i]) {
            ds_put_format(&s, "%s%"PRIuSIZE, s.length ? " " : "", i);
        }
    }
    CHECK_STR(ds_cstr(&s), expected);
    ds_destroy(&s);
}

static void
link_up(struct graph *g, size_t a, uint32_t a_port, size_t b, uint32_t b_port)
{
    graph_add_link(g, a, a_port, 1, b, b_port, 1);
}

/* Leaves 0, 1, 2 and spines 3, 4: leaf L has spine S at port S, and the other
 * way round.  'avoided' is a node, 'without' a link that is missing. */
static struct graph *
leaf_spine(size_t avoided, size_t without)
{
    struct graph *g = graph_create();

    for (size_t i = 0; i < 5; i++) {
        graph_add_node(g, i == avoided);
    }
    for (size_t i = 0; i < 6; i++) {
        if (i != without) {
            link_up(g, i / 2, 3 + i % 2, 3 + i % 2, i / 2);
        }
    }
    return g;
}

static void
test_equal_cost(void)
{
    struct graph *g = leaf_spine(N_MAX, N_MAX);

    check_route(g, 5, 0, 2, "2: 3 4");
    check_route(g, 5, 3, 2, "1: 2");
    check_route(g, 5, 3, 4, "2: 0 1 2");
    check_route(g, 5, 2, 2, "0:");
    graph_destroy(g);
}

static void
test_link_lost(void)
{
    struct graph *g = leaf_spine(N_MAX, 4);       /* Leaf 2, spine 3. */

    check_route(g, 5, 0, 2, "2: 4");
    check_route(g, 5, 3, 2, "3: 0 1");
    graph_destroy(g);
}

static void
test_avoided(void)
{
    struct graph *g = leaf_spine(3, N_MAX);

    check_route(g, 5, 0, 2, "2: 4");
    check_route(g, 5, 0, 3, "1: 3");
    check_route(g, 5, 3, 0, "1: 0");
    graph_destroy(g);

    /* Where there is no other way, it is taken. */
    g = graph_create();
    graph_add_node(g, false);
    graph_add_node(g, true);
    graph_add_node(g, false);
    link_up(g, 0, 7, 1, 8);
    link_up(g, 1, 9, 2, 10);
    check_route(g, 3, 0, 2, "1099511627778: 7");
    graph_destroy(g);
}

static void
test_costs(void)
{
    struct graph *g = graph_create();

    for (size_t i = 0; i < 3; i++) {
        graph_add_node(g, false);
    }
    graph_add_link(g, 0, 1, 5, 1, 1, 1);
    link_up(g, 0, 2, 2, 1);
    link_up(g, 2, 2, 1, 2);
    check_route(g, 3, 0, 1, "2: 2");
    check_route(g, 3, 1, 0, "1: 1");

    /* Parallel links are equal paths. */
    link_up(g, 0, 3, 2, 3);
    check_route(g, 3, 0, 1, "2: 2 3");
    graph_destroy(g);
}

static void
test_parts(void)
{
    struct graph *g = graph_create();

    check_tree(g, 0, "");
    for (size_t i = 0; i < 4; i++) {
        graph_add_node(g, false);
    }
    link_up(g, 0, 1, 1, 1);
    link_up(g, 2, 1, 3, 1);
    check_route(g, 4, 0, 1, "1: 1");
    check_route(g, 4, 0, 2, "none");
    check_tree(g, 2, "0 1");
    graph_destroy(g);
}

static void
test_tree(void)
{
    struct graph *g = leaf_spine(N_MAX, N_MAX);

    check_tree(g, 6, "0 1 2 4");
    graph_destroy(g);

    g = leaf_spine(N_MAX, 0);     /* The links after it are one less. */
    check_tree(g, 5, "0 1 2 3");
    graph_destroy(g);

    /* Nothing leads through an avoided one, but it is reached. */
    g = leaf_spine(3, N_MAX);
    check_tree(g, 6, "0 1 3 5");
    graph_destroy(g);
}

/* On random graphs: each hop comes nearer by what it costs, and the tree
 * connects what is connected, without a circle. */
static void
test_random(void)
{
    for (int round = 0; round < 200; round++) {
        struct graph *g = graph_create();
        size_t n_nodes = 2 + unit_random() % 8;
        size_t n_links = unit_random() % 20;
        struct { size_t a, b; uint32_t cost, back; } links[20];
        struct graph_hops hops[N_MAX];
        size_t parts = 0, in_tree = 0;
        bool tree[N_MAX];

        for (size_t i = 0; i < n_nodes; i++) {
            graph_add_node(g, unit_random() % 4 == 0);
        }
        for (size_t i = 0; i < n_links; i++) {
            links[i].a = unit_random() % n_nodes;
            links[i].b = unit_random() % n_nodes;
            links[i].cost = 1 + unit_random() % 3;
            links[i].back = 1 + unit_random() % 3;
            graph_add_link(g, links[i].a, 2 * i, links[i].cost,
                           links[i].b, 2 * i + 1, links[i].back);
        }
        graph_tree(g, tree);
        for (size_t to = 0; to < n_nodes; to++) {
            bool first = true;

            graph_route(g, to, hops);
            for (size_t i = 0; i < n_nodes; i++) {
                first = first && (i >= to || hops[i].distance == UINT64_MAX);
                CHECK_INT(hops[i].n > 0,
                          i != to && hops[i].distance != UINT64_MAX);
                for (size_t j = 0; j < hops[i].n; j++) {
                    uint32_t port = hops[i].ports[j];
                    size_t next = (port % 2 ? links[port / 2].a
                                   : links[port / 2].b);

                    CHECK_INT(port % 2 ? links[port / 2].b
                              : links[port / 2].a, i);
                    CU_ASSERT(hops[next].distance < hops[i].distance);
                }
            }
            parts += first;
            graph_hops_uninit(hops, n_nodes);
        }
        for (size_t i = 0; i < n_links; i++) {
            in_tree += tree[i];
        }
        CHECK_INT(in_tree, n_nodes - parts);
        graph_destroy(g);
    }
}

static const struct unit_test tests[] = {
    { "equal-cost paths", test_equal_cost },
    { "a lost link", test_link_lost },
    { "an avoided node", test_avoided },
    { "costs", test_costs },
    { "a graph in parts", test_parts },
    { "tree", test_tree },
    { "random graphs", test_random },
    { NULL, NULL }
};

const struct unit_suite unit_suite = { "graph", tests };
