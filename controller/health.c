/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "health.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "controller/ovs-migrate-idl.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "openvswitch/list.h"
#include "openvswitch/poll-loop.h"
#include "random.h"
#include "socket-util.h"
#include "timeval.h"
#include "util.h"
#include "uuid.h"

/* Defaults, as ovs-migrate(5) has them, in milliseconds and times. */
#define INTERVAL_DEFAULT 2000
#define TIMEOUT_DEFAULT 1000
#define RISE_DEFAULT 2
#define FALL_DEFAULT 3

/* Checks that may be under way.  Others wait. */
#define OPEN_MAX_CHECKS 512

struct health_statistics health_statistics;

/* What a pool wants of a host. */
struct config {
    struct sockaddr_storage address;
    char *request;              /* To send; NULL: that it connects will do. */
    int interval, timeout;      /* Milliseconds. */
    int rise, fall;
};

struct check {
    struct hmap_node node;      /* In health's 'checks', by 'host'. */
    struct uuid pool, host;
    bool seen;
    struct config config;

    long long int next;         /* When it is to begin. */
    bool up;
    int streak;                 /* Results in a row that speak against 'up'. */
    char *why;                  /* What was wrong the last time, or NULL. */

    /* While it is under way. */
    struct ovs_list open_node;  /* In health's 'open'. */
    int fd;                     /* Else -1. */
    long long int deadline;
    bool connected;
    char answer[16];            /* "HTTP/1.1 200 " */
    size_t len;
};

struct health {
    const struct ovsdb_idl *idl;
    struct hmap checks;         /* Of "struct check"s. */
    struct ovs_list open;       /* Those under way, ... */
    size_t n_open;              /* ... and how many. */
    long long int next;         /* When another one is to begin. */
};

struct health *
health_create(const struct ovsdb_idl *idl)
{
    struct health *h = xzalloc(sizeof *h);

    h->idl = idl;
    hmap_init(&h->checks);
    ovs_list_init(&h->open);
    return h;
}

static void
close_check(struct health *h, struct check *c)
{
    if (c->fd >= 0) {
        close(c->fd);
        c->fd = -1;
        ovs_list_remove(&c->open_node);
        h->n_open--;
    }
}

static void
check_destroy(struct health *h, struct check *c)
{
    close_check(h, c);
    hmap_remove(&h->checks, &c->node);
    free(c->config.request);
    free(c->why);
    free(c);
}

void
health_destroy(struct health *h)
{
    struct check *c;

    if (h) {
        HMAP_FOR_EACH_SAFE (c, node, &h->checks) {
            check_destroy(h, c);
        }
        hmap_destroy(&h->checks);
        free(h);
    }
}

static struct check *
find_check(const struct health *h, const struct uuid *pool,
           const struct uuid *host)
{
    struct check *c;

    HMAP_FOR_EACH_WITH_HASH (c, node, uuid_hash(host), &h->checks) {
        if (uuid_equals(&c->host, host) && uuid_equals(&c->pool, pool)) {
            return c;
        }
    }
    return NULL;
}

/* What is to be checked. */

/* Makes 'config' of what the pool says. */
static bool
make_config(const struct omrec_pool *pool, const struct omrec_host *host,
            struct config *config)
{
    const char *address = host->check_address ? host->check_address : host->ip;
    struct sockaddr_storage *ss = &config->address;

    memset(config, 0, sizeof *config);
    if (!pool->check_port || !inet_parse_address(address, ss)) {
        return false;
    }
    if (ss->ss_family == AF_INET) {
        ALIGNED_CAST(struct sockaddr_in *, ss)->sin_port
            = htons(*pool->check_port);
    } else {
        ALIGNED_CAST(struct sockaddr_in6 *, ss)->sin6_port
            = htons(*pool->check_port);
    }
    if (!strcmp(pool->check, "http")) {
        bool v6 = ss->ss_family == AF_INET6;

        config->request = xasprintf(
            "GET %s HTTP/1.1\r\nHost: %s%s%s\r\nConnection: close\r\n"
            "User-Agent: ovs-migrate-controller\r\n\r\n",
            pool->check_path ? pool->check_path : "/", v6 ? "[" : "", address,
            v6 ? "]" : "");
    }
    config->interval = (pool->check_interval ? *pool->check_interval
                        : INTERVAL_DEFAULT);
    config->timeout = (pool->check_timeout ? *pool->check_timeout
                       : TIMEOUT_DEFAULT);
    config->rise = pool->check_rise ? *pool->check_rise : RISE_DEFAULT;
    config->fall = pool->check_fall ? *pool->check_fall : FALL_DEFAULT;
    return true;
}

