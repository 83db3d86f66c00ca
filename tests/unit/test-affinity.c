/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "affinity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reader.h"
#include "unit.h"

/* What 'text' finds in the head 'head'. */
static struct affinity_key
find(const char *text, const char *head)
{
    struct affinity affinity;
    struct affinity_key key;
    struct request request;
    struct reader reader;
    char *error = affinity_init(&affinity, text);

    CHECK_STR(error ? error : "no error", "no error");
    reader_init(&reader, PROTOCOL_HTTP);
    CHECK_INT(reader_feed(&reader, head, strlen(head), &request),
              READ_COMPLETE);
    affinity_read(&affinity, &request, &key);
    affinity_uninit(&affinity);
    free(error);
    return key;
}

static uint64_t
hash(const char *s)
{
    return affinity_hash(s, strlen(s));
}

#define HEAD(HEADERS) "GET / HTTP/1.1\r\nHost: x\r\n" HEADERS "\r\n"

static void
test_values(void)
{
    static const struct {
        const char *text;
        const char *head;
        const char *value;      /* NULL: there is none. */
    } cases[] = {
        { "cookie.sid", HEAD(""), NULL },
        { "cookie.sid", HEAD("Cookie: sid=a1\r\n"), "a1" },
        { "cookie.sid", HEAD("cookie: x=1; sid=a1; y=2\r\n"), "a1" },
        { "cookie.sid", HEAD("Cookie: x=1;sid=a1;y=2\r\n"), "a1" },
        { "cookie.sid", HEAD("Cookie: ;;  ; \tsid=a1 \t; y\r\n"), "a1" },
        { "cookie.sid", HEAD("Cookie: x=sid=2; sid=a=b\r\n"), "a=b" },
        { "cookie.sid", HEAD("Cookie: sid=\"a b\"\r\n"), "\"a b\"" },
        { "cookie.sid", HEAD("Cookie: sid=1; sid=2\r\n"), "1" },
        { "cookie.sid", HEAD("Cookie: a=1\r\nX: 1\r\nCookie: sid=2\r\n"),
          "2" },
        { "cookie.sid", HEAD("Cookie: sid=1\r\nCookie: sid=2\r\n"), "1" },
        { "cookie.sid", HEAD("Cookie: sid=\r\nCookie: sid=2\r\n"), "2" },

        /* It is another one. */
        { "cookie.sid", HEAD("Cookie: SID=1\r\n"), NULL },
        { "cookie.sid", HEAD("Cookie: xsid=1; sidx=1; sid; sid =1\r\n"),
          NULL },
        { "cookie.sid", HEAD("Cookie: x=\"sid=1\"\r\n"), NULL },
        { "cookie.sid", HEAD("Cookie: si\r\n"), NULL },
        { "cookie.sid", HEAD("Cookie: sid=\r\n"), NULL },
        { "cookie.sid", HEAD("Cookie: sid= ; a=b\r\n"), NULL },
        { "cookie.sid", HEAD("Cookie:\r\n"), NULL },
        { "cookie.sid", HEAD("Cookies: sid=1\r\nsid: 1\r\n"), NULL },

        { "header.X-User", HEAD("x-user: \t me \r\n"), "me" },
        { "header.x-user", HEAD("X-USER: a; b.c\r\n"), "a; b.c" },
        { "header.X-User", HEAD("X-User: a\r\nX-User: b\r\n"), "a" },
        { "header.X-User", HEAD("X-User:\r\n"), NULL },
        { "header.X-User", HEAD("X-Users: 1\r\nUser: 1\r\n"), NULL },
        { "header.cookie", HEAD("Cookie: a=1; b=2\r\n"), "a=1; b=2" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct affinity_key key = find(cases[i].text, cases[i].head);

        CHECK_INT(key.set, cases[i].value != NULL);
        if (cases[i].value && key.value != hash(cases[i].value)) {
            CHECK_STR(cases[i].head, "not this");
        }
    }
}

/* What may be the name of a host. */
static void
test_routes(void)
{
    static const char *const cases[][2] = {
        { "h1", "h1" },
        { "5D41.h1", "h1" },
        { "5D41.a.example", "a.example" },
        { ".h1", "h1" },
        { "h1.", "" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char head[100];
        struct affinity_key key;

        snprintf(head, sizeof head, HEAD("Cookie: id=%s\r\n"), cases[i][0]);
        key = find("cookie.id", head);
        CU_ASSERT(key.set);
        CU_ASSERT(key.value == hash(cases[i][0]));
        CU_ASSERT(key.route == hash(cases[i][1]));
    }
}

static void
test_bad_config(void)
{
    static const char *const cases[][2] = {
        { "", "unknown affinity \"\"; known are cookie.NAME and "
              "header.NAME" },
        { "client", "unknown affinity \"client\"; known are cookie.NAME and "
                    "header.NAME" },
        { "Cookie.x", "unknown affinity \"Cookie.x\"; known are cookie.NAME "
                      "and header.NAME" },
        { "cookie.", "bad name in affinity \"cookie.\"; give one such as "
                     "cookie.session" },
        { "cookie.a=b", "bad name in affinity \"cookie.a=b\"; give one such "
                        "as cookie.session" },
        { "header.X User", "bad name in affinity \"header.X User\"; give one "
                           "such as cookie.session" },
    };

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct affinity affinity;
        char *error = affinity_init(&affinity, cases[i][0]);

        CHECK_STR(error, cases[i][1]);
        affinity_uninit(&affinity);
        free(error);
    }
}

/* The same in every version: switches must agree. */
static void
test_hash(void)
{
    CU_ASSERT(hash("") != hash("\1"));
    CU_ASSERT(affinity_hash("a\0", 2) != affinity_hash("a", 1));
    CU_ASSERT(hash("12345678") != hash("123456789"));
    CU_ASSERT(hash("3f786850e387550fdab836ed7e6dc881de23001b")
              == 0xc3133becbc7839b1ULL);
}

static const struct unit_test tests[] = {
    { "values", test_values },
    { "names of hosts", test_routes },
    { "bad configurations are refused", test_bad_config },
    { "hash", test_hash },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "affinity", tests };
