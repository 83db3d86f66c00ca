/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* The OVSDB tables Migration_*, turned into the engine's configuration, and
 * what the engine knows, written back into them. */

#include "migrate-ovs.h"

#include "hash.h"
#include "host.h"
#include "netdev.h"
#include "openvswitch/vlog.h"
#include "ovs-thread.h"
#include "packets.h"
#include "policy.h"
#include "reader.h"
#include "seal.h"
#include "simap.h"
#include "smap.h"
#include "timeval.h"
#include "util.h"
#include "vswitch-idl.h"

VLOG_DEFINE_THIS_MODULE(migrate_config);

/* A configuration in the making, with the rows its indexes stand for. */
struct builder {
    struct migrate_config config;
    const struct ovsrec_migration_host **hosts;
    struct simap host_names;    /* Indexes in 'hosts'. */
    const struct ovsrec_migration_pool **pools;
    struct placement_config *placements;    /* Of the services. */
    unsigned int table;         /* Where the engine's own frames continue. */
    char *error;
};

static void OVS_PRINTF_FORMAT(2, 3)
builder_error(struct builder *b, const char *format, ...)
{
    va_list args;

    if (!b->error) {
        va_start(args, format);
        b->error = xvasprintf(format, args);
        va_end(args);
    }
}

/* The number 'key' in the other_config of a row, which 'row' names for an
 * error message: from 'min' to 'max', or 'def' if it is not there. */
static unsigned int
get_uint(struct builder *b, const char *row, const struct smap *other_config,
         const char *key, unsigned int def, unsigned int min,
         unsigned int max)
{
    const char *value = smap_get(other_config, key);
    unsigned int number;

    if (!value) {
        return def;
    }
    if (!str_to_uint(value, 10, &number) || number < min || number > max) {
        builder_error(b, "%s: other_config:%s \"%s\" is not a number from "
                      "%u to %u", row, key, value, min, max);
        return def;
    }
    return number;
}

static size_t
add_host(struct builder *b, const struct ovsrec_migration_host *row)
{
    struct migrate_config *c = &b->config;
    struct simap_node *named = simap_find(&b->host_names, row->name);
    size_t i = c->n_hosts;
    struct host_config *host;

    if (named && b->hosts[named->data] == row) {
        return named->data;
    } else if (named) {
        builder_error(b, "two rows of Migration_Host have the name \"%s\"; "
                      "rename one", row->name);
    }
    simap_put(&b->host_names, row->name, i);
    b->hosts = xrealloc(b->hosts, (i + 1) * sizeof *b->hosts);
    b->hosts[i] = row;
    c->hosts = xrealloc(c->hosts, (i + 1) * sizeof *c->hosts);
    host = &c->hosts[i];
    memset(host, 0, sizeof *host);
    host->name = xstrdup(row->name);
    host->vlan = row->n_tag ? row->tag[0] : 0;
    c->n_hosts++;
    if (!address_parse(row->ip, &host->address)) {
        builder_error(b, "Migration_Host \"%s\": ip \"%s\" is not an IPv4 or "
                      "IPv6 address", row->name, row->ip);
    } else if (!address_is_unicast(address_is_v4(&host->address)
                                   ? &c->address4 : &c->address6)) {
        builder_error(b, "Migration_Host \"%s\": ip \"%s\" is of a family "
                      "that other_config:migrate-address has no address of",
                      row->name, row->ip);
    }
    return i;
}

static void
add_members(struct builder *b, struct pool_config *pool,
            const struct ovsrec_migration_pool *row)
{
    struct simap weights = SIMAP_INITIALIZER(&weights);
    struct simap_node *node;

    for (size_t i = 0; i < row->n_weights; i++) {
        simap_put(&weights, row->key_weights[i], row->value_weights[i]);
    }
    pool->n_members = row->n_hosts;
    pool->members = xcalloc(row->n_hosts, sizeof *pool->members);
    for (size_t i = 0; i < row->n_hosts; i++) {
        node = simap_find(&weights, row->hosts[i]->name);
        pool->members[i].host = add_host(b, row->hosts[i]);
        pool->members[i].weight = node ? node->data : 1;
        if (node) {
            simap_delete(&weights, node);
        }
    }
    SIMAP_FOR_EACH (node, &weights) {
        builder_error(b, "Migration_Pool \"%s\": weight for \"%s\", which is "
                      "no host of the pool", row->name, node->name);
    }
    simap_destroy(&weights);
}

