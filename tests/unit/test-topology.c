/* SPDX-License-Identifier: Apache-2.0 */
#include <config.h>
#include "topology.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "fabric.h"
#include "flow.h"
#include "openvswitch/dynamic-string.h"
#include "sset.h"
#include "unit.h"
#include "util.h"

/* Cables: what is sent out of a port comes in at the other end, at once. */
struct cable {
    uint64_t dpid[2];
    int port[2];
};

struct bed {
    struct topology *t;
    const struct cable *cables; /* Ended by port 0. */
    long long int now;
    int n_sent;
};

static const struct siphash_key key = { { 1, 2 } };

static void
send_frame(void *bed_, uint64_t dpid, ofp_port_t port, const void *frame,
           size_t len)
{
    struct bed *bed = bed_;

    bed->n_sent++;
    for (const struct cable *c = bed->cables; c->port[0]; c++) {
        for (int i = 0; i < 2; i++) {
            struct topology_switch *to = topology_find_switch(bed->t,
                                                              c->dpid[!i]);

            if (c->dpid[i] == dpid && c->port[i] == ofp_to_u16(port)
                && to && to->reachable) {
                CU_ASSERT(topology_receive(to, u16_to_ofp(c->port[!i]),
                                           frame, len));
            }
        }
    }
}

static void
bed_init(struct bed *bed, const struct cable *cables)
{
    memset(bed, 0, sizeof *bed);
    bed->cables = cables;
    bed->now = 1000;
    bed->t = topology_create(&key, send_frame, bed);
}

/* The switch with 'n' ports p1, p2, ..., of which those in 'down' have no
 * carrier, and for those in 'not_live' BFD is not content (bit 1 is p1). */
static void
put_switch(struct bed *bed, uint64_t dpid, int n, uint32_t down,
           uint32_t not_live)
{
    struct topology_switch *sw = topology_find_switch(bed->t, dpid);
    struct ofputil_phy_port ports[8];

    memset(ports, 0, sizeof ports);
    for (int i = 0; i < n; i++) {
        ports[i].port_no = u16_to_ofp(i + 1);
        snprintf(ports[i].name, sizeof ports[i].name, "p%d", i + 1);
        ports[i].state = (down & 2u << i ? OFPUTIL_PS_LINK_DOWN
                          : not_live & 2u << i ? 0 : OFPUTIL_PS_LIVE);
    }
    if (!sw) {
        sw = topology_add_switch(bed->t, dpid);
    }
    topology_set_ports(sw, ports, n, bed->now);
    topology_set_reachable(sw, true, bed->now);
}

/* Lets 'msec' pass. */
static void
pass(struct bed *bed, long long int msec)
{
    long long int end = bed->now + msec;

    for (;;) {
        long long int deadline = topology_deadline(bed->t);

        if (deadline > end) {
            break;
        }
        bed->now = MAX(bed->now, deadline);
        topology_run(bed->t, bed->now);
    }
    bed->now = end;
}

/* Checks what is in the fabric, such as "1:1=edge 1:2=link 1:2-2:1". */
static void
check(const struct bed *bed, const char *expected)
{
    struct ds s = DS_EMPTY_INITIALIZER;
    struct fabric f;

    fabric_init(&f);
    for (uint64_t dpid = 0; dpid < 10; dpid++) {
        struct topology_switch *sw = topology_find_switch(bed->t, dpid);

        if (sw) {
            fabric_add_switch(&f, dpid)->reachable = sw->reachable;
        }
    }
    topology_fill(bed->t, &f);
    for (size_t i = 0; i < f.n_ports; i++) {
        ds_put_format(&s, "%"PRIu64":%"PRIu32"=%s ",
                      f.switches[f.ports[i].sw].dpid, f.ports[i].number,
                      f.ports[i].role == ROLE_LINK ? "link" : "edge");
    }
    for (size_t i = 0; i < f.n_links; i++) {
        const struct fabric_link *link = &f.links[i];

        ds_put_format(&s, "%"PRIu64":%"PRIu32"-%"PRIu64":%"PRIu32,
                      f.switches[link->sw[0]].dpid, link->port[0],
                      f.switches[link->sw[1]].dpid, link->port[1]);
        if (link->cost[0] != 1 || link->cost[1] != 1) {
            ds_put_format(&s, "(%"PRIu32",%"PRIu32")", link->cost[0],
                          link->cost[1]);
        }
        ds_put_char(&s, ' ');
    }
    ds_chomp(&s, ' ');
    CHECK_STR(ds_cstr(&s), expected);
    ds_destroy(&s);
    fabric_destroy(&f);
}

static struct topology_switch *
get(const struct bed *bed, uint64_t dpid)
{
    return topology_find_switch(bed->t, dpid);
}

static const struct cable one_cable[] = {
    { { 1, 2 }, { 2, 1 } }, { { 0, 0 }, { 0, 0 } }
};
static const struct cable no_cable[] = { { { 0, 0 }, { 0, 0 } } };

