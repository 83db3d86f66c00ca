/* SPDX-License-Identifier: Apache-2.0 */
#ifndef RULE_H
#define RULE_H 1

/* One rule of a service: conditions on a request, and the pool of those
 * requests that meet all of them. */

#include "migrate-config.h"
#include "request.h"

struct match;
struct pool;

struct rule {
    uint16_t priority;
    size_t order;               /* Place in the configuration. */
    struct match *matches;
    size_t n_matches;
    struct pool *pool;          /* Not owned. */
    char *text;                 /* For people, such as "method=GET". */
};

/* Compiles the matches of 'config', for requests in 'protocol', into 'rule';
 * the caller sets 'order' and 'pool'.  Returns NULL, or an error message that
 * the caller frees; either way, 'rule' needs rule_uninit(). */
char *rule_init(struct rule *, const struct rule_config *config,
                enum service_protocol protocol);

/* Frees what 'rule', which may be all zeros, holds. */
void rule_uninit(struct rule *);

/* Whether 'request' meets all matches of 'rule'. */
bool rule_holds(const struct rule *, const struct request *);

/* For qsort(): highest priority first; among equals, by 'order'. */
int rule_compare(const void *, const void *);

#endif /* rule.h */
