/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOW_ENTRY_H
#define FLOW_ENTRY_H 1

/* A flow or a group.
 *
 * It never changes, so that there is but one of all that are the same, which
 * all tables (flow-table.h) share: most flows of a fabric are the same in all
 * switches but one.  So two that are not at the same address differ.  It is
 * there as long as somebody has a reference to it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/match.h"

struct ds;
struct ofpact;

/* Table, priority and match are what identifies a flow; their hash is
 * 'hash'. */
struct flow_entry {
    struct hmap_node node;
    unsigned int n_refs;
    uint32_t hash;
    uint8_t table;
    uint16_t priority;
    struct minimatch match;
    ovs_be64 cookie;
    struct ofpact *ofpacts;
    size_t ofpacts_len;

    struct hmap_node text_node; /* By 'text', if that is not NULL. */
    char *text;
};

struct group_entry {
    struct hmap_node node;
    unsigned int n_refs;
    uint32_t id;
    uint8_t type;               /* One of OFPGT11_*. */
    struct ovs_list buckets;    /* Of "struct ofputil_bucket"s. */

    struct hmap_node text_node; /* By 'text', if that is not NULL. */
    char *text;
};

/* All that return one return a reference to it. */
struct flow_entry *flow_entry_create(uint8_t table, uint16_t priority,
                                     const struct match *, ovs_be64 cookie,
                                     const struct ofpact *,
                                     size_t ofpacts_len);
struct group_entry *group_entry_create(uint32_t id, uint8_t type,
                                       const struct ovs_list *buckets);

/* From text as ovs-ofctl(8) takes it, which must be right.  Flows name their
 * table; ports are numbers. */
struct flow_entry *flow_entry_from_text(const char *text);
struct group_entry *group_entry_from_text(const char *text);

struct flow_entry *flow_entry_ref(struct flow_entry *);
struct group_entry *group_entry_ref(struct group_entry *);
void flow_entry_unref(struct flow_entry *);
void group_entry_unref(struct group_entry *);

/* Whether they are of one identity. */
bool flow_entry_same_place(const struct flow_entry *,
                           const struct flow_entry *);

/* Appends to 's' a line as ovs-ofctl(8) takes it. */
void flow_entry_format(const struct flow_entry *, struct ds *s);
void group_entry_format(const struct group_entry *, struct ds *s);

#endif /* flow-entry.h */
