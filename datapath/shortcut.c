/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "shortcut.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "datapath/bpf/shortcut-shared.h"
#include "datapath/bpf/shortcut.skel.h"

#ifndef SO_ATTACH_BPF
#define SO_ATTACH_BPF 50
#endif
#define TCX_INGRESS ((enum bpf_attach_type) 46) /* From Linux 6.6 on. */
#define BEFORE (1 << 3)         /* BPF_F_BEFORE: all that is there. */
#define LOOPBACK 1              /* Each network namespace's first interface. */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* Under 'mutex'. */
static int failure;             /* Of shortcut_open(). */
static char failure_text[256];
static char complaint[128];     /* The first of libbpf's. */
static uint32_t first_free;     /* Slot; others follow by 'next'... */
static uint32_t n_slots;        /* ...and those from here on are new. */

/* Set by shortcut_open(). */
static struct shortcut_bpf *skel;
static int connections = -1;    /* File descriptor. */
static struct shortcut_slot *slots, *totals;    /* The maps' own memory. */

static int
collect(enum libbpf_print_level level, const char *format, va_list args)
{
    if (level == LIBBPF_WARN && !complaint[0]) {
        vsnprintf(complaint, sizeof complaint, format, args);
        complaint[strcspn(complaint, "\n")] = '\0';
    }
    return 0;
}

/* Returns NULL, with errno set, on failure. */
static struct shortcut_slot *
map_memory(const struct bpf_map *map)
{
    void *memory = mmap(NULL, (bpf_map__max_entries(map)
                               * sizeof(struct shortcut_slot)),
                        PROT_READ | PROT_WRITE, MAP_SHARED,
                        bpf_map__fd(map), 0);

    return memory == MAP_FAILED ? NULL : memory;
}

static void
unmap_memory(struct shortcut_slot **memory, uint32_t n)
{
    if (*memory) {
        munmap(*memory, n * sizeof **memory);
        *memory = NULL;
    }
}

static void
drop(void)
{
    connections = -1;
    unmap_memory(&slots, SHORTCUT_SLOTS);
    unmap_memory(&totals, SHORTCUT_ENGINES);
    shortcut_bpf__destroy(skel);
    skel = NULL;
}

static int
load(void)
{
    libbpf_print_fn_t print;
    __u32 n_programs = 0;
    int error;

    if (bpf_prog_query(LOOPBACK, TCX_INGRESS, 0, NULL, NULL, &n_programs)
        == -EINVAL) {
        snprintf(complaint, sizeof complaint, "needs Linux 6.6 or later");
        return EOPNOTSUPP;
    }
    /* Others in this process may use libbpf. */
    complaint[0] = '\0';
    print = libbpf_set_print(collect);
    skel = shortcut_bpf__open();
    error = skel ? -shortcut_bpf__load(skel) : errno;
    libbpf_set_print(print);
    if (error) {
        return error;
    }
    slots = map_memory(skel->maps.slots);
    totals = slots ? map_memory(skel->maps.totals) : NULL;
    if (!totals) {
        return errno;
    }
    connections = bpf_map__fd(skel->maps.connections);
    first_free = 0;
    n_slots = 1;
    return 0;
}

int
shortcut_open(void)
{
    int error;

    pthread_mutex_lock(&mutex);
    if (!skel && !failure) {
        failure = load();
        if (failure) {
            const char *why = (failure == EPERM
                               ? "needs CAP_BPF and CAP_NET_ADMIN"
                               : complaint);

            snprintf(failure_text, sizeof failure_text,
                     "loading the BPF programs: %s%s%s%s", strerror(failure),
                     why[0] ? " (" : "", why, why[0] ? ")" : "");
            drop();
        }
    }
    error = failure;
    pthread_mutex_unlock(&mutex);
    return error;
}

const char *
shortcut_error(void)
{
    return failure_text;
}

void
shortcut_close(void)
{
    pthread_mutex_lock(&mutex);
    drop();
    failure = 0;
    failure_text[0] = '\0';
    pthread_mutex_unlock(&mutex);
}

int
shortcut_filter(void)
{
    return skel ? bpf_program__fd(skel->progs.shortcut_filter) : -1;
}

int
shortcut_ingress(void)
{
    return skel ? bpf_program__fd(skel->progs.shortcut_ingress) : -1;
}

int
shortcut_attach(int ifindex, int socket)
{
    /* Another program that ended the chain would have us withhold packets that
     * nobody sends on. */
    LIBBPF_OPTS(bpf_link_create_opts, options, .flags = BEFORE);
    int filter = shortcut_filter();
    int link = bpf_link_create(shortcut_ingress(), ifindex, TCX_INGRESS,
                               &options);

    if (link < 0) {
        return link;
    }
    if (setsockopt(socket, SOL_SOCKET, SO_ATTACH_BPF, &filter,
                   sizeof filter)) {
        int error = errno;

        close(link);
        return -error;
    }
    return link;
}

