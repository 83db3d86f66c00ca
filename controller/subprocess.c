/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "subprocess.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fatal-signal.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "process.h"
#include "socket-util.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(subprocess);

#define INPUT_FD 3
#define STOP_MSEC 2000

/* Where 'make install' puts OVS, for when PATH does not lead there. */
static void
extend_path(void)
{
    const char *path = getenv("PATH");
    char *new = xasprintf("%s%s%s", path ? path : "", path ? ":" : "",
                          OVS_PROGRAM_PATH);

    setenv("PATH", new, true);
    free(new);
}

static void OVS_NO_RETURN
child(const char *const argv[], pid_t parent, int input_fd, int output_fd)
{
    sigset_t none;
    int null_fd = open("/dev/null", O_RDWR);

    fatal_signal_fork();
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) {
        _exit(127);             /* It ended before it could be noticed. */
    }
    dup2(null_fd, STDIN_FILENO);
    if (output_fd >= 0) {
        dup2(output_fd, STDOUT_FILENO);
        dup2(output_fd, STDERR_FILENO);
    }
    if (input_fd >= 0) {
        dup2(input_fd, INPUT_FD);
    }
    close_range(input_fd >= 0 ? INPUT_FD + 1 : INPUT_FD, UINT_MAX, 0);
    umask(077);                 /* The database holds the fabric's key. */
    signal(SIGPIPE, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    extend_path();
    execvp(argv[0], (char *const *) argv);
    fprintf(stderr, "%s: cannot be executed: %s\n", argv[0],
            ovs_strerror(errno));
    _exit(127);
}

static int
start(struct subprocess *p, const char *const argv[], int input_fd,
      int output_fd)
{
    pid_t parent = getpid();
    sigset_t mask;
    int error = 0;

    /* A signal between fork and exec must not run our handlers. */
    fatal_signal_block(&mask);
    p->pid = fork();
    if (p->pid < 0) {
        error = errno;
        p->pid = 0;
    } else if (!p->pid) {
        child(argv, parent, input_fd, output_fd);
    } else {
        p->fd = pidfd_open(p->pid, 0);
        if (p->fd < 0) {
            error = errno;
            kill(p->pid, SIGKILL);
            waitpid(p->pid, NULL, 0);
            p->pid = 0;
        }
    }
    sigprocmask(SIG_SETMASK, &mask, NULL);
    return error;
}

int
subprocess_start(struct subprocess *p, const char *const argv[])
{
    return start(p, argv, -1, -1);
}

bool
subprocess_ended(struct subprocess *p, int *status)
{
    if (!p->pid || waitpid(p->pid, status, WNOHANG) != p->pid) {
        return false;
    }
    close(p->fd);
    p->pid = 0;
    return true;
}

void
subprocess_wait(const struct subprocess *p)
{
    if (p->pid) {
        poll_fd_wait(p->fd, POLLIN);
    }
}

void
subprocess_stop(struct subprocess *p)
{
    if (p->pid) {
        struct pollfd pfd = { .fd = p->fd, .events = POLLIN };
        int status;

        kill(p->pid, SIGTERM);
        if (poll(&pfd, 1, STOP_MSEC) != 1) {
            VLOG_WARN("process %d does not end; killing it", (int) p->pid);
            kill(p->pid, SIGKILL);
        }
        while (!subprocess_ended(p, &status)) {
            poll(&pfd, 1, -1);
        }
    }
}

/* A file in memory with 'content'. */
static int
memory_file(const char *content)
{
    int fd = memfd_create("input", 0);
    size_t written;

    if (fd < 0 || write_fully(fd, content, strlen(content), &written)
        || lseek(fd, 0, SEEK_SET)) {
        VLOG_FATAL("cannot make a file in memory: %s", ovs_strerror(errno));
    }
    return fd;
}

int
subprocess_run(const char *const argv[], const char *input, char **output)
{
    int input_fd = input ? memory_file(input) : -1;
    struct ds ds = DS_EMPTY_INITIALIZER;
    struct subprocess p;
    int fds[2], status;
    char buffer[4096];
    ssize_t n;

    xpipe(fds);
    if (start(&p, argv, input_fd, fds[1])) {
        status = -1;
        ds_put_format(&ds, "cannot start %s: %s", argv[0],
                      ovs_strerror(errno));
    }
    close(fds[1]);
    if (input) {
        close(input_fd);
    }
    while (p.pid && (n = read(fds[0], buffer, sizeof buffer)) != 0) {
        if (n > 0) {
            ds_put_buffer(&ds, buffer, n);
        }
    }
    close(fds[0]);
    if (p.pid) {
        waitpid(p.pid, &status, 0);
        close(p.fd);
        status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    ds_chomp(&ds, '\n');
    *output = ds_steal_cstr(&ds);
    return status;
}
