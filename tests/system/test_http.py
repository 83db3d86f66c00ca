#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""HTTP through migrated connections, with each placement, with and without
userspace TSO."""

import collections
import os

import tap
from capture import SYN, Capture
from lab import MIGRATE_ADDRESS
from labtest import LabTest, curl, wrk_requests
from servers import random_file, sha256
from workspace import wait_until

MEGABYTES = 100


class HttpTests:
    """Run by the classes below."""

    PLACEMENT = None

    @classmethod
    def configure(cls):
        cls.lab.add_service(placement=cls.PLACEMENT)
        for host in cls.lab.hosts:
            host.server.put("/small", b"x" * 200)

    def test_serves_a_request(self):
        with self.counted("syn", "bundle", "confirmed"):
            answer = curl(self.client, self.lab.url("/name"))
        self.assertEqual(answer.status, 200)
        host = self.lab.host(answer.body.strip())
        host.server.wait_client(f"{self.client.address}:{answer.port}")

    def test_closing_10k(self):
        """10,000 closing requests, 32 at once, whose client ports repeat
        within the hosts' TIME_WAIT."""
        # The client shall come again from a port while the host remembers
        # it, so the client itself must forget.
        self.client.sysctl("net.ipv4.ip_local_port_range", "40000 42000")
        self.client.sysctl("net.ipv4.tcp_max_tw_buckets", 0)
        before = self._logged()
        ended = self._time_wait_ended()
        load = wrk_requests(self.client, self.lab.url("/small"), 10000,
                            close=True)
        self.assertEqual(load.errors, 0, load.text)
        self.assertGreaterEqual(load.requests, 10000, load.text)
        wait_until(lambda: len(self._logged()) - len(before) >= load.requests,
                   "the access logs")
        lines = self._logged()[len(before):]
        repeated = collections.Counter(line.split()[0] for line in lines)
        self.assertGreater(max(repeated.values()), 1, "no port came twice")
        self.assertGreater(self._time_wait_ended(), ended)

    def _time_wait_ended(self):
        return sum(host.agent.counters()["time_wait_ended"]
                   for host in self.lab.hosts)

    def _logged(self):
        return [line for host in self.lab.hosts
                for line in host.server.access_log()]

    def test_keep_alive_10k(self):
        load = wrk_requests(self.client, self.lab.url("/small"), 10000)
        self.assertEqual(load.errors, 0, load.text)
        self.assertGreaterEqual(load.requests, 10000, load.text)

    def test_100_mb_down(self):
        sums = {random_file(host.server.root + "/big", MEGABYTES << 20)
                for host in self.lab.hosts}
        file = self.lab.workspace.path("down")
        with Capture(self.client, words="tcp") as capture:
            curl(self.client, self.lab.url("/big"), "-m", "120", "-o", file)
        self.assertIn(sha256(file), sums)
        self._check_mss(capture)

    def test_100_mb_up(self):
        """POST, with and without "Expect: 100-continue"."""
        file = self.lab.workspace.path("up")
        sum_ = random_file(file, MEGABYTES << 20)
        for expect in "Expect:", "Expect: 100-continue":
            with self.subTest(expect):
                answer = curl(self.client, self.lab.url("/upload"), "-m",
                              "120", "-H", expect, "--data-binary",
                              f"@{file}")
                self.assertEqual(answer.status, 200)
                self.assertEqual(sha256(answer.body.strip()), sum_)
                os.remove(answer.body.strip())

    def test_packets_keep_their_length(self):
        """Packets to the host are as long as the client's, and their ports
        are the flow ID."""
        file = self.lab.workspace.path("up-captured")
        random_file(file, 20 << 20)
        with Capture(self.client, words="tcp", inwards=False) as client, \
                self._cable("h1") as h1, self._cable("h2") as h2:
            answer = curl(self.client, self.lab.url("/upload"), "-H",
                          "Expect:", "--data-binary", f"@{file}")
        sent = {(p.seq, p.payload): p for p in client.packets()}
        received = [*h1.packets(), *h2.packets()]
        compared = 0
        for packet in received:
            self.assertEqual(packet.src, MIGRATE_ADDRESS)
            twin = sent.get((packet.seq, packet.payload))
            if twin:
                compared += 1
                self.assertEqual(packet.eth_len, twin.eth_len)
                self.assertEqual(packet.df, twin.df)
        # What has no twin was cut in another way after the capture; most
        # have.
        self.assertGreater(compared, len(received) * 0.9)
        # Packets without data may be the last of earlier connections.
        flow_ids = {p.flow_id for p in received if p.payload}
        self.assertEqual({c["client"] for c in self.switch.all_connections()
                          if int(c.get("flow_id", "0"), 0) in flow_ids},
                         {f"{self.client.address}:{answer.port}"})
        self.assertEqual(len(flow_ids), 1)
        self._check_mss(client)

    def _cable(self, name):
        """A capture of the TCP that the switch sends to a host."""
        host = self.lab.host(name)
        return Capture(self.switch.node, host.port,
                       f"tcp and dst host {host.address}", inwards=False)

    def _check_mss(self, capture):
        """The MTU is 1500 with DF, the MSS 1460."""
        for packet in capture.packets():
            self.assertTrue(packet.df, packet)
            if packet.flags & SYN:
                self.assertEqual(packet.mss, 1460, packet)
            if not self.TSO:
                self.assertLessEqual(packet.ip_len, 1500, packet)

    def test_the_engine_sees_no_reply(self):
        """Bytes of the reply that the engine touched: none."""
        with self.counted() as counted:
            curl(self.client, self.lab.url("/big"), "-o", "/dev/null")
        touched = sum(value for name, value in counted.moved.items()
                      if name.endswith("-bytes"))
        # Requests and ACKs of a download are far less than it.
        self.assertLess(touched, (MEGABYTES << 20) / 4)


class TableNoTso(HttpTests, LabTest):
    VARIANT = "placement=table tso=false"
    PLACEMENT = "table"


class TableTso(HttpTests, LabTest):
    VARIANT = "placement=table tso=true"
    PLACEMENT = "table"
    TSO = True


class FlowNoTso(HttpTests, LabTest):
    VARIANT = "placement=flow tso=false"
    PLACEMENT = "flow"


class FlowTso(HttpTests, LabTest):
    VARIANT = "placement=flow tso=true"
    PLACEMENT = "flow"
    TSO = True


class KernelTests(HttpTests):
    PLACEMENT = "kernel"

    def test_packets_keep_their_length(self):
        with self.counted("kernel"):
            super().test_packets_keep_their_length()


class KernelNoTso(KernelTests, LabTest):
    VARIANT = "placement=kernel tso=false"


class KernelTso(KernelTests, LabTest):
    VARIANT = "placement=kernel tso=true"
    TSO = True


if __name__ == "__main__":
    tap.main()
