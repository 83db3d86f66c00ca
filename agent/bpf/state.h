/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef STATE_H
#define STATE_H 1

/* Watches sockets change state.  This is the only thing that knows whether
 * the kernel took a connection: it drops one silently, for example when the
 * accept queue fills between our look at it and its own. */

#include "infuse.h"

/* A socket that is being closed has lost its port already, but not the copy
 * of it in network byte order. */
static __always_inline void
socket_tuple(const struct tcp_sock *tp, struct tuple *t)
{
    const struct inet_sock *inet = &tp->inet_conn.icsk_inet;
    const struct sock_common *c = &inet->sk.__sk_common;

    if (c->skc_family == AF_INET) {
        t->client = v4_mapped(c->skc_daddr);
        t->service = v4_mapped(c->skc_rcv_saddr);
    } else {
        /* Of an IPv4 connection to an IPv6 socket: mapped, as ours. */
        __builtin_memcpy(&t->client, &c->skc_v6_daddr, sizeof t->client);
        __builtin_memcpy(&t->service, &c->skc_v6_rcv_saddr,
                         sizeof t->service);
    }
    t->client_port = c->skc_dport;
    t->service_port = inet->inet_sport;
}

static __always_inline void
state_changed(struct sock *sk, int old, int new)
{
    struct tcp_sock *tp;
    __be32 *k, flow_id;
    struct mapping *m;
    struct tuple t;

    if (!(new == TCP_CLOSE || (old == TCP_SYN_RECV && new == TCP_ESTABLISHED))
        || sk->__sk_common.skc_net.net->net_cookie != own_netns) {
        return;
    }
    tp = bpf_skc_to_tcp_sock(sk);
    if (!tp) {
        return;
    }
    socket_tuple(tp, &t);
    k = bpf_map_lookup_elem(&tuples, &t);
    if (!k) {
        return;
    }
    flow_id = *k;
    m = bpf_map_lookup_elem(&mappings, &flow_id);
    if (!m || !tuple_eq(&m->tuple, &t)) {
        return;
    }
    /* From SYN_RECV, what closes is a second socket that the kernel has made
     * for the connection at the same time (inet_ehash_nolisten()). */
    if (new == TCP_ESTABLISHED) {
        mapping_establish(flow_id, m);
    } else if ((m->state == MAPPING_ESTABLISHED && old != TCP_SYN_RECV)
               || m->state == MAPPING_ABORTED) {
        m->snd_una = tp->snd_una;
        m->snd_nxt = tp->snd_nxt;
        mapping_close(flow_id, m);
    }
}

#endif /* state.h */
