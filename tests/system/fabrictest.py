# SPDX-License-Identifier: Apache-2.0
"""What the tests of a leaf-spine fabric that the controller runs share."""

import collections
import os
import re
import signal
import sys
import threading
import time
import unittest

from labtest import curl, need_root, wrk_command, wrk_result
from workspace import wait_until

sys.path.insert(1, os.path.join(os.path.dirname(os.path.realpath(__file__)),
                                "../../topologies"))
need_root()

# pylint: disable=wrong-import-position
from leaf_spine import SERVICE_ADDRESS, LeafSpineNet, LeafSpineTopo  # noqa
from mininet.log import setLogLevel                         # noqa: E402

URL = f"http://{SERVICE_ADDRESS}/name"
setLogLevel("critical")


class FabricTest(unittest.TestCase):
    """Tests that share a fabric, in which the service works before and after
    each of them."""

    @classmethod
    def setUpClass(cls):
        cls.net = LeafSpineNet(LeafSpineTopo())
        cls.addClassCleanup(cls.net.close)
        cls.net.start()
        cls.net.add_switches()
        cls.net.wait_links()
        cls.net.add_service()
        cls.net.wait_synced()
        cls.net.start_agents()

    def logs(self):
        return self.net.workspace.logs()

    def setUp(self):
        self.client = self.net["c1"].machine

    def served(self, n=8):
        """Which hosts answer 'n' requests of the client."""
        answers = [curl(self.client, URL) for _ in range(n)]
        self.assertEqual({answer.status for answer in answers}, {200})
        return collections.Counter(answer.body.strip()
                                   for answer in answers)

    def wait_hosts(self):
        """Until the controller has heard from switches that all are up."""
        wait_until(lambda: all(host["status"].get("state") == "up" for host
                               in self.net.get("hosts")["items"]),
                   "the controller to hear of all hosts")

    def tearDown(self):
        self.net.wait_links()
        self.net.wait_synced()
        everybody = {host.name for host in self.net.servers}
        wait_until(lambda: set(self.served()) == everybody,
                   "all hosts to serve")


class Load:
    """Requests from both clients, on connections of their own and on lasting
    ones, while something happens.  None may fail."""

    def __init__(self, test, lasting=4):
        self.test = test
        self.lasting = lasting      # Connections of each client that last.

    def __enter__(self):
        self.loads = [client.machine.start(*wrk_command(URL, n, 600,
                                                        close=close))
                      for client in self.test.net.clients
                      for close, n in ((False, self.lasting), (True, 4))]
        self.wait_requests()
        return self

    def wait_requests(self, seconds=5):
        """Waits until each host has been asked again."""
        hosts = self.test.net.servers
        before = [len(host.server.access_log()) for host in hosts]
        wait_until(lambda: all(len(host.server.access_log()) > n + 20
                               for host, n in zip(hosts, before)),
                   "requests at each host", seconds, 0.05)

    def __exit__(self, kind, *exc):
        for process in self.loads:
            process.stop(signal.SIGINT)
        if kind is None:
            for process in self.loads:
                load = wrk_result(process.output())
                self.test.assertEqual(load.errors, 0, load.text)
                self.test.assertGreater(load.requests, 0, load.text)


class Asker(threading.Thread):
    """One client that asks again and again, on one connection that lasts or
    on one for each request, and writes down what fails."""

    def __init__(self, machine, close):
        super().__init__(daemon=True)
        self.machine = machine
        self.close = close
        self.ended = False
        self.sock = None
        self.host = None            # That has answered on 'sock' last.
        self.n = 0                  # Answers.
        self.failures = []          # Of Failure.
        self.slowest = 0.0          # Of the answers, in seconds.

    def _ask(self):
        if not self.sock:
            self.sock = self.machine.connect((SERVICE_ADDRESS, 80), 30)
        self.sock.sendall(
            b"GET /name HTTP/1.1\r\nHost: x\r\n"
            + (b"Connection: close\r\n" if self.close else b"") + b"\r\n")
        answer = b""
        while not (match := re.fullmatch(
                rb"HTTP/1.1 200 .*\r\n\r\n(h\d+)\n", answer, re.S)):
            data = self.sock.recv(4096)
            if not data:
                raise OSError(f"ended after {answer!r}")
            answer += data
        self.host = match[1].decode()
        self.n += 1

    def run(self):
        while not self.ended:
            begun = time.monotonic()
            host = None if self.close else self.host
            try:
                self._ask()
                self.slowest = max(self.slowest, time.monotonic() - begun)
                if self.close:
                    self._hang_up()
                else:
                    time.sleep(0.02)
            except OSError as error:
                self.failures.append(Failure(begun, time.monotonic(), host,
                                             self.sock is not None,
                                             str(error)))
                self._hang_up()

    def _hang_up(self):
        if self.sock:
            self.sock.close()
        self.sock = self.host = None


Failure = collections.namedtuple(
    "Failure",
    ["begun", "ended",          # Of the request, by time.monotonic().
     "host",                    # Where its connection was, or None.
     "connected",               # Whether it ever was.
     "error"])


class Askers:
    """Some from each client in 'clients', a few on connections of their own
    and many on lasting ones.  A context manager."""

    def __init__(self, clients, closing=2, lasting=12):
        self.threads = [Asker(client.machine, i < closing)
                        for client in clients
                        for i in range(closing + lasting)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        self.wait_answers()
        return self

    def wait_answers(self, n=10, seconds=20, but=()):
        """Until each of them, but for 'but', has got 'n' more."""
        before = [thread.n for thread in self.threads]
        wait_until(lambda: all(thread.n >= m + n or thread in but for thread, m
                               in zip(self.threads, before)),
                   "answers for everybody", seconds)

    def at(self, *hosts):
        """Those whose connections, which last, are there."""
        return [thread for thread in self.threads
                if not thread.close and thread.host in hosts]

    def failures(self):
        return [failure for thread in self.threads
                for failure in thread.failures]

    def __exit__(self, *exc):
        for thread in self.threads:
            thread.ended = True
        for thread in self.threads:
            thread.join(40)
