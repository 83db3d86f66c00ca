/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "intern.h"

#include <stdio.h>

#include "openvswitch/json.h"
#include "ovsdb-data.h"
#include "ovsdb-types.h"
#include "unit.h"
#include "util.h"

static const struct ovsdb_type set_of_strings = {
    OVSDB_BASE_STRING_INIT, OVSDB_BASE_VOID_INIT, 0, UINT_MAX
};

/* Sets '*datum' to the set of 'a' and 'b', in this order. */
static void
set_init(struct ovsdb_datum *datum, const char *a, const char *b)
{
    const char *const strings[] = { a, b };

    ovsdb_datum_init_empty(datum);
    for (size_t i = 0; i < 2; i++) {
        union ovsdb_atom atom = { .s = json_string_create(strings[i]) };

        ovsdb_datum_add_unsafe(datum, &atom, NULL, &set_of_strings, NULL);
        ovsdb_atom_destroy(&atom, OVSDB_TYPE_STRING);
    }
}

static void
test_values(void)
{
    struct ovsdb_datum a, b, other, empty;

    set_init(&a, "x", "y");
    set_init(&b, "x", "y");
    set_init(&other, "x", "z");
    ovsdb_datum_init_empty(&empty);
    intern_datum(&a, &set_of_strings);
    intern_datum(&b, &set_of_strings);
    intern_datum(&other, &set_of_strings);
    intern_datum(&empty, &set_of_strings);
    CU_ASSERT_PTR_EQUAL(a.keys, b.keys);
    CU_ASSERT_PTR_NOT_EQUAL(a.keys, other.keys);
    CHECK_STR(json_string(b.keys[1].s), "y");
    CHECK_STR(json_string(other.keys[1].s), "z");
    CHECK_INT(empty.n, 0);
    ovsdb_datum_destroy(&a, &set_of_strings);
    CHECK_STR(json_string(b.keys[0].s), "x");
    ovsdb_datum_destroy(&b, &set_of_strings);
    ovsdb_datum_destroy(&other, &set_of_strings);
}

static void
test_strings(void)
{
    struct ovsdb_datum a, b;

    set_init(&a, "x", "y");
    set_init(&b, "x", "z");
    intern_strings(&a, &set_of_strings);
    intern_strings(&b, &set_of_strings);
    CU_ASSERT_PTR_NOT_EQUAL(a.keys, b.keys);
    CU_ASSERT_PTR_EQUAL(a.keys[0].s, b.keys[0].s);
    CHECK_STR(json_string(b.keys[1].s), "z");
    ovsdb_datum_destroy(&a, &set_of_strings);
    CHECK_STR(json_string(b.keys[0].s), "x");
    ovsdb_datum_destroy(&b, &set_of_strings);
}

/* What nobody has any more is forgotten, and what somebody has is not. */
static void
test_forgotten(void)
{
    struct ovsdb_datum kept, again;

    set_init(&kept, "kept", "value");
    intern_datum(&kept, &set_of_strings);
    for (int i = 0; i < 10000; i++) {
        struct ovsdb_datum datum;
        char text[16];

        snprintf(text, sizeof text, "%d", i);
        set_init(&datum, text, text);
        intern_datum(&datum, &set_of_strings);
        ovsdb_datum_destroy(&datum, &set_of_strings);
        set_init(&datum, text, text);
        intern_strings(&datum, &set_of_strings);
        ovsdb_datum_destroy(&datum, &set_of_strings);
    }
    CU_ASSERT(intern_count() < 5000);
    set_init(&again, "kept", "value");
    intern_datum(&again, &set_of_strings);
    CU_ASSERT_PTR_EQUAL(again.keys, kept.keys);
    ovsdb_datum_destroy(&again, &set_of_strings);
    ovsdb_datum_destroy(&kept, &set_of_strings);
}

static const struct unit_test tests[] = {
    { "values", test_values },
    { "strings", test_strings },
    { "forgotten", test_forgotten },
    { NULL, NULL }
};

const struct unit_suite unit_suite = { "intern", tests };
