#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A leaf-spine fabric run by the controller: from nothing to a service by REST,
and what happens to requests when parts of it fail."""

import collections
import os
import re
import signal
import sys
import unittest

import tap
from labtest import curl, need_root, wrk_command, wrk_result
from workspace import wait_until

sys.path.insert(1, os.path.join(os.path.dirname(os.path.realpath(__file__)),
                                "../../topologies"))
need_root()

# pylint: disable=wrong-import-position
from leaf_spine import SERVICE_ADDRESS, LeafSpineNet, LeafSpineTopo  # noqa
from mininet.log import setLogLevel                         # noqa: E402

URL = f"http://{SERVICE_ADDRESS}/name"
INTERVAL = 0.01                 # Between two pings, in seconds.
setLogLevel("critical")


class FabricTest(unittest.TestCase):
    """Tests that share a fabric, in which the service works before and after
    each of them."""

    @classmethod
    def setUpClass(cls):
        cls.net = LeafSpineNet(LeafSpineTopo())
        cls.addClassCleanup(cls.net.close)
        cls.net.start()
        cls.net.add_switches()
        cls.net.wait_links()
        cls.net.add_service()
        cls.net.wait_synced()
        cls.net.start_agents()

    def logs(self):
        return self.net.workspace.logs()

    def setUp(self):
        self.client = self.net["c1"].machine

    def served(self, n=8):
        """Which hosts answer 'n' requests of the client."""
        answers = [curl(self.client, URL) for _ in range(n)]
        self.assertEqual({answer.status for answer in answers}, {200})
        return collections.Counter(answer.body.strip()
                                   for answer in answers)

    def tearDown(self):
        self.net.wait_links()
        self.net.wait_synced()
        everybody = {host.name for host in self.net.servers}
        wait_until(lambda: set(self.served()) == everybody,
                   "all hosts to serve")


class Load:
    """Requests from both clients, on connections of their own and on lasting
    ones, while something happens.  None may fail."""

    def __init__(self, test, errors=0):
        self.test = test
        self.errors = errors

    def __enter__(self):
        self.loads = [client.machine.start(*wrk_command(URL, 4, 600,
                                                        close=close))
                      for client in self.test.net.clients
                      for close in (False, True)]
        self.wait_requests()
        return self

    def wait_requests(self, seconds=5):
        """Waits until each host has been asked again."""
        hosts = self.test.net.servers
        before = [len(host.server.access_log()) for host in hosts]
        wait_until(lambda: all(len(host.server.access_log()) > n + 20
                               for host, n in zip(hosts, before)),
                   "requests at each host", seconds, 0.05)

    def __exit__(self, kind, *exc):
        for process in self.loads:
            process.stop(signal.SIGINT)
        if kind is None:
            for process in self.loads:
                load = wrk_result(process.output())
                self.test.assertLessEqual(load.errors, self.errors, load.text)
                self.test.assertGreater(load.requests, 0, load.text)


class Fabric(FabricTest):
    def test_shown(self):
        """What was programmed is there for Open vSwitch's tools."""
        leaf, spine = self.net["leaf1"].ovs, self.net["spine1"].ovs
        self.assertEqual(leaf.vsctl("--columns=name,id", "list",
                                    "Migration_Service").split(),
                         ["name", ":", "web", "id", ":", "1"])
        self.assertEqual(leaf.vsctl("get", "Migration_Host", "h5",
                                    "ip").strip(), '"10.0.0.15"')
        flows = leaf.flows("tcp,nw_dst=10.0.0.100")
        self.assertEqual(len(flows), 1, flows)
        self.assertIn("actions=migrate(service=1,table=3)", flows[0])
        self.assertEqual(spine.vsctl("list", "Migration_Service"), "")
        self.assertIn("state=up", spine.vsctl("get", "interface", "leaf3",
                                              "bfd_status"))

    def test_every_host_from_everywhere(self):
        for client in self.net.clients:
            self.client = client.machine
            self.assertEqual(len(self.served()), len(self.net.servers))

    def test_flows_deleted(self):
        """By hand, under load: they are back within two seconds."""
        for name in "leaf1", "leaf3", "spine1":
            switch = self.net[name].ovs
            for what in "del-flows", "del-groups":
                with self.subTest((name, what)), Load(self):
                    before = self.flows(switch)
                    switch.run("ovs-ofctl", "-OOpenFlow15", what, "br0")
                    wait_until(lambda: self.flows(switch) == before,
                               "the flows", 2)

    def flows(self, switch):
        return (sorted(switch.flows()),
                sorted(switch.run("ovs-ofctl", "-OOpenFlow15", "dump-groups",
                                  "br0").splitlines()[1:]))

    def test_rows_changed(self):
        """By hand: they are as they were within two seconds."""
        leaf = self.net["leaf2"].ovs
        with Load(self):
            leaf.vsctl("clear", "bridge", "br0", "migration_services")
            wait_until(lambda: "web" in leaf.appctl("migrate/show"),
                       "the service", 2)

    def test_spine_killed(self):
        """The other one takes over; nothing fails, nor when it returns."""
        with Load(self) as load:
            self.net["spine1"].kill()
            load.wait_requests()
            self.net["spine1"].restart()
            self.net.wait_links()
            load.wait_requests()

    def test_spine_hangs(self):
        """It takes BFD to notice that."""
        spine = self.net["spine2"].ovs.vswitchd
        with Load(self) as load:
            spine.send(signal.SIGSTOP)
            try:
                load.wait_requests()
            finally:
                spine.send(signal.SIGCONT)
            self.net.wait_links()
            load.wait_requests()

    def test_link_cut(self):
        with Load(self) as load:
            self.net.configLinkStatus("leaf1", "spine1", "down")
            load.wait_requests()
            self.net.configLinkStatus("leaf3", "spine2", "down")
            load.wait_requests()
            self.net.configLinkStatus("leaf1", "spine1", "up")
            self.net.configLinkStatus("leaf3", "spine2", "up")
            self.net.wait_links()
            load.wait_requests()

    def longest_gap(self, fail, mend):
        """For how long a router hears nothing of a host, in seconds, when
        something fails: the most of all hosts at other leaves."""
        hosts = [host for host in self.net.servers
                 if self.net.topo.leaf_of(host.name) != "leaf1"]
        pings = [self.net["r1"].machine.start("ping", "-n", "-i", INTERVAL,
                                              host.IP()) for host in hosts]

        def heard():
            return [[int(n) for n in re.findall(r"icmp_seq=(\d+)",
                                                ping.output())]
                    for ping in pings]

        def wait_heard():
            now = [len(numbers) for numbers in heard()]
            wait_until(lambda: all(len(numbers) > n + 20 for numbers, n
                                   in zip(heard(), now)), "answers of all")

        before = self.received("spine1")
        wait_heard()
        self.assertGreater(self.received("spine1"), before + 20)
        fail()
        try:
            wait_heard()
            numbers = heard()
        finally:
            mend()
            for ping in pings:
                ping.stop()
        return max(b - a for some in numbers
                   for a, b in zip(some, some[1:])) * INTERVAL

    def received(self, name):
        """How many frames a switch has received; BFD is 5 a second and
        port."""
        return sum(map(int, re.findall(r"rx pkts=(\d+)", self.net[name].ovs.run(
            "ovs-ofctl", "-OOpenFlow15", "dump-ports", "br0"))))

    def test_rerouted_within_a_second(self):
        spine = self.net["spine1"]
        vswitchd = spine.ovs.vswitchd
        for what, fail, mend in (
                ("hangs", lambda: vswitchd.send(signal.SIGSTOP),
                 lambda: vswitchd.send(signal.SIGCONT)),
                ("link at this end",
                 lambda: self.net.configLinkStatus("leaf1", "spine1", "down"),
                 lambda: self.net.configLinkStatus("leaf1", "spine1", "up")),
                ("link at the other end",
                 lambda: self.net.configLinkStatus("leaf2", "spine1", "down"),
                 lambda: self.net.configLinkStatus("leaf2", "spine1", "up")),
                ("killed", spine.kill, spine.restart)):
            with self.subTest(what):
                gap = self.longest_gap(fail, mend)
                print(f"# {what}: {gap:.2f} s")
                self.assertLess(gap, 1)
            self.net.wait_links()

    def test_without_controller(self):
        """Switches go on as they are."""
        with Load(self) as load:
            self.net.controller.kill()
            load.wait_requests()
            load.wait_requests()
            self.net.controller.start()
            self.net.controller.wait_active()
            self.net.rest = self.net.controller.client()
            self.net.wait_links()
            load.wait_requests()


if __name__ == "__main__":
    tap.main()
