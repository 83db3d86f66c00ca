/* SPDX-License-Identifier: Apache-2.0 */

/* ovs-migrate-agent-register: registers a host's agent with the controller.
 *
 * This is a process of its own, without a capability, because it speaks to the
 * network what is hard to read: TLS, HTTP and JSON.  What it has to do with the
 * agent is no more than what any user root has: the key file, SIGHUP, and the
 * control socket.  Without it, and without a controller, the agent goes on by
 * the keys that it has. */

#include <config.h>

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "controller.h"
#include "key-file.h"
#include "lib/address.h"
#include "load.h"
#include "log.h"
#include "privileges.h"
#include "rundir.h"
#include "status.h"
#include "util.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "0"
#endif

#define INTERVAL_MSEC 1000      /* Unless the controller wants another one. */
#define AGAIN_MSEC 100          /* After the host was created. */
#define ADDRESSES_MAX 64        /* More the controller does not take. */

static struct {
    struct rest_options rest;
    const char *interface;
    const char *key_file;       /* Or NULL: keys do not matter. */
    const char *name;
    const char *ip;             /* Or NULL: the interface's. */
    const char *run_dir;
} options = { .run_dir = RUNDIR_DEFAULT };

static volatile bool stop;

static void
on_signal(int number)
{
    (void) number;
    stop = true;
}

/* The command line. */

static void
print_help(void)
{
    printf("ovs-migrate-agent-register: registers a host's agent with the "
           "controller\n"
           "usage: ovs-migrate-agent-register --interface IF --controller "
           "URL[,URL]...\n"
           "           --token-file FILE [OPTION]...\n"
           "\n"
           "  --interface IF       the agent's\n"
           "  --controller URLS    such as https://10.0.9.1:7443; the first "
           "active one counts\n"
           "  --token-file FILE    has a token with the role \"agent\"\n"
           "  --ca-file FILE       certificates that the controllers' may be "
           "signed with\n"
           "  --key-file FILE      keep the fabric's keys there, for the "
           "agent\n"
           "  --name NAME          the host's; default: that of the machine\n"
           "  --ip ADDRESS         the host's; default: the interface's "
           "first\n"
           "  --run-dir DIR        the agent's; default: %s\n"
           "  -h, --help           print this\n"
           "  -V, --version        print the version\n", RUNDIR_DEFAULT);
}

