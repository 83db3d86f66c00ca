/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "flows.h"

#include <stdlib.h>
#include <string.h>

#include "byte-order.h"
#include "fabric.h"
#include "flow.h"
#include "flow-entry.h"
#include "flow-text.h"
#include "packets.h"
#include "unit.h"
#include "util.h"

/* Two spines (switches 0 and 1) and two leaves (2 and 3).  A leaf has spine S
 * at port S + 1, and at ports 3 and 4 anything else; a spine has leaf L at
 * port L.  Leaves are ingress switches, with migration addresses 10.0.1.L.
 * Groups are numbered 10, 11, 12, 13. */
static void
leaf_spine(struct fabric *f)
{
    fabric_init(f);
    for (size_t i = 0; i < 4; i++) {
        struct fabric_switch *s = fabric_add_switch(f, i);

        s->group = 10 + i;
        s->reachable = true;
        if (i >= 2) {
            s->addresses[0] = address_from_v4(htonl(0x0a000100 + i));
        }
    }
    for (size_t leaf = 2; leaf < 4; leaf++) {
        for (size_t i = 1; i <= 4; i++) {
            struct fabric_port *port = fabric_add_port(f);

            port->sw = leaf;
            port->number = u16_to_ofp(i);
            port->role = i <= 2 ? ROLE_LINK : ROLE_EDGE;
        }
        for (size_t spine = 0; spine < 2; spine++) {
            struct fabric_port *port = fabric_add_port(f);
            struct fabric_link *link = fabric_add_link(f);

            port->sw = spine;
            port->number = u16_to_ofp(leaf);
            port->role = ROLE_LINK;

            link->sw[0] = leaf;
            link->port[0] = u16_to_ofp(spine + 1);
            link->sw[1] = spine;
            link->port[1] = u16_to_ofp(leaf);
            link->cost[0] = link->cost[1] = 1;
        }
    }
}

static void
add_service(struct fabric *f, uint32_t id, const char *address, uint16_t port)
{
    struct fabric_service *s = fabric_add_service(f);

    s->id = id;
    s->port = port;
    CU_ASSERT(address_parse(address, &s->address));
}

/* Checks a section of switch 'sw'. */
static void
check(const struct fabric *f, size_t sw, enum flows_section section,
      const char *expected)
{
    struct fabric_routes routes;
    struct flow_table ft, far, want;
    char *got, *wanted;

    fabric_route(f, &routes);
    flow_table_init(&ft);
    flow_table_init(&far);
    if (section == FLOWS_STATIONS) {
        flows_add_far(f, &far);
        ft.base = &far;
    }
    flows_add(section, f, &routes, sw, &ft);
    got = flow_text_lines(&ft);
    flow_text_read(&want, expected);
    wanted = flow_text_lines(&want);
    CHECK_STR(got, wanted);
    free(got);
    free(wanted);
    flow_table_destroy(&ft);
    flow_table_destroy(&far);
    flow_table_destroy(&want);
    fabric_routes_uninit(&routes);
}

#define EVERYWHERE \
    "cookie=0x6d69677261746500,table=0,priority=60000,dl_type=0x88cc," \
        "actions=CONTROLLER:65535\n" \
    "cookie=0x6d69677261746500,table=0,priority=59000," \
        "dl_dst=01:80:c2:00:00:00/ff:ff:ff:ff:ff:f0,actions=drop\n" \
    "cookie=0x6d69677261746500,table=1,priority=100,arp," \
        "actions=CONTROLLER:128,goto_table:2\n" \
    "cookie=0x6d69677261746500,table=1,priority=100,icmp6,icmp_type=135," \
        "actions=CONTROLLER:128,goto_table:2\n" \
    "cookie=0x6d69677261746500,table=1,priority=100,icmp6,icmp_type=136," \
        "actions=CONTROLLER:128,goto_table:2\n" \
    "cookie=0x6d69677261746500,table=1,priority=0,actions=goto_table:2\n" \
    "cookie=0x6d69677261746500,table=2,priority=0,actions=goto_table:3\n" \
    "cookie=0x6d69677261746500,table=3,priority=0,actions=group:1\n"

#define PORT(NUMBER, TABLE) \
    "cookie=0x6d69677261746500,table=0,priority=100,in_port=" #NUMBER "," \
        "actions=goto_table:" #TABLE "\n"

