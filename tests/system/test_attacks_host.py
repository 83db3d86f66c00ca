#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a third machine on the hosts' network can do to hosts and to the
switch: forged, replayed and damaged messages, and packets under flow IDs that
are not its own.  None of it is taken, all of it is counted, and a connection
that lives meanwhile does not notice."""

import collections
import os
import random
import socket
import struct
import sys
import time

import tap
from capture import Capture
from lab import MIGRATE_ADDRESS, SERVICE_ADDRESS
from labtest import LabTest, curl
from ovs import REPOSITORY, SWITCH_MAC
from workspace import wait_until, wait_value

sys.path.append(os.path.join(REPOSITORY, "tests/agent"))
import fabric                                               # noqa: E402

RANDOM = random.Random(1)
MESSAGE = 42                    # Where a message starts in its frame.
REFUSED = ("bad_length", "bad_version", "bad_seal", "unknown_key",
           "malformed")


def mac(text):
    return bytes.fromhex(text.replace(":", ""))


def moved(before, after, *names):
    """By how much the counters 'names' grew."""
    return sum(after[name] - before[name] for name in names)


def difference(before, after):
    """All counters that grew, and by how much."""
    return {name: after[name] - before[name] for name in after
            if after[name] != before[name]}


class Live:
    """A connection of a client, through to a host.  A request on it must go
    on to be answered by the same."""

    REQUEST = b"GET /name HTTP/1.1\r\nHost: x\r\n\r\n"

    def __init__(self, test):
        self.test = test
        self.sock = test.client.connect((SERVICE_ADDRESS, 80))
        test.addCleanup(self.sock.close)
        self.name = self.request()
        port = self.sock.getsockname()[1]
        row = wait_until(lambda: self._row(port), "the connection")
        self.flow_id = int(row["flow_id"], 16)
        self.host = test.lab.host(row["host"])

    def _row(self, port):
        client = f"{self.test.client.address}:{port}"
        return next((row for row in self.test.switch.connections()
                     if row["client"] == client
                     and row["state"] == "live"), None)

    def request(self):
        self.sock.sendall(self.REQUEST)
        answer = b""
        while not answer.endswith(b"\n") or b"\r\n\r\n" not in answer:
            piece = self.sock.recv(4096)
            if not piece:
                raise ConnectionError("closed")
            answer += piece
        return answer.split(b"\r\n\r\n")[1]

    def check(self):
        self.test.assertEqual(self.request(), self.name)


class Attacks(LabTest):
    HOSTS = 2
    CLIENTS = 2

    @classmethod
    def configure(cls):
        super().configure()
        cls.attacker = cls.lab.clients[1]
        # So that no answer of its own gets in the way.
        cls.sender = cls.attacker.socket(socket.AF_PACKET, socket.SOCK_RAW)
        cls.sender.bind(("eth0", 0))
        cls.addClassCleanup(cls.sender.close)
        cls.macs = {machine.address: mac(cls._mac(machine))
                    for machine in [cls.attacker] + cls.lab.hosts}
        cls.macs[MIGRATE_ADDRESS] = mac(SWITCH_MAC)
        with open(cls.lab.key_file) as file:
            cls.key = fabric.Key(file.read().strip())

    @staticmethod
    def _mac(machine):
        words = machine.run("ip", "-o", "link", "show", "eth0").split()
        return words[words.index("link/ether") + 1]

    def setUp(self):
        super().setUp()
        self.live = Live(self)
        self.sent = 0

    # What the attacker sends.

    def send(self, packet):
        """Sends an IP packet, whatever it says of its source."""
        to = socket.inet_ntoa(packet[16:20])
        self.sent += 1
        if self.sent % 32 == 0:
            time.sleep(0.002)           # No queue shall overflow.
        self.sender.send(self.macs[to] + self.macs[self.attacker.address]
                         + b"\x08\x00" + packet)

    def send_message(self, src, dst, message):
        self.send(fabric.udp_packet(src, dst, message))

    def sealed(self, type_, body=b"", count=0, src=MIGRATE_ADDRESS, dst=None,
               epoch=None, sequence=0, key=None):
        """A message whose seal is right, unless 'key' is another one."""
        dst = dst or self.host.address
        epoch = self.epoch() if epoch is None else epoch
        return (key or self.key).seal(src, dst, fabric.message(
            type_, body, count, epoch, sequence))

    def epoch(self, host=None):
        """The switch's, as a host knows it."""
        switches = (host or self.host).agent.status()["switches"]
        return next(switch["epoch"] for switch in switches
                    if switch["address"] == MIGRATE_ADDRESS)

    # What comes of it.

    def state(self):
        """All that must not change."""
        return {
            "infused": [host.agent.counters()["infused"]
                        for host in self.lab.hosts],
            "served": [len(host.server.access_log())
                       for host in self.lab.hosts],
            "epochs": [self.epoch(host) for host in self.lab.hosts],
            "connections": self.switch.connections(),
        }

    def assert_same(self, before):
        after = self.state()
        for state in before, after:
            for connection in state["connections"]:
                for name in "idle", "packets", "bytes":
                    connection.pop(name, None)
        self.assertEqual(before, after)

    def wait_counted(self, before, n, *names, host=None):
        """Waits until the counters of a host have grown by 'n'."""
        host = host or self.host
        wait_value(lambda: moved(before, host.agent.counters(), *names) >= n,
                   True)
        after = host.agent.counters()
        self.assertEqual(moved(before, after, *names), n,
                         (host.name, names, difference(before, after)))

    # The tests.

    def test_forged(self):
        """Messages of every type, under a key of the attacker's own and
        under none, from any address."""
        state = self.state()
        body = self.client_bundle()
        for type_, name in enumerate(fabric.TYPES, 1):
            message = self.sealed(type_, body, 1, key=fabric.Key("11" * 16))
            guess = self.sealed(type_, body, 1)[:16] + os.urandom(8) + body
            for src in MIGRATE_ADDRESS, self.attacker.address:
                for forged in message, guess:
                    with self.subTest(to="host", type=name, src=src):
                        before = self.host.agent.counters()
                        self.send_message(src, self.host.address, forged)
                        self.wait_counted(before, 1, *REFUSED)
            for src, counter in ((self.host.address, "drop-seal"),
                                 (MIGRATE_ADDRESS, "drop-seal"),
                                 (self.attacker.address, "drop-stranger")):
                for forged in message, guess:
                    with self.subTest(to="switch", type=name, src=src):
                        before = self.switch.counters()
                        self.send_message(src, MIGRATE_ADDRESS, forged)
                        wait_until(lambda: moved(before,
                                                 self.switch.counters(),
                                                 counter) == 1, counter)
        self.assert_same(state)
        self.live.check()

    def client_bundle(self):
        client = fabric.Client(self.attacker.address, 1234,
                               service=SERVICE_ADDRESS)
        return client.bundle_body(0x12345678, b"GET /forged HTTP/1.0\r\n\r\n")

    def test_damaged(self):
        """A right message with any bit turned is none."""
        state = self.state()
        flow = struct.pack("!II", self.live.flow_id, 0)
        host = self.live.host
        for type_, body, count in (
                (fabric.HELLO, b"\xff" * 16
                 + fabric.mapped(self.attacker.address), 1),
                (fabric.ABORT, flow, 1), (fabric.AUDIT, b"", 0),
                (fabric.HEARD, bytes(8), 1)):
            good = self.sealed(type_, body, count, dst=host.address,
                               epoch=self.epoch(host), sequence=0x7fffffff)
            before = host.agent.counters()
            for damaged in self.damage(good):
                self.send_message(MIGRATE_ADDRESS, host.address, damaged)
            self.wait_counted(before, 8 * len(good), *REFUSED, host=host)
            self.assertEqual(moved(before, host.agent.counters(), "aborts",
                                   "audits"), 0)
        release = struct.pack("!IBBHII", self.live.flow_id, fabric.RELEASE,
                              0, 0, 0, 0)
        # The last two are the controller's, which sends as the switch.
        for src, type_, body, count in (
                (host.address, fabric.REPORT, release, 1),
                (host.address, fabric.STATUS,
                 struct.pack("!IIIIQ", 0, 0, self.epoch(), 0, 0), 1),
                (host.address, fabric.MAPPINGS, bytes(48), 1),
                (host.address, fabric.NEWS, bytes(64), 1),
                (MIGRATE_ADDRESS, fabric.DECISION, bytes(64), 1),
                (MIGRATE_ADDRESS, fabric.LIST, bytes(56), 1)):
            good = self.sealed(type_, body, count, src=src,
                               dst=MIGRATE_ADDRESS, epoch=77,
                               sequence=self.epoch())
            before = self.switch.counters()
            for damaged in self.damage(good):
                self.send_message(src, MIGRATE_ADDRESS, damaged)
            wait_until(lambda: moved(before, self.switch.counters(),
                                     "drop-seal") == 8 * len(good),
                       f"{8 * len(good)} of drop-seal")
        self.assert_same(state)
        self.live.check()

    @staticmethod
    def damage(message):
        for bit in range(8 * len(message)):
            damaged = bytearray(message)
            damaged[bit // 8] ^= 1 << bit % 8
            yield bytes(damaged)

    def test_replayed(self):
        """All that was on the wire, once more when it is over; once more
        after the switch has begun anew; and to the other host."""
        first, second = self.lab.hosts
        words = "udp port 7471"
        with Capture(self.switch.node, first.port, words, 9100) as one, \
                Capture(self.switch.node, second.port, words, 9100) as two:
            for _ in range(20):
                curl(self.client, self.lab.url("/captured"))
            Live(self)
        packets = [packet.data[14:] for capture in (one, two)
                   for packet in capture.packets()]
        self.said = collections.Counter(
            (socket.inet_ntoa(packet[16:20]), packet[MESSAGE - 14 + 1])
            for packet in packets)
        for host in self.lab.hosts:
            self.assertGreater(self.said[host.address, fabric.BUNDLE], 9)
            self.assertGreater(self.said[host.address, fabric.HELLO], 0)
            wait_until(lambda h=host: h.agent.status()["lingering"] == 0,
                       "the host to forget all", 20)
        # An ABORT of this epoch may be said again: that flow has ended.
        self.replay(packets, [fabric.HELLO, fabric.AUDIT])
        self.redirect(packets)
        self.restart_switch()
        self.live = Live(self)
        self.replay(packets, [fabric.HELLO, fabric.AUDIT, fabric.ABORT])

    def replay(self, packets, old):
        """Sends all 'packets'; types 'old' are counted as such by hosts."""
        state = self.state()
        hosts = {host: host.agent.counters() for host in self.lab.hosts}
        switch = self.switch.counters()
        for packet in packets:
            self.send(packet)
        for host, before in hosts.items():
            # A bundle of a connection that lives says nothing new.
            self.wait_counted(before, self.said[host.address, fabric.BUNDLE],
                              "old_bundles", "no_hello", "duplicates",
                              host=host)
            self.wait_counted(before, sum(
                self.said[host.address, type_] for type_ in old),
                "old_messages", host=host)
            after = host.agent.counters()
            self.assertEqual(moved(before, after, "infused", "established",
                                   "ended", *REFUSED), 0,
                             difference(before, after))
            self.assertLessEqual(moved(before, after, "duplicates"), 2)
        n = (self.said[MIGRATE_ADDRESS, fabric.STATUS]
             + sum(self.said[host.address, fabric.HELLO] for host in hosts))
        wait_until(lambda: moved(switch, self.switch.counters(),
                                 "drop-old") >= n, f"{n} of drop-old")
        self.assertEqual(moved(switch, self.switch.counters(), "confirmed",
                               "released", "refused", "lost"), 0)
        for host in hosts:
            self.assertEqual(self.switch.host_status(host.name), "up")
        self.assert_same(state)
        self.live.check()

    def redirect(self, packets):
        """What was said to one host, said to the other."""
        state = self.state()
        for host in self.lab.hosts:
            before = host.agent.counters()
            n = 0
            for packet in packets:
                src, dst = (socket.inet_ntoa(packet[i:i + 4])
                            for i in (12, 16))
                if src == MIGRATE_ADDRESS and dst != host.address:
                    self.send_message(src, host.address,
                                      packet[MESSAGE - 14:])
                    n += 1
            self.assertGreater(n, 0)
            self.wait_counted(before, n, *REFUSED, host=host)
        self.assert_same(state)
        self.live.check()

    def restart_switch(self):
        epochs = [self.epoch(host) for host in self.lab.hosts]
        flows = self.switch.flows()
        self.switch.vswitchd.kill()
        os.remove(f"{self.switch.dir}/ovs-vswitchd.ctl")
        self.switch.start_vswitchd()
        wait_until(lambda: self.switch.run("ovs-ofctl", "show", "br0",
                                           check=False), "the bridge")
        for flow in flows:
            self.switch.add_flow(flow)
        self.lab.wait_ready()
        for host, epoch in zip(self.lab.hosts, epochs):
            self.assertNotEqual(self.epoch(host), epoch)

    def packet(self, flow_id, seq, ack=0, flags=fabric.ACK, data=b"",
               src=MIGRATE_ADDRESS):
        """A packet for the live connection's host under 'flow_id'."""
        return fabric.tcp_packet(src, flow_id >> 16, self.live.host.address,
                                 flow_id & 0xffff, seq, ack, flags, data)

    def numbers(self):
        """The sequence and acknowledgment number that the live connection's
        client sends next."""
        with Capture(self.switch.node, self.live.host.port,
                     f"tcp and dst host {self.live.host.address}",
                     inwards=False) as capture:
            self.live.check()
        last = list(capture.packets())[-1]
        self.assertEqual(last.flow_id, self.live.flow_id)
        return last.seq + last.payload, last.ack

    def test_flow_ids(self):
        """Packets under a flow ID from elsewhere than a switch are nothing to
        its connection; nor are those under guessed ones, and SYNs and
        fragments."""
        host, flow_id = self.live.host, self.live.flow_id
        state = self.state()
        seq, ack = self.numbers()
        state = self.state()
        before = host.agent.counters()
        for flags in fabric.RST, fabric.ACK, fabric.FIN | fabric.ACK:
            self.send(self.packet(flow_id, seq, ack, flags, b"forged",
                                  src=self.attacker.address))
        n = 200
        for _ in range(n):
            guess = RANDOM.getrandbits(32)
            self.send(self.packet(guess if guess != flow_id else 1, seq, ack,
                                  fabric.RST))
        self.wait_counted(before, n, "unknown_flow", host=host)
        for _ in range(10):
            self.send(self.packet(flow_id, seq, 0, fabric.SYN))
        self.wait_counted(before, 10, "flow_syn", host=host)
        for offset in 0x2000, 0x0005:           # The first, a later one.
            fragment = bytearray(self.packet(flow_id, seq, ack, fabric.ACK,
                                             b"forged"))
            struct.pack_into("!H", fragment, 6, offset)
            struct.pack_into("!H", fragment, 10, 0)
            struct.pack_into("!H", fragment, 10,
                             ~fabric.csum(bytes(fragment[:20])) & 0xffff)
            self.send(bytes(fragment))
        self.wait_counted(before, 2, "flow_fragment", host=host)
        self.assertEqual(moved(before, host.agent.counters(), "forwarded"), 0)
        self.assert_same(state)
        self.live.check()

    def test_injected(self):
        """Who speaks as the switch and knows a flow ID is where any client's
        neighbour is: without the sequence numbers he does nothing, with them
        he can end the connection, unless the switch drops what others send in
        its name."""
        seq, ack = self.numbers()
        for _ in range(100):
            # Half of the space is behind, most of the rest beyond the window.
            wrong = seq + RANDOM.randrange(1 << 24, (1 << 32) - 1)
            self.send(self.packet(self.live.flow_id, wrong & 0xffffffff, ack,
                                  RANDOM.choice((fabric.RST, fabric.ACK)),
                                  b"forged"))
        # RFC 5961: in the window is not enough either.
        self.send(self.packet(self.live.flow_id, seq + 100, ack, fabric.RST))
        self.live.check()

        match = f"ip,nw_src={MIGRATE_ADDRESS}"
        self.switch.add_flow(f"table=0,priority=200,{match},actions=drop")
        harmless = self.packet(self.live.flow_id, seq - 1, ack, fabric.ACK)

        def dropped():
            self.send(harmless)
            return self.switch.is_met(f"table=0,{match}")

        wait_until(dropped, "the flow to be in force")
        seq, ack = self.numbers()
        reset = self.packet(self.live.flow_id, seq, ack, fabric.RST)
        self.send(reset)
        self.live.check()
        self.switch.ofctl("--strict", "del-flows", "br0",
                          f"table=0,priority=200,{match}")
        seq, ack = self.numbers()
        reset = self.packet(self.live.flow_id, seq, ack, fabric.RST)

        def ended():
            self.send(reset)
            return self.live.host.agent.status()["connections"] == 0

        wait_until(ended, "the end of the connection", 5, 0.1)


if __name__ == "__main__":
    tap.main()
