#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Bad input is counted and refused, and no other connection suffers: another
client's requests go on all the time, and none of them may fail."""

import random
import socket
import time

import tap
from capture import Capture
from lab import MIGRATE_ADDRESS, SERVICE_ADDRESS
from labtest import Background, LabTest, curl
from rawtcp import mac, tcp_frame
from workspace import wait_until

RANDOM = random.Random(1)
SWITCH_MAC = bytes.fromhex("0200000000fe")


class BadInput(LabTest):
    CLIENTS = 2
    SERVICE = {"other_config": {"request-timeout": 1}}

    def setUp(self):
        super().setUp()
        background = Background(self, self.lab.url("/name"))
        background.__enter__()
        self.addCleanup(background.__exit__, None)

    # What a client sends.

    def exchange(self, data, seconds=5):
        """Sends 'data' and returns all that comes until the end, or the
        error that ends it."""
        sock = self.client.connect((SERVICE_ADDRESS, 80), timeout=seconds)
        answer = b""
        try:
            sock.sendall(data)
            while chunk := sock.recv(65536):
                answer += chunk
        except (ConnectionResetError, BrokenPipeError) as error:
            if not answer:
                return error
        finally:
            sock.close()
        return answer

    def assert_status(self, answer, *statuses):
        self.assertIsInstance(answer, bytes, answer)
        self.assertIn(answer.split(b" ", 2)[1:2],
                      [[str(status).encode()] for status in statuses],
                      answer[:200])

    def test_malformed_request(self):
        for request in (b"GET /\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                        b"GET / HTTP/1.1\r\nNo colon\r\n\r\n",
                        b" \r\n\r\n", b"\0\0\0\0\r\n\r\n"):
            with self.subTest(request), self.counted("reject-400"):
                self.assert_status(self.exchange(request), 400)

    def test_1_mb_header(self):
        with self.counted("reject-431"):
            self.assert_status(
                self.exchange(b"GET / HTTP/1.1\r\nHost: x\r\nX: "
                              + b"x" * (1 << 20) + b"\r\n\r\n"), 431)

    def test_binary_noise(self):
        for _ in range(20):
            noise = RANDOM.randbytes(RANDOM.randrange(1, 100000))
            with self.counted():
                answer = self.exchange(noise)
            if isinstance(answer, bytes):
                self.assert_status(answer, 400, 408, 431)

    def test_half_a_request_and_silence(self):
        with self.counted("reject-408"):
            start = time.monotonic()
            self.assert_status(self.exchange(b"GET / HTTP/1.1\r\nHos"), 408)
            self.assertLess(time.monotonic() - start, 3)

    def test_silence(self):
        """A handshake and not a byte: no memory is kept for it."""
        socks = [self.client.connect((SERVICE_ADDRESS, 80))
                 for _ in range(100)]
        self.assertFalse(self.connections_of({sock.getsockname()[1]
                                              for sock in socks}))
        for sock in socks:
            sock.close()

    def connections_of(self, ports):
        """Those of the client that have one of 'ports'."""
        clients = {f"{self.client.address}:{port}" for port in ports}
        return [c for c in self.switch.connections()
                if c["client"] in clients]

    def test_z_nothing_is_left(self):
        """After all of the above: no connection, at the switch or a host."""
        self.doCleanups()                   # Ends the background load.
        wait_until(lambda: not self.switch.connections(),
                   "the switch to forget all connections", 30)
        for host in self.lab.hosts:
            wait_until(lambda h=host: h.agent.status()["connections"] == 0,
                       f"{host.name} to forget all connections")

    # Forged frames.

    def raw(self, node, interface="eth0"):
        sock = node.socket(socket.AF_PACKET, socket.SOCK_RAW)
        sock.bind((interface, 0))
        self.addCleanup(sock.close)
        return sock

    def test_wrong_cookie(self):
        """Data whose ACK is no cookie of ours: counted, and no record."""
        sender = self.raw(self.client)
        n = 100
        ports = range(2000, 2000 + n)
        with self.counted() as counted:
            for port in ports:
                sender.send(tcp_frame(
                    mac(self.client), SWITCH_MAC, self.client.address,
                    SERVICE_ADDRESS, port, 80,
                    RANDOM.getrandbits(32), RANDOM.getrandbits(32), 0x18,
                    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
            wait_until(lambda: self.switch.counters()["drop-cookie"]
                       >= counted.before["drop-cookie"] + n, "the counter")
        self.assertFalse(self.connections_of(ports))

    def test_unknown_flow_id(self):
        """An encapsulated packet with a flow ID that the host has no mapping
        for does nothing to the host."""
        sender = self.raw(self.switch.node, self.host.port)
        before = self.host.agent.counters()
        logged = len(self.host.server.access_log())
        n = 100
        for i in range(n):
            sender.send(tcp_frame(
                SWITCH_MAC, mac(self.host), MIGRATE_ADDRESS,
                self.host.address, 0xfff0, 0x1000 + i, 1, 1, 0x18,
                b"GET /unknown HTTP/1.1\r\nHost: x\r\n\r\n"))
        wait_until(lambda: moved(before, self.host.agent.counters(),
                                 "unknown_flow") >= n,
                   "the agent's counter")
        self.assertFalse([line for line in
                          self.host.server.access_log()[logged:]
                          if "/unknown" in line])

    def test_bundle_with_any_bit_flipped(self):
        """Not one of them is taken; the bundle itself, come again, is no
        second connection."""
        port = self.host.port
        with Capture(self.switch.node, port, "udp dst port 7471",
                     snaplen=2000, inwards=False) as capture:
            for _ in range(4):
                curl(self.client, self.lab.url("/captured"))
            bundle = wait_until(lambda: next(
                (packet.data for packet in capture.packets()
                 if packet.data[43] == 1 and b"/captured" in packet.data),
                None), "a bundle on the wire")
        sender = self.raw(self.switch.node, port)
        logged = 4
        wait_until(lambda: self._captured() == logged, "the access logs")
        before = self.host.agent.counters()
        n = 0
        for bit in range((len(bundle) - 42) * 8):
            frame = bytearray(bundle)
            frame[42 + bit // 8] ^= 1 << bit % 8
            frame[40:42] = b"\0\0"          # No UDP checksum, to be sure
            sender.send(frame)              # that it is the seal that tells.
            n += 1
            if n % 64 == 0:
                time.sleep(0.001)           # No queue shall overflow.
        wait_until(lambda: moved(before, self.host.agent.counters(), "bad_",
                                 "unknown_key") >= n,
                   "the agent's counters")
        self.assertEqual(self._captured(), logged)
        for _ in range(10):
            sender.send(bundle)
        curl(self.client, self.lab.url("/name"))
        self.assertEqual(self._captured(), logged)

    def _captured(self):
        return len([line for host in self.lab.hosts
                    for line in host.server.access_log()
                    if "/captured" in line])


def moved(before, after, *words):
    """By how much the counters whose names have one of 'words' grew."""
    return sum(after[name] - before.get(name, 0) for name in after
               if any(word in name for word in words))


if __name__ == "__main__":
    tap.main()
