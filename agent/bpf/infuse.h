/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef INFUSE_H
#define INFUSE_H 1

/* A bundle's way into the kernel's TCP stack.
 *
 * The state goes in from the top: first the mapping, then the TCP state as a
 * request that the listening socket is to complete, and then the outer
 * headers are stripped, so that the stack is handed the inner packet as if it
 * had terminated the connection itself.  By the time the ingress program
 * returns nothing may fail that a REFUSE should tell of. */

#include "end.h"

#define TCP_MSS_MIN4 536            /* What bpf_sk_assign_tcp_reqsk() takes. */
#define TCP_MSS_MIN6 1220
#define NS_PER_MS 1000000ULL
#define MAX_WSCALE 14               /* RFC 7323 2.3. */
#define INFUSION 12                 /* ms at most: well below
                                     * MIGRATE_CONFIRM_WAIT. */
#define REASON_LATER MIGRATE_N_REASONS  /* Not now: the bundle comes again. */

/* Whether 'now' is more than 'ms' after 'then'.  Another processor may have set
 * that since, so that it is not after it at all. */
static __always_inline int
is_past(__u64 now, __u64 then, __u32 ms)
{
    return (__s64) (now - then) > (__s64) (ms * NS_PER_MS);
}

/* Refuses the bundle, and remembers it: see 'struct refusal'. */
static __noinline int
refuse(struct __sk_buff *skb, const struct packet *p, struct work *w,
       enum migrate_reason reason, enum counter counter)
{
    struct refusal *r = &w->refusal;

    r->tuple = w->mapping.tuple;
    r->epoch = w->bundle.header.epoch;
    r->seq = w->mapping.seq;
    r->ack_seq = w->mapping.ack_seq;
    r->reason = reason;
    r->any = 0;
    r->made = w->mapping.changed;
    bpf_map_update_elem(&refusals, &w->refusal_key, r, BPF_ANY);
    count(counter);
    return answer(skb, p, w, MIGRATE_REFUSE, reason, 0);
}

static __always_inline int
tuple_eq(const struct tuple *a, const struct tuple *b)
{
    return address_eq(&a->client, &b->client)
           && address_eq(&a->service, &b->service)
           && a->client_port == b->client_port
           && a->service_port == b->service_port;
}

/* Whether 'm' is the bundle's connection, not another of the same name. */
static __always_inline int
same_connection(const struct mapping *m, const struct work *w)
{
    return m->seq == w->mapping.seq && m->ack_seq == w->mapping.ack_seq
           && tuple_eq(&m->tuple, &w->mapping.tuple);
}

/* Forgets that the addresses 't' belong to 'flow_id', if they do. */
static __always_inline void
forget_tuple(__be32 flow_id, const struct tuple *t)
{
    __be32 *k = bpf_map_lookup_elem(&tuples, t);

    if (k && *k == flow_id) {
        bpf_map_delete_elem(&tuples, t);
    }
}

/* Forgets 'm', which is 'flow_id', if it is in 'state' still.  Returns whether
 * it was. */
static __always_inline int
mapping_forget(__be32 flow_id, struct mapping *m, __u32 state)
{
    struct tuple t = m->tuple;

    if (state == MAPPING_FORGOTTEN
        || __sync_val_compare_and_swap(&m->state, state, MAPPING_FORGOTTEN)
           != state) {
        return 0;
    }
    if (state != MAPPING_REPLACED) {
        forget_tuple(flow_id, &t);
    }
    bpf_map_delete_elem(&mappings, &flow_id);
    return 1;
}

static __always_inline int
state_lives(__u32 state)
{
    return state == MAPPING_INFUSING || state == MAPPING_ESTABLISHED;
}

/* A socket has 'm': says so if it is news. */
static __always_inline void
mapping_establish(__be32 flow_id, struct mapping *m)
{
    if (__sync_val_compare_and_swap(&m->state, MAPPING_INFUSING,
                                    MAPPING_ESTABLISHED)
        == MAPPING_INFUSING) {
        count(COUNTER_ESTABLISHED);
        tell(MIGRATE_CONFIRM, flow_id, m);
    }
}

/* No socket has 'm' any longer: says so if it is news. */
static __always_inline void
mapping_close(__be32 flow_id, struct mapping *m)
{
    __u32 old;

    m->changed = bpf_ktime_get_ns();
    old = __sync_val_compare_and_swap(&m->state, MAPPING_ESTABLISHED,
                                      MAPPING_CLOSED);
    if (old == MAPPING_ESTABLISHED) {
        count(COUNTER_ENDED);
    }
    if (old == MAPPING_ESTABLISHED || old == MAPPING_ABORTED) {
        tell(MIGRATE_RELEASE, flow_id, m);
    }
}

