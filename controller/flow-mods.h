/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FLOW_MODS_H
#define FLOW_MODS_H 1

/* What to tell a switch to get from the flows and groups that it has to those
 * that it is to have. */

#include <stddef.h>
#include <stdint.h>

#include "openvswitch/ofp-protocol.h"

struct flow_entry;
struct flow_table;
struct group_entry;
struct ofpbuf;

/* Of a flow or of a group; the other one is NULL. */
struct flow_mod {
    uint16_t command;           /* One of OFPFC_* or OFPGC11_*. */
    struct flow_entry *flow;
    struct group_entry *group;
};

struct flow_mods {
    struct flow_mod *mods;
    size_t n, allocated;
};
#define FLOW_MODS_INITIALIZER { NULL, 0, 0 }

void flow_mods_uninit(struct flow_mods *);

/* Appends to 'mods' the fewest that make 'there' like 'wanted'. */
void flow_mods_diff(const struct flow_table *wanted,
                    const struct flow_table *there, struct flow_mods *mods);

/* Puts 'mods' in an order in which a switch can carry them out. */
void flow_mods_sort(struct flow_mods *mods);

/* The OpenFlow message that tells a switch. */
struct ofpbuf *flow_mod_encode(const struct flow_mod *mod,
                               enum ofputil_protocol);

/* Does to 'ft' what a switch does that is sent such a message. */
void flow_mod_apply(const struct flow_mod *mod, struct flow_table *ft);

#endif /* flow-mods.h */
