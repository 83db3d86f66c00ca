/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "judge.h"

#include <limits.h>
#include <regex.h>

#include "body.h"
#include "fuzz.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "problem.h"
#include "unicode.h"

static const struct json *
keyword(const struct json *schema, const char *name)
{
    return shash_find_data(json_object(schema), name);
}

/* The number 'name' of 'schema', or 'def' if it has none. */
static long long int
limit(const struct json *schema, const char *name, long long int def)
{
    const struct json *json = keyword(schema, name);

    return json ? json_integer(json) : def;
}

static bool
matches(const char *pattern, const char *s)
{
    regex_t regex;
    bool met;

    FUZZ_CHECK(!regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB));
    met = !regexec(&regex, s, 0, NULL, 0);
    regfree(&regex);
    return met;
}

/* How many characters the UTF-8 text 's' has. */
static size_t
n_characters(const char *s)
{
    size_t n = 0;

    for (; *s; s++) {
        n += (*s & 0xc0) != 0x80;
    }
    return n;
}

static bool
is_string(const struct json *schema, const struct json *json)
{
    const struct json *words = keyword(schema, "enum");
    const struct json *pattern = keyword(schema, "pattern");
    bool known = !words;
    const char *s;

    if (json->type != JSON_STRING) {
        return false;
    }
    s = json_string(json);
    for (size_t i = 0; words && i < json_array(words)->n; i++) {
        known |= !strcmp(json_string(json_array(words)->elems[i]), s);
    }
    return (known && (!pattern || matches(json_string(pattern), s))
            && n_characters(s) >= limit(schema, "minLength", 0)
            && n_characters(s) <= limit(schema, "maxLength", SIZE_MAX / 2));
}

static bool
is_integer(const struct json *schema, const struct json *json)
{
    return json->type == JSON_INTEGER
           && json_integer(json) >= limit(schema, "minimum", INT64_MIN)
           && json_integer(json) <= limit(schema, "maximum", INT64_MAX);
}

static bool
is_array(const struct json *schema, const struct json *json)
{
    if (json->type != JSON_ARRAY
        || json_array(json)->n > limit(schema, "maxItems", INT_MAX)) {
        return false;
    }
    for (size_t i = 0; i < json_array(json)->n; i++) {
        if (!judge_value(keyword(schema, "items"),
                         json_array(json)->elems[i])) {
            return false;
        }
    }
    return true;
}

static bool
is_object(const struct json *schema, const struct json *json)
{
    const struct json *properties = keyword(schema, "properties");
    const struct json *required = keyword(schema, "required");
    const struct json *others = keyword(schema, "additionalProperties");
    const struct shash_node *node;

    if (json->type != JSON_OBJECT
        || shash_count(json_object(json)) > limit(schema, "maxProperties",
                                                  INT_MAX)) {
        return false;
    }
    for (size_t i = 0; required && i < json_array(required)->n; i++) {
        if (!keyword(json, json_string(json_array(required)->elems[i]))) {
            return false;
        }
    }
    SHASH_FOR_EACH (node, json_object(json)) {
        const struct json *member = (properties
                                     ? keyword(properties, node->name)
                                     : NULL);

        if (!member) {
            member = others;
        }
        if (member->type == JSON_FALSE || !judge_value(member, node->data)) {
            return false;
        }
    }
    return true;
}

bool
judge_value(const struct json *schema, const struct json *json)
{
    const char *type = json_string(keyword(schema, "type"));

    FUZZ_CHECK(!strcmp(type, "string") || !strcmp(type, "integer")
               || !strcmp(type, "array") || !strcmp(type, "object"));
    return (*type == 's' ? is_string(schema, json)
            : *type == 'i' ? is_integer(schema, json)
            : *type == 'a' ? is_array(schema, json)
            : is_object(schema, json));
}

void
judge_problem(const struct problem *problem)
{
    struct json *json = problem_to_json(problem);
    char *text = json_to_string(json, 0);
    size_t len;

    FUZZ_CHECK(problem->status >= 400 && problem->status < 500);
    FUZZ_CHECK(!utf8_validate(text, &len));
    free(text);
    json_destroy(json);
}

void
judge_body(const uint8_t *data, size_t size,
           void (*handle)(const struct json *))
{
    struct problem problem = PROBLEM_INITIALIZER;
    char *text = calloc(1, size + 1);
    struct json *json;

    memcpy(text, data, size);
    json = body_parse(text, size, &problem);
    if (json) {
        handle(json);
        json_destroy(json);
    } else {
        judge_problem(&problem);
    }
    problem_uninit(&problem);
    free(text);
}
