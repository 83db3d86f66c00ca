/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "policy.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "unit.h"

/* A configuration under test: hosts 10.1.0.0, 10.1.0.1, ...; pool 0 with all
 * of them; and one HTTP service, number 1. */

#define N_HOSTS 8
#define N_RULES 8

static struct {
    struct host_config host_configs[N_HOSTS];
    struct member_config members[N_HOSTS];
    struct pool_config pools[2];
    struct match_config matches[N_RULES];
    struct rule_config rules[N_RULES];
    struct service_config services[2];
    struct migrate_config config;

    /* The engine's hosts, in another order: host i has index N_HOSTS - i. */
    struct host hosts[N_HOSTS];
    struct host *table[N_HOSTS + 1];
    uint16_t host_index[N_HOSTS];
    struct tried tried;
} f;

static void
set_up(enum pool_policy policy, const uint16_t weights[], size_t n_members)
{
    static char name[] = "x";

    memset(&f, 0, sizeof f);
    for (size_t i = 0; i < N_HOSTS; i++) {
        f.host_index[i] = N_HOSTS - i;
        f.hosts[i] = (struct host) {
            .address = address_from_v4(htonl(0x0a010000 + i)),
            .index = N_HOSTS - i,
            .configured = true,
            .mac_known = true,
            .up = true,
        };
        f.table[N_HOSTS - i] = &f.hosts[i];
        f.host_configs[i] = (struct host_config) {
            .name = name, .address = f.hosts[i].address
        };
    }
    for (size_t i = 0; i < n_members; i++) {
        f.members[i] = (struct member_config) { i, weights[i] };
    }
    for (size_t i = 0; i < 2; i++) {
        f.pools[i] = (struct pool_config) {
            .name = name,
            .policy = policy,
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
    struct policy *policy = policy_create(&f.config, f.host_index, &error);

    CHECK_STR(error ? error : "no error", "no error");
    CU_ASSERT_FATAL(policy != NULL);
    return policy;
}

static struct pool *
default_pool(const struct policy *policy)
{
    return policy_service(policy, 1)->default_pool;
}

/* The number of the host that 'pool' selects for client number 'client', or
 * -1. */
static int
select_host(struct pool *pool, uint32_t client)
{
    struct migrate_address a = address_from_v4(htonl(0xc0000000 + client));
    int i = pool_select(pool, f.table, &a, &f.tried);

    return i < 0 ? -1 : N_HOSTS - i;
}

/* Selects 'n' times and counts the selections of each host. */
static void
count(struct pool *pool, unsigned int n, unsigned int counts[N_HOSTS])
{
    memset(counts, 0, N_HOSTS * sizeof *counts);
    for (unsigned int i = 0; i < n; i++) {
        int host = select_host(pool, i);

        CU_ASSERT_FATAL(host >= 0);
        counts[host]++;
    }
}

/* Which rule the head 'head' meets. */
static int
classify(const struct policy *policy, const char *head)
{
    struct http_parser parser;
    struct request request;
    struct pool *pool;
    int rule;

    http_init(&parser);
    CHECK_INT(http_feed(&parser, head, 0, strlen(head)), HTTP_COMPLETE);
    http_request(&parser, head, &request);
    pool = service_classify(policy_service(policy, 1), &request, &rule);
    CU_ASSERT(rule < 0 ? pool == default_pool(policy)
              : pool && pool != default_pool(policy));
    return rule;
}

/* Whether a rule on 'key' and 'value' takes the head 'head'. */
static bool
matches(const char *key, const char *value, const char *head)
{
    struct policy *policy;
    bool met;

    set_up(POOL_ROUND_ROBIN, NULL, 0);
    add_rule(1, key, value);
    policy = create();
    met = classify(policy, head) == 0;
    policy_destroy(policy);
    return met;
}

#define HEAD "GET /images/a.png HTTP/1.1\r\nHost: www.Example.com:80\r\n" \
             "X-Empty:\r\nCookie: a=1; session=blue; b=2 \t\r\n" \
             "cookie: session=green\r\n\r\n"

static void
test_matches(void)
{
    static const struct {
        const char *key;
        const char *value;
        bool expected;
    } cases[] = {
        { "host", "www.example.com", true },
        { "host", "WWW.EXAMPLE.COM", true },
        { "host", "www.example.com.", true },
        { "host", "example.com", false },
        { "host", "www.example.co", false },
        { "host", "xwww.example.com", false },
        { "host", "*.example.com", true },
        { "host", "*.EXAMPLE.com", true },
        { "host", "*.com", true },
        { "host", "*.www.example.com", false },
        { "host", "*.xample.com", false },
        { "path-prefix", "/", true },
        { "path-prefix", "/images/", true },
        { "path-prefix", "/images/a.png", true },
        { "path-prefix", "/images/a.pngx", false },
        { "path-prefix", "/Images/", false },
        { "path-prefix", "/mages/", false },
        { "method", "GET", true },
        { "method", "get", false },
        { "method", "GE", false },
        { "method", "GETS", false },
        { "header.cookie", "*session=blue*", true },
        { "header.COOKIE", "session=green", true },
        { "header.Cookie", "a=1; session=blue; b=2", true },
        { "header.Cookie", "*b=2", true },
        { "header.Cookie", "session=blue", false },
        { "header.Cookie", "*session=Blue*", false },
        { "header.Cookie", "*a=1*green*", false },
        { "header.Cooki", "*", false },
        { "header.Cookies", "*", false },
        { "header.X-Empty", "*", true },
        { "header.X-Empty", "**", true },
        { "header.X-Empty", "x", false },
        { "header.X-None", "*", false },
        { "header.Host", "www.Example.com:80", true },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool met = matches(cases[i].key, cases[i].value, HEAD);
        char *what = unit_sprintf("%s=%s", cases[i].key, cases[i].value);

        unit_check_int(met, cases[i].expected, what, __FILE__, __LINE__);
        free(what);
    }
}

static void
test_no_host(void)
{
    CU_ASSERT(!matches("host", "a", "GET / HTTP/1.0\r\n\r\n"));
    CU_ASSERT(!matches("host", "*.a", "GET / HTTP/1.0\r\n\r\n"));
    CU_ASSERT(!matches("host", "*.a", "GET / HTTP/1.1\r\nHost: .a\r\n\r\n"));
    CU_ASSERT(matches("host", "*.a", "GET / HTTP/1.1\r\nHost: b.a\r\n\r\n"));
    CU_ASSERT(matches("host", "[2001:DB8::1]",
                      "GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n"));
    CU_ASSERT(matches("host", "a", "GET http://A/ HTTP/1.1\r\n"
                      "Host: b\r\n\r\n"));
    CU_ASSERT(!matches("path-prefix", "/", "OPTIONS * HTTP/1.1\r\n\r\n"));
    CU_ASSERT(!matches("path-prefix", "/", "CONNECT a:1 HTTP/1.1\r\n\r\n"));
}

/* Whether the pattern 'p' matches 's', the obvious way. */
static bool
slow_glob(const char *p, const char *s)
{
    if (*p == '*') {
        return slow_glob(p + 1, s) || (*s && slow_glob(p, s + 1));
    }
    return *p ? *p == *s && slow_glob(p + 1, s + 1) : !*s;
}

static void
test_glob(void)
{
    for (int round = 0; round < 20000; round++) {
        static const char letters[] = "ab**";
        char pattern[8], value[10], head[64];
        size_t pattern_len = 1 + unit_random() % (sizeof pattern - 1);
        size_t value_len = unit_random() % sizeof value;

        for (size_t i = 0; i < pattern_len; i++) {
            pattern[i] = letters[unit_random() % 4];
        }
        pattern[pattern_len] = '\0';
        for (size_t i = 0; i < value_len; i++) {
            value[i] = letters[unit_random() % 2];
        }
        value[value_len] = '\0';

        snprintf(head, sizeof head, "GET / HTTP/1.1\r\nX: %s\r\n\r\n", value);
        unit_check_int(matches("header.X", pattern, head),
                       slow_glob(pattern, value), pattern,
                       __FILE__, __LINE__);
    }
}

/* What makes a naive matcher exponential or quadratic takes no time. */
static void
test_glob_worst_case(void)
{
    static char head[HTTP_MAX_HEAD + 1];
    char pattern[513];
    clock_t start;

    memset(head, 'a', HTTP_MAX_HEAD);
    memcpy(head, "GET / HTTP/1.1\r\nX: ", 19);
    memcpy(head + HTTP_MAX_HEAD - 4, "\r\n\r\n", 4);

    start = clock();
    for (int i = 0; i < 512; i++) {
        pattern[i] = i % 2 ? 'a' : '*';
    }
    strcpy(pattern + 509, "b*");
    CU_ASSERT(!matches("header.X", pattern, head));
    memset(pattern + 1, 'a', 508);
    CU_ASSERT(!matches("header.X", pattern, head));
    pattern[1] = 'b';
    pattern[509] = 'a';
    CU_ASSERT(!matches("header.X", pattern, head));
    strcpy(pattern + 200, "a*");
    CU_ASSERT(!matches("header.X", pattern, head));
    CU_ASSERT(clock() - start < CLOCKS_PER_SEC / 4);
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

    set_up(POOL_ROUND_ROBIN, NULL, 0);
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
    struct policy *policy;
    int rule = 77;

    set_up(POOL_ROUND_ROBIN, NULL, 0);
    add_rule(5, "path-prefix", "/");
    policy = create();
    CU_ASSERT(service_classify(policy_service(policy, 1), NULL, &rule)
              == default_pool(policy));
    CHECK_INT(rule, -1);
    policy_destroy(policy);

    set_up(POOL_ROUND_ROBIN, NULL, 0);
    f.services[0].protocol = PROTOCOL_TCP;
    f.services[0].default_pool = NO_POOL;
    policy = create();
    CU_ASSERT(!service_classify(policy_service(policy, 1), NULL, &rule));
    CHECK_INT(rule, -1);
    policy_destroy(policy);

    add_rule(5, NULL, NULL);
    policy = create();
    CU_ASSERT(service_classify(policy_service(policy, 1), NULL, &rule)
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

    set_up(POOL_ROUND_ROBIN, NULL, 0);
    for (size_t i = 0; i < 5; i++) {
        services[i] = f.services[1];
        services[i].id = ids[i];
        services[i].placement = PLACEMENT_FLOW;
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
        CHECK_INT(s->placement, PLACEMENT_FLOW);
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

/* Weights are exact over each sum of weights, and spread out. */
static void
test_round_robin(void)
{
    static const uint16_t weights[N_HOSTS] = { 5, 1, 1, 0 };
    static const int expected[] = { 0, 0, 1, 0, 2, 0, 0 };
    struct policy *policy;
    struct pool *pool;
    unsigned int counts[N_HOSTS];

    set_up(POOL_ROUND_ROBIN, weights, 4);
    policy = create();
    pool = default_pool(policy);
    for (int i = 0; i < 70; i++) {
        CHECK_INT(select_host(pool, 0), expected[i % 7]);
    }

    f.hosts[0].up = false;
    count(pool, 1000, counts);
    CHECK_INT(counts[1], 500);
    CHECK_INT(counts[2], 500);

    /* A host that returns does not get what it missed. */
    f.hosts[0].up = true;
    count(pool, 700, counts);
    CU_ASSERT(abs((int) counts[0] - 500) <= 5);
    CU_ASSERT(abs((int) counts[1] - 100) <= 5);
    policy_destroy(policy);
}

static void
test_large_weights(void)
{
    static const uint16_t weights[N_HOSTS] = {
        65535, 65535, 65535, 65535, 65535, 65535, 65535, 1
    };
    struct policy *policy;
    unsigned int counts[N_HOSTS];

    for (int p = POOL_ROUND_ROBIN; p <= POOL_SOURCE_HASH; p++) {
        set_up(p, weights, N_HOSTS);
        for (int i = 0; i < N_HOSTS; i++) {
            f.hosts[i].n_connections = UINT32_MAX;
        }
        policy = create();
        count(default_pool(policy), 7000, counts);
        for (int i = 0; i < 7; i++) {
            if (p == POOL_LEAST_CONNECTIONS || p == POOL_ROUND_ROBIN) {
                CU_ASSERT(abs((int) counts[i] - 1000) <= 1);
            } else {
                CU_ASSERT(counts[i] > 850 && counts[i] < 1150);
            }
        }
        policy_destroy(policy);
    }
}

static void
test_least_connections(void)
{
    static const uint16_t weights[N_HOSTS] = { 1, 2, 4, 0 };
    struct policy *policy;
    struct pool *pool;

    set_up(POOL_LEAST_CONNECTIONS, weights, 4);
    policy = create();
    pool = default_pool(policy);

    /* Ties are broken in turn, by weight. */
    for (int i = 0; i < 700; i++) {
        f.hosts[select_host(pool, 0)].n_connections++;
    }
    CHECK_INT(f.hosts[0].n_connections, 100);
    CHECK_INT(f.hosts[1].n_connections, 200);
    CHECK_INT(f.hosts[2].n_connections, 400);

    f.hosts[1].n_connections -= 10;
    for (int i = 0; i < 10; i++) {
        CHECK_INT(select_host(pool, 0), 1);
        f.hosts[1].n_connections++;
    }

    f.hosts[3].n_connections = 0;
    f.hosts[0].n_connections = 99;
    CHECK_INT(select_host(pool, 0), 0);
    f.hosts[0].mac_known = false;
    f.hosts[1].n_connections = 201;
    CHECK_INT(select_host(pool, 0), 2);
    policy_destroy(policy);
}

static void
test_source_hash_weights(void)
{
    static const uint16_t weights[N_HOSTS] = { 1, 2, 3, 4, 10, 0, 20, 40 };
    const unsigned int n = 80000;
    struct policy *policy;
    unsigned int counts[N_HOSTS];

    set_up(POOL_SOURCE_HASH, weights, N_HOSTS);
    policy = create();
    count(default_pool(policy), n, counts);
    for (int i = 0; i < N_HOSTS; i++) {
        int expected = n / 80 * weights[i];

        /* Four standard deviations or more. */
        CU_ASSERT(abs((int) counts[i] - expected) <= expected / 8);
    }
    policy_destroy(policy);
}

/* The hosts of 'n' clients under the configuration in 'f'. */
static void
map_clients(int *map, size_t n)
{
    struct policy *policy = create();

    for (size_t i = 0; i < n; i++) {
        map[i] = select_host(default_pool(policy), i);
    }
    policy_destroy(policy);
}

static void
test_source_hash_stable(void)
{
    enum { N = 5000 };
    static const uint16_t weights[N_HOSTS] = { 3, 1, 4, 1, 5, 9, 2, 6 };
    static int before[N], after[N];
    struct member_config last;

    set_up(POOL_SOURCE_HASH, weights, N_HOSTS);
    map_clients(before, N);

    /* A host that is down, tried, weightless or removed: only its clients
     * move. */
    for (int how = 0; how < 4; how++) {
        int moved = 0;

        set_up(POOL_SOURCE_HASH, weights, N_HOSTS);
        if (how == 0) {
            f.hosts[5].up = false;
        } else if (how == 1) {
            f.tried.host[f.tried.n++] = f.host_index[5];
        } else if (how == 2) {
            f.members[5].weight = 0;
        } else {
            last = f.members[N_HOSTS - 1];
            f.members[5] = last;        /* And the order changes. */
            f.pools[0].n_members = f.pools[1].n_members = N_HOSTS - 1;
        }
        map_clients(after, N);
        for (int i = 0; i < N; i++) {
            CU_ASSERT(after[i] != 5);
            CU_ASSERT(before[i] == 5 || after[i] == before[i]);
            moved += after[i] != before[i];
        }
        CU_ASSERT(moved > N * 9 / 31 / 2);
    }

    /* More weight only draws clients to it. */
    set_up(POOL_SOURCE_HASH, weights, N_HOSTS);
    f.members[1].weight = 10;
    map_clients(after, N);
    for (int i = 0; i < N; i++) {
        CU_ASSERT(after[i] == before[i] || after[i] == 1);
    }
}

/* These would change if switches of two versions disagreed. */
static void
test_source_hash_fixed(void)
{
    static const uint16_t weights[N_HOSTS] = { 1, 1, 2, 2, 3, 3, 4, 4 };
    char text[33];
    int map[32];

    set_up(POOL_SOURCE_HASH, weights, N_HOSTS);
    map_clients(map, 32);
    for (int i = 0; i < 32; i++) {
        text[i] = '0' + map[i];
    }
    text[32] = '\0';
    CHECK_STR(text, "74746476567271562765472754545546");
}

/* No policy gives a host that is not there. */
static void
test_unusable(void)
{
    static const uint16_t weights[N_HOSTS] = { 1, 1, 1, 1, 1, 0 };
    struct policy *policy;
    struct pool *pool;

    for (int p = POOL_ROUND_ROBIN; p <= POOL_SOURCE_HASH; p++) {
        set_up(p, weights, 6);
        policy = create();
        pool = default_pool(policy);
        f.hosts[0].up = false;
        f.hosts[1].configured = false;
        f.hosts[2].mac_known = false;
        f.tried.host[f.tried.n++] = f.host_index[3];
        for (int i = 0; i < 100; i++) {
            CHECK_INT(select_host(pool, i), 4);
        }
        f.tried.host[f.tried.n++] = f.host_index[4];
        for (int i = 0; i < 100; i++) {
            CHECK_INT(select_host(pool, i), -1);
        }
        policy_destroy(policy);

        set_up(p, NULL, 0);
        policy = create();
        CHECK_INT(select_host(default_pool(policy), 0), -1);
        policy_destroy(policy);
    }
}

/* Checks that the configuration in 'f' is refused for 'expected'. */
static void
check_refused(const char *expected)
{
    char *error = NULL;
    struct policy *policy = policy_create(&f.config, f.host_index, &error);

    CU_ASSERT(!policy);
    CU_ASSERT(error && strstr(error, expected));
    if (!error || !strstr(error, expected)) {
        CHECK_STR(error, expected);
    }
    free(error);
    policy_destroy(policy);
}

static void
test_bad_matches(void)
{
    static const struct {
        const char *key;
        const char *value;
        const char *expected;
    } cases[] = {
        { "sni", "a", "unknown match \"sni\"; known are host, path-prefix, "
                      "method and header.NAME" },
        { "Host", "a", "unknown match \"Host\"" },
        { "", "a", "unknown match \"\"" },
        { "header", "a", "unknown match \"header\"" },
        { "header.", "a", "bad header name in \"header.\"" },
        { "header.X Y", "a", "bad header name in \"header.X Y\"" },
        { "header.X:", "a", "bad header name" },
        { "header.X", "", "match on \"header.X\" has an empty value" },
        { "host", "", "match on \"host\" has an empty value" },
        { "host", "*", "bad host \"*\"" },
        { "host", "*.", "bad host \"*.\"" },
        { "host", "*example.com", "bad host" },
        { "host", "www.*.com", "bad host" },
        { "host", "*.*.com", "bad host" },
        { "host", "example.com:80", "without port" },
        { "host", "2001:db8::1", "IPv6 in brackets" },
        { "host", "[2001:db8::1]:80", "without port" },
        { "host", "http://example.com", "bad host" },
        { "host", "example.com/", "bad host" },
        { "path-prefix", "images/", "start it with \"/\"" },
        { "path-prefix", "", "empty value" },
        { "method", "GET,PUT", "bad method \"GET,PUT\"" },
        { "method", "", "empty value" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        set_up(POOL_ROUND_ROBIN, NULL, 0);
        add_rule(5, "method", "GET");
        add_rule(17, cases[i].key, cases[i].value);
        check_refused(cases[i].expected);
        check_refused("service \"x\", rule of priority 17: ");
    }
}

static void
test_bad_config(void)
{
    static const uint16_t weights[N_HOSTS] = { 1, 1, 1 };

    set_up(POOL_ROUND_ROBIN, weights, 3);
    f.services[0].id = 0;
    check_refused("service \"x\": id 0 is reserved");

    set_up(POOL_ROUND_ROBIN, weights, 3);
    f.services[1].id = 1;
    check_refused("services \"x\" and \"x\" both have id 1");

    set_up(POOL_ROUND_ROBIN, weights, 3);
    f.members[2].host = 0;
    check_refused("pool \"x\": host \"x\" is in it twice");
    f.members[2].host = N_HOSTS;
    check_refused("pool \"x\": member 2 is no such host");

    set_up(POOL_ROUND_ROBIN, weights, 3);
    f.services[1].default_pool = 2;
    check_refused("service \"x\": no such default pool");

    set_up(POOL_ROUND_ROBIN, weights, 3);
    add_rule(5, "method", "GET");
    f.rules[0].pool = 2;
    check_refused("rule of priority 5: no such pool");
    f.rules[0].pool = NO_POOL;
    check_refused("rule of priority 5: no such pool");

    set_up(POOL_ROUND_ROBIN, weights, 3);
    add_rule(5, "host", "example.com");
    f.services[0].protocol = PROTOCOL_TCP;
    check_refused("nothing is read to match \"host\" with; set protocol=http");
}

static const struct unit_test tests[] = {
    { "matches", test_matches },
    { "matches without host or path", test_no_host },
    { "glob is right", test_glob },
    { "glob is quick", test_glob_worst_case },
    { "priority", test_priority },
    { "no request", test_no_request },
    { "services", test_services },
    { "round robin", test_round_robin },
    { "large weights", test_large_weights },
    { "least connections", test_least_connections },
    { "source hash: weights", test_source_hash_weights },
    { "source hash: only clients of a lost host move",
      test_source_hash_stable },
    { "source hash: same in every version", test_source_hash_fixed },
    { "unusable hosts", test_unusable },
    { "bad matches are refused", test_bad_matches },
    { "bad configurations are refused", test_bad_config },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "policy", tests };
