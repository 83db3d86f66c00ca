#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Two switches, each with an ovs-vswitchd of its own, in front of the same
hosts: one dies, and the other goes on with its connections.

    c1 --.              .-- sw   10.0.0.254
    h1 --+-- plain -----+
    h2 --'              '-- sw2  10.0.0.253

The client's route to the service says which of the two it goes to."""

import re

import tap
from crowd import Crowd, put_files
from lab import (
    MIGRATE_ADDRESS, MIGRATE_ADDRESS6, SERVICE_ADDRESS, SERVICE_ADDRESS6)
from labtest import LabTest, curl, curls
from netns import Node, cable
from ovs import Pool, Service, Switch
from servers import nginx_of_both
from workspace import wait_until

ALONE = True                    # It measures times.

IDLE = 200
DOWNLOADS = 30
SIZE = 2 << 20                  # Bytes of a download: it takes 8 s.


class TwoSwitches(LabTest):
    CLIENTS = 1
    FIRST, SECOND = MIGRATE_ADDRESS, "10.0.0.253"
    ADDRESS = SERVICE_ADDRESS

    @classmethod
    def configure(cls):
        lab = cls.lab
        plain = lab.add_plain_switch()
        for machine in lab.clients + lab.hosts:
            lab.move(machine, plain)
        cls.second = Switch(Node.create(lab.workspace, "sw2"), lab.tools,
                            mac="02:00:00:00:00:fc")
        cls.second.start()
        cable(plain.node, "trunk2", cls.second.node, "trunk")
        plain.add_port("trunk2")
        cls.second.add_port("trunk")
        cls.second.migrate([cls.SECOND], lab.key_file)
        hosts = {name: address for host in lab.hosts
                 for name, address in lab.rows(host).items()}
        cls.second.add_service(
            Service([cls.ADDRESS], pools={"all": Pool(list(hosts))},
                    **cls.SERVICE), hosts)
        lab.add_service(**cls.SERVICE)
        cls.wait_hosts(cls.second)
        cls.content = put_files(lab.hosts, SIZE)

    @classmethod
    def tearDownClass(cls):
        status = cls.second.stop()
        super().tearDownClass()
        if status or "Sanitizer" in cls.second.vswitchd.output():
            raise AssertionError(cls.second.vswitchd.output())

    @classmethod
    def wait_hosts(cls, switch):
        for host in cls.lab.hosts:
            wait_until(lambda: switch.host_status(host.name) == "up",
                       f"{switch.node.name} to see {host.name} up")

    def setUp(self):
        super().setUp()
        self.route(self.FIRST)

    def tearDown(self):
        super().tearDown()
        for switch in self.switch, self.second:
            wait_until(lambda: not switch.connections(),
                       f"{switch.node.name} to hear of all ends")

    def route(self, address):
        """From now on the client goes to the switch with 'address'."""
        self.client.run("ip", "route", "replace", self.ADDRESS, "via",
                        address)

    def wait_known(self, switch, n, state):
        wait_until(lambda: [line["state"] for line in switch.connections()]
                   == n * [state], f"{switch.node.name} to have {n} {state}",
                   20)

    def infused(self):
        return sum(host.agent.counters()["infused"]
                   for host in self.lab.hosts)

    def fill(self, crowd):
        """Idle connections, and downloads."""
        crowd.open(IDLE, "/name", b"host\n")
        crowd.download(DOWNLOADS, "/file", self.content)
        wait_until(lambda: crowd.running() == DOWNLOADS, "all downloads")

    def take_over(self, crowd, first, second, address):
        """'first' dies; 'second' goes on."""
        before = second.counters()
        infused = self.infused()
        first.end(kill=True)
        self.route(address)
        crowd.ask("/name", b"host\n")
        self.assertEqual(self.infused(), infused)
        self.assertEqual(curl(self.client,
                              self.lab.url("/name", self.ADDRESS)).status, 200)
        after = second.counters()
        self.assertEqual(after["bundle"] - before["bundle"], 1)
        for name in "reset", "lost", "abort":
            self.assertEqual(after[name], before[name], name)
        crowd.check()

    def test_death(self):
        """kill -9 of a switch among downloads and idle connections: the other
        one goes on with them, and takes new ones; the first one comes back,
        and it is the other's turn to die."""
        with Crowd(self.client, (self.ADDRESS, 80)) as crowd:
            self.fill(crowd)
            n = IDLE + DOWNLOADS
            self.wait_known(self.switch, n, "live")
            self.wait_known(self.second, n, "standby")
            owned = {line["client"]: line
                     for line in self.switch.connections()}
            for line in self.second.connections():
                for key in "service", "name", "host", "flow_id":
                    self.assertEqual(line[key], owned[line["client"]][key])
            self.assertEqual(sum(map(int, re.findall(
                r"\((\d+) standby\)", self.second.appctl("migrate/show")))),
                n)
            self.take_over(crowd, self.switch, self.second, self.SECOND)
            self.assertEqual(crowd.running(), DOWNLOADS)
            crowd.open(IDLE, "/name", b"host\n")
            self.wait_known(self.second, n + IDLE, "live")
            if self.SERVICE:
                wait_until(lambda: sum("tp_src=" in flow
                                       for flow in self.second.flows())
                           > DOWNLOADS, "flows")

            self.switch.begin()
            self.wait_hosts(self.switch)
            wait_until(lambda: len(self.switch.connections())
                       == n + IDLE,
                       "the first switch to know all again")
            self.take_over(crowd, self.second, self.switch, self.FIRST)
            self.assertEqual(crowd.running(), DOWNLOADS)
            crowd.finish()
            self.second.begin()
            self.wait_hosts(self.second)

    def test_syn_here_data_there(self):
        """One switch answers the SYN, and the other one gets the request,
        whose cookie is as good there."""
        before = self.served()
        for first, second, address in (
                (self.switch, self.second, self.SECOND),
                (self.second, self.switch, self.FIRST)):
            syns, bundles = first.counters(), second.counters()
            with self.client.connect((self.ADDRESS, 80)) as sock:
                self.route(address)
                sock.sendall(b"GET /name HTTP/1.0\r\n\r\n")
                answer = b""
                while piece := sock.recv(4096):
                    answer += piece
            self.assertTrue(answer.endswith(b"\r\n\r\nhost\n"), answer)
            self.assertEqual(first.counters()["syn"], syns["syn"] + 1)
            self.assertEqual(second.counters()["bundle"],
                             bundles["bundle"] + 1)
        self.assert_served(2, before)

    def test_path(self):
        """The client's path flips between two that live: nothing is to be
        seen of that, and no request runs twice."""
        before = self.served()
        with Crowd(self.client, (self.ADDRESS, 80)) as crowd:
            self.fill(crowd)
            with curls(self.client, self.lab.url("/name", self.ADDRESS)) as results:
                for _ in range(5):
                    for address in self.SECOND, self.FIRST:
                        n = len(results) + 5
                        self.route(address)
                        wait_until(lambda: len(results) >= n, "requests")
                        crowd.check()
                    crowd.ask("/name", b"host\n")
            crowd.finish()
        self.assertEqual(set(results), {"200 "})
        self.assert_served(len(results) + 6 * IDLE + DOWNLOADS, before)
        for switch in self.switch, self.second:
            self.assertEqual(switch.counters()["reset"], 0)


class TwoSwitchesFlows(TwoSwitches):
    """With placement=flow: the other switch installs flows as they are
    needed."""

    VARIANT = "flow"
    SERVICE = {"placement": "flow", "other_config": {"flow-limit": 2000}}


class TwoSwitchesKernel(TwoSwitches):
    """With placement=kernel: what the kernel of one switch has does no harm
    when the path comes back."""

    VARIANT = "kernel"
    SERVICE = {"placement": "kernel"}
    test_death = test_syn_here_data_there = None    # As without.


class TwoSwitchesIpv6(TwoSwitches):
    VARIANT = "IPv6"
    FAMILIES = (6,)
    FIRST, SECOND = MIGRATE_ADDRESS6, "fd00::fd"
    ADDRESS = SERVICE_ADDRESS6
    SERVER = staticmethod(nginx_of_both)


if __name__ == "__main__":
    tap.main()