static bool
is_same_config(const struct config *a, const struct config *b)
{
    return (!memcmp(&a->address, &b->address, sizeof a->address)
            && nullable_string_is_equal(a->request, b->request)
            && a->interval == b->interval && a->timeout == b->timeout
            && a->rise == b->rise && a->fall == b->fall);
}

static void
update_check(struct health *h, const struct omrec_pool *pool,
             const struct omrec_host *host)
{
    struct check *c = find_check(h, &pool->header_.uuid, &host->header_.uuid);
    struct config config;

    if (!make_config(pool, host, &config)) {
        return;
    }
    if (!c) {
        c = xzalloc(sizeof *c);
        c->pool = pool->header_.uuid;
        c->host = host->header_.uuid;
        c->up = true;
        c->fd = -1;
        hmap_insert(&h->checks, &c->node, uuid_hash(&c->host));
    }
    c->seen = true;
    if (is_same_config(&config, &c->config)) {
        free(config.request);
    } else {
        /* Not all of them at once. */
        close_check(h, c);
        free(c->config.request);
        c->config = config;
        c->streak = 0;
        c->next = time_msec() + random_range(config.interval);
        h->next = MIN(h->next, c->next);
    }
}

void
health_update(struct health *h)
{
    const struct omrec_pool *pool;
    struct check *c;

    OMREC_POOL_FOR_EACH (pool, h->idl) {
        for (size_t i = 0; pool->check && i < pool->n_hosts; i++) {
            update_check(h, pool, pool->key_hosts[i]);
        }
    }
    HMAP_FOR_EACH_SAFE (c, node, &h->checks) {
        if (!c->seen) {
            check_destroy(h, c);
        } else {
            c->seen = false;
        }
    }
}

/* Checking. */

/* The check is over; 'why' it failed, taken over, or NULL.  Returns whether
 * that makes the host up or down. */
static bool
end_check(struct health *h, struct check *c, char *why)
{
    close_check(h, c);
    free(c->why);
    c->why = why;
    if (why) {
        health_statistics.failed++;
    } else {
        health_statistics.succeeded++;
    }
    if (c->up == !why) {
        c->streak = 0;
    } else if (++c->streak >= (c->up ? c->config.fall : c->config.rise)) {
        c->up = !c->up;
        c->streak = 0;
        return true;
    }
    return false;
}

static bool
begin_check(struct health *h, struct check *c)
{
    const struct sockaddr_storage *ss = &c->config.address;
    int error = 0;

    c->fd = socket(ss->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC,
                   0);
    if (c->fd < 0) {
        return end_check(h, c, xstrdup(ovs_strerror(errno)));
    }
    ovs_list_push_back(&h->open, &c->open_node);
    h->n_open++;
    c->deadline = time_msec() + c->config.timeout;
    c->connected = false;
    c->len = 0;
    if (connect(c->fd, (const struct sockaddr *) ss, ss_length(ss))) {
        error = errno;
    }
    return (error && error != EINPROGRESS
            ? end_check(h, c, xstrdup(ovs_strerror(error))) : false);
}

/* Reads as much of the answer as matters.  Returns an error message, or NULL;
 * '*done' is whether that is all. */
