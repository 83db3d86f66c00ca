/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "commands.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "model.h"
#include "output.h"
#include "rest-client.h"
#include "util.h"

/* FIELD=VALUE arguments. */

/* 'text' as a value of the type that 'schema' has. */
static json_t *
parse_value(const char *argument, const char *text, const json_t *schema)
{
    char *end;
    json_int_t integer;

    if (!field_is(schema, "integer")) {
        return json_string(text);
    }
    errno = 0;
    integer = strtoll(text, &end, 10);
    if (errno || end == text || *end) {
        die(EXIT_USAGE, "%s: \"%s\" is not an integer", argument, text);
    }
    return json_integer(integer);
}

/* Puts 'value' in member 'key' of the object that 'body' has as 'field'. */
static void
put_in_object(json_t *body, const char *field, const char *key, json_t *value)
{
    json_t *object = json_object_get(body, field);

    if (!object) {
        object = json_object();
        json_object_set_new(body, field, object);
    }
    json_object_set_new(object, key, value);
}

/* Puts what 'argument', FIELD=VALUE or FIELD.KEY=VALUE, says into 'body'.  An
 * empty value is null. */
static void
parse_argument(const struct kind *kind, const char *argument, json_t *body)
{
    size_t len = strcspn(argument, "=");
    size_t dot = strcspn(argument, ".=");
    char *field = xasprintf("%.*s", (int) dot, argument);
    const json_t *schema = kind_field(kind, field);
    const char *text = argument + len + 1;

    if (!argument[len]) {
        die(EXIT_USAGE, "%s: is not FIELD=VALUE", argument);
    } else if (!schema) {
        die(EXIT_USAGE, "%s: a %s has no field \"%s\"; \"ovs-migratectl %s "
            "fields\" tells those that it has", argument, kind->name, field,
            kind->name);
    } else if (!field_is_writable(schema)) {
        die(EXIT_USAGE, "%s: cannot be written", argument);
    } else if (dot == len && !*text) {
        json_object_set_new(body, field, json_null());
    } else if (dot == len && !field_is(schema, "object")) {
        json_object_set_new(body, field, parse_value(argument, text, schema));
    } else if (dot < len && field_is(schema, "object")) {
        const json_t *of = json_object_get(schema, "additionalProperties");
        char *key = xasprintf("%.*s", (int) (len - dot - 1),
                              argument + dot + 1);

        put_in_object(body, field, key, *text
                      ? parse_value(argument, text, of) : json_null());
        free(key);
    } else if (dot == len) {
        die(EXIT_USAGE, "%s: give each member, as %s.NAME=VALUE", argument,
            field);
    } else {
        die(EXIT_USAGE, "%s: %s has no members; give %s=VALUE", argument,
            field, field);
    }
    free(field);
}

static json_t *
parse_arguments(const struct kind *kind, int n, char **args)
{
    json_t *body = json_object();

    for (int i = 0; i < n; i++) {
        parse_argument(kind, args[i], body);
    }
    return body;
}

/* Requests. */

static void
print_item(const struct kind *kind, const json_t *item, bool json)
{
    if (json) {
        output_json(item);
    } else {
        output_item(kind, item);
    }
}

static void
patch(const struct kind *kind, const char *name, const json_t *body,
      bool json)
{
    char *path = kind_path(kind, name);
    json_t *item = api_request("PATCH", path, body, NULL);

    if (json) {
        output_json(item);
    }
    json_decref(item);
    free(path);
}

/* Verbs. */

static void
print_page(void *output, const json_t *items)
{
    output_page(output, items);
}

static void
do_list(const struct kind *kind, int n, char **args, bool json)
{
    char *filter = xasprintf("%s", "");
    struct output output;
    bool complete;

    for (int i = 0; i < n; i++) {
        size_t len = strcspn(args[i], "=");
        char *value, *longer;

        if (!args[i][len]) {
            die(EXIT_USAGE, "%s: is not FIELD=VALUE", args[i]);
        }
        value = rest_encode(args[i] + len + 1);
        longer = xasprintf("%s%s%.*s=%s", filter, *filter ? "&" : "",
                           (int) len, args[i], value);
        free(value);
        free(filter);
        filter = longer;
    }
    output_begin(&output, kind, json);
    complete = api_pages(kind->path, filter, print_page, &output);
    output_end(&output);
    free(filter);
    if (!complete) {
        exit(EXIT_UNREACHABLE);
    }
}

static void
do_show(const struct kind *kind, int n, char **args, bool json)
{
    for (int i = 0; i < n; i++) {
        char *path = kind_path(kind, args[i]);
        json_t *item = api_request("GET", path, NULL, NULL);

        if (i && !json) {
            putchar('\n');
        }
        print_item(kind, item, json);
        json_decref(item);
        free(path);
    }
}

/* The way from a switch to a host. */
static void
do_show_path(const struct kind *kind, int n, char **args, bool json)
{
    char *from, *to, *filter;
    json_t *paths;

    if (n > 2) {
        die(EXIT_USAGE, "%s: there is no path by way of others", args[2]);
    }
    from = rest_encode(args[0]);
    to = rest_encode(args[1]);
    filter = xasprintf("switch=%s&host=%s", from, to);
    paths = api_list(kind->path, filter);
    if (!json_array_size(paths)) {
        json_decref(paths);
        die(EXIT_REFUSED, "there is no switch \"%s\" that migrates, or no "
            "host \"%s\"", args[0], args[1]);
    }
    print_item(kind, json_array_get(paths, 0), json);
    json_decref(paths);
    free(filter);
    free(from);
    free(to);
}

