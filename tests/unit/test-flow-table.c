/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "flow-table.h"

#include <stdlib.h>

#include "byte-order.h"
#include "flow-entry.h"
#include "flow-mods.h"
#include "flow-text.h"
#include "openvswitch/dynamic-string.h"
#include "unit.h"
#include "util.h"

/* Says what 'mods' do, such as "+group 1; +flow 0; -flow 1". */
static char *
describe(const struct flow_mods *mods)
{
    struct ds s = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < mods->n; i++) {
        const struct flow_mod *mod = &mods->mods[i];

        ds_put_cstr(&s, i ? "; " : "");
        if (mod->flow) {
            ds_put_format(&s, "%cflow %d",
                          mod->command == OFPFC_ADD ? '+' : '-',
                          mod->flow->table);
        } else {
            ds_put_format(&s, "%cgroup %"PRIu32,
                          mod->command == OFPGC11_ADD ? '+'
                          : mod->command == OFPGC11_MODIFY ? '*' : '-',
                          mod->group->id);
        }
    }
    return ds_steal_cstr(&s);
}

/* Checks what it takes to get from 'there' to 'wanted', and that it does. */
static void
check_diff(const char *wanted_text, const char *there_text,
           const char *expected)
{
    struct flow_table wanted, there;
    struct flow_mods mods = FLOW_MODS_INITIALIZER;
    char *description, *a, *b;

    flow_text_read(&wanted, wanted_text);
    flow_text_read(&there, there_text);
    flow_mods_diff(&wanted, &there, &mods);
    flow_mods_sort(&mods);
    description = describe(&mods);
    CHECK_STR(description, expected);
    for (size_t i = 0; i < mods.n; i++) {
        flow_mod_apply(&mods.mods[i], &there);
    }
    flow_mods_uninit(&mods);

    a = flow_text_lines(&there);
    b = flow_text_lines(&wanted);
    CHECK_STR(a, b);
    flow_mods_diff(&wanted, &there, &mods);
    CHECK_INT(mods.n, 0);
    flow_mods_uninit(&mods);
    free(description);
    free(a);
    free(b);
    flow_table_destroy(&wanted);
    flow_table_destroy(&there);
}

static void
test_flows(void)
{
    check_diff("", "", "");
    check_diff("table=0,actions=drop", "", "+flow 0");
    check_diff("", "table=3,actions=drop", "-flow 3");
    check_diff("table=0,actions=1", "table=0,actions=2", "+flow 0");
    check_diff("table=0,cookie=1,actions=1", "table=0,cookie=2,actions=1",
               "+flow 0");
    check_diff("table=0,cookie=1,ip,nw_dst=10.0.0.1,actions=1\n"
               "table=0,arp,actions=2",
               "table=0,arp,actions=2\n"
               "table=0,cookie=1,ip,nw_dst=10.0.0.1,actions=1", "");

    /* Table, priority and match are the identity. */
    check_diff("table=1,priority=5,ip,actions=1",
               "table=2,priority=5,ip,actions=1", "+flow 1; -flow 2");
    check_diff("table=1,priority=5,ip,actions=1",
               "table=1,priority=6,ip,actions=1", "+flow 1; -flow 1");
    check_diff("table=1,priority=5,ip,actions=1",
               "table=1,priority=5,ipv6,actions=1", "+flow 1; -flow 1");
}

#define ONE "group_id=1,type=indirect,bucket=actions=output:1"
#define TWO "group_id=1,type=select,bucket=watch_port:1,actions=output:1," \
            "bucket=watch_port:2,actions=output:2"

static void
test_groups(void)
{
    check_diff(ONE, ONE, "");
    check_diff(TWO, TWO, "");
    check_diff(TWO, ONE, "*group 1");
    check_diff("group_id=1,type=indirect,bucket=actions=output:2", ONE,
               "*group 1");
    check_diff("group_id=1,type=select,bucket=watch_port:1,actions=output:1,"
               "bucket=watch_port:3,actions=output:2", TWO, "*group 1");
    check_diff("group_id=1,type=select,bucket=watch_port:1,actions=output:1",
               TWO, "*group 1");
    check_diff("group_id=1,type=all", TWO, "*group 1");

    /* A group is there as long as flows refer to it. */
    check_diff(ONE "\ntable=0,actions=group:1", "", "+group 1; +flow 0");
    check_diff("", ONE "\ntable=0,actions=group:1", "-flow 0; -group 1");
    check_diff("group_id=2,type=all\ntable=0,actions=group:2",
               ONE "\ntable=0,actions=group:1", "+group 2; +flow 0; -group 1");
}

