/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H 1

/* "RESOURCE VERB [ARGUMENT]...". */

#include <stdbool.h>

struct kind;
struct model;

/* Does what 'n' 'args', from the verb on, say to 'kind'.  Ends the program if
 * they are wrong. */
void commands_run(const struct kind *, int n, char **args, bool json);

/* The names of the verbs that 'kind' has, the i-th of them, or NULL. */
const char *commands_verb(const struct kind *, int i);

#endif /* commands.h */