static void
do_add(const struct kind *kind, int n, char **args, bool json)
{
    json_t *body = parse_arguments(kind, n - 1, args + 1);
    char *path = kind_path(kind, args[0]);
    json_t *item = api_request("PUT", path, body, "If-None-Match: *");

    if (json) {
        output_json(item);
    }
    json_decref(item);
    json_decref(body);
    free(path);
}

static void
do_set(const struct kind *kind, int n, char **args, bool json)
{
    int first = kind->single ? 0 : 1;
    json_t *body = parse_arguments(kind, n - first, args + first);

    patch(kind, kind->single ? NULL : args[0], body, json);
    json_decref(body);
}

static void
do_rm(const struct kind *kind, int n, char **args, bool json)
{
    (void) json;
    for (int i = 0; i < n; i++) {
        char *path = kind_path(kind, args[i]);

        json_decref(api_request("DELETE", path, NULL, NULL));
        free(path);
    }
}

static void
set_state(const struct kind *kind, int n, char **args, const char *state,
          bool json)
{
    json_t *body = json_pack("{s:s}", "state", state);

    for (int i = 0; i < n; i++) {
        patch(kind, args[i], body, json);
    }
    json_decref(body);
}

static void
do_drain(const struct kind *kind, int n, char **args, bool json)
{
    set_state(kind, n, args, "draining", json);
}

static void
do_ready(const struct kind *kind, int n, char **args, bool json)
{
    set_state(kind, n, args, "ready", json);
}

static void
do_fields(const struct kind *kind, int n, char **args, bool json)
{
    const json_t *properties = json_object_get(kind->schema, "properties");
    const char *name;
    json_t *schema;

    (void) n;
    (void) args;
    if (json) {
        output_json(kind->schema);
        return;
    }
    json_object_foreach((json_t *) properties, name, schema) {
        printf("%s%s\n    %s\n", name,
               field_is_writable(schema) ? "" : " (cannot be written)",
               json_string_value(json_object_get(schema, "description")));
    }
}

static const struct verb {
    const char *name;
    void (*run)(const struct kind *, int n, char **args, bool json);
    const char *only;           /* The kind that has it, or NULL: those... */
    const char *method;         /* ...with this method for one, unless NULL. */
    bool lists;                 /* Not for a single one. */
    int n_min;                  /* Arguments; one less for a single one. */
    const char *arguments;      /* What they are. */
} verbs[] = {
    { "list", do_list, NULL, NULL, true, 0, "[FIELD=VALUE]..." },
    { "show", do_show, NULL, "get", false, 1, "NAME..." },
    { "show", do_show_path, "path", NULL, true, 2, "SWITCH HOST" },
    { "add", do_add, NULL, "put", true, 1, "NAME [FIELD=VALUE]..." },
    { "set", do_set, NULL, "patch", false, 2, "NAME FIELD=VALUE..." },
    { "rm", do_rm, NULL, "delete", true, 1, "NAME..." },
    { "fields", do_fields, NULL, NULL, false, 0, "" },
    { "drain", do_drain, "host", NULL, true, 1, "NAME..." },
    { "ready", do_ready, "host", NULL, true, 1, "NAME..." },
};

#define N_VERBS (sizeof verbs / sizeof verbs[0])

static bool
has_verb(const struct kind *kind, const struct verb *verb)
{
    return (!(kind->single && verb->lists)
            && (!verb->only || !strcmp(verb->only, kind->name))
            && (!verb->method || kind_has(kind, verb->method)));
}

const char *
commands_verb(const struct kind *kind, int i)
{
    for (size_t j = 0; j < N_VERBS; j++) {
        if (has_verb(kind, &verbs[j]) && !i--) {
            return verbs[j].name;
        }
    }
    return NULL;
}

void
commands_run(const struct kind *kind, int n, char **args, bool json)
{
    static char *no_name[] = { "" };

    for (size_t i = 0; n && i < N_VERBS; i++) {
        const struct verb *verb = &verbs[i];
        int n_min = verb->n_min - (kind->single && verb->n_min > 0);

        if (strcmp(verb->name, args[0]) || !has_verb(kind, verb)) {
            continue;
        } else if (n - 1 < n_min) {
            die(EXIT_USAGE, "usage: ovs-migratectl %s %s %s", kind->name,
                verb->name, verb->arguments + (kind->single
                    && !strncmp(verb->arguments, "NAME ", 5) ? 5 : 0));
        } else if (kind->single && verb->run == do_show) {
            do_show(kind, 1, no_name, json);
        } else {
            verb->run(kind, n - 1, args + 1, json);
        }
        return;
    }
    fprintf(stderr, "usage: ovs-migratectl %s ", kind->name);
    for (int i = 0; commands_verb(kind, i); i++) {
        fprintf(stderr, "%s%s", i ? "|" : "", commands_verb(kind, i));
    }
    fprintf(stderr, " [ARGUMENT]...\n");
    exit(EXIT_USAGE);
}
