/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "bootstrap.h"

#include <stdint.h>

#include "controller/ovs-migrate-idl.h"
#include "entropy.h"
#include "util.h"

#define KEY_LEN 16              /* Bytes. */

static void
add(struct bootstrap *b, struct ovsdb_idl *idl)
{
    char key[2 * KEY_LEN + 1];
    uint8_t bytes[KEY_LEN];

    get_entropy_or_die(bytes, sizeof bytes);
    for (size_t i = 0; i < KEY_LEN; i++) {
        snprintf(&key[2 * i], 3, "%02x", bytes[i]);
    }
    b->txn = ovsdb_idl_txn_create(idl);
    omrec_fabric_set_current_key(omrec_fabric_insert(b->txn), key);
}

bool
bootstrap_run(struct bootstrap *b, struct ovsdb_idl *idl)
{
    if (omrec_fabric_first(idl)) {
        bootstrap_uninit(b);
        return true;
    }
    if (!b->txn && ovsdb_idl_is_connected(idl)) {
        add(b, idl);
    }
    /* Should another controller be faster, this one fails: there can be only
     * one row. */
    if (b->txn && ovsdb_idl_txn_commit(b->txn) != TXN_INCOMPLETE) {
        bootstrap_uninit(b);
    }
    return false;
}

void
bootstrap_wait(const struct bootstrap *b)
{
    if (b->txn) {
        ovsdb_idl_txn_wait(b->txn);
    }
}

void
bootstrap_uninit(struct bootstrap *b)
{
    if (b->txn) {
        ovsdb_idl_txn_destroy(b->txn);
        b->txn = NULL;
    }
}
