/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "bed.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "csum.h"

static uint8_t mac[6] = { 2, 9, 9, 9, 9, 9 };

/* Gives the engine an ARP frame that says that 'sender' is at 'mac'. */
static enum migrate_verdict
give_arp(uint16_t op, const char *sender, const char *target)
{
    struct arp arp = { .op = op };
    uint8_t buf[ARP_FRAME_LEN];

    address_parse(sender, &arp.sender);
    address_parse(target, &arp.target);
    memcpy(arp.sender_mac, mac, 6);
    arp_build(&arp, bed.mac, buf);
    return bed_control(buf, sizeof buf);
}

static void
test_arp(void)
{
    struct bed_frame *f;
    struct arp arp;
    uint64_t n;

    bed_open(4, 64);
    bed.keep_hellos = true;
    CHECK_INT(give_arp(ARP_REQUEST, "192.0.2.7", "198.51.100.1"),
              MIGRATE_DROP);
    f = bed_take();
    CU_ASSERT_FATAL(f && f->kind == FRAME_ARP);
    arp_read(&f->frame, &f->packet, &arp);
    CHECK_INT(arp.op, ARP_REPLY);
    CU_ASSERT(!memcmp(f->data, mac, 6));
    CU_ASSERT(!memcmp(arp.sender_mac, bed.mac, 6));
    CU_ASSERT(!memcmp(arp.target_mac, mac, 6));
    CU_ASSERT(address_equals(&arp.sender, &bed.vip));
    free(f);
    CHECK_INT(BED_COUNT(ARP_REPLY), 1);

    /* Replies tell nothing of a host that is up: ARP has no seal.  They go no
     * further: that would be back to where they came from. */
    CHECK_INT(give_arp(ARP_REPLY, "10.0.0.11", "10.0.0.254"),
              MIGRATE_DROP);
    CU_ASSERT(!memcmp(bed_engine_host(0)->mac, bed.hosts[0].mac, 6));
    bed_clear();
    bed.hosts[0].alive = false;
    bed.keep_hellos = false;
    bed_wait(2000);
    n = BED_COUNT(NEIGHBOR);
    CHECK_INT(give_arp(ARP_REPLY, "10.0.0.11", "10.0.0.254"),
              MIGRATE_DROP);
    CU_ASSERT(!memcmp(bed_engine_host(0)->mac, mac, 6));
    CU_ASSERT(!bed_engine_host(0)->up);     /* Only its STATUS says that. */
    CHECK_INT(BED_COUNT(NEIGHBOR), n + 1);
    bed_close();
}

/* Who says again and again that a host that is down has moved does not have the
 * others asked more often. */
static void
test_moving(void)
{
    uint64_t n;

    bed_open(4, 64);
    bed.hosts[0].alive = false;
    bed_wait(2000);
    n = BED_COUNT(HELLO);
    for (mac[5] = 0; mac[5] < 100; mac[5]++) {
        give_arp(ARP_REPLY, "10.0.0.11", "10.0.0.254");
        bed_wait(1);
    }
    CU_ASSERT(!memcmp(bed_engine_host(0)->mac, mac, 5));
    CHECK_INT(bed_engine_host(0)->mac[5], 99);
    CU_ASSERT(BED_COUNT(HELLO) - n <= BED_HOSTS);
    mac[5] = 9;
    bed_close();
}

/* What is wrong with a frame that is otherwise as a host or router sends it. */
enum fault {
    FAULT_NONE,
    FAULT_HOP_LIMIT,            /* It has come through a router. */
    FAULT_CODE,
    FAULT_CHECKSUM,
    FAULT_SHORT,                /* It ends within the target. */
    FAULT_OPTION_0,             /* An option of no length... */
    FAULT_OPTION_LONG,          /* ...and one that is over the end. */
    FAULT_TARGET_GROUP,
    N_FAULTS
};

/* A message and how it is sent. */
struct given {
    uint8_t type;
    bool solicited;
    bool bare;                  /* Without the link-layer address. */
    const char *src, *dst, *target;
};

static size_t
build_nd(const struct given *g, enum fault fault, uint8_t *buf)
{
    struct nd nd = { .type = g->type, .solicited = g->solicited };
    struct migrate_address src, dst;
    size_t len = ND_FRAME_LEN;
    uint8_t *ip = buf + ETH_LEN, *icmp = ip + 40;
    uint16_t csum;

    CU_ASSERT_FATAL(address_parse(g->src, &src));
    CU_ASSERT_FATAL(address_parse(g->dst, &dst));
    CU_ASSERT_FATAL(address_parse(g->target, &nd.target));
    memcpy(nd.mac, mac, 6);
    nd_build(&nd, bed.mac, &src, &dst, buf);
    if (g->bare) {
        len -= 8;
    }
    if (fault == FAULT_SHORT) {
        len = ETH_LEN + 40 + 23;
    }
    ip[5] = len - ETH_LEN - 40;
    ip[7] -= fault == FAULT_HOP_LIMIT;
    icmp[1] = fault == FAULT_CODE;
    icmp[25] = fault == FAULT_OPTION_0 ? 0 : fault == FAULT_OPTION_LONG ? 2
               : icmp[25];
    if (fault == FAULT_TARGET_GROUP) {
        icmp[8] = 0xff;
    }
    memset(icmp + 2, 0, 2);
    csum = ~csum_fold(csum_add(csum_pseudo(0, &src, &dst, IPPROTO_ICMPV6,
                                           ip[5]), icmp, ip[5]));
    memcpy(icmp + 2, &csum, 2);
    icmp[2] ^= fault == FAULT_CHECKSUM;
    return len;
}

