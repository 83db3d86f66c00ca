/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* Runs the simulator over many seeds, scenario by scenario, and speaks TAP.
 *
 *     run-sim [RUNS [SCENARIO [SEED]]]
 *
 * With a seed, runs just that one and prints its counters. */

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sim.h"

#define CLEAN { .delay_max = 1 }
#define LOSSY { .loss = 200, .duplication = 50, .corruption = 20, \
                .delay_max = 8 }
/* Only one link corrupts: two turned bits in one frame can cancel out in TCP's
 * checksum, which nobody can help. */
#define POOR { .loss = 50, .duplication = 20, .delay_max = 5 }

/* A scenario and what must come of it, besides that nobody hangs, no byte
 * changes, nothing runs twice, and handoffs end in time. */
static const struct scenario {
    struct sim_config config;
    bool all_served;
    bool none_served;
} scenarios[] = {
    { .config = { .name = "clean", .client_link = CLEAN, .host_link = CLEAN,
        .request_max = 4000, .segment_max = 1400 },
      .all_served = true },
    { .config = { .name = "lossy bundle path", .client_link = CLEAN,
        .host_link = LOSSY, .request_max = 1200, .segment_max = 1200 } },
    { .config = { .name = "lossy bundle path, slow server", .client_link = CLEAN,
        .host_link = LOSSY, .request_max = 1200, .segment_max = 1200,
        .slow_server = true } },
    { .config = { .name = "lossy everywhere, long requests", .client_link = POOR,
        .host_link = LOSSY, .request_max = 12000, .segment_max = 1400 } },
    { .config = { .name = "byte by byte", .client_link = CLEAN, .host_link = CLEAN,
        .request_max = 200, .segment_max = 3 },
      .all_served = true },
    { .config = { .name = "shuffled segments, lossy", .client_link = POOR,
        .host_link = LOSSY, .request_max = 3000, .segment_max = 400,
        .shuffle = true } },
    { .config = { .name = "one port again and again, lossy",
        .client_link = POOR, .host_link = POOR, .request_max = 3000,
        .segment_max = 1400, .one_port = true },
      .all_served = true },
    { .config = { .name = "one host refuses", .client_link = CLEAN, .host_link = CLEAN,
        .moods = { HOST_REFUSES }, .request_max = 2000,
        .segment_max = 1400 },
      .all_served = true },
    { .config = { .name = "all hosts refuse", .client_link = CLEAN, .host_link = CLEAN,
        .moods = { HOST_REFUSES, HOST_REFUSES, HOST_REFUSES },
        .request_max = 2000, .segment_max = 1400 },
      .none_served = true },
    { .config = { .name = "one host dies", .client_link = CLEAN, .host_link = CLEAN,
        .moods = { HOST_DIES }, .request_max = 2000, .segment_max = 1400 } },
    { .config = { .name = "agents never confirm", .client_link = CLEAN,
        .host_link = CLEAN,
        .moods = { HOST_STALLS, HOST_STALLS, HOST_STALLS },
        .request_max = 2000, .segment_max = 1400, .slow_server = true },
      .all_served = true },
    { .config = { .name = "nonsense", .client_link = CLEAN, .host_link = CLEAN,
        .request_max = 2000, .segment_max = 1400, .nonsense = true },
      .none_served = true },
    { .config = { .name = "any TCP, lossy bundle path", .client_link = CLEAN,
        .host_link = LOSSY, .protocol = PROTOCOL_TCP, .request_max = 2000,
        .segment_max = 1400, .nonsense = true } },
    { .config = { .name = "any of HTTP, TLS and others, lossy everywhere",
        .client_link = POOR, .host_link = LOSSY, .protocol = PROTOCOL_AUTO,
        .request_max = 3000, .segment_max = 400, .shuffle = true } },
    { .config = { .name = "controller decides", .client_link = CLEAN,
        .host_link = CLEAN, .controller_link = CLEAN, .decide_timeout = 50,
        .request_max = 4000, .segment_max = 1400 },
      .all_served = true },
    { .config = { .name = "controller decides, late or never",
        .client_link = POOR, .host_link = LOSSY,
        .controller_link = { .loss = 300, .duplication = 300,
            .corruption = 20, .delay_max = 80 },
        .decide_timeout = 50, .request_max = 12000, .segment_max = 1400,
        .shuffle = true } },
    { .config = { .name = "switch restarts", .client_link = POOR,
        .host_link = LOSSY, .request_max = 3000, .segment_max = 1400,
        .slow_server = true, .switch_dies = true, .away = 500 } },
    { .config = { .name = "two switches, paths flip", .client_link = POOR,
        .host_link = LOSSY, .request_max = 3000, .segment_max = 1400,
        .slow_server = true, .two_switches = true, .flips = 5 } },
    { .config = { .name = "two switches, paths flip in long requests",
        .client_link = POOR, .host_link = LOSSY, .request_max = 12000,
        .segment_max = 400, .shuffle = true, .two_switches = true,
        .flips = 10, .switch_dies = true, .away = 5000 } },
    { .config = { .name = "two switches, one port again and again",
        .client_link = POOR, .host_link = POOR, .request_max = 1200,
        .segment_max = 1200, .one_port = true, .guarded = true,
        .two_switches = true, .flips = 5 } },
    { .config = { .name = "two switches, one dies", .client_link = POOR,
        .host_link = LOSSY, .request_max = 3000, .segment_max = 1400,
        .slow_server = true, .two_switches = true, .flips = 2,
        .switch_dies = true } },
    { .config = { .name = "two switches, one dies and returns",
        .client_link = POOR, .host_link = LOSSY, .request_max = 1200,
        .segment_max = 1200, .slow_server = true, .two_switches = true,
        .flips = 2, .switch_dies = true, .away = 2000 } },
    { .config = { .name = "one host dies, slow server, lossy",
        .client_link = POOR, .host_link = LOSSY, .moods = { HOST_DIES },
        .request_max = 3000, .segment_max = 1400, .slow_server = true } },
    { .config = { .name = "one host reboots, slow server, lossy",
        .client_link = POOR, .host_link = LOSSY, .moods = { HOST_REBOOTS },
        .request_max = 3000, .segment_max = 1400, .slow_server = true } },
    { .config = { .name = "one host stops for 5 s, lossy",
        .client_link = POOR, .host_link = LOSSY, .moods = { HOST_STOPS },
        .request_max = 3000, .segment_max = 1400, .slow_server = true } },
    { .config = { .name = "agents stop for 5 s, lossy", .client_link = POOR,
        .host_link = LOSSY,
        .moods = { HOST_AGENT_STOPS, HOST_AGENT_STOPS },
        .request_max = 3000, .segment_max = 1400, .slow_server = true } },
    { .config = { .name = "switch stops for 5 s, lossy", .client_link = POOR,
        .host_link = LOSSY, .request_max = 12000, .segment_max = 400,
        .slow_server = true, .switch_stops = true } },
    { .config = { .name = "two switches, one stops for 5 s, lossy",
        .client_link = POOR, .host_link = LOSSY, .request_max = 3000,
        .segment_max = 400, .slow_server = true, .two_switches = true,
        .flips = 2, .switch_stops = true } },
    { .config = { .name = "keys change, lossy", .client_link = POOR,
        .host_link = LOSSY, .request_max = 12000, .segment_max = 400,
        .two_switches = true, .flips = 2, .keys_change = true } },
    { .config = { .name = "clock is set, lossy", .client_link = POOR,
        .host_link = LOSSY, .request_max = 12000, .segment_max = 400,
        .clock_set = true } },
    { .config = { .name = "flow IDs run over, lossy", .client_link = POOR,
        .host_link = LOSSY, .request_max = 3000, .segment_max = 1400,
        .slow_server = true, .wraps = true } },
    { .config = { .name = "flow IDs run over, switch restarts, lossy",
        .client_link = POOR, .host_link = LOSSY, .request_max = 3000,
        .segment_max = 1400, .slow_server = true, .wraps = true,
        .switch_dies = true, .away = 500 } },
    { .config = { .name = "two switches get the same packets, host by client",
        .client_link = { .loss = 50, .duplication = 300, .delay_max = 5 },
        .host_link = { .duplication = 50, .delay_max = 5 },
        .request_max = 3000, .segment_max = 1400,
        .two_switches = true, .copies_fork = true, .by_client = true } },
};

