/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BPF_HELPERS_H
#define BPF_HELPERS_H 1

/* Stands in for libbpf's headers where the agent's BPF programs are compiled
 * for this machine: just as much of a kernel as they need to read a packet and
 * to decide on it.  What would change the packet or send it fails. */

#include "fuzz.h"

/* Of these nothing is needed but what follows. */
#define __BPF_CORE_READ_H__
#define __BPF_TRACING_H__

#define SEC(NAME)
#define __ksym
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#define __noinline __attribute__((noinline))
#define BPF_PROG(NAME, ...) NAME(__VA_ARGS__)
#define BPF_CORE_READ_BITFIELD(S, MEMBER) ((S)->MEMBER)
#define bpf_core_field_exists(FIELD) 1

#define bpf_skb_store_bytes(...) (-1)
#define bpf_skb_change_tail(...) (-1)
#define bpf_skb_adjust_room(...) (-1)
#define bpf_l3_csum_replace(...) (-1)
#define bpf_l4_csum_replace(...) (-1)
#define bpf_csum_diff(...) 0
#define bpf_redirect(...) (-1)
#define bpf_clone_redirect(...) (-1)
#define bpf_ringbuf_reserve(...) NULL
#define bpf_ringbuf_submit(...) ((void) 0)

#define KERNEL_NOW UINT64_C(1000000000000)
#define bpf_ktime_get_ns() KERNEL_NOW

/* The real one has addresses of 32 bits. */
struct kernel_skb {
    uintptr_t data, data_end;   /* The linear part: a copy of its own. */
    const uint8_t *bytes;       /* All of it. */
    __u32 len, gso_size, mark, priority, ifindex, pkt_type;
    __be16 protocol;
};
#define __sk_buff kernel_skb

static inline long
bpf_skb_load_bytes(const struct kernel_skb *skb, __u32 offset, void *to,
                   __u32 size)
{
    if (offset > skb->len || size > skb->len - offset) {
        return -1;
    }
    memcpy(to, skb->bytes + offset, size);
    return 0;
}

/* Makes the first 'size' bytes linear, and aligns them as drivers do. */
static inline long
bpf_skb_pull_data(struct kernel_skb *skb, __u32 size)
{
    uint8_t *copy = malloc(2 + size);

    FUZZ_CHECK(copy && size <= skb->len);
    memcpy(copy + 2, skb->bytes, size);
    free(skb->data ? (void *) (skb->data - 2) : NULL);
    skb->data = (uintptr_t) copy + 2;
    skb->data_end = skb->data + size;
    return 0;
}

static inline void
bpf_loop(__u32 n, long (*f)(__u32, void *), void *context,
         __u64 flags __attribute__((unused)))
{
    for (__u32 i = 0; i < n && !f(i, context); i++) {
        continue;
    }
}

/* Maps.  As in libbpf, the type of one has all that is to be known of it. */
#define __uint(NAME, VALUE) int (*NAME)[VALUE]
#define __type(NAME, TYPE) TYPE *NAME

static struct kernel_entry {
    const void *map;
    uint8_t key[64];
    void *value;                /* In memory of its size. */
} kernel_entries[64];           /* Of all maps together. */
static unsigned int kernel_n_entries;

static inline void *
kernel_lookup(const void *map, const void *key, size_t key_size)
{
    for (unsigned int i = 0; i < kernel_n_entries; i++) {
        struct kernel_entry *e = &kernel_entries[i];

        if (e->map == map && !memcmp(e->key, key, key_size)) {
            return e->value;
        }
    }
    return NULL;
}

static inline void *
kernel_add(const void *map, const void *key, size_t key_size, void *value)
{
    struct kernel_entry *e = &kernel_entries[kernel_n_entries++];

    FUZZ_CHECK(kernel_n_entries <= 64 && key_size <= sizeof e->key && value);
    e->map = map;
    memcpy(e->key, key, key_size);
    e->value = value;
    return value;
}

static inline void
kernel_forget(void)
{
    while (kernel_n_entries) {
        free(kernel_entries[--kernel_n_entries].value);
    }
}

#define KERNEL_IS_ARRAY(M)                                              \
    (sizeof *(M)->type == BPF_MAP_TYPE_ARRAY * sizeof(int)              \
     || sizeof *(M)->type == BPF_MAP_TYPE_PERCPU_ARRAY * sizeof(int))
#define bpf_map_lookup_elem(M, K)                                       \
    ({ const void *k_ = (K);                                            \
       void *value_ = kernel_lookup(M, k_, sizeof *(M)->key);           \
       (value_ || !KERNEL_IS_ARRAY(M) ? value_                          \
        : kernel_add(M, k_, sizeof *(M)->key,                           \
                     calloc(1, sizeof *(M)->value))); })
#define bpf_map_update_elem(M, K, V, FLAGS)                             \
    (kernel_lookup(M, K, sizeof *(M)->key) ? -1                         \
     : (kernel_add(M, K, sizeof *(M)->key,                              \
                   fuzz_copy(V, sizeof *(M)->value)), 0))
#define bpf_map_delete_elem(M, K) ((void) (M), (void) (K), -1)

/* Sockets: whatever is looked for, there is one that listens. */
static void *kernel_socket;
static int kernel_references;

static inline void *
bpf_skc_lookup_tcp(struct kernel_skb *skb __attribute__((unused)),
                   const void *tuple, __u32 size,
                   __u64 netns __attribute__((unused)),
                   __u64 flags __attribute__((unused)))
{
    free(fuzz_copy(tuple, size));
    kernel_references++;
    return kernel_socket;
}

#define bpf_sk_release(SK) (kernel_references -= (SK) == kernel_socket)
#define bpf_skc_to_tcp_sock(SK) ((void *) (SK))
#define bpf_skc_to_tcp_timewait_sock(SK) NULL

#endif /* bpf_helpers.h */