static enum migrate_verdict
give_nd(const struct given *g, enum fault fault)
{
    uint8_t buf[ND_FRAME_LEN];

    return bed_control(buf, build_nd(g, fault, buf));
}

/* The next frame advertises 'target' to 'dst' as RFC 4861 7.2.4 says; its
 * bytes are looked at without the help of frame.c. */
static void
expect_advertisement(const char *target, const char *dst, const uint8_t *eth,
                     bool solicited)
{
    struct bed_frame *f = bed_take();
    struct migrate_address t, d;
    const uint8_t *ip, *icmp;
    uint64_t sum;

    CU_ASSERT_FATAL(f && f->kind == FRAME_ICMP);
    CHECK_INT(f->frame.len, ETH_LEN + 40 + 32);
    address_parse(target, &t);
    address_parse(dst, &d);
    ip = f->data + ETH_LEN;
    icmp = ip + 40;
    CU_ASSERT(!memcmp(f->data, eth, 6));
    CU_ASSERT(!memcmp(f->data + 6, bed.mac, 6));
    CHECK_INT(ip[7], 255);
    CU_ASSERT(!memcmp(ip + 8, &t, 16) && !memcmp(ip + 24, &d, 16));
    CHECK_INT(icmp[0], 136);
    CHECK_INT(icmp[1], 0);
    CHECK_INT(icmp[4], solicited ? 0x60 : 0x20);    /* No router; override. */
    CU_ASSERT(!memcmp(icmp + 8, &t, 16));
    CHECK_INT(icmp[24], 2);
    CHECK_INT(icmp[25], 1);
    CU_ASSERT(!memcmp(icmp + 26, bed.mac, 6));
    sum = csum_pseudo(0, &t, &d, IPPROTO_ICMPV6, 32);
    CHECK_INT(csum_fold(csum_add(sum, icmp, 32)), 0xffff);
    free(f);
}

/* Solicitations for the service and the migration address are answered:
 * from the group, from a neighbor that checks whether the switch is there
 * still, and from one that would take the address for itself. */
static void
test_solicited(void)
{
    static const uint8_t all_nodes[6] = { 0x33, 0x33, 0, 0, 0, 1 };
    static const char *const targets[][2] = {
        { "2001:db8:1::1", "ff02::1:ff00:1" },
        { "2001:db8::fe", "ff02::1:ff00:fe" },
        { "2001:db8:1:2:3:4:56:789a", "ff02::1:ff56:789a" },
    };

    for (int i = 0; i < 3; i++) {
        struct given g = { ND_SOLICIT, false, false, "2001:db8:2::1",
                           targets[i][1], targets[i][0] };

        bed_open(6, 64);
        CHECK_INT(give_nd(&g, FAULT_NONE), MIGRATE_DROP);
        expect_advertisement(targets[i][0], "2001:db8:2::1", mac, true);

        g.src = "fe80::1";
        g.dst = targets[i][0];
        CHECK_INT(give_nd(&g, FAULT_NONE), MIGRATE_DROP);
        expect_advertisement(targets[i][0], "fe80::1", mac, true);
        g.bare = true;          /* Which a probe may be. */
        CHECK_INT(give_nd(&g, FAULT_NONE), MIGRATE_DROP);
        expect_advertisement(targets[i][0], "fe80::1", mac, true);

        g.src = "::";
        g.dst = targets[i][1];
        CHECK_INT(give_nd(&g, FAULT_NONE), MIGRATE_DROP);
        expect_advertisement(targets[i][0], "ff02::1", all_nodes, false);
        CHECK_INT(BED_COUNT(ND_ADVERTISE), 4);
        CHECK_INT(BED_COUNT(DROP_ND), 0);
        bed_expect_none();
        bed_close();
    }
}

