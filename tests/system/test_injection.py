#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Segments of a stranger in a connection of somebody else, whose ports he
knows: before, during and after the handoff.  The connection goes on, byte for
byte, and its requests run once (RFC 5961)."""

import os
import random
import socket
import sys
import time

import tap
from lab import SERVICE_ADDRESS
from labtest import LabTest
from ovs import REPOSITORY, SWITCH_MAC
from workspace import wait_until

sys.path.append(os.path.join(REPOSITORY, "tests/agent"))
import fabric                                               # noqa: E402
from fabric import ACK, FIN, PSH, RST, SYN                  # noqa: E402

ALONE = True                    # A handoff must not be over before the attack.
RANDOM = random.Random(1)
SWITCH = bytes.fromhex(SWITCH_MAC.replace(":", ""))
REQUEST = b"GET /name?%d HTTP/1.1\r\nHost: test\r\n\r\n"
EVIL = b"GET /evil HTTP/1.1\r\nHost: test\r\n\r\n"
BLIND = 200                     # Guesses of each kind.


class Victim:
    """A connection of the client, and what a stranger sends in its name.

    How the sequence numbers are is known to us, so that guesses can be near,
    but never right."""

    _requests = iter(range(1, 1000000))

    def __init__(self, test):
        self.test = test
        client = test.client
        self.sniffer = client.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self.sniffer.bind(("eth0", 0x0003))             # ETH_P_ALL.
        self.sniffer.settimeout(5)
        self.sock = client.connect((SERVICE_ADDRESS, 80))
        self.port = self.sock.getsockname()[1]
        self.seq, self.ack = self._numbers()
        self.senders = test.senders
        test.addCleanup(self.sock.close)
        test.addCleanup(self.sniffer.close)

    def _numbers(self):
        """Sequence and acknowledgment number of its next segment."""
        while True:
            frame = self.sniffer.recv(2000)
            sport = int.from_bytes(frame[34:36], "big")
            if frame[12:14] == b"\x08\x00" and frame[23] == 6 \
                    and sport == self.port and frame[47] == ACK:
                return (int.from_bytes(frame[38:42], "big"),
                        int.from_bytes(frame[42:46], "big"))

    def start(self):
        """Sends the next request but for its end; returns that."""
        self.id = next(self._requests)
        text = REQUEST % self.id
        self.sock.sendall(text[:20])
        self.seq += len(text)
        return text[20:]

    def finish(self, rest=b""):
        """Sends the rest and takes the response."""
        self.sock.sendall(rest)
        answer = b""
        while b"\r\n\r\n" not in answer or not answer.endswith(b"\n"):
            piece = self.sock.recv(4096)
            if not piece:
                raise ConnectionError("closed")
            answer += piece
        self.test.assertTrue(answer.startswith(b"HTTP/1.1 200"), answer)
        self.test.assertIn(answer.split(b"\r\n\r\n")[1].strip(),
                           (b"h1", b"h2"))
        self.ack += len(answer)

    def inject(self, flags, seq, ack, data=b"", options=b""):
        """Sends a segment in its name, from the stranger's own port and from
        behind the client's."""
        packet = fabric.tcp_packet(self.test.client.address, self.port,
                                   SERVICE_ADDRESS, 80, seq, ack, flags, data,
                                   options)
        for sender, mac in self.senders:
            sender.send(SWITCH + mac + b"\x08\x00" + packet)

    def attack(self, counter, at=None):
        """Injects all there is, until the switch has counted it by
        'counter'.  'at': the next sequence number, if it is not that behind
        the request."""
        seq = self.seq if at is None else at
        counted = self.test.switch.counters()[counter]

        def guess():
            return RANDOM.getrandbits(32)

        for i in range(BLIND):
            self.inject(RST, guess(), 0)
            self.inject(RST | ACK, guess(), guess())
            self.inject(SYN, guess(), 0, options=b"\2\4\5\xb4")
            self.inject(FIN | ACK, guess(), guess())
            self.inject(PSH | ACK, guess(), guess(), EVIL)
            if i % 8 == 0:
                time.sleep(0.002)       # No queue shall overflow.
        # All that is right but for what a stranger cannot know.
        for off in 1, -1, 1000, 1 << 20, -(1 << 20), 1 << 31:
            self.inject(RST, seq + off, 0)
            self.inject(RST | ACK, seq + off, self.ack)
            self.inject(SYN, seq + off, 0, options=b"\2\4\5\xb4")
        for off in -(1 << 30), 1 << 30, 1 << 31:
            # Data that acknowledges what was never sent (RFC 5961 5.2).
            self.inject(PSH | ACK, seq, self.ack + off, EVIL)
            self.inject(FIN | ACK, seq, self.ack + off)
            # Acknowledgments that would confirm a handoff.
            self.inject(ACK, seq + off, self.ack + 1)
        wait_until(lambda: self.test.switch.counters()[counter]
                   > counted + BLIND, f"{counter} to rise")


