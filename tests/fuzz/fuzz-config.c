/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "dummy.h"
#include "fuzz.h"
#include "migrate-ovs.h"
#include "netdev.h"
#include "openvswitch/vlog.h"
#include "policy.h"
#include "smap.h"
#include "svec.h"
#include "vswitch-idl.h"

/* The input is what a database has to say: lines of a letter, which names a
 * column, and a value, "KEY=VALUE" for maps.  Whatever it is, it becomes the
 * configuration of an engine that has no services, or is refused with a reason
 * and changes nothing. */

#define BRIDGE "br0"
#define N_HOSTS 3
#define N_RULES 4
#define MAX_LINES 64

/* All rows.  Each pool has each host. */
static struct {
    struct ovsrec_open_vswitch cfg;
    struct ovsrec_bridge bridge, *bridges[1];
    struct ovsrec_migration_service service, *services[1];
    struct ovsrec_migration_rule rules[N_RULES], *rule_rows[N_RULES];
    struct ovsrec_migration_pool pool;
    struct ovsrec_migration_host hosts[N_HOSTS], *host_rows[N_HOSTS];
    int64_t tags[N_HOSTS];
    char *weight_keys[MAX_LINES];
    int64_t weights[MAX_LINES];
    size_t n_hosts, n_rules;
} db;

static void
empty(void)
{
    static char name[] = "x", ip[] = "10.0.0.1", protocol[] = "http";

    memset(&db, 0, sizeof db);
    db.cfg.bridges = db.bridges;
    db.cfg.n_bridges = 1;
    db.bridges[0] = &db.bridge;
    db.bridge.name = (char *) BRIDGE;
    smap_init(&db.bridge.other_config);
    db.bridge.migration_services = db.services;
    db.bridge.n_migration_services = 1;
    db.services[0] = &db.service;
    db.service.name = name;
    db.service.id = 1;
    db.service.protocol = protocol;
    smap_init(&db.service.other_config);
    db.service.default_pool = &db.pool;
    db.service.rules = db.rule_rows;
    db.pool.name = name;
    db.pool.hosts = db.host_rows;
    db.pool.key_weights = db.weight_keys;
    db.pool.value_weights = db.weights;
    for (size_t i = 0; i < N_RULES; i++) {
        db.rule_rows[i] = &db.rules[i];
        db.rules[i].pool = &db.pool;
        smap_init(&db.rules[i].match);
    }
    for (size_t i = 0; i < N_HOSTS; i++) {
        db.host_rows[i] = &db.hosts[i];
        db.hosts[i].name = name;
        db.hosts[i].ip = ip;
        db.hosts[i].tag = &db.tags[i];
    }
}

static void
clear(void)
{
    smap_destroy(&db.bridge.other_config);
    smap_destroy(&db.service.other_config);
    for (size_t i = 0; i < N_RULES; i++) {
        smap_destroy(&db.rules[i].match);
    }
}

static void
put(struct smap *map, const char *key, const char *value)
{
    smap_replace(map, key, value ? value : "");
}

/* Takes in a line.  'text', all but its first letter, and 'value', what is
 * behind its first '=' or NULL, remain the caller's.  The database itself
 * checks ranges and enumerations. */
static void
take(char column, char *text, char *value)
{
    struct ovsrec_migration_host *host = &db.hosts[db.n_hosts
                                                   ? db.n_hosts - 1 : 0];
    struct ovsrec_migration_rule *rule = &db.rules[db.n_rules
                                                   ? db.n_rules - 1 : 0];

    switch (column) {
    case 'b':
        /* A fuzzer is not to read files. */
        if (strcmp(text, "migrate-key-file")) {
            put(&db.bridge.other_config, text, value);
        }
        break;
    case 's':
        put(&db.service.other_config, text, value);
        break;
    case 'm':
        put(&rule->match, text, value);
        break;
    case 'r':
        db.n_rules += db.n_rules < N_RULES;
        db.rules[db.n_rules - 1].priority = atoi(text) & 0xffff;
        break;
    case 'h':
        db.n_hosts += db.n_hosts < N_HOSTS;
        db.hosts[db.n_hosts - 1].name = text;
        break;
    case 'i':
        host->ip = text;
        break;
    case 't':
        host->n_tag = 1;
        host->tag[0] = 1 + (atoi(text) & 0x7ff);
        break;
    case 'w':
        db.weight_keys[db.pool.n_weights] = text;
        db.weights[db.pool.n_weights++] = atoi(value ? value : "") & 0xff;
        break;
    case 'p':
        db.pool.policy = text;
        break;
    case 'a':
        db.pool.affinity = text;
        break;
    case 'o':
        db.service.protocol = text;
        break;
    case 'f':
        db.service.placement = text;
        break;
    }
}

/* Configures the engine, and checks that it then has what 'db' has, or nothing
 * if that is refused. */
static void
reconfigure(void)
    OVS_NO_THREAD_SAFETY_ANALYSIS       /* There is one thread. */
{
    const struct ovs_engine *engine;
    const struct service *service;
    const struct host *host;
    size_t n = 0, at = 0;

    migrate_ovs_reconfigure(&db.cfg);
    engine = ovs_engine_find(BRIDGE);
    FUZZ_CHECK(!engine->error || *engine->error);
    while ((service = migrate_next_service(engine->migrate, &at))) {
        FUZZ_CHECK(service->id == 1);
        n++;
    }
    FUZZ_CHECK(n == (engine->error ? 0 : db.bridge.n_migration_services));
    n = at = 0;
    while ((host = migrate_next_host(engine->migrate, &at))) {
        FUZZ_CHECK(host->configured);
        n++;
    }
    FUZZ_CHECK(n == (engine->error ? 0 : db.pool.n_hosts));
}

/* Configures the engine with no services. */
static void
reset(void)
{
    empty();
    db.bridge.n_migration_services = 0;
    put(&db.bridge.other_config, "migrate-address", "10.0.0.254");
    put(&db.bridge.other_config, "migrate-key",
        "00112233445566778899aabbccddeeff");
    put(&db.bridge.other_config, "migrate-table", "0");
    reconfigure();
    FUZZ_CHECK(!ovs_engine_find(BRIDGE)->error);
    clear();
}

static void
init(void)
{
    static struct netdev *netdev;
    struct eth_addr mac = ETH_ADDR_C(02,00,00,00,00,fe);

    vlog_set_levels(NULL, VLF_ANY_DESTINATION, VLL_OFF);
    dummy_enable("");
    FUZZ_CHECK(!netdev_open(BRIDGE, "dummy", &netdev));
    FUZZ_CHECK(!netdev_set_etheraddr(netdev, mac));
    reset();
}

static void
configure(struct svec *lines)
{
    empty();
    for (size_t i = 0; i < lines->n && i < MAX_LINES; i++) {
        char *line = lines->names[i], *equals;

        if (*line) {
            equals = strchr(line + 1, '=');
            if (equals) {
                *equals++ = '\0';
            }
            take(*line, line + 1, equals);
        }
    }
    db.service.n_rules = db.n_rules;
    db.pool.n_hosts = db.n_hosts;
    reconfigure();
    clear();
    reset();                    /* Only to begin anew would take longer. */
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool initialized;
    struct svec lines;
    char *text;

    if (!initialized) {
        init();
        initialized = true;
    }
    text = calloc(1, size + 1);
    memcpy(text, data, size);
    svec_init(&lines);
    for (char *line = text, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next) {
            *next++ = '\0';
        }
        svec_add(&lines, line);
    }
    configure(&lines);
    svec_destroy(&lines);
    free(text);
    return 0;
}
