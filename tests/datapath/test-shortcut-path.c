/* SPDX-License-Identifier: Apache-2.0 */

/* The short way at work: a client, a switch and a host, each in a network
 * namespace of its own without a name or an address, which ends with this
 * process.
 *
 *      client c0 --- s0 switch s1 --- h0 host
 *
 * Packets stay in order, so what comes in next says what did not come before
 * it. */

#include <config.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/pkt_cls.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "packets.h"
#include "unit.h"
#include "xalloc.h"

#define DATA (SEG_ACK | SEG_PSH)
#define TCX_INGRESS ((enum bpf_attach_type) 46)

static int switch_ns;
static int client, host;        /* AF_PACKET sockets at c0 and h0... */
static int port;                /* ...and at s0, as that of ovs-vswitchd. */
static int s0, s1;              /* Interface indexes. */

static void
shell(char *command)
{
    if (system(command)) {
        unit_bail_out(command);
    }
    free(command);
}

/* Makes a network namespace, where this process is then. */
static int
make_ns(void)
{
    int fd;

    if (unshare(CLONE_NEWNET)) {
        unit_bail_out("network namespace");
    }
    fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        unit_bail_out("network namespace");
    }
    shell(xasprintf("echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6"));
    return fd;
}

/* With 'vnet', a struct virtio_net_hdr comes before each packet. */
static int
open_socket(const char *interface, int vnet)
{
    struct sockaddr_ll address = {
        .sll_family = AF_PACKET,
        .sll_protocol = htons(ETH_P_ALL),
        .sll_ifindex = if_nametoindex(interface),
    };
    struct timeval timeout = { .tv_sec = 5 };
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

    if (fd < 0
        || setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &vnet, sizeof vnet)
        || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout)
        || bind(fd, (struct sockaddr *) &address, sizeof address)) {
        unit_bail_out(interface);
    }
    return fd;
}

/* Makes a namespace with a cable from 'interface' in it to 'at_switch', and a
 * socket there. */
static int
make_end(const char *interface, const char *at_switch)
{
    int socket;

    close(make_ns());
    shell(xasprintf("ip link add %s type veth peer name %s "
                    "netns /proc/%d/fd/%d && ip link set %s up", interface,
                    at_switch, (int) getpid(), switch_ns, interface));
    socket = open_socket(interface, 1);
    if (setns(switch_ns, CLONE_NEWNET)) {
        unit_bail_out("setns");
    }
    shell(xasprintf("ip link set %s up", at_switch));
    return socket;
}

static void
set_up_path(void)
{
    cpu_set_t cpus;

    if (s0) {
        return;
    }
    set_up();
    CPU_ZERO(&cpus);
    CPU_SET(sched_getcpu(), &cpus);     /* That keeps packets in order. */
    if (sched_setaffinity(0, sizeof cpus, &cpus)) {
        unit_bail_out("sched_setaffinity");
    }
    switch_ns = make_ns();
    client = make_end("c0", "s0");
    host = make_end("h0", "s1");
    port = open_socket("s0", 0);
    s0 = if_nametoindex("s0");
    s1 = if_nametoindex("s1");
}

/* Of one segment, complete. */
static const struct virtio_net_hdr plain;

static void
send_with(const struct bytes *b, const struct virtio_net_hdr *vnet)
{
    struct iovec iov[] = {
        { (void *) vnet, sizeof *vnet }, { (void *) b->p, b->n },
    };
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };

    if (sendmsg(client, &msg, 0) < 0) {
        unit_bail_out("sendmsg");
    }
}

/* Whether the next packet at the host is 'b'. */
static bool
host_gets_with(const struct bytes *b, struct virtio_net_hdr *vnet)
{
    struct bytes got;
    struct iovec iov[] = {
        { vnet, sizeof *vnet }, { got.p, sizeof got.p },
    };
    struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 2 };
    ssize_t n = recvmsg(host, &msg, 0);

    got.n = n - sizeof *vnet;
    return n > 0 && bytes_equal(&got, b);
}

static bool
host_gets(const struct bytes *b)
{
    struct virtio_net_hdr vnet;

    return host_gets_with(b, &vnet);
}

/* Whether the next packet at the socket of ovs-vswitchd is 'b'. */
static bool
port_gets(const struct bytes *b)
{
    struct bytes got;
    ssize_t n = recv(port, got.p, sizeof got.p, 0);

    got.n = n;
    return n > 0 && bytes_equal(&got, b);
}

