/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "api.h"
#include "output.h"
#include "rest-client.h"
#include "util.h"

static const char *
text_of(const json_t *object, const char *name, const char *none)
{
    const char *s = json_string_value(json_object_get(object, name));

    return s ? s : none;
}

/* A number, which in a status is a string. */
static long long
number_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return (json_is_string(value) ? atoll(json_string_value(value))
            : json_integer_value(value));
}

/* Events. */

static bool watch_json;

static void
print_event(const json_t *event)
{
    if (watch_json) {
        char *line = json_dumps(event, JSON_COMPACT);

        puts(line);
        free(line);
    } else {
        char *when = time_text(number_of(event, "time"));
        char *text = member_text(event, "text");

        printf("%s  %-7s  %s\n", when, text_of(event, "severity", ""), text);
        free(text);
        free(when);
    }
    fflush(stdout);
}

void
live_watch(bool json)
{
    json_int_t after = -1;
    bool first = true;

    watch_json = json;
    for (;; first = false) {
        if (!first) {
            sleep(1);
        }
        api_follow(&after, print_event);
    }
}

/* The table. */

#define SERVICES_MAX 1024

/* Switches tell of handoffs every 5 seconds, each at another time.  So a rate
 * is of the time between two changes, in which all have told once. */
#define ROUND 4.5
#define CHANGES_MAX 8           /* At most one a second. */

/* Handoffs of a service, whenever they had changed, the latest ones. */
struct history {
    char *name;
    struct change {
        double when;
        long long handoffs;
    } changes[CHANGES_MAX];
    size_t n;
};
static struct history histories[SERVICES_MAX];
static size_t n_histories;

/* The history of service 'name', or NULL if there are too many. */
static struct history *
find_history(const char *name)
{
    for (size_t i = 0; i < n_histories; i++) {
        if (!strcmp(histories[i].name, name)) {
            return &histories[i];
        }
    }
    if (n_histories == SERVICES_MAX) {
        return NULL;
    }
    histories[n_histories].name = xasprintf("%s", name);
    return &histories[n_histories++];
}

static void
note_handoffs(struct history *h, long long handoffs, double when)
{
    if (h->n && h->changes[h->n - 1].handoffs == handoffs) {
        return;
    } else if (h->n == CHANGES_MAX) {
        memmove(h->changes, h->changes + 1,
                sizeof h->changes - sizeof h->changes[0]);
        h->n--;
    }
    h->changes[h->n++] = (struct change) { when, handoffs };
}

/* How many there are in a second; less than 0: that is not known yet. */
static double
rate(const struct history *h, double when)
{
    const struct change *last = &h->changes[h->n - 1];

    if (when - last->when > 2 * ROUND) {
        return 0;
    }
    for (size_t i = h->n - 1; i-- > 0; ) {
        const struct change *c = &h->changes[i];

        if (last->when - c->when >= ROUND) {
            return (last->handoffs > c->handoffs
                    ? (last->handoffs - c->handoffs) / (last->when - c->when)
                    : 0);
        }
    }
    return -1;
}

/* The rate for service 'name', of which there were 'handoffs' up to now. */
static char *
rate_text(const char *name, long long handoffs, double when)
{
    struct history *h = find_history(name);
    double r = -1;

    if (h) {
        note_handoffs(h, handoffs, when);
        r = rate(h, when);
    }
    return r < 0 ? xasprintf("-") : xasprintf("%.0f", r);
}

static int
compare_connections(const void *a_, const void *b_)
{
    const json_t *const *a = a_, *const *b = b_;
    long long x = number_of(json_object_get(*a, "status"), "connections");
    long long y = number_of(json_object_get(*b, "status"), "connections");

    return (x != y ? (x < y) - (x > y)
            : strcmp(text_of(*a, "name", ""), text_of(*b, "name", "")));
}

/* Each prints up to 'room' lines, and returns how many. */

static int
print_services(double when, int room)
{
    json_t *services = api_list("services", "");
    const json_t *service;
    int n = 1;
    size_t i;

    printf("%-24s %-24s %12s %12s %10s\n", "SERVICE", "ADDRESS",
           "CONNECTIONS", "HANDOFFS", "PER S");
    json_array_foreach(services, i, service) {
        const json_t *statistics = json_object_get(service, "statistics");
        const char *name = text_of(service, "name", "");
        long long handoffs = number_of(statistics, "handoffs");
        char *per_second = rate_text(name, handoffs, when);
        char *address = xasprintf("%s %lld", text_of(service, "address", ""),
                                  number_of(service, "port"));

        if (n < room) {
            printf("%-24.24s %-24s %12lld %12lld %10s\n", name, address,
                   number_of(statistics, "connections"), handoffs,
                   per_second);
            n++;
        }
        free(per_second);
        free(address);
    }
    json_decref(services);
    return n;
}

