/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */

/* The connection migrator: the half of a migration that happens in the
 * receiving host's kernel.
 *
 *   bundle.h    messages: length, seal (check.h); bundles: their sense
 *   infuse.h    their way into the TCP stack (end.h: past an old socket)
 *   answer.h    confirmations and refusals, by return
 *   forward.h   encapsulated packets: flow ID to connection
 *   egress.h    what this host must keep silent about
 *   state.h     sockets that open and close
 *   batch.h     what the daemon asks for
 *
 * All of it is in one object because the programs share their maps, and
 * because a daemon that is replaced then replaces all of it at once. */

#include "batch.h"
#include "bundle.h"
#include "egress.h"
#include "forward.h"
#include "state.h"

/* The kernel functions used demand a license compatible with the GPL. */
char _license[] SEC("license") = "Dual BSD/GPL";

SEC("tc")
int
migrator_ingress(struct __sk_buff *skb)
{
    struct packet p;

    /* A switch that floods may show us other hosts' packets. */
    if (skb->pkt_type != PACKET_HOST || !packet_parse(skb, &p)) {
        return TC_ACT_UNSPEC;
    }
    if (p.protocol == IPPROTO_TCP) {
        return forward(skb, &p);
    }
    if (packet_dst_port(&p) == bpf_htons(MIGRATE_PORT)) {
        return message(skb, &p);
    }
    return TC_ACT_UNSPEC;
}

SEC("tc")
int
migrator_egress(struct __sk_buff *skb)
{
    return egress(skb);
}

SEC("socket")
int
migrator_socket(struct __sk_buff *skb)
{
    return for_daemon(skb);
}

SEC("tp_btf/inet_sock_set_state")
int
BPF_PROG(migrator_state, struct sock *sk, int old, int new)
{
    state_changed(sk, old, new);
    return 0;
}

SEC("tc")
int
migrator_batch(struct __sk_buff *skb)
{
    bpf_loop(batch.n, batch_one, &skb, 0);
    return 0;
}