/* What RFC 4861 7.1 wants discarded is, and nothing is learned from it. */
static void
test_invalid(void)
{
    static const struct given good[] = {
        { ND_SOLICIT, false, false, "2001:db8::11", "ff02::1:ff00:fe",
          "2001:db8::fe" },
        { ND_ADVERTISE, true, false, "2001:db8::11", "2001:db8::fe",
          "2001:db8::11" },
    };
    static const struct given bad[] = {
        /* From nobody, yet with an address, or not to the target's group. */
        { ND_SOLICIT, false, false, "::", "ff02::1:ff00:fe", "2001:db8::fe" },
        { ND_SOLICIT, false, true, "::", "ff02::1:ff00:ff", "2001:db8::fe" },
        { ND_SOLICIT, false, true, "::", "2001:db8::fe", "2001:db8::fe" },
        /* For another address than that which it was steered by. */
        { ND_SOLICIT, false, false, "2001:db8::11", "2001:db8::fe",
          "2001:db8::99" },
        { ND_SOLICIT, false, false, "2001:db8::11", "ff02::1",
          "2001:db8::fe" },
        /* Nobody asks for all. */
        { ND_ADVERTISE, true, false, "2001:db8::11", "ff02::1",
          "2001:db8::11" },
    };
    uint64_t n = 0;

    bed_open(6, 64);
    bed.hosts[0].alive = false;
    bed_wait(2000);
    bed_clear();
    CU_ASSERT(!bed_engine_host(0)->up);
    for (int i = 0; i < 2; i++) {
        for (int fault = 1; fault < N_FAULTS; fault++) {
            CHECK_INT(give_nd(&good[i], fault), MIGRATE_DROP);
            n += fault != FAULT_CHECKSUM;
            CHECK_INT(BED_COUNT(DROP_ND), n);
        }
    }
    CHECK_INT(BED_COUNT(DROP_CHECKSUM), 2);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_INT(give_nd(&bad[i], FAULT_NONE), MIGRATE_DROP);
        CHECK_INT(BED_COUNT(DROP_ND), ++n);
    }
    bed_expect_none();
    CU_ASSERT(!memcmp(bed_engine_host(0)->mac, bed.hosts[0].mac, 6));

    CHECK_INT(give_nd(&good[0], FAULT_NONE), MIGRATE_DROP);
    CU_ASSERT(!memcmp(bed_engine_host(0)->mac, mac, 6));
    bed_close();
}

/* Advertisements of hosts that are down are learned from, with or without a
 * question; others, and those without an address, are not. */
static void
test_advertised(void)
{
    struct given g = { ND_ADVERTISE, true, false, "2001:db8::11",
                       "2001:db8::fe", "2001:db8::11" };

    bed_open(6, 64);
    CHECK_INT(give_nd(&g, FAULT_NONE), MIGRATE_DROP);
    CU_ASSERT(!memcmp(bed_engine_host(0)->mac, bed.hosts[0].mac, 6));
    bed.hosts[0].alive = false;
    bed_wait(2000);
    bed_clear();
    g.bare = true;
    CHECK_INT(give_nd(&g, FAULT_NONE), MIGRATE_DROP);
    CU_ASSERT(!memcmp(bed_engine_host(0)->mac, bed.hosts[0].mac, 6));
    g.bare = g.solicited = false;
    g.dst = "ff02::1";
    CHECK_INT(give_nd(&g, FAULT_NONE), MIGRATE_DROP);
    CU_ASSERT(!memcmp(bed_engine_host(0)->mac, mac, 6));
    CU_ASSERT(!bed_engine_host(0)->up);     /* Only its STATUS says that. */
    bed_close();
}

/* A host that is not heard of is asked where it is. */
static void
test_question(void)
{
    static const uint8_t eth[6] = { 0x33, 0x33, 0xff, 0, 0, 0x11 };
    struct migrate_address group;
    struct bed_frame *f;
    struct nd nd;

    bed_open(6, 64);
    bed.hosts[0].alive = false;
    bed_wait(2000);
    bed_clear();
    bed.keep_hellos = true;
    bed_wait(MIGRATE_HELLO_INTERVAL);
    f = bed_take();
    CU_ASSERT_FATAL(f && f->kind == FRAME_ICMP);
    CU_ASSERT(frame_csum_ok(&f->frame, &f->packet));
    CU_ASSERT(nd_read(&f->frame, &f->packet, &nd));
    CHECK_INT(nd.type, ND_SOLICIT);
    CU_ASSERT(address_equals(&nd.target, &bed.hosts[0].address));
    CU_ASSERT(nd.mac_given && !memcmp(nd.mac, bed.mac, 6));
    CU_ASSERT(address_equals(&f->packet.src, &bed.address));
    address_parse("ff02::1:ff00:11", &group);
    CU_ASSERT(address_equals(&f->packet.dst, &group));
    CU_ASSERT(!memcmp(f->data, eth, 6));
    CU_ASSERT(!memcmp(f->data + 6, bed.mac, 6));
    free(f);

    /* Those that answer are not asked. */
    while ((f = bed_take())) {
        CU_ASSERT(f->kind == FRAME_UDP || f->data[ETH_LEN + 63] == 0x11);
        free(f);
    }
    bed_close();
}

static const struct unit_test tests[] = {
    { "ARP", test_arp },
    { "a host that moves about", test_moving },
    { "solicitations are answered", test_solicited },
    { "invalid neighbor discovery", test_invalid },
    { "advertisements of hosts", test_advertised },
    { "hosts are asked where they are", test_question },
    { NULL, NULL }
};
const struct unit_suite unit_suite = { "neighbor", tests };
