/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "flow-table.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "byte-order.h"
#include "hash.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-flow.h"
#include "openvswitch/ofp-group.h"
#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(flow_table);

void
flow_table_init(struct flow_table *ft)
{
    hmap_init(&ft->flows);
    hmap_init(&ft->groups);
}

static void
flow_free(struct flow_table_flow *flow)
{
    minimatch_destroy(&flow->match);
    free(flow->ofpacts);
    free(flow);
}

static void
group_free(struct flow_table_group *group)
{
    ofputil_bucket_list_destroy(&group->buckets);
    free(group);
}

void
flow_table_clear_groups(struct flow_table *ft)
{
    struct flow_table_group *group;

    HMAP_FOR_EACH_POP (group, node, &ft->groups) {
        group_free(group);
    }
}

void
flow_table_clear(struct flow_table *ft)
{
    struct flow_table_flow *flow;

    HMAP_FOR_EACH_POP (flow, node, &ft->flows) {
        flow_free(flow);
    }
    flow_table_clear_groups(ft);
}

void
flow_table_destroy(struct flow_table *ft)
{
    flow_table_clear(ft);
    hmap_destroy(&ft->flows);
    hmap_destroy(&ft->groups);
}

static uint32_t
flow_hash(uint8_t table, uint16_t priority, const struct minimatch *match)
{
    return minimatch_hash(match, hash_int(table << 16 | priority, 0));
}

static struct flow_table_flow *
find_flow(const struct flow_table *ft, uint8_t table, uint16_t priority,
          const struct minimatch *match, uint32_t hash)
{
    struct flow_table_flow *flow;

    HMAP_FOR_EACH_WITH_HASH (flow, node, hash, &ft->flows) {
        if (flow->table == table && flow->priority == priority
            && minimatch_equal(&flow->match, match)) {
            return flow;
        }
    }
    return NULL;
}

/* The flow in 'ft' with the identity of 'flow', which is of another one. */
static struct flow_table_flow *
find_like(const struct flow_table *ft, const struct flow_table_flow *flow)
{
    return find_flow(ft, flow->table, flow->priority, &flow->match,
                     flow->node.hash);
}

/* Takes over 'match' and 'ofpacts', which is not used without. */
static void
put_flow(struct flow_table *ft, uint8_t table, uint16_t priority,
         struct minimatch *match, ovs_be64 cookie, struct ofpact *ofpacts,
         size_t ofpacts_len)
{
    uint32_t hash = flow_hash(table, priority, match);
    struct flow_table_flow *flow = find_flow(ft, table, priority, match, hash);

    if (flow) {
        minimatch_destroy(match);
        free(flow->ofpacts);
    } else {
        flow = xmalloc(sizeof *flow);
        flow->table = table;
        flow->priority = priority;
        minimatch_move(&flow->match, match);
        hmap_insert(&ft->flows, &flow->node, hash);
    }
    flow->cookie = cookie;
    flow->ofpacts = ofpacts;
    flow->ofpacts_len = ofpacts_len;
}

void
flow_table_put_flow(struct flow_table *ft, uint8_t table, uint16_t priority,
                    const struct match *match, ovs_be64 cookie,
                    const struct ofpact *ofpacts, size_t ofpacts_len)
{
    struct minimatch minimatch;

    minimatch_init(&minimatch, match);
    put_flow(ft, table, priority, &minimatch, cookie,
             xmemdup(ofpacts, ofpacts_len), ofpacts_len);
}

static bool
remove_flow(struct flow_table *ft, uint8_t table, uint16_t priority,
            const struct minimatch *match)
{
    struct flow_table_flow *flow
        = find_flow(ft, table, priority, match,
                    flow_hash(table, priority, match));

    if (flow) {
        hmap_remove(&ft->flows, &flow->node);
        flow_free(flow);
    }
    return flow != NULL;
}

bool
flow_table_remove_flow(struct flow_table *ft, uint8_t table,
                       uint16_t priority, const struct match *match)
{
    struct minimatch minimatch;
    bool removed;

    minimatch_init(&minimatch, match);
    removed = remove_flow(ft, table, priority, &minimatch);
    minimatch_destroy(&minimatch);
    return removed;
}

static struct flow_table_group *
find_group(const struct flow_table *ft, uint32_t id)
{
    struct flow_table_group *group;

    HMAP_FOR_EACH_WITH_HASH (group, node, hash_int(id, 0), &ft->groups) {
        if (group->id == id) {
            return group;
        }
    }
    return NULL;
}

void
flow_table_put_group(struct flow_table *ft, uint32_t id, uint8_t type,
                     const struct ovs_list *buckets)
{
    struct flow_table_group *group = find_group(ft, id);

    if (group) {
        ofputil_bucket_list_destroy(&group->buckets);
    } else {
        group = xmalloc(sizeof *group);
        group->id = id;
        hmap_insert(&ft->groups, &group->node, hash_int(id, 0));
    }
    group->type = type;
    ovs_list_init(&group->buckets);
    ofputil_bucket_clone_list(&group->buckets, buckets, NULL);
}

