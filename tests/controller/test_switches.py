#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the controller makes of switches: flows, rows, links, ways."""

import collections
import os
import re
import signal
import socket
import struct
import time

from controllers import (Controller, ControllerTest, Response, Server,
                         transact)
from switches import SlowRelay, Switch, SwitchesTest, connect
from workspace import wait_until
import tap

ALONE = True                    # It measures times.
COOKIE = "cookie=0x6d69677261746500/0xffffffffffffff00"


class OneSwitch(SwitchesTest):
    def setUp(self):
        super().setUp()
        self.switch = Switch(self.workspace, "s1", 1)
        self.switch.add_port("p1")
        self.put("hosts/h1", ip="10.0.0.11")
        self.put("pools/all", hosts={"h1": 1})
        self.put("services/web", address="10.0.0.100", port=80,
                 default_pool="all")
        self.add_switch(self.switch, migrate_address="10.0.0.254")
        self.wait_synced(self.switch)
        self.p1 = self.switch.port("p1")

    def settle(self):
        """Waits until p1 is known to be an edge port; returns the flows."""
        wait_until(lambda: self.switch.flows(f"in_port={self.p1}"),
                   "p1 to be open")
        self.wait_synced(self.switch)
        return self.switch.flows(COOKIE)

    def within(self, seconds, condition, what):
        wait_until(condition, what, seconds)

    def test_flows_stay(self):
        """What is right is not touched."""
        flows = self.settle()
        self.assertIn("cookie=0x6d69677261746501, table=2, priority=200,tcp,"
                      "nw_dst=10.0.0.100,tp_dst=80 "
                      "actions=migrate(service=1,table=3)", flows)
        age = self.switch.ages()[0]
        wait_until(lambda: self.switch.ages()[0] > age + 1, "a second")

    def test_flows_come_back(self):
        flows = self.settle()
        groups = self.switch.groups()
        for command in (["del-flows", "br0"],
                        ["del-flows", "br0", "table=2"],
                        ["del-groups", "br0"],
                        ["mod-flows", "br0", "tcp,actions=drop"],
                        ["mod-group", "br0", "group_id=1,type=all"],
                        ["add-group", "br0", "group_id=77,type=all"],
                        ["add-flow", "br0", "table=2,priority=0,actions=drop"],
                        ["add-flow", "br0", "table=9,cookie="
                         "0x6d69677261746502,actions=drop"]):
            with self.subTest(command):
                self.switch.ofctl(*command)
                self.within(2, lambda: (self.switch.flows() == flows
                                        and self.switch.groups() == groups),
                            "flows and groups to be as they were")

    def test_others_flows_stay(self):
        self.settle()
        self.switch.ofctl("add-flow", "br0",
                          "priority=40000,udp,tp_dst=9,actions=drop")
        self.put("services/more", address="10.0.0.101", port=80,
                 default_pool="all")
        self.wait_synced(self.switch)
        self.assertTrue(self.switch.flows("udp,tp_dst=9"))

    def rows(self):
        """What the controller has made of the switch's database."""
        return [self.switch.table(*args) for args in (
            ("Migration_Service", "name", "id", "protocol"),
            ("Migration_Pool", "name", "weights", "policy", "affinity"),
            ("Migration_Rule", "priority", "match"),
            ("Migration_Host", "name", "ip"),
            ("Bridge", "other_config", "fail_mode"))]

    def test_rows(self):
        fabric = self.controller_rows("Fabric")[0]
        self.put("hosts/h2", ip="10.0.0.12", state="draining")
        self.put("hosts/h3", ip="10.0.0.13", state="down")
        self.put("pools/some", policy="two-choices",
                 affinity="header.X-User", hosts={"h1": 3, "h2": 4, "h3": 5})
        self.put("rules/r1", service="web", priority=7, pool="some",
                 match={"path-prefix": "/a/"})
        self.wait_synced(self.switch)
        services, pools, rules, hosts, bridges = self.rows()
        self.assertEqual(services, [{"name": "web", "id": 1,
                                     "protocol": ["set", []]}])
        self.assertEqual([(p["name"], p["policy"], p["affinity"],
                           p["weights"]) for p in pools],
                         [("some", "two-choices", "header.x-user",
                           ["map", [["h1", 3], ["h2", 0]]]),
                          ("all", ["set", []], ["set", []],
                           ["map", [["h1", 1]]])])
        self.assertEqual(rules, [{"priority": 7, "match":
                                  ["map", [["path-prefix", "/a/"]]]}])
        self.assertEqual(hosts, [{"name": "h1", "ip": "10.0.0.11"},
                                 {"name": "h2", "ip": "10.0.0.12"}])
        config = dict(bridges[0]["other_config"][1])
        self.assertEqual(config["migrate-address"], "10.0.0.254")
        self.assertEqual(config["migrate-key"], fabric["current_key"])
        self.assertEqual(config["hwaddr"], self.switch.mac)
        self.assertEqual(bridges[0]["fail_mode"], "secure")

    def controller_rows(self, table):
        return transact(self.controller.remote,
                        {"op": "select", "table": table, "where": []}
                        )[0]["rows"]

    def test_rows_come_back(self):
        rows = self.rows()
        for command in (["clear", "bridge", "br0", "migration_services"],
                        ["set", "Migration_Host", "h1", "ip=10.9.9.9"],
                        ["set", "Migration_Pool", "all", "weights:h1=7"],
                        ["set", "Migration_Pool", "all",
                         "policy=source-hash", "affinity=cookie.x"],
                        ["clear", "Migration_Pool", "all", "hosts"],
                        ["set", "Migration_Service", "web", "id=4"],
                        ["set", "bridge", "br0", "fail_mode=standalone"],
                        ["remove", "bridge", "br0", "other_config",
                         "migrate-address"],
                        ["set", "bridge", "br0",
                         "other_config:migrate-key-file=/x"],
                        ["--", "--id=@s", "create", "Migration_Service",
                         "name=other", "id=9", "--", "add", "bridge", "br0",
                         "migration_services", "@s"]):
            with self.subTest(command):
                self.switch.vsctl("--no-wait", *command)
                self.within(2, lambda: self.rows() == rows,
                            "rows to be as they were")
        self.switch.vsctl("set", "bridge", "br0", "other_config:mine=1",
                          "external_ids:mine=1")
        self.put("hosts/h1", ip="10.0.0.77")
        self.wait_synced(self.switch)
        self.assertIn("mine", self.switch.bridge("other_config"))
        self.assertIn("mine", self.switch.bridge("external_ids"))

    def test_vswitchd_restarts(self):
        flows = self.settle()
        self.switch.kill()
        wait_until(lambda: self.get("switches/s1")["status"]["openflow"]
                   == "disconnected", "the loss to be noticed")
        self.switch.start_vswitchd()
        self.within(3, lambda: self.switch.flows(COOKIE) == flows,
                    "flows to be as they were")
        self.wait_synced(self.switch)

    def test_ovsdb_restarts(self):
        rows = self.rows()
        self.switch.db_server.kill()
        os.remove(f"{self.switch.dir}/db.sock")
        wait_until(lambda: self.get("switches/s1")["status"]["ovsdb"]
                   == "disconnected", "the loss to be noticed")
        self.switch.start_db()
        self.switch.vsctl("--no-wait", "clear", "bridge", "br0",
                          "migration_services")
        self.within(3, lambda: self.rows() == rows,
                    "rows to be as they were")

    def test_slow_database(self):
        """It takes longer until its contents have come than until an attempt
        to connect is given up."""
        relay = SlowRelay(f"{self.switch.dir}/slow.sock",
                          self.switch.db[len("unix:"):], 2)
        self.addCleanup(relay.close)
        self.put("switches/s1", dpid=self.switch.dpid,
                 ovsdb=f"unix:{relay.path}", openflow=self.switch.openflow,
                 migrate_address="10.0.0.253")
        self.wait_synced(self.switch)
        self.assertIn("10.0.0.253", self.switch.bridge("other_config"))

    def test_controller_restarts(self):
        """What was right before is not touched, what was not is mended."""
        flows = self.settle()
        self.controller.kill()
        wait_until(lambda: self.switch.ages()[0] > 1, "flows to be old")
        self.switch.ofctl("del-flows", "br0", "table=2,udp")
        self.switch.ofctl("add-flow", "br0", "table=9,cookie="
                          "0x6d69677261746502,actions=drop")
        begun = time.monotonic()
        self.controller.start()
        wait_until(lambda: self.switch.flows() == flows,
                   "flows to be as they were")
        text = self.switch.ofctl("dump-flows", "br0")
        passed = time.monotonic() - begun
        new = [flow for flow in text.splitlines()
               if "duration=" in flow and passed
               > float(re.search(r"duration=([\d.]+)s", flow)[1])]
        self.assertEqual(len(new), 1, new)
        self.assertIn("udp", new[0])

    def test_deleted_switch(self):
        """A switch that is not the controller's any more stays as it is."""
        flows = self.settle()
        response = self.client("DELETE", "/v1/switches/s1")
        self.assertEqual(response.status, 204, response)
        self.switch.ofctl("del-flows", "br0", "table=2,udp")
        wait_until(lambda: len(self.switch.flows()) == len(flows) - 1,
                   "the flow to go")

    def wait_error(self, text):
        wait_until(lambda: text in self.get("switches/s1")["status"]
                   .get("error", ""), f"an error about {text}")

    def test_errors(self):
        self.put("switches/s1", dpid="00000000000000ff",
                 ovsdb=self.switch.db, openflow=self.switch.openflow)
        self.wait_error("the datapath ID is 0000000000000001, not "
                        "00000000000000ff")
        self.put("switches/s1", dpid="0000000000000001",
                 ovsdb=self.switch.db, openflow=self.switch.openflow,
                 bridge="br9")
        self.wait_error('no bridge "br9"')
        self.put("switches/s1", dpid="0000000000000001",
                 openflow=self.switch.openflow)
        self.wait_error("set its column ovsdb")
        self.add_switch(self.switch)
        self.wait_synced(self.switch)
        self.assertNotIn("error", self.get("switches/s1")["status"])
        self.assertEqual(self.switch.table("Migration_Service"), [])
        self.assertNotIn("migrate", self.switch.bridge("other_config"))

    def test_list_cut_short(self):
        """Who asks for connections when the controller ends is told what is
        missing."""
        self.switch.vswitchd.send(signal.SIGSTOP)
        self.client.connection.request("GET", "/v1/connections")
        self.controller.appctl("exit")
        response = Response(self.client.connection.getresponse())
        self.assertEqual(response.json, {"items": [], "unreachable": ["s1"]})
        self.switch.vswitchd.send(signal.SIGCONT)

    def test_unreachable(self):
        """What keeps a connection from being made is told; that it is tried
        once a second does not fill the log."""
        log = self.workspace.path("c1-file.log")
        self.controller.kill()
        self.controller.argv.append(f"--log-file={log}")
        self.controller.start()
        self.controller.wait_active()
        self.client = self.controller.client()
        with socket.create_server(("127.0.0.1", 0)) as server:
            remote = f"tcp:127.0.0.1:{server.getsockname()[1]}"
            self.put("switches/s2", dpid="0000000000000002",
                     ovsdb="unix:/no/such", openflow="unix:/no/such/either")
            self.put("switches/s3", dpid="0000000000000003",
                     ovsdb=self.switch.db, openflow=remote)
            for _ in range(4):
                server.accept()[0].close()
        self.assertEqual(
            self.get("switches/s2")["status"]["error"],
            "openflow, unix:/no/such/either: No such file or directory; "
            "ovsdb, unix:/no/such: No such file or directory")
        self.assertIn(f"openflow, {remote}: ",
                      self.get("switches/s3")["status"]["error"])
        with open(log) as file:
            lines = [line for line in file if "no/such" in line
                     or remote in line]
        self.assertLess(len(lines), 4, lines)

    ARP = ("eth(src={},dst=ff:ff:ff:ff:ff:ff),eth_type(0x0806),"
           "arp(sip=10.0.0.1,tip=10.0.0.2,op=1,sha={},tha=00:00:00:00:00:00)")

    def test_stations(self):
        """A machine is found by its ARP, and again where it moves."""
        self.switch.add_port("p2")
        self.settle()
        mac = "02:00:00:00:aa:01"
        p2 = self.switch.port("p2")
        wait_until(lambda: self.switch.flows(f"in_port={p2}"),
                   "p2 to be open")
        for port in "p1", "p2", "p1":
            number = self.switch.port(port)
            arp = self.ARP.format(mac, mac)
            wait_until(lambda: self.switch.receive(port, arp) or
                       [f"actions=output:{number}"] == [
                           flow.split()[-1] for flow in
                           self.switch.flows(f"table=3,dl_dst={mac}")],
                       f"{mac} to be found at {port}", interval=0.2)
            self.assertEqual(self.switch.trace(
                self.switch.port("p2" if port == "p1" else "p1"),
                f"dl_dst={mac}"), str(number))
        # Nothing that a port says of an address that is a switch's.
        wait_until(lambda: [(s["mac"], s["port"]) for s
                            in self.controller_rows("Station")]
                   == [(mac, "p1")], "its row")
        wait_until(lambda: b"\novs_migrate_stations 1\n"
                   in self.client("GET", "/metrics").body, "the metric")

        # It is known also to a controller that has just been started.
        flows = self.switch.flows()
        self.controller.kill()
        self.controller.start()
        self.controller.wait_active()
        self.client = self.controller.client()
        self.wait_synced(self.switch)
        self.assertEqual(self.switch.flows(), flows)

    def test_station_lifetime(self):
        """One that is heard of stays, without much ado; one that is not
        goes."""
        lifetime = 4
        response = self.client("PATCH", "/v1/fabric",
                               {"station_lifetime": lifetime})
        self.assertEqual(response.status, 200, response)
        self.settle()
        quiet, talker = "02:00:00:00:aa:01", "02:00:00:00:aa:02"

        def stations():
            return {row["mac"] for row in self.controller_rows("Station")}

        def say(*macs):
            for mac in macs:
                self.switch.receive("p1", self.ARP.format(mac, mac))
            return True

        wait_until(lambda: say(quiet, talker)
                   and stations() == {quiet, talker}, "both to be found",
                   interval=0.2)
        begun = time.monotonic()
        wait_until(lambda: self.switch.flows(f"table=1,arp,dl_src={talker}"),
                   "the controller to be spared")
        wait_until(lambda: say(talker) and stations() == {talker},
                   "one of them to go", 3 * lifetime, 0.2)
        self.assertGreater(time.monotonic() - begun, lifetime - 1)
        wait_until(lambda: not self.switch.flows(f"dl_dst={quiet}"),
                   "its flows to go")
        while time.monotonic() < begun + 2 * lifetime:
            say(talker)
            self.assertEqual(stations(), {talker})
            time.sleep(0.2)

    def test_too_many_stations(self):
        """Who invents addresses pushes out his own ones."""
        self.switch.add_port("p2")
        self.settle()
        rows = transact(self.controller.remote, {
            "op": "select", "table": "Switch", "where": [],
            "columns": ["_uuid"]})[0]["rows"]
        uuid = rows[0]["_uuid"]

        def insert(mac, port, heard):
            return {"op": "insert", "table": "Station",
                    "row": {"mac": mac, "switch": uuid, "port": port,
                            "heard": heard}}

        # At a port that is not there, so that no flows are made.
        now = int(time.time() * 1000)
        invented = [f"06:00:00:00:{n >> 8:02x}:{n & 255:02x}"
                    for n in range(65535)]
        for i in range(0, 65535, 615):
            transact(self.controller.remote, *(
                insert(mac, "p9", now + n) for n, mac in
                enumerate(invented[i:i + 615], i)))
        old, new = "02:00:00:00:aa:01", "02:00:00:00:aa:02"
        transact(self.controller.remote, insert(old, "p1", now - 1000))

        def stations():
            return {row["mac"] for row in self.controller_rows("Station")}

        def is_known(mac):
            return transact(self.controller.remote, {
                "op": "select", "table": "Station",
                "where": [["mac", "==", mac]]})[0]["rows"]

        wait_until(lambda: self.switch.receive(
            "p2", self.ARP.format(new, new)) or is_known(new),
                   "room for one more", 20, 0.5)
        self.assertEqual(set(invented) - stations(), set(invented[:256]))
        self.assertIn(old, stations())


