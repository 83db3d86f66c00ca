#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A leaf-spine fabric run by the controller: from nothing to a service, and
what somebody changes at its switches by hand."""

import json
import os
import re
import unittest

import tap
from fabrictest import (SERVICE_ADDRESS, FabricTest, LeafSpineNet,
                        LeafSpineTopo, Load, curl)
from workspace import run, wait_until

ALONE = True                    # It measures times, and is large.
URL = f"http://{SERVICE_ADDRESS}"


class FromNothing(unittest.TestCase):
    """Switches as they come out of the box, and what an operator says: then
    clients are served by the right hosts."""

    def setUp(self):
        self.net = LeafSpineNet(LeafSpineTopo())
        self.addCleanup(self.net.close)
        self.net.start()
        for host in self.net.servers:
            host.server.put("/images/name", f"{host.name}\n".encode())
        self.url = self.net.controller.urls()[0]

    def logs(self):
        return self.net.workspace.logs()

    def fabric(self):
        """All that is to be said."""
        with open(self.net.key_file) as file:
            key = file.read()
        switches = {
            switch.name: {
                "dpid": f"{switch.ovs.dpid:016x}", "ovsdb": switch.ovs.db,
                "openflow": f"unix:{switch.ovs.dir}/br0.mgmt",
                **({"migrate_address": f"10.0.0.{220 + switch.ovs.dpid}"}
                   if switch in self.net.leaves else {})}
            for switch in self.net.switches}
        hosts = {host.name: {"ip": host.IP()} for host in self.net.servers}
        return {
            "fabric": {"current_key": key},
            "switches": switches,
            "hosts": hosts,
            "pools": {"all": {"hosts": dict.fromkeys(hosts, 1)},
                      "images": {"hosts": {"h3": 1, "h8": 1}},
                      "shop": {"hosts": {"h5": 1}}},
            "services": {"web": {"address": SERVICE_ADDRESS, "port": 80,
                                 "default_pool": "all"}},
            "rules": {"images": {"service": "web", "priority": 10,
                                 "match": {"path-prefix": "/images/"},
                                 "pool": "images"},
                      "shop": {"service": "web", "priority": 20,
                               "match": {"host": "shop.test"},
                               "pool": "shop"}},
        }

    def check_nothing(self):
        for switch in self.net.switches:
            self.assertEqual(switch.ovs.flows(), [])

    def check(self):
        self.net.wait_links()
        self.net.wait_synced()
        self.net.start_agents()
        everybody = {host.name for host in self.net.servers}
        for client in self.net.clients:
            for pool, words in ((everybody, ["/name"]),
                                ({"h3", "h8"}, ["/images/name"]),
                                ({"h5"}, ["/images/name", "-HHost: shop.test"])):
                path, *options = words
                answers = [curl(client.machine, URL + path, *options)
                           for _ in range(2 * len(pool))]
                self.assertEqual({answer.status for answer in answers}, {200})
                self.assertEqual({answer.body.strip() for answer in answers},
                                 pool)
        self.check_shown()

    def check_shown(self):
        """What was programmed is there for Open vSwitch's tools."""
        for switch in self.net.leaves:
            leaf = switch.ovs
            self.assertEqual(leaf.vsctl("--columns=name,id", "list",
                                        "Migration_Service").split(),
                             ["name", ":", "web", "id", ":", "1"])
            self.assertEqual(leaf.vsctl("get", "Migration_Host", "h5",
                                        "ip").strip(), '"10.0.0.15"')
            self.assertIn("path-prefix", leaf.vsctl(
                "--columns=match", "list", "Migration_Rule"))
            flows = leaf.flows(f"tcp,nw_dst={SERVICE_ADDRESS}")
            self.assertEqual(len(flows), 1, flows)
            self.assertIn("actions=migrate(service=1,table=3)", flows[0])
            groups = leaf.run("ovs-ofctl", "-OOpenFlow15", "dump-groups",
                              "br0")
            self.assertIn("type=select", groups)
        spine = self.net["spine1"].ovs
        self.assertEqual(spine.vsctl("list", "Migration_Service"), "")
        wait_until(lambda: "state=up" in spine.vsctl(
            "get", "interface", "leaf3", "bfd_status"), "BFD to be up")

    def test_by_rest(self):
        """By requests of curl alone."""
        self.check_nothing()
        for kind, items in self.fabric().items():
            if kind == "fabric":
                self.put("PATCH", "fabric", items)
                continue
            for name, body in items.items():
                self.put("PUT", f"{kind}/{name}", body)
        self.check()

    def put(self, method, path, body):
        status = run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}",
                      "-X", method, "-H", "Content-Type: application/json",
                      "-d", json.dumps(body), f"{self.url}/v1/{path}"])
        self.assertIn(status, ("200", "201"), (path, body))

    def test_by_apply(self):
        """By one "ovs-migratectl apply", which tells what it does."""
        file = self.net.workspace.write("fabric.json",
                                        json.dumps(self.fabric()))
        self.assertIn("21 changes would be made", self.ctl("--dry-run", file))
        self.check_nothing()
        self.ctl(file)
        self.check()
        # Nobody can read which key there is.
        self.assertEqual(self.ctl("--dry-run", file).splitlines(), [
            "~ fabric", "    current_key: (none) -> true",
            "1 change would be made"])

    def ctl(self, *words):
        return run([self.net.tools.find("ovs-migratectl"), "apply", "-f",
                    words[-1], *words[:-1]],
                   env={**os.environ, "OVS_MIGRATE_URL": self.url})


class Fabric(FabricTest):
    def test_every_host_from_everywhere(self):
        for client in self.net.clients:
            self.client = client.machine
            self.assertEqual(len(self.served()), len(self.net.servers))

    def test_affinity(self):
        """A cookie leads to one host, whichever switch the client comes
        to."""
        self.net.patch("pools/web", affinity="cookie.session")
        self.addCleanup(self.net.patch, "pools/web", affinity=None)
        self.net.wait_synced()
        hosts = {}
        for session in [*map(str, range(16)), "5d41.h6"]:
            answers = [curl(client.machine, URL + "/name", "-b",
                            f"session={session}").body.strip()
                       for client in self.net.clients for _ in range(2)]
            hosts[session] = answers[0]
            self.assertEqual(set(answers), {hosts[session]}, session)
        self.assertEqual(hosts["5d41.h6"], "h6")
        self.assertGreater(len(set(hosts.values())), 4, hosts)

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


if __name__ == "__main__":
    tap.main()
