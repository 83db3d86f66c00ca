/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "reply.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "http.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "problem.h"
#include "represent.h"
#include "util.h"

/* The answer is JSON by OVS's own library.  libopenvswitch is linked anyway,
 * and jansson cannot be beside it: both have json_object() and others. */

void
reply_json(struct http_request *request, int status, const char *type,
           const struct json *json, const char *headers)
{
    char *body = json_to_string(json, JSSF_SORT);

    http_reply(request, status, type, body, strlen(body), headers);
}

void
reply_problem(struct http_request *request, struct problem *problem,
              const char *headers)
{
    struct json *json = problem_to_json(problem);

    reply_json(request, problem->status, "application/problem+json", json,
               headers ? headers
               : problem->status == 503 ? "Retry-After: 1\n" : NULL);
    json_destroy(json);
    problem_uninit(problem);
}

void
reply_refusal(struct http_request *request, int status, const char *remedy,
              const char *detail, ...)
{
    struct problem problem = PROBLEM_INITIALIZER;
    va_list args;
    char *text;

    va_start(args, detail);
    text = xvasprintf(detail, args);
    va_end(args);
    problem_set(&problem, status, remedy, "%s", text);
    free(text);
    reply_problem(request, &problem, NULL);
}

void
reply_row(const struct store *store, struct http_request *request, int status,
          const struct resource *resource, const struct ovsdb_idl_row *row)
{
    struct json *json = represent(store, resource, row);
    struct ds headers = DS_EMPTY_INITIALIZER;
    char *tag = represent_etag(store, resource, row);

    ds_put_format(&headers, "ETag: %s\n", tag);
    if (status == 201) {
        ds_put_format(&headers, "Location: %s\n", request->path);
    }
    reply_json(request, status, "application/json", json, ds_cstr(&headers));
    ds_destroy(&headers);
    json_destroy(json);
    free(tag);
}
