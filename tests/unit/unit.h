/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIT_H
#define UNIT_H 1

/* What every unit test needs: CUnit, with a main() that speaks TAP.
 *
 * A test program is one suite: it defines 'unit_suite' and links with
 * unit.c.  With arguments it runs only the tests that they name. */

#include <stddef.h>
#include <stdint.h>
#include <CUnit/CUnit.h>

struct unit_test {
    const char *name;
    void (*run)(void);
};

struct unit_suite {
    const char *name;
    const struct unit_test *tests;      /* Ended by a null name. */
};

extern const struct unit_suite unit_suite;

/* Like CU_ASSERT_EQUAL and CU_ASSERT_STRING_EQUAL, but tell both values. */
#define CHECK_INT(ACTUAL, EXPECTED) \
    unit_check_int(ACTUAL, EXPECTED, #ACTUAL, __FILE__, __LINE__)
#define CHECK_STR(ACTUAL, EXPECTED) \
    unit_check_str(ACTUAL, EXPECTED, #ACTUAL, __FILE__, __LINE__)

void unit_check_int(intmax_t actual, intmax_t expected, const char *what,
                    const char *file, unsigned int line);
void unit_check_str(const char *actual, const char *expected,
                    const char *what, const char *file, unsigned int line);

/* A random number, from the same sequence in every run. */
uint64_t unit_random(void);

/* Ends the program: 'what' cannot be had, as errno says. */
void unit_bail_out(const char *what) __attribute__((noreturn));

/* Enters a new network namespace.  Ends the program, which is skipped, without
 * root. */
void unit_own_network(void);

/* The path of 'name', which is relative to tests/unit in the source tree.
 * The caller frees it. */
char *unit_source_path(const char *name);

#endif /* unit.h */