#define NOT_IN_TREE(NUMBER) \
    "cookie=0x6d69677261746500,table=3,priority=10,in_port=" #NUMBER "," \
        "actions=drop\n"

static void
test_ports(void)
{
    struct fabric f;

    /* The tree has the links of leaf 2, and the first one of leaf 3. */
    leaf_spine(&f);
    check(&f, 2, FLOWS_PORTS, EVERYWHERE
          PORT(1, 2) PORT(2, 2) PORT(3, 1) PORT(4, 1)
          "group_id=1,type=all,bucket=actions=output:1,"
              "bucket=actions=output:2,bucket=actions=output:3,"
              "bucket=actions=output:4\n"
          "group_id=10,type=indirect,bucket=actions=output:1\n"
          "group_id=11,type=indirect,bucket=actions=output:2\n"
          "group_id=13,type=select,bucket=watch_port:1,actions=output:1,"
              "bucket=watch_port:2,actions=output:2\n");
    check(&f, 3, FLOWS_PORTS, EVERYWHERE
          PORT(1, 2) PORT(2, 2) PORT(3, 1) PORT(4, 1) NOT_IN_TREE(2)
          "group_id=1,type=all,bucket=actions=output:1,"
              "bucket=actions=output:3,bucket=actions=output:4\n"
          "group_id=10,type=indirect,bucket=actions=output:1\n"
          "group_id=11,type=indirect,bucket=actions=output:2\n"
          "group_id=12,type=select,bucket=watch_port:1,actions=output:1,"
              "bucket=watch_port:2,actions=output:2\n");
    check(&f, 1, FLOWS_PORTS, EVERYWHERE
          PORT(2, 2) PORT(3, 2) NOT_IN_TREE(3)
          "group_id=1,type=all,bucket=actions=output:2\n"
          "group_id=10,type=select,bucket=watch_port:2,actions=output:2,"
              "bucket=watch_port:3,actions=output:3\n"
          "group_id=12,type=indirect,bucket=actions=output:2\n"
          "group_id=13,type=indirect,bucket=actions=output:3\n");
    fabric_destroy(&f);
}

/* Nothing is flooded from a link that is down. */
static void
test_link_down(void)
{
    struct fabric f;

    leaf_spine(&f);
    f.n_links = 3;
    check(&f, 1, FLOWS_PORTS, EVERYWHERE
          PORT(2, 2) PORT(3, 2) NOT_IN_TREE(3)
          "group_id=1,type=all,bucket=actions=output:2\n"
          "group_id=10,type=indirect,bucket=actions=output:2\n"
          "group_id=12,type=indirect,bucket=actions=output:2\n"
          "group_id=13,type=indirect,bucket=actions=output:2\n");
    fabric_destroy(&f);
}

/* A switch that nobody leads to keeps its group, without a way. */
static void
test_no_way(void)
{
    struct fabric f;

    fabric_init(&f);
    fabric_add_switch(&f, 1)->group = 10;
    fabric_add_switch(&f, 2)->group = 11;
    check(&f, 0, FLOWS_PORTS, EVERYWHERE
          "group_id=1,type=all\n"
          "group_id=11,type=all\n");
    fabric_destroy(&f);
}

#define GUARD_MIGRATION \
    "cookie=0x6d69677261746501,table=1,priority=300,arp,arp_spa=10.0.1.2," \
        "actions=drop\n" \
    "cookie=0x6d69677261746501,table=1,priority=300,ip,nw_src=10.0.1.2," \
        "actions=drop\n" \
    "cookie=0x6d69677261746501,table=1,priority=300,arp,arp_spa=10.0.1.3," \
        "actions=drop\n" \
    "cookie=0x6d69677261746501,table=1,priority=300,ip,nw_src=10.0.1.3," \
        "actions=drop\n"

#define OWN(ADDRESS) \
    "cookie=0x6d69677261746501,table=2,priority=200,arp,arp_tpa=" ADDRESS "," \
        "actions=migrate(control,table=3)\n" \
    "cookie=0x6d69677261746501,table=2,priority=200,icmp,nw_dst=" ADDRESS "," \
        "actions=migrate(control,table=3)\n" \
    "cookie=0x6d69677261746501,table=2,priority=100,ip,nw_dst=" ADDRESS "," \
        "actions=drop\n"

