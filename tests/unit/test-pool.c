/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "pool.h"

#include <arpa/inet.h>
#include <stdio.h>
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
    struct affinity_key affinity;
} f;

/* Host i is called "h" and i. */
static char names[N_HOSTS][3] = {
    "h0", "h1", "h2", "h3", "h4", "h5", "h6", "h7"
};

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
            .name = names[i], .address = f.hosts[i].address
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
                            NULL, 0);

    CHECK_STR(error ? error : "no error", "no error");
    free(error);
    pool_bind(&f.pool, f.host_index);
    return &f.pool;
}

/* The number of the host that 'pool' selects for a connection from 'client',
 * or -1. */
static int
select_for(struct pool *pool, const struct migrate_address *client)
{
    struct choice choice = {
        .client = client,
        .random = unit_random(),
        .affinity = f.affinity,
        .tried = &f.tried,
    };
    int i = pool_select(pool, f.table, &choice);

    return i < 0 ? -1 : N_HOSTS - i;
}

/* The same for client number 'client'. */
static int
select_host(struct pool *pool, uint32_t client)
{
    struct migrate_address a = address_from_v4(htonl(0xc0000000 + client));

    return select_for(pool, &a);
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

    for (int p = POOL_ROUND_ROBIN; p <= POOL_SOURCE_HASH; p++) {
        struct pool *pool;
        unsigned int counts[N_HOSTS];
        struct migrate_address v6;

        set_up(p, weights, 6);
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
            int host = select_for(pool, &v6);

            CU_ASSERT(host >= 0 && host < 3);
            v6.byte[15]++;
        }
        for (int j = 0; j < 3; j++) {
            f.hosts[j].up = false;
        }
        CHECK_INT(select_for(pool, &v6), -1);
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

/* Of two hosts that are drawn by weight, the one with fewer connections for
 * its weight. */
static void
test_two_choices(void)
{
    static const uint16_t weights[N_HOSTS] = { 1, 2, 4, 1, 2, 4, 2, 0 };
    unsigned int counts[N_HOSTS];
    uint32_t least = UINT32_MAX, most = 0;
    struct pool *pool;

    set_up(POOL_TWO_CHOICES, weights, N_HOSTS);
    pool = create();
    for (int i = 0; i < 16000; i++) {
        f.hosts[select_host(pool, 0)].n_connections++;
    }
    for (int i = 0; i < N_HOSTS - 1; i++) {
        uint32_t n = f.hosts[i].n_connections / weights[i];

        least = n < least ? n : least;
        most = n > most ? n : most;
    }
    /* At random alone, the difference would be some 60. */
    CU_ASSERT(least >= 990 && most <= 1010);

    /* Who has most gets nothing, unless the other one is not there; who has
     * least gets what it is drawn for. */
    f.hosts[2].n_connections *= 2;
    f.hosts[0].n_connections /= 2;
    count(pool, 16000, counts);
    CHECK_INT(counts[2], 0);
    CHECK_INT(counts[7], 0);
    CU_ASSERT(counts[0] > 1500);
    for (int i = 3; i < N_HOSTS; i++) {
        f.hosts[i].up = false;
    }
    f.hosts[1].up = f.hosts[0].up = false;
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

    /* So it is when most hosts are down. */
    f.hosts[6].up = f.hosts[7].up = false;
    count(&f.pool, n, counts);
    for (int i = 0; i < 6; i++) {
        int expected = n / 20 * weights[i];

        CU_ASSERT(abs((int) counts[i] - expected) <= expected / 8);
    }
    for (int i = 2; i < 6; i++) {
        f.hosts[i].up = false;
    }
    count(&f.pool, 30000, counts);
    CU_ASSERT(abs((int) counts[0] - 10000) < 1000);
    CU_ASSERT(abs((int) counts[1] - 20000) < 1000);
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

enum { N_CLIENTS = 5000 };

/* How many clients have different hosts in 'a' and 'b'; 'host' has those of
 * them that have it in 'a' or in 'b'. */
static int
count_moved(const int *a, const int *b, int host, int *of_host)
{
    int others = 0;

    *of_host = 0;
    for (int i = 0; i < N_CLIENTS; i++) {
        if (a[i] != b[i]) {
            ++*(a[i] == host || b[i] == host ? of_host : &others);
        }
    }
    return others;
}

static void
test_source_hash_stable(void)
{
    static const uint16_t weights[N_HOSTS] = { 3, 1, 4, 1, 5, 9, 2, 6 };
    static int before[N_CLIENTS], after[N_CLIENTS];
    int moved, others;

    set_up(POOL_SOURCE_HASH, weights, N_HOSTS);
    map_clients(before, N_CLIENTS);

    /* A host that is down, tried, weightless or removed.  In the first two
     * cases only its clients move. */
    for (int how = 0; how < 4; how++) {
        set_up(POOL_SOURCE_HASH, weights, N_HOSTS);
        if (how == 0) {
            f.hosts[5].up = false;
        } else if (how == 1) {
            f.tried.host[f.tried.n++] = f.host_index[5];
        } else if (how == 2) {
            f.members[5].weight = 0;
        } else {
            f.members[5] = f.members[N_HOSTS - 1];
            f.pool_config.n_members = N_HOSTS - 1;
        }
        map_clients(after, N_CLIENTS);
        others = count_moved(before, after, 5, &moved);
        CU_ASSERT(moved > N_CLIENTS * 9 / 31 * 9 / 10);
        CU_ASSERT(others <= (how < 2 ? 0 : N_CLIENTS / 50));
    }

    /* More weight draws clients to a host. */
    set_up(POOL_SOURCE_HASH, weights, N_HOSTS);
    f.members[1].weight = 10;
    map_clients(after, N_CLIENTS);
    others = count_moved(before, after, 1, &moved);
    CU_ASSERT(moved > N_CLIENTS / 5 && others <= N_CLIENTS / 50);
}

/* The order of rows, of hosts in the engine and in the pool, is a switch's
 * own. */
static void
test_source_hash_order(void)
{
    static const uint16_t weights[N_HOSTS] = { 3, 1, 4, 1, 5, 9, 2, 6 };
    static int first[N_CLIENTS], second[N_CLIENTS];

    set_up(POOL_SOURCE_HASH, weights, N_HOSTS);
    f.hosts[6].up = f.hosts[7].up = false;
    map_clients(first, N_CLIENTS);
    for (size_t i = 0; i < N_HOSTS; i++) {
        size_t other = (i * 3 + 2) % N_HOSTS;

        f.members[i] = (struct member_config) { other, weights[other] };
        f.host_index[i] = (i + 3) % N_HOSTS + 1;
        f.table[f.host_index[i]] = &f.hosts[i];
    }
    map_clients(second, N_CLIENTS);
    for (int i = 0; i < N_CLIENTS; i++) {
        uint16_t index = N_HOSTS - second[i];

        CU_ASSERT(f.table[index] == &f.hosts[first[i]]);
    }
}

/* These would change if switches of two versions disagreed. */
static void
test_source_hash_fixed(void)
{
    static const uint16_t weights[N_HOSTS] = { 1, 1, 2, 2, 3, 3, 4, 4 };
    char text[65];
    int map[64];

    set_up(POOL_SOURCE_HASH, weights, N_HOSTS);
    f.hosts[7].up = false;
    map_clients(map, 64);
    for (int i = 0; i < 64; i++) {
        text[i] = '0' + map[i];
    }
    text[64] = '\0';
    CHECK_STR(text, "6656154155116463563616366652650311346614555463"
              "652630256611456636");
}

/* The key of a request whose cookie has the value 'value'. */
static struct affinity_key
key_of(const char *value)
{
    const char *dot = strchr(value, '.');
    const char *route = dot ? dot + 1 : value;

    return (struct affinity_key) {
        .set = true,
        .value = affinity_hash(value, strlen(value)),
        .route = affinity_hash(route, strlen(route)),
    };
}

/* Clients with the same value go to the same host, whatever the policy, and
 * those without one where the policy says. */
static void
test_affinity(void)
{
    static const uint16_t weights[N_HOSTS] = { 1, 1, 1, 1, 1, 1, 1, 1 };
    bool used[N_HOSTS] = { false };

    for (int p = POOL_ROUND_ROBIN; p <= POOL_SOURCE_HASH; p++) {
        struct pool *pool;

        set_up(p, weights, N_HOSTS);
        f.pool_config.affinity = (char *) "cookie.session";
        pool = create();
        for (int session = 0; session < 100; session++) {
            char value[16];
            int host, other;

            snprintf(value, sizeof value, "s%d", session);
            f.affinity = key_of(value);
            host = select_host(pool, 0);
            CU_ASSERT_FATAL(host >= 0);
            used[host] = true;
            CHECK_INT(select_host(pool, 1), host);
            f.hosts[host].up = false;
            other = select_host(pool, 0);
            CU_ASSERT(other != host);
            CHECK_INT(select_host(pool, 1), other);
            f.hosts[host].up = true;
            CHECK_INT(select_host(pool, 1), host);
        }
        for (int i = 0; i < N_HOSTS; i++) {
            CU_ASSERT(used[i]);
        }

        f.affinity.set = false;
        for (int i = 0; p == POOL_ROUND_ROBIN && i < N_HOSTS; i++) {
            CHECK_INT(select_host(pool, 0), i);
        }
        pool_uninit(pool);
    }
}

/* A value may name its host. */
static void
test_affinity_by_name(void)
{
    static const uint16_t weights[N_HOSTS] = { 1, 1, 1, 1, 1, 1, 1, 0 };
    struct pool *pool;

    set_up(POOL_ROUND_ROBIN, weights, N_HOSTS);
    f.pool_config.affinity = (char *) "header.x-host";
    pool = create();
    for (int i = 0; i < N_HOSTS - 1; i++) {
        char value[40];
        int other;

        f.affinity = key_of(names[i]);
        CHECK_INT(select_host(pool, 0), i);
        snprintf(value, sizeof value, "5d41.%s", names[i]);
        f.affinity = key_of(value);
        CHECK_INT(select_host(pool, 0), i);
        f.hosts[i].up = false;
        other = select_host(pool, 0);
        CU_ASSERT(other >= 0 && other != i);
        CHECK_INT(select_host(pool, 1), other);
        f.hosts[i].up = true;
    }
    f.affinity = key_of("h7");      /* It has no weight. */
    CU_ASSERT(select_host(pool, 0) != 7);
    pool_uninit(pool);
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

/* A table is made anew only when the members are others. */
static void
test_table_is_shared(void)
{
    static const uint16_t weights[N_HOSTS] = { 1, 2, 3 };
    struct pool olds[3], pool;

    set_up(POOL_TWO_CHOICES, weights, 3);
    for (int i = 0; i < 3; i++) {
        f.members[0].weight = i;
        create();
        olds[i] = f.pool;
    }
    for (int i = 0; i < 4; i++) {
        f.members[0].weight = i;
        CU_ASSERT(!pool_init(&pool, &f.config, &f.pool_config, olds, 3));
        for (int j = 0; j < 3; j++) {
            CHECK_INT(pool.table == olds[j].table, i == j);
        }
        pool_uninit(&pool);
    }
    for (int i = 0; i < 3; i++) {
        pool_uninit(&olds[i]);
    }

    f.pool_config.policy = POOL_ROUND_ROBIN;
    CU_ASSERT(!create()->table);
    pool_uninit(&f.pool);
}

/* Checks that the configuration in 'f' is refused for 'expected'. */
static void
check_refused(const char *expected)
{
    char *error = pool_init(&f.pool, &f.config, &f.pool_config,
                            NULL, 0);

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
    check_refused("pool \"x\": host \"h0\" is in it twice; give it more weight "
                  "instead");
    f.members[2].host = N_HOSTS;
    check_refused("pool \"x\": member 2 is no such host; set \"hosts\" to "
                  "hosts that exist");

    set_up(POOL_ROUND_ROBIN, weights, 3);
    f.pool_config.affinity = (char *) "address";
    check_refused("pool \"x\": unknown affinity \"address\"; known are "
                  "cookie.NAME and header.NAME");
}

static const struct unit_test tests[] = {
    { "family", test_family },
    { "round robin", test_round_robin },
    { "large weights", test_large_weights },
    { "least connections", test_least_connections },
    { "two choices", test_two_choices },
    { "source hash: weights", test_source_hash_weights },
    { "source hash: few clients but those of a lost host move",
      test_source_hash_stable },
    { "source hash: same in every switch", test_source_hash_order },
    { "source hash: same in every version", test_source_hash_fixed },
    { "affinity", test_affinity },
    { "affinity by name", test_affinity_by_name },
    { "unusable hosts", test_unusable },
    { "tables are shared", test_table_is_shared },
    { "bad configurations are refused", test_bad_config },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "pool", tests };