static enum pool_policy
pool_policy_from_string(const char *s)
{
    return (!s || !strcmp(s, "round-robin") ? POOL_ROUND_ROBIN
            : !strcmp(s, "least-connections") ? POOL_LEAST_CONNECTIONS
            : !strcmp(s, "two-choices") ? POOL_TWO_CHOICES
            : POOL_SOURCE_HASH);
}

static size_t
add_pool(struct builder *b, const struct ovsrec_migration_pool *row)
{
    struct migrate_config *c = &b->config;
    struct pool_config *pool;
    size_t i;

    for (i = 0; i < c->n_pools; i++) {
        if (b->pools[i] == row) {
            return i;
        }
    }
    b->pools = xrealloc(b->pools, (i + 1) * sizeof *b->pools);
    b->pools[i] = row;
    c->pools = xrealloc(c->pools, (i + 1) * sizeof *c->pools);
    pool = &c->pools[i];
    c->n_pools++;
    pool->name = xstrdup(row->name);
    pool->policy = pool_policy_from_string(row->policy);
    pool->affinity = nullable_xstrdup(row->affinity);
    add_members(b, pool, row);
    return i;
}

static void
fill_rule(struct builder *b, struct rule_config *rule,
          const struct ovsrec_migration_rule *row)
{
    const struct smap_node *node;
    size_t i = 0;

    rule->priority = row->priority;
    rule->n_matches = smap_count(&row->match);
    rule->matches = xcalloc(rule->n_matches, sizeof *rule->matches);
    SMAP_FOR_EACH (node, &row->match) {
        rule->matches[i].key = xstrdup(node->key);
        rule->matches[i].value = xstrdup(node->value);
        i++;
    }
    rule->pool = add_pool(b, row->pool);
}

static void
add_service(struct builder *b, const struct ovsrec_migration_service *row)
{
    struct migrate_config *c = &b->config;
    const struct smap *config = &row->other_config;
    char *where = xasprintf("Migration_Service \"%s\"", row->name);
    size_t n = c->n_services++;
    struct service_config *service;

    c->services = xrealloc(c->services, (n + 1) * sizeof *c->services);
    service = &c->services[n];
    memset(service, 0, sizeof *service);
    service->name = xstrdup(row->name);
    service->id = row->id;
    service->protocol = protocol_from_name(row->protocol);
    service->placement = placement_from_name(row->placement);
    if (service->placement == MIGRATE_PLACED_KERNEL) {
        ovs_kernel_open();
    }
    service->request_timeout = get_uint(b, where, config, "request-timeout",
                                        10, 1, 3600) * 1000;
    service->first_data_timeout = get_uint(b, where, config,
                                           "first-data-timeout",
                                           200, 1, 60000);
    service->decide_timeout = get_uint(b, where, config, "decide-timeout",
                                       0, 1, 1000);
    b->placements = xrealloc(b->placements, (n + 1) * sizeof *b->placements);
    b->placements[n] = (struct placement_config) {
        .service_id = row->id,
        .limit = get_uint(b, where, config, "flow-limit", 1000, 0, INT_MAX),
        .idle_timeout = get_uint(b, where, config, "flow-idle-timeout",
                                 300, 1, UINT16_MAX),
        .priority = get_uint(b, where, config, "flow-priority",
                             40000, 1, UINT16_MAX),
        .table = get_uint(b, where, config, "flow-table", 0, 0, 254),
    };
    free(where);
    service->n_rules = row->n_rules;
    service->rules = xcalloc(row->n_rules, sizeof *service->rules);
    for (size_t i = 0; i < row->n_rules; i++) {
        fill_rule(b, &service->rules[i], row->rules[i]);
    }
    service->default_pool = (row->default_pool
                             ? add_pool(b, row->default_pool) : NO_POOL);
}

