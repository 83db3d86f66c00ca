/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* ICMP to addresses that are steered here.  Nothing is remembered of it. */

#include <netinet/in.h>

#include "engine.h"

enum migrate_verdict
icmp_packet(struct migrate *m, struct frame *frame, const struct packet *p)
{
    uint8_t type = frame->data[p->l4];

    if (!frame_csum_ok(frame, p)) {
        count(m, COUNTER_DROP_CHECKSUM);
        return MIGRATE_DROP;
    }
    if (p->family == 6 && (type == ND_SOLICIT || type == ND_ADVERTISE)) {
        return neighbor_nd(m, frame, p);
    }
    count(m, COUNTER_DROP_ICMP);
    return MIGRATE_DROP;
}
