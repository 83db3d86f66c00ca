/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "tokens.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/list.h"
#include "util.h"

#define TOKEN_MIN 16            /* Characters. */

struct token {
    struct ovs_list node;
    char *name;
    char *secret;
    enum tokens_role role;
};

struct tokens {
    struct ovs_list list;
};

static bool
parse_role(const char *name, enum tokens_role *role)
{
    static const char *const names[] = {
        [TOKENS_READ] = "read",
        [TOKENS_WRITE] = "write",
        [TOKENS_AGENT] = "agent",
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (!strcmp(name, names[i])) {
            *role = i;
            return true;
        }
    }
    return false;
}

static bool
add_line(struct tokens *tokens, char *line, char **error)
{
    static const char space[] = " \t\r";
    char *save = NULL;
    char *name = strtok_r(line, space, &save);
    enum tokens_role number = TOKENS_READ;
    char *role, *secret;
    struct token *token;

    if (!name || *name == '#') {
        return true;
    }
    role = strtok_r(NULL, space, &save);
    secret = strtok_r(NULL, space, &save);
    if (!secret || strtok_r(NULL, space, &save)) {
        *error = xstrdup("is not \"NAME ROLE TOKEN\"");
    } else if (!parse_role(role, &number)) {
        *error = xasprintf("role \"%s\" is neither \"read\" nor \"write\" nor "
                           "\"agent\"", role);
    } else if (strlen(secret) < TOKEN_MIN) {
        *error = xasprintf("the token has less than %d characters; make one "
                           "with \"openssl rand -hex 16\"", TOKEN_MIN);
    }
    if (*error) {
        return false;
    }
    token = xmalloc(sizeof *token);
    token->name = xstrdup(name);
    token->secret = xstrdup(secret);
    token->role = number;
    ovs_list_push_back(&tokens->list, &token->node);
    return true;
}

static struct tokens *
read_lines(FILE *stream, const char *file, char **error)
{
    struct tokens *tokens = xmalloc(sizeof *tokens);
    struct ds line = DS_EMPTY_INITIALIZER;
    char *problem = NULL;
    int n = 0;

    ovs_list_init(&tokens->list);
    while (!problem && !ds_get_line(&line, stream)) {
        n++;
        add_line(tokens, ds_cstr(&line), &problem);
    }
    ds_destroy(&line);
    if (!problem && ovs_list_is_empty(&tokens->list)) {
        problem = xstrdup("there is no token in it");
    }
    if (problem) {
        *error = xasprintf("%s:%d: %s", file, n, problem);
        free(problem);
        tokens_destroy(tokens);
        return NULL;
    }
    return tokens;
}

struct tokens *
tokens_read(const char *file, char **error)
{
    struct tokens *tokens = NULL;
    FILE *stream = fopen(file, "r");
    struct stat s;

    *error = NULL;
    if (!stream || fstat(fileno(stream), &s)) {
        *error = xasprintf("%s: %s", file, ovs_strerror(errno));
    } else if (s.st_mode & 077) {
        *error = xasprintf("%s: others than its owner may read it; \"chmod "
                           "600\" it", file);
    } else {
        tokens = read_lines(stream, file, error);
    }
    if (stream) {
        fclose(stream);
    }
    return tokens;
}

void
tokens_destroy(struct tokens *tokens)
{
    if (tokens) {
        struct token *token;

        LIST_FOR_EACH_POP (token, node, &tokens->list) {
            free(token->name);
            free(token->secret);
            free(token);
        }
        free(tokens);
    }
}

/* Whether the strings are equal, in a time that does not tell where they
 * differ. */
static bool
equal(const char *a, const char *b)
{
    size_t len = strlen(a);
    unsigned char difference = 0;

    if (strlen(b) != len) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        difference |= a[i] ^ b[i];
    }
    return !difference;
}

static bool
may(const struct token *token, const char *method, const char *path)
{
    static const char agents[] = "/v1/agents/";

    switch (token->role) {
    case TOKENS_WRITE:
        return true;
    case TOKENS_AGENT:
        return (!strcmp(method, "POST")
                && !strncmp(path, agents, strlen(agents))
                && !strcmp(path + strlen(agents), token->name));
    case TOKENS_READ:
    default:
        return !strcmp(method, "GET") || !strcmp(method, "HEAD");
    }
}

enum tokens_verdict
tokens_check(const struct tokens *tokens, const char *authorization,
             const char *method, const char *path, const char **name,
             enum tokens_role *role)
{
    const struct token *token;

    if (!authorization || strncasecmp(authorization, "Bearer ", 7)) {
        return TOKENS_UNKNOWN;
    }
    authorization += 7;
    authorization += strspn(authorization, " ");
    LIST_FOR_EACH (token, node, &tokens->list) {
        if (equal(token->secret, authorization)) {
            *name = token->name;
            *role = token->role;
            return (may(token, method, path) ? TOKENS_OK : TOKENS_FORBIDDEN);
        }
    }
    return TOKENS_UNKNOWN;
}
