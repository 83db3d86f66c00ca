/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MIGRATE_CONFIG_H
#define MIGRATE_CONFIG_H 1

/* What an operator configured for one switch, as plain data: the OVSDB tables
 * Migration_Service, _Rule, _Pool and _Host, checked for syntax only.  The
 * caller owns everything in it; the engine copies what it keeps. */

#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "seal.h"

enum service_protocol {
    PROTOCOL_HTTP,              /* Decide by an HTTP/1 request. */
    PROTOCOL_H2C,               /* Decide by an HTTP/2 request. */
    PROTOCOL_TLS,               /* Decide by a ClientHello. */
    PROTOCOL_TCP,               /* Decide at the first ACK or data. */
    PROTOCOL_AUTO,              /* Decide by what comes: one of the above. */
};

enum pool_policy {
    POOL_ROUND_ROBIN,
    POOL_LEAST_CONNECTIONS,
    POOL_TWO_CHOICES,           /* The better of two at random. */
    POOL_SOURCE_HASH,
};

struct host_config {
    char *name;
    struct migrate_address address;
    uint16_t vlan;              /* That it is in; 0: frames are untagged. */
};

struct member_config {
    size_t host;                /* Index in migrate_config's 'hosts'. */
    uint16_t weight;            /* 0: no new connections. */
};

struct pool_config {
    char *name;
    enum pool_policy policy;
    char *affinity;             /* As in the OVSDB column, or NULL. */
    struct member_config *members;
    size_t n_members;
};

/* One condition of a rule, as the OVSDB column 'match' has it: 'key' is
 * "host", "path-prefix", "method", "header.NAME", "sni" or "alpn". */
struct match_config {
    char *key;
    char *value;
};

struct rule_config {
    uint16_t priority;
    struct match_config *matches;   /* All must hold. */
    size_t n_matches;
    size_t pool;                /* Index in migrate_config's 'pools'. */
};

#define NO_POOL SIZE_MAX

struct service_config {
    char *name;
    uint32_t id;                /* Not 0. */
    enum service_protocol protocol;
    enum migrate_placement placement;
    uint32_t request_timeout;   /* Milliseconds to complete a request. */
    uint32_t first_data_timeout;    /* Milliseconds that a client may seem to
                                     * wait for the server. */
    uint32_t decide_timeout;    /* Milliseconds that the controller has to
                                 * say a host; 0: it is not asked. */
    struct rule_config *rules;
    size_t n_rules;
    size_t default_pool;        /* Index in 'pools', or NO_POOL. */
};

struct migrate_config {
    struct migrate_address address4, address6;  /* The migration addresses; all
                                                 * zeros where there is none:
                                                 * such hosts and services are
                                                 * not served. */
    uint8_t mac[6];             /* The bridge's Ethernet address. */
    uint16_t mtu;               /* Longest IP packet sent to a host, bytes. */
    struct keyring keys;

    struct host_config *hosts;
    size_t n_hosts;
    struct pool_config *pools;
    size_t n_pools;
    struct service_config *services;
    size_t n_services;
};

#endif /* migrate-config.h */
