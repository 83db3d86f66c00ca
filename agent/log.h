/* SPDX-License-Identifier: Apache-2.0 */
#ifndef LOG_H
#define LOG_H 1

/* The daemon's log: standard error, or syslog once it is detached.  One line
 * an event, nothing per packet. */

#include <stdbool.h>

/* Names the program and its interface in every line. */
void log_init(const char *program, const char *interface);

/* From now on to syslog. */
void log_to_syslog(void);

/* 'priority' is syslog's: LOG_ERR, LOG_WARNING, LOG_INFO. */
void log_write(int priority, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(3, __VA_ARGS__)
#define log_warn(...) log_write(4, __VA_ARGS__)
#define log_info(...) log_write(6, __VA_ARGS__)

#endif /* log.h */
