/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "policy.h"

#include <endian.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum match_key {
    MATCH_HOST,                 /* Whole host, 'value' in lower case. */
    MATCH_HOST_SUFFIX,          /* "*.example.com": 'value' without the '*',
                                 * in lower case. */
    MATCH_PATH_PREFIX,
    MATCH_METHOD,
    MATCH_HEADER,               /* 'value' is a pattern: see glob_match(). */
};

struct match {
    enum match_key key;
    char *name;                 /* MATCH_HEADER: in lower case. */
    size_t name_len;
    char *value;
    size_t value_len;
};

struct rule {
    uint16_t priority;
    size_t order;               /* Place in the configuration. */
    struct match *matches;
    size_t n_matches;
    struct pool *pool;
    char *text;                 /* For service_rule_text(). */
};

struct pool_member {
    uint16_t host;              /* Index in the engine's host table. */
    uint16_t weight;
    int64_t credit;             /* See select_round_robin(). */
    uint64_t hash;              /* Of the host's address. */
};

struct policy {
    struct pool *pools;
    size_t n_pools;
    struct service *services;   /* By id. */
    size_t n_services;
};

static void *
xcalloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);

    if (!p) {
        abort();
    }
    return p;
}

static char *__attribute__((format(printf, 1, 2)))
xasprintf(const char *format, ...)
{
    va_list args;
    char *s;

    va_start(args, format);
    if (vasprintf(&s, format, args) < 0) {
        abort();
    }
    va_end(args);
    return s;
}

static char
lower(char c)
{
    return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c;
}

/* A copy of 's' in lower case (of ASCII: the locale has no say here). */
static char *
xstrlower(const char *s)
{
    char *copy = xasprintf("%s", s);

    for (char *p = copy; *p; p++) {
        *p = lower(*p);
    }
    return copy;
}

/* Matching. */

/* Whether the 'len' bytes at 's' are those at 'lowered', which is in lower
 * case, but for case. */
static bool
equals_nocase(const char *s, const char *lowered, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (lower(s[i]) != lowered[i]) {
            return false;
        }
    }
    return true;
}

/* Whether all 'len' bytes at 's' match 'pattern', where '*' is any run of
 * bytes.  Each piece between stars is taken where it is found first, which
 * never spoils a later one, so the work is linear in 'len' whatever a client
 * sends. */
static bool
glob_match(const char *pattern, size_t pattern_len, const char *s, size_t len)
{
    const char *star = memchr(pattern, '*', pattern_len);
    const char *pattern_end = pattern + pattern_len;
    const char *end = s + len;
    size_t head, tail;

    if (!star) {
        return len == pattern_len && !memcmp(s, pattern, len);
    }
    head = star - pattern;
    tail = pattern_end - (const char *) memrchr(pattern, '*', pattern_len) - 1;
    if (len < head + tail || memcmp(s, pattern, head)
        || memcmp(end - tail, pattern_end - tail, tail)) {
        return false;
    }

    s += head;
    end -= tail;
    pattern = star + 1;
    while ((star = memchr(pattern, '*', pattern_end - pattern)) != NULL) {
        s = memmem(s, end - s, pattern, star - pattern);
        if (!s) {
            return false;
        }
        s += star - pattern;
        pattern = star + 1;
    }
    return true;
}

static bool
match_header(const struct match *m, const struct request *request)
{
    for (size_t i = 0; i < request->n_headers; i++) {
        const struct http_header *h = &request->headers[i];

        if (h->name.len == m->name_len
            && equals_nocase(request->buffer + h->name.ofs, m->name,
                             m->name_len)
            && glob_match(m->value, m->value_len,
                          request->buffer + h->value.ofs, h->value.len)) {
            return true;
        }
    }
    return false;
}

static bool
match_holds(const struct match *m, const struct request *r)
{
    switch (m->key) {
    case MATCH_HOST:
        return (r->host.len == m->value_len
                && equals_nocase(r->host.s, m->value, m->value_len));
    case MATCH_HOST_SUFFIX:
        return (r->host.len > m->value_len
                && equals_nocase(r->host.s + r->host.len - m->value_len,
                                 m->value, m->value_len));
    case MATCH_PATH_PREFIX:
        return (r->path.len >= m->value_len
                && !memcmp(r->path.s, m->value, m->value_len));
    case MATCH_METHOD:
        return (r->method.len == m->value_len
                && !memcmp(r->method.s, m->value, m->value_len));
    case MATCH_HEADER:
        return match_header(m, r);
    }
    return false;
}

