#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What happens to the requests of a leaf-spine fabric when parts of it fail.

What may fail is what only the failed part had: connections to a host, or
those that come in at a leaf.  Nothing else fails, and everything heals."""

import os
import re
import signal
import time

import tap
from fabrictest import Askers, FabricTest, Load
from workspace import alive, wait_until

ALONE = True                    # It measures outages.
INTERVAL = 0.01                 # Between two pings, in seconds.


class Fabric(FabricTest):
    """Spines and links: nothing fails."""

    def wait_noticed(self):
        """Waits until the controller knows that something fails: not before
        can one wait for the end of that."""
        wait_until(lambda: self.net.links_up() != self.net.all_links(),
                   "a link to be down")

    def test_spine_killed(self):
        """The other one takes over; nothing fails, nor when it returns."""
        with Load(self) as load:
            self.net["spine1"].kill()
            self.wait_noticed()
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
                self.wait_noticed()
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
            self.wait_noticed()
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
            self.wait_noticed()
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


class Controller(FabricTest):
    """The controller and its database: nothing fails."""

    def start_controller(self):
        self.net.controller.start()
        self.net.controller.wait_active()
        self.net.rest = self.net.controller.client()

    def test_controller_killed(self):
        """Switches go on as they are."""
        with Load(self) as load:
            self.net.controller.kill()
            load.wait_requests()
            load.wait_requests()
            self.start_controller()
            self.net.wait_links()
            load.wait_requests()

    def test_controller_away(self):
        """Switches go on deciding by the last state, and notice by themselves
        which hosts are up; what changed meanwhile is put right."""
        self.net.patch("pools/web", hosts={"h1": 0})
        self.net.wait_synced()
        self.net.controller.kill()
        host = self.net["h8"]
        host.agent.kill()
        wait_until(lambda: {leaf.ovs.host_status("h8")
                            for leaf in self.net.leaves} == {"down"},
                   "all leaves to miss h8")
        self.assertEqual(set(self.served(14)),
                         {f"h{i}" for i in range(2, 8)})
        self.net["leaf2"].ovs.vsctl("clear", "bridge", "br0",
                                    "migration_services")
        self.net["leaf1"].ovs.ofctl("del-flows", "br0",
                                    "udp,nw_dst=10.0.0.221")
        host.agent.start()
        self.start_controller()
        wait_until(lambda: "web" in self.net["leaf2"].ovs.appctl(
            "migrate/show") and self.net["leaf1"].ovs.flows(
                "udp,nw_dst=10.0.0.221,tp_dst=7471"), "what was deleted", 2)
        self.net.patch("pools/web", hosts={"h1": 1})

    def test_database_killed(self):
        """The controller starts it again, and goes on."""
        server = self.net.controller.server()
        with Load(self) as load:
            os.kill(server[0], signal.SIGKILL)
            wait_until(lambda: not alive(server), "the end of the database")
            load.wait_requests()
            wait_until(lambda: self.net.rest("GET", "/healthz").status == 200,
                       "the controller to be well", 5)
            self.net.patch("hosts/h2", state="draining")
            self.net.wait_synced()
            self.net.patch("hosts/h2", state="ready")
            load.wait_requests()


class Ends(FabricTest):
    """A leaf, a host, an agent."""

    def check(self, askers, hosts, since, clients=()):
        """Only requests on lasting connections to 'hosts', from 'clients',
        and those that were under way at 'since' have failed."""
        lost = {thread for thread in askers.threads
                if thread.machine in clients}
        for thread in askers.threads:
            for failure in thread.failures:
                self.assertTrue(thread in lost or failure.host in hosts
                                or failure.begun < since,
                                (thread.machine.name, failure, hosts))

    def wait_down(self, *hosts):
        """Until the other leaves have noticed."""
        leaves = [leaf for leaf in self.net.leaves if leaf.ovs.vswitchd.alive()]
        wait_until(lambda: all(leaf.ovs.host_status(host) == "down"
                               for leaf in leaves for host in hosts),
                   f"{hosts} to be missed", 10, 0.1)

    def wait_up(self, *hosts):
        wait_until(lambda: all(leaf.ovs.host_status(host) == "up"
                               for leaf in self.net.leaves for host in hosts),
                   f"{hosts} to be up", 15, 0.1)

    def test_agent_killed(self):
        """Nothing fails: connections need no agent."""
        agent = self.net["h4"].agent
        with Askers(self.net.clients) as askers:
            agent.kill()
            askers.wait_answers()
            self.wait_down("h4")
            askers.wait_answers()
            agent.start()
            self.wait_up("h4")
            askers.wait_answers()
        self.assertEqual(askers.failures(), [])

    def test_host_killed(self):
        """Its connections fail; others do not, nor do new ones.  When it is
        back, its clients are told that their connections are gone."""
        host = self.net["h6"]
        with Askers(self.net.clients) as askers:
            gone = askers.at("h6")
            self.assertTrue(gone)
            host.cmd("ip link set eth0 down")
            killed = time.monotonic()
            host.server.process.kill()
            host.agent.kill()
            self.wait_down("h6")
            askers.wait_answers(but=gone)

            # As after a reboot: nothing is left of connections.
            host.cmd("ovs-migrate-agent --interface eth0 --cleanup")
            host.cmd("ss -K state all > /dev/null")
            host.cmd("ip link set eth0 up")
            self.restore_routes(host)
            os.remove(f"{host.server.dir}/upload.sock")
            host.server.start()
            host.agent.start()
            self.wait_up("h6")
            askers.wait_answers(seconds=20)
        self.check(askers, {"h6"}, killed)
        self.assertTrue(all(len(thread.failures) == 1 for thread in gone))

    def restore_routes(self, host):
        for client in self.net.clients:
            i = int(client.name[1:])
            host.cmd(f"ip route replace 10.{i}.0.0/24 via 10.0.0.{200 + i}")

    def test_leaf_killed(self):
        """One with hosts: as when they are killed."""
        hosts = {"h7", "h8"}
        with Askers(self.net.clients) as askers:
            gone = askers.at(*hosts)
            self.assertTrue(gone)
            self.net["leaf4"].kill()
            killed = time.monotonic()
            self.wait_down(*hosts)
            askers.wait_answers(but=gone)
            self.net["leaf4"].restart()
            self.net.wait_links()
            self.wait_up(*hosts)
            askers.wait_answers(seconds=40)
        self.check(askers, hosts, killed)

    def test_ingress_killed(self):
        """One that clients come in at: theirs may fail that are new, and
        those to its hosts.  Their lasting connections to other hosts go on
        when it is back."""
        with Askers(self.net.clients) as askers:
            client = self.net["c1"].machine
            stay = [thread for thread in askers.threads
                    if thread.machine == client and not thread.close
                    and thread.host not in ("h1", "h2")]
            self.assertTrue(stay)
            self.net["leaf1"].kill()
            killed = time.monotonic()
            askers.wait_answers(but=[
                thread for thread in askers.threads
                if thread.machine == client or thread.host in ("h1", "h2")])
            self.net["leaf1"].restart()
            self.net.wait_links()
            self.wait_up(*(host.name for host in self.net.servers))
            askers.wait_answers(seconds=40)
        self.check(askers, {"h1", "h2"}, killed, [client])
        self.assertEqual([thread.failures for thread in stay if
                          thread.failures], [])


if __name__ == "__main__":
    tap.main()
