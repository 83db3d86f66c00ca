/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "resource.h"

#include <string.h>

#include "check.h"
#include "controller/ovs-migrate-idl.h"
#include "syntax.h"
#include "util.h"

#define COLUMN(TABLE, COLUMN) &omrec_##TABLE##_col_##COLUMN
#define FIELDS(ARRAY) .fields = ARRAY, .n_fields = ARRAY_SIZE(ARRAY)

/* Fields that many have. */
#define NAME(TABLE, EXAMPLE) \
    { .name = "name", .column = COLUMN(TABLE, name), \
      .flags = FIELD_REQUIRED | FIELD_COLUMN, .syntax = &syntax_name, \
      .example = EXAMPLE }
#define EXTERNAL_IDS(TABLE) \
    { .name = "external_ids", .column = COLUMN(TABLE, external_ids), \
      .example = "{\"owner\": \"team-a\"}", \
      .doc = "Strings for use by whoever operates the fabric; the " \
             "controller keeps them and does not read them." }
#define STATUS(TABLE, COLUMNS, EXAMPLE) \
    { .name = "status", .column = COLUMN(TABLE, status), \
      .flags = FIELD_READONLY | FIELD_COLUMN, .columns = COLUMNS, \
      .example = EXAMPLE }

static const struct field fabric_fields[] = {
    { .name = "current_key", .column = COLUMN(fabric, current_key),
      .flags = FIELD_SECRET, .syntax = &syntax_key,
      .example = "\"000102030405060708090a0b0c0d0e0f\"" },
    { .name = "accepted_key", .column = COLUMN(fabric, accepted_key),
      .flags = FIELD_SECRET, .syntax = &syntax_key,
      .example = "\"f0e0d0c0b0a090807060504030201000\"" },
    { .name = "mtu", .column = COLUMN(fabric, mtu),
      .default_ = "1500", .example = "9000" },
    { .name = "event_limit", .column = COLUMN(fabric, event_limit),
      .default_ = "1000", .example = "5000" },
    { .name = "station_lifetime", .column = COLUMN(fabric, station_lifetime),
      .default_ = "86400", .example = "3600" },
    { .name = "active", .column = COLUMN(fabric, active),
      .flags = FIELD_READONLY, .example = "{\"name\": \"c1\"}" },
    { .name = "next_cfg", .column = COLUMN(fabric, next_cfg),
      .flags = FIELD_READONLY, .example = "17" },
    EXTERNAL_IDS(fabric),
};

static const struct field service_fields[] = {
    NAME(service, "\"web\""),
    { .name = "id", .column = COLUMN(service, id),
      .flags = FIELD_READONLY, .example = "1" },
    { .name = "address", .column = COLUMN(service, address),
      .flags = FIELD_REQUIRED | FIELD_COLUMN, .syntax = &syntax_ip,
      .example = "\"192.0.2.100\"" },
    { .name = "port", .column = COLUMN(service, port),
      .flags = FIELD_REQUIRED | FIELD_COLUMN, .example = "80" },
    { .name = "protocol", .column = COLUMN(service, protocol),
      .flags = FIELD_COLUMN, .default_ = "\"http\"", .example = "\"http\"" },
    { .name = "placement", .column = COLUMN(service, placement),
      .default_ = "\"table\"", .example = "\"table\"" },
    { .name = "request_timeout", .column = COLUMN(service, request_timeout),
      .default_ = "10", .example = "5" },
    { .name = "flow_limit", .column = COLUMN(service, flow_limit),
      .default_ = "1000", .example = "5000" },
    { .name = "flow_idle_timeout",
      .column = COLUMN(service, flow_idle_timeout),
      .default_ = "300", .example = "60" },
    { .name = "default_pool", .column = COLUMN(service, default_pool),
      .flags = FIELD_COLUMN, .example = "\"all\"" },
    { .name = "decide", .column = COLUMN(service, decide),
      .default_ = "\"switch\"", .example = "\"switch\"" },
    { .name = "decide_timeout", .column = COLUMN(service, decide_timeout),
      .default_ = "50", .example = "100" },
    { .name = "decide_webhook", .column = COLUMN(service, decide_webhook),
      .syntax = &syntax_url, .example = "\"http://192.0.2.50/decide\"" },
    { .name = "statistics", .column = COLUMN(service, statistics),
      .flags = FIELD_READONLY | FIELD_COLUMN,
      .columns = "connections handoffs",
      .example = "{\"connections\": 3}" },
    EXTERNAL_IDS(service),
};

static const struct field rule_fields[] = {
    NAME(rule, "\"images\""),
    { .name = "service", .column = COLUMN(service, rules),
      .owner = &omrec_table_service, .flags = FIELD_REQUIRED | FIELD_COLUMN,
      .example = "\"web\"", .doc = "The service that the rule belongs to." },
    { .name = "priority", .column = COLUMN(rule, priority),
      .flags = FIELD_REQUIRED | FIELD_COLUMN, .example = "10" },
    { .name = "match", .column = COLUMN(rule, match), .flags = FIELD_COLUMN,
      .example = "{\"path-prefix\": \"/images/\"}" },
    { .name = "pool", .column = COLUMN(rule, pool),
      .flags = FIELD_REQUIRED | FIELD_COLUMN, .example = "\"all\"" },
    EXTERNAL_IDS(rule),
};

