/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "value.h"

#include <stdlib.h>
#include <string.h>

#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "problem.h"
#include "schema.h"
#include "store.h"
#include "util.h"

/* Limits of objects of strings, which the schema does not have. */
#define STRINGS_MAX 64
#define STRINGS_KEY_MAX 127             /* Bytes. */
#define STRINGS_VALUE_MAX 1023          /* Bytes. */

static const struct ovsdb_type reference_type = {
    .key = { .type = OVSDB_TYPE_UUID },
    .value = OVSDB_BASE_VOID_INIT,
    .n_min = 0,
    .n_max = 1,
};

const struct ovsdb_type *
value_type(const struct field *field)
{
    return field->owner ? &reference_type : schema_type(field->column);
}

enum value_kind
value_kind(const struct field *field)
{
    const struct ovsdb_type *type = value_type(field);
    bool to_integer = type->value.type == OVSDB_TYPE_INTEGER;

    if (type->key.type == OVSDB_TYPE_UUID) {
        return to_integer ? VALUE_WEIGHTS : VALUE_REFERENCE;
    } else if (type->value.type != OVSDB_TYPE_VOID) {
        return to_integer ? VALUE_INTEGERS : VALUE_STRINGS;
    } else {
        return (type->key.type == OVSDB_TYPE_INTEGER
                ? VALUE_INTEGER : VALUE_STRING);
    }
}

const struct resource *
value_target(const struct field *field)
{
    return (field->owner ? resource_by_table(field->owner->name)
            : field->column->type.key.type == OVSDB_TYPE_UUID
            ? resource_by_table(field->column->type.key.uuid.refTableName)
            : NULL);
}

char *
pointer_append(const char *pointer, const char *token)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    ds_put_format(&ds, "%s/", pointer);
    for (; *token; token++) {
        if (*token == '~' || *token == '/') {
            ds_put_cstr(&ds, *token == '~' ? "~0" : "~1");
        } else {
            ds_put_char(&ds, *token);
        }
    }
    return ds_steal_cstr(&ds);
}

struct json *
json_literal(const char *text)
{
    /* A text of its own may only be an object or an array, for OVS. */
    char *array_text = xasprintf("[%s]", text);
    struct json *array = json_from_string(array_text);
    struct json *json;

    ovs_assert(array->type == JSON_ARRAY && json_array(array)->n == 1);
    json = json_clone(json_array(array)->elems[0]);
    json_destroy(array);
    free(array_text);
    return json;
}

char *
value_excerpt(const struct json *json)
{
    char *s = json_to_string(json, 0);

    if (strlen(s) > 60) {
        size_t len = 57;

        while (len && (s[len] & 0xc0) == 0x80) {
            len--;                      /* Not within a character. */
        }
        strcpy(&s[len], "...");
    }
    return s;
}

/* One value that is being parsed. */
struct parser {
    const struct store *store;
    const struct field *field;
    const struct ovsdb_type *type;
    struct ovsdb_datum *datum;
    struct problem *problem;
    bool ok;
};

/* Notes that the value at 'pointer' is not 'what' it has to be. */
static void
refuse(struct parser *p, const char *pointer, const struct json *json,
       const char *what)
{
    char *excerpt = value_excerpt(json);
    char *remedy = (p->field->example
                    ? xasprintf("give %s, such as %s", what, p->field->example)
                    : xasprintf("give %s", what));

    problem_add(p->problem, pointer, remedy, "%s is not %s", excerpt, what);
    free(excerpt);
    free(remedy);
    p->ok = false;
}

static void
add(struct parser *p, const union ovsdb_atom *key,
    const union ovsdb_atom *value)
{
    ovsdb_datum_add_unsafe(p->datum, key, value, p->type, NULL);
}

/* Stores 'json' in '*integer' if it is one that 'base' allows. */
static bool
parse_integer(struct parser *p, const struct json *json, const char *pointer,
              const struct ovsdb_base_type *base, int64_t *integer)
{
    int64_t min = base->integer.min, max = base->integer.max;
    char *what;

    if (json->type == JSON_INTEGER && json_integer(json) >= min
        && json_integer(json) <= max) {
        *integer = json_integer(json);
        return true;
    }
    what = (max == INT64_MAX ? xasprintf("an integer from %"PRId64, min)
            : xasprintf("an integer from %"PRId64" to %"PRId64, min, max));
    refuse(p, pointer, json, what);
    free(what);
    return false;
}