static bool
rule_holds(const struct rule *rule, const struct request *request)
{
    for (size_t i = 0; i < rule->n_matches; i++) {
        if (!request || !match_holds(&rule->matches[i], request)) {
            return false;
        }
    }
    return true;
}

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

/* Selection. */

/* What a selection is among. */
struct candidates {
    struct host *const *hosts;
    const struct tried *tried;
    const struct pool_member *least;    /* If nonnull: only members with as
                                         * few connections for their weight as
                                         * this one. */
};

/* Connections of 'a' in units of those of 'b', whose counterpart is the same
 * with the arguments swapped. */
static uint64_t
load(const struct candidates *c, const struct pool_member *a,
     const struct pool_member *b)
{
    return (uint64_t) c->hosts[a->host]->n_connections * b->weight;
}

static bool
is_candidate(const struct candidates *c, const struct pool_member *m)
{
    if (!m->weight || !c->hosts[m->host] || !host_usable(c->hosts[m->host])) {
        return false;
    }
    for (size_t i = 0; i < c->tried->n; i++) {
        if (c->tried->host[i] == m->host) {
            return false;
        }
    }
    return !c->least || load(c, m, c->least) == load(c, c->least, m);
}

/* Smooth weighted round robin, as in nginx: each turn every candidate earns
 * its weight, and the richest is chosen and pays what all of them earned. */
static struct pool_member *
select_round_robin(struct pool *pool, const struct candidates *c)
{
    struct pool_member *best = NULL;
    int64_t total = 0;

    for (size_t i = 0; i < pool->n_members; i++) {
        struct pool_member *m = &pool->members[i];

        if (is_candidate(c, m)) {
            m->credit += m->weight;
            total += m->weight;
            if (!best || m->credit > best->credit) {
                best = m;
            }
        }
    }
    if (best) {
        best->credit -= total;
    }
    return best;
}

static struct pool_member *
select_least_connections(struct pool *pool, struct candidates *c)
{
    const struct pool_member *least = NULL;

    for (size_t i = 0; i < pool->n_members; i++) {
        const struct pool_member *m = &pool->members[i];

        if (is_candidate(c, m)
            && (!least || load(c, m, least) < load(c, least, m))) {
            least = m;
        }
    }
    c->least = least;
    return select_round_robin(pool, c);
}

static uint64_t
hash_address(const struct migrate_address *a)
{
    static const struct siphash_key key;    /* All switches agree. */
    struct siphash h;
    uint64_t word[2];

    memcpy(word, a->byte, sizeof word);
    siphash_init(&h, &key);
    siphash_word(&h, le64toh(word[0]));
    siphash_word(&h, le64toh(word[1]));
    return siphash_final(&h);
}

/* The finalizer of MurmurHash3. */
static uint64_t
mix(uint64_t x)
{
    x = (x ^ x >> 33) * 0xff51afd7ed558ccdULL;
    x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53ULL;
    return x ^ x >> 33;
}

/* -log2(x / 2**64), times 2**32.  In integers, because switches with unlike
 * math libraries must agree.  The polynomial is exact at powers of 2 and off
 * by 0.0003 at most between them. */
static uint64_t
negative_log2(uint64_t x)
{
    unsigned int zeros = __builtin_clzll(x | 1);
    int64_t f = ((x | 1) << zeros << 1) >> 32;  /* Mantissa - 1. */
    int64_t k = 0x14e4c4f7;

    k = (k * f >> 32) - 0x3e1f95ea;
    k = (k * f >> 32) + 0x70d7029f;
    f += (f * ((1LL << 32) - f) >> 32) * k >> 32;
    return ((uint64_t) (zeros + 1) << 32) - f;
}

/* Weighted rendezvous hashing: every member draws an exponential variable
 * from the hash of client and host, scaled by its weight, and the least draw
 * wins.  A draw depends on nothing else, so only clients of a host that
 * leaves move. */
