/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "policy.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "reader.h"
#include "unit.h"

/* A configuration under test: some hosts; two pools with them; and two HTTP
 * services, number 1 with rules. */

#define N_HOSTS 3
#define N_RULES 8

static struct {
    struct host_config host_configs[N_HOSTS];
    struct member_config members[N_HOSTS];
    struct pool_config pools[2];
    struct match_config matches[N_RULES];
    struct rule_config rules[N_RULES];
    struct service_config services[2];
    struct migrate_config config;
} f;

static void
set_up(const uint16_t weights[], size_t n_members)
{
    static char name[] = "x";

    memset(&f, 0, sizeof f);
    for (size_t i = 0; i < N_HOSTS; i++) {
        f.host_configs[i] = (struct host_config) {
            .name = name, .address = address_from_v4(htonl(0x0a010000 + i))
        };
    }
    for (size_t i = 0; i < n_members; i++) {
        f.members[i] = (struct member_config) { i, weights[i] };
    }
    for (size_t i = 0; i < 2; i++) {
        f.pools[i] = (struct pool_config) {
            .name = name,
            .members = f.members,
            .n_members = n_members,
        };
        f.services[i] = (struct service_config) {
            .name = name, .id = 1 + i, .default_pool = 0
        };
    }
    f.services[0].rules = f.rules;
    f.config = (struct migrate_config) {
        .hosts = f.host_configs, .n_hosts = N_HOSTS,
        .pools = f.pools, .n_pools = 2,
        .services = f.services, .n_services = 2,
    };
}

/* Adds a rule that selects pool 1 where 'key' is 'value', or always if 'key'
 * is null. */
static void
add_rule(uint16_t priority, const char *key, const char *value)
{
    size_t i = f.services[0].n_rules++;

    f.matches[i].key = (char *) key;
    f.matches[i].value = (char *) value;
    f.rules[i] = (struct rule_config) {
        .priority = priority,
        .matches = &f.matches[i],
        .n_matches = key != NULL,
        .pool = 1,
    };
}

static struct policy *
create(void)
{
    char *error = NULL;
    struct policy *policy = policy_create(&f.config, NULL, &error);

    CHECK_STR(error ? error : "no error", "no error");
    CU_ASSERT_FATAL(policy != NULL);
    return policy;
}

static struct pool *
default_pool(const struct policy *policy)
{
    return policy_service(policy, 1)->default_pool;
}

/* Which rule the head 'head' meets. */
static int
classify(const struct policy *policy, const char *head)
{
    struct reader reader;
    struct request request;
    struct pool *pool;
    int rule;

    reader_init(&reader, PROTOCOL_HTTP);
    CHECK_INT(reader_feed(&reader, head, strlen(head), &request),
              READ_COMPLETE);
    pool = service_classify(policy_service(policy, 1), &request, &rule);
    CU_ASSERT(rule < 0 ? pool == default_pool(policy)
              : pool && pool != default_pool(policy));
    return rule;
}

static void
test_priority(void)
{
    struct match_config both[2] = {
        { (char *) "method", (char *) "GET" },
        { (char *) "header.X-Y", (char *) "*z*" },
    };
    struct policy *policy;
    const struct service *s;

    set_up(NULL, 0);
    add_rule(10, "path-prefix", "/b");
    add_rule(20, "path-prefix", "/a/b");
    add_rule(10, "path-prefix", "/");
    add_rule(10, "path-prefix", "/c");
    add_rule(65535, NULL, NULL);
    f.rules[4].matches = both;
    f.rules[4].n_matches = 2;
    policy = create();

    s = policy_service(policy, 1);
    CHECK_STR(service_rule_text(s, 0), "method=GET,header.X-Y=*z*");
    CHECK_STR(service_rule_text(s, 1), "path-prefix=/a/b");
    CHECK_STR(service_rule_text(s, 2), "path-prefix=/b");
    CHECK_STR(service_rule_text(s, 3), "path-prefix=/");
    CHECK_STR(service_rule_text(s, 4), "path-prefix=/c");
    CHECK_STR(service_rule_text(s, -1), "default");
    for (int i = 0; i < 5; i++) {
        CU_ASSERT(service_rule_pool(s, i) == s->default_pool + 1);
    }

    CHECK_INT(classify(policy, "GET /a/b HTTP/1.1\r\nX-Y: xyz\r\n\r\n"), 0);
    CHECK_INT(classify(policy, "PUT /a/b HTTP/1.1\r\nX-Y: xyz\r\n\r\n"), 1);
    CHECK_INT(classify(policy, "GET /a/b HTTP/1.1\r\nX-Y: xy\r\n\r\n"), 1);
    CHECK_INT(classify(policy, "GET /b HTTP/1.1\r\n\r\n"), 2);
    CHECK_INT(classify(policy, "GET /c HTTP/1.1\r\n\r\n"), 3);
    CHECK_INT(classify(policy, "OPTIONS * HTTP/1.1\r\n\r\n"), -1);
    policy_destroy(policy);
}

