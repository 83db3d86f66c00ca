/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "rule.h"

#include <stdlib.h>
#include <string.h>

#include "reader.h"
#include "text.h"
#include "xalloc.h"

enum match_key {
    MATCH_HOST,                 /* 'value' is in lower case... */
    MATCH_SNI,                  /* ...as it is here. */
    MATCH_ALPN,
    MATCH_PATH_PREFIX,
    MATCH_METHOD,
    MATCH_HEADER,               /* 'value' is a pattern: see glob_match(). */
};

struct match {
    enum match_key key;
    bool suffix;                /* MATCH_HOST, MATCH_SNI: "*.example.com", and
                                 * 'value' is without the '*'. */
    char *name;                 /* MATCH_HEADER: in lower case. */
    size_t name_len;
    char *value;
    size_t value_len;
};

/* Matching. */

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
    struct request_field value;
    size_t at = 0;

    while (request_next_header(request, m->name, m->name_len, &at, &value)) {
        if (glob_match(m->value, m->value_len, value.s, value.len)) {
            return true;
        }
    }
    return false;
}

/* Whether 'name' is that of the host that 'm' wants. */
static bool
match_name(const struct match *m, const struct request_field *name)
{
    return ((m->suffix ? name->len > m->value_len : name->len == m->value_len)
            && equals_nocase(name->s + name->len - m->value_len, m->value,
                             m->value_len));
}

static bool
match_alpn(const struct match *m, const struct request_field *alpn)
{
    for (size_t i = 0; i < alpn->len; ) {
        uint8_t len = alpn->s[i++];

        if (len == m->value_len && !memcmp(alpn->s + i, m->value, len)) {
            return true;
        }
        i += len;
    }
    return false;
}

static bool
match_holds(const struct match *m, const struct request *r)
{
    switch (m->key) {
    case MATCH_HOST:
        return match_name(m, &r->host);
    case MATCH_SNI:
        return match_name(m, &r->sni);
    case MATCH_ALPN:
        return match_alpn(m, &r->alpn);
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

bool
rule_holds(const struct rule *rule, const struct request *request)
{
    for (size_t i = 0; i < rule->n_matches; i++) {
        if (!match_holds(&rule->matches[i], request)) {
            return false;
        }
    }
    return true;
}

/* Compiling. */

/* Compiles 'value', the name of a host (or, in HTTP, its address) or
 * "*.DOMAIN". */
static char *
compile_name(const char *value, struct match *m)
{
    bool suffix = value[0] == '*' && value[1] == '.' && value[2];
    const char *host = suffix ? value + 1 : value;
    size_t len = strlen(host);

    if (m->key == MATCH_SNI) {
        if (strpbrk(host, "* \t/@:[]")) {
            return xasprintf("bad sni \"%s\"; give a name, or \"*.DOMAIN\"",
                             value);
        }
    } else if (strpbrk(host, "* \t/@") || (*host != '[' && strchr(host, ':'))
               || (*host == '[' && host[len - 1] != ']')) {
        return xasprintf("bad host \"%s\"; give a name or address without "
                         "port (IPv6 in brackets), or \"*.DOMAIN\"", value);
    }
    m->suffix = suffix;
    m->value = xstrlower(host);
    if (len > 1 && m->value[len - 1] == '.') {
        m->value[len - 1] = '\0';   /* As in what it is compared with. */
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
    if (!strcmp(key, "host") || !strcmp(key, "sni")) {
        m->key = *key == 'h' ? MATCH_HOST : MATCH_SNI;
        error = compile_name(value, m);
    } else if (!strcmp(key, "alpn")) {
        m->key = MATCH_ALPN;
        if (strlen(value) > 255) {
            error = xasprintf("alpn \"%s\" can never match; names of "
                              "protocols have up to 255 bytes", value);
        }
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
                          "method, header.NAME, sni and alpn", key);
    }
    if (!m->value) {
        m->value = xasprintf("%s", value);
    }
    m->value_len = strlen(m->value);
    return error;
}

/* Whether clients that speak 'protocol' may say what 'm' is about. */
static bool
match_fits(const struct match *m, enum service_protocol protocol)
{
    bool tls = m->key == MATCH_SNI || m->key == MATCH_ALPN;

    switch (protocol) {
    case PROTOCOL_HTTP:
    case PROTOCOL_H2C:
        return !tls;
    case PROTOCOL_TLS:
        return tls;
    case PROTOCOL_AUTO:
        return true;
    case PROTOCOL_TCP:
        break;
    }
    return false;
}

char *
rule_init(struct rule *rule, const struct rule_config *config,
          enum service_protocol protocol)
{
    memset(rule, 0, sizeof *rule);
    rule->priority = config->priority;
    rule->matches = xcalloc(config->n_matches, sizeof *rule->matches);
    rule->n_matches = config->n_matches;
    rule->text = xasprintf("%s", config->n_matches ? "" : "any");
    for (size_t i = 0; i < config->n_matches; i++) {
        const struct match_config *mc = &config->matches[i];
        char *error = compile_match(mc, &rule->matches[i]);
        char *text;

        if (!error && !match_fits(&rule->matches[i], protocol)) {
            error = xasprintf("protocol=%s reads nothing to match \"%s\" "
                              "with; set another, or remove the match",
                              protocol_name(protocol), mc->key);
        }
        if (error) {
            return error;
        }
        text = xasprintf("%s%s%s=%s", rule->text, i ? "," : "",
                         mc->key, mc->value);
        free(rule->text);
        rule->text = text;
    }
    return NULL;
}

void
rule_uninit(struct rule *rule)
{
    for (size_t i = 0; i < rule->n_matches; i++) {
        free(rule->matches[i].name);
        free(rule->matches[i].value);
    }
    free(rule->matches);
    free(rule->text);
}

int
rule_compare(const void *a_, const void *b_)
{
    const struct rule *a = a_;
    const struct rule *b = b_;

    if (a->priority != b->priority) {
        return a->priority > b->priority ? -1 : 1;
    }
    return a->order < b->order ? -1 : 1;
}
