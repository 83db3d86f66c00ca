/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "record.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE ((size_t) 2 << 20)    /* Bytes. */
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
#define CHUNK_BITS 1            /* So that the table grows, and little of it is
                                 * empty. */
#else
#define CHUNK_BITS 10
#endif
#define CHUNK_SIZE (1u << CHUNK_BITS)

struct record_table {
    struct siphash_key key;
    struct record **chunks;
    uint32_t n_chunks;          /* Allocated ones. */
    uint32_t max;
    uint32_t n;                 /* Records in use. */
    uint32_t free;              /* First free index, linked by tuple. */
    uint32_t mask;              /* Of both hash tables. */
    uint32_t *by_tuple;
    uint32_t *by_flow;
};

/* Index 1 is the first record of the first chunk. */
static struct record *
at_index(const struct record_table *t, uint32_t index)
{
    index--;
    return &t->chunks[index >> CHUNK_BITS][index & (CHUNK_SIZE - 1)];
}

uint32_t
record_hash(const struct record_table *t, const struct tuple *tuple)
{
    struct siphash h;
    uint64_t word;
    uint32_t ports;

    siphash_init(&h, &t->key);
    memcpy(&ports, &tuple->client_port, 4);
    if (address_is_v4(&tuple->client)) {
        siphash_word(&h, ((uint64_t) address_to_v4(&tuple->client) << 32
                          | address_to_v4(&tuple->service)));
    } else {
        for (size_t i = 0; i < 16; i += 8) {
            memcpy(&word, &tuple->client.byte[i], 8);
            siphash_word(&h, word);
            memcpy(&word, &tuple->service.byte[i], 8);
            siphash_word(&h, word);
        }
    }
    siphash_word(&h, ports);
    return siphash_final(&h);
}

static uint32_t
hash_tuple(const struct record_table *t, const struct tuple *tuple)
{
    return record_hash(t, tuple) & t->mask;
}

static bool
tuple_equals(const struct tuple *a, const struct tuple *b)
{
    return !memcmp(a, b, sizeof *a);
}

/* 'n' empty buckets.  They are looked at in no order, so in small pages the
 * processor would have to look for each one's page as well. */
static uint32_t *
buckets_create(uint32_t n)
{
    uint32_t *buckets;
    size_t size = n * sizeof *buckets;

    if (size < HUGE_PAGE) {
        return calloc(1, size);
    }
    buckets = aligned_alloc(HUGE_PAGE, size);
    if (buckets) {
        madvise(buckets, size, MADV_HUGEPAGE);  /* Or else it is slower. */
        memset(buckets, 0, size);
    }
    return buckets;
}

struct record_table *
record_table_create(uint32_t max, const struct siphash_key *key)
{
    struct record_table *t = calloc(1, sizeof *t);
    uint32_t n_buckets = 1024;

    if (!t) {
        return NULL;
    }
    while (n_buckets < max) {
        n_buckets *= 2;
    }
    t->key = *key;
    t->max = max;
    t->mask = n_buckets - 1;
    t->chunks = calloc(max / CHUNK_SIZE + 1, sizeof *t->chunks);
    t->by_tuple = buckets_create(n_buckets);
    t->by_flow = calloc(n_buckets, sizeof *t->by_flow);
    if (!t->chunks || !t->by_tuple || !t->by_flow) {
        record_table_destroy(t);
        return NULL;
    }
    return t;
}

void
record_table_destroy(struct record_table *t)
{
    if (t) {
        for (uint32_t i = 0; i < t->n_chunks; i++) {
            free(t->chunks[i]);
        }
        free(t->chunks);
        free(t->by_tuple);
        free(t->by_flow);
        free(t);
    }
}

/* Adds a chunk of free records. */
static bool
grow(struct record_table *t)
{
    struct record *chunk;
    uint32_t first = t->n_chunks * CHUNK_SIZE + 1;

    if (record_capacity(t) >= t->max) {
        return false;
    }
    chunk = calloc(CHUNK_SIZE, sizeof *chunk);
    if (!chunk) {
        return false;
    }
    t->chunks[t->n_chunks++] = chunk;
    for (uint32_t i = 0; i < CHUNK_SIZE; i++) {
        chunk[i].next_by_tuple = i + 1 < CHUNK_SIZE ? first + i + 1 : t->free;
    }
    t->free = first;
    return true;
}

struct record *
record_add(struct record_table *t, const struct tuple *tuple)
{
    struct record *r;
    uint32_t index, *bucket;

    if (t->n >= t->max || (!t->free && !grow(t))) {
        return NULL;
    }
    index = t->free;
    r = at_index(t, index);
    t->free = r->next_by_tuple;
    t->n++;

    memset(r, 0, sizeof *r);
    r->tuple = *tuple;
    bucket = &t->by_tuple[hash_tuple(t, tuple)];
    r->next_by_tuple = *bucket;
    *bucket = index;
    return r;
}

