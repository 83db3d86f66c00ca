/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STATIONS_H
#define STATIONS_H 1

/* Learns where machines are plugged in, from ARP and neighbor discovery that
 * switches copy to the controller (see flows.h), and writes that into the
 * table Station.
 *
 * A machine that seems to be in two places, because it is or because somebody
 * takes its address, moves at most once a second. */

#include <stddef.h>

#include "openvswitch/types.h"

struct ovsdb_idl;
struct ovsdb_idl_txn;
struct uuid;

struct stations;

/* 'idl' is a replica of OVS_Migrate that has not been run yet. */
struct stations *stations_create(struct ovsdb_idl *idl);
void stations_destroy(struct stations *);

/* A frame of 'len' bytes has come in at port 'port' of the Switch row
 * 'switch_uuid'. */
void stations_learn(struct stations *, const void *frame, size_t len,
                    const struct uuid *switch_uuid, const char *port,
                    long long int now);

/* Writes what was learned, and again if that did not come to pass. */
void stations_write(struct stations *, struct ovsdb_idl_txn *);

#endif /* stations.h */