/* Where nothing is read, rules without a match apply. */
static void
test_no_request(void)
{
    static const struct request nothing;
    struct policy *policy;
    int rule = 77;

    set_up(NULL, 0);
    add_rule(5, "path-prefix", "/");
    policy = create();
    CU_ASSERT(service_classify(policy_service(policy, 1), &nothing, &rule)
              == default_pool(policy));
    CHECK_INT(rule, -1);
    policy_destroy(policy);

    set_up(NULL, 0);
    f.services[0].protocol = PROTOCOL_TCP;
    f.services[0].default_pool = NO_POOL;
    policy = create();
    CU_ASSERT(!service_classify(policy_service(policy, 1), &nothing,
                                &rule));
    CHECK_INT(rule, -1);
    policy_destroy(policy);

    add_rule(5, NULL, NULL);
    policy = create();
    CU_ASSERT(service_classify(policy_service(policy, 1), &nothing, &rule)
              == policy_service(policy, 2)->default_pool + 1);
    CHECK_INT(rule, 0);
    CHECK_STR(service_rule_text(policy_service(policy, 1), 0), "any");
    policy_destroy(policy);
}

static void
test_services(void)
{
    static const uint32_t ids[] = { 7, 1, UINT32_MAX, 300, 2 };
    struct service_config services[5];
    struct policy *policy;
    const struct service *s;
    size_t at = 0;

    set_up(NULL, 0);
    for (size_t i = 0; i < 5; i++) {
        services[i] = f.services[1];
        services[i].id = ids[i];
        services[i].placement = MIGRATE_PLACED_FLOW;
        services[i].request_timeout = 1000 + ids[i] % 1000;
    }
    f.config.services = services;
    f.config.n_services = 5;
    policy = create();
    for (size_t i = 0; i < 5; i++) {
        CU_ASSERT_FATAL(policy_service(policy, ids[i]) != NULL);
        CHECK_INT(policy_service(policy, ids[i])->id, ids[i]);
    }
    CU_ASSERT(!policy_service(policy, 0));
    CU_ASSERT(!policy_service(policy, 3));
    for (uint64_t sum = 0; (s = policy_next(policy, &at)) != NULL; ) {
        sum += s->id;
        CHECK_INT(s->placement, MIGRATE_PLACED_FLOW);
        CHECK_INT(s->request_timeout, 1000 + s->id % 1000);
        CU_ASSERT(at < 5 || sum == 310ULL + UINT32_MAX);
    }
    CHECK_INT(at, 5);
    policy_destroy(policy);

    f.config.n_services = f.config.n_pools = f.config.n_hosts = 0;
    policy = create();
    CU_ASSERT(!policy_service(policy, 1));
    policy_destroy(policy);
    policy_destroy(NULL);
}

/* Checks that the configuration in 'f' is refused for 'expected'. */
static void
check_refused(const char *expected)
{
    char *error = NULL;
    struct policy *policy = policy_create(&f.config, NULL, &error);

    CU_ASSERT(!policy);
    CU_ASSERT(error && strstr(error, expected));
    if (!error || !strstr(error, expected)) {
        CHECK_STR(error, expected);
    }
    free(error);
    policy_destroy(policy);
}

static void
test_bad_config(void)
{
    static const uint16_t weights[N_HOSTS] = { 1, 1, 1 };

    set_up(weights, 3);
    f.services[0].id = 0;
    check_refused("service \"x\": id 0 is reserved");

    set_up(weights, 3);
    f.services[1].id = 1;
    check_refused("services \"x\" and \"x\" both have id 1");

    set_up(weights, 3);
    f.members[2].host = 0;
    check_refused("pool \"x\": host \"x\" is in it twice");

    set_up(weights, 3);
    f.services[1].default_pool = 2;
    check_refused("service \"x\": no such default pool");

    set_up(weights, 3);
    add_rule(5, "method", "GET");
    f.rules[0].pool = 2;
    check_refused("rule of priority 5: no such pool");
    f.rules[0].pool = NO_POOL;
    check_refused("rule of priority 5: no such pool");

    set_up(weights, 3);
    add_rule(5, "host", "example.com");
    f.services[0].protocol = PROTOCOL_TCP;
    check_refused("protocol=tcp reads nothing to match \"host\" with");

    set_up(weights, 3);
    add_rule(5, "method", "GET");
    add_rule(17, "snow", "a");
    check_refused("service \"x\", rule of priority 17: unknown match \"snow\"");
}

static const struct unit_test tests[] = {
    { "priority", test_priority },
    { "no request", test_no_request },
    { "services", test_services },
    { "bad configurations are refused", test_bad_config },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "policy", tests };
