/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "tree.h"

#include <string.h>

#include "fabric.h"
#include "flow.h"
#include "unit.h"
#include "util.h"

/* A circle of four switches: link I is from switch I to switch I + 1. */
static void
circle(struct fabric *f)
{
    fabric_init(f);
    for (size_t i = 0; i < 4; i++) {
        fabric_add_switch(f, i + 1);
    }
    for (size_t i = 0; i < 4; i++) {
        struct fabric_link *link = fabric_add_link(f);

        link->sw[0] = i;
        link->port[0] = u16_to_ofp(1);
        link->sw[1] = (i + 1) % 4;
        link->port[1] = u16_to_ofp(2);
    }
}

/* Checks what remains of a tree 'in', such as "1101", of 'f'. */
static void
check(struct tree *tree, const struct fabric *f, const char *in,
      const char *expected)
{
    bool links[4];
    char text[5] = "";

    for (size_t i = 0; i < f->n_links; i++) {
        links[i] = in[i] == '1';
    }
    tree_update(tree, f, links);
    for (size_t i = 0; i < f->n_links; i++) {
        text[i] = links[i] ? '1' : '0';
    }
    CHECK_STR(text, expected);
}

static void
test_two_steps(void)
{
    struct fabric f;
    struct tree t;

    circle(&f);
    tree_init(&t);
    CU_ASSERT(!tree_is_pending(&t));
    check(&t, &f, "1110", "0000");
    CU_ASSERT(tree_is_pending(&t));
    tree_settle(&t);
    CU_ASSERT(!tree_is_pending(&t));
    check(&t, &f, "1110", "1110");

    /* With both trees at once there would be a circle. */
    check(&t, &f, "1011", "1010");
    CU_ASSERT(tree_is_pending(&t));
    check(&t, &f, "1011", "1010");
    tree_settle(&t);
    check(&t, &f, "1011", "1011");

    /* A link that leaves, and one that is back before it was noticed. */
    check(&t, &f, "1001", "1001");
    CU_ASSERT(!tree_is_pending(&t));
    check(&t, &f, "1011", "1001");
    CU_ASSERT(tree_is_pending(&t));
    tree_uninit(&t);
    fabric_destroy(&f);
}

/* Links are the same by their ends, not by their numbers. */
static void
test_renumbered(void)
{
    struct fabric f;
    struct tree t;

    circle(&f);
    tree_init(&t);
    check(&t, &f, "1110", "0000");
    tree_settle(&t);
    memmove(&f.links[0], &f.links[1], 3 * sizeof f.links[0]);
    f.n_links = 3;
    check(&t, &f, "111", "110");
    f.links[0].port[1] = u16_to_ofp(9);
    check(&t, &f, "111", "010");
    f.switches[2].dpid = 9;
    check(&t, &f, "111", "000");
    tree_uninit(&t);
    fabric_destroy(&f);
}

static const struct unit_test tests[] = {
    { "two steps", test_two_steps },
    { "links with other numbers", test_renumbered },
    { NULL, NULL }
};

const struct unit_suite unit_suite = { "tree", tests };
