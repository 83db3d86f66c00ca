/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MIGRATE_OVS_H
#define MIGRATE_OVS_H 1

/* What the parts of the glue to Open vSwitch share: migrate-ovs.c (the
 * provider that OVS calls), migrate-ovs-config.c (OVSDB), migrate-ovs-kernel.c
 * (placement "kernel"), migrate-ovs-show.c (ovs-appctl).  Only these files see
 * both OVS and the engine. */

#include "migrate.h"

#include "openvswitch/list.h"
#include "ovs-thread.h"
#include "openvswitch/shash.h"

struct dpif_flow_stats;
struct migrate_hop;
struct migrate_way;
struct ovsrec_bridge;
struct ovsrec_open_vswitch;

/* How a service with placement "flow" wants its flows. */
struct placement_config {
    uint32_t service_id;
    uint32_t limit;             /* Flows at most. */
    uint16_t idle_timeout;      /* Seconds. */
    uint16_t priority;
    uint8_t table;
    uint32_t n;                 /* Flows now. */
};

/* The engine of one bridge.  It is made when its id is first asked for and
 * stays as long as the process lives. */
struct ovs_engine {
    uint32_t id;
    char *bridge;

    /* Main thread only. */
    char *error;                /* Why the configuration was refused. */

    struct ovs_mutex mutex;
    struct migrate *migrate OVS_GUARDED;    /* NULL: not configured. */
    uint8_t table OVS_GUARDED;  /* Where timers' frames continue. */
    struct placement_config *placements OVS_GUARDED;
    size_t n_placements OVS_GUARDED;
    struct ovs_list frames OVS_GUARDED; /* Of "struct queued_frame". */
    struct ovs_list flows OVS_GUARDED;  /* Of "struct queued_flow". */
    struct batch_writer *writer OVS_GUARDED;    /* In ->execute() only. */
    const struct migrate_way *way OVS_GUARDED;  /* In ->place() only. */
    int64_t wakes OVS_GUARDED;  /* When the main loop will wake by itself, in
                                 * milliseconds; before it is 0. */
};

/* migrate-ovs.c. */

/* Calls 'cb' for each engine, in order of ids. */
void ovs_engines_for_each(void (*cb)(struct ovs_engine *, void *aux),
                          void *aux);
struct ovs_engine *ovs_engine_find(const char *bridge);

/* Finds the engine, or makes it.  Returns NULL if there are too many. */
struct ovs_engine *ovs_engine_obtain(const char *bridge);

/* Makes the engine proper, where there is none yet, or ends it.  The caller
 * holds the mutex. */
void ovs_engine_start(struct ovs_engine *);
void ovs_engine_stop(struct ovs_engine *);

/* migrate-ovs-config.c. */
void migrate_ovs_reconfigure(const struct ovsrec_open_vswitch *);
void migrate_ovs_refresh(const struct ovsrec_open_vswitch *);

/* migrate-ovs-kernel.c. */

/* Makes the kernel ready for connections to be placed in it, once: returns
 * whether it is.  Main thread only. */
bool ovs_kernel_open(void);

/* Has the kernel take 'flow', whose packets go 'way'.  Returns false if it
 * cannot. */
bool ovs_kernel_place(uint32_t engine, const struct migrate_way *way,
                      const struct migrate_flow *flow);

/* Takes that back, and says what became of it. */
void ovs_kernel_unplace(const struct tuple *, struct migrate_use *);

/* What became of it so far. */
void ovs_kernel_use(const struct tuple *, struct migrate_use *);

/* What the kernel adds to 'counter' of 'engine'. */
uint64_t ovs_kernel_counter(uint32_t engine, enum migrate_counter counter);

/* See migrate-provider.h. */
void ovs_kernel_hop_changed(struct migrate_hop *);
void ovs_kernel_hop_gone(struct migrate_hop *);
void ovs_kernel_hop_stats(struct migrate_hop *, struct dpif_flow_stats *);

/* migrate-ovs-show.c. */
void migrate_ovs_show_init(void);

#endif /* migrate-ovs.h */
