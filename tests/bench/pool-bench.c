/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* What the choice of a host takes, and the making of a pool, on one core.
 *
 *     pool-bench [HOSTS...]
 *
 * Prints a line for each number of hosts and each policy: microseconds of the
 * thread's processor time for a choice, when all hosts are up and when half of
 * them are down, and milliseconds for the pool to be made anew and, if only
 * something else has changed, again. */

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cpu-time.h"
#include "mix.h"
#include "pool.h"
#include "xalloc.h"

#define CHOICES 20000
#define MAKINGS 10

static const struct {
    const char *name;
    enum pool_policy policy;
    const char *affinity;
} kinds[] = {
    { "round-robin", POOL_ROUND_ROBIN, NULL },
    { "least-connections", POOL_LEAST_CONNECTIONS, NULL },
    { "two-choices", POOL_TWO_CHOICES, NULL },
    { "source-hash", POOL_SOURCE_HASH, NULL },
    { "affinity", POOL_ROUND_ROBIN, "cookie.session" },
};

struct bench {
    size_t n;
    struct host *hosts;
    struct host **table;
    struct host_config *host_configs;
    struct member_config *members;
    struct pool_config pool_config;
    struct migrate_config config;
};

static void
bench_init(struct bench *b, size_t n)
{
    static char name[] = "pool";

    memset(b, 0, sizeof *b);
    b->n = n;
    b->hosts = xcalloc(n, sizeof *b->hosts);
    b->table = xcalloc(n, sizeof *b->table);
    b->host_configs = xcalloc(n, sizeof *b->host_configs);
    b->members = xcalloc(n, sizeof *b->members);
    for (size_t i = 0; i < n; i++) {
        b->hosts[i] = (struct host) {
            .address = address_from_v4(htonl(0x0a010000 + i)),
            .configured = true, .mac_known = true, .up = true,
        };
        b->table[i] = &b->hosts[i];
        b->host_configs[i].name = xasprintf("h%zu", i);
        b->host_configs[i].address = b->hosts[i].address;
        b->members[i] = (struct member_config) { i, 1 + mix64(i) % 100 };
    }
    b->pool_config = (struct pool_config) {
        .name = name, .members = b->members, .n_members = n,
    };
    b->config = (struct migrate_config) {
        .hosts = b->host_configs, .n_hosts = n,
    };
}

static void
bench_uninit(struct bench *b)
{
    for (size_t i = 0; i < b->n; i++) {
        free(b->host_configs[i].name);
    }
    free(b->hosts);
    free(b->table);
    free(b->host_configs);
    free(b->members);
}

static void
make(struct bench *b, struct pool *pool, const struct pool *old)
{
    char *error;

    error = pool_init(pool, &b->config, &b->pool_config, old, old != NULL);
    if (error) {
        fprintf(stderr, "pool-bench: %s\n", error);
        exit(EXIT_FAILURE);
    }
}

/* Milliseconds to make the pool, with 'old' or none there. */
static double
making_time(struct bench *b, const struct pool *old)
{
    double start = cpu_seconds();

    for (int i = 0; i < MAKINGS; i++) {
        struct pool pool;

        make(b, &pool, old);
        pool_uninit(&pool);
    }
    return (cpu_seconds() - start) * 1e3 / MAKINGS;
}

/* Microseconds for a choice by 'pool'. */
static double
choice_time(struct bench *b, struct pool *pool)
{
    const struct tried tried = { .n = 0 };
    double start = cpu_seconds();

    for (uint32_t i = 0; i < CHOICES; i++) {
        struct migrate_address client = address_from_v4(htonl(i));
        uint64_t random = mix64(i + 1);
        struct choice choice = {
            .client = &client, .random = random, .tried = &tried,
            .affinity = {
                .set = pool->has_affinity, .value = random, .route = random
            },
        };
        int host = pool_select(pool, b->table, &choice);

        b->hosts[host].n_connections++;
    }
    return (cpu_seconds() - start) * 1e6 / CHOICES;
}

static void
measure(size_t n)
{
    struct bench b;

    bench_init(&b, n);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        double all, half;
        struct pool pool;

        b.pool_config.policy = kinds[i].policy;
        b.pool_config.affinity = (char *) kinds[i].affinity;
        make(&b, &pool, NULL);
        all = choice_time(&b, &pool);
        for (size_t j = 1; j < n; j += 2) {
            b.hosts[j].up = false;
        }
        half = choice_time(&b, &pool);
        for (size_t j = 1; j < n; j += 2) {
            b.hosts[j].up = true;
        }
        printf("%zu %s choice-us %.3f half-down-us %.3f make-ms %.3f "
               "again-ms %.3f\n", n, kinds[i].name, all, half,
               making_time(&b, NULL), making_time(&b, &pool));
        pool_uninit(&pool);
    }
    bench_uninit(&b);
}

int
main(int argc, char *argv[])
{
    static const size_t sizes[] = { 8, 100, 1000, 5000 };

    if (argc > 1) {
        for (int i = 1; i < argc; i++) {
            measure(strtoul(argv[i], NULL, 10));
        }
    } else {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            measure(sizes[i]);
        }
    }
    return 0;
}
