/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "pool-weights.h"

#include <stdlib.h>
#include <string.h>

#include "controller/ovs-migrate-idl.h"
#include "intern.h"
#include "openvswitch/json.h"
#include "util.h"
#include "vswitch-idl.h"

static const struct ovsdb_type *
column_type(void)
{
    return &ovsrec_migration_pool_col_weights.type;
}

void
pool_weights_init(struct pool_weights_cache *cache)
{
    shash_init(&cache->pools);
    cache->own = NULL;
}

static void
weights_destroy(struct pool_weights *pw)
{
    if (pw) {
        ovsdb_datum_destroy(&pw->datum, column_type());
        json_destroy(pw->json);
        free(pw);
    }
}

void
pool_weights_clear(struct pool_weights_cache *cache)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &cache->pools) {
        weights_destroy(node->data);
    }
    shash_clear(&cache->pools);
    weights_destroy(cache->own);
    cache->own = NULL;
}

void
pool_weights_uninit(struct pool_weights_cache *cache)
{
    pool_weights_clear(cache);
    shash_destroy(&cache->pools);
}

bool
pool_weights_host_is_down(const struct omrec_host *host)
{
    return host->state && !strcmp(host->state, "down");
}

static void
add_weight(struct ovsdb_datum *datum, const char *host, int64_t weight)
{
    union ovsdb_atom key = { .s = json_string_create(host) };
    union ovsdb_atom value = { .integer = weight };

    ovsdb_datum_add_unsafe(datum, &key, &value, column_type(), NULL);
    ovsdb_atom_destroy(&key, OVSDB_TYPE_STRING);
}

static struct pool_weights *
weights_create(const struct omrec_pool *pool, const int64_t weights[])
{
    struct pool_weights *pw = xmalloc(sizeof *pw);
    struct json *json;

    ovsdb_datum_init_empty(&pw->datum);
    for (size_t i = 0; i < pool->n_hosts; i++) {
        if (!pool_weights_host_is_down(pool->key_hosts[i])) {
            add_weight(&pw->datum, pool->key_hosts[i]->name, weights[i]);
        }
    }
    ovsdb_datum_sort_unique(&pw->datum, column_type());
    intern_datum(&pw->datum, column_type());
    json = ovsdb_datum_to_json(&pw->datum, column_type());
    pw->json = json_serialized_object_create(json);
    json_destroy(json);
    return pw;
}

const struct pool_weights *
pool_weights_get(struct pool_weights_cache *cache,
                 const struct omrec_pool *pool, pool_weights_cb *cb,
                 const void *aux)
{
    struct pool_weights *pw = shash_find_data(&cache->pools, pool->name);
    int64_t *weights;
    bool same;

    if (pw) {
        return pw;
    }
    weights = xmalloc(pool->n_hosts * sizeof *weights);
    same = cb(aux, pool, weights);
    pw = weights_create(pool, weights);
    free(weights);
    if (same) {
        shash_add(&cache->pools, pool->name, pw);
    } else {
        weights_destroy(cache->own);
        cache->own = pw;
    }
    return pw;
}

bool
pool_weights_same_hosts(const struct pool_weights *pw,
                        const struct ovsdb_datum *datum)
{
    if (pw->datum.n != datum->n) {
        return false;
    }
    for (size_t i = 0; i < datum->n; i++) {
        if (strcmp(json_string(pw->datum.keys[i].s),
                   json_string(datum->keys[i].s))) {
            return false;
        }
    }
    return true;
}