class Injection:
    """Run by the classes below."""

    CLIENTS = 2
    BAD_CABLES = "h1", "h2"
    PLACEMENT = None

    @classmethod
    def configure(cls):
        cls.lab.add_service(placement=cls.PLACEMENT)
        cls.lab.proof_plain()
        cls.senders = []
        for machine in cls.lab.clients:
            sender = machine.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
            sender.bind(("eth0", 0))
            cls.addClassCleanup(sender.close)
            cls.senders.append((sender, sender.getsockname()[4]))

    def setUp(self):
        super().setUp()
        for host in self.lab.hosts:
            host.cable.faults()
        self.lab.wait_ready()
        self.victim = Victim(self)

    def check(self):
        """Each request ran once, and nothing else."""
        def logged(words):
            return [line for host in self.lab.hosts
                    for line in host.server.access_log() if words in line]

        name = f"/name?{self.victim.id} "
        wait_until(lambda: logged(name), f"{name} in an access log")
        self.assertEqual(len(logged(name)), 1)
        self.assertFalse(logged("/evil"))

    def test_before_the_request(self):
        """Nothing is there yet but a cookie."""
        seq = self.victim.seq
        self.victim.attack("drop-cookie", at=seq)
        self.victim.finish(self.victim.start())
        self.check()

    def test_before_the_handoff(self):
        """Half of the request is there."""
        victim = self.victim
        seq = victim.seq
        rest = victim.start()
        wait_until(lambda: self.state() == "gather", "the record")
        victim.attack("drop-window", at=seq + 20)
        self.assertEqual(self.state(), "gather")
        victim.finish(rest)
        self.check()

    def test_during_the_handoff(self):
        """The bundle does not arrive, for half a second."""
        victim = self.victim
        for host in self.lab.hosts:
            host.cable.faults(lost=100)
        rest = victim.start()
        victim.sock.sendall(rest)
        wait_until(lambda: self.state() == "offered", "the offer")
        offered = time.monotonic()
        victim.attack("encapsulated")
        self.assertEqual(self.state(), "offered")
        self.assertLess(time.monotonic() - offered, 0.7, "too slow to tell")
        for host in self.lab.hosts:
            host.cable.faults()
        victim.finish()
        self.check()

    def test_after_the_handoff(self):
        victim = self.victim
        victim.finish(victim.start())
        self.check()
        self.assertEqual(self.state(), "live")
        if self.PLACEMENT == "flow":
            wait_until(lambda: [flow for flow in self.switch.flows()
                                if f"tp_src={victim.port}" in flow],
                       "its flow")
        victim.attack("encapsulated")
        victim.finish(victim.start())
        self.check()
        self.assertEqual(self.state(), "live")

    def state(self):
        client = f"{self.client.address}:{self.victim.port}"
        return next((c["state"] for c in self.switch.connections()
                     if c["client"] == client), None)


class Table(Injection, LabTest):
    VARIANT = "placement=table"
    PLACEMENT = "table"


class Flow(Injection, LabTest):
    VARIANT = "placement=flow"
    PLACEMENT = "flow"


if __name__ == "__main__":
    tap.main()
