/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "controller/ovs-migrate-idl.h"
#include "problem.h"
#include "reader.h"
#include "rule.h"
#include "store.h"
#include "util.h"
#include "value.h"

#define ROW(STRUCT, ROW_) CONTAINER_OF(ROW_, const struct STRUCT, header_)

/* Addresses.  Nobody else may have that of a service, a host or a switch: it
 * would answer ARP for it. */

static void
conflict(struct problem *problem, const char *pointer, const char *value,
         const char *kind, const char *name)
{
    char *remedy = xasprintf("give another one, or change %s \"%s\" first",
                             kind, name);

    problem_conflict(problem, pointer, remedy, "%s is that of %s \"%s\"",
                     value, kind, name);
    free(remedy);
}

/* Notes if 'address', at 'pointer', is that of a host other than 'self'.
 * (There may be thousands of them.) */
static void
check_hosts(struct store *store, const struct ovsdb_idl_row *self,
            const char *address, const char *pointer, struct problem *problem)
{
    struct omrec_host *key = omrec_host_index_init_row(store->hosts_by_ip);
    const struct omrec_host *host;

    omrec_host_index_set_ip(key, address);
    OMREC_HOST_FOR_EACH_EQUAL (host, key, store->hosts_by_ip) {
        if (&host->header_ != self) {
            conflict(problem, pointer, address, "host", host->name);
        }
    }
    omrec_host_index_destroy_row(key);
}

/* Whether 'word' is one of those in 'words', which have commas between
 * them. */
static bool
contains_word(const char *words, const char *word)
{
    size_t len = strlen(word);

    for (const char *p = words; p; p = strchr(p, ',')) {
        p += *p == ',';
        if (!strncmp(p, word, len) && (!p[len] || p[len] == ',')) {
            return true;
        }
    }
    return false;
}

/* Notes if 'address', at 'pointer', is also that of a row other than 'self'.
 * Services may share one, if 'self' is one. */
static void
check_address(struct store *store, const struct ovsdb_idl_row *self,
              const char *address, const char *pointer,
              struct problem *problem)
{
    const struct omrec_service *service;
    const struct omrec_switch *sw;

    check_hosts(store, self, address, pointer, problem);
    OMREC_SWITCH_FOR_EACH (sw, store->idl) {
        if (&sw->header_ != self && sw->migrate_address
            && contains_word(sw->migrate_address, address)) {
            conflict(problem, pointer, address, "switch", sw->name);
        }
    }
    if (self->table->class_ == &omrec_table_service) {
        return;
    }
    OMREC_SERVICE_FOR_EACH (service, store->idl) {
        if (!strcmp(service->address, address)) {
            conflict(problem, pointer, address, "service", service->name);
            break;
        }
    }
}

/* Fabric. */

void
check_fabric(struct store *store OVS_UNUSED, const struct ovsdb_idl_row *row,
             const struct ovsdb_idl_row *owner OVS_UNUSED,
             struct problem *problem)
{
    const struct omrec_fabric *fabric = ROW(omrec_fabric, row);

    if (!fabric->current_key) {
        problem_add(problem, "/current_key", "give another key instead",
                    "a fabric cannot be without a key");
    }
}

/* Switches. */

void
check_switch(struct store *store, const struct ovsdb_idl_row *row,
             const struct ovsdb_idl_row *owner OVS_UNUSED,
             struct problem *problem)
{
    const struct omrec_switch *sw = ROW(omrec_switch, row);
    const struct omrec_switch *other;

    OMREC_SWITCH_FOR_EACH (other, store->idl) {
        if (other != sw && !strcmp(other->dpid, sw->dpid)) {
            conflict(problem, "/dpid", sw->dpid, "switch", other->name);
        }
    }
    if (sw->migrate_address) {
        char *copy = xstrdup(sw->migrate_address);
        char *save_ptr = NULL;

        for (char *address = strtok_r(copy, ",", &save_ptr); address;
             address = strtok_r(NULL, ",", &save_ptr)) {
            check_address(store, row, address, "/migrate_address", problem);
        }
        free(copy);
    }
}

/* Hosts. */

void
check_host(struct store *store, const struct ovsdb_idl_row *row,
           const struct ovsdb_idl_row *owner OVS_UNUSED,
           struct problem *problem)
{
    const struct omrec_host *host = ROW(omrec_host, row);

