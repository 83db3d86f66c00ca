/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PRIVILEGES_H
#define PRIVILEGES_H 1

/* The capabilities that the daemon needs to start, and the one that it keeps
 * when it runs: all that it does to its programs and maps then is by file
 * descriptors, which are proof enough. */

#include <stdbool.h>

/* Whether the daemon has what it needs to start; logs what is missing. */
bool privileges_check(void);

/* Gives up, for good and for all that this process may run, what is not needed
 * any more once everything is opened and attached.  Returns whether it
 * could; if not, it has logged why. */
bool privileges_drop(void);

/* The same, of everything. */
bool privileges_drop_all(void);

#endif /* privileges.h */
