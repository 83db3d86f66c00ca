/* SPDX-License-Identifier: Apache-2.0 */
#ifndef REQUIRE_H
#define REQUIRE_H 1

/* What the agent needs of the system, checked before anything is touched, so
 * that whoever starts it reads what is missing and what to do about it. */

#include <stdbool.h>

/* Checks everything for an agent on 'interface' and logs each thing that is
 * missing (as an error) or doubtful (as a warning).  Returns whether the
 * agent can work. */
bool require_all(const char *interface);

#endif /* require.h */
