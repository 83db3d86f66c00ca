/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CLI_MODEL_H
#define CLI_MODEL_H 1

/* What the controller has to offer, as its /openapi.json says.  So nothing
 * about resources has to be known here: what a later controller has more, this
 * program can do at once. */

#include <jansson.h>
#include <stdbool.h>

struct model {
    json_t *document;
};

/* A resource, or something that can only be listed, such as connections;
 * pointers are into the model. */
struct kind {
    const char *path;           /* Of all, such as "hosts". */
    char *name;                 /* Of one, such as "host". */
    bool single;                /* There is one only, without a name. */
    const json_t *all;          /* Operations on all, by method; NULL if there
                                 * is one only. */
    const json_t *item;         /* Operations on one, by method, or NULL. */
    const json_t *schema;
};

/* Asks the controller. */
void model_init(struct model *);
void model_uninit(struct model *);

/* The resources, in the order in which they can be created, and then the
 * others: stores number 'i' in '*kind' and returns true, or false if there is
 * none.  The caller uses kind_uninit(). */
bool model_kind(const struct model *, size_t i, struct kind *kind);

/* Stores the one called 'word', which may be for one or for all of them,
 * in '*kind'.  Returns false if there is none. */
bool model_find(const struct model *, const char *word, struct kind *kind);

void kind_uninit(struct kind *);

/* The schema of a field, or NULL. */
const json_t *kind_field(const struct kind *, const char *field);

/* Whether 'kind' has 'method', such as "put", for one of it. */
bool kind_has(const struct kind *, const char *method);

/* The path of the one called 'name'.  The caller frees it. */
char *kind_path(const struct kind *, const char *name);

/* Whether the field with 'schema' is of 'type', such as "object". */
bool field_is(const json_t *schema, const char *type);

/* Whether the field with 'schema' can be written. */
bool field_is_writable(const json_t *schema);

#endif /* model.h */
