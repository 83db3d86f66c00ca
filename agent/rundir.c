/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "log.h"
#include "util.h"

int
rundir_name(struct rundir *rd, const char *base, const char *interface)
{
    struct stat st;

    if (stat("/proc/self/ns/net", &st)) {
        return errno;
    }
    if (snprintf(rd->path, sizeof rd->path, "%s/%s-%llu", base, interface,
                 (unsigned long long) st.st_ino) >= (int) sizeof rd->path) {
        return ENAMETOOLONG;
    }
    snprintf(rd->pins, sizeof rd->pins, "%s/bpf", rd->path);
    snprintf(rd->control, sizeof rd->control, "%s/ctl", rd->path);
    rd->lock_fd = -1;
    return 0;
}

/* mkdir -p. */
static int
make_directory(const char *path)
{
    char copy[PATH_MAX];

    snprintf(copy, sizeof copy, "%s", path);
    for (char *p = copy + 1; *p; p++) {
        if (*p == '/') {
            *p = '\0';
            if (mkdir(copy, 0755) && errno != EEXIST) {
                return errno;
            }
            *p = '/';
        }
    }
    return mkdir(copy, 0700) && errno != EEXIST ? errno : 0;
}

static int
take_lock(struct rundir *rd)
{
    char name[PATH_MAX], pid[16] = "";
    ssize_t n;

    snprintf(name, sizeof name, "%s/lock", rd->path);
    rd->lock_fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (rd->lock_fd < 0) {
        log_error("%s: cannot open lock file: %s", name, strerror(errno));
        return EXIT_SYSTEM;
    }
    if (flock(rd->lock_fd, LOCK_EX | LOCK_NB)) {
        n = read(rd->lock_fd, pid, sizeof pid - 1);
        pid[n > 0 ? strcspn(pid, "\n") : 0] = '\0';
        log_error("%s: an agent runs for this interface already (process "
                  "%s); stop it first", name, pid[0] ? pid : "unknown");
        return EXIT_RUNNING;
    }
    return 0;
}

static int
mount_pins(struct rundir *rd)
{
    struct statfs fs;
    int error = make_directory(rd->pins);

    if (error) {
        log_error("%s: cannot create directory: %s", rd->pins,
                  strerror(error));
        return EXIT_SYSTEM;
    }
    if (!statfs(rd->pins, &fs) && fs.f_type == BPF_FS_MAGIC) {
        return 0;
    }
    if (mount("bpf", rd->pins, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC,
              "mode=0700")) {
        log_error("%s: cannot mount a BPF file system: %s; this needs "
                  "CAP_SYS_ADMIN, or an earlier --prepare that has it, and a "
                  "kernel with CONFIG_BPF_SYSCALL", rd->pins,
                  strerror(errno));
        return EXIT_MISSING;
    }
    return 0;
}

int
rundir_prepare(struct rundir *rd)
{
    int error = make_directory(rd->path);

    if (error) {
        log_error("%s: cannot create run directory: %s; choose another with "
                  "--run-dir", rd->path, strerror(error));
        return EXIT_SYSTEM;
    }
    return mount_pins(rd);
}

int
rundir_open(struct rundir *rd)
{
    int error = rundir_prepare(rd);

    return error ? error : take_lock(rd);
}

void
rundir_set_pid(struct rundir *rd)
{
    char pid[16];
    int n = snprintf(pid, sizeof pid, "%d\n", (int) getpid());

    if (ftruncate(rd->lock_fd, 0) || pwrite(rd->lock_fd, pid, n, 0) != n) {
        log_warn("%s/lock: cannot write process id: %s", rd->path,
                 strerror(errno));
    }
}

void
rundir_remove(struct rundir *rd)
{
    char name[PATH_MAX];

    if (umount2(rd->pins, MNT_DETACH) && errno != EINVAL
        && errno != ENOENT) {
        log_warn("%s: cannot unmount: %s", rd->pins, strerror(errno));
    }
    rmdir(rd->pins);
    unlink(rd->control);
    snprintf(name, sizeof name, "%s/lock", rd->path);
    unlink(name);
    rmdir(rd->path);
}
