#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What else clients do: keepalive probes, closing half of a connection, very
many connections at once."""

import os
import socket
import time

import tap
from capture import ACK, Capture
from lab import SERVICE_ADDRESS
from labtest import LabTest, wrk
from load import Requests, get, half_close, keep_alive, put_content
from servers import Nginx, PythonHttp

REQUEST = b"GET /name HTTP/1.1\r\nHost: x\r\n\r\n"
IDLE = 1                        # Seconds between keepalive probes...
PROBES = 3                      # ...of which so many may stay unanswered.
BIG = 8 << 20                   # Bytes.


def busy_nginx(node):
    """nginx with a queue for very many connections."""
    return Nginx(node, listen="backlog=4096")


class TrafficTests:
    """Run by the classes below."""

    CLIENTS = 2
    SERVER = staticmethod(busy_nginx)
    PLACEMENT = None

    @classmethod
    def configure(cls):
        cls.lab.add_service(placement=cls.PLACEMENT)
        put_content(cls.lab.hosts)

    def keepalive_socket(self):
        sock = self.client.connect((SERVICE_ADDRESS, 80))
        self.addCleanup(sock.close)
        for option, value in ((socket.TCP_KEEPIDLE, IDLE),
                              (socket.TCP_KEEPINTVL, IDLE),
                              (socket.TCP_KEEPCNT, PROBES)):
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        return sock

    def assert_lives(self, sock):
        """All probes of some time are answered."""
        with Capture(self.client, words="tcp") as capture:
            time.sleep((PROBES + 2) * IDLE)
        self.assertEqual(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR),
                         0)
        mine = [p for p in capture.packets()
                if sock.getsockname()[1] in (p.sport, p.dport)]
        self.assertTrue(all(p.flags == ACK for p in mine), mine)
        probes = [p for p in mine if p.src == self.client.address]
        self.assertGreater(len(probes), PROBES)
        self.assertGreaterEqual(len(mine), 2 * len(probes) - 1)

    def ask(self, sock, request=REQUEST):
        sock.sendall(request)
        self.assertIn(b"200 OK", sock.recv(4096))

    def test_keepalive_before_the_request(self):
        sock = self.keepalive_socket()
        with self.counted("probe"):
            self.assert_lives(sock)
        self.ask(sock)

    def test_keepalive_in_the_request(self):
        sock = self.keepalive_socket()
        sock.sendall(REQUEST[:10])
        self.assert_lives(sock)
        self.ask(sock, REQUEST[10:])

    def test_keepalive_after_the_handoff(self):
        sock = self.keepalive_socket()
        self.ask(sock)
        self.assert_lives(sock)
        self.ask(sock)

    def test_very_many(self):
        """wrk with 1,000 connections that stay, then with 1,000 at a time that
        close, while others are served."""
        with Requests(self.client, self.lab.hosts, SERVICE_ADDRESS,
                      kinds=[get, keep_alive], parallel=4) as others:
            for close in False, True:
                load = wrk(self.lab.clients[1], self.lab.url("/name"),
                           seconds=4, connections=1000, close=close)
                self.assertEqual(load.errors, 0, load.text)
                self.assertGreater(load.requests, 2000, load.text)
        others.check(self)
        self.assertLess(others.times()[-1], 5, others.summary())


class Table(TrafficTests, LabTest):
    VARIANT = "placement=table"
    PLACEMENT = "table"


class FlowTso(TrafficTests, LabTest):
    VARIANT = "placement=flow tso=true"
    PLACEMENT = "flow"
    TSO = True


class HalfClosed(LabTest):
    """With Python's http.server; nginx takes a client that closes its half
    for one that is gone."""

    SERVER = PythonHttp

    @classmethod
    def configure(cls):
        super().configure()
        put_content(cls.lab.hosts)
        cls.big = os.urandom(BIG)
        for host in cls.lab.hosts:
            host.server.put("/big", cls.big)

    def test_half_closed(self):
        """The client says at once that it will say no more; the whole response
        comes."""
        sock = self.client.connect((SERVICE_ADDRESS, 80))
        self.addCleanup(sock.close)
        sock.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        sock.shutdown(socket.SHUT_WR)
        answer = bytearray()
        while piece := sock.recv(1 << 20):
            answer += piece
        self.assertEqual(answer.split(b"\r\n\r\n", 1)[1], self.big)
        with Requests(self.client, self.lab.hosts, SERVICE_ADDRESS,
                      kinds=[half_close], parallel=4) as requests:
            requests.wait(500)
        requests.check(self)


if __name__ == "__main__":
    tap.main()
