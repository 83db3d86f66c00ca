/* SPDX-License-Identifier: Apache-2.0 */
#ifndef FRAME_H
#define FRAME_H 1

/* Ethernet frames: parsing those that come in, within bounds, and building
 * those that go out.  No state, no allocation. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"

#define ETH_LEN 14              /* Bytes of an Ethernet header. */

#define SEG_FIN 0x01
#define SEG_SYN 0x02
#define SEG_RST 0x04
#define SEG_PSH 0x08
#define SEG_ACK 0x10

/* The tag that puts a frame in a VLAN (IEEE 802.1Q 9.3): TPID in the high 16
 * bits, PCP and VID in the low 16; 0 for none.  It travels beside its frame,
 * which does not contain it. */
typedef uint32_t vlan_tag;

/* The tag of VLAN 'vid' (0: none) with the priority that 'other' has. */
static inline vlan_tag
vlan_tag_make(uint16_t vid, vlan_tag other)
{
    return vid ? 0x81000000 | (other & 0xe000) | vid : 0;
}

static inline uint16_t
vlan_tag_vid(vlan_tag tag)
{
    return tag & 0xfff;
}

/* What a frame holds.  Offsets are bytes from the frame's start. */
struct packet {
    uint8_t family;             /* 4, 6, or 0 for ARP. */
    uint8_t protocol;           /* IPPROTO_*; of the first fragment only. */
    uint16_t l3;                /* Of the IP or ARP header. */
    uint16_t l4;                /* Of the TCP, UDP or ICMP header. */
    uint16_t payload;           /* Of what follows that. */
    uint32_t payload_len;       /* Bytes, padding excluded. */
    struct migrate_address src, dst;    /* In IPv6 never mapped ones. */
    __be16 src_port, dst_port;  /* TCP and UDP only. */

    /* TCP only. */
    uint32_t seq, ack;          /* Host byte order. */
    uint16_t window;
    uint8_t flags;              /* SEG_*. */
};

enum frame_kind {
    FRAME_TCP,
    FRAME_UDP,
    FRAME_ICMP,                 /* Of IPv4 or IPv6; its header is 8 bytes. */
    FRAME_ARP,
    FRAME_FRAGMENT,             /* Part of an IP datagram. */
    FRAME_EXTENDED,             /* IPv6 with extension headers, unread. */
    FRAME_OTHER,                /* Well-formed as far as it was read. */
    FRAME_MALFORMED,
};

/* A frame in a buffer of the caller's. */
struct frame {
    uint8_t *data;
    size_t len;                 /* Bytes; with TSO, up to 64 KiB. */
    vlan_tag tag;
    bool csum_good;             /* The TCP checksum was verified below. */
    bool csum_partial;          /* The TCP checksum field holds only the sum
                                 * of the pseudo-header (a sender's offload,
                                 * to be finished below us). */

    bool looked_up;             /* By migrate_lookup(), which has set these: */
    enum frame_kind kind;
    struct packet packet;
    uint32_t bucket;            /* FRAME_TCP: where the record of its
                                 * connection is, if there is one. */
    bool placeable;             /* MIGRATE_FORWARD: migrate_place() would place
                                 * its connection. */
};

/* Parses the frame into '*packet'.  IP header checksums are verified; those of
 * TCP, UDP and ICMP are not: see frame_csum_ok(). */
enum frame_kind frame_parse(const struct frame *, struct packet *);

/* Whether the TCP, UDP or ICMP checksum of 'packet' in 'frame' is right. */
bool frame_csum_ok(const struct frame *, const struct packet *);

/* TCP options as they matter here (RFC 9293 3.2, RFC 7323, RFC 2018). */
struct tcp_options {
    uint16_t mss;               /* 0: not given. */
    bool wscale_ok;
    uint8_t wscale;             /* At most 14. */
    bool sack_ok;
    bool tstamp_ok;
    uint32_t tsval, tsecr;
};

/* Parses the options of the TCP 'packet' in 'frame'.  Returns false if they
 * are malformed. */
bool tcp_options_parse(const struct frame *, const struct packet *,
                       struct tcp_options *);

/* Rewrites in place the addresses and ports of the TCP 'packet' in 'frame',
 * which stay of the same family, and the Ethernet addresses.  Checksums are
 * updated by difference, so that a corrupted packet stays corrupted. */
void frame_redirect(struct frame *, const struct packet *,
                    const uint8_t eth_dst[6], const uint8_t eth_src[6],
                    const struct migrate_address *src,
                    const struct migrate_address *dst,
                    __be16 src_port, __be16 dst_port);

