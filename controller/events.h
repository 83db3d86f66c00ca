/* SPDX-License-Identifier: Apache-2.0 */
#ifndef EVENTS_H
#define EVENTS_H 1

/* Rows of the table Event: what has happened in the fabric.
 *
 * An event goes into the transaction that writes the status it is about, so
 * that there are both or neither, whatever happens to the controller. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

struct ovsdb_idl;
struct ovsdb_idl_txn;
struct smap;

/* Events for one transaction. */
struct events {
    struct ovsdb_idl *idl;      /* OVS_Migrate. */
    struct ovsdb_idl_txn *txn;
    int64_t last;               /* The highest number in use. */
    size_t room;                /* For so many more, as far as is known. */
};

#define EVENTS_INITIALIZER(IDL, TXN) { .idl = (IDL), .txn = (TXN) }

/* Adds one.  'severity' is "info", "warning" or "error"; it happened to
 * 'resource'/'name', as REST calls that.  Deletes the oldest ones if there are
 * as many as the table Fabric allows. */
void events_add(struct events *, const char *severity, const char *kind,
                const char *resource, const char *name,
                const char *format, ...) OVS_PRINTF_FORMAT(6, 7);

/* Whether 'key' of 'status' becomes another 'value' than it was.  That it
 * becomes known is no change. */
bool events_is_change(const struct smap *status, const char *key,
                      const char *value);

#endif /* events.h */
