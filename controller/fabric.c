/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "fabric.h"

#include <stdlib.h>
#include <string.h>

#include "flow.h"
#include "flows.h"
#include "hash.h"
#include "openflow/openflow-1.1.h"
#include "util.h"

void
fabric_init(struct fabric *f)
{
    memset(f, 0, sizeof *f);
}

void
fabric_destroy(struct fabric *f)
{
    free(f->switches);
    free(f->ports);
    free(f->links);
    free(f->services);
    free(f->stations);
}

/* Appends a row of zeros to the table at '*table', which has '*n' rows of
 * 'size' bytes and room for '*allocated'. */
static void *
append(void *table_, size_t *n, size_t *allocated, size_t size)
{
    char **table = table_;

    if (*n >= *allocated) {
        *table = x2nrealloc(*table, allocated, size);
    }
    return memset(*table + (*n)++ * size, 0, size);
}

#define APPEND(F, TABLE) \
    append(&(F)->TABLE, &(F)->n_##TABLE, &(F)->allocated_##TABLE, \
           sizeof *(F)->TABLE)

static bool
group_is_used(const struct fabric *f, uint32_t group)
{
    for (size_t i = 0; i < f->n_switches; i++) {
        if (f->switches[i].group == group) {
            return true;
        }
    }
    return false;
}

struct fabric_switch *
fabric_add_switch(struct fabric *f, uint64_t dpid)
{
    uint32_t group = hash_uint64(dpid);
    struct fabric_switch *sw;

    do {
        group = group % OFPG_MAX + 1;
    } while (group == FLOWS_GROUP_FLOOD || group_is_used(f, group));
    sw = APPEND(f, switches);
    sw->dpid = dpid;
    sw->group = group;
    return sw;
}

struct fabric_port *
fabric_add_port(struct fabric *f)
{
    return APPEND(f, ports);
}

struct fabric_link *
fabric_add_link(struct fabric *f)
{
    return APPEND(f, links);
}

struct fabric_service *
fabric_add_service(struct fabric *f)
{
    return APPEND(f, services);
}

struct fabric_station *
fabric_add_station(struct fabric *f)
{
    return APPEND(f, stations);
}

size_t
fabric_find_switch(const struct fabric *f, uint64_t dpid)
{
    for (size_t i = 0; i < f->n_switches; i++) {
        if (f->switches[i].dpid == dpid) {
            return i;
        }
    }
    return SIZE_MAX;
}

#define SAME(A, B, TABLE) \
    ((A)->n_##TABLE == (B)->n_##TABLE \
     && (!(A)->n_##TABLE \
         || !memcmp((A)->TABLE, (B)->TABLE, \
                    (A)->n_##TABLE * sizeof *(A)->TABLE)))

const struct fabric_station *
fabric_find_station(const struct fabric *f, struct eth_addr mac)
{
    size_t low = 0;
    size_t high = f->n_stations;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = eth_addr_compare_3way(f->stations[mid].mac, mac);

        if (!c) {
            return &f->stations[mid];
        } else if (c < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return NULL;
}

bool
fabric_same_switches(const struct fabric *a, const struct fabric *b)
{
    return SAME(a, b, switches);
}

bool
fabric_same_topology(const struct fabric *a, const struct fabric *b)
{
    return SAME(a, b, switches) && SAME(a, b, ports) && SAME(a, b, links);
}

bool
fabric_same_services(const struct fabric *a, const struct fabric *b)
{
    return SAME(a, b, services);
}

bool
fabric_same_stations(const struct fabric *a, const struct fabric *b)
{
    return SAME(a, b, stations);
}

void
fabric_route(const struct fabric *f, struct fabric_routes *r)
{
    struct graph *g = graph_create();

    for (size_t i = 0; i < f->n_switches; i++) {
        graph_add_node(g, !f->switches[i].reachable);
    }
    for (size_t i = 0; i < f->n_links; i++) {
        const struct fabric_link *l = &f->links[i];

        graph_add_link(g, l->sw[0], ofp_to_u16(l->port[0]), l->cost[0],
                       l->sw[1], ofp_to_u16(l->port[1]), l->cost[1]);
    }
    r->n = f->n_switches;
    r->hops = xcalloc(r->n * r->n, sizeof *r->hops);
    for (size_t i = 0; i < r->n; i++) {
        graph_route(g, i, &r->hops[i * r->n]);
    }
    r->tree = xcalloc(f->n_links, sizeof *r->tree);
    graph_tree(g, r->tree);
    graph_destroy(g);
}

void
fabric_routes_uninit(struct fabric_routes *r)
{
    graph_hops_uninit(r->hops, r->n * r->n);
    free(r->hops);
    free(r->tree);
}
