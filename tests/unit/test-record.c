/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "record.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

static const struct siphash_key key = { { 0x1234, 0x5678 } };

/* Tuple number 'n', one of 4 kinds. */
static struct tuple
make_tuple(uint32_t n)
{
    struct tuple t;

    memset(&t, 0, sizeof t);
    address_parse("2001:db8::1", &t.client);
    address_parse("2001:db8::2", &t.service);
    if (n % 4 < 2) {
        t.client = address_from_v4(htonl(0x0a000001));
        t.service = address_from_v4(htonl(0x0a000002));
    }
    if (n % 4 == 1) {           /* The ports alone would not tell. */
        t.client.byte[12] = 11;
        t.client.byte[13] = n >> 8;
        t.client.byte[14] = n >> 2;
    } else if (n % 4 == 3) {
        t.service.byte[3] = n >> 8;
        t.client.byte[4] = n >> 2;
        t.client.byte[5] = 1;
    } else {
        t.client_port = htons(n >> 2);
        t.service_port = htons(n >> 2 & 7);
    }
    return t;
}

static struct record *
add(struct record_table *t, uint32_t n)
{
    struct tuple tuple = make_tuple(n);
    struct record *r = record_add(t, &tuple);

    if (r) {
        r->state = RECORD_GATHER;   /* Not free. */
    }
    return r;
}

static struct record *
find(const struct record_table *t, uint32_t n)
{
    struct tuple tuple = make_tuple(n);

    return record_find(t, &tuple);
}

#define N 6000
#define MAX 5000

/* Random operations against an array. */
static void
test_random(void)
{
    static struct record *records[N];
    static uint32_t flows[N];
    struct record_table *t = record_table_create(MAX, &key);
    uint32_t n = 0, n_flows = 0;

    CU_ASSERT_FATAL(t != NULL);
    memset(records, 0, sizeof records);
    memset(flows, 0, sizeof flows);
    for (int step = 0; step < 300000; step++) {
        uint32_t i = unit_random() % N;

        CU_ASSERT(find(t, i) == records[i]);
        switch (unit_random() % 4) {
        case 0:
        case 1:
            if (!records[i]) {
                records[i] = add(t, i);
                CHECK_INT(records[i] != NULL, n < MAX);
                n += records[i] != NULL;
            }
            break;
        case 2:
            if (records[i]) {
                /* Flow IDs that share a bucket, and changes of them. */
                n_flows++;
                flows[i] = n_flows % 2 ? n_flows << 13 | 1 : n_flows;
                record_set_flow(t, records[i], i % 3, flows[i]);
            }
            break;
        case 3:
            if (records[i] && unit_random() % 100 < 60) {
                record_remove(t, records[i]);
                CU_ASSERT(!flows[i]
                          || !record_find_flow(t, i % 3, flows[i]));
                records[i] = NULL;
                flows[i] = 0;
                n--;
            }
            break;
        }
        CHECK_INT(record_count(t), n);
        i = unit_random() % N;
        CU_ASSERT(!flows[i]
                  || (record_find_flow(t, i % 3, flows[i]) == records[i]
                      && !record_find_flow(t, 3, flows[i])
                      && record_flow_used(t, flows[i])));
    }
    CU_ASSERT(n > MAX / 2);
    record_table_destroy(t);
}

/* A flow ID means something at one host only. */
static void
test_flow_of_two_hosts(void)
{
    struct record_table *t = record_table_create(4, &key);
    struct record *a = add(t, 1), *b = add(t, 2);

    record_set_flow(t, a, 1, 7);
    record_set_flow(t, b, 2, 7);
    CU_ASSERT(record_find_flow(t, 1, 7) == a);
    CU_ASSERT(record_find_flow(t, 2, 7) == b);
    CU_ASSERT(!record_find_flow(t, 3, 7));
    record_remove(t, b);
    CU_ASSERT(record_find_flow(t, 1, 7) == a);
    CU_ASSERT(!record_find_flow(t, 2, 7));
    CU_ASSERT(record_flow_used(t, 7));
    record_remove(t, a);
    CU_ASSERT(!record_flow_used(t, 7));
    record_table_destroy(t);
}

/* A record that comes back from the free list is as new. */
static void
test_zeroed(void)
{
    static const struct record zero;
    struct record_table *t = record_table_create(1, &key);
    struct record *r = add(t, 1);

    CU_ASSERT_FATAL(r != NULL);
    memset(&r->flow_id, 0x5a, 4);
    r->flow_id = 0;
    record_set_flow(t, r, 0, 7);
    r->isn = 5;
    r->placed = r->syn_seen = true;
    r->bytes = 77;
    record_remove(t, r);
    CU_ASSERT(!record_flow_used(t, 7));
    r = add(t, 2);
    CU_ASSERT_FATAL(r != NULL);
    CHECK_INT(r->flow_id, 0);
    CHECK_INT(r->isn, 0);
    CHECK_INT(r->bytes, 0);
    CU_ASSERT(!r->placed && !r->syn_seen && r->pending == zero.pending);
    record_table_destroy(t);
}

