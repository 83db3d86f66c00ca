/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "policy.h"

#include <stdlib.h>

#include "rule.h"
#include "text.h"
#include "xalloc.h"

struct policy {
    struct pool *pools;
    size_t n_pools;
    struct service *services;   /* By id. */
    size_t n_services;
};

struct pool *
service_classify(const struct service *service,
                 const struct request *request, int *rule)
{
    for (size_t i = 0; i < service->n_rules; i++) {
        if (rule_holds(&service->rules[i], request)) {
            *rule = i;
            return service->rules[i].pool;
        }
    }
    *rule = -1;
    return service->default_pool;
}

const char *
service_rule_text(const struct service *service, int rule)
{
    return rule < 0 ? "default" : service->rules[rule].text;
}

static const char *const placements[] = {
    [MIGRATE_PLACED_TABLE] = "table",
    [MIGRATE_PLACED_FLOW] = "flow",
    [MIGRATE_PLACED_KERNEL] = "kernel",
};

const char *
placement_name(enum migrate_placement placement)
{
    return placements[placement];
}

enum migrate_placement
placement_from_name(const char *name)
{
    return name_index(name, placements,
                      sizeof placements / sizeof placements[0]);
}

/* Compiling.  These functions return NULL, or an error message that the
 * caller frees. */

static char *
compile_rule(const struct migrate_config *config,
             const struct rule_config *rc, enum service_protocol protocol,
             struct policy *policy, struct rule *rule)
{
    char *error = rule_init(rule, rc, protocol);

    if (error) {
        return error;
    }
    if (rc->pool >= config->n_pools) {
        return xasprintf("no such pool; set \"pool\" to one that exists");
    }
    rule->pool = &policy->pools[rc->pool];
    return NULL;
}

static char *
compile_service(const struct migrate_config *config,
                const struct service_config *sc, struct policy *policy,
                struct service *service)
{
    service->name = xasprintf("%s", sc->name);
    service->id = sc->id;
    service->protocol = sc->protocol;
    service->placement = sc->placement;
    service->request_timeout = sc->request_timeout;
    service->first_data_timeout = sc->first_data_timeout;
    service->decide_timeout = sc->decide_timeout;
    service->rules = xcalloc(sc->n_rules, sizeof *service->rules);
    service->n_rules = sc->n_rules;

    if (!sc->id) {
        return xasprintf("service \"%s\": id 0 is reserved; give it an id "
                         "from 1 on", sc->name);
    }
    for (size_t i = 0; i < sc->n_rules; i++) {
        const struct rule_config *rc = &sc->rules[i];
        char *error;

        error = compile_rule(config, rc, sc->protocol, policy,
                             &service->rules[i]);
        service->rules[i].order = i;
        if (error) {
            char *full = xasprintf("service \"%s\", rule of priority %u: %s",
                                   sc->name, rc->priority, error);

            free(error);
            return full;
        }
    }
    qsort(service->rules, service->n_rules, sizeof *service->rules,
          rule_compare);

    if (sc->default_pool < config->n_pools) {
        service->default_pool = &policy->pools[sc->default_pool];
    } else if (sc->default_pool != NO_POOL) {
        return xasprintf("service \"%s\": no such default pool; set "
                         "\"default_pool\" to one that exists", sc->name);
    }
    return NULL;
}

static int
compare_services(const void *a_, const void *b_)
{
    const struct service *a = a_;
    const struct service *b = b_;

    return a->id < b->id ? -1 : a->id > b->id;
}

static char *
compile_policy(const struct migrate_config *config,
               const struct policy *old, struct policy *policy)
{
    char *error = NULL;

    policy->pools = xcalloc(config->n_pools, sizeof *policy->pools);
    policy->n_pools = config->n_pools;
    for (size_t i = 0; i < config->n_pools && !error; i++) {
        error = pool_init(&policy->pools[i], config, &config->pools[i],
                          old ? old->pools : NULL, old ? old->n_pools : 0);
    }

    policy->services = xcalloc(config->n_services, sizeof *policy->services);
    policy->n_services = config->n_services;
    for (size_t i = 0; i < config->n_services && !error; i++) {
        error = compile_service(config, &config->services[i], policy,
                                &policy->services[i]);
    }
    qsort(policy->services, policy->n_services, sizeof *policy->services,
          compare_services);
    for (size_t i = 1; i < policy->n_services && !error; i++) {
        const struct service *s = &policy->services[i];

        if (s[-1].id == s->id) {
            error = xasprintf("services \"%s\" and \"%s\" both have id %u; "
                              "give each its own", s[-1].name, s->name, s->id);
        }
    }
    return error;
}

struct policy *
policy_create(const struct migrate_config *config,
              const struct policy *old, char **error)
{
    struct policy *policy = xcalloc(1, sizeof *policy);

    *error = compile_policy(config, old, policy);
    if (*error) {
        policy_destroy(policy);
        return NULL;
    }
    return policy;
}

void
policy_bind(struct policy *policy, const uint16_t host_index[])
{
    for (size_t i = 0; i < policy->n_pools; i++) {
        pool_bind(&policy->pools[i], host_index);
    }
}

void
policy_destroy(struct policy *policy)
{
    if (!policy) {
        return;
    }
    for (size_t i = 0; i < policy->n_services; i++) {
        struct service *service = &policy->services[i];

        for (size_t j = 0; j < service->n_rules; j++) {
            rule_uninit(&service->rules[j]);
        }
        free(service->rules);
        free(service->name);
    }
    free(policy->services);
    for (size_t i = 0; i < policy->n_pools; i++) {
        pool_uninit(&policy->pools[i]);
    }
    free(policy->pools);
    free(policy);
}

struct service *
policy_service(const struct policy *policy, uint32_t id)
{
    size_t low = 0;
    size_t high = policy->n_services;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (policy->services[mid].id == id) {
            return &policy->services[mid];
        } else if (policy->services[mid].id < id) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return NULL;
}

const struct service *
policy_next(const struct policy *policy, size_t *at)
{
    return *at < policy->n_services ? &policy->services[(*at)++] : NULL;
}

const struct pool *
service_rule_pool(const struct service *service, int rule)
{
    return service->rules[rule].pool;
}
