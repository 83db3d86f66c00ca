# SPDX-License-Identifier: Apache-2.0
"""Many connections of one client, kept open while something happens.

    crowd = Crowd(client, (SERVICE_ADDRESS, 80))
    crowd.open(900, "/name", b"h1\\n")          these answer and stay
    crowd.download(100, "/file", content)       these read on, at a slow rate
    ...                                         what happens
    crowd.ask("/name")                          all of the first answer again
    crowd.finish()                              and the others get to the end

A reset, a wrong byte, or an end before its time is an error, which the next
call reports."""

import os
import select
import socket
import threading
import time

from netns import family_of
from workspace import PATIENCE

RATE = 256 << 10                # Bytes per second and download.
TICK = 0.05                     # Seconds.


def put_files(hosts, size):
    """Gives the servers of 'hosts' what crowds ask for: /name, which says
    "host", and /file, whose 'size' bytes are returned."""
    content = os.urandom(size)
    for host in hosts:
        host.server.put("/name", b"host\n")
        host.server.put("/file", content)
    return content


def request(path, close=False):
    return (f"GET {path} HTTP/1.1\r\nHost: crowd\r\n"
            + ("Connection: close\r\n" if close else "") + "\r\n").encode()


class Connection:
    """One of them, of which a response with a body is expected."""

    def __init__(self, sock):
        self.sock = sock
        self.port = sock.getsockname()[1]
        self.error = None

    def expect(self, body):
        """A response must come whose body is 'body', or, if that is a set,
        one of them."""
        self.bodies = body if isinstance(body, (set, frozenset)) else {body}
        self.data = b""
        self.head = None
        self.n = 0
        self.done = False

    def read(self, limit):
        """Reads up to 'limit' bytes that are there and checks them."""
        try:
            data = self.sock.recv(limit)
        except BlockingIOError:
            return
        except OSError as error:
            self.error = f"{error}"
            return
        if not data:
            self.error = "ended"
            return
        if self.head is None:
            self.data += data
            head, end, data = self.data.partition(b"\r\n\r\n")
            if not end:
                return
            self.head = head
            if not head.startswith(b"HTTP/1.1 200 "):
                self.error = f"answered {head[:30]}"
        self.bodies = {body for body in self.bodies
                       if body[self.n:self.n + len(data)] == data}
        self.n += len(data)
        if not self.bodies:
            self.error = f"a wrong byte in the last {len(data)} of {self.n}"
        self.done = any(len(body) == self.n for body in self.bodies)


class Crowd:
    def __init__(self, node, address):
        self.node = node
        self.address = address
        self.idle = []
        self.downloads = []
        self._thread = None
        self._stop = False

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def _connect(self, n, receive_buffer=None):
        """Opens 'n' connections."""
        connections = []
        with self.node.entered():
            for _ in range(n):
                sock = socket.socket(family_of(self.address[0]))
                if receive_buffer:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF,
                                    receive_buffer)
                sock.settimeout(10)
                sock.connect(self.address)
                sock.setblocking(False)
                connections.append(Connection(sock))
        return connections

    def open(self, n, path, body, seconds=20):
        """Opens 'n' connections that ask for 'path' once and stay."""
        connections = self._connect(n)
        self.idle += connections
        self._ask(connections, path, body, seconds)

    def ask(self, path, body, seconds=20):
        """Has all of these ask again."""
        self._ask(self.idle, path, body, seconds)

    def _ask(self, connections, path, body, seconds):
        for connection in connections:
            connection.expect(body)
            try:
                connection.sock.send(request(path))
            except OSError as error:
                connection.error = f"{error}"
        self._read(connections, seconds)

    def _read(self, connections, seconds):
        """Reads until all of 'connections' have what they expect."""
        waiting = {connection.sock.fileno(): connection
                   for connection in connections}
        poll = select.epoll()
        for number in waiting:
            poll.register(number, select.EPOLLIN)
        deadline = time.monotonic() + seconds
        while waiting and time.monotonic() < deadline:
            for number, _ in poll.poll(0.1):
                connection = waiting[number]
                connection.read(65536)
                if connection.done or connection.error:
                    poll.unregister(number)
                    del waiting[number]
        poll.close()
        for connection in waiting.values():
            connection.error = f"no answer within {seconds} s"
        self.check()

    def download(self, n, path, body):
        """Opens 'n' connections that read 'path', whose content is 'body',
        slowly and in the background."""
        connections = self._connect(n, 65536)
        for connection in connections:
            connection.expect(body)
            connection.sock.send(request(path))
        self.downloads += connections
        if not self._thread:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()

    def _run(self):
        while not self._stop:
            start = time.monotonic()
            for connection in list(self.downloads):
                if not connection.done and not connection.error:
                    connection.read(int(RATE * TICK))
            time.sleep(max(0, TICK - (time.monotonic() - start)))

    def all(self):
        return self.idle + self.downloads

    def running(self):
        """How many downloads have begun and are not done."""
        return sum(connection.n > 0 and not connection.done
                   for connection in self.downloads)

    def errors(self):
        return [f"port {connection.port}: {connection.error}"
                for connection in self.all() if connection.error]

    def check(self):
        errors = self.errors()
        if errors:
            raise AssertionError(f"{len(errors)} of {len(self.all())} "
                                 f"connections failed: {errors[:5]}")

    def finish(self, seconds=60):
        """Waits for the end of all downloads."""
        seconds *= PATIENCE
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.check()
            if all(connection.done for connection in self.downloads):
                return
            time.sleep(TICK)
        left = [connection.port for connection in self.downloads
                if not connection.done]
        raise AssertionError(f"{len(left)} downloads are not done after "
                             f"{seconds} s: ports {left[:5]}")

    def close(self):
        self._stop = True
        if self._thread:
            self._thread.join()
        for connection in self.all():
            connection.sock.close()