static void
remove_group(struct flow_table *ft, uint32_t id)
{
    struct flow_table_group *group = find_group(ft, id);

    if (group) {
        hmap_remove(&ft->groups, &group->node);
        group_free(group);
    }
}

static void
check_text(const char *text, char *error)
{
    if (error) {
        VLOG_ABORT("\"%s\": %s", text, error);
    }
}

void
flow_table_add_flow(struct flow_table *ft, const char *format, ...)
{
    enum ofputil_protocol usable;
    struct ofputil_flow_mod fm;
    va_list args;
    char *text;

    va_start(args, format);
    text = xvasprintf(format, args);
    va_end(args);
    check_text(text, parse_ofp_flow_mod_str(&fm, text, NULL, NULL, OFPFC_ADD,
                                            &usable));
    ovs_assert(fm.table_id != OFPTT_ALL);
    put_flow(ft, fm.table_id, fm.priority, &fm.match, fm.new_cookie,
             fm.ofpacts, fm.ofpacts_len);
    free(text);
}

void
flow_table_add_group(struct flow_table *ft, const char *format, ...)
{
    enum ofputil_protocol usable;
    struct ofputil_group_mod gm;
    va_list args;
    char *text;

    va_start(args, format);
    text = xvasprintf(format, args);
    va_end(args);
    check_text(text, parse_ofp_group_mod_str(&gm, OFPGC11_ADD, text, NULL,
                                             NULL, &usable));
    flow_table_put_group(ft, gm.group_id, gm.type, &gm.buckets);
    ofputil_uninit_group_mod(&gm);
    free(text);
}

static bool
flows_differ(const struct flow_table_flow *a, const struct flow_table_flow *b)
{
    return (a->cookie != b->cookie
            || !ofpacts_equal(a->ofpacts, a->ofpacts_len,
                              b->ofpacts, b->ofpacts_len));
}

static bool
groups_differ(const struct flow_table_group *a,
              const struct flow_table_group *b)
{
    const struct ovs_list *i = &a->buckets, *j = &b->buckets;

    if (a->type != b->type
        || ovs_list_size(&a->buckets) != ovs_list_size(&b->buckets)) {
        return true;
    }
    while ((i = i->next) != &a->buckets) {
        const struct ofputil_bucket *x, *y;

        j = j->next;
        x = CONTAINER_OF(i, struct ofputil_bucket, list_node);
        y = CONTAINER_OF(j, struct ofputil_bucket, list_node);
        if (x->weight != y->weight || x->watch_port != y->watch_port
            || x->watch_group != y->watch_group
            || !ofpacts_equal(x->ofpacts, x->ofpacts_len,
                              y->ofpacts, y->ofpacts_len)) {
            return true;
        }
    }
    return false;
}

static struct ofputil_bundle_msg *
new_mod(struct flow_mods *mods, enum ofptype type)
{
    struct ofputil_bundle_msg *msg;

    if (mods->n >= mods->allocated) {
        mods->msgs = x2nrealloc(mods->msgs, &mods->allocated,
                                sizeof *mods->msgs);
    }
    msg = mods->msgs[mods->n++] = xzalloc(sizeof *msg);
    msg->type = type;
    return msg;
}

static void
flow_mod(struct flow_mods *mods, uint16_t command,
         const struct flow_table_flow *flow)
{
    struct ofputil_flow_mod *fm = &new_mod(mods, OFPTYPE_FLOW_MOD)->fm;

    fm->command = command;
    fm->table_id = flow->table;
    fm->priority = flow->priority;
    minimatch_clone(&fm->match, &flow->match);
    fm->buffer_id = UINT32_MAX;
    fm->out_port = OFPP_ANY;
    fm->out_group = OFPG_ANY;
    if (command == OFPFC_ADD) {
        fm->new_cookie = flow->cookie;
        fm->ofpacts = xmemdup(flow->ofpacts, flow->ofpacts_len);
        fm->ofpacts_len = flow->ofpacts_len;
    } else {
        /* Not one of somebody else's that has taken its place meanwhile. */
        fm->cookie = flow->cookie;
        fm->cookie_mask = OVS_BE64_MAX;
    }
}

static void
group_mod(struct flow_mods *mods, uint16_t command,
          const struct flow_table_group *group)
{
    struct ofputil_group_mod *gm = &new_mod(mods, OFPTYPE_GROUP_MOD)->gm;

    gm->command = command;
    gm->group_id = group->id;
    gm->command_bucket_id = OFPG15_BUCKET_ALL;
    gm->type = group->type;
    ovs_list_init(&gm->buckets);
    if (command != OFPGC11_DELETE) {
        ofputil_bucket_clone_list(&gm->buckets, &group->buckets, NULL);
    }
}

