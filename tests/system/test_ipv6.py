#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A service with addresses of both families, whose nginx listens to both;
neighbor discovery; and what becomes of a family that there is no migration
address of."""

import os
import re

import tap
from capture import Capture
from lab import MIGRATE_ADDRESS6, SERVICE_ADDRESS, SERVICE_ADDRESS6
from labtest import LabTest, curl
from ovs import SWITCH_MAC
from servers import nginx_of_both, random_file, sha256
from workspace import CommandError, wait_until

MEGABYTE = 1 << 20


def nginx_with_slow(node):
    return nginx_of_both(node, extra="location /slow { limit_rate 400k; }")


class DualStackTests:
    """Run by the classes below."""

    FAMILIES = (4, 6)
    PLACEMENT = None
    SERVER = staticmethod(nginx_with_slow)

    @classmethod
    def configure(cls):
        cls.lab.add_service(placement=cls.PLACEMENT)

    def url(self, path):
        return self.lab.url(path, SERVICE_ADDRESS6)

    def test_serves_a_request(self):
        """... of each family, and the server sees who the client is."""
        for url, client in (
                (self.url("/name"), self.client.address6),
                (self.lab.url("/name"), f"::ffff:{self.client.address}")):
            with self.subTest(url), \
                    self.counted("syn", "bundle", "confirmed"):
                answer = curl(self.client, url)
                self.assertEqual(answer.status, 200)
                host = self.lab.host(answer.body.strip())
                host.server.wait_client(f"{client}:{answer.port}")

    def test_every_host(self):
        """Pools have hosts of both families, and each client gets one of its
        own."""
        for url in self.url("/name"), self.lab.url("/name"):
            names = {curl(self.client, url).body.strip() for _ in range(4)}
            self.assertEqual(names, {host.name for host in self.lab.hosts})

    def test_1_mb_down(self):
        sums = {random_file(host.server.root + "/big", MEGABYTE)
                for host in self.lab.hosts}
        file = self.lab.workspace.path("down")
        for _ in range(3):
            curl(self.client, self.url("/big"), "-o", file)
            self.assertIn(sha256(file), sums)

    def test_1_mb_up(self):
        """With the flow-ID packets as long as the client's."""
        file = self.lab.workspace.path("up")
        sum_ = random_file(file, MEGABYTE)
        host = self.lab.hosts[0]
        with Capture(self.client, words="tcp", inwards=False) as client, \
                Capture(self.switch.node, host.port,
                        f"ip6 and tcp and src host {MIGRATE_ADDRESS6}",
                        inwards=False) as cable:
            for expect in "Expect:", "Expect: 100-continue":
                answer = curl(self.client, self.url("/upload"), "-H", expect,
                              "--data-binary", f"@{file}")
                self.assertEqual(answer.status, 200)
                self.assertEqual(sha256(answer.body.strip()), sum_)
                os.remove(answer.body.strip())
        twins = {(p.seq, p.payload): p for p in client.packets()}
        received = list(cable.packets())
        self.assertGreater(sum(p.payload for p in received), MEGABYTE / 2)
        for packet in received:
            self.assertEqual(packet.dst, host.address6)
            twin = twins.get((packet.seq, packet.payload))
            if twin:
                self.assertEqual(packet.eth_len, twin.eth_len)


class TableNoTso(DualStackTests, LabTest):
    VARIANT = "placement=table tso=false"
    PLACEMENT = "table"


class TableTso(DualStackTests, LabTest):
    VARIANT = "placement=table tso=true"
    PLACEMENT = "table"
    TSO = True


class FlowTests(DualStackTests):
    PLACEMENT = "flow"

    def test_flow(self):
        """A connection that lasts is an OpenFlow flow of IPv6 fields, which
        carries both ways."""
        size = 2 * MEGABYTE
        sums = {random_file(host.server.root + "/slow", size)
                for host in self.lab.hosts}
        file = self.lab.workspace.path("slow")
        process = self.client.start("curl", "-sS", "-m", "60", "-o", file,
                                    self.url("/slow"))
        flow = wait_until(self._flow, "a flow")
        # What the engine does not see, the flow carries.
        before = self.switch.counters()["encapsulated"]
        self.assertEqual(process.wait(60), 0, process.output())
        self.assertIn(sha256(file), sums)
        self.assertLess(self.switch.counters()["encapsulated"] - before, 50)
        self.assertIn(f"ipv6_src={self.client.address6}", flow)
        port = re.search(r"tp_src=(\d+)", flow)[1]
        self.assertIn(f"[{self.client.address6}]:{port}",
                      {c["client"] for c in self.switch.all_connections()})
        self.assertIn(f"ipv6_dst={SERVICE_ADDRESS6}", flow)
        actions = flow.partition("actions=")[2]
        self.assertIn(f"set_field:{MIGRATE_ADDRESS6}->ipv6_src", actions)
        self.assertRegex(actions, r"set_field:fd00::1[12]->ipv6_dst")
        self.assertNotIn("migrate", actions)

    def _flow(self):
        return next((flow for flow in self.switch.flows("-OOpenFlow13")
                     if "tcp6" in flow and "tp_src=" in flow), None)


