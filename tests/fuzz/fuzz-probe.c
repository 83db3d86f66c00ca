/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "probe.h"

#include "fuzz.h"
#include "packets.h"

/* The input is a frame that a switch hands to the controller.  What is taken
 * for a probe means the same once it is built and read again.  And whatever
 * its first bytes are, they name a port of which there can be a probe. */

static const struct siphash_key key = { { 1, 2 } };

/* Builds 'probe' and reads it again. */
static void
check_round_trip(const struct probe *probe)
{
    uint8_t *frame = malloc(PROBE_MAX_LEN);
    struct probe again;
    size_t len;

    FUZZ_CHECK(memchr(probe->port, '\0', sizeof probe->port));
    len = probe_build(probe, &key, eth_addr_zero, frame);
    FUZZ_CHECK(len <= PROBE_MAX_LEN);
    FUZZ_CHECK(probe_parse(frame, len, &key, &again));
    FUZZ_CHECK(!memcmp(&again, probe, sizeof again));
    free(frame);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *frame = fuzz_copy(data, size);
    struct probe probe = { .dpid = 0 };

    if (probe_parse(frame, size, &key, &probe)) {
        check_round_trip(&probe);
    }
    free(frame);
    if (size >= sizeof probe.dpid) {
        memset(&probe, 0, sizeof probe);
        memcpy(&probe.dpid, data, sizeof probe.dpid);
        data += sizeof probe.dpid;
        size -= sizeof probe.dpid;
        memcpy(probe.port, data, size < sizeof probe.port
                                 ? size : sizeof probe.port - 1);
        memset(probe.port + strlen(probe.port), 0,
               sizeof probe.port - strlen(probe.port));
        check_round_trip(&probe);
    }
    return 0;
}