/* Answers a bundle whose connection is here, or was, as 'm', under 'flow_id':
 * under another one than the bundle's if a switch asks that does not know of
 * the handoff.  Returns -1 if it never came to life and the bundle is to be
 * infused once more. */
static __noinline int
known(struct __sk_buff *skb, const struct packet *p, struct work *w,
      struct mapping *m, __be32 flow_id)
{
    struct bpf_sock *sk;
    /* As it is before the socket is looked for: another processor may be at
     * the infusion, and make one just behind us. */
    __u32 rcv_nxt = 0, state = m->state;
    int alive;

    if (state == MAPPING_FORGOTTEN) {
        return drop(COUNTER_DUPLICATE);     /* Its like will find nothing. */
    } else if (!state_lives(state)) {
        if (flow_id != w->flow_id && state == MAPPING_ABORTED) {
            return refuse(skb, p, w, MIGRATE_REASON_CLOSED, COUNTER_LATE);
        }
        count(COUNTER_LATE);
        return answer(skb, p, w, MIGRATE_RELEASE, MIGRATE_REASON_NONE, 0);
    }

    sk = tuple_socket(skb, &w->mapping.tuple);
    alive = sk && socket_is_connection(sk, &rcv_nxt);
    if (sk) {
        bpf_sk_release(sk);
    }
    if (alive) {
        count(COUNTER_DUPLICATE);
        mapping_establish(flow_id, m);
        return (flow_id == w->flow_id
                ? answer(skb, p, w, MIGRATE_CONFIRM, MIGRATE_REASON_NONE,
                         bpf_htonl(rcv_nxt))
                : answer(skb, p, w, MIGRATE_KNOWN, MIGRATE_REASON_NONE,
                         flow_id));
    } else if (state == MAPPING_INFUSING) {
        return (!is_past(w->mapping.changed, m->changed, INFUSION)
                || m->state != MAPPING_INFUSING
                ? drop(COUNTER_DUPLICATE) : -1);
    }
    /* It ended while nobody watched. */
    mapping_close(flow_id, m);
    count(COUNTER_LATE);
    return answer(skb, p, w, MIGRATE_RELEASE, MIGRATE_REASON_NONE, 0);
}

/* Answers a bundle that was refused or aborted before; -1 if it was not. */
static __always_inline int
refused_before(struct __sk_buff *skb, const struct packet *p, struct work *w)
{
    struct refusal *r = bpf_map_lookup_elem(&refusals, &w->refusal_key);

    if (!r || r->epoch != w->bundle.header.epoch
        || is_past(w->mapping.changed, r->made, MIGRATE_LINGER)) {
        return -1;
    }
    if (r->any) {
        count(COUNTER_LATE);
        return answer(skb, p, w, MIGRATE_RELEASE, MIGRATE_REASON_NONE, 0);
    }
    if (r->seq != w->mapping.seq || r->ack_seq != w->mapping.ack_seq
        || !tuple_eq(&r->tuple, &w->mapping.tuple)) {
        return -1;
    }
    count(COUNTER_REFUSED_AGAIN);
    return answer(skb, p, w, MIGRATE_REFUSE, r->reason, 0);
}

/* Takes 'old', an earlier mapping of the same addresses, out of the way: what
 * comes late for that must not reach the new connection.  Returns 0 if somebody
 * else is at it. */
static __always_inline int
replace(struct work *w, struct mapping *old)
{
    __u32 state = old->state;

    if (state == MAPPING_ESTABLISHED) {
        mapping_close(w->old_flow_id, old);
        state = MAPPING_CLOSED;
    }
    if (state == MAPPING_FORGOTTEN
        || __sync_val_compare_and_swap(&old->state, state, MAPPING_REPLACED)
           != state) {
        return 0;
    }
    count(COUNTER_REPLACED);
    return 1;
}

/* Remembers the mapping, in place of 'old' if that is nonnull.  Returns 0, or
 * why not. */
