/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MIRROR_PRIVATE_H
#define MIRROR_PRIVATE_H 1

/* What mirror.c and mirror-txn.c share. */

#include "mirror.h"

struct mirror_table {
    const struct mirror_class *class;
    struct hmap rows;           /* Of "struct mirror_row"s, by UUID. */
    bool there;                 /* The database has it. */
};

struct mirror {
    struct ovsdb_cs *cs;
    const char *database;
    struct mirror_table *tables;
    size_t n_tables;
    mirror_changed_cb *changed;
    void *aux;
    bool filled;

    struct hmap writes;         /* What is not yet sent: mirror-txn.c. */
    struct json *request;       /* ID of the transaction that was, or NULL. */
    bool failed;
};

struct mirror_table *mirror_find_table(const struct mirror *,
                                         const struct ovsdb_idl_table_class *);

/* A row with default values, in no table yet. */
struct mirror_row *mirror_row_create(struct mirror_table *,
                                       const struct uuid *);
void mirror_row_destroy(struct mirror_row *);

/* Forgets what is not yet sent. */
void mirror_clear_writes(struct mirror *);

#endif /* mirror-private.h */