static void
add(struct sim_result *sum, const struct sim_result *r)
{
    sum->served += r->served;
    sum->refused += r->refused;
    sum->hung += r->hung;
    sum->lost += r->lost;
    sum->reset += r->reset;
    sum->changed += r->changed;
    sum->doubled += r->doubled;
    sum->unsure += r->unsure;
    sum->late += r->late;
    sum->leaked += r->leaked;
    for (int i = 0; i < N_COUNTERS; i++) {
        sum->counters[i] += r->counters[i];
    }
}

/* Whether 'r' is as 'scenario' wants it. */
static bool
right(const struct scenario *scenario, const struct sim_result *r)
{
    return (!r->changed && !r->doubled && !r->leaked && !r->hung && !r->reset
            && !r->late
            && (!scenario->all_served || r->served == SIM_CLIENTS)
            && (!scenario->none_served || !r->served));
}

static void
print_result(const char *prefix, const struct sim_result *r)
{
    printf("# %s: %u served, %u refused, %u reset, %u lost, %u hung, "
           "%u changed, %u doubled, %u unsure, %u late, %u leaked\n", prefix,
           r->served, r->refused, r->reset, r->lost, r->hung, r->changed,
           r->doubled, r->unsure, r->late, r->leaked);
}

static void
print_counters(const struct sim_result *r)
{
    for (int i = 0; i < N_COUNTERS; i++) {
        if (r->counters[i]) {
            printf("#   %-20s %10"PRIu64"\n", migrate_counter_name(i),
                   r->counters[i]);
        }
    }
}

int
main(int argc, char *argv[])
{
    unsigned int runs = argc > 1 ? strtoul(argv[1], NULL, 10) : 1000;
    const char *only = argc > 2 ? argv[2] : "";
    size_t n = 0;
    bool ok = true;

    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        const struct scenario *scenario = &scenarios[i];
        struct sim_result sum = { .served = 0 }, r;
        uint64_t wrong_seed = 0;

        if (!strstr(scenario->config.name, only)) {
            continue;
        }
        if (argc > 3) {
            sim_run(&scenario->config, strtoull(argv[3], NULL, 10), &r);
            print_result(scenario->config.name, &r);
            print_counters(&r);
            continue;
        }
        for (uint64_t seed = 1; seed <= runs; seed++) {
            sim_run(&scenario->config, seed, &r);
            if (!right(scenario, &r) && !wrong_seed) {
                wrong_seed = seed;
            }
            add(&sum, &r);
        }
        n++;
        printf("%sok %zu - sim: %s\n", wrong_seed ? "not " : "", n,
               scenario->config.name);
        print_result("all runs", &sum);
        if (wrong_seed) {
            ok = false;
            printf("# first with seed %"PRIu64"; see it with: run-sim 1 "
                   "\"%s\" %"PRIu64"\n", wrong_seed, scenario->config.name,
                   wrong_seed);
        }
        fflush(stdout);
    }
    printf("1..%zu\n", n);
    return !ok;
}
