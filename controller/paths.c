/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "paths.h"

#include <stdlib.h>
#include <string.h>

#include "controller/ovs-migrate-idl.h"
#include "fabric.h"
#include "fleet.h"
#include "flow.h"
#include "live.h"
#include "openvswitch/json.h"
#include "smap.h"
#include "topology.h"
#include "util.h"
#include "view.h"

/* The name of switch number 'sw' of the fabric, or NULL. */
static const char *
switch_name(const struct live *live, size_t sw)
{
    const struct omrec_switch *row;

    OMREC_SWITCH_FOR_EACH (row, live->fleet->idl) {
        if (strtoull(row->dpid, NULL, 16) == live->fabric->switches[sw].dpid) {
            return row->name;
        }
    }
    return NULL;
}

static size_t
find_switch(const struct live *live, const char *name)
{
    const struct omrec_switch *row;

    OMREC_SWITCH_FOR_EACH (row, live->fleet->idl) {
        if (!strcmp(row->name, name)) {
            return fabric_find_switch(live->fabric,
                                      strtoull(row->dpid, NULL, 16));
        }
    }
    return SIZE_MAX;
}

/* The name of the link that begins at 'number' of switch 'sw'. */
static char *
link_name(const struct live *live, size_t sw, ofp_port_t number)
{
    const struct topology_switch *ts = topology_find_switch(
        live->topology, live->fabric->switches[sw].dpid);
    const struct topology_port *port = (ts ? topology_find_port(ts, number)
                                        : NULL);
    const char *name = switch_name(live, sw);

    return xasprintf("%s:%s", name ? name : "?", port ? port->name : "?");
}

/* The switch at the other end of the link that begins there, or SIZE_MAX. */
static size_t
peer(const struct fabric *f, size_t sw, ofp_port_t number)
{
    for (size_t i = 0; i < f->n_links; i++) {
        for (int j = 0; j < 2; j++) {
            if (f->links[i].sw[j] == sw && f->links[i].port[j] == number) {
                return f->links[i].sw[!j];
            }
        }
    }
    return SIZE_MAX;
}

/* The shortest ways from 'from' to 'to': an array of steps, each an array of
 * the links that may be taken. */
static struct json *
way(const struct live *live, size_t from, size_t to)
{
    const struct fabric *f = live->fabric;
    struct json *steps = json_array_create_empty();
    bool *here = xcalloc(f->n_switches, sizeof *here);

    here[from] = true;
    for (size_t step = 0; !here[to] && step < f->n_switches; step++) {
        struct json *links = json_array_create_empty();
        bool *next = xcalloc(f->n_switches, sizeof *next);

        for (size_t sw = 0; sw < f->n_switches; sw++) {
            const struct graph_hops *hops = fabric_hops(live->routes, sw, to);

            for (size_t i = 0; here[sw] && i < hops->n; i++) {
                ofp_port_t port = u16_to_ofp(hops->ports[i]);
                size_t other = peer(f, sw, port);

                json_array_add(links, json_string_create_nocopy(
                    link_name(live, sw, port)));
                if (other != SIZE_MAX) {
                    next[other] = true;
                }
            }
        }
        free(here);
        here = next;
        json_array_add(steps, links);
    }
    free(here);
    return steps;
}

static struct json *
path_create(const struct live *live, size_t from, const char *from_name,
            const struct omrec_host *host)
{
    const char *to_name = smap_get(&host->status, "switch");
    size_t to = to_name ? find_switch(live, to_name) : SIZE_MAX;
    struct json *json = json_object_create();
    const struct graph_hops *hops;

    json_object_put_format(json, "name", "%s:%s", from_name, host->name);
    json_object_put_string(json, "switch", from_name);
    json_object_put_string(json, "host", host->name);
    json_object_put(json, "to", to_name ? json_string_create(to_name)
                    : json_null_create());
    hops = to != SIZE_MAX ? fabric_hops(live->routes, from, to) : NULL;
    if (hops && hops->distance != UINT64_MAX) {
        json_object_put(json, "cost", json_integer_create(hops->distance));
        json_object_put(json, "there", way(live, from, to));
        json_object_put(json, "back", way(live, to, from));
    } else {
        json_object_put(json, "cost", json_null_create());
        json_object_put(json, "there", json_array_create_empty());
        json_object_put(json, "back", json_array_create_empty());
    }
    return json;
}

/* Add switches that migrate, and hosts, of which 'view' wants paths, by
 * name. */

static void
add_switches(struct shash *switches, const struct live *live,
             const struct view *view)
{
    const char *only = smap_get(&view->filters, "switch");
    const struct fabric *f = live->fabric;

    for (size_t sw = 0; sw < f->n_switches; sw++) {
        const struct fabric_switch *s = &f->switches[sw];
        const char *name = switch_name(live, sw);

        if (name && (!only || !strcmp(only, name))
            && (address_is_unicast(&s->addresses[0])
                || address_is_unicast(&s->addresses[1]))) {
            shash_add(switches, name, s);
        }
    }
}

static void
add_hosts(struct shash *hosts, const struct live *live,
          const struct view *view)
{
    const char *only = smap_get(&view->filters, "host");
    const char *to = smap_get(&view->filters, "to");
    const struct omrec_host *host;

    OMREC_HOST_FOR_EACH (host, live->fleet->idl) {
        if ((!only || !strcmp(only, host->name))
            && (!to || !strcmp(to, smap_get_def(&host->status, "switch",
                                                "")))) {
            shash_add(hosts, host->name, host);
        }
    }
}

/* Whether the path from switch 'sw' to 'host' follows that called 'after'. */
static bool
follows(const char *sw, const char *host, const char *after)
{
    size_t len = strcspn(after, ":");
    int cmp = strncmp(sw, after, len);

    cmp = cmp ? cmp : sw[len] != '\0';
    return cmp > 0 || (!cmp && after[len] && strcmp(host, &after[len + 1]) > 0);
}

struct json *
paths_create(const struct live *live, const struct view *view, char **last)
{
    struct shash switches = SHASH_INITIALIZER(&switches);
    struct shash hosts = SHASH_INITIALIZER(&hosts);
    struct json *items = json_array_create_empty();
    const struct shash_node **from, **to;

    *last = NULL;
    add_switches(&switches, live, view);
    add_hosts(&hosts, live, view);
    from = shash_sort(&switches);
    to = shash_sort(&hosts);
    for (size_t i = 0; i < shash_count(&switches) && !*last; i++) {
        const struct fabric_switch *sw = from[i]->data;

        for (size_t j = 0; j < shash_count(&hosts); j++) {
            if (view->after && !follows(from[i]->name, to[j]->name,
                                        view->after)) {
                continue;
            } else if (json_array(items)->n == view->limit) {
                const struct json *item
                    = json_array(items)->elems[view->limit - 1];

                *last = xstrdup(json_string(shash_find_data(json_object(item),
                                                            "name")));
                break;
            }
            json_array_add(items, path_create(
                live, sw - live->fabric->switches, from[i]->name,
                to[j]->data));
        }
    }
    free(from);
    free(to);
    shash_destroy(&switches);
    shash_destroy(&hosts);
    return items;
}
