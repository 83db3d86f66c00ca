/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "enroll.h"

#include <stdlib.h>
#include <string.h>

#include "agents.h"
#include "change.h"
#include "controller/ovs-migrate-idl.h"
#include "http.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "problem.h"
#include "reply.h"
#include "resource.h"
#include "store.h"
#include "util.h"
#include "value.h"
#include "writes.h"

#define TEXT_MAX 127            /* Bytes, of what an agent says of itself. */
#define ADDRESSES_MAX 64

struct json *
enroll_schema(void)
{
    return json_literal(
        "{\"type\": \"object\", \"required\": [\"ip\", \"state\"],"
        " \"additionalProperties\": false, \"properties\": {"
        " \"ip\": {\"type\": \"string\", \"description\":"
        "  \"The host's address, in case that the host is not known yet.\"},"
        " \"state\": {\"type\": \"string\","
        "  \"enum\": [\"up\", \"stopped\", \"leaving\"], \"description\":"
        "  \"Whether the agent runs; with leaving, it need not be waited for"
        " any more.\"},"
        " \"version\": {\"type\": \"string\", \"maxLength\": 127,"
        "  \"description\": \"The agent's version.\"},"
        " \"kernel\": {\"type\": \"string\", \"maxLength\": 127,"
        "  \"description\": \"The kernel's version.\"},"
        " \"addresses\": {\"type\": \"array\", \"maxItems\": 64,"
        "  \"items\": {\"type\": \"string\", \"maxLength\": 127},"
        "  \"description\": \"Those of the host's interface.\"},"
        " \"cpu\": {\"type\": \"integer\", \"minimum\": 0, \"maximum\": 100,"
        "  \"description\": \"Percent of the machine that is busy.\"},"
        " \"connections\": {\"type\": \"integer\", \"minimum\": 0,"
        "  \"description\": \"Migrated connections.\"},"
        " \"accept_queue\": {\"type\": \"integer\", \"minimum\": 0,"
        "  \"description\": \"Connections in the longest accept queue.\"}}}");
}

/* Reading the body.  These functions note what is wrong. */

static void
refuse(struct problem *problem, const char *name, const char *what)
{
    char *pointer = pointer_append("", name);
    char *remedy = xasprintf("give %s", what);

    problem_add(problem, pointer, remedy, "is not %s", what);
    free(pointer);
    free(remedy);
}

static bool
is_text(const struct json *json)
{
    const char *s = json->type == JSON_STRING ? json_string(json) : NULL;

    if (!s || strlen(s) > TEXT_MAX) {
        return false;
    }
    while ((unsigned char) *s >= ' ' && *s != 0x7f) {
        s++;
    }
    return !*s;
}

static char *
take_text(const struct json *body, const char *name, struct problem *problem)
{
    const struct json *json = shash_find_data(json_object(body), name);

    if (!json) {
        return NULL;
    } else if (!is_text(json)) {
        refuse(problem, name, "a string of 127 bytes at most, without control "
               "characters");
        return NULL;
    }
    return xstrdup(json_string(json));
}

static char *
take_addresses(const struct json *body, struct problem *problem)
{
    const struct json *json = shash_find_data(json_object(body), "addresses");
    struct ds ds = DS_EMPTY_INITIALIZER;
    bool ok = true;

    if (!json) {
        return NULL;
    }
    ok = json->type == JSON_ARRAY && json_array(json)->n <= ADDRESSES_MAX;
    for (size_t i = 0; ok && i < json_array(json)->n; i++) {
        const struct json *element = json_array(json)->elems[i];

        ok = is_text(element);
        if (ok) {
            ds_put_format(&ds, "%s%s", i ? "," : "", json_string(element));
        }
    }
    if (!ok) {
        refuse(problem, "addresses", "an array of 64 strings at most");
    }
    return ds_steal_cstr(&ds);
}

static int64_t
take_number(const struct json *body, const char *name, int64_t max,
            struct problem *problem)
{
    const struct json *json = shash_find_data(json_object(body), name);

    if (!json) {
        return -1;
    } else if (json->type != JSON_INTEGER || json_integer(json) < 0
               || json_integer(json) > max) {
        char *what = (max == INT64_MAX ? xstrdup("an integer from 0")
                      : xasprintf("an integer from 0 to %"PRId64, max));

        refuse(problem, name, what);
        free(what);
        return -1;
    }
    return json_integer(json);
}

