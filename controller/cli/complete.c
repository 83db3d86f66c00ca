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

/* FIELD=, or FIELD=VALUE where values are enumerated. */
static void
complete_field(const struct kind *kind, const char *word)
{
    const json_t *properties = json_object_get(kind->schema, "properties");
    const char *name;
    json_t *schema;

    json_object_foreach((json_t *) properties, name, schema) {
        const json_t *values = json_object_get(schema, "enum");
        const json_t *value;
        size_t i;

        if (!field_is_writable(schema) || !strcmp(name, "name")) {
            continue;
        } else if (!values) {
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
    } else if (!strcmp(words[1], "add") || !strcmp(words[1], "list")
               || (!strcmp(words[1], "set") && (n > 3 || kind.single))) {
        if (strcmp(words[1], "add") || n > 3) {
            complete_field(&kind, word);
        }
    } else if (!kind.single) {
        complete_name(&kind, word);
    }
    kind_uninit(&kind);
}