static struct pool_member *
select_source_hash(struct pool *pool, const struct candidates *c,
                   const struct migrate_address *client)
{
    uint64_t client_hash = hash_address(client);
    struct pool_member *best = NULL;
    uint64_t best_draw = 0;

    for (size_t i = 0; i < pool->n_members; i++) {
        struct pool_member *m = &pool->members[i];
        uint64_t draw;

        if (is_candidate(c, m)) {
            /* draw / m->weight < best_draw / best->weight, in 55 bits. */
            draw = negative_log2(mix(client_hash ^ m->hash));
            if (!best || draw * best->weight < best_draw * m->weight) {
                best = m;
                best_draw = draw;
            }
        }
    }
    return best;
}

int
pool_select(struct pool *pool, struct host *const *hosts,
            const struct migrate_address *client, const struct tried *tried)
{
    struct candidates c = { .hosts = hosts, .tried = tried };
    const struct pool_member *m = NULL;

    switch (pool->policy) {
    case POOL_ROUND_ROBIN:
        m = select_round_robin(pool, &c);
        break;
    case POOL_LEAST_CONNECTIONS:
        m = select_least_connections(pool, &c);
        break;
    case POOL_SOURCE_HASH:
        m = select_source_hash(pool, &c, client);
        break;
    }
    return m ? m->host : -1;
}

/* Compiling.  These functions return NULL, or an error message that the
 * caller frees. */

static bool
is_token(const char *s)
{
    /* RFC 9110 5.6.2. */
    static const char tchar[] = "!#$%&'*+-.^_`|~0123456789"
                                "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

    return *s && !s[strspn(s, tchar)];
}

static char *
compile_host(const char *value, struct match *m)
{
    bool suffix = value[0] == '*' && value[1] == '.' && value[2];
    const char *host = suffix ? value + 1 : value;
    size_t len = strlen(host);

    if (strpbrk(host, "* \t/@") || (*host != '[' && strchr(host, ':'))
        || (*host == '[' && host[len - 1] != ']')) {
        return xasprintf("bad host \"%s\"; give a name or address without "
                         "port (IPv6 in brackets), or \"*.DOMAIN\"", value);
    }
    m->key = suffix ? MATCH_HOST_SUFFIX : MATCH_HOST;
    m->value = xstrlower(host);
    if (len > 1 && m->value[len - 1] == '.') {
        m->value[len - 1] = '\0';   /* As http_request() does. */
    }
    return NULL;
}

static char *
compile_match(const struct match_config *config, struct match *m)
{
    const char *key = config->key;
    const char *value = config->value;
    char *error = NULL;

    if (!*value) {
        return xasprintf("match on \"%s\" has an empty value; give one, or "
                         "remove the match", key);
    }
    if (!strcmp(key, "host")) {
        error = compile_host(value, m);
    } else if (!strcmp(key, "path-prefix")) {
        m->key = MATCH_PATH_PREFIX;
        if (*value != '/') {
            error = xasprintf("path-prefix \"%s\" can never match; start it "
                              "with \"/\"", value);
        }
    } else if (!strcmp(key, "method")) {
        m->key = MATCH_METHOD;
        if (!is_token(value)) {
            error = xasprintf("bad method \"%s\"; give one such as GET",
                              value);
        }
    } else if (!strncmp(key, "header.", 7)) {
        m->key = MATCH_HEADER;
        m->name = xstrlower(key + 7);
        m->name_len = strlen(m->name);
        if (!is_token(m->name)) {
            error = xasprintf("bad header name in \"%s\"; give one such as "
                              "header.Cookie", key);
        }
    } else {
        error = xasprintf("unknown match \"%s\"; known are host, path-prefix, "
                          "method and header.NAME", key);
    }
    if (!m->value) {
        m->value = xasprintf("%s", value);
    }
    m->value_len = strlen(m->value);
    return error;
}

static char *
compile_rule(const struct migrate_config *config,
             const struct rule_config *rc, struct policy *policy,
             struct rule *rule)
{
    rule->priority = rc->priority;
    rule->matches = xcalloc(rc->n_matches, sizeof *rule->matches);
    rule->n_matches = rc->n_matches;
    rule->text = xasprintf("%s", rc->n_matches ? "" : "any");
    for (size_t i = 0; i < rc->n_matches; i++) {
        const struct match_config *mc = &rc->matches[i];
        char *error = compile_match(mc, &rule->matches[i]);
        char *text;

        if (error) {
            return error;
        }
        text = xasprintf("%s%s%s=%s", rule->text, i ? "," : "",
                         mc->key, mc->value);
        free(rule->text);
        rule->text = text;
    }
    if (rc->pool >= config->n_pools) {
        return xasprintf("no such pool; set \"pool\" to one that exists");
    }
    rule->pool = &policy->pools[rc->pool];
    return NULL;
}

