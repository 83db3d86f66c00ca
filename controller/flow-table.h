/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOW_TABLE_H
#define FLOW_TABLE_H 1

/* A set of OpenFlow flows and groups (flow-entry.h): what a switch is to have,
 * or what it has. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/compiler.h"
#include "openvswitch/hmap.h"

struct ds;
struct flow_entry;
struct group_entry;

struct flow_table {
    struct hmap flows;          /* Of "struct flow_table_flow"s. */
    struct hmap groups;         /* Of "struct flow_table_group"s. */

    /* NULL, or another table, of somebody else's, whose flows are in this one,
     * too, except where it has one of its own in the place.  Only for tables
     * that are wanted. */
    const struct flow_table *base;
};

struct flow_table_flow {
    struct hmap_node node;      /* By the hash of 'entry'. */
    struct flow_entry *entry;
};

struct flow_table_group {
    struct hmap_node node;      /* By the number of 'entry'. */
    struct group_entry *entry;
};

void flow_table_init(struct flow_table *);
void flow_table_clear(struct flow_table *);
void flow_table_destroy(struct flow_table *);

/* Puts a flow, or a group, into the table, in place of the one with the same
 * identity if there is one.  Takes over the reference. */
void flow_table_put_flow(struct flow_table *, struct flow_entry *);
void flow_table_put_group(struct flow_table *, struct group_entry *);

/* The same from text (flow_entry_from_text(), group_entry_from_text()). */
void flow_table_add_flow(struct flow_table *, const char *format, ...)
    OVS_PRINTF_FORMAT(2, 3);
void flow_table_add_group(struct flow_table *, const char *format, ...)
    OVS_PRINTF_FORMAT(2, 3);

/* The table's own flow with the identity of 'entry', its group with number
 * 'id'; or NULL. */
struct flow_table_flow *flow_table_find_flow(const struct flow_table *,
                                             const struct flow_entry *entry);
struct flow_table_group *flow_table_find_group(const struct flow_table *,
                                               uint32_t id);

/* Takes the flow with the identity of 'entry', the group with number 'id', or
 * all groups, out, if there are such.  Returns whether there was one. */
bool flow_table_remove_flow(struct flow_table *, const struct flow_entry *);
bool flow_table_remove_group(struct flow_table *, uint32_t id);
void flow_table_clear_groups(struct flow_table *);

/* Appends to 's' the flows, and then the groups, each in a line as
 * ovs-ofctl(8) takes it, in no order. */
void flow_table_format(const struct flow_table *, struct ds *s);

#endif /* flow-table.h */
