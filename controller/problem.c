/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "problem.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "utf8.h"
#include "util.h"

#define ERRORS_MAX 100          /* That are told. */

void
problem_uninit(struct problem *p)
{
    free(p->detail);
    free(p->remedy);
    json_destroy(p->errors);
    *p = (struct problem) PROBLEM_INITIALIZER;
}

/* 'format' with 'args', which may be of a path, a query or a header that is no
 * UTF-8, as it may be in JSON.  The caller frees it. */
static char * OVS_PRINTF_FORMAT(1, 0)
format_text(const char *format, va_list args)
{
    char *raw = xvasprintf(format, args);
    char *text = utf8_clean(raw, strlen(raw));

    free(raw);
    return text;
}

void
problem_set(struct problem *p, int status, const char *remedy,
            const char *detail, ...)
{
    va_list args;

    if (!p->status) {
        p->status = status;
        va_start(args, detail);
        p->detail = format_text(detail, args);
        va_end(args);
        p->remedy = nullable_xstrdup(remedy);
    }
}

static void
add_error(struct problem *p, int status, const char *pointer,
          const char *remedy, const char *detail)
{
    if (!p->errors) {
        p->errors = json_array_create_empty();
    }
    if (json_array(p->errors)->n < ERRORS_MAX) {
        struct json *error = json_object_create();

        json_object_put_string(error, "field", pointer);
        json_object_put_string(error, "detail", detail);
        json_object_put_string(error, "remedy", remedy);
        json_array_add(p->errors, error);
    }
    problem_set(p, status, NULL, "what was sent is not acceptable, so nothing "
                "was changed; \"errors\" tells what and where");
}

static void OVS_PRINTF_FORMAT(5, 0)
add(struct problem *p, int status, const char *pointer, const char *remedy,
    const char *format, va_list args)
{
    char *detail = format_text(format, args);

    add_error(p, status, pointer, remedy, detail);
    free(detail);
}

void
problem_add(struct problem *p, const char *pointer, const char *remedy,
            const char *detail, ...)
{
    va_list args;

    va_start(args, detail);
    add(p, 422, pointer, remedy, detail, args);
    va_end(args);
}

void
problem_conflict(struct problem *p, const char *pointer, const char *remedy,
                 const char *detail, ...)
{
    va_list args;

    va_start(args, detail);
    add(p, 409, pointer, remedy, detail, args);
    va_end(args);
}

static const char *
member(const struct json *object, const char *name)
{
    return json_string(shash_find_data(json_object(object), name));
}

void
problem_nest(struct problem *outer, const struct problem *inner,
             const char *pointer, const char *sub)
{
    if (!inner->errors) {
        add_error(outer, inner->status, pointer,
                  inner->remedy ? inner->remedy : "", inner->detail);
        return;
    }
    for (size_t i = 0; i < json_array(inner->errors)->n; i++) {
        const struct json *error = json_array(inner->errors)->elems[i];
        char *field = xasprintf("%s%s%s", pointer, sub,
                                member(error, "field"));

        add_error(outer, inner->status, field, member(error, "remedy"),
                  member(error, "detail"));
        free(field);
    }
}

struct json *
problem_to_json(const struct problem *p)
{
    struct json *json = json_object_create();

    json_object_put_string(json, "title", http_status_phrase(p->status));
    json_object_put(json, "status", json_integer_create(p->status));
    json_object_put_string(json, "detail", p->detail);
    if (p->remedy) {
        json_object_put_string(json, "remedy", p->remedy);
    }
    if (p->errors) {
        json_object_put(json, "errors", json_deep_clone(p->errors));
    }
    return json;
}

const char *
http_status_phrase(int status)
{
    return MHD_get_reason_phrase_for(status);
}
