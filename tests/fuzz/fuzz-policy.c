/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "policy.h"

#include "fuzz.h"
#include "reader.h"

/* The input is a line "KEY=VALUE", the match of a rule, and a request.  The
 * rule must take the request if and only if plainer code does. */

/* Whether the 'len' bytes at 's' match 'pattern', in as many steps as the
 * product of their lengths. */
static bool
plain_glob(const char *pattern, const char *s, size_t len)
{
    size_t n = strlen(pattern);
    bool *row = calloc(len + 1, sizeof *row);   /* Pattern so far, s[0..j). */
    bool met;

    row[0] = true;
    for (size_t i = 0; i < n; i++) {
        bool diagonal = row[0];

        row[0] = row[0] && pattern[i] == '*';
        for (size_t j = 1; j <= len; j++) {
            bool above = row[j];

            row[j] = pattern[i] == '*' ? row[j - 1] || above
                                       : diagonal && pattern[i] == s[j - 1];
            diagonal = above;
        }
    }
    met = row[len];
    free(row);
    return met;
}

static bool
plain_match(const char *key, const char *value, const struct request *r)
{
    size_t len = strlen(value);

    if (!strcmp(key, "method")) {
        return r->method.len == len && !memcmp(r->method.s, value, len);
    } else if (!strcmp(key, "path-prefix")) {
        return r->path.len >= len && !memcmp(r->path.s, value, len);
    } else if (!strcmp(key, "host")) {
        if (value[len - 1] == '.' && len > 1) {
            len--;
        }
        if (*value == '*') {
            value++;
            len--;
            return (r->host.len > len
                    && !strncasecmp(r->host.s + r->host.len - len, value,
                                    len));
        }
        return r->host.len == len && !strncasecmp(r->host.s, value, len);
    }

    key += strlen("header.");
    for (size_t i = 0; i < r->n_headers; i++) {
        const struct http_header *h = &r->headers[i];

        if (h->name.len == strlen(key)
            && !strncasecmp(r->buffer + h->name.ofs, key, h->name.len)
            && plain_glob(value, r->buffer + h->value.ofs, h->value.len)) {
            return true;
        }
    }
    return false;
}

/* Compiles a rule on 'match', or returns NULL. */
static struct policy *
make_policy(struct match_config *match)
{
    static char name[] = "x";
    struct rule_config rule = { .matches = match, .n_matches = 1 };
    struct pool_config pool = { .name = name };
    struct service_config service = {
        .name = name, .id = 1, .rules = &rule, .n_rules = 1,
        .default_pool = NO_POOL
    };
    struct migrate_config config = {
        .pools = &pool, .n_pools = 1, .services = &service, .n_services = 1
    };
    char *error;
    struct policy *policy = policy_create(&config, NULL, &error);

    FUZZ_CHECK(!policy == !!error);
    free(error);
    return policy;
}

static void
check_head(const struct policy *policy, const struct match_config *match,
           const char *head, size_t size)
{
    struct reader reader;
    struct request request;
    struct pool *pool;
    int rule;

    reader_init(&reader, PROTOCOL_HTTP);
    if (reader_feed(&reader, head, size, &request) == READ_COMPLETE) {
        pool = service_classify(policy_service(policy, 1), &request, &rule);
        FUZZ_CHECK(!pool == (rule < 0));
        FUZZ_CHECK((rule == 0)
                   == plain_match(match->key, match->value, &request));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = memchr(data, '\n', size);
    struct match_config match;
    struct policy *policy;
    char *line, *equals;

    /* plain_glob() is slow. */
    if (!newline || newline - data > 512) {
        return 0;
    }
    line = fuzz_copy(data, newline - data + 1);
    line[newline - data] = '\0';
    equals = strchr(line, '=');
    if (equals) {
        *equals = '\0';
        match.key = line;
        match.value = equals + 1;
        policy = make_policy(&match);
        if (policy) {
            size_t head_size = size - (newline + 1 - data);
            char *head = fuzz_copy(newline + 1, head_size);

            check_head(policy, &match, head, head_size);
            free(head);
        }
        policy_destroy(policy);
    }
    free(line);
    return 0;
}