static void
builder_uninit(struct builder *b)
{
    struct migrate_config *c = &b->config;

    for (size_t i = 0; i < c->n_hosts; i++) {
        free(c->hosts[i].name);
    }
    free(c->hosts);
    for (size_t i = 0; i < c->n_pools; i++) {
        free(c->pools[i].name);
        free(c->pools[i].affinity);
        free(c->pools[i].members);
    }
    free(c->pools);
    for (size_t i = 0; i < c->n_services; i++) {
        struct service_config *service = &c->services[i];

        for (size_t j = 0; j < service->n_rules; j++) {
            struct rule_config *rule = &service->rules[j];

            for (size_t k = 0; k < rule->n_matches; k++) {
                free(rule->matches[k].key);
                free(rule->matches[k].value);
            }
            free(rule->matches);
        }
        free(service->name);
        free(service->rules);
    }
    free(c->services);
    free(b->placements);
    free(b->hosts);
    simap_destroy(&b->host_names);
    free(b->pools);
    free(b->error);
}

/* The Ethernet address of bridge 'name': that of its local port. */
static bool
bridge_mac(const char *name, uint8_t mac[6])
{
    struct netdev *netdev;
    struct eth_addr ea;
    bool ok;

    if (netdev_open(name, NULL, &netdev)) {     /* It is open elsewhere. */
        return false;
    }
    ok = !netdev_get_etheraddr(netdev, &ea) && !eth_addr_is_zero(ea);
    if (ok) {
        memcpy(mac, &ea, 6);
    }
    netdev_close(netdev);
    return ok;
}

/* Takes in 'text', at most one address of each family. */
static void
set_addresses(struct builder *b, const char *text)
{
    struct migrate_config *c = &b->config;
    char *copy = xstrdup(text);
    char *save_ptr = NULL;

    for (char *s = strtok_r(copy, ", ", &save_ptr); s;
         s = strtok_r(NULL, ", ", &save_ptr)) {
        struct migrate_address a, *slot;

        if (!address_parse(s, &a) || !address_is_unicast(&a)) {
            builder_error(b, "other_config:migrate-address \"%s\" is not an "
                          "IPv4 or IPv6 address of one machine", s);
            break;
        }
        slot = address_is_v4(&a) ? &c->address4 : &c->address6;
        if (address_is_unicast(slot)) {
            builder_error(b, "other_config:migrate-address \"%s\" has two "
                          "addresses of one family; there may be one of IPv4 "
                          "and one of IPv6", text);
        }
        *slot = a;
    }
    free(copy);
}

/* Takes the keys from where 'config' has them. */
static void
set_keys(struct builder *b, const struct smap *config)
{
    const char *keys = smap_get(config, "migrate-key");
    const char *file = smap_get(config, "migrate-key-file");
    char *error;

    if (keys) {
        if (!keyring_parse(keys, &b->config.keys)) {
            /* Logs are not as secret as the database. */
            builder_error(b, "other_config:migrate-key is not one or two keys "
                          "of 32 hexadecimal digits, with a comma between "
                          "them");
        }
    } else if (!file) {
        builder_error(b, "other_config:migrate-key-file is missing; make a "
                      "key with \"openssl rand -hex 16\" and name its file");
    } else if ((error = keyring_read(file, &b->config.keys))) {
        builder_error(b, "other_config:migrate-key-file: %s", error);
        free(error);
    }
}

static void
build(struct builder *b, const struct ovsrec_bridge *row)
{
    struct migrate_config *c = &b->config;
    const char *address = smap_get(&row->other_config, "migrate-address");

    c->mtu = get_uint(b, "Bridge", &row->other_config, "migrate-mtu",
                      1500, 1280, MIGRATE_MESSAGE_MAX);
    set_addresses(b, address ? address : "");
    if (!address_is_unicast(&c->address4)
        && !address_is_unicast(&c->address6)) {
        builder_error(b, "other_config:migrate-address is missing; set it to "
                      "an IP address of the switch's own");
    }
    set_keys(b, &row->other_config);
    b->table = get_uint(b, "Bridge", &row->other_config, "migrate-table",
                        b->table, 0, 254);
    if (!bridge_mac(row->name, c->mac)) {
        builder_error(b, "the Ethernet address of the bridge is not known "
                      "yet");
    }
    for (size_t i = 0; i < row->n_migration_services; i++) {
        add_service(b, row->migration_services[i]);
    }
}

