#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Clients that take their time: those that mean harm are ended in time, those
that do not are served, and neither delay others."""

import asyncio
import os
import resource
import socket
import time

import tap
from lab import SERVICE_ADDRESS
from labtest import LabTest
from load import Changed, Requests, get, head, put_content
from workspace import wait_until

ALONE = True                    # It measures times.
TIMEOUT = 3                     # Seconds; the service's request-timeout.
SLOW = 3000                     # Connections at once.
UPLOADS = 100
DOWNLOADS = 50
BIG = 1 << 20                   # Bytes.
REQUESTS = 300                  # Honest ones.


def more_files():
    """Allows this process as many open files as it may have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


async def byte_by_byte(connection, id_, **_):
    """Never ends its request, but sends a byte of it every second."""
    response = asyncio.ensure_future(connection.response())
    for byte in head("/name", id_, "X: " + "x" * 1000):
        await connection.send(bytes([byte]))
        await asyncio.wait([response], timeout=1)
        if response.done():
            break
    return (await response)[0]


async def slow_upload(connection, id_, **_):
    """100 KiB in 4 seconds."""
    body = os.urandom(100 << 10)
    await connection.send(head("/upload", id_, "Connection: close",
                               f"Content-Length: {len(body)}", method="POST"))
    for at in range(0, len(body), 5 << 10):
        await connection.send(body[at:at + (5 << 10)])
        await asyncio.sleep(0.2)
    status, name = await connection.response()
    if status == 200:
        with open(name, "rb") as file:
            if file.read() != body:
                raise Changed(name.decode())
        os.remove(name)
    return status


async def slow_download(connection, id_, **_):
    """1 MiB, of which as little as possible waits at the client: its window
    is closed most of the time."""
    sock = connection.writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
    await connection.send(head("/big", id_, "Connection: close"))
    text = await connection.reader.readuntil(b"\r\n\r\n")
    n = 0
    while piece := await connection.reader.read(BIG // 40):
        n += len(piece)
        await asyncio.sleep(0.1)
    if n != BIG:
        raise Changed(f"{n} bytes")
    return int(text.split()[1])


class SlowTests:
    """Run by the classes below."""

    CLIENTS = 2
    PLACEMENT = None

    @classmethod
    def configure(cls):
        more_files()
        cls.lab.add_service(
            placement=cls.PLACEMENT,
            other_config={"request-timeout": TIMEOUT, "flow-limit": 100})
        put_content(cls.lab.hosts)
        for host in cls.lab.hosts:
            host.server.put("/big", os.urandom(BIG))

    def requests(self, kind, parallel, client=0):
        return Requests(self.lab.clients[client], self.lab.hosts,
                        SERVICE_ADDRESS, kinds=[kind], parallel=parallel)

    def others(self):
        """Other clients do not notice."""
        with self.requests(get, 4) as others:
            others.wait(REQUESTS)
        others.check(self)
        self.assertLess(others.times()[-1], 2, others.summary())

    def test_bytes(self):
        """Thousands of requests that come byte by byte and never end: each is
        ended in time."""
        with self.counted("delayed-ack", "reject-408"), \
                self.requests(byte_by_byte, SLOW, client=1) as slow:
            wait_until(lambda: self.gathering() > SLOW * 0.9, "slow requests",
                       30)
            self.others()
            slow.ended = True               # No new ones.
            slow.wait(SLOW)
        self.assertEqual(set(slow.outcomes()), {408}, slow.summary())
        self.assertGreaterEqual(len(slow.results), SLOW)
        # From the first byte on; the handshakes of so many take time.
        self.assertLess(slow.results[-1].seconds, TIMEOUT + 5)
        wait_until(lambda: not self.switch.connections(), "all to be gone")

    def gathering(self):
        return len([c for c in self.switch.connections()
                    if c["state"] == "gather"])

    def test_uploads(self):
        with self.requests(slow_upload, UPLOADS, client=1) as slow:
            self.others()
            slow.ended = True
            slow.wait(UPLOADS)
        slow.check(self)

    def test_downloads(self):
        with self.requests(slow_download, DOWNLOADS, client=1) as slow:
            self.others()
            slow.ended = True
            slow.wait(DOWNLOADS)
        slow.check(self)

    def test_silence(self):
        """Connections that say nothing for long, before the request, in it,
        and after it."""
        socks = [self.client.connect((SERVICE_ADDRESS, 80))
                 for _ in range(20)]
        for sock in socks:
            self.addCleanup(sock.close)
        request = b"GET /name HTTP/1.1\r\nHost: x\r\n\r\n"
        for pause in TIMEOUT + 1, 1:
            time.sleep(pause)
            for sock in socks:
                sock.sendall(request)
                self.assertIn(b"200 OK", sock.recv(4096))
        for sock in socks:
            sock.sendall(request[:10])
        time.sleep(TIMEOUT + 1)             # The host has no such timeout.
        for sock in socks:
            sock.sendall(request[10:])
            self.assertIn(b"200 OK", sock.recv(4096))


class Table(SlowTests, LabTest):
    VARIANT = "placement=table"
    PLACEMENT = "table"


class Flow(SlowTests, LabTest):
    VARIANT = "placement=flow"
    PLACEMENT = "flow"


if __name__ == "__main__":
    tap.main()
