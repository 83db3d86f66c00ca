/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

/* ICMP to the addresses that are steered here (RFC 792, RFC 4443).
 *
 * Routers tell the service's address what they could not forward.  It is the
 * host of the connection that must know: it has sent the packet.  So an error
 * goes on to it, and its kernel finds the connection by the packet that the
 * error quotes.  Nothing that the engine holds itself ever ends by an error
 * (RFC 5927 4), and nothing is remembered of any ICMP. */

#include <netinet/icmp6.h>
#include <netinet/ip_icmp.h>
#include <string.h>

#include "engine.h"

/* Whether 'type' tells of a packet that was not delivered.  Redirects are not
 * for hosts that the router does not know of, and source quenches for nobody
 * (RFC 6633). */
static bool
is_error(uint8_t family, uint8_t type)
{
    return (family == 4
            ? type == ICMP_DEST_UNREACH || type == ICMP_TIME_EXCEEDED
              || type == ICMP_PARAMETERPROB
            : type >= ICMP6_DST_UNREACH && type <= ICMP6_PARAM_PROB);
}

/* Sends an error on to the host that has sent what it quotes. */
static enum migrate_verdict
error(struct migrate *m, struct frame *frame, const struct packet *p)
{
    const struct host *host;
    struct packet quoted;
    struct tuple tuple;
    struct record *r;

    if (!icmp_quote_parse(frame, p, &quoted)
        || !address_equals(&quoted.src, &p->dst)) {
        return drop(m, COUNTER_DROP_ICMP);
    }
    tuple.client = quoted.dst;
    tuple.service = quoted.src;
    tuple.client_port = quoted.dst_port;
    tuple.service_port = quoted.src_port;
    r = record_find(m->records, &tuple);
    if (!r || (r->state != RECORD_OFFERED && r->state != RECORD_LIVE
               && r->state != RECORD_LINGER)) {
        return drop(m, COUNTER_DROP_ICMP_UNKNOWN);
    }
    host = m->hosts[r->host];
    if (!host->mac_known) {
        return drop(m, COUNTER_DROP_NO_HOST);
    }
    count(m, COUNTER_ICMP_ERROR);
    frame_readdress(frame, p, host->mac, m->mac, &host->address);
    frame->tag = vlan_tag_make(host->vlan, frame->tag);
    return MIGRATE_FORWARD;
}

/* Turns an echo request into its reply, which is as long, so that nobody is
 * worth flooding by it. */
static enum migrate_verdict
echo(struct migrate *m, struct frame *frame, const struct packet *p)
{
    size_t ip_len = p->family == 4 ? 20 : 40;

    if (frame->data[p->l4 + 1] || frame->data[0] & 1
        || p->l4 != p->l3 + ip_len || !address_is_unicast(&p->src)
        || !address_is_unicast(&p->dst)) {
        return drop(m, COUNTER_DROP_ICMP);
    }
    count(m, COUNTER_ECHO_REPLY);
    frame_echo(frame, p, p->family == 4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY);
    return MIGRATE_FORWARD;
}

enum migrate_verdict
icmp_packet(struct migrate *m, struct frame *frame, const struct packet *p,
            int64_t now)
{
    uint8_t type = frame->data[p->l4];

    if (!frame_csum_ok(frame, p)) {
        return drop(m, COUNTER_DROP_CHECKSUM);
    }
    if (p->family == 6 && (type == ND_SOLICIT || type == ND_ADVERTISE)) {
        return neighbor_nd(m, frame, p, now);
    } else if (is_error(p->family, type)) {
        return error(m, frame, p);
    } else if (type == (p->family == 4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST)) {
        return echo(m, frame, p);
    }
    return drop(m, COUNTER_DROP_ICMP);
}
