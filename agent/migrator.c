/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "migrator.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/bpf/migrator.skel.h"
#include "heritage.h"
#include "log.h"
#include "rundir.h"
#include "util.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* libbpf's own words come in pieces, of which only whole lines of warning
 * matter. */
static int
print_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
    char line[512];

    if (level == LIBBPF_WARN) {
        vsnprintf(line, sizeof line, format, args);
        line[strcspn(line, "\n")] = '\0';
        log_warn("%s", line);
    }
    return 0;
}

static int
silence_libbpf(enum libbpf_print_level level, const char *format,
               va_list args)
{
    (void) level;
    (void) format;
    (void) args;
    return 0;
}

/* The cookie of this network namespace, 0 on failure. */
static uint64_t
netns_cookie(void)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    uint64_t cookie = 0;
    socklen_t len = sizeof cookie;

    if (fd >= 0) {
        if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len)) {
            cookie = 0;
        }
        close(fd);
    }
    return cookie;
}

static void
load_config(struct migrator *m)
{
    uint32_t zero = 0;

    if (bpf_map_lookup_elem(m->config_fd, &zero, &m->config)
        || m->config.layout != MIGRATOR_LAYOUT) {
        memset(&m->config, 0, sizeof m->config);
        m->config.layout = MIGRATOR_LAYOUT;
        m->config.epoch = random_nonzero() | 1;
        migrator_set_config(m);
    }
}

static int
load(struct migrator *m, const struct rundir *rd, uint32_t max_connections)
{
    struct bpf_map_info info = { .id = 0 };
    uint32_t len = sizeof info;
    int error;

    bpf_map__set_max_entries(m->skel->maps.mappings, max_connections);
    bpf_map__set_max_entries(m->skel->maps.tuples, max_connections);
    m->skel->rodata->own_netns = netns_cookie();
    error = heritage_reuse(m->skel->obj, m->ifindex, rd, &m->inherited);
    if (error) {
        return error;
    }
    libbpf_set_print(print_libbpf);
    error = migrator_bpf__load(m->skel);
    if (error) {
        log_error("the kernel does not accept the programs: %s; the lines "
                  "above say why", strerror(-error));
        return error == -EPERM ? EXIT_MISSING : EXIT_SYSTEM;
    }
    m->mappings_fd = bpf_map__fd(m->skel->maps.mappings);
    m->refusals_fd = bpf_map__fd(m->skel->maps.refusals);
    m->switches_fd = bpf_map__fd(m->skel->maps.switches);
    m->services_fd = bpf_map__fd(m->skel->maps.services);
    m->keys_fd = bpf_map__fd(m->skel->maps.keys);
    m->config_fd = bpf_map__fd(m->skel->maps.config);
    m->counters_fd = bpf_map__fd(m->skel->maps.counters);
    m->batch = &m->skel->bss->batch;

    bpf_obj_get_info_by_fd(m->mappings_fd, &info, &len);
    m->capacity = info.max_entries;
    if (m->capacity != max_connections) {
        log_warn("an earlier agent's table of %u connections stays in use; "
                 "--max-connections takes effect after --cleanup",
                 m->capacity);
    }
    load_config(m);
    return heritage_pin(m->skel->obj, rd);
}

int
migrator_open(struct migrator *m, const char *interface,
              const struct rundir *rd, uint32_t max_connections,
              ring_buffer_sample_fn on_event, void *aux)
{
    int error;

    memset(m, 0, sizeof *m);
    m->interface = interface;
    m->ifindex = if_nametoindex(interface);
    libbpf_set_strict_mode(LIBBPF_STRICT_ALL);

    /* Not finding an earlier agent's filter is no news. */
    libbpf_set_print(silence_libbpf);
    m->skel = migrator_bpf__open();
    if (!m->skel) {
        log_error("cannot open the BPF programs: %s", strerror(errno));
        return EXIT_SYSTEM;
    }
    error = load(m, rd, max_connections);
    if (error) {
        return error;
    }
    m->ring = ring_buffer__new(bpf_map__fd(m->skel->maps.events), on_event,
                               aux, NULL);
    if (!m->ring) {
        log_error("cannot map the ring buffer: %s", strerror(errno));
        return EXIT_SYSTEM;
    }
    return 0;
}

/* Puts down the link to the tracepoint.  If it is pinned it stays in force. */
static void
drop_state_link(struct migrator *m)
{
    if (m->state_link) {
        bpf_link__disconnect(m->state_link);
        bpf_link__destroy(m->state_link);
        m->state_link = NULL;
    }
}

