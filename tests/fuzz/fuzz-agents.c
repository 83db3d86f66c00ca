/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "agents.h"
#include "enroll.h"
#include "fuzz.h"
#include "judge.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "problem.h"

/* The input is the body of POST /v1/agents/NAME.  It is taken if and only if
 * it is as /openapi.json says and its strings are short and printable, and
 * then for what it says; or it is refused properly. */

#define TEXT_MAX 127

static bool
is_plain(const char *s)
{
    size_t n = strlen(s);

    for (size_t i = 0; i < n; i++) {
        if ((uint8_t) s[i] < 32 || s[i] == 127) {
            return false;
        }
    }
    return n <= TEXT_MAX;
}

/* Whether all strings in 'json' are short and printable. */
static bool
are_plain(const struct json *json)
{
    const struct shash_node *node;

    if (json->type == JSON_STRING) {
        return is_plain(json_string(json));
    } else if (json->type == JSON_ARRAY) {
        for (size_t i = 0; i < json_array(json)->n; i++) {
            if (!are_plain(json_array(json)->elems[i])) {
                return false;
            }
        }
    } else if (json->type == JSON_OBJECT) {
        SHASH_FOR_EACH (node, json_object(json)) {
            if (!are_plain(node->data)) {
                return false;
            }
        }
    }
    return true;
}

static void
check_text(const struct json *body, const char *name, const char *word)
{
    const struct json *json = shash_find_data(json_object(body), name);

    FUZZ_CHECK(!json == !word);
    FUZZ_CHECK(!json || !strcmp(json_string(json), word));
}

static void
check_number(const struct json *body, const char *name, int64_t word)
{
    const struct json *json = shash_find_data(json_object(body), name);

    FUZZ_CHECK(word == (json ? json_integer(json) : -1));
}

/* Checks that 'word' has the addresses, with commas between them. */
static void
check_addresses(const struct json *body, const char *word)
{
    const struct json *json = shash_find_data(json_object(body), "addresses");

    FUZZ_CHECK(!json == !word);
    for (size_t i = 0; json && i < json_array(json)->n; i++) {
        const char *s = json_string(json_array(json)->elems[i]);

        if (i) {
            FUZZ_CHECK(*word++ == ',');
        }
        FUZZ_CHECK(!strncmp(word, s, strlen(s)));
        word += strlen(s);
    }
    FUZZ_CHECK(!word || !*word);
}

static void
check_words(const struct json *body, const struct agent_words *words)
{
    static const char *const states[] = { "up", "stopped", "leaving" };

    check_text(body, "state", states[words->state]);
    check_text(body, "version", words->version);
    check_text(body, "kernel", words->kernel);
    check_addresses(body, words->addresses);
    check_number(body, "cpu", words->cpu);
    check_number(body, "connections", words->connections);
    check_number(body, "accept_queue", words->accept_queue);
}

static void
handle(const struct json *body)
{
    static struct json *schema;
    struct problem problem = PROBLEM_INITIALIZER;
    struct agent_words words;

    if (!schema) {
        schema = enroll_schema();
    }
    enroll_read(body, &words, &problem);
    FUZZ_CHECK(!problem.status == (judge_value(schema, body)
                                   && are_plain(body)));
    if (problem.status) {
        judge_problem(&problem);
    } else {
        check_words(body, &words);
    }
    agent_words_uninit(&words);
    problem_uninit(&problem);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    judge_body(data, size, handle);
    return 0;
}
