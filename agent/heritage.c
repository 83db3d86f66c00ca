/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "heritage.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bpf/migrator-shared.h"
#include "log.h"
#include "rundir.h"
#include "util.h"

/* The maps that are kept, the one first that says what the others mean. */
static const char *const kept[] = {
    "config", "mappings", "tuples", "refusals", "switches", "services",
    "keys", "counters",
};

static int
open_pinned(const char *name, const struct rundir *rd)
{
    char path[PATH_MAX + 32];

    snprintf(path, sizeof path, "%s/%s", rd->pins, name);
    return bpf_obj_get(path);
}

/* Opens map 'name' of the program 'prog_fd'. */
static int
open_used(const char *name, int prog_fd)
{
    struct bpf_prog_info info = { .nr_map_ids = 0 };
    uint32_t len = sizeof info, ids[64];

    info.nr_map_ids = ARRAY_SIZE(ids);
    info.map_ids = (uintptr_t) ids;
    if (bpf_obj_get_info_by_fd(prog_fd, &info, &len)
        || strncmp(info.name, "migrator_", 9)) {
        return -1;
    }
    for (uint32_t i = 0; i < info.nr_map_ids && i < ARRAY_SIZE(ids); i++) {
        struct bpf_map_info map = { .id = 0 };
        int fd = bpf_map_get_fd_by_id(ids[i]);

        len = sizeof map;
        if (fd >= 0 && !bpf_obj_get_info_by_fd(fd, &map, &len)
            && !strcmp(map.name, name)) {
            return fd;
        }
        if (fd >= 0) {
            close(fd);
        }
    }
    return -1;
}

/* Opens the program at work at 'point'.  Returns its file descriptor, or a
 * negative errno. */
static int
open_program(int ifindex, enum bpf_tc_attach_point point)
{
    DECLARE_LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = ifindex,
                        .attach_point = point);
    DECLARE_LIBBPF_OPTS(bpf_tc_opts, opts, .handle = HERITAGE_TC_HANDLE,
                        .priority = HERITAGE_TC_PRIORITY);
    int fd;

    if (bpf_tc_query(&hook, &opts)) {
        return -ENOENT;
    }
    fd = bpf_prog_get_fd_by_id(opts.prog_id);
    return fd < 0 ? -errno : fd;
}

/* Opens map 'name' of the program at work at 'point'. */
static int
open_attached(const char *name, int ifindex, enum bpf_tc_attach_point point)
{
    int prog_fd = open_program(ifindex, point), fd;

    if (prog_fd < 0) {
        return -1;
    }
    fd = open_used(name, prog_fd);
    close(prog_fd);
    return fd;
}

int
heritage_find(const char *name, int ifindex, const struct rundir *rd)
{
    int fd = open_attached(name, ifindex, BPF_TC_INGRESS);

    if (fd < 0) {
        fd = open_attached(name, ifindex, BPF_TC_EGRESS);
    }
    return fd >= 0 ? fd : open_pinned(name, rd);
}

/* Whether the map 'fd', perhaps of another version, has nothing in it. */
static bool
is_empty(int fd)
{
    struct bpf_map_info info = { .id = 0 };
    uint32_t len = sizeof info;
    bool empty;
    void *key;

    if (bpf_obj_get_info_by_fd(fd, &info, &len)) {
        return false;
    }
    key = xcalloc(1, info.key_size);
    empty = bpf_map_get_next_key(fd, NULL, key) != 0;
    free(key);
    return empty;
}

/* Whether the map 'fd' can serve as 'map'. */
static bool
fits(const struct bpf_map *map, int fd)
{
    struct bpf_map_info info = { .id = 0 };
    uint32_t len = sizeof info;

    return !bpf_obj_get_info_by_fd(fd, &info, &len)
           && info.type == bpf_map__type(map)
           && info.key_size == bpf_map__key_size(map)
           && info.value_size == bpf_map__value_size(map);
}

static bool
layout_fits(const struct bpf_object *obj, const int fds[])
{
    struct migrator_config config = { .layout = 0 };
    uint32_t zero = 0;

    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        const struct bpf_map *map;

        map = bpf_object__find_map_by_name(obj, kept[i]);
        if (fds[i] >= 0 && !fits(map, fds[i])) {
            return false;
        }
    }
    return (fds[0] >= 0 && !bpf_map_lookup_elem(fds[0], &zero, &config)
            && config.layout == MIGRATOR_LAYOUT);
}

static int
reuse(struct bpf_object *obj, const int fds[])
{
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        struct bpf_map *map = bpf_object__find_map_by_name(obj, kept[i]);
        struct bpf_map_info info = { .id = 0 };
        uint32_t len = sizeof info;
        int error;

        if (fds[i] < 0) {
            continue;
        }
        /* A later agent may count more than its predecessor. */
        bpf_obj_get_info_by_fd(fds[i], &info, &len);
        if (!strcmp(kept[i], "counters")
            && info.max_entries < bpf_map__max_entries(map)) {
            continue;
        }
        error = bpf_map__reuse_fd(map, fds[i]);
        if (error) {
            log_error("cannot take over map '%s': %s", kept[i],
                      strerror(-error));
            return EXIT_SYSTEM;
        }
    }
    return 0;
}

/* Whether an agent's program is at work that this process may not open. */
static bool
is_out_of_reach(int ifindex)
{
    int fd = open_program(ifindex, BPF_TC_INGRESS);

    if (fd >= 0) {
        close(fd);
    }
    return fd == -EPERM;
}

int
heritage_reuse(struct bpf_object *obj, int ifindex, const struct rundir *rd,
               bool *inherited)
{
    int fds[ARRAY_SIZE(kept)];
    bool found = false;
    int status = 0;

    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        fds[i] = heritage_find(kept[i], ifindex, rd);
        found = found || fds[i] >= 0;
    }
    *inherited = found && layout_fits(obj, fds);
    if (!found && is_out_of_reach(ifindex)) {
        log_error("an agent's programs are at work here, but their tables are "
                  "not in %s: start with CAP_SYS_ADMIN, which can find them, "
                  "or lose them with --cleanup", rd->pins);
        status = EXIT_MISSING;
    } else if (*inherited) {
        status = reuse(obj, fds);
    } else if (found && fds[1] >= 0 && !is_empty(fds[1])) {
        log_error("%s: an agent of an incompatible version left connections "
                  "here (layout is not %d): run that version until they are "
                  "closed, or lose them with --cleanup", rd->path,
                  MIGRATOR_LAYOUT);
        status = EXIT_LAYOUT;
    } else if (found) {
        log_info("replacing the empty maps of an agent of another version");
    }
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    return status;
}

int
heritage_pin(struct bpf_object *obj, const struct rundir *rd)
{
    for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
        struct bpf_map *map = bpf_object__find_map_by_name(obj, kept[i]);
        char path[PATH_MAX + 32];

        snprintf(path, sizeof path, "%s/%s", rd->pins, kept[i]);
        unlink(path);
        if (bpf_obj_pin(bpf_map__fd(map), path)) {
            log_error("%s: cannot pin map: %s", path, strerror(errno));
            return EXIT_SYSTEM;
        }
    }
    return 0;
}