class FlowNoTso(FlowTests, LabTest):
    VARIANT = "placement=flow tso=false"


class FlowTso(FlowTests, LabTest):
    VARIANT = "placement=flow tso=true"
    TSO = True


class KernelTests(DualStackTests):
    PLACEMENT = "kernel"

    def test_1_mb_up(self):
        with self.counted("kernel"):
            super().test_1_mb_up()


class KernelNoTso(KernelTests, LabTest):
    VARIANT = "placement=kernel tso=false"


class KernelTso(KernelTests, LabTest):
    VARIANT = "placement=kernel tso=true"
    TSO = True


class Ipv6Only(LabTest):
    """Nothing but IPv6 migrates here."""

    FAMILIES = (6,)
    SERVER = staticmethod(nginx_with_slow)

    def neighbor(self, node, address):
        """What 'node' has in its neighbor cache, a list of words."""
        return node.run("ip", "-6", "neigh", "show", address).split()

    def test_serves_a_request(self):
        answer = curl(self.client, self.lab.url("/name", SERVICE_ADDRESS6))
        self.assertEqual(answer.status, 200)

    def test_the_switch_answers_solicitations(self):
        """... and nobody else does, though hosts have the address."""
        curl(self.client, self.lab.url("/name", SERVICE_ADDRESS6))
        with Capture(self.client, words="icmp6 and ip6[40] == 136",
                     inwards=True) as capture, self.counted("nd-advertise"):
            self.client.run("ip", "-6", "neigh", "flush", "all")
            curl(self.client, self.lab.url("/name", SERVICE_ADDRESS6))
        # The target address is behind 8 bytes of ICMPv6.
        answers = [frame for _, _, frame in capture.frames()
                   if frame[62:78] == bytes.fromhex("fd00" + "0" * 25 + "100")]
        mac = bytes.fromhex(SWITCH_MAC.replace(":", ""))
        self.assertEqual({frame[6:12] for frame in answers}, {mac})
        self.assertIn(SWITCH_MAC, self.neighbor(self.client,
                                                SERVICE_ADDRESS6))
        self.assertIn(SWITCH_MAC, self.neighbor(self.host, MIGRATE_ADDRESS6))

    def test_probes_are_answered(self):
        """A neighbor that checks whether the switch is there still hears that
        it is."""
        curl(self.client, self.lab.url("/name", SERVICE_ADDRESS6))
        with self.counted("nd-advertise"):
            self.client.run("ip", "-6", "neigh", "change", SERVICE_ADDRESS6,
                            "lladdr", SWITCH_MAC, "dev", "eth0", "nud",
                            "probe")
            wait_until(lambda: "REACHABLE" in self.neighbor(
                           self.client, SERVICE_ADDRESS6),
                       "the probe to be answered")

    def test_duplicate_is_detected(self):
        """Nobody can take the service's address by mistake."""
        self.client.sysctl("net.ipv6.conf.eth0.accept_dad", 1)
        self.addCleanup(self.client.sysctl, "net.ipv6.conf.eth0.accept_dad",
                        0)
        self.client.run("ip", "addr", "add", f"{SERVICE_ADDRESS6}/64", "dev",
                        "eth0")
        self.addCleanup(self.client.run, "ip", "addr", "del",
                        f"{SERVICE_ADDRESS6}/64", "dev", "eth0")
        wait_until(lambda: "dadfailed" in self.client.run(
                       "ip", "addr", "show", "dev", "eth0"),
                   "the duplicate to be detected")

    def test_other_family_is_counted(self):
        """There is no migration address in IPv4."""
        for flow in (f"arp,arp_tpa={SERVICE_ADDRESS},actions="
                     "migrate(control,table=1)",
                     f"tcp,nw_dst={SERVICE_ADDRESS},tp_dst=80,actions="
                     "migrate(service=1,table=1)"):
            self.switch.add_flow(f"priority=100,{flow}")
        with self.counted("drop-family"):
            with self.assertRaises(CommandError):
                self.client.run("curl", "-sS", "-m", "1",
                                self.lab.url("/name"))

    def test_host_of_other_family_is_refused(self):
        self.switch.vsctl("--", "--id=@h", "create", "Migration_Host",
                          "name=four", "ip=10.0.0.11", "--", "add",
                          "Migration_Pool", "all", "hosts", "@h")
        try:
            self.assertIn('ip "10.0.0.11" is of a family that '
                          "other_config:migrate-address has no address of",
                          self.switch.appctl("migrate/show"))
        finally:
            uuid = self.switch.vsctl("--bare", "--columns=_uuid", "find",
                                     "Migration_Host", "name=four").strip()
            self.switch.vsctl("remove", "Migration_Pool", "all", "hosts",
                              uuid)
        self.assertNotIn("error:", self.switch.appctl("migrate/show"))


if __name__ == "__main__":
    tap.main()