/* The words of an enumeration, such as "one of \"a\" and \"b\"". */
static char *
enumeration(const struct ovsdb_datum *words)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < words->n; i++) {
        ds_put_cstr(&ds, !i ? "one of " : i + 1 < words->n ? ", " : " and ");
        json_to_ds(words->keys[i].s, 0, &ds);
    }
    return ds_steal_cstr(&ds);
}

static bool
has_control(const char *s)
{
    for (; *s; s++) {
        if ((unsigned char) *s < ' ' || *s == 0x7f) {
            return true;
        }
    }
    return false;
}

/* Returns the text of 'json' as the database is to have it, which the caller
 * frees, or NULL. */
static char *
parse_text(struct parser *p, const struct json *json, const char *pointer,
           size_t min, size_t max)
{
    const struct syntax *syntax = p->field->syntax;
    char *what = NULL, *text = NULL;

    if (json->type == JSON_STRING && strlen(json_string(json)) >= min
        && strlen(json_string(json)) <= max
        && !has_control(json_string(json))) {
        text = (syntax ? syntax->canonical(json_string(json))
                : xstrdup(json_string(json)));
        if (text) {
            return text;
        }
    }
    if (!syntax || max <= 127) {
        what = (syntax ? xasprintf("%s, of %"PRIuSIZE" bytes at most",
                                   syntax->what, max)
                : xasprintf("a string of %"PRIuSIZE" to %"PRIuSIZE" bytes "
                            "without control characters", min, max));
    }
    refuse(p, pointer, json, what ? what : syntax->what);
    free(what);
    return NULL;
}

static void
parse_string(struct parser *p, const struct json *json, const char *pointer)
{
    const struct ovsdb_base_type *base = &p->type->key;
    union ovsdb_atom atom;

    if (base->enum_) {
        atom.s = CONST_CAST(struct json *, json);
        if (json->type == JSON_STRING
            && ovsdb_datum_find_key(base->enum_, &atom, OVSDB_TYPE_STRING,
                                    NULL)) {
            add(p, &atom, NULL);
        } else {
            char *what = enumeration(base->enum_);

            refuse(p, pointer, json, what);
            free(what);
        }
    } else {
        char *text = parse_text(p, json, pointer, base->string.minLen,
                                MIN(base->string.maxLen, STRINGS_VALUE_MAX));

        if (text) {
            atom.s = ovsdb_atom_string_create_nocopy(text);
            add(p, &atom, NULL);
            ovsdb_atom_destroy(&atom, OVSDB_TYPE_STRING);
        }
    }
}

/* Looks up what 'key' refers to. */
static bool
parse_key(struct parser *p, const char *key, const char *pointer,
          union ovsdb_atom *atom)
{
    const struct resource *target = value_target(p->field);
    const struct ovsdb_idl_row *row = store_find(p->store, target, key);
    char *remedy;

    if (row) {
        atom->uuid = row->uuid;
        return true;
    }
    remedy = xasprintf("create it first, or name one that \"GET /v1/%s\" "
                       "shows", target->path);
    problem_add(p->problem, pointer, remedy, "there is no %s \"%s\"",
                target->name, key);
    free(remedy);
    p->ok = false;
    return false;
}

static void
parse_reference(struct parser *p, const struct json *json,
                const char *pointer)
{
    union ovsdb_atom atom;

    if (json->type != JSON_STRING) {
        char *what = xasprintf("the name of a %s",
                               value_target(p->field)->name);

        refuse(p, pointer, json, what);
        free(what);
    } else if (parse_key(p, json_string(json), pointer, &atom)) {
        add(p, &atom, NULL);
    }
}