static void
unlink_flow(struct record_table *t, struct record *r)
{
    uint32_t *link = &t->by_flow[r->flow_id & t->mask];

    while (*link) {
        struct record *other = at_index(t, *link);

        if (other == r) {
            *link = r->next_by_flow;
            return;
        }
        link = &other->next_by_flow;
    }
}

/* The index of 'r', which is in the chain of its tuple. */
static uint32_t
unlink_tuple(struct record_table *t, struct record *r)
{
    uint32_t *link = &t->by_tuple[hash_tuple(t, &r->tuple)];

    for (;;) {
        uint32_t index = *link;
        struct record *other = at_index(t, index);

        if (other == r) {
            *link = r->next_by_tuple;
            return index;
        }
        link = &other->next_by_tuple;
    }
}

static bool
has_flow(const struct record *r)
{
    return r->flow_id != 0;
}

void
record_remove(struct record_table *t, struct record *r)
{
    uint32_t index = unlink_tuple(t, r);

    if (has_flow(r)) {
        unlink_flow(t, r);
    }
    memset(r, 0, sizeof *r);
    r->next_by_tuple = t->free;
    t->free = index;
    t->n--;
}

uint32_t
record_bucket(const struct record_table *t, const struct tuple *tuple)
{
    uint32_t bucket = hash_tuple(t, tuple);

    __builtin_prefetch(&t->by_tuple[bucket]);
    return bucket;
}

void
record_prefetch(const struct record_table *t, uint32_t bucket)
{
    uint32_t index = t->by_tuple[bucket];

    if (index) {
        const char *r = (const char *) at_index(t, index);

        __builtin_prefetch(r);
        __builtin_prefetch(r + sizeof(struct record) / 2);
        __builtin_prefetch(r + sizeof(struct record) - 1);
    }
}

struct record *
record_find_in(const struct record_table *t, uint32_t bucket,
               const struct tuple *tuple)
{
    uint32_t index = t->by_tuple[bucket];

    while (index) {
        struct record *r = at_index(t, index);

        if (tuple_equals(&r->tuple, tuple)) {
            return r;
        }
        index = r->next_by_tuple;
    }
    return NULL;
}

struct record *
record_find(const struct record_table *t, const struct tuple *tuple)
{
    return record_find_in(t, hash_tuple(t, tuple), tuple);
}

static uint32_t
index_of(const struct record_table *t, const struct record *r)
{
    uint32_t index = t->by_tuple[hash_tuple(t, &r->tuple)];

    while (at_index(t, index) != r) {
        index = at_index(t, index)->next_by_tuple;
    }
    return index;
}

void
record_set_flow(struct record_table *t, struct record *r, uint16_t host,
                uint32_t flow_id)
{
    uint32_t *bucket = &t->by_flow[flow_id & t->mask];

    if (has_flow(r)) {
        unlink_flow(t, r);
    }
    r->host = host;
    r->flow_id = flow_id;
    r->next_by_flow = *bucket;
    *bucket = index_of(t, r);
}

/* The record with 'flow_id' that comes next in the chain from 'index' on. */
static struct record *
find_flow(const struct record_table *t, uint32_t index, uint32_t flow_id)
{
    while (index) {
        struct record *r = at_index(t, index);

        if (r->flow_id == flow_id) {
            return r;
        }
        index = r->next_by_flow;
    }
    return NULL;
}

struct record *
record_find_flow(const struct record_table *t, uint16_t host,
                 uint32_t flow_id)
{
    uint32_t index = t->by_flow[flow_id & t->mask];
    struct record *r;

    while ((r = find_flow(t, index, flow_id)) && r->host != host) {
        index = r->next_by_flow;
    }
    return r;
}

bool
record_flow_used(const struct record_table *t, uint32_t flow_id)
{
    return find_flow(t, t->by_flow[flow_id & t->mask], flow_id) != NULL;
}

uint32_t
record_count(const struct record_table *t)
{
    return t->n;
}

uint32_t
record_capacity(const struct record_table *t)
{
    return t->n_chunks * CHUNK_SIZE;
}

size_t
record_memory(const struct record_table *t)
{
    return ((size_t) record_capacity(t) * sizeof(struct record)
            + 2 * (t->mask + (size_t) 1) * sizeof *t->by_tuple);
}

struct record *
record_next(const struct record_table *t, uint32_t *at)
{
    while (*at < record_capacity(t)) {
        struct record *r = at_index(t, ++*at);

        if (r->state != RECORD_FREE) {
            return r;
        }
    }
    return NULL;
}

struct record *
record_sweep(const struct record_table *t, uint32_t *at, uint32_t *n)
{
    while (*n && t->n_chunks) {
        struct record *r;

        --*n;
        *at = *at % record_capacity(t) + 1;
        r = at_index(t, *at);
        if (r->state != RECORD_FREE) {
            return r;
        }
    }
    return NULL;
}
