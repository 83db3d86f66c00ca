/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>

#include "flows.h"

#include "byte-order.h"
#include "fabric.h"
#include "flow-table.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-port.h"
#include "packets.h"
#include "util.h"

/* FLOWS_COOKIE() of the sections. */
#define COOKIE_PORTS "cookie=0x6d69677261746500,"
#define COOKIE_ADDRESSES "cookie=0x6d69677261746501,"
#define COOKIE_STATIONS "cookie=0x6d69677261746502,"

/* What is said differently of IPv4 and IPv6. */
struct words {
    const char *ip, *src, *dst, *tcp, *udp, *icmp;
    const char *wanted;         /* Who has ...? */
    const char *claimed;        /* I have ... */
};

static const struct words *
words_for(const struct migrate_address *a)
{
    static const struct words v4 = {
        "ip", "nw_src", "nw_dst", "tcp", "udp", "icmp",
        "arp,arp_tpa", "arp,arp_spa",
    };
    static const struct words v6 = {
        "ipv6", "ipv6_src", "ipv6_dst", "tcp6", "udp6", "icmp6",
        "icmp6,icmp_type=135,nd_target", "icmp6,icmp_type=136,nd_target",
    };

    return address_is_v4(a) ? &v4 : &v6;
}

/* How stations say who they are. */
static const char *const introductions[] = {
    "arp", "icmp6,icmp_type=135", "icmp6,icmp_type=136",
};

/* As text: a number, or LOCAL. */
struct port_text {
    char s[16];
};

static struct port_text
port_text(ofp_port_t port)
{
    struct port_text text;

    ofputil_port_to_string(port, NULL, text.s, sizeof text.s);
    return text;
}

/* Ports. */

static void
add_open_ports(const struct fabric *f, size_t sw, struct flow_table *ft)
{
    flow_table_add_flow(ft, COOKIE_PORTS "table=0,priority=60000,"
                        "dl_type=0x88cc,actions=CONTROLLER:65535");
    /* Not to be forwarded, says IEEE 802.1D. */
    flow_table_add_flow(ft, COOKIE_PORTS "table=0,priority=59000,"
                        "dl_dst=01:80:c2:00:00:00/ff:ff:ff:ff:ff:f0,"
                        "actions=drop");
    for (size_t i = 0; i < f->n_ports; i++) {
        const struct fabric_port *port = &f->ports[i];

        if (port->sw == sw) {
            flow_table_add_flow(ft, COOKIE_PORTS "table=0,priority=100,"
                                "in_port=%s,actions=goto_table:%d",
                                port_text(port->number).s,
                                port->role == ROLE_EDGE ? 1 : 2);
        }
    }
}

/* Whether 'port' is an end of a link that broadcasts go along. */
static bool
is_in_tree(const struct fabric *f, const struct fabric_routes *r,
           const struct fabric_port *port)
{
    for (size_t i = 0; i < f->n_links; i++) {
        const struct fabric_link *link = &f->links[i];

        for (int j = 0; j < 2; j++) {
            if (link->sw[j] == port->sw && link->port[j] == port->number) {
                return r->tree[i];
            }
        }
    }
    return false;
}

static void
add_flooding(const struct fabric *f, const struct fabric_routes *r, size_t sw,
             struct flow_table *ft)
{
    struct ds group = DS_EMPTY_INITIALIZER;

    ds_put_format(&group, "group_id=%d,type=all", FLOWS_GROUP_FLOOD);
    for (size_t i = 0; i < f->n_ports; i++) {
        const struct fabric_port *port = &f->ports[i];

        if (port->sw != sw) {
            continue;
        } else if (port->role == ROLE_EDGE || is_in_tree(f, r, port)) {
            ds_put_format(&group, ",bucket=actions=output:%s",
                          port_text(port->number).s);
        } else {
            flow_table_add_flow(ft, COOKIE_PORTS "table=3,priority=10,"
                                "in_port=%s,actions=drop",
                                port_text(port->number).s);
        }
    }
    flow_table_add_group(ft, "%s", ds_cstr(&group));
    flow_table_add_flow(ft, COOKIE_PORTS "table=3,priority=0,"
                        "actions=group:%d", FLOWS_GROUP_FLOOD);
    ds_destroy(&group);
}

static void
add_group(const struct fabric_switch *to, const struct graph_hops *hops,
          struct flow_table *ft)
{
    struct ds group = DS_EMPTY_INITIALIZER;