/* One flow in place of another, as when a switch reports what it has. */
static void
test_put_and_remove(void)
{
    struct flow_entry *flow;
    struct flow_table ft;
    struct match match;
    char *text;

    flow_table_init(&ft);
    match_init_catchall(&match);
    match_set_in_port(&match, 7);
    for (int cookie = 3; cookie <= 4; cookie++) {
        flow_table_put_flow(&ft, flow_entry_create(1, 2, &match,
                                                   htonll(cookie), NULL, 0));
    }
    flow = flow_entry_create(0, 2, &match, 0, NULL, 0);
    CU_ASSERT(!flow_table_remove_flow(&ft, flow));
    flow_entry_unref(flow);
    text = flow_text_lines(&ft);
    CHECK_STR(text, "cookie=0x4,table=1,priority=2,in_port=7 actions=drop");
    free(text);
    flow = flow_entry_create(1, 2, &match, 0, NULL, 0);
    CU_ASSERT(flow_table_remove_flow(&ft, flow));
    flow_entry_unref(flow);
    CHECK_INT(hmap_count(&ft.flows), 0);
    flow_table_add_group(&ft, ONE);
    flow_table_clear_groups(&ft);
    CHECK_INT(hmap_count(&ft.groups), 0);
    flow_table_destroy(&ft);
}

/* There is one of all that are the same, wherever they come from. */
static void
test_sharing(void)
{
    static const char text[] = "table=1,priority=2,in_port=7,actions=drop";
    struct flow_entry *flow = flow_entry_from_text(text);
    struct flow_entry *others[4];
    struct group_entry *group = group_entry_from_text(TWO), *same, *other;
    struct match match;

    match_init_catchall(&match);
    match_set_in_port(&match, 7);
    others[0] = flow_entry_from_text(text);
    others[1] = flow_entry_create(1, 2, &match, 0, NULL, 0);
    CU_ASSERT_PTR_EQUAL(others[0], flow);
    CU_ASSERT_PTR_EQUAL(others[1], flow);
    others[2] = flow_entry_create(1, 2, &match, htonll(1), NULL, 0);
    others[3] = flow_entry_create(1, 3, &match, 0, NULL, 0);
    CU_ASSERT_PTR_NOT_EQUAL(others[2], flow);
    CU_ASSERT_PTR_NOT_EQUAL(others[3], flow);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        flow_entry_unref(others[i]);
    }
    CHECK_INT(flow->n_refs, 1);
    flow_entry_unref(flow);

    same = group_entry_create(1, group->type, &group->buckets);
    other = group_entry_create(2, group->type, &group->buckets);
    CU_ASSERT_PTR_EQUAL(same, group);
    CU_ASSERT_PTR_NOT_EQUAL(other, group);
    group_entry_unref(same);
    group_entry_unref(other);
    CHECK_INT(group->n_refs, 1);
    group_entry_unref(group);
}

/* Checks what it takes to get from 'there_text' to 'text' upon 'base_text'. */
static void
check_base(const char *base_text, const char *text, const char *there_text,
           const char *expected)
{
    struct flow_mods mods = FLOW_MODS_INITIALIZER;
    struct flow_table base, wanted, there;
    char *description;

    flow_text_read(&base, base_text);
    flow_text_read(&wanted, text);
    wanted.base = &base;
    flow_text_read(&there, there_text);
    flow_mods_diff(&wanted, &there, &mods);
    description = describe(&mods);
    CHECK_STR(description, expected);
    free(description);
    flow_mods_uninit(&mods);
    flow_table_destroy(&wanted);
    flow_table_destroy(&base);
    flow_table_destroy(&there);
}

static void
test_base(void)
{
    check_base("table=0,actions=1", "", "", "+flow 0");
    check_base("table=0,actions=1", "", "table=0,actions=1", "");
    check_base("table=0,actions=1", "", "table=0,actions=2", "+flow 0");
    check_base("table=0,actions=1", "table=1,actions=1", "table=0,actions=1",
               "+flow 1");

    /* The table's own flow is the one that is wanted. */
    check_base("table=0,actions=1", "table=0,actions=2", "table=0,actions=1",
               "+flow 0");
    check_base("table=0,actions=1", "table=0,actions=2", "table=0,actions=2",
               "");
    check_base("", "", "table=0,actions=1", "-flow 0");
}

static const struct unit_test tests[] = {
    { "flows", test_flows },
    { "groups", test_groups },
    { "put and remove", test_put_and_remove },
    { "sharing", test_sharing },
    { "base", test_base },
    { NULL, NULL }
};

const struct unit_suite unit_suite = { "flow-table", tests };
