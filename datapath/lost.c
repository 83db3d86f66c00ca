/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* Clients that only wait, for a host that is dead.
 *
 * A client that sends is reset (client.c:lost()).  One that waits for the rest
 * of a download sends nothing more, and would wait for as long as its own
 * patience lasts.  So it is told unasked, in two ways, some times over:
 *
 * - by a reset with the number that it said last it expects.  It is the right
 *   one but for a client whose last ACK was lost, or whose packets have gone
 *   another way than through this engine.  Those ignore it (RFC 5961 3.2);
 * - by a keepalive probe, as its host might have sent it (RFC 9293 3.8.4).
 *   Whoever has the connection still answers, and says what it expects; the
 *   answer is reset as any packet of a lost connection.  Whoever has it no
 *   more answers with a reset, and that is the end of it.
 *
 * Either comes to nothing where the other does it: a probe without timestamps
 * may be ignored by one who has negotiated them (RFC 7323 3.2), which a reset
 * may not.
 *
 * Where the client is, and how far, is known once it has sent a packet through
 * this engine. */

#include "engine.h"

#define HINTS 5                 /* One each SWEEP_ROUND. */

static void
say(struct migrate *m, const struct record *r, uint8_t flags, uint32_t seq,
    uint32_t ack)
{
    struct segment s = {
        .eth_dst = r->client_mac, .eth_src = m->mac,
        .src = &r->tuple.service, .dst = &r->tuple.client,
        .src_port = r->tuple.service_port, .dst_port = r->tuple.client_port,
        .seq = seq, .ack = ack,
        .flags = flags,
    };

    engine_output(m, segment_build(&s, m->scratch),
                  vlan_tag_make(r->vlan, 0));
}

bool
lost_is_told(const struct record *r)
{
    return r->told || r->hints == HINTS;
}

void
lost_reset(struct record *r, const struct packet *p)
{
    if (p->flags & SEG_RST && p->seq == r->client_seq) {
        r->hints = HINTS;
    }
}

bool
lost_hint(struct migrate *m, struct record *r)
{
    if (r->hints == HINTS || !r->client_known) {
        return false;
    }
    r->hints++;
    count(m, COUNTER_LOST_HINT);
    say(m, r, SEG_RST, r->client_ack, 0);
    say(m, r, SEG_ACK, r->client_ack - 1, r->client_seq);
    return true;
}
