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
                                 * that was cannot reach its database, or
                                 * not all switches. */
};

/* Ends the program with 'status' and a message. */
void die(int status, const char *format, ...)
    __attribute__((noreturn, format(printf, 2, 3)));

/* 'value' as people want to see it: strings without quotes and control
 * characters, objects as "k=v,k=v", arrays as "a, b", null as "".  The caller
 * frees it. */
char *json_text(const json_t *value);

/* A copy of 's', which others than the operator may have chosen, that does
 * nothing to a terminal: '?' stands for each control character. */
char *harmless(const char *s);

/* Member 'name' of 'object' likewise, or "NAME.NAME", a member's member; "time"
 * as the local time. */
char *member_text(const json_t *object, const char *name);

/* The local time 'msec' milliseconds after 1970 began.  The caller frees
 * it. */
char *time_text(long long msec);

#endif /* util.h */
