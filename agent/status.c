/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "status.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "log.h"
#include "util.h"

/* Fills in 'sun'.  The path is relative to the directory of 'rd' through
 * /proc where it would not fit. */
static bool
socket_name(const struct rundir *rd, struct sockaddr_un *sun)
{
    memset(sun, 0, sizeof *sun);
    sun->sun_family = AF_UNIX;
    return snprintf(sun->sun_path, sizeof sun->sun_path, "%s", rd->control)
           < (int) sizeof sun->sun_path;
}

int
status_listen(const struct rundir *rd)
{
    struct sockaddr_un sun;
    int fd;

    if (!socket_name(rd, &sun)) {
        return -ENAMETOOLONG;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    unlink(sun.sun_path);
    if (bind(fd, (struct sockaddr *) &sun, sizeof sun) || listen(fd, 8)) {
        int error = errno;

        close(fd);
        return -error;
    }
    return fd;
}

/* Prints 'value' as lines of "name: value", nested ones indented. */
static void
print_text(FILE *stream, const char *name, json_t *value, int depth)
{
    const char *key;
    json_t *member;
    size_t i;

    fprintf(stream, "%*s%s:", depth * 4, "", name);
    if (json_is_object(value)) {
        fputc('\n', stream);
        json_object_foreach(value, key, member) {
            print_text(stream, key, member, depth + 1);
        }
    } else if (json_is_array(value)) {
        fputc('\n', stream);
        json_array_foreach(value, i, member) {
            char index[24];

            snprintf(index, sizeof index, "%zu", i + 1);
            print_text(stream, index, member, depth + 1);
        }
    } else if (json_is_string(value)) {
        fprintf(stream, " %s\n", json_string_value(value));
    } else {
        fprintf(stream, " %lld\n", (long long) json_integer_value(value));
    }
}

static void
reply(FILE *stream, json_t *status, bool json)
{
    const char *key;
    json_t *member;

    if (json) {
        json_dumpf(status, stream, JSON_INDENT(2));
        fputc('\n', stream);
        return;
    }
    json_object_foreach(status, key, member) {
        print_text(stream, key, member, 0);
    }
}

void
status_run(int fd, json_t *(*make)(void *aux), void *aux)
{
    /* Root only can connect; even so nobody may hold the agent up. */
    struct timeval patience = { .tv_usec = 100000 };
    int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    char command[32] = "";
    FILE *stream;
    ssize_t n;

    if (conn < 0) {
        return;
    }
    setsockopt(conn, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(conn, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    n = recv(conn, command, sizeof command - 1, 0);
    stream = n > 0 ? fdopen(conn, "w") : NULL;
    if (!stream) {
        close(conn);
        return;
    }
    command[strcspn(command, "\r\n")] = '\0';
    if (!strcmp(command, "status") || !strcmp(command, "status json")) {
        json_t *status = make(aux);

        reply(stream, status, command[6] != '\0');
        json_decref(status);
    } else {
        fprintf(stream, "unknown command; there are \"status\" and \"status "
                "json\"\n");
    }
    fclose(stream);
}

/* Sends 'command' to the agent, if one runs, and returns the socket that the
 * answer comes from, or a negative errno. */
static int
ask(const struct rundir *rd, const char *command)
{
    struct timeval patience = { .tv_sec = 2 };
    struct sockaddr_un sun;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int error;

    if (fd < 0) {
        return -errno;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    errno = ENAMETOOLONG;
    if (socket_name(rd, &sun)
        && !connect(fd, (struct sockaddr *) &sun, sizeof sun)
        && send(fd, command, strlen(command), MSG_NOSIGNAL) >= 0) {
        return fd;
    }
    error = errno;
    close(fd);
    return -error;
}

json_t *
status_get(const struct rundir *rd)
{
    int fd = ask(rd, "status json\n");
    json_t *status;

    if (fd < 0) {
        return NULL;
    }
    status = json_loadfd(fd, 0, NULL);
    close(fd);
    return status;
}

int
status_ask(const struct rundir *rd, bool json)
{
    int fd = ask(rd, json ? "status json\n" : "status\n");
    char buf[4096];
    ssize_t n;

    if (fd < 0) {
        log_error("%s: no agent answers: %s; start it, or look for it in "
                  "another network namespace or --run-dir", rd->control,
                  strerror(-fd));
        return EXIT_SYSTEM;
    }
    while ((n = recv(fd, buf, sizeof buf, 0)) > 0) {
        fwrite(buf, 1, n, stdout);
    }
    close(fd);
    return 0;
}
