/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_COMPLETE_H
#define CLI_COMPLETE_H 1

/* What may come next on the command line, for the shell. */

struct model;

/* Prints, a line each, what the last of the 'n' 'words', those after the
 * options, may become. */
void complete(const struct model *, int n, char **words);

#endif /* complete.h */