static int
compare_rules(const void *a_, const void *b_)
{
    const struct rule *a = a_;
    const struct rule *b = b_;

    if (a->priority != b->priority) {
        return a->priority > b->priority ? -1 : 1;
    }
    return a->order < b->order ? -1 : 1;
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
    service->rules = xcalloc(sc->n_rules, sizeof *service->rules);
    service->n_rules = sc->n_rules;

    if (!sc->id) {
        return xasprintf("service \"%s\": id 0 is reserved; give it an id "
                         "from 1 on", sc->name);
    }
    for (size_t i = 0; i < sc->n_rules; i++) {
        const struct rule_config *rc = &sc->rules[i];
        char *error;

        service->rules[i].order = i;
        error = compile_rule(config, rc, policy, &service->rules[i]);
        if (!error && sc->protocol != PROTOCOL_HTTP && rc->n_matches) {
            error = xasprintf("nothing is read to match \"%s\" with; set "
                              "protocol=http, or remove the match",
                              rc->matches[0].key);
        }
        if (error) {
            char *full = xasprintf("service \"%s\", rule of priority %u: %s",
                                   sc->name, rc->priority, error);

            free(error);
            return full;
        }
    }
    qsort(service->rules, service->n_rules, sizeof *service->rules,
          compare_rules);

    if (sc->default_pool < config->n_pools) {
        service->default_pool = &policy->pools[sc->default_pool];
    } else if (sc->default_pool != NO_POOL) {
        return xasprintf("service \"%s\": no such default pool; set "
                         "\"default_pool\" to one that exists", sc->name);
    }
    return NULL;
}

/* A pool without members is legal: nobody serves what it gets. */
static char *
compile_pool(const struct migrate_config *config,
             const struct pool_config *pc, const uint16_t *host_index,
             struct pool *pool)
{
    bool *seen = xcalloc(config->n_hosts, sizeof *seen);
    char *error = NULL;

    pool->name = xasprintf("%s", pc->name);
    pool->policy = pc->policy;
    pool->members = xcalloc(pc->n_members, sizeof *pool->members);
    pool->n_members = pc->n_members;
    for (size_t i = 0; i < pc->n_members && !error; i++) {
        const struct member_config *mc = &pc->members[i];

        if (mc->host >= config->n_hosts) {
            error = xasprintf("pool \"%s\": member %zu is no such host; set "
                              "\"hosts\" to hosts that exist", pc->name, i);
        } else if (seen[mc->host]) {
            error = xasprintf("pool \"%s\": host \"%s\" is in it twice; give "
                              "it more weight instead", pc->name,
                              config->hosts[mc->host].name);
        } else {
            seen[mc->host] = true;
            pool->members[i].host = host_index[mc->host];
            pool->members[i].weight = mc->weight;
            pool->members[i].hash
                = hash_address(&config->hosts[mc->host].address);
        }
    }
    free(seen);
    return error;
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
               const uint16_t *host_index, struct policy *policy)
{
    char *error = NULL;

    policy->pools = xcalloc(config->n_pools, sizeof *policy->pools);
    policy->n_pools = config->n_pools;
    for (size_t i = 0; i < config->n_pools && !error; i++) {
        error = compile_pool(config, &config->pools[i], host_index,
                             &policy->pools[i]);
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
              const uint16_t *host_index, char **error)
{
    struct policy *policy = xcalloc(1, sizeof *policy);

    *error = compile_policy(config, host_index, policy);
    if (*error) {
        policy_destroy(policy);
        return NULL;
    }
    return policy;
}

static void
rule_uninit(struct rule *rule)
{
    for (size_t i = 0; i < rule->n_matches; i++) {
        free(rule->matches[i].name);
        free(rule->matches[i].value);
    }
    free(rule->matches);
    free(rule->text);
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
        free(policy->pools[i].members);
        free(policy->pools[i].name);
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
