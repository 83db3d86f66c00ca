/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "pool.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

/* A pool under test, of hosts 10.1.0.0, 10.1.0.1, ... */

#define N_HOSTS 8

static struct {
    struct host_config host_configs[N_HOSTS];
    struct member_config members[N_HOSTS];
    struct pool_config pool_config;
    struct migrate_config config;
    struct pool pool;

    /* The engine's hosts, in another order: host i has index N_HOSTS - i. */
    struct host hosts[N_HOSTS];
    struct host *table[N_HOSTS + 1];
    uint16_t host_index[N_HOSTS];
    struct tried tried;
} f;

static void
set_up(enum pool_policy policy, const uint16_t weights[], size_t n_members)
{
    static char name[] = "x";

    memset(&f, 0, sizeof f);
    for (size_t i = 0; i < N_HOSTS; i++) {
        f.host_index[i] = N_HOSTS - i;
        f.hosts[i] = (struct host) {
            .address = address_from_v4(htonl(0x0a010000 + i)),
            .index = N_HOSTS - i,
            .configured = true,
            .mac_known = true,
            .up = true,
        };
        f.table[N_HOSTS - i] = &f.hosts[i];
        f.host_configs[i] = (struct host_config) {
            .name = name, .address = f.hosts[i].address
        };
    }
    for (size_t i = 0; i < n_members; i++) {
        f.members[i] = (struct member_config) { i, weights[i] };
    }
    f.pool_config = (struct pool_config) {
        .name = name,
        .policy = policy,
        .members = f.members,
        .n_members = n_members,
    };
    f.config = (struct migrate_config) {
        .hosts = f.host_configs, .n_hosts = N_HOSTS,
    };
}

/* The pool of the configuration in 'f'. */
static struct pool *
create(void)
{
    char *error = pool_init(&f.pool, &f.config, &f.pool_config,
                            f.host_index);

    CHECK_STR(error ? error : "no error", "no error");
    free(error);
    return &f.pool;
}

/* The number of the host that 'pool' selects for client number 'client', or
 * -1. */
static int
select_host(struct pool *pool, uint32_t client)
{
    struct migrate_address a = address_from_v4(htonl(0xc0000000 + client));
    int i = pool_select(pool, f.table, &a, &f.tried);

    return i < 0 ? -1 : N_HOSTS - i;
}

/* Selects 'n' times and counts the selections of each host. */
static void
count(struct pool *pool, unsigned int n, unsigned int counts[N_HOSTS])
{
    memset(counts, 0, N_HOSTS * sizeof *counts);
    for (unsigned int i = 0; i < n; i++) {
        int host = select_host(pool, i);

        CU_ASSERT_FATAL(host >= 0);
        counts[host]++;
    }
}

/* Hosts of the client's family only, whatever the policy. */
static void
test_family(void)
{
    static const uint16_t weights[N_HOSTS] = { 1, 1, 1, 1, 1, 1 };
    static const enum pool_policy policies[] = {
        POOL_ROUND_ROBIN, POOL_LEAST_CONNECTIONS, POOL_SOURCE_HASH
    };

    for (int i = 0; i < 3; i++) {
        struct pool *pool;
        unsigned int counts[N_HOSTS];
        struct migrate_address v6;

        set_up(policies[i], weights, 6);
        for (int j = 0; j < 3; j++) {
            address_parse("2001:db8::", &f.hosts[j].address);
            f.hosts[j].address.byte[15] = j;
        }
        pool = create();
        count(pool, 60, counts);
        CHECK_INT(counts[0] + counts[1] + counts[2], 0);
        CU_ASSERT(counts[3] && counts[4] && counts[5]);
        address_parse("2001:db8:2::1", &v6);
        for (int j = 0; j < 60; j++) {
            int host = N_HOSTS - pool_select(pool, f.table, &v6, &f.tried);

            CU_ASSERT(host < 3);
            v6.byte[15]++;
        }
        for (int j = 0; j < 3; j++) {
            f.hosts[j].up = false;
        }
        CHECK_INT(pool_select(pool, f.table, &v6, &f.tried), -1);
        pool_uninit(pool);
    }
}