static void __attribute__((noreturn, format(printf, 1, 2)))
refuse(const char *format, ...)
{
    va_list args;

    fputs("ovs-migrate-agent-register: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputs("; see --help\n", stderr);
    exit(EXIT_COMMAND_LINE);
}

/* Reads the token, the only word in 'file_name'. */
static const char *
read_token(const char *file_name)
{
    static char token[257];
    FILE *stream = fopen(file_name, "re");
    struct stat s;

    if (!stream || fstat(fileno(stream), &s)) {
        refuse("%s: %s", file_name, strerror(errno));
    } else if (s.st_mode & 077) {
        refuse("%s: others than its owner may read it: \"chmod 600\" it",
               file_name);
    } else if (fscanf(stream, "%256s", token) != 1) {
        refuse("%s: there is no token in it", file_name);
    }
    fclose(stream);
    return token;
}

static const char *
machine_name(void)
{
    static char name[256];

    if (gethostname(name, sizeof name - 1) || !name[0]) {
        refuse("cannot tell the name of the machine: give --name");
    }
    return name;
}

/* Whether 'name' can be that of a host, and so part of a URL. */
static bool
is_name(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz"
                      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");

    return n && n <= 63 && !name[n] && name[0] != '.' && name[0] != '-'
           && name[0] != '_';
}

static void
parse_options(int argc, char *argv[])
{
    enum { OPT_INTERFACE = 256, OPT_CONTROLLER, OPT_TOKEN_FILE, OPT_CA_FILE,
           OPT_KEY_FILE, OPT_NAME, OPT_IP, OPT_RUN_DIR };
    static const struct option long_options[] = {
        { "interface", required_argument, NULL, OPT_INTERFACE },
        { "controller", required_argument, NULL, OPT_CONTROLLER },
        { "token-file", required_argument, NULL, OPT_TOKEN_FILE },
        { "ca-file", required_argument, NULL, OPT_CA_FILE },
        { "key-file", required_argument, NULL, OPT_KEY_FILE },
        { "name", required_argument, NULL, OPT_NAME },
        { "ip", required_argument, NULL, OPT_IP },
        { "run-dir", required_argument, NULL, OPT_RUN_DIR },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
    };
    const char *token_file = NULL;
    int c;

    while ((c = getopt_long(argc, argv, "hV", long_options, NULL)) != -1) {
        switch (c) {
        case OPT_INTERFACE: options.interface = optarg; break;
        case OPT_CONTROLLER: options.rest.urls = optarg; break;
        case OPT_TOKEN_FILE: token_file = optarg; break;
        case OPT_CA_FILE: options.rest.ca_file = optarg; break;
        case OPT_KEY_FILE: options.key_file = optarg; break;
        case OPT_NAME: options.name = optarg; break;
        case OPT_IP: options.ip = optarg; break;
        case OPT_RUN_DIR: options.run_dir = optarg; break;
        case 'h':
            print_help();
            exit(0);
        case 'V':
            puts("ovs-migrate-agent-register " PACKAGE_VERSION);
            exit(0);
        default:
            exit(EXIT_COMMAND_LINE);
        }
    }
    if (optind < argc) {
        refuse("%s: unexpected argument", argv[optind]);
    } else if (!options.interface || strchr(options.interface, '/')) {
        refuse("--interface is missing, or not the name of one");
    } else if (!options.rest.urls || !*options.rest.urls) {
        refuse("--controller is missing");
    } else if (!token_file) {
        refuse("--token-file is missing");
    }
    options.rest.token = read_token(token_file);
    options.name = options.name ? options.name : machine_name();
    if (!is_name(options.name)) {
        refuse("\"%s\": not a name for a host: give --name", options.name);
    }
}

/* What there is to say. */

/* The interface's first addresses, but those that others cannot use. */
static json_t *
find_addresses(void)
{
    json_t *all = json_array();
    struct ifaddrs *list, *a;

    if (getifaddrs(&list)) {
        return all;
    }
    for (a = list; a && json_array_size(all) < ADDRESSES_MAX;
         a = a->ifa_next) {
        char text[INET6_ADDRSTRLEN];
        const void *address;

        if (!a->ifa_addr || strcmp(a->ifa_name, options.interface)) {
            continue;
        } else if (a->ifa_addr->sa_family == AF_INET) {
            address = &((struct sockaddr_in *) (void *) a->ifa_addr)->sin_addr;
        } else if (a->ifa_addr->sa_family == AF_INET6) {
            address = &((struct sockaddr_in6 *) (void *)
                        a->ifa_addr)->sin6_addr;
            if (IN6_IS_ADDR_LINKLOCAL(address)) {
                continue;
            }
        } else {
            continue;
        }
        inet_ntop(a->ifa_addr->sa_family, address, text, sizeof text);
        json_array_append_new(all, json_string(text));
    }
    freeifaddrs(list);
    return all;
}

static void
set_number(json_t *body, const char *name, json_int_t number)
{
    if (number >= 0) {
        json_object_set_new(body, name, json_integer(number));
    }
}

/* All of it; 'status' is the agent's, or NULL. */
static json_t *
describe(const json_t *status, struct load_ticks *ticks)
{
    json_t *addresses = find_addresses();
    const char *first = json_string_value(json_array_get(addresses, 0));
    struct utsname system;
    json_t *body;

    uname(&system);
    body = json_pack("{s:s, s:s, s:s, s:s, s:o}",
                     "ip", options.ip ? options.ip : first ? first : "",
                     "state", stop ? "leaving" : status ? "up" : "stopped",
                     "version", PACKAGE_VERSION, "kernel", system.release,
                     "addresses", addresses);
    set_number(body, "cpu", load_cpu(ticks));
    set_number(body, "accept_queue", load_accept_queue());
    if (status) {
        set_number(body, "connections", json_integer_value(
            json_object_get(status, "connections")));
    }
    return body;
}

/* The agent reads its key file again. */
static void
tell_agent(const json_t *status)
{
    pid_t pid = json_integer_value(json_object_get(status, "pid"));

    if (pid > 1 && kill(pid, SIGHUP)) {
        log_error("cannot signal the agent, process %ld: %s", (long) pid,
                  strerror(errno));
    }
}

/* Says how the agent is, and does what the controller says.  Returns the
 * milliseconds until the next time. */
static int
report(const struct rundir *rd, struct load_ticks *ticks)
{
    json_t *status = status_get(rd);
    json_t *body = describe(status, ticks);
    char *path = xasprintf("/v1/agents/%s", options.name);
    json_t *answer;
    long code = controller_post(path, body, &answer);
    json_t *keys = json_object_get(answer, "keys");
    int wait = json_integer_value(json_object_get(answer, "interval"));
    bool changed = false;

    if (code == 200 && keys && options.key_file && !stop
        && key_file_put(options.key_file, keys, &changed) && changed) {
        log_info("%s: has the fabric's keys", options.key_file);
        if (status) {
            tell_agent(status);
        }
    }
    free(path);
    json_decref(answer);
    json_decref(body);
    json_decref(status);
    return (code == 201 ? AGAIN_MSEC
            : wait >= 100 && wait <= 60000 ? wait : INTERVAL_MSEC);
}

int
main(int argc, char *argv[])
{
    struct sigaction action = { .sa_handler = on_signal };
    struct load_ticks ticks = { 0, 0 };
    struct rundir rd;
    int error;

    parse_options(argc, argv);
    log_init("ovs-migrate-agent-register", options.interface);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    error = rundir_name(&rd, options.run_dir, options.interface);
    if (error) {
        log_error("%s: cannot use as run directory: %s", options.run_dir,
                  strerror(error));
        return EXIT_SYSTEM;
    } else if (!privileges_drop_all()) {
        return EXIT_SYSTEM;
    }
    controller_init(&options.rest);
    while (!stop) {
        poll(NULL, 0, report(&rd, &ticks));
    }
    report(&rd, &ticks);
    return 0;
}
