/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "database.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dirs.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "process.h"
#include "schema.h"
#include "socket-util.h"
#include "stream.h"
#include "subprocess.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(database);

#define RESTART_MSEC 250        /* Least time between two starts. */
#define START_MSEC 5000         /* To wait for the first one at most. */

struct database {
    char *remote;
    char *file;                 /* NULL: somebody else runs it. */
    struct subprocess server;
    long long int started;      /* When the server last was. */
};

/* Runs ovsdb-tool's 'command' on 'file', unless that is NULL, and, unless it
 * is "db-version", our schema.  Returns what it printed if that succeeds, and
 * NULL and '*error' if not. */
static char *
tool(const char *command, const char *file, char **error)
{
    const char *argv[] = { "ovsdb-tool", "-vsyslog:off", "-vconsole:off",
                           command, NULL, NULL, NULL };
    size_t n = 4;
    char *output;

    if (file) {
        argv[n++] = file;
    }
    if (strcmp(command, "db-version")) {
        argv[n++] = "/dev/fd/3";
    }
    if (!subprocess_run(argv, schema_text, &output)) {
        return output;
    }
    *error = xasprintf("%s: \"ovsdb-tool %s\" fails: %s",
                       file ? file : "the schema", command, output);
    free(output);
    return NULL;
}

static bool
copy_file(const char *from, const char *to, char **error)
{
    const char *argv[] = { "cp", "--", from, to, NULL };
    char *output;
    int status = subprocess_run(argv, NULL, &output);

    if (status) {
        *error = xasprintf("%s: cannot keep a copy before conversion: %s",
                           from, output);
    }
    free(output);
    return !status;
}

/* Converts 'file' from schema version 'version'. */
static bool
convert(const char *file, const char *version, char **error)
{
    char *copy = xasprintf("%s.backup-%s", file, version);
    char *output = NULL;

    if (copy_file(file, copy, error)) {
        output = tool("convert", file, error);
        if (output) {
            VLOG_INFO("%s: converted from schema version %s; the file as it "
                      "was is kept as %s", file, version, copy);
        }
    }
    free(copy);
    free(output);
    return output != NULL;
}

/* Whether 'a' is a later version of a schema than 'b'. */
static bool
is_later(const char *a, const char *b)
{
    const char *argv[] = { "ovsdb-tool", "-vsyslog:off", "compare-versions",
                           a, ">", b, NULL };
    char *output;
    int status = subprocess_run(argv, NULL, &output);

    free(output);
    return !status;
}

/* Converts 'file' if it has another schema than ours.  Does not if that is a
 * later one: converting would drop what we know nothing of. */
static bool
convert_if_needed(const char *file, char **error)
{
    char *needed = tool("needs-conversion", file, error);
    char *theirs = needed ? tool("db-version", file, error) : NULL;
    char *ours = theirs ? tool("schema-version", NULL, error) : NULL;
    bool ok = ours != NULL;

    if (ok && !strcmp(needed, "yes")) {
        if (is_later(theirs, ours)) {
            *error = xasprintf("%s: has schema version %s, this controller "
                               "knows %s; install the later controller again, "
                               "or bring back a copy of before it "
                               "(%s.backup-%s)", file, theirs, ours, file,
                               ours);
            ok = false;
        } else {
            ok = convert(file, theirs, error);
        }
    }
    free(needed);
    free(theirs);
    free(ours);
    return ok;
}

/* Sees to it that 'file' is a database with our schema. */
static bool
prepare(const char *file, char **error)
{
    struct stat s;

    if (!stat(file, &s)) {
        return convert_if_needed(file, error);
    } else if (errno != ENOENT) {
        *error = xasprintf("%s: %s", file, ovs_strerror(errno));
        return false;
    } else {
        char *output = tool("create", file, error);

        if (output) {
            VLOG_INFO("%s: created", file);
        }
        free(output);
        return output != NULL;
    }
}

static void
start(struct database *db)
{
    char *remote = xasprintf("--remote=p%s", db->remote);
    char *unixctl = xasprintf("--unixctl=%s/ovs-migrate-db.ctl",
                              ovs_rundir());
    const char *argv[] = { "ovsdb-server", remote, unixctl, "-vconsole:warn",
                           "-vsyslog:warn", "-vfatal_signal:err", db->file,
                           NULL };
    int error;

    db->started = time_msec();
    error = subprocess_start(&db->server, argv);
    if (error) {
        VLOG_ERR("cannot start ovsdb-server: %s", ovs_strerror(error));
    }
    free(remote);
    free(unixctl);
}

/* Whether somebody listens at 'remote', a "unix:" one. */
static bool
answers(const char *remote)
{
    int fd = make_unix_socket(SOCK_STREAM, true, NULL,
                              remote + strlen("unix:"));

    if (fd >= 0) {
        close(fd);
    }
    return fd >= 0;
}

struct database *
database_open_private(const char *file, char **error)
{
    struct database *db;

    if (!prepare(file, error)) {
        return NULL;
    }
    db = xzalloc(sizeof *db);
    db->file = xstrdup(file);
    db->remote = xasprintf("unix:%s/ovs-migrate-db.sock", ovs_rundir());
    start(db);
    while (!answers(db->remote) && time_msec() < db->started + START_MSEC) {
        database_run(db);
        poll(NULL, 0, 5);
    }
    return db;
}

struct database *
database_open_remote(const char *remote, char **error)
{
    struct database *db;
    size_t len;

    for (const char *p = remote; ; p += len + 1) {
        char *one;
        bool ok;

        len = strcspn(p, ",");
        one = xmemdup0(p, len);
        ok = !stream_verify_name(one);
        if (!ok) {
            *error = xasprintf("--db=%s: \"%s\" is no active connection "
                               "method of ovsdb(7), such as unix:FILE, "
                               "tcp:IP:PORT or ssl:IP:PORT", remote, one);
        }
        free(one);
        if (!ok) {
            return NULL;
        } else if (!p[len]) {
            break;
        }
    }
    db = xzalloc(sizeof *db);
    db->remote = xstrdup(remote);
    return db;
}

void
database_close(struct database *db)
{
    if (db) {
        subprocess_stop(&db->server);
        free(db->file);
        free(db->remote);
        free(db);
    }
}

void
database_run(struct database *db)
{
    int status;

    if (!db->file) {
        return;
    }
    if (subprocess_ended(&db->server, &status)) {
        static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);
        char *text = process_status_msg(status);

        VLOG_WARN_RL(&rl, "ovsdb-server has ended (%s); starting it again", text);
        free(text);
    }
    if (!db->server.pid && time_msec() >= db->started + RESTART_MSEC) {
        start(db);
    }
}

void
database_wait(struct database *db)
{
    subprocess_wait(&db->server);
    if (db->file && !db->server.pid) {
        poll_timer_wait_until(db->started + RESTART_MSEC);
    }
}

const char *
database_remote(const struct database *db)
{
    return db->remote;
}

void
database_sync(const struct database *db)
{
    int fd;

    if (!db->file) {
        return;
    }
    /* It may have been replaced by a compacted one since, which is synced
     * already. */
    fd = open(db->file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fdatasync(fd)) {
        VLOG_WARN("%s: cannot sync: %s", db->file, ovs_strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
}
