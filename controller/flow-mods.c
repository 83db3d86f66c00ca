/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "flow-mods.h"

#include <stdlib.h>
#include <string.h>

#include "flow-entry.h"
#include "flow-table.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-group.h"
#include "openvswitch/ofp-util.h"
#include "util.h"

void
flow_mods_uninit(struct flow_mods *mods)
{
    for (size_t i = 0; i < mods->n; i++) {
        if (mods->mods[i].flow) {
            flow_entry_unref(mods->mods[i].flow);
        } else {
            group_entry_unref(mods->mods[i].group);
        }
    }
    free(mods->mods);
    *mods = (struct flow_mods) FLOW_MODS_INITIALIZER;
}

static struct flow_mod *
append(struct flow_mods *mods)
{
    if (mods->n >= mods->allocated) {
        mods->mods = x2nrealloc(mods->mods, &mods->allocated,
                                sizeof *mods->mods);
    }
    return &mods->mods[mods->n++];
}

static void
add_flow_mod(struct flow_mods *mods, uint16_t command, struct flow_entry *flow)
{
    *append(mods) = (struct flow_mod) {
        .command = command,
        .flow = flow_entry_ref(flow),
    };
}

static void
add_group_mod(struct flow_mods *mods, uint16_t command,
              struct group_entry *group)
{
    *append(mods) = (struct flow_mod) {
        .command = command,
        .group = group_entry_ref(group),
    };
}

static void
want_flow(struct flow_entry *flow, const struct flow_table *there,
          struct flow_mods *mods)
{
    const struct flow_table_flow *old = flow_table_find_flow(there, flow);

    if (!old || old->entry != flow) {
        add_flow_mod(mods, OFPFC_ADD, flow);
    }
}

static void
diff_flows(const struct flow_table *wanted, const struct flow_table *there,
           struct flow_mods *mods)
{
    const struct flow_table *base = wanted->base;
    const struct flow_table_flow *flow;

    HMAP_FOR_EACH (flow, node, &wanted->flows) {
        want_flow(flow->entry, there, mods);
    }
    if (base) {
        HMAP_FOR_EACH (flow, node, &base->flows) {
            if (!flow_table_find_flow(wanted, flow->entry)) {
                want_flow(flow->entry, there, mods);
            }
        }
    }
    HMAP_FOR_EACH (flow, node, &there->flows) {
        if (!flow_table_find_flow(wanted, flow->entry)
            && !(base && flow_table_find_flow(base, flow->entry))) {
            add_flow_mod(mods, OFPFC_DELETE_STRICT, flow->entry);
        }
    }
}

static void
diff_groups(const struct flow_table *wanted, const struct flow_table *there,
            struct flow_mods *mods)
{
    const struct flow_table_group *group;

    HMAP_FOR_EACH (group, node, &wanted->groups) {
        const struct flow_table_group *old
            = flow_table_find_group(there, group->entry->id);

        if (!old) {
            add_group_mod(mods, OFPGC11_ADD, group->entry);
        } else if (old->entry != group->entry) {
            add_group_mod(mods, OFPGC11_MODIFY, group->entry);
        }
    }
    HMAP_FOR_EACH (group, node, &there->groups) {
        if (!flow_table_find_group(wanted, group->entry->id)) {
            add_group_mod(mods, OFPGC11_DELETE, group->entry);
        }
    }
}

void
flow_mods_diff(const struct flow_table *wanted,
               const struct flow_table *there, struct flow_mods *mods)
{
    diff_groups(wanted, there, mods);
    diff_flows(wanted, there, mods);
}

/* Groups come before the flows that refer to them.  They are removed last:
 * until then flows may refer to them, which would go with them. */
static int
rank(const struct flow_mod *mod)
{
    return mod->flow ? 1 : mod->command == OFPGC11_DELETE ? 2 : 0;
}

static int
compare_mods(const void *a_, const void *b_)
{
    const struct flow_mod *a = a_;
    const struct flow_mod *b = b_;

    return rank(a) - rank(b);
}

void
flow_mods_sort(struct flow_mods *mods)
{
    if (mods->n) {
        qsort(mods->mods, mods->n, sizeof *mods->mods, compare_mods);
    }
}

static struct ofpbuf *
encode_flow(const struct flow_mod *mod, enum ofputil_protocol protocol)
{
    const struct flow_entry *flow = mod->flow;
    struct ofputil_flow_mod fm = {
        .command = mod->command,
        .table_id = flow->table,
        .priority = flow->priority,
        .match = flow->match,
        .buffer_id = UINT32_MAX,
        .out_port = OFPP_ANY,
        .out_group = OFPG_ANY,
    };

    if (mod->command == OFPFC_ADD) {
        fm.new_cookie = flow->cookie;
        fm.ofpacts = flow->ofpacts;
        fm.ofpacts_len = flow->ofpacts_len;
    } else {
        /* Not one of somebody else's that has taken its place meanwhile. */
        fm.cookie = flow->cookie;
        fm.cookie_mask = OVS_BE64_MAX;
    }
    return ofputil_encode_flow_mod(&fm, protocol);
}

static struct ofpbuf *
encode_group(const struct flow_mod *mod, enum ofputil_protocol protocol)
{
    struct ofputil_group_mod gm = {
        .command = mod->command,
        .group_id = mod->group->id,
        .command_bucket_id = OFPG15_BUCKET_ALL,
        .type = mod->group->type,
    };
    struct ofpbuf *msg;

    ovs_list_init(&gm.buckets);
    if (mod->command != OFPGC11_DELETE) {
        ofputil_bucket_clone_list(&gm.buckets, &mod->group->buckets, NULL);
    }
    msg = ofputil_encode_group_mod(ofputil_protocol_to_ofp_version(protocol),
                                   &gm, NULL, -1);
    ofputil_uninit_group_mod(&gm);
    return msg;
}

struct ofpbuf *
flow_mod_encode(const struct flow_mod *mod, enum ofputil_protocol protocol)
{
    return (mod->flow ? encode_flow(mod, protocol)
            : encode_group(mod, protocol));
}

void
flow_mod_apply(const struct flow_mod *mod, struct flow_table *ft)
{
    if (mod->flow && mod->command == OFPFC_ADD) {
        flow_table_put_flow(ft, flow_entry_ref(mod->flow));
    } else if (mod->flow) {
        flow_table_remove_flow(ft, mod->flow);
    } else if (mod->command == OFPGC11_DELETE) {
        flow_table_remove_group(ft, mod->group->id);
    } else {
        flow_table_put_group(ft, group_entry_ref(mod->group));
    }
}