void
flow_table_diff(const struct flow_table *wanted,
                const struct flow_table *there, struct flow_mods *mods)
{
    const struct flow_table_group *group, *old_group;
    const struct flow_table_flow *flow, *old_flow;

    HMAP_FOR_EACH (group, node, &wanted->groups) {
        old_group = find_group(there, group->id);
        if (!old_group) {
            group_mod(mods, OFPGC11_ADD, group);
        } else if (groups_differ(group, old_group)) {
            group_mod(mods, OFPGC11_MODIFY, group);
        }
    }
    HMAP_FOR_EACH (group, node, &there->groups) {
        if (!find_group(wanted, group->id)) {
            group_mod(mods, OFPGC11_DELETE, group);
        }
    }
    HMAP_FOR_EACH (flow, node, &wanted->flows) {
        old_flow = find_like(there, flow);
        if (!old_flow || flows_differ(flow, old_flow)) {
            flow_mod(mods, OFPFC_ADD, flow);
        }
    }
    HMAP_FOR_EACH (flow, node, &there->flows) {
        if (!find_like(wanted, flow)) {
            flow_mod(mods, OFPFC_DELETE_STRICT, flow);
        }
    }
}

/* Groups come before the flows that refer to them.  They are removed last:
 * until then flows may refer to them, which would go with them. */
static int
mod_rank(const struct ofputil_bundle_msg *msg)
{
    return (msg->type == OFPTYPE_FLOW_MOD ? 1
            : msg->gm.command == OFPGC11_DELETE ? 2 : 0);
}

static int
compare_mods(const void *a, const void *b)
{
    struct ofputil_bundle_msg *const *x = a, *const *y = b;

    return mod_rank(*x) - mod_rank(*y);
}

void
flow_mods_sort(struct flow_mods *mods)
{
    if (mods->n) {
        qsort(mods->msgs, mods->n, sizeof *mods->msgs, compare_mods);
    }
}

void
flow_mods_uninit(struct flow_mods *mods)
{
    for (size_t i = 0; i < mods->n; i++) {
        ofputil_free_bundle_msgs(mods->msgs[i], 1);
    }
    free(mods->msgs);
    *mods = (struct flow_mods) FLOW_MODS_INITIALIZER;
}

static void
apply_flow_mod(struct flow_table *ft, const struct ofputil_flow_mod *fm)
{
    if (fm->command == OFPFC_ADD) {
        struct minimatch match;

        minimatch_clone(&match, &fm->match);
        put_flow(ft, fm->table_id, fm->priority, &match, fm->new_cookie,
                 xmemdup(fm->ofpacts, fm->ofpacts_len), fm->ofpacts_len);
    } else {
        remove_flow(ft, fm->table_id, fm->priority, &fm->match);
    }
}

static void
apply_group_mod(struct flow_table *ft, const struct ofputil_group_mod *gm)
{
    if (gm->command == OFPGC11_DELETE) {
        remove_group(ft, gm->group_id);
    } else {
        flow_table_put_group(ft, gm->group_id, gm->type, &gm->buckets);
    }
}

void
flow_table_apply(struct flow_table *ft, const struct ofputil_bundle_msg *msg)
{
    if (msg->type == OFPTYPE_FLOW_MOD) {
        apply_flow_mod(ft, &msg->fm);
    } else {
        apply_group_mod(ft, &msg->gm);
    }
}

static void
format_flow(const struct flow_table_flow *flow, struct ds *s)
{
    struct ofpact_format_params fp = { .s = s };
    struct match match;

    minimatch_expand(&flow->match, &match);
    ds_put_format(s, "cookie=%#"PRIx64",table=%d,", ntohll(flow->cookie),
                  flow->table);
    match_format(&match, NULL, s, flow->priority);
    ds_put_cstr(s, " actions=");
    ofpacts_format(flow->ofpacts, flow->ofpacts_len, &fp);
    ds_put_char(s, '\n');
}

static void
format_group(const struct flow_table_group *group, struct ds *s)
{
    struct ofputil_group_mod gm = {
        .command = OFPGC11_ADD,
        .type = group->type,
        .group_id = group->id,
    };

    ovs_list_init(&gm.buckets);
    ofputil_bucket_clone_list(&gm.buckets, &group->buckets, NULL);
    ofputil_group_mod_format__(s, OFP15_VERSION, &gm, NULL, NULL);
    ds_put_char(s, '\n');
    ofputil_uninit_group_mod(&gm);
}

void
flow_table_format(const struct flow_table *ft, struct ds *s)
{
    const struct flow_table_group *group;
    const struct flow_table_flow *flow;

    HMAP_FOR_EACH (flow, node, &ft->flows) {
        format_flow(flow, s);
    }
    HMAP_FOR_EACH (group, node, &ft->groups) {
        format_group(group, s);
    }
}