static int
print_hosts(int room)
{
    json_t *hosts = api_list("hosts", "");
    size_t n_hosts = json_array_size(hosts);
    const json_t **sorted = xcalloc(n_hosts, sizeof *sorted);
    int n = 1;

    for (size_t i = 0; i < n_hosts; i++) {
        sorted[i] = json_array_get(hosts, i);
    }
    qsort(sorted, n_hosts, sizeof *sorted, compare_connections);
    printf("%-24s %-24s %12s %12s %10s\n", "HOST", "ADDRESS", "CONNECTIONS",
           "STATE", "IS");
    for (size_t i = 0; i < n_hosts && n < room; i++, n++) {
        const json_t *status = json_object_get(sorted[i], "status");

        printf("%-24.24s %-24s %12lld %12s %10s\n",
               text_of(sorted[i], "name", ""), text_of(sorted[i], "ip", ""),
               number_of(status, "connections"),
               text_of(sorted[i], "state", "ready"),
               text_of(status, "state", "-"));
    }
    free(sorted);
    json_decref(hosts);
    return n;
}

/* Lines of the terminal; very many if it is none. */
static int
terminal_lines(void)
{
    struct winsize size;

    return (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) && size.ws_row > 8
            ? size.ws_row : 1 << 20);
}

static double
now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec + ts.tv_nsec / 1e9;
}

void
live_top(bool json)
{
    bool terminal = isatty(STDOUT_FILENO);

    if (json) {
        json_t *all = json_pack("{s:o, s:o}", "services",
                                api_list("services", ""), "hosts",
                                api_list("hosts", ""));

        output_json(all);
        json_decref(all);
        return;
    }
    for (;;) {
        int lines = terminal_lines() - 2;

        if (terminal) {
            printf("\033[H\033[2J");
        }
        lines -= print_services(now(), lines / 2) + 1;
        putchar('\n');
        print_hosts(lines);
        fflush(stdout);
        if (!terminal) {
            return;
        }
        sleep(1);
    }
}

/* One connection. */

/* Such as "there: leaf1:spine1|leaf1:spine2, spine1:leaf4|spine2:leaf4". */
static void
print_way(const json_t *path, const char *member)
{
    char *text = json_text(json_object_get(path, member));

    if (*text) {
        printf("%s: %s\n", member, text);
    }
    free(text);
}

/* Prints what 'item' has, but for what 'skip' has as well. */
static void
print_members(const json_t *item, const json_t *skip)
{
    const char *name;
    json_t *value;

    json_object_foreach((json_t *) item, name, value) {
        if (!json_object_get(skip, name)) {
            char *text = member_text(item, name);

            printf("%s: %s\n", name, text);
            free(text);
        }
    }
}

void
live_trace(const char *client, bool json)
{
    const char *colon = strrchr(client, ':');
    json_t *connections, *decisions, *paths = json_array(), *all;
    char *address, *encoded, *filter;
    const json_t *c;
    size_t i;

    if (!colon || !colon[1]) {
        die(EXIT_USAGE, "%s: is no ADDRESS:PORT", client);
    }
    address = xasprintf("%.*s", (int) (colon - client), client);
    encoded = rest_encode(address);
    filter = xasprintf("client=%s&client_port=%s", encoded, colon + 1);
    connections = api_list("connections", filter);
    decisions = api_list("decisions", filter);
    json_array_foreach(connections, i, c) {
        char *way = xasprintf("switch=%s&host=%s", text_of(c, "switch", ""),
                              text_of(c, "host", ""));
        json_t *found = api_list("paths", way);

        json_array_extend(paths, found);
        json_decref(found);
        free(way);
    }
    all = json_pack("{s:o, s:o, s:o}", "connections", connections,
                    "decisions", decisions, "paths", paths);
    if (json) {
        output_json(all);
    } else {
        json_array_foreach(connections, i, c) {
            print_members(c, NULL);
        }
        json_array_foreach(paths, i, c) {
            print_way(c, "there");
            print_way(c, "back");
        }
        if (json_array_size(decisions)) {
            puts("decision:");
            print_members(json_array_get(decisions, 0),
                          json_array_get(connections, 0));
        }
    }
    if (!json_array_size(connections) && !json_array_size(decisions)) {
        die(EXIT_REFUSED, "no switch knows a connection of %s", client);
    }
    json_decref(all);
    free(filter);
    free(encoded);
    free(address);
}
