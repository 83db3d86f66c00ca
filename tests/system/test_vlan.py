#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""VLANs: machines on access ports of the bridge, and machines whose frames
come to it with a tag.  The flows are those of a network without VLANs."""

import contextlib
import os

import tap
from capture import SYN, Capture, parse
from lab import MIGRATE_ADDRESS, SERVICE_ADDRESS
from labtest import KeptConnection, LabTest, curl
from netns import cable, offload
from servers import random_file, sha256
from workspace import wait_until

MEGABYTES = 20


def access_port(machine, vlan, switch):
    """'machine' does not know of VLANs; 'switch' puts it in one."""
    switch.vsctl("set", "port", machine.port, f"tag={vlan}")


def tags(capture, **fields):
    """The VLANs (None: no tag) of captured TCP packets with these fields, and
    the number of such packets."""
    vlans = []
    for when, length, frame in capture.frames():
        vlan = None
        if frame[12:14] == b"\x81\x00":
            vlan = int.from_bytes(frame[14:16], "big") & 0xfff
            frame = frame[:12] + frame[16:]
        packet = parse(frame, when, length)
        if packet and packet.proto == 6 and all(
                getattr(packet, name) == value
                for name, value in fields.items()):
            vlans.append(vlan)
    return set(vlans), len(vlans)


class VlanTests:
    """Everybody is in VLAN 10; some are behind another switch, an unpatched
    one, which tags what it sends over the trunk.

        c1, h1 --- sw (br0) === trunk === plain (br1) --- c2, h2
    """

    PLACEMENT = None

    @classmethod
    def configure(cls):
        cls.plain = cls.lab.add_plain_switch()
        for switch in cls.plain, cls.switch:
            switch.vsctl("set", "port", "trunk", "trunks=10")
        for near, far in cls.lab.clients, cls.lab.hosts:
            access_port(near, 10, cls.switch)
            cls.lab.move(far, cls.plain)
            access_port(far, 10, cls.plain)
        cls.lab.add_service(placement=cls.PLACEMENT,
                            tags={"h1": 10, "h2": 10})

    def test_serves_requests(self):
        for client in self.lab.clients:
            names = set()
            for _ in range(4):
                answer = curl(client, self.lab.url("/name"))
                self.assertEqual(answer.status, 200)
                names.add(answer.body.strip())
                host = self.lab.host(answer.body.strip())
                host.server.wait_client(f"{client.address}:{answer.port}")
            self.assertEqual(names, {"h1", "h2"}, client.name)

    def test_tags_on_the_trunk(self):
        """What goes over it is tagged, whoever made it; nobody else sees
        tags."""
        machines = [*self.lab.clients, *self.lab.hosts]
        captures = [Capture(self.plain.node, "trunk", "")]
        captures += [Capture(machine, "eth0", "") for machine in machines]
        with contextlib.ExitStack() as stack:
            for capture in captures:
                stack.enter_context(capture)
            for client in self.lab.clients:
                for _ in range(4):
                    curl(client, self.lab.url("/name"))
        trunk, *captures = captures
        for fields in ({"src": SERVICE_ADDRESS},
                       {"src": MIGRATE_ADDRESS, "dst": "10.0.0.12"}):
            vlans, n = tags(trunk, **fields)
            self.assertEqual(vlans, {10})
            self.assertGreater(n, 8)
        for machine, capture in zip(machines, captures):
            vlans, n = tags(capture)
            self.assertEqual(vlans, {None}, machine.name)
            self.assertGreater(n, 8)

    def test_down_and_up(self):
        """Large transfers stay whole, also when a flow of its own has the
        connection."""
        sums = {random_file(host.server.root + "/big", MEGABYTES << 20)
                for host in self.lab.hosts}
        down = self.lab.workspace.path("down")
        up = self.lab.workspace.path("up")
        sum_ = random_file(up, MEGABYTES << 20)
        for client in self.lab.clients:
            with self.subTest(client.name):
                curl(client, self.lab.url("/big"), "-o", down)
                self.assertIn(sha256(down), sums)
                answer = curl(client, self.lab.url("/upload"), "-H",
                              "Expect:", "--data-binary", f"@{up}")
                self.assertEqual(sha256(answer.body.strip()), sum_)
                os.remove(answer.body.strip())

    def test_shown(self):
        self.assertIn("host h1 (10.0.0.11, VLAN 10): up",
                      self.switch.appctl("migrate/show"))
        kept = self.client.connect((SERVICE_ADDRESS, 80))
        self.addCleanup(kept.close)
        kept.sendall(b"GET /")
        port = kept.getsockname()[1]
        connection = wait_until(
            lambda: next((c for c in self.switch.connections()
                          if c["client"].endswith(f":{port}")), None),
            "the connection")
        self.assertEqual(connection["vlan"], "10")


class NoTso(VlanTests, LabTest):
    VARIANT = "tso=false"


class Tso(VlanTests, LabTest):
    VARIANT = "tso=true"
    TSO = True


class Flow(VlanTests, LabTest):
    """With a flow for each connection that lasts."""

    VARIANT = "placement=flow"
    PLACEMENT = "flow"

    def test_flow_keeps_the_vlan(self):
        for client in self.lab.clients:
            kept = client.connect((SERVICE_ADDRESS, 80))
            self.addCleanup(kept.close)
            port = kept.getsockname()[1]

            def request():
                kept.sendall(b"GET /name HTTP/1.1\r\nHost: x\r\n\r\n")
                answer = b""
                while not answer.endswith((b"h1\n", b"h2\n")):
                    answer += kept.recv(4096)
                return answer[-3:]

            name = request()
            flow = wait_until(lambda: [flow for flow in self.switch.flows()
                                       if f"tp_src={port}" in flow], "a flow")
            self.assertIn("mod_vlan_vid:10", flow[0])
            self.assert_bypasses(
                lambda: self.assertEqual(request(), name), 20)


class Kernel(VlanTests, LabTest):
    """What comes in or goes out with a tag is not for the kernel; what has one
    only in between is."""

    VARIANT = "placement=kernel"
    PLACEMENT = "kernel"

    def test_in_the_kernel(self):
        for client in self.lab.clients:
            kept = {}
            while len(kept) < len(self.lab.hosts):
                connection = KeptConnection(client)
                self.addCleanup(connection.close)
                kept[connection.request()] = connection
            for name, connection in kept.items():
                near = (client, name) == (self.client, "h1")

                def placement():
                    self.assertEqual(connection.request(), name)
                    return next(line["placement"] for line
                                in self.switch.connections()
                                if line["client"].endswith(
                                    f":{connection.port}"))

                with self.subTest(client=client.name, host=name), \
                        self.counted(*(["kernel"] if near else [])):
                    if near:
                        wait_until(lambda: placement() == "kernel",
                                   "the kernel to forward")
                        connection.request()
                    else:
                        self.assertEqual({placement() for _ in range(20)},
                                         {"table"})


class Routed(LabTest):
    """Clients and hosts are in different VLANs: what a client sends reaches
    the hosts through the engine, which changes the tag; what hosts send takes
    the way that their routing tables say.

        client (20) --- sw --- (30) hosts
                       |  |
                  (20) router (30)
    """

    @classmethod
    def configure(cls):
        cls.router, cls.far = cls.lab.clients
        access_port(cls.router, 30, cls.switch)
        cable(cls.switch.node, "r20", cls.router, "eth1")
        offload(cls.router, "eth1", False)
        cls.switch.add_port("r20")
        cls.switch.vsctl("set", "port", "r20", "tag=20")
        cls.router.run("ip", "addr", "add", "10.0.20.1/24", "dev", "eth1")
        cls.router.sysctl("net.ipv4.ip_forward", 1)
        access_port(cls.far, 20, cls.switch)
        cls.far.address = "10.0.20.2"
        cls.far.run("ip", "addr", "flush", "dev", "eth0")
        cls.far.run("ip", "addr", "add", "10.0.20.2/24", "dev", "eth0")
        cls.far.run("ip", "route", "add", SERVICE_ADDRESS, "dev", "eth0")
        for host in cls.lab.hosts:
            access_port(host, 30, cls.switch)
            host.run("ip", "route", "add", "10.0.20.0/24", "via",
                     cls.router.address)
        cls.lab.add_service(tags={"h1": 30, "h2": 30})

    def test_serves_requests(self):
        with Capture(self.router, "eth1", "tcp") as router:
            for _ in range(4):
                answer = curl(self.far, self.lab.url("/name"))
                self.assertEqual(answer.status, 200)
                host = self.lab.host(answer.body.strip())
                host.server.wait_client(f"10.0.20.2:{answer.port}")
        # It forwards replies and nothing else.
        packets = list(router.packets())
        self.assertEqual({packet.src for packet in packets},
                         {SERVICE_ADDRESS})
        self.assertFalse([p for p in packets if p.flags & SYN], "SYN-ACK")


if __name__ == "__main__":
    tap.main()
