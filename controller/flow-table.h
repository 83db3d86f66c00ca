/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOW_TABLE_H
#define FLOW_TABLE_H 1

/* A set of OpenFlow flows and groups: what a switch is to have, or what it
 * has, and what to tell it to get from the one to the other. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/compiler.h"
#include "openvswitch/hmap.h"
#include "openvswitch/match.h"
#include "openvswitch/ofp-bundle.h"

struct flow_table {
    struct hmap flows;          /* Of "struct flow_table_flow"s. */
    struct hmap groups;         /* Of "struct flow_table_group"s. */
};

/* Table, priority and match are what identifies a flow. */
struct flow_table_flow {
    struct hmap_node node;
    uint8_t table;
    uint16_t priority;
    struct minimatch match;
    ovs_be64 cookie;
    struct ofpact *ofpacts;
    size_t ofpacts_len;
};

struct flow_table_group {
    struct hmap_node node;
    uint32_t id;
    uint8_t type;               /* One of OFPGT11_*. */
    struct ovs_list buckets;    /* Of "struct ofputil_bucket"s. */
};

void flow_table_init(struct flow_table *);
void flow_table_clear(struct flow_table *);
void flow_table_destroy(struct flow_table *);

/* Puts a flow, or a group, into the table, in place of the one with the same
 * identity if there is one. */
void flow_table_put_flow(struct flow_table *, uint8_t table,
                         uint16_t priority, const struct match *,
                         ovs_be64 cookie, const struct ofpact *,
                         size_t ofpacts_len);
void flow_table_put_group(struct flow_table *, uint32_t id, uint8_t type,
                          const struct ovs_list *buckets);

/* The same from text as ovs-ofctl(8) takes it, which must be right.  Flows
 * name their table; ports are numbers. */
void flow_table_add_flow(struct flow_table *, const char *format, ...)
    OVS_PRINTF_FORMAT(2, 3);
void flow_table_add_group(struct flow_table *, const char *format, ...)
    OVS_PRINTF_FORMAT(2, 3);

/* Takes a flow, or all groups, out, if there are such.  Returns whether there
 * was one. */
bool flow_table_remove_flow(struct flow_table *, uint8_t table,
                            uint16_t priority, const struct match *);
void flow_table_clear_groups(struct flow_table *);

/* Messages for a bundle, each of them allocated. */
struct flow_mods {
    struct ofputil_bundle_msg **msgs;
    size_t n, allocated;
};
#define FLOW_MODS_INITIALIZER { NULL, 0, 0 }

void flow_mods_uninit(struct flow_mods *);

/* Appends to 'mods' the fewest messages that make 'there' like 'wanted'. */
void flow_table_diff(const struct flow_table *wanted,
                     const struct flow_table *there, struct flow_mods *mods);

/* Puts 'mods' in an order in which a switch can carry them out. */
void flow_mods_sort(struct flow_mods *);

/* Does to a table what a switch that is sent such a message does to its
 * own. */
void flow_table_apply(struct flow_table *, const struct ofputil_bundle_msg *);

/* Appends to 's' the flows, and then the groups, each in a line as
 * ovs-ofctl(8) takes it, in no order. */
void flow_table_format(const struct flow_table *, struct ds *);

#endif /* flow-table.h */
