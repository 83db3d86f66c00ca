/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MIGRATOR_H
#define MIGRATOR_H 1

/* The connection migrator, bpf/migrator.bpf.c, seen from the daemon: loads
 * and attaches its programs, finds its maps again after a restart, and reads
 * and writes them. */

#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stdint.h>

#include "bpf/counters-shared.h"
#include "bpf/migrator-shared.h"
#include "lib/seal.h"

struct rundir;

struct migrator {
    struct migrator_bpf *skel;
    struct ring_buffer *ring;
    struct bpf_link *state_link;
    const char *interface;
    int ifindex;
    bool inherited;             /* The maps are an earlier agent's. */
    uint32_t capacity;          /* Entries of 'mappings'. */
    struct migrator_config config;
    struct batch *batch;        /* For migrator_batch(). */

    /* Map file descriptors, owned by 'skel'. */
    int mappings_fd, refusals_fd, switches_fd, services_fd, keys_fd;
    int config_fd, counters_fd;
};

/* Loads the programs, with the maps of an earlier agent if there are any, or
 * else with new ones for 'max_connections' mappings.  Attaches nothing yet.
 * 'interface' must outlive the migrator.  Returns 0, or an exit status after
 * it has logged what is wrong; then the caller has only to call
 * migrator_close(). */
int migrator_open(struct migrator *, const char *interface,
                  const struct rundir *, uint32_t max_connections,
                  ring_buffer_sample_fn on_event, void *aux);

/* Puts the programs to work, in place of an earlier agent's without a gap.
 * Returns as migrator_open(). */
int migrator_attach(struct migrator *, const struct rundir *);

/* Has socket 'fd', which takes messages, get only those whose seal the programs
 * have checked.  Returns 0 or a negative errno value. */
int migrator_guard(const struct migrator *, int fd);

/* Whether the programs are where migrator_attach() put them. */
bool migrator_is_attached(const struct migrator *);

/* Lets go of everything and leaves it at work in the kernel. */
void migrator_close(struct migrator *);

/* Takes an agent's programs off 'interface', and with them, once the run
 * directory is removed, the maps.  Calls 'on_service' for each service
 * address that it had.  Returns 0 or an exit status, as above. */
int migrator_cleanup(const char *interface, const struct rundir *,
                     void (*on_service)(const struct migrate_address *));

/* Has the programs use 'ring'. */
void migrator_set_keys(struct migrator *, const struct keyring *ring);

/* Writes 'config'. */
void migrator_set_config(struct migrator *);

/* Does 'op' to the mappings 'batch->entries[0..n)', n <= MIGRATOR_BATCH, and
 * leaves the results there.  Returns 0 or a positive errno. */
int migrator_batch(struct migrator *, enum batch_op op, uint32_t n);

/* Calls the event function for all events there are; returns how many, or a
 * negative errno. */
int migrator_poll_events(struct migrator *);

/* The descriptor that becomes readable when an event comes while
 * migrator_sleep(m, true) is in force. */
int migrator_event_fd(const struct migrator *);
void migrator_sleep(struct migrator *, bool sleeps);

/* Adds up each counter over the processors. */
void migrator_counters(const struct migrator *, uint64_t values[N_COUNTERS]);
const char *migrator_counter_name(enum counter);

#endif /* migrator.h */