static enum agent_state
take_state(const struct json *body, struct problem *problem)
{
    static const char *const names[] = {
        [AGENT_UP] = "up",
        [AGENT_STOPPED] = "stopped",
        [AGENT_LEFT] = "leaving",
    };
    const struct json *json = shash_find_data(json_object(body), "state");

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (json && json->type == JSON_STRING
            && !strcmp(json_string(json), names[i])) {
            return i;
        }
    }
    refuse(problem, "state", "one of \"up\", \"stopped\" and \"leaving\"");
    return AGENT_UP;
}

static void
check_members(const struct json *body, struct problem *problem)
{
    static const char *const known[] = {
        "ip", "state", "version", "kernel", "addresses", "cpu",
        "connections", "accept_queue",
    };
    const struct shash_node *node;

    SHASH_FOR_EACH (node, json_object(body)) {
        bool found = false;

        for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
            found |= !strcmp(node->name, known[i]);
        }
        if (!found) {
            char *pointer = pointer_append("", node->name);

            problem_add(problem, pointer, "leave it out", "an agent has no "
                        "such member");
            free(pointer);
        }
    }
}

void
enroll_read(const struct json *body, struct agent_words *words,
            struct problem *problem)
{
    const struct json *ip = shash_find_data(json_object(body), "ip");

    check_members(body, problem);
    if (!ip || !is_text(ip)) {
        refuse(problem, "ip", "the host's address");
    }
    words->state = take_state(body, problem);
    words->version = take_text(body, "version", problem);
    words->kernel = take_text(body, "kernel", problem);
    words->addresses = take_addresses(body, problem);
    words->cpu = take_number(body, "cpu", 100, problem);
    words->connections = take_number(body, "connections", INT64_MAX, problem);
    words->accept_queue = take_number(body, "accept_queue", INT64_MAX,
                                      problem);
}

/* Answering. */

/* Creates the host, with no more than its address.  'writes' answers. */
static void
create_host(struct writes *writes, struct http_request *request,
            const char *name, const struct json *body)
{
    const struct json *ip = shash_find_data(json_object(body), "ip");
    struct change *change = xzalloc(sizeof *change);

    change->verb = CHANGE_PUT;
    change->resource = resource_by_table("Host");
    change->key = xstrdup(name);
    change->if_none_match = true;
    change->body = json_object_create();
    json_object_put(change->body, "ip", json_deep_clone(ip));
    writes_add(writes, request, change, 1, false);
}

/* Keys are for agents only.  Who else may write can set them, but not see
 * them. */
static void
reply(const struct writes *writes, struct http_request *request)
{
    const struct omrec_fabric *fabric = omrec_fabric_first(writes->store->idl);
    struct json *json = json_object_create();

    json_object_put(json, "interval",
                    json_integer_create(AGENTS_INTERVAL_MSEC));
    if (request->is_agent && fabric && fabric->current_key) {
        struct json *keys = json_array_create_1(
            json_string_create(fabric->current_key));

        if (fabric->accepted_key) {
            json_array_add(keys, json_string_create(fabric->accepted_key));
        }
        json_object_put(json, "keys", keys);
    }
    reply_json(request, 200, "application/json", json, NULL);
    json_destroy(json);
}

void
enroll_handle(struct agents *agents, struct writes *writes,
              struct http_request *request, const char *name,
              struct json *body)
{
    struct problem problem = PROBLEM_INITIALIZER;
    struct agent_words words;

    enroll_read(body, &words, &problem);
    if (!problem.status && !agents->active) {
        problem_set(&problem, 503, "ask another one", "this controller is not "
                    "the active one");
    }
    if (!problem.status && store_find(writes->store, resource_by_table("Host"),
                                      name)) {
        agents_hear(agents, name, &words);
        reply(writes, request);
        json_destroy(body);
        return;
    }
    agent_words_uninit(&words);
    if (problem.status) {
        reply_problem(request, &problem, NULL);
    } else if (words.state == AGENT_LEFT) {
        reply_refusal(request, 404, "stay away", "there is no host \"%s\"",
                      name);
    } else {
        create_host(writes, request, name, body);
    }
    json_destroy(body);
}