#define OTHERS(ADDRESS, GROUP) \
    "cookie=0x6d69677261746501,table=2,priority=200,arp,arp_tpa=" ADDRESS "," \
        "actions=group:" #GROUP "\n" \
    "cookie=0x6d69677261746501,table=2,priority=100,ip,nw_dst=" ADDRESS "," \
        "actions=group:" #GROUP "\n"

/* Of hosts and the controller, and for the controller. */
#define MESSAGES(UDP, IP, ADDRESS) \
    "cookie=0x6d69677261746501,table=2,priority=200," UDP "," \
        IP "dst=" ADDRESS ",tp_dst=7471," \
        "actions=migrate(control,table=3)\n" \
    "cookie=0x6d69677261746501,table=3,priority=200," UDP "," \
        IP "src=" ADDRESS "," IP "dst=" ADDRESS ",tp_dst=7472," \
        "actions=CONTROLLER:65535\n"

static void
test_addresses(void)
{
    struct fabric f;

    leaf_spine(&f);
    check(&f, 2, FLOWS_ADDRESSES, GUARD_MIGRATION OWN("10.0.1.2")
          OTHERS("10.0.1.3", 13)
          MESSAGES("udp", "nw_", "10.0.1.2"));

    add_service(&f, 7, "10.0.0.100", 80);
    add_service(&f, 8, "10.0.0.100", 443);
    check(&f, 2, FLOWS_ADDRESSES, GUARD_MIGRATION OWN("10.0.1.2")
          OTHERS("10.0.1.3", 13)
          MESSAGES("udp", "nw_", "10.0.1.2")
          OWN("10.0.0.100")
          "cookie=0x6d69677261746501,table=1,priority=300,arp,"
              "arp_spa=10.0.0.100,actions=drop\n"
          "cookie=0x6d69677261746501,table=2,priority=200,tcp,"
              "nw_dst=10.0.0.100,tp_dst=80,"
              "actions=migrate(service=7,table=3)\n"
          "cookie=0x6d69677261746501,table=2,priority=200,tcp,"
              "nw_dst=10.0.0.100,tp_dst=443,"
              "actions=migrate(service=8,table=3)\n");
    fabric_destroy(&f);
}

/* A switch that does not migrate sends services to the nearest one that does
 * and can be reached. */
static void
test_forwarding_switch(void)
{
    struct fabric f;

    leaf_spine(&f);
    add_service(&f, 7, "10.0.0.100", 80);
    check(&f, 0, FLOWS_ADDRESSES, GUARD_MIGRATION
          OTHERS("10.0.1.2", 12) OTHERS("10.0.1.3", 13)
          OTHERS("10.0.0.100", 12)
          "cookie=0x6d69677261746501,table=1,priority=300,arp,"
              "arp_spa=10.0.0.100,actions=drop\n");
    f.switches[2].reachable = false;
    check(&f, 0, FLOWS_ADDRESSES, GUARD_MIGRATION
          OTHERS("10.0.1.2", 12) OTHERS("10.0.1.3", 13)
          OTHERS("10.0.0.100", 13)
          "cookie=0x6d69677261746501,table=1,priority=300,arp,"
              "arp_spa=10.0.0.100,actions=drop\n");
    f.links[2].cost[1] = 5;     /* From spine 0 to leaf 3. */
    f.switches[2].reachable = true;
    memset(&f.switches[2].addresses, 0, sizeof f.switches[2].addresses);
    f.n_services = 0;
    check(&f, 0, FLOWS_ADDRESSES,
          "cookie=0x6d69677261746501,table=1,priority=300,arp,"
              "arp_spa=10.0.1.3,actions=drop\n"
          "cookie=0x6d69677261746501,table=1,priority=300,ip,"
              "nw_src=10.0.1.3,actions=drop\n"
          OTHERS("10.0.1.3", 13));
    fabric_destroy(&f);
}