/* Takes over how flows are placed.  Those that are count on, also of services
 * that are gone, until their connections end. */
static void
set_placements(struct ovs_engine *engine, const struct builder *b)
    OVS_REQUIRES(engine->mutex)
{
    size_t n = b->config.n_services;
    struct placement_config *new = xcalloc(n + engine->n_placements,
                                           sizeof *new);

    for (size_t i = 0; i < n; i++) {
        new[i] = b->placements[i];
    }
    for (size_t j = 0; j < engine->n_placements; j++) {
        const struct placement_config *old = &engine->placements[j];
        size_t i;

        for (i = 0; i < n && new[i].service_id != old->service_id; i++) {
            continue;
        }
        if (i < n) {
            new[i].n = old->n;
        } else if (old->n) {
            new[n] = *old;
            new[n++].limit = 0;
        }
    }
    free(engine->placements);
    engine->placements = new;
    engine->n_placements = n;
}

static void
set_error(struct ovs_engine *engine, const char *error)
{
    if (!nullable_string_is_equal(engine->error, error)) {
        free(engine->error);
        engine->error = nullable_xstrdup(error);
        if (error) {
            VLOG_WARN("%s: migration is not configured as the database "
                      "says: %s", engine->bridge, error);
        } else {
            VLOG_INFO("%s: migration is configured", engine->bridge);
        }
    }
}

static void
reconfigure_bridge(struct ovs_engine *engine, const struct ovsrec_bridge *row)
{
    struct builder b = {
        .host_names = SIMAP_INITIALIZER(&b.host_names),
    };
    const struct migrate *migrate;
    struct policy *policy;

    ovs_mutex_lock(&engine->mutex);
    b.table = engine->table;
    migrate = engine->migrate;
    ovs_mutex_unlock(&engine->mutex);
    build(&b, row);
    policy = b.error ? NULL : migrate_compile(migrate, &b.config, &b.error);
    if (!b.error) {
        ovs_mutex_lock(&engine->mutex);
        engine->table = b.table;
        ovs_engine_start(engine);
        b.error = migrate_apply(engine->migrate, &b.config, policy,
                                time_msec());
        if (!b.error) {
            set_placements(engine, &b);
        }
        ovs_mutex_unlock(&engine->mutex);
    }
    set_error(engine, b.error);
    builder_uninit(&b);
}

/* Whether 'row' asks for migration at all. */
static bool
wants_migration(const struct ovsrec_bridge *row)
{
    return (row->n_migration_services
            || smap_get(&row->other_config, "migrate-address"));
}

static const struct ovsrec_bridge *
find_bridge(const struct ovsrec_open_vswitch *cfg, const char *name)
{
    for (size_t i = 0; cfg && i < cfg->n_bridges; i++) {
        if (!strcmp(cfg->bridges[i]->name, name)) {
            return cfg->bridges[i];
        }
    }
    return NULL;
}

static void
stop_unwanted(struct ovs_engine *engine, void *cfg)
{
    const struct ovsrec_bridge *row = find_bridge(cfg, engine->bridge);

    if (!row || !wants_migration(row)) {
        set_error(engine, NULL);
        ovs_mutex_lock(&engine->mutex);
        ovs_engine_stop(engine);
        ovs_mutex_unlock(&engine->mutex);
    }
}

void
migrate_ovs_reconfigure(const struct ovsrec_open_vswitch *cfg)
{
    ovs_engines_for_each(stop_unwanted, CONST_CAST(void *, (const void *) cfg));
    for (size_t i = 0; i < cfg->n_bridges; i++) {
        const struct ovsrec_bridge *row = cfg->bridges[i];

        if (wants_migration(row)) {
            struct ovs_engine *engine = ovs_engine_obtain(row->name);

            if (engine) {
                reconfigure_bridge(engine, row);
            } else {
                VLOG_ERR_ONCE("%s: too many bridges had migration since "
                              "ovs-vswitchd began", row->name);
            }
        }
    }
}

/* What an engine knows of hosts and services, copied so that packets need not
 * wait until it is written.  Names stay, since only this thread changes
 * them. */
struct snapshot {
    struct told_host {
        struct host host;
        bool told;
    } *hosts;
    size_t n_hosts;
    struct service *services;
    size_t n_services;
};