    ds_put_format(&group, "group_id=%"PRIu32",type=%s", to->group,
                  hops->n == 0 ? "all" : hops->n == 1 ? "indirect" : "select");
    for (size_t i = 0; i < hops->n; i++) {
        ds_put_cstr(&group, ",bucket=");
        if (hops->n > 1) {
            ds_put_format(&group, "watch_port:%"PRIu32",", hops->ports[i]);
        }
        ds_put_format(&group, "actions=output:%"PRIu32, hops->ports[i]);
    }
    flow_table_add_group(ft, "%s", ds_cstr(&group));
    ds_destroy(&group);
}

static void
add_learning(struct flow_table *ft)
{
    for (size_t i = 0; i < ARRAY_SIZE(introductions); i++) {
        flow_table_add_flow(ft, COOKIE_PORTS "table=1,priority=100,%s,"
                            "actions=CONTROLLER:128,goto_table:2",
                            introductions[i]);
    }
}

static void
add_ports(const struct fabric *f, const struct fabric_routes *r,
          size_t sw, struct flow_table *ft)
{
    add_open_ports(f, sw, ft);
    add_learning(ft);
    for (int table = 1; table <= 2; table++) {
        flow_table_add_flow(ft, COOKIE_PORTS "table=%d,priority=0,"
                            "actions=goto_table:%d", table, table + 1);
    }
    add_flooding(f, r, sw, ft);
    for (size_t i = 0; i < f->n_switches; i++) {
        if (i != sw) {
            add_group(&f->switches[i], fabric_hops(r, sw, i), ft);
        }
    }
}

/* Addresses. */

/* Drops what edge ports must not say of 'a'. */
static void
add_guard(const struct migrate_address *a, bool any, struct flow_table *ft)
{
    const struct words *w = words_for(a);
    char s[ADDRESS_STRLEN];

    address_format(a, s);
    flow_table_add_flow(ft, COOKIE_ADDRESSES "table=1,priority=300,%s=%s,"
                        "actions=drop", w->claimed, s);
    if (any) {
        flow_table_add_flow(ft, COOKIE_ADDRESSES "table=1,priority=300,%s,"
                            "%s=%s,actions=drop", w->ip, w->src, s);
    }
}

/* Gives the engine what is said about 'a' in general. */
static void
add_own(const struct migrate_address *a, struct flow_table *ft)
{
    const struct words *w = words_for(a);
    char s[ADDRESS_STRLEN];

    address_format(a, s);
    flow_table_add_flow(ft, COOKIE_ADDRESSES "table=2,priority=200,%s=%s,"
                        "actions=migrate(control,table=3)", w->wanted, s);
    flow_table_add_flow(ft, COOKIE_ADDRESSES "table=2,priority=200,%s,%s=%s,"
                        "actions=migrate(control,table=3)", w->icmp, w->dst,
                        s);
    flow_table_add_flow(ft, COOKIE_ADDRESSES "table=2,priority=100,%s,%s=%s,"
                        "actions=drop", w->ip, w->dst, s);
}

/* Sends what is for 'a' to the switch 'to'. */
static void
add_others(const struct migrate_address *a, const struct fabric_switch *to,
           struct flow_table *ft)
{
    const struct words *w = words_for(a);
    char s[ADDRESS_STRLEN];

    address_format(a, s);
    flow_table_add_flow(ft, COOKIE_ADDRESSES "table=2,priority=200,%s=%s,"
                        "actions=group:%"PRIu32, w->wanted, s, to->group);
    flow_table_add_flow(ft, COOKIE_ADDRESSES "table=2,priority=100,%s,%s=%s,"
                        "actions=group:%"PRIu32, w->ip, w->dst, s, to->group);
}

/* The switch that migrates what comes in for 'a' at 'sw': itself, or the
 * nearest one, of those that the controller reaches if there are such.  NULL
 * if there is none. */
static const struct fabric_switch *
find_ingress(const struct fabric *f, const struct fabric_routes *r, size_t sw,
             const struct migrate_address *a)
{
    const struct fabric_switch *best = NULL;
    uint64_t best_distance = UINT64_MAX;

    if (fabric_switch_migrates(&f->switches[sw], a)) {
        return &f->switches[sw];
    }
    for (size_t i = 0; i < f->n_switches; i++) {
        const struct fabric_switch *s = &f->switches[i];
        uint64_t distance = fabric_hops(r, sw, i)->distance;

        if (fabric_switch_migrates(s, a) && distance != UINT64_MAX
            && (!best || s->reachable > best->reachable
                || (s->reachable == best->reachable
                    && distance < best_distance))) {
            best = s;
            best_distance = distance;
        }
    }
    return best;
}

/* The migration address 'a' of switch 's'. */
static void
add_migration_address(const struct migrate_address *a,
                      const struct fabric_switch *s, bool own,
                      struct flow_table *ft)
{
    const struct words *w = words_for(a);
    char text[ADDRESS_STRLEN];

