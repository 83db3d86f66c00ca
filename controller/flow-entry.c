/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "flow-entry.h"

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

VLOG_DEFINE_THIS_MODULE(flow_entry);

/* All of them, by what identifies them, and those that were made from text, by
 * that. */
static struct hmap flows = HMAP_INITIALIZER(&flows);
static struct hmap groups = HMAP_INITIALIZER(&groups);
static struct hmap flow_texts = HMAP_INITIALIZER(&flow_texts);
static struct hmap group_texts = HMAP_INITIALIZER(&group_texts);

bool
flow_entry_same_place(const struct flow_entry *a, const struct flow_entry *b)
{
    return (a == b
            || (a->hash == b->hash && a->table == b->table
                && a->priority == b->priority
                && minimatch_equal(&a->match, &b->match)));
}

static void
flow_free(struct flow_entry *flow)
{
    minimatch_destroy(&flow->match);
    free(flow->ofpacts);
    free(flow);
}

/* Takes over 'new'; returns it, or the same one that there was before. */
static struct flow_entry *
share_flow(struct flow_entry *new)
{
    struct flow_entry *flow;

    HMAP_FOR_EACH_WITH_HASH (flow, node, new->hash, &flows) {
        if (flow->cookie == new->cookie && flow_entry_same_place(flow, new)
            && ofpacts_equal(flow->ofpacts, flow->ofpacts_len,
                             new->ofpacts, new->ofpacts_len)) {
            flow_free(new);
            return flow_entry_ref(flow);
        }
    }
    hmap_insert(&flows, &new->node, new->hash);
    return new;
}

/* Takes over 'match' and 'ofpacts'. */
static struct flow_entry *
flow_create(uint8_t table, uint16_t priority, struct minimatch *match,
            ovs_be64 cookie, struct ofpact *ofpacts, size_t ofpacts_len)
{
    struct flow_entry *flow = xzalloc(sizeof *flow);

    flow->n_refs = 1;
    flow->hash = minimatch_hash(match, hash_int(table << 16 | priority, 0));
    flow->table = table;
    flow->priority = priority;
    minimatch_move(&flow->match, match);
    flow->cookie = cookie;
    flow->ofpacts = ofpacts;
    flow->ofpacts_len = ofpacts_len;
    return share_flow(flow);
}

struct flow_entry *
flow_entry_create(uint8_t table, uint16_t priority, const struct match *match,
                  ovs_be64 cookie, const struct ofpact *ofpacts,
                  size_t ofpacts_len)
{
    struct minimatch minimatch;

    minimatch_init(&minimatch, match);
    return flow_create(table, priority, &minimatch, cookie,
                       xmemdup(ofpacts, ofpacts_len), ofpacts_len);
}

static bool
buckets_equal(const struct ofputil_bucket *a, const struct ofputil_bucket *b)
{
    return (a->weight == b->weight && a->watch_port == b->watch_port
            && a->watch_group == b->watch_group
            && ofpacts_equal(a->ofpacts, a->ofpacts_len,
                             b->ofpacts, b->ofpacts_len));
}

static bool
bucket_lists_equal(const struct ovs_list *a, const struct ovs_list *b)
{
    const struct ovs_list *i = a, *j = b;

    while ((i = i->next) != a) {
        j = j->next;
        if (j == b
            || !buckets_equal(CONTAINER_OF(i, struct ofputil_bucket,
                                           list_node),
                              CONTAINER_OF(j, struct ofputil_bucket,
                                           list_node))) {
            return false;
        }
    }
    return j->next == b;
}

struct group_entry *
group_entry_create(uint32_t id, uint8_t type, const struct ovs_list *buckets)
{
    uint32_t hash = hash_int(id, type);
    struct group_entry *group;

    HMAP_FOR_EACH_WITH_HASH (group, node, hash, &groups) {
        if (group->id == id && group->type == type
            && bucket_lists_equal(&group->buckets, buckets)) {
            return group_entry_ref(group);
        }
    }
    group = xzalloc(sizeof *group);
    group->n_refs = 1;
    group->id = id;
    group->type = type;
    ovs_list_init(&group->buckets);
    ofputil_bucket_clone_list(&group->buckets, buckets, NULL);
    hmap_insert(&groups, &group->node, hash);
    return group;
}

static void
check_text(const char *text, char *error)
{
    if (error) {
        VLOG_ABORT("\"%s\": %s", text, error);
    }
}

static struct flow_entry *
parse_flow(const char *text)
{
    enum ofputil_protocol usable;
    struct ofputil_flow_mod fm;

    check_text(text, parse_ofp_flow_mod_str(&fm, text, NULL, NULL, OFPFC_ADD,
                                            &usable));
    ovs_assert(fm.table_id != OFPTT_ALL);
    return flow_create(fm.table_id, fm.priority, &fm.match, fm.new_cookie,
                       fm.ofpacts, fm.ofpacts_len);
}

static struct group_entry *
parse_group(const char *text)
{
    enum ofputil_protocol usable;
    struct ofputil_group_mod gm;
    struct group_entry *group;

    check_text(text, parse_ofp_group_mod_str(&gm, OFPGC11_ADD, text, NULL,
                                             NULL, &usable));
    group = group_entry_create(gm.group_id, gm.type, &gm.buckets);
    ofputil_uninit_group_mod(&gm);
    return group;
}

struct flow_entry *
flow_entry_from_text(const char *text)
{
    uint32_t hash = hash_string(text, 0);
    struct flow_entry *flow;

    HMAP_FOR_EACH_WITH_HASH (flow, text_node, hash, &flow_texts) {
        if (!strcmp(flow->text, text)) {
            return flow_entry_ref(flow);
        }
    }
    flow = parse_flow(text);
    if (!flow->text) {
        flow->text = xstrdup(text);
        hmap_insert(&flow_texts, &flow->text_node, hash);
    }
    return flow;
}

struct group_entry *
group_entry_from_text(const char *text)
{
    uint32_t hash = hash_string(text, 0);
    struct group_entry *group;

    HMAP_FOR_EACH_WITH_HASH (group, text_node, hash, &group_texts) {
        if (!strcmp(group->text, text)) {
            return group_entry_ref(group);
        }
    }
    group = parse_group(text);
    if (!group->text) {
        group->text = xstrdup(text);
        hmap_insert(&group_texts, &group->text_node, hash);
    }
    return group;
}

struct flow_entry *
flow_entry_ref(struct flow_entry *flow)
{
    flow->n_refs++;
    return flow;
}

struct group_entry *
group_entry_ref(struct group_entry *group)
{
    group->n_refs++;
    return group;
}

void
flow_entry_unref(struct flow_entry *flow)
{
    if (--flow->n_refs) {
        return;
    }
    hmap_remove(&flows, &flow->node);
    if (flow->text) {
        hmap_remove(&flow_texts, &flow->text_node);
        free(flow->text);
    }
    flow_free(flow);
}

void
group_entry_unref(struct group_entry *group)
{
    if (--group->n_refs) {
        return;
    }
    hmap_remove(&groups, &group->node);
    if (group->text) {
        hmap_remove(&group_texts, &group->text_node);
        free(group->text);
    }
    ofputil_bucket_list_destroy(&group->buckets);
    free(group);
}

void
flow_entry_format(const struct flow_entry *flow, struct ds *s)
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

void
group_entry_format(const struct group_entry *group, struct ds *s)
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
