/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_UTIL_H
#define CLI_UTIL_H 1

/* What every part of ovs-migratectl needs. */

#include <jansson.h>

#include "xalloc.h"

/* Exit statuses. */
enum {
    EXIT_DONE = 0,
    EXIT_REFUSED = 1,           /* The controller refuses it. */
    EXIT_USAGE = 2,             /* The command line, or a file, is wrong. */
    EXIT_UNREACHABLE = 3,       /* No controller can be reached, or the one
                                 * that was cannot reach its database. */
};

/* Ends the program with 'status' and a message. */
void die(int status, const char *format, ...)
    __attribute__((noreturn, format(printf, 2, 3)));

/* 'value' as people want to see it: strings without quotes, objects as
 * "k=v,k=v", null as "".  The caller frees it. */
char *json_text(const json_t *value);

#endif /* util.h */
