/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "flow-table.h"

#include <stdarg.h>
#include <stdlib.h>

#include "flow-entry.h"
#include "hash.h"
#include "openvswitch/dynamic-string.h"
#include "util.h"

void
flow_table_init(struct flow_table *ft)
{
    hmap_init(&ft->flows);
    hmap_init(&ft->groups);
    ft->base = NULL;
}

void
flow_table_clear_groups(struct flow_table *ft)
{
    struct flow_table_group *group;

    HMAP_FOR_EACH_POP (group, node, &ft->groups) {
        group_entry_unref(group->entry);
        free(group);
    }
}

void
flow_table_clear(struct flow_table *ft)
{
    struct flow_table_flow *flow;

    HMAP_FOR_EACH_POP (flow, node, &ft->flows) {
        flow_entry_unref(flow->entry);
        free(flow);
    }
    flow_table_clear_groups(ft);
    ft->base = NULL;
}

void
flow_table_destroy(struct flow_table *ft)
{
    flow_table_clear(ft);
    hmap_destroy(&ft->flows);
    hmap_destroy(&ft->groups);
}

struct flow_table_flow *
flow_table_find_flow(const struct flow_table *ft,
                     const struct flow_entry *entry)
{
    struct flow_table_flow *flow;

    HMAP_FOR_EACH_WITH_HASH (flow, node, entry->hash, &ft->flows) {
        if (flow_entry_same_place(flow->entry, entry)) {
            return flow;
        }
    }
    return NULL;
}

void
flow_table_put_flow(struct flow_table *ft, struct flow_entry *entry)
{
    struct flow_table_flow *flow = flow_table_find_flow(ft, entry);

    if (flow) {
        flow_entry_unref(flow->entry);
    } else {
        flow = xmalloc(sizeof *flow);
        hmap_insert(&ft->flows, &flow->node, entry->hash);
    }
    flow->entry = entry;
}

bool
flow_table_remove_flow(struct flow_table *ft, const struct flow_entry *entry)
{
    struct flow_table_flow *flow = flow_table_find_flow(ft, entry);

    if (!flow) {
        return false;
    }
    hmap_remove(&ft->flows, &flow->node);
    flow_entry_unref(flow->entry);
    free(flow);
    return true;
}

struct flow_table_group *
flow_table_find_group(const struct flow_table *ft, uint32_t id)
{
    struct flow_table_group *group;

    HMAP_FOR_EACH_WITH_HASH (group, node, hash_int(id, 0), &ft->groups) {
        if (group->entry->id == id) {
            return group;
        }
    }
    return NULL;
}

void
flow_table_put_group(struct flow_table *ft, struct group_entry *entry)
{
    struct flow_table_group *group = flow_table_find_group(ft, entry->id);

    if (group) {
        group_entry_unref(group->entry);
    } else {
        group = xmalloc(sizeof *group);
        hmap_insert(&ft->groups, &group->node, hash_int(entry->id, 0));
    }
    group->entry = entry;
}

bool
flow_table_remove_group(struct flow_table *ft, uint32_t id)
{
    struct flow_table_group *group = flow_table_find_group(ft, id);

    if (!group) {
        return false;
    }
    hmap_remove(&ft->groups, &group->node);
    group_entry_unref(group->entry);
    free(group);
    return true;
}

void
flow_table_add_flow(struct flow_table *ft, const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = xvasprintf(format, args);
    va_end(args);
    flow_table_put_flow(ft, flow_entry_from_text(text));
    free(text);
}

void
flow_table_add_group(struct flow_table *ft, const char *format, ...)
{
    va_list args;
    char *text;

    va_start(args, format);
    text = xvasprintf(format, args);
    va_end(args);
    flow_table_put_group(ft, group_entry_from_text(text));
    free(text);
}

void
flow_table_format(const struct flow_table *ft, struct ds *s)
{
    const struct flow_table_group *group;
    const struct flow_table_flow *flow;

    HMAP_FOR_EACH (flow, node, &ft->flows) {
        flow_entry_format(flow->entry, s);
    }
    if (ft->base) {
        HMAP_FOR_EACH (flow, node, &ft->base->flows) {
            if (!flow_table_find_flow(ft, flow->entry)) {
                flow_entry_format(flow->entry, s);
            }
        }
    }
    HMAP_FOR_EACH (group, node, &ft->groups) {
        group_entry_format(group->entry, s);
    }
}
