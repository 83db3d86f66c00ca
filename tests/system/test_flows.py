#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Where migrated connections are kept: rows behind one megaflow, or ordinary
OpenFlow flows that any switch understands."""

import re

import tap
from capture import Capture
from lab import MIGRATE_ADDRESS, SERVICE_ADDRESS
from labtest import KeptConnection, LabTest
from workspace import CommandError, wait_until


class Placement(LabTest):
    CLIENTS = 1

    def connect(self):
        kept = KeptConnection(self.client)
        self.addCleanup(kept.close)
        kept.name = kept.request()
        return kept

    def flows_of(self, kept):
        return [flow for flow in self.switch.flows()
                if f"tp_src={kept.port}" in flow]

    def placed(self):
        """The flows that stand for connections."""
        return [flow for flow in self.switch.flows() if "tp_src=" in flow]

    def wait_gone(self, kept):
        wait_until(lambda: not self.flows_of(kept), "the flow to vanish", 15)


class Flow(Placement):
    SERVICE = {"placement": "flow",
               "other_config": {"flow-limit": 5}}

    def test_flow_of_a_connection(self):
        kept = self.connect()
        flow = wait_until(lambda: self.flows_of(kept), "a flow")[0]
        self.assertIn(f"nw_src={self.client.address}", flow)
        self.assertIn(f"nw_dst={SERVICE_ADDRESS}", flow)
        actions = flow.partition("actions=")[2]
        self.assertNotIn("migrate", actions)
        connection = next(c for c in self.switch.connections()
                          if c["client"].endswith(f":{kept.port}"))
        flow_id = int(connection["flow_id"], 0)
        self.assertRegex(actions, rf"\b{flow_id >> 16}->tcp_src"
                         rf"|set_field:{flow_id >> 16}->tp_src"
                         rf"|mod_tp_src:{flow_id >> 16}\b")
        self.assertEqual(connection["placement"], "flow")

    def test_packets_bypass_the_engine(self):
        kept = self.connect()
        wait_until(lambda: self.flows_of(kept), "a flow")

        self.assert_bypasses(kept.request, 50)

    def test_gone_at_release(self):
        kept = self.connect()
        wait_until(lambda: self.flows_of(kept), "a flow")
        kept.close()
        self.wait_gone(kept)

    def test_gone_from_where_it_was(self):
        """... whatever was configured since."""
        for key, value in ("flow-priority", 30000), ("flow-table", 2):
            with self.subTest(key):
                kept = self.connect()
                wait_until(lambda: self.flows_of(kept), "a flow")
                self.switch.vsctl("set", "Migration_Service", "web",
                                  f"other_config:{key}={value}")
                kept.close()
                self.wait_gone(kept)
                self.switch.vsctl("remove", "Migration_Service", "web",
                                  "other_config", key)

    def test_bounded(self):
        """Beyond the bound connections are rows of the table."""
        kept = [self.connect() for _ in range(20)]
        wait_until(lambda: len(self.placed()) == 5, "5 flows")
        for connection in kept:
            self.assertEqual(connection.request(), connection.name)
        self.assertEqual(len(self.placed()), 5)
        for connection in kept:
            connection.close()
        wait_until(lambda: not self.placed(), "all flows to vanish")
        self.connect()
        wait_until(lambda: len(self.placed()) == 1, "a flow again")


class FlowIdle(Placement):
    SERVICE = {"placement": "flow",
               "other_config": {"flow-idle-timeout": 1}}

    def test_gone_when_idle(self):
        """... and the connection goes on without."""
        kept = self.connect()
        wait_until(lambda: self.flows_of(kept), "a flow")
        self.wait_gone(kept)
        self.assertEqual(kept.request(), kept.name)


class Table(Placement):
    def test_one_megaflow(self):
        """50 connections are no more datapath flows than one is."""
        self.connect()
        kept = [self.connect() for _ in range(50)]
        for connection in kept:
            connection.request()
        flows = [flow for flow in self.switch.appctl(
                     "dpctl/dump-flows").splitlines() if "migrate(" in flow
                 and "ipv4" in flow and "tcp" in flow]
        self.assertTrue(flows)
        self.assertLess(len(flows), 5, flows)
        self.assertFalse(self.placed())

    def test_bridge_knows_where_the_client_is(self):
        """It learns from packets of a connection that has moved, so that
        replies are not flooded."""
        kept = self.connect()
        mac = self.client.run("ip", "-br", "link", "show", "eth0").split()[2]
        self.switch.appctl("fdb/flush", self.switch.bridge)
        kept.request()
        wait_until(lambda: mac in self.switch.appctl("fdb/show",
                                                     self.switch.bridge),
                   "the bridge to learn the client's address")


class Unpatched(Placement):
    """Between the client and the patched switch is Debian's own ovs-vswitchd.
    Given the flow of a connection, it is that one which encapsulates.

        c1 --- plain (br1, unpatched) --- sw (br0, patched) --- h1, h2
    """

    SERVICE = {"placement": "flow"}

    @classmethod
    def configure(cls):
        cls.plain = cls.lab.add_plain_switch()
        cls.lab.move(cls.lab.clients[0], cls.plain)
        super().configure()

    def test_forwards_an_existing_connection(self):
        with self.assertRaisesRegex(CommandError, "unknown action migrate"):
            self.plain.add_flow("actions=migrate(service=1,table=1)")
        kept = self.connect()
        flow = wait_until(lambda: self.flows_of(kept), "a flow")[0]
        self.assertEqual(self._on_the_trunk(kept),
                         {(self.client.address, kept.port << 16 | 80)})
        self.plain.add_flow("table=1,actions=NORMAL")
        self.plain.add_flow(flow.replace(self.switch.mac, self.plain.mac))
        connection = next(c for c in self.switch.connections()
                          if c["client"].endswith(f":{kept.port}"))
        self.assertEqual(self._on_the_trunk(kept),
                         {(MIGRATE_ADDRESS, int(connection["flow_id"], 0))})
        packets = re.search(rf"n_packets=(\d+).*tp_src={kept.port}",
                            self.plain.ofctl("dump-flows", "br1"))
        self.assertGreaterEqual(int(packets[1]), 10)

    def _on_the_trunk(self, kept):
        """Makes 10 requests; returns the source addresses and the ports, as a
        flow ID, of what the unpatched switch sends to the patched one."""
        with Capture(self.plain.node, "trunk", "tcp",
                     inwards=False) as trunk:
            for _ in range(10):
                self.assertEqual(kept.request(), kept.name)
        return {(packet.src, packet.flow_id) for packet in trunk.packets()}


if __name__ == "__main__":
    tap.main()
