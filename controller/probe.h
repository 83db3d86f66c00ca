/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PROBE_H
#define PROBE_H 1

/* Frames that find links: sent out of a port of one switch, they come in at a
 * port of another one.
 *
 * They are LLDP (IEEE 802.1AB), so switches that are not the controller's do
 * not forward them and can read them: chassis ID (the datapath ID), port ID
 * (the name), time to live.  A TLV of our own has a tag by which the
 * controller knows its frames: others could make it believe in links. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/ofp-port.h"
#include "siphash.h"

#define PROBE_MAX_LEN 96

struct probe {
    uint64_t dpid;              /* The switch that it is sent from, ... */
    char port[OFP_MAX_PORT_NAME_LEN];   /* ... and the port of it. */
};

/* Fills 'frame' with 'probe', tagged with 'key'.  'src' is the Ethernet
 * address that it comes from.  Returns its length. */
size_t probe_build(const struct probe *probe, const struct siphash_key *key,
                   struct eth_addr src, uint8_t frame[PROBE_MAX_LEN]);

/* Fills 'probe' from a frame of 'len' bytes that was tagged with 'key', or
 * returns false if it is none. */
bool probe_parse(const uint8_t *frame, size_t len,
                 const struct siphash_key *key, struct probe *probe);

#endif /* probe.h */