static const struct field pool_fields[] = {
    NAME(pool, "\"all\""),
    { .name = "policy", .column = COLUMN(pool, policy), .flags = FIELD_COLUMN,
      .default_ = "\"round-robin\"", .example = "\"least-connections\"" },
    { .name = "affinity", .column = COLUMN(pool, affinity),
      .syntax = &syntax_affinity, .example = "\"cookie.session\"" },
    { .name = "hosts", .column = COLUMN(pool, hosts), .flags = FIELD_COLUMN,
      .example = "{\"h1\": 1}" },
    { .name = "weighting", .column = COLUMN(pool, weighting),
      .default_ = "\"fixed\"", .example = "\"load\"" },
    { .name = "slow_start", .column = COLUMN(pool, slow_start),
      .example = "30" },
    { .name = "spill_over", .column = COLUMN(pool, spill_over),
      .example = "80" },
    { .name = "check", .column = COLUMN(pool, check),
      .example = "\"http\"" },
    { .name = "check_port", .column = COLUMN(pool, check_port),
      .example = "80" },
    { .name = "check_path", .column = COLUMN(pool, check_path),
      .syntax = &syntax_path, .default_ = "\"/\"",
      .example = "\"/healthz\"" },
    { .name = "check_interval", .column = COLUMN(pool, check_interval),
      .default_ = "2000", .example = "5000" },
    { .name = "check_timeout", .column = COLUMN(pool, check_timeout),
      .default_ = "1000", .example = "500" },
    { .name = "check_rise", .column = COLUMN(pool, check_rise),
      .default_ = "2", .example = "3" },
    { .name = "check_fall", .column = COLUMN(pool, check_fall),
      .default_ = "3", .example = "5" },
    EXTERNAL_IDS(pool),
};

static const struct field host_fields[] = {
    NAME(host, "\"h1\""),
    { .name = "ip", .column = COLUMN(host, ip),
      .flags = FIELD_REQUIRED | FIELD_COLUMN, .syntax = &syntax_ip,
      .example = "\"192.0.2.11\"" },
    { .name = "state", .column = COLUMN(host, state), .flags = FIELD_COLUMN,
      .default_ = "\"ready\"", .example = "\"ready\"" },
    { .name = "capacity", .column = COLUMN(host, capacity),
      .example = "10000" },
    { .name = "check_address", .column = COLUMN(host, check_address),
      .syntax = &syntax_address, .example = "\"198.51.100.11\"" },
    { .name = "mac", .column = COLUMN(host, mac), .syntax = &syntax_mac,
      .example = "\"02:00:00:00:00:0b\"" },
    { .name = "switch", .column = COLUMN(host, switch_),
      .example = "\"leaf1\"" },
    { .name = "port", .column = COLUMN(host, port), .syntax = &syntax_port,
      .example = "\"eth1\"" },
    STATUS(host, "state agent connections switch port", "{\"state\": \"up\"}"),
    EXTERNAL_IDS(host),
};

static const struct field switch_fields[] = {
    NAME(switch, "\"leaf1\""),
    { .name = "dpid", .column = COLUMN(switch, dpid),
      .flags = FIELD_REQUIRED | FIELD_COLUMN, .syntax = &syntax_dpid,
      .example = "\"0000000000000001\"" },
    { .name = "bridge", .column = COLUMN(switch, bridge),
      .syntax = &syntax_port, .default_ = "\"br0\"", .example = "\"br0\"" },
    { .name = "ovsdb", .column = COLUMN(switch, ovsdb),
      .syntax = &syntax_remote, .example = "\"ssl:192.0.2.1:6640\"" },
    { .name = "openflow", .column = COLUMN(switch, openflow),
      .syntax = &syntax_remote, .example = "\"ssl:192.0.2.1:6653\"" },
    { .name = "migrate_address", .column = COLUMN(switch, migrate_address),
      .flags = FIELD_COLUMN, .syntax = &syntax_ips,
      .example = "\"192.0.2.254,2001:db8::fe\"" },
    { .name = "cur_cfg", .column = COLUMN(switch, cur_cfg),
      .flags = FIELD_READONLY, .example = "17" },
    STATUS(switch, "openflow ovsdb error", "{\"openflow\": \"connected\"}"),
    EXTERNAL_IDS(switch),
};

