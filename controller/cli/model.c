/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "model.h"

#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "rest-client.h"
#include "util.h"

void
model_init(struct model *model)
{
    model->document = api_request("GET", "/openapi.json", NULL, NULL);
}

void
model_uninit(struct model *model)
{
    json_decref(model->document);
}

/* Sets the operations of 'kind', which has its 'path'. */
static void
find_operations(const struct model *model, struct kind *kind)
{
    const json_t *paths = json_object_get(model->document, "paths");
    char *all = xasprintf("/v1/%s", kind->path);
    char *prefix = xasprintf("%s/{", all);
    const char *name;
    json_t *value;

    kind->all = json_object_get(paths, all);
    kind->item = NULL;
    json_object_foreach((json_t *) paths, name, value) {
        if (!strncmp(name, prefix, strlen(prefix))) {
            kind->item = value;
        }
    }
    free(prefix);
    free(all);
}

/* If the operation that reads 'path' is called by 'verb' and a name, the
 * name. */
static const char *
operation_name(const json_t *path, const char *verb)
{
    const char *id = json_string_value(json_object_get(
        json_object_get(path, "get"), "operationId"));

    return id && !strncmp(id, verb, strlen(verb)) ? id + strlen(verb) : NULL;
}

bool
model_kind(const struct model *model, size_t i, struct kind *kind)
{
    const json_t *tag = json_array_get(
        json_object_get(model->document, "tags"), i);
    const char *name;

    if (!tag) {
        return false;
    }
    kind->path = json_string_value(json_object_get(tag, "name"));
    find_operations(model, kind);
    name = operation_name(kind->all, "list");
    kind->single = !name;
    if (kind->single) {
        kind->item = kind->all;
        kind->all = NULL;
        name = operation_name(kind->item, "get");
    }
    if (!name || !*name) {
        die(EXIT_UNREACHABLE, "/openapi.json of the controller is not as "
            "expected; is it of another version?");
    }
    kind->schema = json_object_get(json_object_get(json_object_get(
        model->document, "components"), "schemas"), name);
    kind->name = xasprintf("%s", name);
    kind->name[0] += 'a' - 'A';
    return true;
}

bool
model_find(const struct model *model, const char *word, struct kind *kind)
{
    for (size_t i = 0; model_kind(model, i, kind); i++) {
        if (!strcmp(word, kind->path) || !strcmp(word, kind->name)) {
            return true;
        }
        kind_uninit(kind);
    }
    return false;
}

void
kind_uninit(struct kind *kind)
{
    free(kind->name);
}

const json_t *
kind_field(const struct kind *kind, const char *field)
{
    return json_object_get(json_object_get(kind->schema, "properties"),
                           field);
}

bool
kind_has(const struct kind *kind, const char *method)
{
    return json_object_get(kind->item, method) != NULL;
}

char *
kind_path(const struct kind *kind, const char *name)
{
    char *encoded, *path;

    if (kind->single) {
        return xasprintf("/v1/%s", kind->path);
    }
    encoded = rest_encode(name);
    path = xasprintf("/v1/%s/%s", kind->path, encoded);
    free(encoded);
    return path;
}

bool
field_is(const json_t *schema, const char *type)
{
    const json_t *types = json_object_get(schema, "type");
    const json_t *value;
    size_t i;

    if (json_is_string(types)) {
        return !strcmp(json_string_value(types), type);
    }
    json_array_foreach(types, i, value) {
        if (!strcmp(json_string_value(value), type)) {
            return true;
        }
    }
    return false;
}

bool
field_is_writable(const json_t *schema)
{
    return !json_is_true(json_object_get(schema, "readOnly"));
}
