/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* SYN-ACKs that are said again.
 *
 * A cookie needs no memory because the client speaks next, and says it until
 * it is heard.  Not so where the server speaks first: is the client's ACK
 * lost, then its connection is complete, ours does not exist, and both wait.
 * So the last SYN-ACKs of such services are kept, and sent again until the
 * connection has a record; each draws the ACK once more (RFC 9293 3.10.7.4).
 *
 * They are kept in a ring of fixed size, in order of time.  A flood overwrites
 * them before their time, so it draws nothing more, and others have to do
 * without. */

#include <stdlib.h>
#include <string.h>

#include "engine.h"

#define SYNACKS 4096u           /* A power of 2. */

/* When they are sent again, ms after the first time. */
static const int64_t delays[SYNACK_REPEATS] = { 1000, 3000 };

void
synack_send(struct migrate *m, const struct synack *a, int64_t now)
{
    struct tcp_options options = a->options;
    struct segment s = {
        .eth_dst = a->client_mac, .eth_src = a->switch_mac,
        .src = &a->tuple.service, .dst = &a->tuple.client,
        .src_port = a->tuple.service_port, .dst_port = a->tuple.client_port,
        .seq = a->isn, .ack = a->client_isn + 1,
        .window = ASSEMBLY_MAX,
        .flags = SEG_SYN | SEG_ACK,
        .options = &options,
    };

    options.tsval = ts_clock(m, now);
    engine_output(m, segment_build(&s, m->scratch), a->tag);
}

static struct synack *
at(const struct synacks *s, uint32_t i)
{
    return &s->ring[i & (SYNACKS - 1)];
}

void
synack_keep(struct migrate *m, const struct synack *a, int64_t now)
{
    struct synacks *s = &m->synacks;

    if (!s->ring) {
        s->ring = malloc(SYNACKS * sizeof *s->ring);
        if (!s->ring) {
            return;
        }
    }
    *at(s, s->n) = *a;
    at(s, s->n)->sent = now;
    s->n++;
    for (size_t i = 0; i < SYNACK_REPEATS; i++) {
        if (s->n - s->next[i] > SYNACKS) {
            s->next[i] = s->n - SYNACKS;
        }
    }
}

/* When the next is due for its repetition number 'i': at whole intervals, so
 * that several are at once. */
static int64_t
due(const struct synacks *s, size_t i)
{
    return (s->next[i] == s->n ? TIMERS_NEVER
            : ((at(s, s->next[i])->sent + delays[i]) / SWEEP_INTERVAL + 1)
              * SWEEP_INTERVAL);
}

void
synack_run(struct migrate *m, int64_t now)
{
    struct synacks *s = &m->synacks;

    for (size_t i = 0; i < SYNACK_REPEATS; i++) {
        while (due(s, i) <= now) {
            const struct synack *a = at(s, s->next[i]++);
            const struct record *r = record_find(m->records, &a->tuple);

            if (!r || r->isn != a->isn) {
                synack_send(m, a, now);
                count(m, COUNTER_SYN_ACK_AGAIN);
            }
        }
    }
}

int64_t
synack_deadline(const struct migrate *m)
{
    int64_t deadline = TIMERS_NEVER;

    for (size_t i = 0; i < SYNACK_REPEATS; i++) {
        if (due(&m->synacks, i) < deadline) {
            deadline = due(&m->synacks, i);
        }
    }
    return deadline;
}
