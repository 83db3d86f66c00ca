/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "agent.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <string.h>
#include <unistd.h>

#include "lib/address.h"
#include "util.h"

static json_t *
status_switches(const struct migrator *m)
{
    struct migrate_address key, *previous = NULL;
    json_t *all = json_array();
    int64_t now = time_msec();

    while (!bpf_map_get_next_key(m->switches_fd, previous, &key)) {
        struct switch_peer peer;
        char text[ADDRESS_STRLEN];

        if (!bpf_map_lookup_elem(m->switches_fd, &key, &peer)) {
            json_array_append_new(all, json_pack("{s:s, s:I, s:I}",
                "address", address_format(&key, text),
                "epoch", (json_int_t) ntohl(peer.epoch),
                "heard-ms-ago",
                (json_int_t) (now - peer.heard / NSEC_PER_MSEC)));
        }
        previous = &key;
    }
    return all;
}

static json_t *
status_services(const struct services *s)
{
    json_t *all = json_array();
    int64_t now = time_msec();

    for (size_t i = 0; i < s->n; i++) {
        const struct services_one *one = &s->all[i];
        char text[ADDRESS_STRLEN];

        json_array_append_new(all, json_pack("{s:s, s:s, s:I}",
            "address", address_format(&one->address, text),
            "route", one->error ? strerror(one->error)
                                : one->ours ? "ours" : "not ours",
            "named-ms-ago", (json_int_t) (now - one->named)));
    }
    return all;
}

static json_t *
status_counters(const struct agent *a, const uint64_t c[N_COUNTERS])
{
    json_t *all = json_object();

    for (int i = 0; i < N_COUNTERS; i++) {
        json_object_set_new(all, migrator_counter_name(i),
                            json_integer(c[i]));
    }
    json_object_set_new(all, "hellos", json_integer(a->peers.n_hellos));
    json_object_set_new(all, "aborts", json_integer(a->peers.n_aborts));
    json_object_set_new(all, "audits",
                        json_integer(a->peers.audits.n_taken));
    json_object_set_new(all, "old_messages", json_integer(a->peers.n_old));
    json_object_set_new(all, "bad_messages", json_integer(a->peers.n_bad));
    json_object_set_new(all, "reports", json_integer(a->reports.n_records));
    json_object_set_new(all, "report_messages",
                        json_integer(a->reports.n_messages));
    json_object_set_new(all, "report_errors",
                        json_integer(a->reports.n_errors));
    json_object_set_new(all, "news_messages",
                        json_integer(a->news.n_messages));
    json_object_set_new(all, "news_again", json_integer(a->news.n_again));
    json_object_set_new(all, "news_lost", json_integer(a->news.n_lost));
    json_object_set_new(all, "ends_repaired",
                        json_integer(a->reaper.n_repaired));
    return all;
}

json_t *
agent_status(void *a_)
{
    struct agent *a = a_;
    uint64_t c[N_COUNTERS];

    migrator_counters(&a->migrator, c);
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o}",
        "interface", a->options.interface,
        "pid", (json_int_t) getpid(),
        "up-ms", (json_int_t) (time_msec() - a->started),
        "epoch", (json_int_t) ntohl(a->migrator.config.epoch),
        "connections", (json_int_t) (c[COUNTER_ESTABLISHED]
                                     - c[COUNTER_ENDED]),
        "lingering", (json_int_t) a->reaper.n,
        "capacity", (json_int_t) a->migrator.capacity,
        "switches", status_switches(&a->migrator),
        "services", status_services(&a->services),
        "counters", status_counters(a, c));
}