/* Attaches the tracepoint, then lets go of an earlier agent's: for a moment
 * there are two, which does no harm. */
static int
attach_state(struct migrator *m, const struct rundir *rd)
{
    char path[PATH_MAX + 32], next[PATH_MAX + 32];
    struct bpf_link *link;

    snprintf(path, sizeof path, "%s/state-link", rd->pins);
    snprintf(next, sizeof next, "%s/state-link-new", rd->pins);
    link = bpf_program__attach(m->skel->progs.migrator_state);
    if (!link) {
        log_error("cannot attach to tracepoint inet_sock_set_state: %s",
                  strerror(errno));
        return EXIT_SYSTEM;
    }
    unlink(next);
    drop_state_link(m);
    m->state_link = link;
    if (bpf_obj_pin(bpf_link__fd(link), next) || rename(next, path)) {
        log_error("%s: cannot pin link: %s", path, strerror(errno));
        return EXIT_SYSTEM;
    }
    return 0;
}

static int
attach_tc(struct migrator *m, enum bpf_tc_attach_point point,
          const struct bpf_program *prog)
{
    DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = m->ifindex,
                        .attach_point = point);
    DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = HERITAGE_TC_HANDLE,
                        .priority = HERITAGE_TC_PRIORITY,
                        .prog_fd = bpf_program__fd(prog),
                        .flags = BPF_TC_F_REPLACE);
    int error;

    libbpf_set_print(silence_libbpf);
    error = bpf_tc_hook_create(&hook);
    libbpf_set_print(print_libbpf);
    if (!error || error == -EEXIST) {
        error = bpf_tc_attach(&hook, &opts);
    }
    if (error) {
        log_error("%s: cannot attach to the %s hook: %s; the kernel needs "
                  "CONFIG_NET_SCH_INGRESS and CONFIG_NET_CLS_BPF, and no "
                  "other qdisc of handle ffff: may be there (\"tc qdisc show "
                  "dev %s\")", m->interface,
                  point == BPF_TC_INGRESS ? "ingress" : "egress",
                  strerror(-error), m->interface);
        return EXIT_SYSTEM;
    }
    return 0;
}

int
migrator_attach(struct migrator *m, const struct rundir *rd)
{
    /* Ingress last: what it infuses, the others must see. */
    int error = attach_state(m, rd);

    error = error ? error : attach_tc(m, BPF_TC_EGRESS,
                                      m->skel->progs.migrator_egress);
    return error ? error : attach_tc(m, BPF_TC_INGRESS,
                                     m->skel->progs.migrator_ingress);
}

int
migrator_guard(const struct migrator *m, int fd)
{
    int prog_fd = bpf_program__fd(m->skel->progs.migrator_socket);

    return (setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &prog_fd,
                       sizeof prog_fd) ? -errno : 0);
}

static bool
is_attached(int ifindex, enum bpf_tc_attach_point point,
            const struct bpf_program *prog)
{
    DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
                        .attach_point = point);
    DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = HERITAGE_TC_HANDLE,
                        .priority = HERITAGE_TC_PRIORITY);
    struct bpf_prog_info info = { .id = 0 };
    uint32_t len = sizeof info;

    return !bpf_tc_query(&hook, &opts)
           && !bpf_obj_get_info_by_fd(bpf_program__fd(prog), &info, &len)
           && opts.prog_id == info.id;
}

bool
migrator_is_attached(const struct migrator *m)
{
    bool attached;

    libbpf_set_print(silence_libbpf);
    attached = is_attached(m->ifindex, BPF_TC_INGRESS,
                           m->skel->progs.migrator_ingress)
               && is_attached(m->ifindex, BPF_TC_EGRESS,
                              m->skel->progs.migrator_egress);
    libbpf_set_print(print_libbpf);
    return attached;
}

void
migrator_close(struct migrator *m)
{
    ring_buffer__free(m->ring);
    drop_state_link(m);
    migrator_bpf__destroy(m->skel);
    memset(m, 0, sizeof *m);
}

static void
detach_tc(int ifindex, enum bpf_tc_attach_point point)
{
    DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
                        .attach_point = point);
    DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = HERITAGE_TC_HANDLE,
                        .priority = HERITAGE_TC_PRIORITY);
    int error = bpf_tc_detach(&hook, &opts);

    if (error && error != -ENOENT && error != -EINVAL) {
        log_warn("cannot detach from the %s hook: %s",
                 point == BPF_TC_INGRESS ? "ingress" : "egress",
                 strerror(-error));
    }
}

