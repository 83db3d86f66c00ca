/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANGE_H
#define CHANGE_H 1

/* Writes of resources, as requests ask for them: checked and put into a
 * transaction, all or none, as often as that takes until it is committed. */

#include "resource.h"

enum change_verb {
    CHANGE_PUT,                 /* Make it so; create it if necessary. */
    CHANGE_PATCH,               /* Merge (RFC 7396) into what there is. */
    CHANGE_DELETE,
};

/* What a change makes of its resource. */
enum change_result {
    CHANGE_NONE,                /* Nothing: it was made before. */
    CHANGE_CREATES,
    CHANGE_UPDATES,
    CHANGE_DELETES,
};

struct change {
    enum change_verb verb;
    const struct resource *resource;
    char *key;                  /* NULL for a single resource. */
    struct json *body;          /* Of CHANGE_PUT and CHANGE_PATCH. */

    /* Conditions (RFC 9110 13.1). */
    char *if_match;             /* ETags, "*", or NULL. */
    bool if_none_match;         /* "*" was given. */

    /* If it is one of several: the JSON pointer to it in the request, whose
     * member "body" has 'body'.  Else NULL. */
    char *pointer;

    /* By changes_apply(). */
    enum change_result result;
    const struct ovsdb_idl_row *row;    /* In the transaction, unless deleted;
                                         * valid while it is open. */
    const struct ovsdb_idl_row *owner;  /* ... its owner, or NULL. */
};

void change_uninit(struct change *);

/* Puts the 'n' changes, each of another resource, into 'txn'.  If one is
 * refused, sets '*problem' and returns false, and the caller must abort 'txn'.
 * 'again' says that they were tried before, without an answer: what is so
 * already is taken for their doing. */
bool changes_apply(struct change *, size_t n, struct store *,
                   struct ovsdb_idl_txn *, bool again, struct problem *);

#endif /* change.h */
