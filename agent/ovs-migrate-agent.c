/* SPDX-License-Identifier: Apache-2.0 */

/* ovs-migrate-agent: receives migrated connections on a host.
 *
 * The work is done in the kernel, by the programs in bpf/.  The daemon puts
 * them there, tells switches what became of their connections, and clears up.
 * It may die or be replaced at any time: live connections do not notice. */

#include <config.h>

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "agent.h"
#include "lib/address.h"
#include "log.h"
#include "netlink.h"
#include "options.h"
#include "privileges.h"
#include "require.h"
#include "status.h"
#include "udp.h"
#include "util.h"

#define WATCH_PERIOD 5000           /* ms between looks at the attachments. */

static int
open_signals(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* The interface's own addresses, for as long as no HELLO says better. */
static void
find_own_addresses(struct migrator *m)
{
    struct ifaddrs *all, *a;

    if (getifaddrs(&all)) {
        return;
    }
    for (a = all; a; a = a->ifa_next) {
        if (!a->ifa_addr || strcmp(a->ifa_name, m->interface)) {
            continue;
        }
        if (a->ifa_addr->sa_family == AF_INET && !m->config.own_v4) {
            struct sockaddr_in *sin = (void *) a->ifa_addr;

            m->config.own_v4 = sin->sin_addr.s_addr;
        } else if (a->ifa_addr->sa_family == AF_INET6
                   && !m->config.own_v6.byte[0]) {
            struct sockaddr_in6 *sin6 = (void *) a->ifa_addr;

            memcpy(&m->config.own_v6, &sin6->sin6_addr,
                   sizeof m->config.own_v6);
        }
    }
    freeifaddrs(all);
    migrator_set_config(m);
}

static bool
read_keys(struct agent *agent)
{
    char *problem = keyring_read(agent->options.key_file, &agent->keyring);

    if (problem) {
        log_error("%s", problem);
        free(problem);
        return false;
    }
    return true;
}

/* Opens everything; returns 0 or an exit status. */
static int
agent_open(struct agent *agent)
{
    const struct options *o = &agent->options;
    int status;

    if (!require_all(o->interface) || !read_keys(agent)) {
        return EXIT_MISSING;
    }
    status = rundir_open(&agent->rundir);
    if (status) {
        return status;
    }
    status = migrator_open(&agent->migrator, o->interface, &agent->rundir,
                           o->max_connections, events_take, &agent->events);
    if (status) {
        return status;
    }
    agent->udp_fd = udp_open(o->interface);
    if (agent->udp_fd < 0) {
        log_error("UDP port %d of %s: %s; is something else there? (\"ss "
                  "-ulnp\")", MIGRATE_PORT, o->interface,
                  strerror(-agent->udp_fd));
        return EXIT_SYSTEM;
    }
    status = migrator_guard(&agent->migrator, agent->udp_fd);
    if (status) {
        log_error("cannot attach a filter to a socket: %s", strerror(-status));
        return EXIT_SYSTEM;
    }
    agent->control_fd = status_listen(&agent->rundir);
    if (agent->control_fd < 0) {
        log_error("%s: cannot listen: %s", agent->rundir.control,
                  strerror(-agent->control_fd));
        return EXIT_SYSTEM;
    }
    agent->signal_fd = open_signals();
    return 0;
}

static int
agent_start(struct agent *agent)
{
    struct migrator *m = &agent->migrator;
    int status;

    find_own_addresses(m);
    migrator_set_keys(m, &agent->keyring);
    switches_init(&agent->switches, m);
    reports_init(&agent->reports, agent->udp_fd, m->config.epoch,
                 &agent->keyring, &agent->switches);
    services_init(&agent->services, m);
    reaper_init(&agent->reaper, m, &agent->reports, &agent->services,
                &agent->switches);
    news_init(&agent->news, agent->udp_fd, m, &agent->keyring,
              &agent->switches);
    events_init(&agent->events, m, &agent->reports, &agent->reaper,
                &agent->news);
    peers_init(&agent->peers, agent->udp_fd, m, &agent->reports,
               &agent->services, &agent->switches, &agent->news,
               &agent->keyring);
    status = migrator_attach(m, &agent->rundir);
    return status || privileges_drop() ? status : EXIT_SYSTEM;
}

/* Returns whether to go on. */
static bool
handle_signals(struct agent *agent)
{
    struct signalfd_siginfo info;

    while (read(agent->signal_fd, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo != SIGHUP) {
            return false;
        }
        if (read_keys(agent)) {
            migrator_set_keys(&agent->migrator, &agent->keyring);
            log_info("%s: read again, %u key%s", agent->options.key_file,
                     agent->keyring.n, agent->keyring.n > 1 ? "s" : "");
        }
    }
    return true;
}

/* Somebody may have removed the qdisc, or the interface.  Returns false if
 * there is nothing left to do here. */
static bool
watch(struct agent *agent)
{
    struct migrator *m = &agent->migrator;

    if (time_msec() < agent->next_watch) {
        return true;
    }
    agent->next_watch = time_msec() + WATCH_PERIOD;
    if (migrator_is_attached(m)) {
        return true;
    }
    if ((int) if_nametoindex(m->interface) != m->ifindex) {
        log_error("%s: the interface is gone; start the agent again once it "
                  "is back", m->interface);
        return false;
    }
    log_warn("%s: somebody removed the agent's programs; attaching them "
             "again", m->interface);
    return !migrator_attach(m, &agent->rundir);
}

/* Returns an exit status. */
static int
agent_loop(struct agent *agent)
{
    struct pollfd fds[] = {
        { .fd = agent->signal_fd, .events = POLLIN },
        { .fd = agent->udp_fd, .events = POLLIN },
        { .fd = agent->control_fd, .events = POLLIN },
        { .fd = migrator_event_fd(&agent->migrator), .events = POLLIN },
    };

    do {
        int64_t wait, watch_in, news_in, timeout = events_run(&agent->events);

        if (peers_run(&agent->peers)) {
            timeout = 0;
        }
        news_run(&agent->news);
        status_run(agent->control_fd, agent_status, agent);
        reaper_run(&agent->reaper);
        if (!watch(agent)) {
            return EXIT_SYSTEM;
        }
        wait = reaper_deadline(&agent->reaper) - time_msec();
        watch_in = agent->next_watch - time_msec();
        news_in = news_deadline(&agent->news) - time_msec();
        wait = watch_in < wait ? watch_in : wait;
        wait = news_in < wait ? news_in : wait;
        wait = wait < 0 ? 0 : wait;
        timeout = timeout < 0 || wait < timeout ? wait : timeout;
        poll(fds, ARRAY_SIZE(fds), timeout);
    } while (handle_signals(agent));
    log_info("leaving; connections go on without the agent, new ones should "
             "go elsewhere until it is back (--cleanup removes all)");
    return 0;
}

static void
agent_close(struct agent *agent)
{
    peers_destroy(&agent->peers);
    news_destroy(&agent->news);
    reports_destroy(&agent->reports);
    services_destroy(&agent->services);
    switches_destroy(&agent->switches);
    reaper_destroy(&agent->reaper);
    migrator_close(&agent->migrator);
}

static void
forget_service(const struct migrate_address *address)
{
    netlink_delete_local(address);
}

static int
cleanup(struct agent *agent)
{
    int status = rundir_open(&agent->rundir);

    if (status) {
        return status;
    }
    status = migrator_cleanup(agent->options.interface, &agent->rundir,
                              forget_service);
    if (!status) {
        rundir_remove(&agent->rundir);
        log_info("removed all that an agent left here");
    }
    return status;
}

static int
run(struct agent *agent)
{
    int status = agent_open(agent);

    status = status ? status : agent_start(agent);
    if (!status) {
        if (agent->options.detach) {
            if (daemon(0, 0)) {
                log_error("cannot detach: %s", strerror(errno));
                return EXIT_SYSTEM;
            }
            log_to_syslog();
        }
        rundir_set_pid(&agent->rundir);
        log_info("ready: %u connections at most%s",
                 agent->migrator.capacity, agent->migrator.inherited
                 ? ", with those that an earlier agent left" : "");
        status = agent_loop(agent);
        unlink(agent->rundir.control);
    }
    agent_close(agent);
    return status;
}

int
main(int argc, char *argv[])
{
    static struct agent agent;
    int error;

    options_parse(&agent.options, argc, argv);
    log_init("ovs-migrate-agent", agent.options.interface);
    agent.started = time_msec();
    error = rundir_name(&agent.rundir, agent.options.run_dir,
                        agent.options.interface);
    if (error) {
        log_error("%s: cannot use as run directory: %s",
                  agent.options.run_dir, strerror(error));
        return EXIT_SYSTEM;
    }
    switch (agent.options.action) {
    case ACTION_STATUS:
        return status_ask(&agent.rundir, agent.options.json);
    case ACTION_CLEANUP:
        return cleanup(&agent);
    case ACTION_PREPARE:
        return rundir_prepare(&agent.rundir);
    case ACTION_RUN:
    default:
        return run(&agent);
    }
}