/* Full means full, and room again means room again. */
static void
test_full(void)
{
    static const uint32_t sizes[] = { 0, 1, 1023, 1024, 1025, 3000 };

    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        struct record_table *t = record_table_create(sizes[s], &key);

        CU_ASSERT_FATAL(t != NULL);
        for (uint32_t i = 0; i < sizes[s]; i++) {
            CU_ASSERT(add(t, i) != NULL);
        }
        CU_ASSERT(!add(t, 4000));
        CU_ASSERT(!add(t, 4001));
        CHECK_INT(record_count(t), sizes[s]);
        CU_ASSERT(record_capacity(t) >= sizes[s]);
        CU_ASSERT(record_capacity(t) < sizes[s] + 1024);
        if (sizes[s]) {
            record_remove(t, find(t, sizes[s] / 2));
            CU_ASSERT(add(t, 4002) != NULL);
            CU_ASSERT(!add(t, 4003));
        }
        record_table_destroy(t);
    }
    record_table_destroy(NULL);
}

/* An empty table has taken no memory but for its buckets. */
static void
test_memory(void)
{
    struct record_table *t = record_table_create(100000, &key);
    size_t before = record_memory(t);

    CHECK_INT(record_capacity(t), 0);
    CHECK_INT(before, 2 * 131072 * 4);
    for (uint32_t i = 0; i < 2000; i++) {
        add(t, i);
    }
    CHECK_INT(record_memory(t) - before, 2048 * sizeof(struct record));
    CU_ASSERT(sizeof(struct record) <= 112);     /* Per connection. */
    record_table_destroy(t);
}

/* Steps come to each record once, although each is removed. */
static void
test_next(void)
{
    struct record_table *t = record_table_create(5000, &key);
    uint32_t at = 0, n = 0;
    struct record *r;

    CU_ASSERT(!record_next(t, &at));
    for (uint32_t i = 0; i < 3000; i++) {
        add(t, i)->isn = i;
    }
    for (uint32_t i = 0; i < 3000; i += 3) {
        record_remove(t, find(t, i));
    }
    while ((r = record_next(t, &at))) {
        CU_ASSERT(r->isn % 3 != 0);
        record_remove(t, r);
        n++;
    }
    CHECK_INT(n, 2000);
    CHECK_INT(record_count(t), 0);
    record_table_destroy(t);
}

/* The sweep looks at just so many places at a time and comes round. */
static void
test_sweep(void)
{
    struct record_table *t = record_table_create(5000, &key);
    uint32_t at = 0, n = 100;
    static unsigned int seen[2500];
    struct record *r;

    CU_ASSERT(!record_sweep(t, &at, &n));
    for (uint32_t i = 0; i < 2500; i++) {
        add(t, i)->isn = i;
        seen[i] = 0;
    }
    CHECK_INT(record_capacity(t), 3072);
    for (uint32_t round = 0; round < 3072 * 2 / 64; round++) {
        unsigned int looks = 0;

        n = 64;
        while ((r = record_sweep(t, &at, &n))) {
            seen[r->isn]++;
            looks++;
        }
        CHECK_INT(n, 0);
        CU_ASSERT(looks <= 64);
    }
    for (uint32_t i = 0; i < 2500; i++) {
        CHECK_INT(seen[i], 2);
    }
    record_table_destroy(t);
}

/* Nobody who picks ports and addresses makes one long chain: what is in a
 * bucket depends on a key. */
static void
test_keyed(void)
{
    enum { M = 4096 };
    struct siphash_key other = { { 0x1234, 0x5679 } };
    struct record_table *a = record_table_create(M, &key);
    struct record_table *b = record_table_create(M, &other);
    unsigned int same = 0;

    for (uint32_t i = 0; i < M; i++) {
        struct record *ra = add(a, i);
        struct record *rb = add(b, i);

        same += ra->next_by_tuple == rb->next_by_tuple;
    }
    CU_ASSERT(same < M * 3 / 4);        /* Those that are alone: none. */
    record_table_destroy(a);
    record_table_destroy(b);
}

/* What is found in a bucket is what is there at that time, not at the time of
 * the lookup's beginning. */
static void
test_two_steps(void)
{
    struct record_table *t = record_table_create(64, &key);
    struct tuple tuple = make_tuple(1), other = make_tuple(2);
    uint32_t bucket = record_bucket(t, &tuple);
    struct record *r;

    record_prefetch(t, bucket);
    CU_ASSERT(!record_find_in(t, bucket, &tuple));
    r = add(t, 1);
    record_prefetch(t, bucket);
    CU_ASSERT(record_find_in(t, bucket, &tuple) == r);
    CU_ASSERT(!record_find_in(t, bucket, &other));
    record_remove(t, r);
    CU_ASSERT(!record_find_in(t, bucket, &tuple));
    record_table_destroy(t);
}

static const struct unit_test tests[] = {
    { "random operations", test_random },
    { "flow IDs of two hosts", test_flow_of_two_hosts },
    { "records begin as zeros", test_zeroed },
    { "full table", test_full },
    { "memory", test_memory },
    { "all records", test_next },
    { "sweep", test_sweep },
    { "hash is keyed", test_keyed },
    { "lookup in two steps", test_two_steps },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "record", tests };