/* Weights are exact over each sum of weights, and spread out. */
static void
test_round_robin(void)
{
    static const uint16_t weights[N_HOSTS] = { 5, 1, 1, 0 };
    static const int expected[] = { 0, 0, 1, 0, 2, 0, 0 };
    struct pool *pool;
    unsigned int counts[N_HOSTS];

    set_up(POOL_ROUND_ROBIN, weights, 4);
    pool = create();
    for (int i = 0; i < 70; i++) {
        CHECK_INT(select_host(pool, 0), expected[i % 7]);
    }

    f.hosts[0].up = false;
    count(pool, 1000, counts);
    CHECK_INT(counts[1], 500);
    CHECK_INT(counts[2], 500);

    /* A host that returns does not get what it missed. */
    f.hosts[0].up = true;
    count(pool, 700, counts);
    CU_ASSERT(abs((int) counts[0] - 500) <= 5);
    CU_ASSERT(abs((int) counts[1] - 100) <= 5);
    pool_uninit(pool);
}

static void
test_large_weights(void)
{
    static const uint16_t weights[N_HOSTS] = {
        65535, 65535, 65535, 65535, 65535, 65535, 65535, 1
    };
    unsigned int counts[N_HOSTS];

    for (int p = POOL_ROUND_ROBIN; p <= POOL_SOURCE_HASH; p++) {
        set_up(p, weights, N_HOSTS);
        for (int i = 0; i < N_HOSTS; i++) {
            f.hosts[i].n_connections = UINT32_MAX;
        }
        count(create(), 7000, counts);
        for (int i = 0; i < 7; i++) {
            if (p == POOL_LEAST_CONNECTIONS || p == POOL_ROUND_ROBIN) {
                CU_ASSERT(abs((int) counts[i] - 1000) <= 1);
            } else {
                CU_ASSERT(counts[i] > 850 && counts[i] < 1150);
            }
        }
        pool_uninit(&f.pool);
    }
}

static void
test_least_connections(void)
{
    static const uint16_t weights[N_HOSTS] = { 1, 2, 4, 0 };
    struct pool *pool;

    set_up(POOL_LEAST_CONNECTIONS, weights, 4);
    pool = create();

    /* Ties are broken in turn, by weight. */
    for (int i = 0; i < 700; i++) {
        f.hosts[select_host(pool, 0)].n_connections++;
    }
    CHECK_INT(f.hosts[0].n_connections, 100);
    CHECK_INT(f.hosts[1].n_connections, 200);
    CHECK_INT(f.hosts[2].n_connections, 400);

    f.hosts[1].n_connections -= 10;
    for (int i = 0; i < 10; i++) {
        CHECK_INT(select_host(pool, 0), 1);
        f.hosts[1].n_connections++;
    }

    f.hosts[3].n_connections = 0;
    f.hosts[0].n_connections = 99;
    CHECK_INT(select_host(pool, 0), 0);
    f.hosts[0].mac_known = false;
    f.hosts[1].n_connections = 201;
    CHECK_INT(select_host(pool, 0), 2);
    pool_uninit(pool);
}

static void
test_source_hash_weights(void)
{
    static const uint16_t weights[N_HOSTS] = { 1, 2, 3, 4, 10, 0, 20, 40 };
    const unsigned int n = 80000;
    unsigned int counts[N_HOSTS];

    set_up(POOL_SOURCE_HASH, weights, N_HOSTS);
    count(create(), n, counts);
    for (int i = 0; i < N_HOSTS; i++) {
        int expected = n / 80 * weights[i];

        /* Four standard deviations or more. */
        CU_ASSERT(abs((int) counts[i] - expected) <= expected / 8);
    }
    pool_uninit(&f.pool);
}

/* The hosts of 'n' clients under the configuration in 'f'. */
static void
map_clients(int *map, size_t n)
{
    struct pool *pool = create();

    for (size_t i = 0; i < n; i++) {
        map[i] = select_host(pool, i);
    }
    pool_uninit(pool);
}