static const struct field link_fields[] = {
    { .name = "name", .column = COLUMN(link, name),
      .flags = FIELD_READONLY | FIELD_COLUMN, .example = "\"leaf1:eth1\"" },
    { .name = "switch", .column = COLUMN(switch, links),
      .owner = &omrec_table_switch, .flags = FIELD_READONLY,
      .example = "\"leaf1\"", .doc = "The switch that the link begins at." },
    { .name = "port", .column = COLUMN(link, port),
      .flags = FIELD_READONLY, .example = "\"eth1\"" },
    { .name = "peer", .column = COLUMN(link, peer),
      .flags = FIELD_READONLY | FIELD_COLUMN, .example = "\"spine1\"" },
    { .name = "peer_port", .column = COLUMN(link, peer_port),
      .flags = FIELD_READONLY | FIELD_COLUMN, .example = "\"eth3\"" },
    { .name = "cost", .column = COLUMN(link, cost), .flags = FIELD_COLUMN,
      .default_ = "1", .example = "10" },
    STATUS(link, "state", "{\"state\": \"up\"}"),
};

static const struct field event_fields[] = {
    { .name = "seq", .column = COLUMN(event, seq),
      .flags = FIELD_READONLY | FIELD_COLUMN, .example = "1" },
    { .name = "time", .column = COLUMN(event, time),
      .flags = FIELD_READONLY | FIELD_COLUMN, .example = "1700000000000" },
    { .name = "severity", .column = COLUMN(event, severity),
      .flags = FIELD_READONLY | FIELD_COLUMN, .example = "\"warning\"" },
    { .name = "kind", .column = COLUMN(event, kind),
      .flags = FIELD_READONLY, .example = "\"host-down\"" },
    { .name = "subject", .column = COLUMN(event, subject),
      .flags = FIELD_READONLY | FIELD_COLUMN, .example = "\"hosts/h1\"" },
    { .name = "text", .column = COLUMN(event, text),
      .flags = FIELD_READONLY | FIELD_COLUMN,
      .example = "\"host h1 is down\"" },
};

/* In the order in which they can be created: what is referred to comes
 * first. */
const struct resource resources[N_RESOURCES] = {
    { .name = "fabric", .path = "fabric", .class = &omrec_table_fabric,
      .flags = RESOURCE_SINGLE | RESOURCE_PATCH, FIELDS(fabric_fields),
      .check = check_fabric },
    { .name = "switch", .path = "switches", .class = &omrec_table_switch,
      .flags = RESOURCE_PUT | RESOURCE_PATCH | RESOURCE_DELETE,
      FIELDS(switch_fields), .remove = remove_switch,
      .check = check_switch },
    { .name = "link", .path = "links", .class = &omrec_table_link,
      .flags = RESOURCE_PATCH | RESOURCE_DELETE, FIELDS(link_fields) },
    { .name = "host", .path = "hosts", .class = &omrec_table_host,
      .flags = RESOURCE_PUT | RESOURCE_PATCH | RESOURCE_DELETE,
      FIELDS(host_fields), .check = check_host },
    { .name = "pool", .path = "pools", .class = &omrec_table_pool,
      .flags = RESOURCE_PUT | RESOURCE_PATCH | RESOURCE_DELETE,
      FIELDS(pool_fields), .check = check_pool },
    { .name = "service", .path = "services", .class = &omrec_table_service,
      .flags = RESOURCE_PUT | RESOURCE_PATCH | RESOURCE_DELETE,
      FIELDS(service_fields), .create = create_service,
      .check = check_service },
    { .name = "rule", .path = "rules", .class = &omrec_table_rule,
      .flags = RESOURCE_PUT | RESOURCE_PATCH | RESOURCE_DELETE,
      FIELDS(rule_fields), .check = check_rule },
    { .name = "event", .path = "events", .class = &omrec_table_event,
      .flags = 0, FIELDS(event_fields) },
};

const struct resource *
resource_by_path(const char *path, size_t len)
{
    for (size_t i = 0; i < N_RESOURCES; i++) {
        if (strlen(resources[i].path) == len
            && !memcmp(resources[i].path, path, len)) {
            return &resources[i];
        }
    }
    return NULL;
}

const struct resource *
resource_by_table(const char *table)
{
    for (size_t i = 0; i < N_RESOURCES; i++) {
        if (!strcmp(resources[i].class->name, table)) {
            return &resources[i];
        }
    }
    return NULL;
}

const struct field *
resource_field(const struct resource *resource, const char *name)
{
    for (size_t i = 0; i < resource->n_fields; i++) {
        if (!strcmp(resource->fields[i].name, name)) {
            return &resource->fields[i];
        }
    }
    return NULL;
}

/* What ovs-migrate.xml says about tables (with column "") and columns. */
static const struct {
    const char *table;
    const char *column;
    const char *text;
} docs[] = {
#include "controller/column-docs.inc"
};

static const char *
find_doc(const char *table, const char *column)
{
    for (size_t i = 0; i < ARRAY_SIZE(docs); i++) {
        if (!strcmp(docs[i].table, table)
            && !strcmp(docs[i].column, column)) {
            return docs[i].text;
        }
    }
    return "";
}

const char *
field_doc(const struct resource *resource, const struct field *field)
{
    return (field->doc ? field->doc
            : find_doc(resource->class->name, field->column->name));
}

const char *
resource_doc(const struct resource *resource)
{
    return find_doc(resource->class->name, "");
}