static void
parse_pair(struct parser *p, const struct shash_node *node,
           const char *pointer)
{
    union ovsdb_atom key, value;

    if (p->type->key.type == OVSDB_TYPE_UUID) {
        if (parse_key(p, node->name, pointer, &key)
            && parse_integer(p, node->data, pointer, &p->type->value,
                             &value.integer)) {
            add(p, &key, &value);
        }
    } else {
        char *text = parse_text(p, node->data, pointer, 0, STRINGS_VALUE_MAX);

        if (text) {
            key.s = ovsdb_atom_string_create(node->name);
            value.s = ovsdb_atom_string_create_nocopy(text);
            add(p, &key, &value);
            ovsdb_atom_destroy(&key, OVSDB_TYPE_STRING);
            ovsdb_atom_destroy(&value, OVSDB_TYPE_STRING);
        }
    }
}

static void
parse_object(struct parser *p, const struct json *json, const char *pointer)
{
    bool strings = p->type->key.type == OVSDB_TYPE_STRING;
    const struct shash_node *node;

    if (json->type != JSON_OBJECT) {
        refuse(p, pointer, json, strings ? "an object of strings"
               : "an object of integers");
        return;
    } else if (strings && shash_count(json_object(json)) > STRINGS_MAX) {
        problem_add(p->problem, pointer, "leave some out",
                    "has more than %d members", STRINGS_MAX);
        p->ok = false;
        return;
    }
    SHASH_FOR_EACH (node, json_object(json)) {
        char *member = pointer_append(pointer, node->name);

        if (!*node->name || strlen(node->name) > STRINGS_KEY_MAX
            || has_control(node->name)) {
            problem_add(p->problem, pointer, "give the member another name",
                        "has a member whose name is not 1 to %d bytes "
                        "without control characters", STRINGS_KEY_MAX);
            p->ok = false;
        } else {
            parse_pair(p, node, member);
        }
        free(member);
    }
}

bool
value_parse(const struct store *store, const struct field *field,
            const struct json *json, const char *pointer,
            struct ovsdb_datum *datum, struct problem *problem)
{
    struct parser p = { store, field, value_type(field), datum, problem,
                        true };

    ovsdb_datum_init_empty(datum);
    switch (value_kind(field)) {
    case VALUE_INTEGER: {
        union ovsdb_atom atom;

        if (parse_integer(&p, json, pointer, &p.type->key, &atom.integer)) {
            add(&p, &atom, NULL);
        }
        break;
    }
    case VALUE_STRING:
        parse_string(&p, json, pointer);
        break;
    case VALUE_REFERENCE:
        parse_reference(&p, json, pointer);
        break;
    case VALUE_STRINGS:
    case VALUE_WEIGHTS:
        parse_object(&p, json, pointer);
        break;
    case VALUE_INTEGERS:
    default:
        OVS_NOT_REACHED();      /* Are read only. */
    }
    return p.ok;
}

/* The key of the row that 'field' refers to by 'uuid'.  A weak reference may
 * last a moment longer than its row. */
static char *
format_key(const struct store *store, const struct field *field,
           const struct uuid *uuid)
{
    const struct resource *target = value_target(field);
    const struct ovsdb_idl_row *row = ovsdb_idl_get_row_for_uuid(
        store->idl, target->class, uuid);

    return (row ? store_key(target, row)
            : xasprintf(UUID_FMT, UUID_ARGS(uuid)));
}

static struct json *
format_atom(const struct store *store, const struct field *field,
            const struct ovsdb_base_type *base, const union ovsdb_atom *atom)
{
    switch (base->type) {
    case OVSDB_TYPE_INTEGER:
        return json_integer_create(atom->integer);
    case OVSDB_TYPE_STRING:
        return json_string_create(json_string(atom->s));
    case OVSDB_TYPE_UUID:
        return json_string_create_nocopy(format_key(store, field,
                                                    &atom->uuid));
    case OVSDB_TYPE_VOID:
    case OVSDB_TYPE_REAL:
    case OVSDB_TYPE_BOOLEAN:
    case OVSDB_N_TYPES:
    default:
        OVS_NOT_REACHED();
    }
}