static char *
read_status(struct check *c, bool *done)
{
    ssize_t n = recv(c->fd, c->answer + c->len,
                     sizeof c->answer - 1 - c->len, 0);
    int status;

    *done = false;
    if (n < 0) {
        return (errno == EAGAIN || errno == EINTR ? NULL
                : xstrdup(ovs_strerror(errno)));
    } else if (!n) {
        return xstrdup("no answer");
    }
    c->len += n;
    c->answer[c->len] = '\0';
    if (c->len < sizeof c->answer - 1) {
        return NULL;
    }
    *done = true;
    if (strncmp(c->answer, "HTTP/1.", 7)
        || !ovs_scan(c->answer + 8, " %d", &status)) {
        return xstrdup("the answer is not HTTP/1");
    }
    return (status >= 200 && status < 400 ? NULL
            : xasprintf("status %d", status));
}

/* Goes on with a check whose socket is ready. */
static bool
run_check(struct health *h, struct check *c)
{
    bool done = false;
    char *why;

    if (!c->connected) {
        int error = check_connection_completion(c->fd);

        if (error == EAGAIN) {
            return false;
        } else if (error) {
            return end_check(h, c, xstrdup(ovs_strerror(error)));
        } else if (!c->config.request) {
            return end_check(h, c, NULL);
        }
        c->connected = true;
        /* It is short: a new connection takes it as a whole. */
        if (send(c->fd, c->config.request, strlen(c->config.request),
                 MSG_NOSIGNAL) < 0) {
            return end_check(h, c, xstrdup(ovs_strerror(errno)));
        }
        return false;
    }
    why = read_status(c, &done);
    return why || done ? end_check(h, c, why) : false;
}

/* Goes on with all that are under way. */
static bool
run_open(struct health *h)
{
    struct pollfd *fds = xmalloc(h->n_open * sizeof *fds);
    bool changed = false;
    struct check *c;
    size_t n = 0;

    LIST_FOR_EACH (c, open_node, &h->open) {
        fds[n].fd = c->fd;
        fds[n].revents = 0;
        fds[n++].events = c->connected ? POLLIN : POLLOUT;
    }
    if (n) {
        poll(fds, n, 0);
    }
    n = 0;
    LIST_FOR_EACH_SAFE (c, open_node, &h->open) {
        if (fds[n++].revents) {
            changed |= run_check(h, c);
        } else if (time_msec() >= c->deadline) {
            changed |= end_check(h, c, xstrdup(c->connected
                                               ? "no answer in time"
                                               : "no connection in time"));
        }
    }
    free(fds);
    return changed;
}

/* Begins those whose time has come. */
static bool
run_due(struct health *h)
{
    long long int now = time_msec();
    bool changed = false;
    struct check *c;

    if (now < h->next) {
        return false;
    }
    h->next = LLONG_MAX;
    HMAP_FOR_EACH (c, node, &h->checks) {
        if (c->fd < 0 && now >= c->next && h->n_open < OPEN_MAX_CHECKS) {
            c->next = now + c->config.interval;
            changed |= begin_check(h, c);
        }
        /* One that takes longer than its interval, or that there is no room
         * for, is looked at again soon. */
        h->next = MIN(h->next, MAX(c->next, now + 10));
    }
    return changed;
}

bool
health_run(struct health *h)
{
    bool changed = run_open(h);
    const struct check *c;

    changed |= run_due(h);
    LIST_FOR_EACH (c, open_node, &h->open) {
        poll_fd_wait(c->fd, c->connected ? POLLIN : POLLOUT);
        poll_timer_wait_until(c->deadline);
    }
    if (!hmap_is_empty(&h->checks)) {
        poll_timer_wait_until(h->next);
    }
    return changed;
}

bool
health_is_up(const struct health *h, const struct uuid *pool,
             const struct uuid *host, const char **why)
{
    const struct check *c = find_check(h, pool, host);

    if (why) {
        *why = c ? c->why : NULL;
    }
    return !c || c->up;
}

void
health_put_down(const struct health *h, const struct uuid *host,
                struct ds *ds)
{
    const struct check *c;

    HMAP_FOR_EACH_WITH_HASH (c, node, uuid_hash(host), &h->checks) {
        const struct omrec_pool *pool
            = omrec_pool_get_for_uuid(h->idl, &c->pool);

        if (uuid_equals(&c->host, host) && !c->up && pool) {
            ds_put_format(ds, "%s%s", ds->length ? "," : "", pool->name);
        }
    }
}