static void
test_found(void)
{
    struct bed bed;

    bed_init(&bed, one_cable);
    put_switch(&bed, 1, 2, 0, 0);
    put_switch(&bed, 2, 2, 0, 0);
    check(&bed, "");
    pass(&bed, 0);
    check(&bed, "1:2=link 2:1=link 1:2-2:1");
    CU_ASSERT(!topology_is_settled(get(&bed, 1)));
    pass(&bed, 449);
    check(&bed, "1:2=link 2:1=link 1:2-2:1");
    pass(&bed, 1);
    check(&bed, "1:1=edge 1:2=link 2:1=link 2:2=edge 1:2-2:1");
    CU_ASSERT(topology_is_settled(get(&bed, 1)));
    topology_destroy(bed.t);
}

/* A port is taken for an edge port as long as the switch at the other end is
 * not there; that one's is never. */
static void
test_later(void)
{
    struct bed bed;

    bed_init(&bed, one_cable);
    put_switch(&bed, 1, 2, 0, 0);
    pass(&bed, 1000);
    check(&bed, "1:1=edge 1:2=edge");
    put_switch(&bed, 2, 1, 0, 0);
    check(&bed, "1:1=edge 1:2=edge");
    pass(&bed, 0);
    check(&bed, "1:1=edge 1:2=link 2:1=link 1:2-2:1");
    topology_destroy(bed.t);
}

/* What is at a port is not known any more once it was down. */
static void
test_down_and_up(void)
{
    struct bed bed;

    bed_init(&bed, one_cable);
    put_switch(&bed, 1, 2, 0, 0);
    put_switch(&bed, 2, 1, 0, 0);
    pass(&bed, 1000);
    put_switch(&bed, 1, 2, 1 << 1, 0);
    check(&bed, "1:1=edge 1:2=link 2:1=link 1:2-2:1");
    put_switch(&bed, 1, 2, 0, 0);
    check(&bed, "1:2=link 2:1=link 1:2-2:1");
    pass(&bed, 450);
    check(&bed, "1:1=edge 1:2=link 2:1=link 1:2-2:1");

    /* A link stays one. */
    put_switch(&bed, 1, 2, 1 << 2, 0);
    check(&bed, "1:1=edge 1:2=link 2:1=link");
    put_switch(&bed, 1, 2, 0, 0);
    check(&bed, "1:1=edge 1:2=link 2:1=link 1:2-2:1");
    topology_destroy(bed.t);
}

static void
test_bfd(void)
{
    struct topology_port *port;
    struct sset links = SSET_INITIALIZER(&links);
    struct bed bed;

    bed_init(&bed, one_cable);
    put_switch(&bed, 1, 2, 0, 0);
    put_switch(&bed, 2, 1, 0, 0);
    pass(&bed, 1000);
    topology_links(get(&bed, 1), &links);
    CHECK_INT(sset_count(&links), 1);
    CU_ASSERT(sset_contains(&links, "p2"));
    sset_destroy(&links);

    port = topology_find_port(get(&bed, 2), u16_to_ofp(1));
    CU_ASSERT(topology_link_is_up(port));
    put_switch(&bed, 1, 2, 0, 1 << 2);
    CU_ASSERT(!topology_link_is_up(port));
    check(&bed, "1:1=edge 1:2=link 2:1=link");

    /* Probes go on: the cable may be another one. */
    bed.n_sent = 0;
    pass(&bed, 5000);
    CHECK_INT(bed.n_sent, 3);
    topology_destroy(bed.t);
}

static void
test_known_link(void)
{
    struct bed bed;

    bed_init(&bed, no_cable);
    topology_add_switch(bed.t, 1);
    topology_add_switch(bed.t, 2);
    topology_begin(bed.t);
    topology_put_link(get(&bed, 1), "p2", 2, "p1", 7);
    topology_put_link(get(&bed, 2), "p1", 1, "p2", 1);
    topology_put_edge(get(&bed, 1), "p1");
    topology_commit(bed.t, bed.now);
    put_switch(&bed, 1, 3, 0, 0);

    /* Switch 2 is not reached yet, so nobody knows its port's number. */
    check(&bed, "1:1=edge 1:2=link 1:2-2:65535(7,1)");
    put_switch(&bed, 2, 2, 1 << 1, 0);
    check(&bed, "1:1=edge 1:2=link 2:1=link");
    put_switch(&bed, 2, 2, 0, 0);
    check(&bed, "1:1=edge 1:2=link 2:1=link 1:2-2:1(7,1)");
    pass(&bed, 1000);
    check(&bed, "1:1=edge 1:2=link 1:3=edge 2:1=link 2:2=edge 1:2-2:1(7,1)");

    /* A switch out of reach is as it was. */
    topology_set_reachable(get(&bed, 2), false, bed.now);
    check(&bed, "1:1=edge 1:2=link 1:3=edge 2:1=link 2:2=edge 1:2-2:1(7,1)");

    /* One that knows better. */
    topology_begin(bed.t);
    topology_put_link(get(&bed, 1), "p2", 2, "p1", 7);
    topology_put_link(get(&bed, 2), "p1", 0, NULL, 1);
    topology_commit(bed.t, bed.now);
    check(&bed, "1:2=link 1:3=edge 2:1=link 2:2=edge");

    /* No link any more: it is found out. */
    topology_begin(bed.t);
    topology_commit(bed.t, bed.now);
    check(&bed, "1:3=edge 2:2=edge");
    topology_set_reachable(get(&bed, 2), true, bed.now);
    pass(&bed, 450);
    check(&bed, "1:1=edge 1:2=edge 1:3=edge 2:1=edge 2:2=edge");
    topology_destroy(bed.t);
}