/* Calls 'on_service' for each key of the map 'fd', unless that is another
 * version's, of which it is not known what they are. */
static void
for_each_service(int fd, void (*on_service)(const struct migrate_address *))
{
    struct migrate_address key, *previous = NULL;
    struct bpf_map_info info = { .id = 0 };
    uint32_t len = sizeof info;

    if (bpf_obj_get_info_by_fd(fd, &info, &len)
        || info.key_size != sizeof key) {
        return;
    }
    while (!bpf_map_get_next_key(fd, previous, &key)) {
        on_service(&key);
        previous = &key;
    }
}

int
migrator_cleanup(const char *interface, const struct rundir *rd,
                 void (*on_service)(const struct migrate_address *))
{
    int ifindex = if_nametoindex(interface);
    int fd;

    if (!ifindex) {
        log_error("%s: no such network interface here", interface);
        return EXIT_MISSING;
    }
    libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
    libbpf_set_print(silence_libbpf);
    fd = heritage_find("services", ifindex, rd);
    if (fd >= 0) {
        for_each_service(fd, on_service);
        close(fd);
    }
    detach_tc(ifindex, BPF_TC_INGRESS);
    detach_tc(ifindex, BPF_TC_EGRESS);
    return 0;
}

/* Their order means nothing to the programs, so a key that stays keeps its
 * place, and is not unknown for a moment. */
void
migrator_set_keys(struct migrator *m, const struct keyring *ring)
{
    struct fabric_key had, keys[MIGRATOR_KEYS] = { { .valid = false } };
    uint32_t swap = 0;

    _Static_assert(MIGRATOR_KEYS == 2, "the other place is 1 - i");
    for (uint32_t i = 0; i < ring->n; i++) {
        keys[i].key = ring->keys[i].key;
        keys[i].id = ring->keys[i].id;
        keys[i].valid = true;
    }
    for (uint32_t i = 0; i < MIGRATOR_KEYS; i++) {
        swap |= (!bpf_map_lookup_elem(m->keys_fd, &i, &had)
                 && !memcmp(&had, &keys[1 - i], sizeof had));
    }
    for (uint32_t i = 0; i < MIGRATOR_KEYS; i++) {
        bpf_map_update_elem(m->keys_fd, &i, &keys[i ^ swap], BPF_ANY);
    }
}

void
migrator_set_config(struct migrator *m)
{
    uint32_t zero = 0;

    bpf_map_update_elem(m->config_fd, &zero, &m->config, BPF_ANY);
}

int
migrator_batch(struct migrator *m, enum batch_op op, uint32_t n)
{
    char frame[64] = { [12] = 0x08 };   /* Read by nobody. */
    DECLARE_LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = frame,
                        .data_size_in = sizeof frame);
    int fd = bpf_program__fd(m->skel->progs.migrator_batch);

    m->batch->op = op;
    m->batch->n = n;
    return bpf_prog_test_run_opts(fd, &opts) ? errno : 0;
}

int
migrator_poll_events(struct migrator *m)
{
    return ring_buffer__consume(m->ring);
}

int
migrator_event_fd(const struct migrator *m)
{
    return ring_buffer__epoll_fd(m->ring);
}

void
migrator_sleep(struct migrator *m, bool sleeps)
{
    __atomic_store_n(&m->skel->data->daemon_sleeps, sleeps,
                     __ATOMIC_SEQ_CST);
}

void
migrator_counters(const struct migrator *m, uint64_t values[N_COUNTERS])
{
    int n_cpus = libbpf_num_possible_cpus();
    uint64_t *per_cpu = xcalloc(n_cpus > 0 ? n_cpus : 1, sizeof *per_cpu);

    for (uint32_t i = 0; i < N_COUNTERS; i++) {
        values[i] = 0;
        if (!bpf_map_lookup_elem(m->counters_fd, &i, per_cpu)) {
            for (int cpu = 0; cpu < n_cpus; cpu++) {
                values[i] += per_cpu[cpu];
            }
        }
    }
    free(per_cpu);
}

const char *
migrator_counter_name(enum counter counter)
{
    static const char *const names[] = {
#define COUNTER(SYMBOL, NAME, MEANING) NAME,
        COUNTERS
#undef COUNTER
    };

    return names[counter];
}
