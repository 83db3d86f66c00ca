#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Many connections, slow ones, and ones that just sit there."""

import contextlib
import select
import socket
import statistics
import time

from controllers import Controller, ControllerTest
from workspace import wait_until
import tap

ALONE = True                    # It measures times.
IDLE = 10000
REQUEST_SECONDS = 30            # Until a slow request is cut.


def memory(process):
    """What the process has in memory, in MB."""
    with open(f"/proc/{process.pid}/status") as status:
        line = next(line for line in status if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def processor_time(process):
    """What it has used, in seconds."""
    with open(f"/proc/{process.pid}/stat") as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def readable(sock):
    poll = select.poll()                # select() takes 1024 files.
    poll.register(sock, select.POLLIN)
    return bool(poll.poll(0))


class Limits(ControllerTest):
    def start(self, *prefix):
        self.controller = Controller(self.workspace, prefix=prefix)
        self.client = self.controller.wait_ready()
        self.address = (self.client.url.hostname, self.client.url.port)

    def connect(self, data=b""):
        sock = socket.create_connection(self.address, 10)
        self.addCleanup(sock.close)
        sock.sendall(data)
        return sock

    def median(self):
        """The median time of a write and a read, in ms."""
        times = []
        for n in range(200):
            begin = time.monotonic()
            response = self.client("PUT", "/v1/hosts/h1",
                                   {"ip": f"10.0.0.{n + 1}"})
            self.assertIn(response.status, (200, 201))
            self.client("GET", "/v1/hosts/h1")
            times.append((time.monotonic() - begin) * 1000)
        return statistics.median(times)

    def connections(self):
        for line in self.client("GET", "/metrics").body.decode().splitlines():
            if line.startswith("ovs_migrate_http_connections "):
                return int(line.split()[1])

    def test_idle_connections(self):
        self.start()
        before = self.median()
        base = memory(self.controller.process)
        for n in range(IDLE):
            # Some have not sent anything, some half a request, some have been
            # served.
            self.connect((b"", b"GET /v1/hos",
                          b"GET /v1/fabric HTTP/1.1\r\nHost: localhost\r\n"
                          b"\r\n")[n % 3])
        wait_until(lambda: self.connections() > IDLE, "all connections")
        used = memory(self.controller.process) - base
        time_before = processor_time(self.controller.process)
        time.sleep(2)                   # A time in which nothing happens.
        idle_time = processor_time(self.controller.process) - time_before
        beside = self.median()
        print(f"# {IDLE} connections: {used:.0f} MB, {idle_time / 2:.3f} of a "
              f"processor; a write and a read take {beside:.1f} ms, "
              f"{before:.1f} ms without")
        self.assertLess(used, 250)
        self.assertLess(idle_time, 0.2)
        self.assertLess(beside, 250)    # Nobody waits for them, that is.

    def test_full(self):
        """Of too many connections the oldest idle ones give way."""
        self.start("prlimit", "--nofile=2400:2400")     # 1400 connections.
        old = [self.connect() for _ in range(1500)]
        self.assertEqual(self.controller.client()("GET", "/healthz").status,
                         200)
        wait_until(lambda: readable(old[0]), "the oldest to be closed")
        self.assertFalse(readable(old[-1]))

    def test_slow_requests(self):
        self.start()
        head = b"PUT /v1/hosts/h1 HTTP/1.1\r\nHost: localhost\r\n"
        slow = [self.connect(head), self.connect(head + b"Content-Type: app"),
                self.connect(head + b"Content-Type: application/json\r\n"
                             b"Content-Length: 1000\r\n\r\n{")]
        begin = time.monotonic()
        left = set(slow)
        while left:
            for sock in select.select(list(left), [], [], 1)[0]:
                try:
                    data = sock.recv(1000)
                except ConnectionResetError:    # A byte came as it was cut.
                    data = b""
                self.assertEqual(data, b"")
                left.remove(sock)
            for sock in left:           # A byte now and then does not help.
                with contextlib.suppress(ConnectionError):
                    sock.sendall(b"x")
            self.assertLess(time.monotonic() - begin, REQUEST_SECONDS + 5)
        self.assertGreater(time.monotonic() - begin, REQUEST_SECONDS - 5)
        self.assertEqual(self.client("GET", "/healthz").status, 200)

    def test_large_head(self):
        self.start()
        for n in 10, 10000, 100000, 10000000:
            sock = self.connect()
            try:
                sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
                             b"X: " + b"x" * n + b"\r\n\r\n")
                answer = sock.recv(100)
            except OSError:
                answer = b""
            if n == 10:
                self.assertIn(b" 200 ", answer)
            elif n > 20000:
                self.assertNotIn(b" 200 ", answer)
        self.assertLess(memory(self.controller.process), 100)

    def test_garbage(self):
        self.start()
        for data in (b"GET\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n",
                     b"GET /healthz HTTP/1.1\r\n\r\n",
                     b"PUT /v1/hosts/h1 HTTP/1.1\r\nHost: localhost\r\n"
                     b"Content-Length: -1\r\n\r\n",
                     b"PUT /v1/hosts/h1 HTTP/1.1\r\nHost: localhost\r\n"
                     b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
                     b"PUT /v1/hosts/h1 HTTP/1.1\r\nHost: localhost\r\n"
                     b"Content-Length: 99999999999999999999\r\n\r\n"):
            with self.subTest(data[:40]):
                sock = self.connect(data)
                sock.settimeout(10)
                try:
                    answer = sock.recv(1000)
                except ConnectionResetError:
                    answer = b""
                self.assertTrue(answer == b"" or b"HTTP/1.1 4" in answer
                                or b"HTTP/1.0 4" in answer
                                or b"HTTP/1.1 505" in answer, answer)
        silent = [self.connect(data) for data in
                  (b"\0" * 1000, b"\xff" * 100, b"\r\n\r\n" * 100)]
        self.assertEqual(self.client("GET", "/healthz").status, 200)
        for sock in silent:
            self.assertFalse(readable(sock))
        self.assertEqual(self.client("GET", "/v1/hosts").json["items"], [])


if __name__ == "__main__":
    tap.main()
