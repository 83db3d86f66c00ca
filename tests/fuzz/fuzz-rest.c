/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "batch.h"
#include "change.h"
#include "controller/ovs-migrate-idl.h"
#include "fuzz.h"
#include "judge.h"
#include "openvswitch/json.h"
#include "openvswitch/shash.h"
#include "openvswitch/vlog.h"
#include "problem.h"
#include "represent.h"
#include "store.h"
#include "value.h"

/* The input is the body of POST /v1/changes, which has the bodies of all other
 * writes in it, to an empty database.  Refused changes have a problem that can
 * be told.  What is taken must be as /openapi.json says, and the same when it
 * is sent back. */

static struct store store;

static void
init(void)
{
    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    store_init(&store, "unix:/nowhere");
}

/* Checks that what was written into the row of 'change' is as the schema says,
 * and puts it into 'back' for being sent back. */
static void
check_row(const struct change *change, struct change *back)
{
    const struct resource *resource = change->resource;

    back->verb = CHANGE_PUT;
    back->resource = resource;
    back->key = nullable_xstrdup(change->key);
    back->body = represent_written(&store, resource, change->row);
    for (size_t i = 0; i < resource->n_fields; i++) {
        const struct field *field = &resource->fields[i];
        const struct json *value = shash_find_data(json_object(back->body),
                                                   field->name);

        if (value) {
            struct json *schema = value_schema(field);

            FUZZ_CHECK(judge_value(schema, value));
            json_destroy(schema);
        } else {
            FUZZ_CHECK(!(field->flags & FIELD_REQUIRED));
        }
    }
}

/* Makes the 'n' changes in an empty database.  If they are taken, stores their
 * ETags in 'etags' and what would make the same in 'back'.  Both may be
 * NULL. */
static bool
apply(struct change *changes, size_t n, struct problem *problem,
      char **etags, struct change *back)
{
    struct ovsdb_idl_txn *txn = ovsdb_idl_txn_create(store.idl);
    bool ok;

    omrec_fabric_insert(txn);
    ok = changes_apply(changes, n, &store, txn, false, problem);
    FUZZ_CHECK(ok == !problem->status);
    for (size_t i = 0; i < n && ok && etags; i++) {
        etags[i] = represent_etag(&store, changes[i].resource,
                                  changes[i].row);
        if (back) {
            check_row(&changes[i], &back[i]);
        }
    }
    ovsdb_idl_txn_abort(txn);
    ovsdb_idl_txn_destroy(txn);
    return ok;
}

/* Makes the 'n' changes, none of which deletes, and those that they come out
 * as. */
static void
check_twice(struct change *changes, size_t n, struct problem *problem)
{
    struct change *back = xcalloc(n, sizeof *back);
    char **etags = xcalloc(2 * n, sizeof *etags);

    if (apply(changes, n, problem, etags, back)) {
        FUZZ_CHECK(apply(back, n, problem, &etags[n], NULL));
        for (size_t i = 0; i < n; i++) {
            FUZZ_CHECK(!strcmp(etags[i], etags[n + i]));
        }
    }
    for (size_t i = 0; i < n; i++) {
        change_uninit(&back[i]);
        free(etags[i]);
        free(etags[n + i]);
    }
    free(back);
    free(etags);
}

static bool
deletes(const struct change *changes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (changes[i].verb == CHANGE_DELETE) {
            return true;
        }
    }
    return false;
}

static void
handle(const struct json *body)
{
    struct problem problem = PROBLEM_INITIALIZER;
    struct change *changes;
    size_t n;

    changes = batch_parse(body, &n, &problem);
    FUZZ_CHECK(!changes == !!problem.status);
    if (changes) {
        if (deletes(changes, n)) {
            apply(changes, n, &problem, NULL, NULL);
        } else {
            check_twice(changes, n, &problem);
        }
        for (size_t i = 0; i < n; i++) {
            change_uninit(&changes[i]);
        }
        free(changes);
    }
    if (problem.status) {
        judge_problem(&problem);
    }
    problem_uninit(&problem);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!store.idl) {
        init();
    }
    judge_body(data, size, handle);
    return 0;
}