/* A connection that goes from 's0' to 's1', and packets. */
struct scene {
    struct shortcut s;
    int link;
    struct bytes ours, other;   /* Not of the connection. */
    struct bytes redirected;
};

static void
scene_set(struct scene *scene, const struct shortcut *s)
{
    struct shortcut other = *s;

    set_up_path();
    scene->s = *s;
    scene->s.in = s0;
    scene->s.out = s1;
    scene->s.first = shortcut_slot_new();
    scene->s.last = shortcut_slot_new();
    CU_ASSERT(shortcut_add(&scene->s));
    scene->link = shortcut_attach(s0, port);
    CU_ASSERT(scene->link >= 0);

    packet_make(&scene->ours, s, DATA, 200);
    other.tuple.client_port ^= 1;
    packet_make(&scene->other, &other, DATA, 300);
    scene->redirected = scene->ours;
    CU_ASSERT(packet_redirect(&scene->redirected, s, false));
}

static void
scene_end(struct scene *scene)
{
    struct shortcut_use use;
    int none = 0;

    close(scene->link);
    setsockopt(port, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof none);
    shortcut_remove(&scene->s.tuple, &use);
    shortcut_slot_free(scene->s.first);
    shortcut_slot_free(scene->s.last);
}

static void
check_path(const struct shortcut *s)
{
    struct shortcut_use use;
    struct scene scene;

    /* Neither gets what is the other's. */
    scene_set(&scene, s);
    for (int i = 0; i < 3; i++) {
        send_with(&scene.other, &plain);
        send_with(&scene.ours, &plain);
        send_with(&scene.other, &plain);
    }
    for (int i = 0; i < 3; i++) {
        CU_ASSERT(host_gets(&scene.redirected));
        CU_ASSERT(port_gets(&scene.other));
        CU_ASSERT(port_gets(&scene.other));
    }
    CU_ASSERT(shortcut_find(&s->tuple, &use));
    CHECK_INT(use.packets, 3);
    CHECK_INT(use.bytes, 3 * scene.ours.n);

    /* Void, and valid again. */
    shortcut_slot_void(scene.s.last);
    send_with(&scene.ours, &plain);
    CU_ASSERT(port_gets(&scene.ours));
    CU_ASSERT(shortcut_add(&scene.s));
    send_with(&scene.ours, &plain);
    send_with(&scene.other, &plain);
    CU_ASSERT(host_gets(&scene.redirected));
    CU_ASSERT(port_gets(&scene.other));
    scene_end(&scene);
}

static void
test_path(void)
{
    check_path(&shortcut4);
    check_path(&shortcut6);
}

static void
check_offload(const struct shortcut *s)
{
    bool v4 = address_is_v4(&s->src);
    struct virtio_net_hdr vnet = {
        .flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
        .gso_type = v4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6,
        .hdr_len = ETH_LEN + (v4 ? 20 : 40) + 32,
        .gso_size = 500,
        .csum_start = ETH_LEN + (v4 ? 20 : 40),
        .csum_offset = 16,
    };
    struct virtio_net_hdr got;
    struct shortcut_use use;
    struct scene scene;
    struct bytes b;

    /* Segments as one, of which only the pseudo-header is summed up. */
    scene_set(&scene, s);
    packet_make(&b, s, DATA, 2900);
    b.p[vnet.csum_start + 16] = 0x12;
    b.p[vnet.csum_start + 17] = 0x34;
    send_with(&b, &vnet);
    send_with(&scene.other, &plain);
    packet_redirect(&b, s, true);
    CU_ASSERT(host_gets_with(&b, &got));
    CHECK_INT(got.flags, vnet.flags);
    CHECK_INT(got.gso_type, vnet.gso_type);
    CHECK_INT(got.gso_size, vnet.gso_size);
    CHECK_INT(got.csum_start, vnet.csum_start);
    CHECK_INT(got.csum_offset, vnet.csum_offset);
    CU_ASSERT(port_gets(&scene.other));

    shortcut_slot_use(scene.s.first, &use);
    CHECK_INT(use.packets, 1);
    CHECK_INT(use.bytes, b.n);
    scene_end(&scene);
}

static void
test_offload(void)
{
    check_offload(&shortcut4);
    check_offload(&shortcut6);
}