static __always_inline enum migrate_reason
remember(struct work *w, struct mapping *old)
{
    if (old && !replace(w, old)) {
        return REASON_LATER;
    }
    if (!bpf_map_update_elem(&mappings, &w->flow_id, &w->mapping,
                             BPF_NOEXIST)) {
        if (!bpf_map_update_elem(&tuples, &w->mapping.tuple, &w->flow_id,
                                 BPF_ANY)) {
            return MIGRATE_REASON_NONE;
        }
        bpf_map_delete_elem(&mappings, &w->flow_id);
    }
    if (old) {
        forget_tuple(w->old_flow_id, &w->mapping.tuple);
    }
    return MIGRATE_REASON_TABLE;
}

static __always_inline int
assign(struct __sk_buff *skb, const struct migrate_bundle *b,
       struct tcp_sock *listener)
{
    __u16 mss_min = b->family == 4 ? TCP_MSS_MIN4 : TCP_MSS_MIN6;
    __u16 mss = bpf_ntohs(b->mss);
    struct bpf_tcp_req_attrs attrs = {
        .rcv_tsval = bpf_ntohl(b->tsval),
        .rcv_tsecr = bpf_ntohl(b->tsecr),
        .mss = mss < mss_min ? mss_min : mss,
        .rcv_wscale = b->rcv_wscale,
        .snd_wscale = b->snd_wscale,
        .wscale_ok = !!(b->options & MIGRATE_OPT_WSCALE),
        .sack_ok = !!(b->options & MIGRATE_OPT_SACK),
        .tstamp_ok = !!(b->options & MIGRATE_OPT_TSTAMP),
    };

    return bpf_sk_assign_tcp_reqsk(skb, (struct sock *) listener, &attrs,
                                   sizeof attrs);
}

/* Forgets the mapping that was remembered last, after all. */
static __always_inline void
give_up(struct work *w)
{
    struct mapping *m = bpf_map_lookup_elem(&mappings, &w->flow_id);

    if (m) {
        mapping_forget(w->flow_id, m, MAPPING_INFUSING);
    }
}

/* Gives the bundle to 'listener'.  Returns 0, or why not.  'skb' is whole
 * still in both cases.  'old' and 'same' as in infuse(). */
static __always_inline enum migrate_reason
offer(struct __sk_buff *skb, struct work *w, struct mapping *old, int same,
      struct tcp_sock *listener, enum counter *counter)
{
    enum migrate_reason reason = MIGRATE_REASON_NONE;
    struct sock *sk = &listener->inet_conn.icsk_inet.sk;

    if (bpf_core_field_exists(listener->is_mptcp) && listener->is_mptcp) {
        *counter = COUNTER_REFUSED_MPTCP;
        return MIGRATE_REASON_KERNEL;
    }
    /* sk_acceptq_is_full(): with the queue full the kernel would drop the
     * connection silently. */
    if (sk->sk_ack_backlog > sk->sk_max_ack_backlog) {
        *counter = COUNTER_REFUSED_BACKLOG;
        return MIGRATE_REASON_BACKLOG;
    }
    if (!same) {
        reason = remember(w, old);
    } else if (old) {
        old->changed = w->mapping.changed;
    }
    if (reason) {
        *counter = COUNTER_REFUSED_TABLE;
        return reason;
    }
    if (assign(skb, &w->bundle, listener)) {
        if (!same) {
            give_up(w);
        }
        *counter = COUNTER_REFUSED_KERNEL;
        return MIGRATE_REASON_KERNEL;
    }
    return MIGRATE_REASON_NONE;
}

/* Whether another processor has infused a copy of the bundle meanwhile. */
static __always_inline int
infused_meanwhile(const struct work *w)
{
    struct mapping *m = bpf_map_lookup_elem(&mappings, &w->flow_id);

    return m && same_connection(m, w);
}

/* Strips everything between the Ethernet header and the inner packet.  If that
 * fails, the next copy of the bundle is infused instead. */
static __always_inline int
strip(struct __sk_buff *skb, const struct packet *p, struct work *w)
{
    __s32 outer = p->l4 + sizeof(struct udphdr) + sizeof w->bundle - ETH_LEN;

    skb->mark = 0;
    if (bpf_skb_adjust_room(skb, -outer, BPF_ADJ_ROOM_MAC, 0)) {
        return drop(COUNTER_INFUSE_FAILED);
    }
    count(COUNTER_INFUSED);
    return TC_ACT_OK;
}

/* Infuses the bundle, of which nothing is known here but perhaps 'old', an
 * earlier mapping of the same addresses.  If that is the 'same' connection's,
 * which came to nothing so far, it stays: the kernel may be about to take an
 * earlier copy. */
