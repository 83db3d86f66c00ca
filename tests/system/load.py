# SPDX-License-Identifier: Apache-2.0
"""Requests of many kinds at once, every one with a number of its own, and an
account of them.

    with Requests(client, hosts, address, kinds=ALL) as requests:
        requests.wait(2000)
    requests.check(test)

Each request is for a path with "?id=NUMBER", so the servers' own access logs
tell how often it ran."""

import asyncio
import collections
import contextlib
import dataclasses
import itertools
import os
import re
import threading

from workspace import wait_until

SIZES = 10, 3000, 50000         # Bytes of what is got.
UPLOAD = 40000                  # Bytes.
_ids = itertools.count(1)


def content(size):
    """What every server has as /data/SIZE: any piece of it tells where it is
    from."""
    text = b"".join(b"%08d" % i for i in range(size // 8 + 1))
    return text[:size]


def put_content(hosts):
    for host in hosts:
        for size in SIZES:
            host.server.put(f"/data/{size}", content(size))


class Changed(Exception):
    """Something came that was not sent."""


@dataclasses.dataclass
class Result:
    id: int
    kind: str
    outcome: object             # The status, or what went wrong.
    seconds: float


class Connection:
    """A client's connection, and requests on it."""

    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer

    def close(self):
        # Not wait_closed(), which may raise what has been reported before.
        self.writer.close()

    async def send(self, *pieces, pause=0.0):
        for i, piece in enumerate(pieces):
            if i:
                await asyncio.sleep(pause)
            self.writer.write(piece)
            await self.writer.drain()

    async def response(self, expected=None):
        """Reads a response; returns its status and body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if length:
            body = await self.reader.readexactly(int(length[1]))
        else:
            body = await self.reader.read()
        if status == 200 and expected is not None and body != expected:
            raise Changed(f"{len(body)} bytes, not what was asked for")
        return status, body


def head(path, id_, *lines, method="GET"):
    return "\r\n".join([f"{method} {path}?id={id_} HTTP/1.1", "Host: test",
                        *lines, "", ""]).encode()


def size_of(id_):
    return SIZES[id_ % len(SIZES)]


# The kinds of requests.  Each makes one request, or several one after another
# when it asks for more ids, and returns the last status.

async def get(connection, id_, **_):
    """In one piece; the server closes."""
    size = size_of(id_)
    await connection.send(head(f"/data/{size}", id_, "Connection: close"))
    return (await connection.response(content(size)))[0]


async def get_long(connection, id_, **_):
    """6 KiB of headers: more than a bundle holds."""
    size = size_of(id_)
    await connection.send(head(f"/data/{size}", id_, "Connection: close",
                               *[f"X-{i}: {'x' * 990}" for i in range(6)]))
    return (await connection.response(content(size)))[0]


async def trickle(connection, id_, **_):
    """In pieces, each acknowledged by the switch."""
    size = size_of(id_)
    text = head(f"/data/{size}", id_, "Connection: close")
    await connection.send(text[:5], text[5:30], text[30:-1], text[-1:],
                          pause=0.06)
    return (await connection.response(content(size)))[0]


async def half_close(connection, id_, **_):
    """The client closes its half behind the request."""
    size = size_of(id_)
    await connection.send(head(f"/data/{size}", id_, "Connection: close"))
    connection.writer.write_eof()
    return (await connection.response(content(size)))[0]


async def keep_alive(connection, id_, another):
    """Three requests on one connection, 100 ms apart."""
    for i in range(3):
        if i:
            await asyncio.sleep(0.1)
            id_ = another()
        size = size_of(id_)
        await connection.send(head(f"/data/{size}", id_))
        status, _ = await connection.response(content(size))
        if status != 200:
            break
    return status


async def post(connection, id_, **_):
    """An upload, which nginx keeps in a file and names."""
    body = b"%08d" % id_ + content(UPLOAD - 8)
    await connection.send(head("/upload", id_, "Connection: close",
                               f"Content-Length: {len(body)}", method="POST")
                          + body)
    status, name = await connection.response()
    if status == 200:
        with open(name, "rb") as file:
            if file.read() != body:
                raise Changed(f"upload {name.decode()}")
        os.remove(name)
    return status


EVERY_SERVER = get, get_long, trickle, half_close, keep_alive
ALL = *EVERY_SERVER, post


class Requests:
    """Requests from 'node' to (address, port), 'parallel' at a time, of all
    'kinds' in turn, until the end of the context.  One that takes longer than
    'deadline' seconds has hung."""

    def __init__(self, node, hosts, address, port=80, kinds=ALL, parallel=50,
                 deadline=30):
        self.node = node
        self.hosts = hosts
        self.address = (address, port)
        self.kinds = itertools.cycle(kinds)
        self.parallel = parallel
        self.deadline = deadline
        self.results = []
        self.error = None
        self.ended = False
        self.thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.ended = True
        self.thread.join(self.deadline + 10)
        if self.error:
            raise self.error

    def wait(self, n, seconds=120):
        """Waits until 'n' requests have ended."""
        wait_until(lambda: len(self.results) >= n
                   or not self.thread.is_alive(), f"{n} requests", seconds)

    def _run(self):
        try:
            with self.node.entered():
                asyncio.run(self._workers())
        except Exception as error:          # For __exit__().
            self.error = error

    async def _workers(self):
        await asyncio.gather(*[self._worker() for _ in range(self.parallel)])

    async def _worker(self):
        while not self.ended:
            await self._one(next(self.kinds))

    async def _one(self, kind):
        clock = asyncio.get_running_loop().time
        ids = [next(_ids)]
        started = clock()

        def another():
            # The last one went well.
            nonlocal started
            self._add(ids[-1], kind, 200, clock() - started)
            started = clock()
            ids.append(next(_ids))
            return ids[-1]

        try:
            async with asyncio.timeout(self.deadline) as timeout:
                outcome = await self._connection(kind, ids[0], another)
        except TimeoutError:
            outcome = "hung" if timeout.expired() else "connect timed out"
        except (OSError, asyncio.IncompleteReadError, Changed) as error:
            outcome = f"{type(error).__name__}: {error}"
        self._add(ids[-1], kind, outcome, clock() - started)

    async def _connection(self, kind, id_, another):
        connection = Connection(*await asyncio.open_connection(*self.address))
        with contextlib.closing(connection):
            return await kind(connection, id_, another=another)

    def _add(self, id_, kind, outcome, seconds):
        self.results.append(Result(id_, kind.__name__, outcome, seconds))

    # Afterwards.

    def outcomes(self):
        return collections.Counter(result.outcome for result in self.results)

    def times(self):
        """How long the answered ones took, sorted."""
        return sorted(result.seconds for result in self.results
                      if result.outcome == 200)

    def summary(self):
        times = self.times() or [0]
        return (f"{len(self.results)} requests, {dict(self.outcomes())}, "
                f"median {times[len(times) // 2]:.3f} s, 99 % "
                f"{times[len(times) * 99 // 100]:.3f} s, "
                f"max {times[-1]:.3f} s")

    def runs(self):
        """How often each ran, by number, by the servers' access logs."""
        mine = {result.id for result in self.results}
        return collections.Counter(
            int(id_) for host in self.hosts
            for id_ in re.findall(r"[?&]id=(\d+)",
                                  "\n".join(host.server.access_log()))
            if int(id_) in mine)

    def check(self, test, outcomes=(200,)):
        """Every request ended as one of 'outcomes', and ran once if it was
        answered with 200, never if it was refused."""
        wrong = [result for result in self.results
                 if result.outcome not in outcomes]
        test.assertFalse(wrong[:10], self.summary())
        answered = {result.id for result in self.results
                    if result.outcome == 200}
        refused = {result.id for result in self.results
                   if result.outcome == 503}
        # A server may write its log after its response.
        wait_until(lambda: answered <= set(self.runs()), "the access logs")
        runs = self.runs()
        test.assertFalse({id_ for id_ in runs if runs[id_] > 1},
                         "requests ran twice")
        test.assertFalse({id_ for id_ in runs if id_ in refused},
                         "requests ran that were refused")
