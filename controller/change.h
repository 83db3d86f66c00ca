/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CHANGE_H
#define CHANGE_H 1

/* One write of one resource, as a request asks for it: checked and put into a
 * transaction as often as that takes until it is committed. */

#include "resource.h"

enum change_verb {
    CHANGE_PUT,                 /* Make it so; create it if necessary. */
    CHANGE_PATCH,               /* Merge (RFC 7396) into what there is. */
    CHANGE_DELETE,
};

struct change {
    enum change_verb verb;
    const struct resource *resource;
    char *key;                  /* NULL for a single resource. */
    struct json *body;          /* Of CHANGE_PUT and CHANGE_PATCH. */

    /* Conditions (RFC 9110 13.1). */
    char *if_match;             /* ETags, "*", or NULL. */
    bool if_none_match;         /* "*" was given. */
};

void change_uninit(struct change *);

/* What the change is about to make of the resource. */
enum change_result {
    CHANGE_REFUSED,             /* Nothing: see the problem. */
    CHANGE_NONE,                /* Nothing: it was made before. */
    CHANGE_CREATES,
    CHANGE_UPDATES,
    CHANGE_DELETES,
};

/* Puts the change into 'txn'.  If it is refused, which sets '*problem', the
 * caller must abort 'txn'.  'again' says that the change was tried before,
 * without an answer: what is so already is taken for its doing. */
enum change_result change_apply(const struct change *, struct store *,
                                struct ovsdb_idl_txn *, bool again,
                                struct problem *);

/* The representation of 'row'.  The caller destroys it. */
struct json *represent(const struct store *, const struct resource *,
                       const struct ovsdb_idl_row *row);

/* The ETag of 'row', with its quotes.  It stands for what clients can write,
 * so it does not change with the status.  The caller frees it. */
char *etag(const struct store *, const struct resource *,
           const struct ovsdb_idl_row *row);

#endif /* change.h */
