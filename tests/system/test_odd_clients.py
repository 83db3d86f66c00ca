#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Clients that send their requests in ways of their own, and clients whose
TCP lacks what others have.  Every one of them is served, once."""

import itertools
import random
import re
import signal
import socket
import time

import rawtcp
import tap
from capture import ACK, PSH, SYN, Capture
from lab import SERVICE_ADDRESS
from labtest import LabTest, curl
from ovs import SWITCH_MAC, Pool, Rule
from rawtcp import ADDRESS
from servers import sha256
from workspace import wait_until

SERVICE = (SERVICE_ADDRESS, 80)
RANDOM = random.Random(1)
_ids = itertools.count(1)


def request(headers="", method="GET", path="/name", body=b""):
    """A request that closes the connection, and what is in a log for it."""
    target = f"{path}?id={next(_ids)}"
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return (f"{method} {target} HTTP/1.1\r\nHost: test\r\n{headers}{length}"
            "Connection: close\r\n\r\n".encode() + body, target)


class OddClients(LabTest):
    CLIENTS = 1

    def assert_ran_once(self, target, address):
        """The request with that target ran once, for a client of that
        address."""
        def lines():
            return [line for host in self.lab.hosts
                    for line in host.server.access_log()
                    if f" {target} " in line]

        wait_until(lines, f"{target} in a log")
        self.assertEqual(len(lines()), 1)
        self.assertEqual(lines()[0].split(":")[0], address)

    # Requests in pieces.

    def _read(self, sock):
        answer = b""
        while chunk := sock.recv(65536):
            answer += chunk
        return answer

    def assert_ok(self, answer, times=1):
        self.assertEqual(answer.count(b"HTTP/1.1 200 OK"), times, answer)
        self.assertTrue(answer.rstrip().endswith((b"h1", b"h2")), answer)

    def test_byte_by_byte(self):
        data, target = request()
        with self.client.connect(SERVICE) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(len(data)):
                sock.sendall(data[i:i + 1])
                time.sleep(0.001)
            self.assert_ok(self._read(sock))
        self.assert_ran_once(target, self.client.address)

    def test_longest_head(self):
        """16 KiB of headers, over 12 segments."""
        data, target = request("".join(
            f"X-{i}: {'x' * 4000}\r\n" for i in range(4)))
        fill = 16384 - len(data)
        data = data.replace(b"X-0: ", b"X-0: " + b"y" * fill)
        self.assertEqual(len(data), 16384)
        with Capture(self.client, words="tcp dst port 80",
                     inwards=False) as capture:
            with self.client.connect(SERVICE) as sock:
                sock.sendall(data)
                self.assert_ok(self._read(sock))
        sent = [p for p in capture.packets() if p.payload]
        self.assertGreaterEqual(len(sent), 12)
        self.assert_ran_once(target, self.client.address)

    def test_pipelined(self):
        """What is behind the first request is the server's, whether it comes
        with it or later."""
        for n, cut in (2, None), (10, None), (10, 700), (200, None):
            with self.subTest((n, cut)):
                data, target = request()
                many = b"".join(request()[0].replace(
                    b"Connection: close\r\n", b"") for _ in range(n - 1))
                data = many + data
                with self.client.connect(SERVICE) as sock:
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    sock.sendall(data[:cut or len(data)])
                    if cut:
                        time.sleep(0.05)
                        sock.sendall(data[cut:])
                    answer = self._read(sock)
                self.assert_ok(answer, n)
                self.assert_ran_once(target, self.client.address)

    def test_half_close(self):
        """A client that has nothing more to say."""
        for pause in 0, 0.05:
            data, target = request()
            with self.client.connect(SERVICE) as sock:
                sock.sendall(data)
                time.sleep(pause)
                sock.shutdown(socket.SHUT_WR)
                self.assert_ok(self._read(sock))
            self.assert_ran_once(target, self.client.address)

    def test_data_beyond_the_bundle(self):
        """A body that comes at once, with "Expect: 100-continue" too."""
        for size in 5000, 30000, 300000:
            for expect in "", "Expect: 100-continue\r\n":
                body = RANDOM.randbytes(size)
                data, target = request(expect, "POST", "/upload", body)
                with self.client.connect(SERVICE) as sock:
                    sock.sendall(data)
                    answer = self._read(sock)
                with self.subTest((size, expect)):
                    self.assertIn(b" 200 OK", answer)
                    file = answer.splitlines()[-1]
                    with open(file, "rb") as uploaded:
                        self.assertEqual(uploaded.read(), body)
                    self.assert_ran_once(target, self.client.address)

    # Segments made by hand.

    def _raw(self):
        client = rawtcp.Client(self.client, bytes.fromhex(
            SWITCH_MAC.replace(":", "")), self.lab.hosts)
        self.addCleanup(client.close)
        return client

    def _served(self, connection, target):
        """Its request was served, and only once."""
        self.assertTrue(connection.wait(lambda: connection.ended),
                        connection.received)
        self.assert_ok(connection.received)
        self.assert_ran_once(target, ADDRESS)
        connection.close()

    @staticmethod
    def _cut(data, size):
        return [(i, data[i:i + size]) for i in range(0, len(data), size)]

    def test_any_order(self):
        raw = self._raw()
        orders = {
            "reversed": lambda segments: segments[::-1],
            "odd ones first": lambda segments: segments[1::2] + segments[::2],
            "last one first": lambda segments: segments[-1:] + segments[:-1],
            "twice": lambda segments: [s for s in segments for _ in (1, 2)],
            "shuffled": lambda segments: RANDOM.sample(segments,
                                                       len(segments)),
        }
        for name, order in orders.items():
            for size in 300, 1400:
                with self.subTest((name, size)):
                    data, target = request(f"X: {'x' * size * 5}\r\n")
                    connection = raw.connect(SERVICE)
                    connection.deliver(order(self._cut(data, size)))
                    self._served(connection, target)

    def test_overlapping(self):
        raw = self._raw()
        for _ in range(20):
            data, target = request("X: " + "x" * RANDOM.randrange(3000)
                                   + "\r\n")
            segments = []
            at = 0
            while at < len(data):
                ofs = max(0, at - RANDOM.randrange(200))
                at += RANDOM.randrange(1, 900)
                segments.append((ofs, data[ofs:at]))
            segments += RANDOM.sample(segments, len(segments))
            connection = raw.connect(SERVICE)
            connection.deliver(segments)
            self._served(connection, target)

    def test_fin_with_the_request(self):
        raw = self._raw()
        for size in 1400, 20:
            data, target = request()
            connection = raw.connect(SERVICE)
            connection.deliver(self._cut(data, size), fin=True)
            self._served(connection, target)

    def test_without_the_last_ack(self):
        """The request itself ends the handshake."""
        raw = self._raw()
        data, target = request()
        connection = raw.connect(SERVICE, last_ack=False)
        connection.deliver([(0, data)])
        self._served(connection, target)

    def test_keepalive_probes(self):
        """They are answered before a request, in the middle of it and after
        it, whether they bring no byte or, as some do, one of nonsense."""
        raw = self._raw()
        data, target = request()
        data = data.replace(b"Connection: close\r\n", b"")
        connection = raw.connect(SERVICE)

        def probe(ofs):
            for garbage in b"", b"\0":
                connection.send(ACK, ofs - 1, garbage)
                answer = connection.take(2)
                self.assertIsNotNone(answer)
                self.assertEqual(answer.flags & ACK, ACK)
                self.assertEqual(connection.acked, ofs)
                self.assertEqual(answer.payload, 0)

        probe(0)
        connection.send(PSH | ACK, 0, data[:20])
        self.assertTrue(connection.wait(lambda: connection.acked == 20))
        probe(20)
        connection.deliver([(20, data[20:])])
        self.assertTrue(connection.wait(
            lambda: connection.received.endswith((b"h1\n", b"h2\n"))))
        probe(len(data))
        self.assertFalse(connection.reset)
        self.assert_ran_once(target, ADDRESS)
        connection.close()

    def test_syn_with_data(self):
        """The switch knows no TCP Fast Open: data in a SYN is not taken, and
        comes again."""
        raw = self._raw()
        data, target = request()
        connection = raw.connect(SERVICE, data=data)
        self.assertEqual(connection.acked, 0)
        connection.deliver([(0, data)])
        self._served(connection, target)

    def test_syn_with_odd_options(self):
        """Options that nobody knows, and none at all; flags of ECN."""
        raw = self._raw()
        for flags, options in ((SYN | 0xc0, b"\2\4\5\xb4"), (SYN, b""),
                               (SYN, b"\x1e\4\0\0\2\4\5\xb4"),   # MPTCP.
                               (SYN, b"\xfd\4\xde\xad\1\1\1\0"),
                               (SYN, b"\2\4\0\x30")):            # MSS 48.
            with self.subTest((flags, options)):
                data, target = request()
                connection = raw.connect(SERVICE, flags=flags,
                                         options=options)
                self.assertEqual(connection.syn_ack.flags, SYN | ACK)
                connection.deliver([(0, data)])
                self._served(connection, target)

    # Kernels that were told to be so.

    def _set(self, key, value):
        """Sets a sysctl of the client for the length of a test."""
        key = f"net.ipv4.{key}"
        before = self.client.run("sysctl", "-n", key).strip()
        self.client.sysctl(key, value)
        self.addCleanup(self.client.sysctl, key, before)

    def test_fast_open(self):
        self._set("tcp_fastopen", 5)        # Data in each SYN.
        data, target = request()
        with Capture(self.client, words="tcp port 80") as capture:
            with self.client.socket() as sock:
                sock.settimeout(5)
                sock.sendto(data, socket.MSG_FASTOPEN, SERVICE)
                self.assert_ok(self._read(sock))
        syn = next(p for p in capture.packets() if p.flags & SYN)
        self.assertEqual(syn.payload, len(data))
        self.assert_ran_once(target, self.client.address)

    def test_ecn(self):
        self._set("tcp_ecn", 1)
        with Capture(self.client, words="tcp port 80") as capture:
            self.assertEqual(curl(self.client, self.lab.url("/name")).status,
                             200)
        packets = list(capture.packets())
        self.assertEqual(packets[0].flags, SYN | 0xc0)
        self.assertEqual(packets[1].flags, SYN | ACK)   # Not for us.
        self.assertFalse([p for p in packets[2:] if p.flags & 0xc0])

    def _transfer(self, sum_):
        """The file, down and up."""
        file = self.lab.workspace.path("transfer")
        for url in self.lab.url("/file"), self.lab.url("/upload"):
            up = ["-H", "Expect:", "--data-binary", f"@{file}"]
            down = ["-o", file]
            answer = curl(self.client, url,
                          *(up if "upload" in url else down))
            self.assertEqual(answer.status, 200)
        self.assertEqual(sha256(file), sum_)
        self.assertEqual(sha256(answer.body.strip()), sum_)

    def test_tcp_options(self):
        """Each combination of timestamps, SACK and window scaling, with a
        common and with the least MSS."""
        content = RANDOM.randbytes(300000)
        for host in self.lab.hosts:
            sum_ = sha256(host.server.put("/file", content))
        route = ["ip", "route", "change", "10.0.0.0/24", "dev", "eth0", "src",
                 self.client.address]
        self.addCleanup(self.client.run, *route)
        for mss in 1460, 536:
            self.client.run(*route, "advmss", mss)
            for values in itertools.product((0, 1), repeat=3):
                for key, value in zip(("tcp_timestamps", "tcp_sack",
                                       "tcp_window_scaling"), values):
                    self._set(key, value)
                with self.subTest((mss, values)):
                    with Capture(self.client, words="tcp port 80") as capture:
                        self._transfer(sum_)
                    packets = list(capture.packets())
                    self.assertEqual(packets[0].mss, mss)
                    self.assertLessEqual(
                        max(p.payload for p in packets
                            if p.src == SERVICE_ADDRESS), mss)


class PortsUsedAgain(LabTest):
    """Clients that begin anew from the same ports, at another host.  By what
    confirms a connection there the one before is ended where it was."""

    CLIENTS = 1
    N = 40                      # More than a batch of Open vSwitch, which is
                                # 32.
    SERVICE = {
        "pools": {"all": Pool(["h1"]), "h2": Pool(["h2"])},
        "rules": [Rule(10, {"path-prefix": "/second/"}, "h2")],
    }

    @classmethod
    def configure(cls):
        super().configure()
        for host in cls.lab.hosts:
            host.server.put("/second/name", host.name.encode() + b"\n")

    def _track(self):
        """Has packets to the service be in the datapath for the second time
        when they meet the engine."""
        match = f"tcp,nw_dst={SERVICE_ADDRESS},tp_dst=80"
        self.switch.add_flow(f"table=0,priority=150,{match},"
                             "actions=ct(table=10)")
        self.switch.add_flow(f"table=10,{match},"
                             "actions=migrate(service=1,table=1)")

    def _connect(self, clients, path):
        """Connections from all clients, and the request for each."""
        connections = []
        for i, client in enumerate(clients):
            connection = rawtcp.Connection(client, 20000 + i, SERVICE)
            connection.handshake()
            connections.append(connection)
        return connections, f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()

    def _ask(self, connections, request_):
        """Asks on all, and takes the answers without acknowledging them."""
        for connection in connections:
            connection.send(PSH | ACK, 0, request_)
        for connection in connections:
            while not re.search(rb"\r\n\r\n.*\n", connection.received):
                self.assertTrue(connection.take(5), connection.received)

    def _at(self, host):
        """How many connections the server of 'host' has."""
        return len(host.run("ss", "-Htn", "state", "established", "sport",
                            "=", ":80").splitlines())

    def test_a_full_batch(self):
        """So many at once that the engine's own messages find no room beside
        the packets that go on."""
        self._track()
        clients = [rawtcp.Client(self.client, bytes.fromhex(
                       SWITCH_MAC.replace(":", "")), self.lab.hosts)
                   for _ in range(self.N)]
        for client in clients:
            self.addCleanup(client.close)
        first, second = self.lab.hosts
        old, request_ = self._connect(clients, "/name")
        self._ask(old, request_)
        wait_until(lambda: len([c for c in self.switch.connections()
                                if c["state"] == "live"]) == self.N,
                   "connections at h1")

        # Now only acknowledgments can confirm.
        self.switch.add_flow("table=0,priority=200,udp,tp_dst=7471,nw_src="
                             f"{second.address},actions=drop")
        new, request_ = self._connect(clients, "/second/name")
        self._ask(new, request_)
        with self.counted("confirmed-ack"):
            vswitchd = self.switch.vswitchd
            vswitchd.send(signal.SIGSTOP)
            for connection in new:
                connection.send(ACK, len(request_))
            vswitchd.send(signal.SIGCONT)
            wait_until(lambda: not self._at(first),
                       "h1 to end the old connections")
        self.assertEqual(self._at(second), self.N)
        self.assertNotIn("Recirculation conflict",
                         self.lab.workspace.logs())
        for connection in new:
            connection.close()


if __name__ == "__main__":
    tap.main()