static void
test_ipv6(void)
{
    struct fabric f;

    fabric_init(&f);
    fabric_add_switch(&f, 1);
    CU_ASSERT(address_parse("2001:db8::1", &f.switches[0].addresses[1]));
    add_service(&f, 9, "2001:db8::80", 80);
    check(&f, 0, FLOWS_ADDRESSES,
          "cookie=0x6d69677261746501,table=1,priority=300,icmp6,"
              "icmp_type=136,nd_target=2001:db8::1,actions=drop\n"
          "cookie=0x6d69677261746501,table=1,priority=300,icmp6,"
              "icmp_type=136,nd_target=2001:db8::80,actions=drop\n"
          "cookie=0x6d69677261746501,table=1,priority=300,ipv6,"
              "ipv6_src=2001:db8::1,actions=drop\n"
          "cookie=0x6d69677261746501,table=2,priority=200,icmp6,"
              "icmp_type=135,nd_target=2001:db8::1,"
              "actions=migrate(control,table=3)\n"
          "cookie=0x6d69677261746501,table=2,priority=200,icmp6,"
              "icmp_type=135,nd_target=2001:db8::80,"
              "actions=migrate(control,table=3)\n"
          "cookie=0x6d69677261746501,table=2,priority=200,icmp6,"
              "ipv6_dst=2001:db8::1,actions=migrate(control,table=3)\n"
          "cookie=0x6d69677261746501,table=2,priority=200,icmp6,"
              "ipv6_dst=2001:db8::80,actions=migrate(control,table=3)\n"
          MESSAGES("udp6", "ipv6_", "2001:db8::1")
          "cookie=0x6d69677261746501,table=2,priority=200,tcp6,"
              "ipv6_dst=2001:db8::80,tp_dst=80,"
              "actions=migrate(service=9,table=3)\n"
          "cookie=0x6d69677261746501,table=2,priority=100,ipv6,"
              "ipv6_dst=2001:db8::1,actions=drop\n"
          "cookie=0x6d69677261746501,table=2,priority=100,ipv6,"
              "ipv6_dst=2001:db8::80,actions=drop\n");
    fabric_destroy(&f);
}

/* A switch migrates what is of the families that it has addresses of. */
static void
test_families(void)
{
    struct fabric f;

    leaf_spine(&f);
    CU_ASSERT(address_parse("2001:db8::3", &f.switches[3].addresses[1]));
    add_service(&f, 9, "2001:db8::80", 80);
    check(&f, 2, FLOWS_ADDRESSES, GUARD_MIGRATION OWN("10.0.1.2")
          OTHERS("10.0.1.3", 13)
          MESSAGES("udp", "nw_", "10.0.1.2")
          "cookie=0x6d69677261746501,table=1,priority=300,icmp6,"
              "icmp_type=136,nd_target=2001:db8::3,actions=drop\n"
          "cookie=0x6d69677261746501,table=1,priority=300,icmp6,"
              "icmp_type=136,nd_target=2001:db8::80,actions=drop\n"
          "cookie=0x6d69677261746501,table=1,priority=300,ipv6,"
              "ipv6_src=2001:db8::3,actions=drop\n"
          "cookie=0x6d69677261746501,table=2,priority=200,icmp6,"
              "icmp_type=135,nd_target=2001:db8::3,actions=group:13\n"
          "cookie=0x6d69677261746501,table=2,priority=200,icmp6,"
              "icmp_type=135,nd_target=2001:db8::80,actions=group:13\n"
          "cookie=0x6d69677261746501,table=2,priority=100,ipv6,"
              "ipv6_dst=2001:db8::3,actions=group:13\n"
          "cookie=0x6d69677261746501,table=2,priority=100,ipv6,"
              "ipv6_dst=2001:db8::80,actions=group:13\n");
    fabric_destroy(&f);
}

