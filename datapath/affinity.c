/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "affinity.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "siphash.h"
#include "text.h"
#include "xalloc.h"

char *
affinity_init(struct affinity *a, const char *text)
{
    memset(a, 0, sizeof *a);
    if (!strncmp(text, "cookie.", 7)) {
        a->cookie = true;
        a->name = xasprintf("%s", text + 7);
    } else if (!strncmp(text, "header.", 7)) {
        a->name = xstrlower(text + 7);
    } else {
        return xasprintf("unknown affinity \"%s\"; known are cookie.NAME and "
                         "header.NAME", text);
    }
    a->name_len = strlen(a->name);
    if (!is_token(a->name)) {
        return xasprintf("bad name in affinity \"%s\"; give one such as "
                         "cookie.session", text);
    }
    return NULL;
}

void
affinity_uninit(struct affinity *a)
{
    free(a->name);
}

static void
trim(struct request_field *f)
{
    while (f->len && (*f->s == ' ' || *f->s == '\t')) {
        f->s++;
        f->len--;
    }
    while (f->len && (f->s[f->len - 1] == ' ' || f->s[f->len - 1] == '\t')) {
        f->len--;
    }
}

/* The value of the cookie that 'a' names among 'cookies', which are as a
 * "Cookie" header has them: "NAME=VALUE; NAME=VALUE..." */
static struct request_field
find_cookie(const struct affinity *a, struct request_field cookies)
{
    const char *end = cookies.s + cookies.len;

    for (const char *s = cookies.s; s < end; ) {
        const char *semicolon = memchr(s, ';', end - s);
        struct request_field pair = { s, (semicolon ? semicolon : end) - s };

        trim(&pair);
        if (pair.len > a->name_len && pair.s[a->name_len] == '='
            && !memcmp(pair.s, a->name, a->name_len)) {
            pair.s += a->name_len + 1;
            pair.len -= a->name_len + 1;
            return pair;
        }
        s = semicolon ? semicolon + 1 : end;
    }
    return (struct request_field) { end, 0 };
}

static struct request_field
find_value(const struct affinity *a, const struct request *request)
{
    struct request_field value = { NULL, 0 };
    size_t at = 0;

    if (!a->cookie) {
        request_next_header(request, a->name, a->name_len, &at, &value);
        return value;
    }
    while (!value.len
           && request_next_header(request, "cookie", 6, &at, &value)) {
        value = find_cookie(a, value);
    }
    return value;
}

void
affinity_read(const struct affinity *a, const struct request *request,
              struct affinity_key *key)
{
    struct request_field value = find_value(a, request);

    memset(key, 0, sizeof *key);
    if (value.len) {
        const char *dot = memchr(value.s, '.', value.len);

        key->set = true;
        key->value = affinity_hash(value.s, value.len);
        key->route = (dot ? affinity_hash(dot + 1,
                                          value.s + value.len - dot - 1)
                      : key->value);
    }
}

uint64_t
affinity_hash(const char *s, size_t len)
{
    static const struct siphash_key key;    /* All switches agree. */
    struct siphash h;

    siphash_init(&h, &key);
    for (size_t i = 0; i < len; i += 8) {
        uint64_t word = 0;

        memcpy(&word, s + i, len - i < 8 ? len - i : 8);
        siphash_word(&h, le64toh(word));
    }
    siphash_word(&h, len);
    return siphash_final(&h);
}