static __noinline int
infuse(struct __sk_buff *skb, const struct packet *p, struct work *w,
       struct mapping *old, int same)
{
    enum migrate_reason reason = MIGRATE_REASON_BUSY;
    enum counter counter = COUNTER_REFUSED_BUSY;
    struct tcp_timewait_sock *tw;
    struct tcp_sock *tp;
    struct bpf_sock *sk;
    __u32 rcv_nxt = 0;
    int end = 0;

    sk = tuple_socket(skb, &w->mapping.tuple);
    tp = sk ? bpf_skc_to_tcp_sock(sk) : NULL;
    if (!sk) {
        reason = MIGRATE_REASON_NO_LISTENER;
        counter = COUNTER_REFUSED_NO_LISTENER;
    } else if (!tp) {
        tw = bpf_skc_to_tcp_timewait_sock(sk);
        if (tw) {
            rcv_nxt = tw->tw_sk.__tw_common.skc_tw_rcv_nxt;
            count(COUNTER_TIME_WAIT);
            end = 1;
        }
    } else if (tp->inet_conn.icsk_inet.sk.__sk_common.skc_state
               == TCP_LISTEN) {
        reason = offer(skb, w, old, same, tp, &counter);
    } else if (old && !same) {
        /* Migrated here earlier, and its client has forgotten it. */
        rcv_nxt = tp->rcv_nxt;
        count(COUNTER_OLD_SOCKET);
        end = 1;
    }
    if (sk) {
        bpf_sk_release(sk);
    }

    if (end) {
        int verdict = end_socket(skb, w, rcv_nxt);

        if (verdict >= 0) {
            return verdict;
        }
    }
    if (!reason) {
        return strip(skb, p, w);
    }
    if (same && old
        ? (reason == MIGRATE_REASON_BUSY
           || !mapping_forget(w->old_flow_id, old, MAPPING_INFUSING))
        : reason == REASON_LATER || infused_meanwhile(w)) {
        return drop(COUNTER_DUPLICATE);
    }
    return refuse(skb, p, w, reason, counter);
}

/* The mapping under which the bundle's addresses are known, or null. */
static __always_inline struct mapping *
find_tuple(struct work *w)
{
    __be32 *k = bpf_map_lookup_elem(&tuples, &w->mapping.tuple);
    struct mapping *m;

    if (!k) {
        return NULL;
    }
    w->old_flow_id = *k;
    m = bpf_map_lookup_elem(&mappings, &w->old_flow_id);
    return m && tuple_eq(&m->tuple, &w->mapping.tuple) ? m : NULL;
}

/* Whether flow ID 'a' was given out before 'b' (RFC 1982). */
static __always_inline int
flow_is_older(__u32 a, __u32 b)
{
    return (__s32) (a - b) < 0;
}

/* Decides what a bundle that is sealed and makes sense means. */
static __always_inline int
admit(struct __sk_buff *skb, const struct packet *p, struct work *w)
{
    struct switch_peer *peer = bpf_map_lookup_elem(&switches,
                                                   &w->mapping.switch_address);
    struct mapping *m = bpf_map_lookup_elem(&mappings, &w->flow_id);
    int taken = m && !same_connection(m, w);
    struct mapping *old;
    int same, verdict;

    if (!peer || peer->epoch != w->mapping.epoch) {
        return drop(COUNTER_NO_HELLO);
    }
    if (m && !taken) {
        old = m;
        w->old_flow_id = w->flow_id;
    } else {
        old = find_tuple(w);
    }
    same = old && same_connection(old, w);
    /* What is here is answered at any time: a switch that was stopped would
     * take silence for a host that has nothing. */
    if (same) {
        verdict = known(skb, p, w, old, w->old_flow_id);
        if (verdict >= 0) {
            return verdict;
        }
    }
    if (is_past(w->mapping.changed, peer->heard, MIGRATE_STALE)) {
        return drop(COUNTER_NO_HELLO);
    }
    if (flow_is_older(bpf_ntohl(w->flow_id), peer->floor)) {
        return drop(COUNTER_OLD);
    }
    if (taken) {
        return refuse(skb, p, w, MIGRATE_REASON_FLOW_ID,
                      COUNTER_REFUSED_FLOW_ID);
    }
    verdict = refused_before(skb, p, w);
    return verdict >= 0 ? verdict : infuse(skb, p, w, old, same);
}

#endif /* infuse.h */