static struct json *
format_map(const struct store *store, const struct field *field,
           const struct ovsdb_datum *datum)
{
    const struct ovsdb_type *type = value_type(field);
    struct json *object = json_object_create();

    for (size_t i = 0; i < datum->n; i++) {
        json_object_put_nocopy(
            object, type->key.type == OVSDB_TYPE_UUID
            ? format_key(store, field, &datum->keys[i].uuid)
            : xstrdup(json_string(datum->keys[i].s)),
            format_atom(store, field, &type->value, &datum->values[i]));
    }
    return object;
}

static struct json *
format_owner(const struct store *store, const struct field *field,
             const struct ovsdb_idl_row *row)
{
    const struct ovsdb_idl_row *owner = store_referrer(
        store, row, field->owner, field->column, NULL);

    return (owner ? json_string_create_nocopy(
                store_key(value_target(field), owner))
            : json_null_create());
}

struct json *
value_format(const struct store *store, const struct field *field,
             const struct ovsdb_idl_row *row, bool defaults)
{
    const struct ovsdb_datum *datum;

    if (field->owner) {
        return format_owner(store, field, row);
    }
    datum = ovsdb_idl_read(row, field->column);
    if (field->column->type.value.type != OVSDB_TYPE_VOID) {
        return format_map(store, field, datum);
    } else if (datum->n) {
        return format_atom(store, field, &field->column->type.key,
                           &datum->keys[0]);
    } else {
        return (defaults && field->default_
                ? json_literal(field->default_) : json_null_create());
    }
}

/* Schemas. */

static struct json *
integer_schema(const struct ovsdb_base_type *base)
{
    struct json *schema = json_object_create();

    json_object_put_string(schema, "type", "integer");
    if (base->integer.min != INT64_MIN) {
        json_object_put(schema, "minimum",
                        json_integer_create(base->integer.min));
    }
    if (base->integer.max != INT64_MAX) {
        json_object_put(schema, "maximum",
                        json_integer_create(base->integer.max));
    }
    return schema;
}

static struct json *
string_schema(const struct ovsdb_base_type *base, const struct syntax *syntax)
{
    struct json *schema = json_object_create();

    json_object_put_string(schema, "type", "string");
    if (base->enum_) {
        struct json *words = json_array_create_empty();

        for (size_t i = 0; i < base->enum_->n; i++) {
            json_array_add(words, json_deep_clone(base->enum_->keys[i].s));
        }
        json_object_put(schema, "enum", words);
        return schema;
    }
    if (base->string.minLen) {
        json_object_put(schema, "minLength",
                        json_integer_create(base->string.minLen));
    }
    json_object_put(schema, "maxLength", json_integer_create(
        MIN(base->string.maxLen, STRINGS_VALUE_MAX)));
    if (syntax) {
        json_object_put_string(schema, "format", syntax->format);
        if (syntax->pattern) {
            json_object_put_string(schema, "pattern", syntax->pattern);
        }
    }
    return schema;
}

static struct json *
map_schema(const struct ovsdb_type *type)
{
    struct json *schema = json_object_create();

    json_object_put_string(schema, "type", "object");
    if (type->key.type == OVSDB_TYPE_STRING) {
        json_object_put(schema, "maxProperties",
                        json_integer_create(STRINGS_MAX));
    }
    json_object_put(schema, "additionalProperties",
                    type->value.type == OVSDB_TYPE_INTEGER
                    ? integer_schema(&type->value)
                    : string_schema(&type->value, NULL));
    return schema;
}

struct json *
value_schema(const struct field *field)
{
    const struct ovsdb_type *type = value_type(field);

    switch (value_kind(field)) {
    case VALUE_INTEGER:
        return integer_schema(&type->key);
    case VALUE_STRING:
        return string_schema(&type->key, field->syntax);
    case VALUE_REFERENCE: {
        const struct field *key = &value_target(field)->fields[0];

        return string_schema(&key->column->type.key, key->syntax);
    }
    case VALUE_STRINGS:
    case VALUE_INTEGERS:
    case VALUE_WEIGHTS:
        return map_schema(type);
    default:
        OVS_NOT_REACHED();
    }
}
