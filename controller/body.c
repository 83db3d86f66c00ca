/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "body.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "openvswitch/json.h"
#include "problem.h"
#include "unicode.h"
#include "utf8.h"

/* Returns what is wrong with 's', for the caller to free, if it is not
 * UTF-8. */
static char *
utf8_error(const char *s)
{
    size_t len;

    return utf8_validate(s, &len);
}

/* The same for the strings in 'json': an escaped half of a character, such as
 * "\udc00", is none, though the parser takes some. */
static char *
strings_error(const struct json *json)
{
    char *text = json_to_string(json, 0);
    char *error = utf8_error(text);

    free(text);
    return error;
}

/* Refuses what the parser complains of, where people say it is: they count
 * from 1.  Of a character it may tell only the first byte. */
static void
refuse(const char *text, struct problem *problem)
{
    char *error = utf8_clean(text, strlen(text));
    int line, column, byte, n;

    if (sscanf(error, "line %d, column %d, byte %d: %n", &line, &column, &byte,
               &n) == 3) {
        problem_set(problem, 400, "correct it", "the body is not JSON: line "
                    "%d, column %d: %s", line + 1, column, error + n);
    } else {
        problem_set(problem, 400, "correct it", "the body is not JSON: %s",
                    error);
    }
    free(error);
}

struct json *
body_parse(const char *text, size_t len, struct problem *problem)
{
    char *error = utf8_error(text);
    struct json *json;

    if (error) {
        problem_set(problem, 400, "correct it", "the body is not UTF-8: %s",
                    error);
        free(error);
        return NULL;
    }
    json = json_from_string(text);
    if (json->type == JSON_STRING) {
        refuse(json_string(json), problem);
    } else if (json->type != JSON_OBJECT || strlen(text) != len) {
        problem_set(problem, 400, "send an object",
                    "the body is not an object");
    } else if ((error = strings_error(json))) {
        problem_set(problem, 400, "correct it", "a string in the body is not "
                    "Unicode: %s", error);
        free(error);
    } else {
        return json;
    }
    json_destroy(json);
    return NULL;
}
