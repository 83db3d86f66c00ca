/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "complete.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "commands.h"
#include "model.h"
#include "util.h"

static void
offer(const char *candidate, const char *word)
{
    if (!strncmp(candidate, word, strlen(word))) {
        puts(candidate);
    }
}

static void
complete_command(const struct model *model, const char *word)
{
    struct kind kind;

    for (size_t i = 0; model_kind(model, i, &kind); i++) {
        offer(kind.name, word);
        kind_uninit(&kind);
    }
    offer("apply", word);
    offer("export", word);
    offer("status", word);
    offer("top", word);
    offer("trace", word);
    offer("watch", word);
}

static void
complete_name(const struct kind *kind, const char *word)
{
    json_t *items = api_list(kind->path, "");
    const json_t *item;
    size_t i;

    json_array_foreach(items, i, item) {
        const char *name = json_string_value(json_object_get(item, "name"));

        if (name) {
            offer(name, word);
        }
    }
    json_decref(items);
}

/* Offers NAME=, or NAME=VALUE where values are enumerated. */
static void
offer_field(const char *name, const json_t *schema, const char *word)
{
    const json_t *values = json_object_get(schema, "enum");
    const json_t *value;
    size_t i;

    if (!values) {
        char separator = field_is(schema, "object") ? '.' : '=';
        char *candidate = xasprintf("%s%c", name, separator);

        offer(candidate, word);
        free(candidate);
    }
    json_array_foreach(values, i, value) {
        if (json_is_string(value)) {
            char *candidate = xasprintf("%s=%s", name,
                                        json_string_value(value));

            offer(candidate, word);
            free(candidate);
        }
    }
}

/* What can be written. */
static void
complete_field(const struct kind *kind, const char *word)
{
    const json_t *properties = json_object_get(kind->schema, "properties");
    const char *name;
    json_t *schema;

    json_object_foreach((json_t *) properties, name, schema) {
        if (field_is_writable(schema) && strcmp(name, "name")) {
            offer_field(name, schema, word);
        }
    }
}

/* What a list can be asked for by. */
static void
complete_filter(const struct kind *kind, const char *word)
{
    const json_t *parameters = json_object_get(
        json_object_get(kind->all, "get"), "parameters");
    const json_t *parameter;
    size_t i;

    json_array_foreach(parameters, i, parameter) {
        const char *name = json_string_value(json_object_get(parameter,
                                                             "name"));
        const json_t *schema = kind_field(kind, name);

        if (schema) {           /* It is not "limit", say. */
            offer_field(name, schema, word);
        }
    }
}

/* The name of one of the kind called 'name'. */
static void
complete_name_of(const struct model *model, const char *name,
                 const char *word)
{
    struct kind kind;

    if (model_find(model, name, &kind)) {
        complete_name(&kind, word);
        kind_uninit(&kind);
    }
}

static void
complete_argument(const struct model *model, const struct kind *kind, int n,
                  char **words)
{
    const char *verb = words[1], *word = words[n - 1];

    if (!strcmp(verb, "list")) {
        complete_filter(kind, word);
    } else if (!strcmp(kind->name, "path")) {
        complete_name_of(model, n == 3 ? "switch" : "host", word);
    } else if ((!strcmp(verb, "add") && n > 3)
               || (!strcmp(verb, "set") && (n > 3 || kind->single))) {
        complete_field(kind, word);
    } else if (kind->item && !kind->single && strcmp(verb, "add")) {
        complete_name(kind, word);
    }
}

void
complete(const struct model *model, int n, char **words)
{
    const char *word = n ? words[n - 1] : "";
    struct kind kind;

    if (n < 2) {
        complete_command(model, word);
        return;
    } else if (!model_find(model, words[0], &kind)) {
        return;
    }
    if (n == 2) {
        for (int i = 0; commands_verb(&kind, i); i++) {
            offer(commands_verb(&kind, i), word);
        }
    } else {
        complete_argument(model, &kind, n, words);
    }
    kind_uninit(&kind);
}
