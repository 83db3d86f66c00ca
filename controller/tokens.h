/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TOKENS_H
#define TOKENS_H 1

/* Who may use the REST interface: bearer tokens (RFC 6750) from a file with a
 * line for each:
 *
 *     NAME ROLE TOKEN
 *
 * ROLE is "read" (GET and HEAD), "write" (all), or "agent": that of the agent
 * of host NAME, which may make itself known (enroll.h), and nothing else.
 * Empty lines and lines that begin with "#" are skipped. */

#include <stdbool.h>

struct tokens;

/* Reads 'file'.  Returns NULL and sets '*error', which the caller frees, if
 * that is not possible, anything in it is wrong, or others than its owner may
 * read it. */
struct tokens *tokens_read(const char *file, char **error);
void tokens_destroy(struct tokens *);

enum tokens_verdict {
    TOKENS_OK,
    TOKENS_UNKNOWN,             /* No token, or none that is known. */
    TOKENS_FORBIDDEN,           /* Known, but may not do this. */
};

enum tokens_role {
    TOKENS_READ,
    TOKENS_WRITE,
    TOKENS_AGENT,
};

/* Whether whoever sends 'authorization' (of the field of that name, or NULL)
 * may do 'method' on 'path'.  If he is known, stores his name in '*name', and
 * his role in '*role'. */
enum tokens_verdict tokens_check(const struct tokens *,
                                 const char *authorization,
                                 const char *method, const char *path,
                                 const char **name, enum tokens_role *role);

#endif /* tokens.h */