    if (!address_is_unicast(a)) {
        return;
    }
    add_guard(a, true, ft);
    if (own) {
        add_own(a, ft);
        flow_table_add_flow(ft, COOKIE_ADDRESSES "table=2,priority=200,"
                            "%s,%s=%s,tp_dst=%d,"
                            "actions=migrate(control,table=3)", w->udp,
                            w->dst, address_format(a, text), MIGRATE_PORT);
        flow_table_add_flow(ft, COOKIE_ADDRESSES "table=3,priority=200,"
                            "%s,%s=%s,%s=%s,tp_dst=%d,"
                            "actions=CONTROLLER:65535", w->udp, w->src, text,
                            w->dst, text, MIGRATE_CONTROLLER_PORT);
    } else {
        add_others(a, s, ft);
    }
}

static void
add_service(const struct fabric_service *service,
            const struct fabric_switch *ingress, bool own,
            struct flow_table *ft)
{
    const struct words *w = words_for(&service->address);
    char text[ADDRESS_STRLEN];

    add_guard(&service->address, false, ft);
    if (own) {
        add_own(&service->address, ft);
        flow_table_add_flow(ft, COOKIE_ADDRESSES "table=2,priority=200,"
                            "%s,%s=%s,tp_dst=%"PRIu16","
                            "actions=migrate(service=%"PRIu32",table=3)",
                            w->tcp, w->dst,
                            address_format(&service->address, text),
                            service->port, service->id);
    } else if (ingress) {
        add_others(&service->address, ingress, ft);
    }
}

static void
add_addresses(const struct fabric *f, const struct fabric_routes *r,
              size_t sw, struct flow_table *ft)
{
    const struct fabric_switch *own = &f->switches[sw];

    for (size_t i = 0; i < f->n_switches; i++) {
        const struct fabric_switch *s = &f->switches[i];

        for (size_t j = 0; j < ARRAY_SIZE(s->addresses); j++) {
            add_migration_address(&s->addresses[j], s, s == own, ft);
        }
    }
    for (size_t i = 0; i < f->n_services; i++) {
        const struct fabric_service *service = &f->services[i];
        const struct fabric_switch *ingress
            = find_ingress(f, r, sw, &service->address);

        add_service(service, ingress, ingress == own, ft);
    }
}

/* Stations. */

/* A station at a port of this switch. */
static void
add_near(const struct fabric_station *s, struct flow_table *ft)
{
    flow_table_add_flow(ft, COOKIE_STATIONS "table=3,priority=100,"
                        "dl_dst="ETH_ADDR_FMT",actions=output:%s",
                        ETH_ADDR_ARGS(s->mac), port_text(s->port).s);
    for (size_t i = 0; !s->doubted && i < ARRAY_SIZE(introductions); i++) {
        flow_table_add_flow(ft, COOKIE_STATIONS "table=1,priority=200,%s,"
                            "in_port=%s,dl_src="ETH_ADDR_FMT","
                            "actions=goto_table:2", introductions[i],
                            port_text(s->port).s, ETH_ADDR_ARGS(s->mac));
    }
}

static void
add_stations(const struct fabric *f, size_t sw, struct flow_table *ft)
{
    for (size_t i = 0; i < f->n_stations; i++) {
        if (f->stations[i].sw == sw) {
            add_near(&f->stations[i], ft);
        }
    }
}

void
flows_add_far(const struct fabric *f, struct flow_table *ft)
{
    for (size_t i = 0; i < f->n_stations; i++) {
        const struct fabric_station *s = &f->stations[i];

        flow_table_add_flow(ft, COOKIE_STATIONS "table=3,priority=100,"
                            "dl_dst="ETH_ADDR_FMT",actions=group:%"PRIu32,
                            ETH_ADDR_ARGS(s->mac), f->switches[s->sw].group);
    }
}

void
flows_add(enum flows_section section, const struct fabric *f,
          const struct fabric_routes *r, size_t sw, struct flow_table *ft)
{
    switch (section) {
    case FLOWS_PORTS:
        add_ports(f, r, sw, ft);
        break;
    case FLOWS_ADDRESSES:
        add_addresses(f, r, sw, ft);
        break;
    case FLOWS_STATIONS:
        add_stations(f, sw, ft);
        break;
    }
}

enum flows_section
flows_section_from_cookie(ovs_be64 cookie_)
{
    uint64_t cookie = ntohll(cookie_);

    if ((cookie & ~UINT64_C(0xff)) != FLOWS_COOKIE(0)) {
        return FLOWS_N_SECTIONS;
    }
    cookie &= 0xff;
    return cookie < FLOWS_N_SECTIONS ? cookie : FLOWS_PORTS;
}
