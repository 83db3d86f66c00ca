/* SPDX-License-Identifier: Apache-2.0 */
#ifndef POLICY_H
#define POLICY_H 1

/* Services with their rules (rule.h) and pools (pool.h): which host a request
 * goes to.
 *
 * A policy is compiled from a configuration once and answers selections until
 * it is replaced.  It refers to hosts by index in the engine's host table. */

#include "migrate-config.h"
#include "pool.h"
#include "request.h"

struct policy;
struct rule;

struct service {
    char *name;
    uint32_t id;
    enum service_protocol protocol;
    enum migrate_placement placement;
    /* Milliseconds. */
    uint32_t request_timeout, first_data_timeout, decide_timeout;
    struct rule *rules;         /* Highest priority first; among equals, in
                                 * configuration order. */
    size_t n_rules;
    struct pool *default_pool;  /* Or NULL. */
    uint32_t n_connections;     /* Kept by the engine. */
    uint64_t n_handoffs;
    unsigned int decide_misses; /* Questions to the controller without an
                                 * answer, in a row... */
    int64_t decide_retry;       /* ...and, if those are too many, when there is
                                 * to be another one. */
};

/* The name of 'placement', as in the column of Migration_Service. */
const char *placement_name(enum migrate_placement placement);

/* The placement of that name; MIGRATE_PLACED_TABLE if 'name' is NULL. */
enum migrate_placement placement_from_name(const char *name);

/* Compiles 'config', which has HOST_MAX hosts at most, into a policy that needs
 * policy_bind() then.  What 'old', which may be null and in use, has the same
 * is shared with it.  On an error in the configuration (duplicate service id,
 * unknown match key, bad pattern...) returns NULL and sets '*error' to a
 * message that names the thing and the remedy, which the caller frees. */
struct policy *policy_create(const struct migrate_config *config,
                             const struct policy *old, char **error);

/* Tells the policy where the hosts of its configuration are in the engine's
 * host table. */
void policy_bind(struct policy *, const uint16_t host_index[]);

void policy_destroy(struct policy *);

/* Steps through the services: '*at' starts at 0; NULL ends. */
const struct service *policy_next(const struct policy *, size_t *at);

/* The service with 'id', or NULL. */
struct service *policy_service(const struct policy *, uint32_t id);

/* The pool that 'request' selects, or NULL.  '*rule' is the index of the rule
 * that did, in 'service->rules', or -1 for the default pool. */
struct pool *service_classify(const struct service *,
                              const struct request *, int *rule);

/* Text that explains rule 'rule' of 'service', such as
 * "path-prefix=/images/", for people; "default" if 'rule' is -1. */
const char *service_rule_text(const struct service *, int rule);

/* The pool of rule 'rule' of 'service', at least 0. */
const struct pool *service_rule_pool(const struct service *, int rule);

#endif /* policy.h */