    check_address(store, row, host->ip, "/ip", problem);
    if (host->port && !host->switch_) {
        problem_add(problem, "/switch", "name the switch, or leave out "
                    "\"port\"", "a port says nothing without its switch");
    }
}

/* Pools. */

void
check_pool(struct store *store OVS_UNUSED, const struct ovsdb_idl_row *row,
           const struct ovsdb_idl_row *owner OVS_UNUSED,
           struct problem *problem)
{
    const struct omrec_pool *pool = ROW(omrec_pool, row);

    if (pool->check && !pool->check_port) {
        problem_add(problem, "/check_port", "give the port that hosts serve "
                    "at, such as 80", "is missing");
    }
}

/* Switches. */

/* Stations are where they were seen; a switch that is no more has none. */
void
remove_switch(struct store *store, const struct ovsdb_idl_row *row)
{
    const struct omrec_station *station, *next;

    OMREC_STATION_FOR_EACH_SAFE (station, next, store->idl) {
        if (station->switch_ && &station->switch_->header_ == row) {
            omrec_station_delete(station);
        }
    }
}

/* Services. */

void
create_service(struct store *store, const struct ovsdb_idl_row *row)
{
    const struct omrec_fabric *fabric = omrec_fabric_first(store->idl);
    int64_t id = fabric->last_service_id + 1;

    omrec_fabric_verify_last_service_id(fabric);
    omrec_fabric_set_last_service_id(fabric, id);
    omrec_service_set_id(ROW(omrec_service, row), id);
}

/* What the engine finds wrong with a match of a rule of 'service', which the
 * caller frees; NULL if it is right. */
static char *
match_error(const struct smap_node *node, const struct omrec_service *service)
{
    struct match_config match = { node->key, node->value };
    struct rule_config config = { .matches = &match, .n_matches = 1 };
    struct rule rule;
    char *error = rule_init(&rule, &config,
                            protocol_from_name(service->protocol));

    rule_uninit(&rule);
    return error;
}

/* Cuts 'error', "WHAT; REMEDY", in two, and returns the second part. */
static char *
cut_remedy(char *error)
{
    char *semicolon = strstr(error, "; ");

    if (!semicolon) {
        return "correct it";
    }
    *semicolon = '\0';
    return semicolon + 2;
}

/* Notes what 'rule' cannot be any more with 'service' as it becomes. */
static void
check_rule_of_service(const struct omrec_service *service,
                      const struct omrec_rule *rule, struct problem *problem)
{
    const struct smap_node *node;

    SMAP_FOR_EACH (node, &rule->match) {
        char *error = match_error(node, service);

        if (error) {
            cut_remedy(error);
            problem_conflict(problem, "/protocol", "change or delete the rule "
                             "first, or give another protocol",
                             "rule \"%s\": %s", rule->name, error);
            free(error);
        }
    }
}

void
check_service(struct store *store, const struct ovsdb_idl_row *row,
              const struct ovsdb_idl_row *owner OVS_UNUSED,
              struct problem *problem)
{
    const struct omrec_service *service = ROW(omrec_service, row);
    const struct omrec_service *other;

    OMREC_SERVICE_FOR_EACH (other, store->idl) {
        if (other != service && other->port == service->port
            && !strcmp(other->address, service->address)) {
            conflict(problem, "/port", "this port of the address", "service",
                     other->name);
        }
    }
    check_address(store, row, service->address, "/address", problem);
    omrec_service_verify_rules(service);
    for (size_t i = 0; i < service->n_rules; i++) {
        if (store_exists(&service->rules[i]->header_)) {
            check_rule_of_service(service, service->rules[i], problem);
        }
    }
}

/* Rules. */

void
check_rule(struct store *store OVS_UNUSED, const struct ovsdb_idl_row *row,
           const struct ovsdb_idl_row *owner, struct problem *problem)
{
    const struct omrec_service *service = ROW(omrec_service, owner);
    const struct omrec_rule *rule = ROW(omrec_rule, row);
    const struct smap_node *node;

    omrec_service_verify_protocol(service);
    SMAP_FOR_EACH (node, &rule->match) {
        char *error = match_error(node, service);

        if (error) {
            char *pointer = pointer_append("/match", node->key);
            char *remedy = cut_remedy(error);

            problem_add(problem, pointer, remedy, "%s", error);
            free(pointer);
            free(error);
        }
    }
}
