/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_LIVE_H
#define CLI_LIVE_H 1

/* What goes on: "top", "watch" and "trace". */

#include <stdbool.h>

/* Prints events as they happen, until the program is ended. */
void live_watch(bool json);

/* Shows services and hosts on the terminal, anew every second, until the
 * program is ended; or once, with 'json' or if standard output is no
 * terminal. */
void live_top(bool json);

/* Prints what is known of the connection of 'client', "ADDRESS:PORT": where it
 * is, why, and which way its packets take. */
void live_trace(const char *client, bool json);

#endif /* live.h */