static struct shortcut_ref
slot_ref(uint32_t slot)
{
    return (struct shortcut_ref) {
        .generation = shortcut_slot_generation(slot),
        .slot = slot,
    };
}

static bool
ref_is_taken(const struct shortcut_ref *ref)
{
    return ref->generation & 1;
}

bool
shortcut_add(const struct shortcut *s)
{
    struct shortcut_entry e = {
        .first = slot_ref(s->first),
        .last = slot_ref(s->last),
        .src = s->src,
        .dst = s->dst,
        .flow_id = htonl(s->flow_id),
        .in = s->in,
        .out = s->out,
        .engine = s->engine,
    };

    memcpy(e.eth, s->eth_dst, 6);
    memcpy(e.eth + 6, s->eth_src, 6);
    memcpy(e.new_eth, s->new_eth_dst, 6);
    memcpy(e.new_eth + 6, s->new_eth_src, 6);
    return ref_is_taken(&e.first) && ref_is_taken(&e.last)
           && !bpf_map_update_elem(connections, &s->tuple, &e, BPF_ANY);
}

/* From the maps' memory, which changes meanwhile. */
static void
counts_read(const struct shortcut_counts *c, struct shortcut_use *use)
{
    use->packets = __atomic_load_n(&c->packets, __ATOMIC_RELAXED);
    use->bytes = __atomic_load_n(&c->bytes, __ATOMIC_RELAXED);
    use->used = __atomic_load_n(&c->used, __ATOMIC_RELAXED) / 1000000;
    use->tcp_flags = __atomic_load_n(&c->tcp_flags, __ATOMIC_RELAXED);
}

bool
shortcut_remove(const struct tuple *tuple, struct shortcut_use *use)
{
    struct shortcut_entry e;

    if (bpf_map_lookup_and_delete_elem(connections, tuple, &e)) {
        return false;
    }
    counts_read(&e.counts, use);
    return true;
}

bool
shortcut_find(const struct tuple *tuple, struct shortcut_use *use)
{
    struct shortcut_entry e;

    if (bpf_map_lookup_elem(connections, tuple, &e)) {
        return false;
    }
    counts_read(&e.counts, use);
    return true;
}

static bool
slot_exists(uint32_t slot)
{
    return slots && slot && slot < SHORTCUT_SLOTS;
}

static void
slot_advance(uint32_t slot, uint64_t n)
{
    __atomic_fetch_add(&slots[slot].generation, n, __ATOMIC_SEQ_CST);
}

uint32_t
shortcut_slot_new(void)
{
    uint32_t slot = 0;

    pthread_mutex_lock(&mutex);
    if (slots && first_free) {
        slot = first_free;
        first_free = slots[slot].next;
    } else if (slots && n_slots < SHORTCUT_SLOTS) {
        slot = n_slots++;
    }
    if (slot) {
        memset(&slots[slot].counts, 0, sizeof slots[slot].counts);
        slot_advance(slot, 1);
    }
    pthread_mutex_unlock(&mutex);
    return slot;
}

void
shortcut_slot_void(uint32_t slot)
{
    if (slot_exists(slot)) {
        slot_advance(slot, 2);
    }
}

void
shortcut_slot_free(uint32_t slot)
{
    if (slot_exists(slot)) {
        pthread_mutex_lock(&mutex);
        slot_advance(slot, 1);
        slots[slot].next = first_free;
        first_free = slot;
        pthread_mutex_unlock(&mutex);
    }
}

uint64_t
shortcut_slot_generation(uint32_t slot)
{
    return (slot_exists(slot)
            ? __atomic_load_n(&slots[slot].generation, __ATOMIC_SEQ_CST) : 0);
}

void
shortcut_slot_use(uint32_t slot, struct shortcut_use *use)
{
    memset(use, 0, sizeof *use);
    if (slot_exists(slot)) {
        counts_read(&slots[slot].counts, use);
    }
}

void
shortcut_total(uint32_t engine, struct shortcut_use *use)
{
    memset(use, 0, sizeof *use);
    if (totals && engine < SHORTCUT_ENGINES) {
        counts_read(&totals[engine].counts, use);
    }
}

void
shortcut_begin(uint32_t engine)
{
    if (totals && engine < SHORTCUT_ENGINES) {
        memset(&totals[engine].counts, 0, sizeof totals[engine].counts);
    }
}