static void
test_link_and_edge(void)
{
    struct bed bed;

    bed_init(&bed, no_cable);
    topology_add_switch(bed.t, 1);
    put_switch(&bed, 1, 1, 0, 0);
    topology_begin(bed.t);
    topology_put_link(get(&bed, 1), "p1", 0, NULL, 1);
    topology_put_edge(get(&bed, 1), "p1");
    topology_commit(bed.t, bed.now);
    check(&bed, "1:1=link");

    topology_begin(bed.t);
    topology_put_edge(get(&bed, 1), "p1");
    topology_commit(bed.t, bed.now);
    check(&bed, "1:1=edge");
    topology_destroy(bed.t);
}

static void
test_other_peer(void)
{
    static const struct cable other[] = {
        { { 1, 3 }, { 2, 1 } }, { { 0, 0 }, { 0, 0 } }
    };
    struct bed bed;

    bed_init(&bed, one_cable);
    put_switch(&bed, 1, 2, 0, 0);
    put_switch(&bed, 2, 1, 0, 0);
    put_switch(&bed, 3, 1, 0, 0);
    pass(&bed, 1000);
    check(&bed, "1:1=edge 1:2=link 2:1=link 3:1=edge 1:2-2:1");

    bed.cables = other;
    put_switch(&bed, 2, 1, 1 << 1, 0);
    put_switch(&bed, 3, 1, 1 << 1, 0);
    put_switch(&bed, 3, 1, 0, 0);
    pass(&bed, 5000);
    check(&bed, "1:1=edge 1:2=link 2:1=link 3:1=link 1:2-3:1");
    topology_destroy(bed.t);
}

static void
test_ports_gone(void)
{
    struct bed bed;

    bed_init(&bed, one_cable);
    put_switch(&bed, 1, 3, 0, 0);
    put_switch(&bed, 2, 1, 0, 0);
    pass(&bed, 1000);
    put_switch(&bed, 1, 1, 0, 0);
    check(&bed, "1:1=edge 2:1=link");
    topology_remove_switch(get(&bed, 1));
    check(&bed, "2:1=link");
    topology_destroy(bed.t);
}

static void
test_local_port(void)
{
    struct ofputil_phy_port local = {
        .port_no = OFPP_LOCAL,
        .name = "br0",
        .state = OFPUTIL_PS_LINK_DOWN,
    };
    struct bed bed;

    bed_init(&bed, no_cable);
    topology_set_ports(topology_add_switch(bed.t, 1), &local, 1, bed.now);
    topology_set_reachable(get(&bed, 1), true, bed.now);
    pass(&bed, 10000);
    check(&bed, "1:65534=edge");
    CHECK_INT(bed.n_sent, 0);
    topology_destroy(bed.t);
}

static void
test_forgery(void)
{
    uint8_t frame[64] = { 0 };
    struct bed bed;

    bed_init(&bed, no_cable);
    put_switch(&bed, 1, 1, 0, 0);
    CU_ASSERT(!topology_receive(get(&bed, 1), u16_to_ofp(1), frame,
                                sizeof frame));
    pass(&bed, 1000);
    check(&bed, "1:1=edge");
    topology_destroy(bed.t);
}

/* Nothing changes but when it does. */
static void
test_seqno(void)
{
    unsigned int seqno;
    struct bed bed;

    bed_init(&bed, one_cable);
    put_switch(&bed, 1, 2, 0, 0);
    put_switch(&bed, 2, 1, 0, 0);
    pass(&bed, 1000);
    seqno = topology_seqno(bed.t);
    put_switch(&bed, 1, 2, 0, 0);
    pass(&bed, 10000);
    topology_begin(bed.t);
    topology_put_link(get(&bed, 1), "p2", 2, "p1", 1);
    topology_put_link(get(&bed, 2), "p1", 1, "p2", 1);
    topology_commit(bed.t, bed.now);
    CHECK_INT(topology_seqno(bed.t), seqno);
    put_switch(&bed, 1, 2, 1 << 1, 0);
    CU_ASSERT(topology_seqno(bed.t) != seqno);
    topology_destroy(bed.t);
}

static const struct unit_test tests[] = {
    { "links and edge ports are found", test_found },
    { "a switch that comes later", test_later },
    { "down and up", test_down_and_up },
    { "BFD", test_bfd },
    { "a link that is known", test_known_link },
    { "a port that is both, and then no link", test_link_and_edge },
    { "a cable to another switch", test_other_peer },
    { "ports go", test_ports_gone },
    { "the local port", test_local_port },
    { "forgery", test_forgery },
    { "seqno", test_seqno },
    { NULL, NULL }
};

const struct unit_suite unit_suite = { "topology", tests };