static void
test_stations(void)
{
    struct fabric_station *s;
    struct fabric f;

    leaf_spine(&f);
    s = fabric_add_station(&f);
    s->mac = (struct eth_addr) ETH_ADDR_C(02,00,00,00,00,01);
    s->sw = 2;
    s->port = u16_to_ofp(3);
    s = fabric_add_station(&f);
    s->mac = (struct eth_addr) ETH_ADDR_C(02,00,00,00,00,02);
    s->sw = 3;
    s->port = u16_to_ofp(4);
    check(&f, 2, FLOWS_STATIONS,
          "cookie=0x6d69677261746502,table=1,priority=200,arp,in_port=3,"
              "dl_src=02:00:00:00:00:01,actions=goto_table:2\n"
          "cookie=0x6d69677261746502,table=1,priority=200,icmp6,icmp_type=135,"
              "in_port=3,dl_src=02:00:00:00:00:01,actions=goto_table:2\n"
          "cookie=0x6d69677261746502,table=1,priority=200,icmp6,icmp_type=136,"
              "in_port=3,dl_src=02:00:00:00:00:01,actions=goto_table:2\n"
          "cookie=0x6d69677261746502,table=3,priority=100,"
              "dl_dst=02:00:00:00:00:01,actions=output:3\n"
          "cookie=0x6d69677261746502,table=3,priority=100,"
              "dl_dst=02:00:00:00:00:02,actions=group:13\n");
    check(&f, 0, FLOWS_STATIONS,
          "cookie=0x6d69677261746502,table=3,priority=100,"
              "dl_dst=02:00:00:00:00:01,actions=group:12\n"
          "cookie=0x6d69677261746502,table=3,priority=100,"
              "dl_dst=02:00:00:00:00:02,actions=group:13\n");

    /* What one says that is doubted is copied to the controller. */
    f.stations[1].doubted = true;
    check(&f, 3, FLOWS_STATIONS,
          "cookie=0x6d69677261746502,table=3,priority=100,"
              "dl_dst=02:00:00:00:00:01,actions=group:12\n"
          "cookie=0x6d69677261746502,table=3,priority=100,"
              "dl_dst=02:00:00:00:00:02,actions=output:4\n");
    fabric_destroy(&f);
}

/* Flows say in their cookies which section they are of. */
static void
test_cookies(void)
{
    struct fabric_routes routes;
    struct fabric f;

    leaf_spine(&f);
    add_service(&f, 7, "10.0.0.100", 80);
    fabric_add_station(&f);
    fabric_route(&f, &routes);
    for (int section = 0; section < FLOWS_N_SECTIONS; section++) {
        const struct flow_table_flow *flow;
        struct flow_table ft;

        flow_table_init(&ft);
        flows_add(section, &f, &routes, 2, &ft);
        if (section == FLOWS_STATIONS) {
            flows_add_far(&f, &ft);
        }
        CU_ASSERT(hmap_count(&ft.flows) > 0);
        HMAP_FOR_EACH (flow, node, &ft.flows) {
            CHECK_INT(ntohll(flow->entry->cookie), FLOWS_COOKIE(section));
            CHECK_INT(flows_section_from_cookie(flow->entry->cookie),
                      section);
        }
        flow_table_destroy(&ft);
    }
    CHECK_INT(flows_section_from_cookie(0), FLOWS_N_SECTIONS);
    CHECK_INT(flows_section_from_cookie(htonll(FLOWS_COOKIE(0) - 1)),
              FLOWS_N_SECTIONS);
    CHECK_INT(flows_section_from_cookie(htonll(FLOWS_COOKIE(0xff))),
              FLOWS_PORTS);
    fabric_routes_uninit(&routes);
    fabric_destroy(&f);
}

/* No two switches have the same group, and it does not depend on others. */
static void
test_groups(void)
{
    struct fabric f, other;

    fabric_init(&f);
    fabric_init(&other);
    for (int i = 0; i < 1000; i++) {
        uint32_t group = fabric_add_switch(&f, i)->group;

        CU_ASSERT(group && group != FLOWS_GROUP_FLOOD
                  && group <= 0xffffff00);
        for (int j = 0; j < i; j++) {
            CU_ASSERT(f.switches[j].group != group);
        }
    }
    CHECK_INT(fabric_add_switch(&other, 500)->group, f.switches[500].group);

    /* Unless they collide. */
    CU_ASSERT(fabric_add_switch(&f, 500)->group != f.switches[500].group);
    fabric_destroy(&f);
    fabric_destroy(&other);
}

static const struct unit_test tests[] = {
    { "ports", test_ports },
    { "a link down", test_link_down },
    { "no way", test_no_way },
    { "addresses", test_addresses },
    { "a switch that only forwards", test_forwarding_switch },
    { "IPv6", test_ipv6 },
    { "families", test_families },
    { "stations", test_stations },
    { "cookies", test_cookies },
    { "groups", test_groups },
    { NULL, NULL }
};

const struct unit_suite unit_suite = { "flows", tests };