static void
test_source_hash_stable(void)
{
    enum { N = 5000 };
    static const uint16_t weights[N_HOSTS] = { 3, 1, 4, 1, 5, 9, 2, 6 };
    static int before[N], after[N];
    struct member_config last;

    set_up(POOL_SOURCE_HASH, weights, N_HOSTS);
    map_clients(before, N);

    /* A host that is down, tried, weightless or removed: only its clients
     * move. */
    for (int how = 0; how < 4; how++) {
        int moved = 0;

        set_up(POOL_SOURCE_HASH, weights, N_HOSTS);
        if (how == 0) {
            f.hosts[5].up = false;
        } else if (how == 1) {
            f.tried.host[f.tried.n++] = f.host_index[5];
        } else if (how == 2) {
            f.members[5].weight = 0;
        } else {
            last = f.members[N_HOSTS - 1];
            f.members[5] = last;        /* And the order changes. */
            f.pool_config.n_members = N_HOSTS - 1;
        }
        map_clients(after, N);
        for (int i = 0; i < N; i++) {
            CU_ASSERT(after[i] != 5);
            CU_ASSERT(before[i] == 5 || after[i] == before[i]);
            moved += after[i] != before[i];
        }
        CU_ASSERT(moved > N * 9 / 31 / 2);
    }

    /* More weight only draws clients to it. */
    set_up(POOL_SOURCE_HASH, weights, N_HOSTS);
    f.members[1].weight = 10;
    map_clients(after, N);
    for (int i = 0; i < N; i++) {
        CU_ASSERT(after[i] == before[i] || after[i] == 1);
    }
}

/* These would change if switches of two versions disagreed. */
static void
test_source_hash_fixed(void)
{
    static const uint16_t weights[N_HOSTS] = { 1, 1, 2, 2, 3, 3, 4, 4 };
    char text[33];
    int map[32];

    set_up(POOL_SOURCE_HASH, weights, N_HOSTS);
    map_clients(map, 32);
    for (int i = 0; i < 32; i++) {
        text[i] = '0' + map[i];
    }
    text[32] = '\0';
    CHECK_STR(text, "74746476567271562765472754545546");
}

/* No policy gives a host that is not there. */
static void
test_unusable(void)
{
    static const uint16_t weights[N_HOSTS] = { 1, 1, 1, 1, 1, 0 };
    struct pool *pool;

    for (int p = POOL_ROUND_ROBIN; p <= POOL_SOURCE_HASH; p++) {
        set_up(p, weights, 6);
        pool = create();
        f.hosts[0].up = false;
        f.hosts[1].configured = false;
        f.hosts[2].mac_known = false;
        f.tried.host[f.tried.n++] = f.host_index[3];
        for (int i = 0; i < 100; i++) {
            CHECK_INT(select_host(pool, i), 4);
        }
        f.tried.host[f.tried.n++] = f.host_index[4];
        for (int i = 0; i < 100; i++) {
            CHECK_INT(select_host(pool, i), -1);
        }
        pool_uninit(pool);

        set_up(p, NULL, 0);
        pool = create();
        CHECK_INT(select_host(pool, 0), -1);
        pool_uninit(pool);
    }
}

/* Checks that the configuration in 'f' is refused for 'expected'. */
static void
check_refused(const char *expected)
{
    char *error = pool_init(&f.pool, &f.config, &f.pool_config,
                            f.host_index);

    CHECK_STR(error, expected);
    free(error);
    pool_uninit(&f.pool);
}

static void
test_bad_config(void)
{
    static const uint16_t weights[N_HOSTS] = { 1, 1, 1 };

    set_up(POOL_ROUND_ROBIN, weights, 3);
    f.members[2].host = 0;
    check_refused("pool \"x\": host \"x\" is in it twice; give it more weight "
                  "instead");
    f.members[2].host = N_HOSTS;
    check_refused("pool \"x\": member 2 is no such host; set \"hosts\" to "
                  "hosts that exist");
}

static const struct unit_test tests[] = {
    { "family", test_family },
    { "round robin", test_round_robin },
    { "large weights", test_large_weights },
    { "least connections", test_least_connections },
    { "source hash: weights", test_source_hash_weights },
    { "source hash: only clients of a lost host move",
      test_source_hash_stable },
    { "source hash: same in every version", test_source_hash_fixed },
    { "unusable hosts", test_unusable },
    { "bad configurations are refused", test_bad_config },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "pool", tests };