class Takeover(SwitchesTest):
    """Of the switches of a controller that is killed, by another one."""

    def setUp(self):
        ControllerTest.setUp(self)
        db = Server(self.workspace).remote
        self.controller = Controller(self.workspace, "one", db=db)
        self.controller.wait_active()
        self.other = Controller(self.workspace, "two", db=db)
        self.client = self.other.wait_ready()

    def test_takeover(self):
        """It goes on within five seconds, and touches nothing that is
        right."""
        switch = Switch(self.workspace, "s1", 1)
        switch.add_port("p1")
        self.put("hosts/h1", ip="10.0.0.11")
        self.put("pools/all", hosts={"h1": 3})
        self.put("services/web", address="10.0.0.100", port=80,
                 default_pool="all")
        self.add_switch(switch, migrate_address="10.0.0.254")
        wait_until(lambda: switch.flows(f"in_port={switch.port('p1')}"),
                   "p1 to be open")
        self.wait_synced(switch)
        flows = switch.flows()
        wait_until(lambda: switch.ages()[0] > 1, "flows to be old")
        killed = time.monotonic()
        self.controller.kill()
        self.put("pools/all", hosts={"h1": 7})
        wait_until(lambda: ["map", [["h1", 7]]] == switch.table(
            "Migration_Pool", "weights")[0]["weights"], "the weight", 5)
        self.wait_synced(switch)
        self.assertLess(time.monotonic() - killed, 5)
        self.assertEqual(switch.flows(), flows)
        self.assertGreater(switch.ages()[0], 1)