static void
test_vlan(void)
{
    struct scene scene;
    struct bytes tagged;

    /* The kernel takes the tag off, and tells it besides. */
    scene_set(&scene, &shortcut4);
    tagged = scene.ours;
    memmove(tagged.p + 16, tagged.p + 12, tagged.n - 12);
    memcpy(tagged.p + 12, "\x81\x00\x00\x05", 4);
    tagged.n += 4;
    send_with(&tagged, &plain);
    send_with(&scene.ours, &plain);
    send_with(&scene.other, &plain);
    CU_ASSERT(port_gets(&scene.ours));
    CU_ASSERT(port_gets(&scene.other));
    CU_ASSERT(host_gets(&scene.redirected));
    scene_end(&scene);
}

static void
test_outgoing(void)
{
    int sender;
    struct scene scene;

    scene_set(&scene, &shortcut4);
    sender = open_socket("s0", 0);
    CHECK_INT(send(sender, scene.redirected.p, scene.redirected.n, 0),
              scene.redirected.n);
    close(sender);
    send_with(&scene.other, &plain);
    CU_ASSERT(port_gets(&scene.other));
    scene_end(&scene);
}

static void
test_detach(void)
{
    struct scene scene;
    int none = 0;

    scene_set(&scene, &shortcut4);
    send_with(&scene.ours, &plain);
    CU_ASSERT(host_gets(&scene.redirected));
    close(scene.link);
    setsockopt(port, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof none);
    send_with(&scene.ours, &plain);
    CU_ASSERT(port_gets(&scene.ours));

    /* And again. */
    scene.link = shortcut_attach(s0, port);
    CU_ASSERT(scene.link >= 0);
    scene.redirected.p[0] = scene.s.new_eth_dst[0] = 6;
    CU_ASSERT(shortcut_add(&scene.s));
    send_with(&scene.ours, &plain);
    CU_ASSERT(host_gets(&scene.redirected));
    scene_end(&scene);
}

/* Attaches a program to ingress of 's0' that lets all packets in, past those
 * that come behind it.  Returns the link. */
static int
attach_other(void)
{
    static const struct bpf_insn accept[] = {
        { .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0,
          .imm = TC_ACT_OK },
        { .code = BPF_JMP | BPF_EXIT },
    };
    int program = bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "accept", "GPL",
                                accept, 2, NULL);
    int link = bpf_link_create(program, s0, TCX_INGRESS, NULL);

    close(program);
    return link;
}

/* Another's program at the port, which would keep from ours what
 * ovs-vswitchd does not get any more. */
static void
test_not_alone(void)
{
    struct scene scene;
    int other = attach_other();

    CU_ASSERT(other >= 0);
    scene_set(&scene, &shortcut4);
    send_with(&scene.ours, &plain);
    CU_ASSERT(host_gets(&scene.redirected));
    scene_end(&scene);
    close(other);
}

static void
test_attach_failure(void)
{
    struct scene scene;
    int no_socket;

    scene_set(&scene, &shortcut4);
    scene_end(&scene);
    no_socket = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK_INT(shortcut_attach(s0, no_socket), -ENOTSOCK);
    CHECK_INT(shortcut_attach(s0, -1), -EBADF);
    CHECK_INT(shortcut_attach(9999, port), -ENODEV);
    close(no_socket);

    /* Nothing is attached, neither here nor there. */
    scene.s.first = shortcut_slot_new();
    scene.s.last = shortcut_slot_new();
    CU_ASSERT(shortcut_add(&scene.s));
    send_with(&scene.ours, &plain);
    CU_ASSERT(port_gets(&scene.ours));
    scene.link = shortcut_attach(s0, port);
    scene.redirected.p[0] = scene.s.new_eth_dst[0] = 10;
    CU_ASSERT(shortcut_add(&scene.s));
    send_with(&scene.ours, &plain);
    CU_ASSERT(host_gets(&scene.redirected));
    scene_end(&scene);
}

static const struct unit_test tests[] = {
    { "path", test_path },
    { "offload", test_offload },
    { "VLAN", test_vlan },
    { "outgoing", test_outgoing },
    { "detach", test_detach },
    { "not alone", test_not_alone },
    { "attach failure", test_attach_failure },
    { NULL, NULL },
};

const struct unit_suite unit_suite = { "shortcut path", tests };
