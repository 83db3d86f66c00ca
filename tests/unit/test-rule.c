/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "rule.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "reader.h"
#include "unit.h"
#include "xalloc.h"

/* Whether 'rule' takes the head 'head'. */
static bool
takes(const struct rule *rule, const char *head)
{
    struct reader reader;
    struct request request;

    reader_init(&reader, PROTOCOL_HTTP);
    CHECK_INT(reader_feed(&reader, head, strlen(head), &request),
              READ_COMPLETE);
    return rule_holds(rule, &request);
}

/* Whether a rule on 'key' and 'value' takes the head 'head'. */
static bool
matches(const char *key, const char *value, const char *head)
{
    struct match_config match = { (char *) key, (char *) value };
    struct rule_config config = { .matches = &match, .n_matches = 1 };
    char *error;
    struct rule rule;
    bool met;

    error = rule_init(&rule, &config, PROTOCOL_HTTP);
    CHECK_STR(error ? error : "no error", "no error");
    met = takes(&rule, head);
    rule_uninit(&rule);
    free(error);
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
        char *what = xasprintf("%s=%s", cases[i].key, cases[i].value);

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

/* Matches of what a TLS client says. */
static void
test_tls(void)
{
    static const struct {
        const char *key;
        const char *value;
        bool expected;
    } cases[] = {
        { "sni", "www.example.com", true },
        { "sni", "WWW.example.com.", true },
        { "sni", "*.example.com", true },
        { "sni", "*.com", true },
        { "sni", "*.www.example.com", false },
        { "sni", "example.com", false },
        { "sni", "ww.example.com", false },
        { "alpn", "h2", true },
        { "alpn", "http/1.1", true },
        { "alpn", "H2", false },
        { "alpn", "h", false },
        { "alpn", "h2h", false },
        { "alpn", "\x08http/1.1", false },
        { "alpn", "1", false },
    };
    static const struct request nothing, hello = {
        .sni = { "www.Example.COM", 15 },
        .alpn = { "\2h2\x08http/1.1", 12 },
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct match_config match = {
            (char *) cases[i].key, (char *) cases[i].value
        };
        struct rule_config config = { .matches = &match, .n_matches = 1 };
        struct rule rule;
        char *error = rule_init(&rule, &config, PROTOCOL_TLS);

        CHECK_STR(error ? error : "no error", "no error");
        unit_check_int(rule_holds(&rule, &hello), cases[i].expected,
                       cases[i].value, __FILE__, __LINE__);
        CU_ASSERT(!rule_holds(&rule, &nothing));
        rule_uninit(&rule);
    }
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

/* All matches must hold; without any, even no request will do. */
static void
test_several(void)
{
    struct match_config both[2] = {
        { (char *) "method", (char *) "GET" },
        { (char *) "header.X-Y", (char *) "*z*" },
    };
    struct rule_config config = {
        .priority = 7, .matches = both, .n_matches = 2
    };
    static const struct request nothing;
    struct rule rule;

    CU_ASSERT(!rule_init(&rule, &config, PROTOCOL_HTTP));
    CHECK_INT(rule.priority, 7);
    CHECK_STR(rule.text, "method=GET,header.X-Y=*z*");
    CU_ASSERT(takes(&rule, "GET / HTTP/1.1\r\nX-Y: xyz\r\n\r\n"));
    CU_ASSERT(!takes(&rule, "PUT / HTTP/1.1\r\nX-Y: xyz\r\n\r\n"));
    CU_ASSERT(!takes(&rule, "GET / HTTP/1.1\r\nX-Y: xy\r\n\r\n"));
    CU_ASSERT(!rule_holds(&rule, &nothing));
    rule_uninit(&rule);

    config.n_matches = 0;
    CU_ASSERT(!rule_init(&rule, &config, PROTOCOL_HTTP));
    CHECK_STR(rule.text, "any");
    CU_ASSERT(takes(&rule, "GET / HTTP/1.1\r\n\r\n"));
    CU_ASSERT(rule_holds(&rule, &nothing));
    rule_uninit(&rule);
}

static void
test_order(void)
{
    static const struct { uint16_t priority; size_t order; } sorted[] = {
        { 65535, 9 }, { 20, 3 }, { 10, 0 }, { 10, 2 }, { 10, 7 }, { 0, 1 }
    };
    struct rule rules[6];

    for (size_t i = 0; i < 6; i++) {
        memset(&rules[i], 0, sizeof rules[i]);
        rules[i].priority = sorted[i * 5 % 6].priority;
        rules[i].order = sorted[i * 5 % 6].order;
    }
    qsort(rules, 6, sizeof *rules, rule_compare);
    for (size_t i = 0; i < 6; i++) {
        CHECK_INT(rules[i].priority, sorted[i].priority);
        CHECK_INT(rules[i].order, sorted[i].order);
    }
}

static void
test_bad_matches(void)
{
    static const struct {
        const char *key;
        const char *value;
        const char *expected;
    } cases[] = {
        { "snow", "a", "unknown match \"snow\"; known are host, path-prefix, "
                       "method, header.NAME, sni and alpn" },
        { "sni", "a", "protocol=http reads nothing to match \"sni\" with" },
        { "alpn", "a", "protocol=http reads nothing to match \"alpn\"" },
        { "sni", "[::1]", "bad sni \"[::1]\"" },
        { "sni", "a:443", "bad sni" },
        { "sni", "a.*", "bad sni" },
        { "sni", "", "empty value" },
        { "alpn", "", "empty value" },
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
        struct match_config match[2] = {
            { (char *) "method", (char *) "GET" },
            { (char *) cases[i].key, (char *) cases[i].value },
        };
        struct rule_config config = { .matches = match, .n_matches = 2 };
        struct rule rule;
        char *error = rule_init(&rule, &config, PROTOCOL_HTTP);

        CU_ASSERT(error && strstr(error, cases[i].expected));
        if (!error || !strstr(error, cases[i].expected)) {
            CHECK_STR(error, cases[i].expected);
        }
        free(error);
        rule_uninit(&rule);
    }
}

static const struct unit_test tests[] = {
    { "matches", test_matches },
    { "matches without host or path", test_no_host },
    { "matches of TLS", test_tls },
    { "glob is right", test_glob },
    { "glob is quick", test_glob_worst_case },
    { "several matches, and none", test_several },
    { "order", test_order },
    { "bad matches are refused", test_bad_matches },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "rule", tests };