/* Parses the beginning of the TCP packet that the ICMP error 'packet' in
 * 'frame' quotes into '*quoted': addresses, ports and 'seq', with 'l3' and
 * 'l4' where they are in 'frame'.  Returns false if it quotes none, or less
 * than the 8 bytes of TCP that it must (RFC 792). */
bool icmp_quote_parse(const struct frame *, const struct packet *,
                      struct packet *quoted);

/* Rewrites in place where the ICMP 'packet' in 'frame' goes, which stays of
 * the same family. */
void frame_readdress(struct frame *, const struct packet *,
                     const uint8_t eth_dst[6], const uint8_t eth_src[6],
                     const struct migrate_address *dst);

/* Turns the ICMP echo request 'packet' in 'frame' around, in place.  'type'
 * is that of a reply. */
void frame_echo(struct frame *, const struct packet *, uint8_t type);

/* A TCP segment to build. */
struct segment {
    const uint8_t *eth_dst, *eth_src;   /* 6 bytes each. */
    const struct migrate_address *src, *dst;
    __be16 src_port, dst_port;
    uint32_t seq, ack;
    uint16_t window;
    uint8_t flags;
    const struct tcp_options *options;  /* Or NULL for none.  'tstamp_ok' puts
                                         * timestamps in; the rest goes into
                                         * a SYN only. */
    const void *payload;
    size_t payload_len;
};

/* The most that segment_build() adds to the payload, in bytes. */
#define SEGMENT_OVERHEAD (ETH_LEN + 40 + 60)

/* Builds the segment at 'buf', with an Ethernet header unless 'eth_dst' is
 * NULL, and returns its length in bytes. */
size_t segment_build(const struct segment *, uint8_t *buf);

/* Puts Ethernet, IP and UDP headers in front of the 'len' bytes of payload at
 * 'buf + udp_overhead(dst)' and returns the frame's length. */
size_t udp_build(uint8_t *buf, size_t len,
                 const uint8_t eth_dst[6], const uint8_t eth_src[6],
                 const struct migrate_address *src,
                 const struct migrate_address *dst, uint16_t port);

static inline size_t
udp_overhead(const struct migrate_address *dst)
{
    return ETH_LEN + (address_is_v4(dst) ? 20 : 40) + 8;
}

/* ARP over Ethernet for IPv4 (RFC 826). */
#define ARP_FRAME_LEN 60
#define ARP_REQUEST 1
#define ARP_REPLY 2

struct arp {
    uint16_t op;                /* ARP_REQUEST or ARP_REPLY. */
    uint8_t sender_mac[6], target_mac[6];
    struct migrate_address sender, target;
};

/* Reads the ARP 'packet', found by frame_parse(), in 'frame'. */
void arp_read(const struct frame *, const struct packet *, struct arp *);

/* Builds an ARP frame of ARP_FRAME_LEN bytes to 'eth_dst' at 'buf'. */
void arp_build(const struct arp *, const uint8_t eth_dst[6], uint8_t *buf);

/* Neighbor discovery over Ethernet for IPv6 (RFC 4861). */
#define ND_FRAME_LEN (ETH_LEN + 40 + 32)
#define ND_SOLICIT 135          /* Types of ICMPv6. */
#define ND_ADVERTISE 136

struct nd {
    uint8_t type;               /* ND_SOLICIT or ND_ADVERTISE. */
    bool solicited;             /* Advertisement: somebody asked for it. */
    struct migrate_address target;
    bool mac_given;
    uint8_t mac[6];             /* Of the source of a solicitation, of the
                                 * target of an advertisement. */
};

/* Reads the solicitation or advertisement 'packet', FRAME_ICMP with a right
 * checksum, in 'frame'.  Returns false if RFC 4861 7.1 wants it discarded. */
bool nd_read(const struct frame *, const struct packet *, struct nd *);

/* The group in which 'target' listens for solicitations: its solicited-node
 * multicast address (RFC 4291 2.7.1). */
struct migrate_address nd_group(const struct migrate_address *target);

/* Builds a frame of ND_FRAME_LEN bytes at 'buf', from 'src' to 'dst', with
 * 'nd->mac' in it and as the Ethernet source.  'eth_dst' is not looked at if
 * 'dst' is a group.  An advertisement overrides what was known before. */
void nd_build(const struct nd *, const uint8_t eth_dst[6],
              const struct migrate_address *src,
              const struct migrate_address *dst, uint8_t *buf);

#endif /* frame.h */
