/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "unit.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <CUnit/TestRun.h>

#include "xalloc.h"

static unsigned int n_run;

void
unit_bail_out(const char *what)
{
    printf("Bail out! %s: %s\n", what, strerror(errno));
    exit(1);
}

void
unit_own_network(void)
{
    if (geteuid()) {
        puts("1..0 # SKIP needs root");
        exit(77);
    }
    if (unshare(CLONE_NEWNET)) {
        unit_bail_out("network namespace");
    }
}

char *
unit_source_path(const char *name)
{
    const char *srcdir = getenv("srcdir");      /* Set by "make check". */

    return xasprintf("%s/tests/unit/%s", srcdir ? srcdir : ".", name);
}

uint64_t
unit_random(void)
{
    /* Steele, Lea, Flood: "SplitMix" (2014). */
    static uint64_t state;
    uint64_t x = state += 0x9e3779b97f4a7c15ULL;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
    return x ^ x >> 31;
}

void
unit_check_int(intmax_t actual, intmax_t expected, const char *what,
               const char *file, unsigned int line)
{
    char *message = xasprintf("%s is %"PRIdMAX", not %"PRIdMAX,
                              what, actual, expected);

    CU_assertImplementation(actual == expected, line, message, file, "",
                            CU_FALSE);
    free(message);
}

void
unit_check_str(const char *actual, const char *expected, const char *what,
               const char *file, unsigned int line)
{
    char *message = xasprintf("%s is \"%s\", not \"%s\"", what,
                              actual ? actual : "(null)", expected);

    CU_assertImplementation(actual && !strcmp(actual, expected), line,
                            message, file, "", CU_FALSE);
    free(message);
}

/* Prints 's' as TAP comments. */
static void
diagnose(const char *s)
{
    printf("#   ");
    for (; *s; s++) {
        putchar(*s);
        if (*s == '\n') {
            printf("#   ");
        }
    }
    putchar('\n');
}

static void
test_complete(const CU_pTest test, const CU_pSuite suite,
              const CU_pFailureRecord failure)
{
    printf("%sok %u - %s: %s\n", failure ? "not " : "", ++n_run,
           suite->pName, test->pName);
    for (CU_pFailureRecord f = failure; f; f = f->pNext) {
        char *where = xasprintf("%s:%u: %s", f->strFileName,
                                f->uiLineNumber, f->strCondition);

        diagnose(where);
        free(where);
    }
    fflush(stdout);
}

static bool
is_wanted(const char *name, int argc, char *argv[])
{
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], name)) {
            return true;
        }
    }
    return argc < 2;
}

int
main(int argc, char *argv[])
{
    unsigned int n = 0;
    unsigned int failures;
    CU_pSuite suite;

    if (CU_initialize_registry()) {
        abort();
    }
    suite = CU_add_suite(unit_suite.name, NULL, NULL);
    for (const struct unit_test *t = unit_suite.tests; t->name; t++) {
        if (is_wanted(t->name, argc, argv)) {
            if (!CU_add_test(suite, t->name, t->run)) {
                abort();
            }
            n++;
        }
    }
    printf("1..%u\n", n);
    CU_set_test_complete_handler(test_complete);
    CU_run_all_tests();

    /* CUnit itself returns success whatever the tests say. */
    failures = CU_get_number_of_failures();
    CU_cleanup_registry();
    return failures || n_run != n || !n;
}
