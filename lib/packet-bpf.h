/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
#ifndef PACKET_BPF_H
#define PACKET_BPF_H 1

/* What BPF programs of the switch and of the host do alike with packets. */

#include <linux/bpf.h>
#include <linux/if_ether.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

#include "lib/messages.h"

#define EINVAL 22
#define ETH_LEN ((__u32) sizeof(struct ethhdr))

/* A flag of bpf_l4_csum_replace(), from Linux 6.16 on. */
#define CSUM_IPV6 (1 << 7)

static __always_inline struct migrate_address
v4_mapped(__be32 v4)
{
    __be32 words[4] = { 0, 0, bpf_htonl(0xffff), v4 };
    struct migrate_address a;

    __builtin_memcpy(&a, words, sizeof a);
    return a;
}

static __always_inline __be32
address_v4(const struct migrate_address *a)
{
    return ((const __be32 *) (const void *) a)[3];
}

static __always_inline int
address_is_mapped(const struct migrate_address *a)
{
    const __be32 *x = (const void *) a;

    return !x[0] && !x[1] && x[2] == bpf_htonl(0xffff);
}

/* Where the packet ends that says it has 'len' bytes from 'start' on.  What GRO
 * has put together may be too long to say so (BIG TCP, ip-link(8)
 * "gro_ipv4_max_size"): then that is 0. */
static __always_inline __u32
packet_end(const struct __sk_buff *skb, __u32 start, __u32 len)
{
    return !len && skb->gso_size ? skb->len : start + len;
}

/* Changes the checksum at 'offset' of an IPv6 packet by the difference 'diff'
 * of its addresses.  Newer kernels want to be told that it is IPv6, since
 * there an address is no part of what CHECKSUM_COMPLETE sums up; older ones
 * want no flag that they do not know. */
static __always_inline int
replace_checksum6(struct __sk_buff *skb, __u32 offset, __s64 diff)
{
    int error = bpf_l4_csum_replace(skb, offset, 0, diff,
                                    BPF_F_PSEUDO_HDR | CSUM_IPV6);

    return error == -EINVAL ? bpf_l4_csum_replace(skb, offset, 0, diff,
                                                  BPF_F_PSEUDO_HDR) : error;
}

#endif /* packet-bpf.h */
