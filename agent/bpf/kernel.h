/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef KERNEL_H
#define KERNEL_H 1

/* The few kernel structures, members and functions that the programs use.
 * Each structure names only what is read: libbpf finds the real offsets in
 * the running kernel's BTF when the programs are loaded (CO-RE). */

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <linux/tcp.h>
#include <linux/udp.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#define AF_INET 2
#define AF_INET6 10
#define PACKET_HOST 0               /* skb->pkt_type. */
#define CHECKSUM_PARTIAL 3          /* skb->ip_summed. */

/* Not among the user API's headers. */
enum {
    TCP_ESTABLISHED = 1,
    TCP_SYN_RECV = 3,
    TCP_TIME_WAIT = 6,
    TCP_CLOSE = 7,
    TCP_LISTEN = 10,
    TCP_NEW_SYN_RECV = 12,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), \
                             apply_to = record)

struct net {
    __u64 net_cookie;
};

typedef struct {
    struct net *net;
} possible_net_t;

struct in6_addr___k {
    __u8 bytes[16];
};

struct sock_common {
    __be32 skc_daddr;
    __be32 skc_rcv_saddr;
    __be16 skc_dport;
    __u16 skc_num;
    unsigned short skc_family;
    volatile unsigned char skc_state;
    possible_net_t skc_net;
    struct in6_addr___k skc_v6_daddr;
    struct in6_addr___k skc_v6_rcv_saddr;
    __u32 skc_tw_rcv_nxt;
};

struct sock {
    struct sock_common __sk_common;
    __u32 sk_ack_backlog;
    __u32 sk_max_ack_backlog;
};

struct inet_sock {
    struct sock sk;
    __be16 inet_sport;
};

struct inet_connection_sock {
    struct inet_sock icsk_inet;
};

struct tcp_sock {
    struct inet_connection_sock inet_conn;
    __u32 rcv_nxt, snd_nxt, snd_una;
    _Bool is_mptcp;
};

struct inet_timewait_sock {
    struct sock_common __tw_common;
};

struct tcp_timewait_sock {
    struct inet_timewait_sock tw_sk;
};

struct sk_buff {
    __u8 ip_summed:2;
};

#pragma clang attribute pop

/* Passed to the kernel by value, so the whole structure, as it is. */
struct bpf_tcp_req_attrs {
    __u32 rcv_tsval;
    __u32 rcv_tsecr;
    __u16 mss;
    __u8 rcv_wscale;
    __u8 snd_wscale;
    __u8 ecn_ok;
    __u8 wscale_ok;
    __u8 sack_ok;
    __u8 tstamp_ok;
    __u8 usec_ts_ok;
    __u8 reserved[3];
};

/* Linux 6.9. */
extern int bpf_sk_assign_tcp_reqsk(struct __sk_buff *, struct sock *,
                                   struct bpf_tcp_req_attrs *,
                                   int attrs__sz) __ksym;

/* Linux 6.2. */
extern void *bpf_cast_to_kern_ctx(void *) __ksym;

#endif /* kernel.h */
