/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "problem.h"

#include <microhttpd.h>
#include <stdlib.h>

#include "openvswitch/json.h"
#include "util.h"

void
problem_uninit(struct problem *p)
{
    free(p->detail);
    free(p->remedy);
    json_destroy(p->errors);
    *p = (struct problem) PROBLEM_INITIALIZER;
}

void
problem_set(struct problem *p, int status, const char *remedy,
            const char *detail, ...)
{
    va_list args;

    if (!p->status) {
        p->status = status;
        va_start(args, detail);
        p->detail = xvasprintf(detail, args);
        va_end(args);
        p->remedy = nullable_xstrdup(remedy);
    }
}

static void OVS_PRINTF_FORMAT(5, 0)
add(struct problem *p, int status, const char *pointer, const char *remedy,
    const char *detail, va_list args)
{
    struct json *error = json_object_create();

    if (!p->errors) {
        p->errors = json_array_create_empty();
    }
    json_object_put_string(error, "field", pointer);
    json_object_put(error, "detail",
                    json_string_create_nocopy(xvasprintf(detail, args)));
    json_object_put_string(error, "remedy", remedy);
    json_array_add(p->errors, error);
    problem_set(p, status, NULL, "what was sent is not acceptable, so nothing "
                "was changed; \"errors\" tells what and where");
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
