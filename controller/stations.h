/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STATIONS_H
#define STATIONS_H 1

/* Learns where machines are plugged in, from ARP and neighbor discovery that
 * switches copy to the controller (see flows.h), and writes that into the
 * table Station.
 *
 * A machine that seems to be in two places, because it is or because somebody
 * takes its address, moves at most once a second.
 *
 * Of a station, no more is copied: the controller does not hear whether it is
 * still there.  So, when half its lifetime has passed, the station is doubted:
 * all that it says of itself is copied again, until the first time.  If there
 * is none in the other half, the station is deleted. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/types.h"

struct omrec_station;
struct ovsdb_idl;
struct ovsdb_idl_txn;
struct uuid;

struct stations;

/* 'idl' is a replica of OVS_Migrate that has not been run yet. */
struct stations *stations_create(struct ovsdb_idl *idl);
void stations_destroy(struct stations *);

/* From now on frames are copied to this controller, and not to another one. */
void stations_begin(struct stations *);

/* A frame of 'len' bytes has come in at port 'port' of the Switch row
 * 'switch_uuid'. */
void stations_learn(struct stations *, const void *frame, size_t len,
                    const struct uuid *switch_uuid, const char *port,
                    long long int now);

/* Returns whether there may be one that is doubted since the last call. */
bool stations_run(struct stations *);

/* Writes what was learned, and again if that did not come to pass; deletes
 * those whose time is over. */
void stations_write(struct stations *, struct ovsdb_idl_txn *);

/* How long stations live, in milliseconds. */
long long int stations_lifetime(const struct ovsdb_idl *);

/* Whether the station, which lives for 'lifetime', is doubted. */
bool stations_doubts(const struct omrec_station *, long long int lifetime);

#endif /* stations.h */