class LeafSpine(SwitchesTest):
    """Two spines, two leaves; each of these has a host."""

    MACS = "02:00:00:00:bb:01", "02:00:00:00:bb:02"

    def setUp(self):
        super().setUp()
        self.spines = [Switch(self.workspace, f"spine{i}", 0x10 + i)
                       for i in (1, 2)]
        self.leaves = [Switch(self.workspace, f"leaf{i}", 0x20 + i)
                       for i in (1, 2)]
        for leaf in self.leaves:
            for spine in self.spines:
                connect(leaf, spine.name, spine, leaf.name)
            leaf.add_port("h", f"tx_pcap={leaf.dir}/h.pcap")
        for i, leaf in enumerate(self.leaves, 1):
            self.add_switch(leaf,
                            migrate_address=f"10.0.0.25{i},fd00::25{i}")
            self.put(f"hosts/h{i}", ip=f"10.0.0.1{i}", mac=self.MACS[i - 1],
                     switch=leaf.name, port="h")
        for spine in self.spines:
            self.add_switch(spine)
        self.wait_links(self.ALL_LINKS)

    ALL_LINKS = ["leaf1:spine1", "leaf1:spine2", "leaf2:spine1",
                 "leaf2:spine2", "spine1:leaf1", "spine1:leaf2",
                 "spine2:leaf1", "spine2:leaf2"]
    SPINE2_LINKS = [link for link in ALL_LINKS if "spine2" in link]

    def links_up(self):
        return sorted(link["name"] for link in self.get("links")["items"]
                      if link["status"].get("state") == "up")

    def wait_links(self, links, *switches, seconds=10):
        """Waits until these links are up, and BFD, which takes a while to
        begin, says so as well."""
        wait_until(lambda: self.links_up() == links, f"links {links}",
                   seconds)
        self.wait_synced(*(switches or self.leaves + self.spines))

    def wait_bfd(self, *switches):
        for switch in switches:
            wait_until(lambda: switch.appctl("bfd/show").count(
                "Forwarding: true") == 2, f"BFD of {switch.name}")

    def ways(self, switch, mac):
        """The numbers of the ports by which 'switch' sends what is for 'mac';
        none where flow and group do not fit, as they change in between."""
        flows = switch.flows(f"table=3,dl_dst={mac}")
        groups = re.findall(r"group:(\d+)", "".join(flows))
        texts = [g for g in switch.groups() if groups
                 and f"group_id={groups[0]}," in g]
        if not len(flows) == len(groups) == len(texts) == 1:
            return []
        return sorted(int(n) for n in re.findall(r"output:(\d+)", texts[0]))

    def test_links(self):
        link = self.get("links/leaf1:spine2")
        self.assertEqual((link["peer"], link["peer_port"]),
                         ("spine2", "leaf1"))
        for switch in self.leaves + self.spines:
            ports = (["leaf1", "leaf2"] if switch in self.spines
                     else ["spine1", "spine2"])
            wait_until(lambda: ports == [
                row["name"] for row in switch.table("Interface", "name", "bfd")
                if ["enable", "true"] in row["bfd"][1]],
                       f"BFD at {ports} of {switch.name} and nowhere else")

    def test_ways(self):
        """From the one host to the other: equal paths over both spines."""
        one, two = self.leaves
        ports = [one.port(spine.name) for spine in self.spines]
        self.wait_bfd(*self.leaves, *self.spines)
        wait_until(lambda: self.ways(one, self.MACS[1]) == ports, "both ways")
        self.assertIn("hash", one.trace(one.port("h"),
                                        f"dl_dst={self.MACS[1]}"))
        for spine in self.spines:
            self.assertEqual(spine.trace(spine.port("leaf1"),
                                         f"dl_dst={self.MACS[1]}"),
                             str(spine.port("leaf2")))
            self.assertEqual(two.trace(two.port(spine.name),
                                       f"dl_dst={self.MACS[1]}"),
                             str(two.port("h")))

    def test_services(self):
        """A leaf migrates; a spine sends what is for a service to a leaf."""
        self.wait_bfd(*self.leaves, *self.spines)
        self.put("services/web", address="10.0.0.100", port=80)
        self.put("services/six", address="fd00::100", port=80)
        self.wait_synced(*self.leaves, *self.spines)
        packet = "tcp,nw_dst=10.0.0.100,tp_dst=80"
        for i, leaf in enumerate(self.leaves, 1):
            self.assertIn(f"10.0.0.25{i},fd00::25{i}",
                          leaf.bridge("other_config"))
            self.assertIn("actions=migrate(service=2,table=3)", leaf.flows(
                "table=2,tcp6,ipv6_dst=fd00::100,tp_dst=80")[0])
            self.assertIn("actions=migrate(service=1,table=3)",
                          leaf.flows(f"table=2,{packet}")[0])
        for spine in self.spines:
            self.assertEqual(spine.table("Migration_Service"), [])
            self.assertEqual(spine.trace(spine.port("leaf2"), packet),
                             str(spine.port("leaf1")))

    def test_link_fails(self):
        self.wait_bfd(*self.leaves, *self.spines)
        one, two = self.leaves
        one.set_up("spine1", False)
        wait_until(lambda: all(
            self.ways(leaf, mac) == [leaf.port("spine2")]
            for leaf, mac in zip(self.leaves, reversed(self.MACS))),
            "another way", 1)
        self.wait_links([link for link in self.ALL_LINKS
                         if link not in ("leaf1:spine1", "spine1:leaf1")])

        # The spine itself has to go a long way round.
        wait_until(lambda: self.ways(self.spines[0], self.MACS[0])
                   == [self.spines[0].port("leaf2")], "the long way")
        one.set_up("spine1", True)
        self.wait_links(self.ALL_LINKS)

    def test_switch_fails(self):
        self.wait_bfd(*self.leaves, *self.spines)
        one, two = self.leaves
        self.spines[0].kill()
        wait_until(lambda: all(
            self.ways(leaf, mac) == [leaf.port("spine2")]
            for leaf, mac in zip(self.leaves, reversed(self.MACS))),
            "another way", 1)
        wait_until(lambda: self.links_up() == self.SPINE2_LINKS,
                   "the links to be down")
        self.spines[0].start_vswitchd()
        self.wait_links(self.ALL_LINKS)
        wait_until(lambda: len(self.ways(one, self.MACS[1])) == 2, "both ways")

    def heard(self, leaf):
        """How often each broadcast came to the host of 'leaf', by the last
        byte of the sender's address."""
        with open(f"{leaf.dir}/h.pcap", "rb") as file:
            data = file.read()
        heard, at = collections.Counter(), 24
        while at < len(data):
            length, = struct.unpack_from("=8xI", data, at)
            frame = data[at + 16:at + 16 + length]
            if frame[:6] == b"\xff" * 6:
                heard[frame[11]] += 1
            at += 16 + length
        return heard

    def broadcast(self, n):
        self.leaves[0].receive(
            "h", f"eth(src=02:00:00:00:cc:{n:02x},dst=ff:ff:ff:ff:ff:ff),"
            "eth_type(0x0806),arp(sip=10.0.0.1,tip=10.0.0.2,op=1,"
            "sha=02:00:00:00:cc:00,tha=00:00:00:00:00:00)")

    def test_broadcast(self):
        """Whatever happens, nobody hears anything twice."""
        self.wait_bfd(*self.leaves, *self.spines)
        self.broadcast(1)
        wait_until(lambda: self.heard(self.leaves[1]), "the broadcast")
        n = 1
        for change in (lambda: self.leaves[0].set_up("spine1", False),
                       lambda: self.leaves[0].set_up("spine1", True),
                       self.spines[1].kill, self.spines[1].start_vswitchd):
            change()
            for _ in range(30):
                n += 1
                self.broadcast(n)
        self.wait_links(self.ALL_LINKS)
        # Flows may follow a bit later than links are up.
        last = iter(range(200, 256))
        wait_until(lambda: self.broadcast(next(last))
                   or max(self.heard(self.leaves[1])) >= 200,
                   "the last broadcast", interval=0.2)
        heard = self.heard(self.leaves[1])
        self.assertEqual(set(heard.values()), {1}, heard)
        self.assertEqual(self.heard(self.leaves[0]), {})
        self.assertGreater(len(heard), n // 2)

    def test_controller_restarts(self):
        """Nothing changes by that."""
        self.wait_bfd(*self.leaves, *self.spines)
        self.wait_links(self.ALL_LINKS)
        switches = self.leaves + self.spines
        wait_until(lambda: all(s.ages()[0] > 1 for s in switches),
                   "flows to be old")
        before = [(s.flows(), s.groups()) for s in switches]
        self.controller.kill()
        self.controller.start()
        self.controller.wait_active()
        self.client = self.controller.client()
        self.wait_synced(*switches)
        self.wait_links(self.ALL_LINKS)
        self.assertEqual([(s.flows(), s.groups()) for s in switches], before)
        self.assertGreater(min(s.ages()[0] for s in switches), 1)


if __name__ == "__main__":
    tap.main()