static void
take_snapshot(const struct migrate *migrate, struct snapshot *s)
{
    size_t allocated_hosts = 0, allocated_services = 0, at;
    const struct service *service;
    const struct host *host;

    memset(s, 0, sizeof *s);
    for (at = 0; (host = migrate_next_host(migrate, &at)); ) {
        if (s->n_hosts == allocated_hosts) {
            s->hosts = x2nrealloc(s->hosts, &allocated_hosts,
                                  sizeof *s->hosts);
        }
        s->hosts[s->n_hosts++] = (struct told_host) { .host = *host };
    }
    for (at = 0; (service = migrate_next_service(migrate, &at)); ) {
        if (s->n_services == allocated_services) {
            s->services = x2nrealloc(s->services, &allocated_services,
                                     sizeof *s->services);
        }
        s->services[s->n_services++] = *service;
    }
}

static void
refresh_host(const struct shash *hosts,
             const struct ovsrec_migration_host *row)
{
    struct told_host *told = shash_find_data(hosts, row->name);
    struct smap status = SMAP_INITIALIZER(&status);

    if (told) {
        const struct host *host = &told->host;

        if (told->told) {
            return;             /* It is in several pools. */
        }
        told->told = true;
        smap_add(&status, "state", host->up ? "up" : "down");
        smap_add_format(&status, "connections", "%"PRIu32,
                        host->n_connections);
        smap_add_format(&status, "handoffs", "%"PRIu64, host->n_handoffs);
        if (host->mac_known) {
            struct eth_addr ea;

            memcpy(&ea, host->mac, sizeof ea);
            smap_add_format(&status, "mac", ETH_ADDR_FMT, ETH_ADDR_ARGS(ea));
        }
    }
    ovsrec_migration_host_set_status(row, &status);
    smap_destroy(&status);
}

static void
refresh_service(const struct snapshot *s,
                const struct ovsrec_migration_service *row)
{
    const char *keys[] = { "connections", "handoffs" };
    int64_t values[2] = { 0, 0 };

    for (size_t i = 0; i < s->n_services; i++) {
        if (s->services[i].id == row->id) {
            values[0] = s->services[i].n_connections;
            values[1] = s->services[i].n_handoffs;
        }
    }
    ovsrec_migration_service_set_statistics(row, keys, values, 2);
}

static void
refresh_pool(const struct shash *hosts,
             const struct ovsrec_migration_pool *pool)
{
    for (size_t i = 0; pool && i < pool->n_hosts; i++) {
        refresh_host(hosts, pool->hosts[i]);
    }
}

/* Writes what 's' has of the services of 'row'. */
static void
refresh_bridge(const struct ovsrec_bridge *row, const struct snapshot *s)
{
    struct shash hosts = SHASH_INITIALIZER(&hosts);

    for (size_t i = 0; i < s->n_hosts; i++) {
        /* One that is leaving may have given its name to another one. */
        if (s->hosts[i].host.configured) {
            shash_add(&hosts, s->hosts[i].host.name, &s->hosts[i]);
        }
    }
    for (size_t i = 0; i < row->n_migration_services; i++) {
        const struct ovsrec_migration_service *service
            = row->migration_services[i];

        refresh_service(s, service);
        refresh_pool(&hosts, service->default_pool);
        for (size_t j = 0; j < service->n_rules; j++) {
            refresh_pool(&hosts, service->rules[j]->pool);
        }
    }
    shash_destroy(&hosts);
}

void
migrate_ovs_refresh(const struct ovsrec_open_vswitch *cfg)
{
    for (size_t i = 0; i < cfg->n_bridges; i++) {
        const struct ovsrec_bridge *row = cfg->bridges[i];
        struct ovs_engine *engine = ovs_engine_find(row->name);
        struct snapshot snapshot;
        bool runs;

        if (!engine || !row->n_migration_services) {
            continue;
        }
        ovs_mutex_lock(&engine->mutex);
        runs = engine->migrate != NULL;
        if (runs) {
            take_snapshot(engine->migrate, &snapshot);
        }
        ovs_mutex_unlock(&engine->mutex);
        if (runs) {
            refresh_bridge(row, &snapshot);
            free(snapshot.hosts);
            free(snapshot.services);
        }
    }
}
