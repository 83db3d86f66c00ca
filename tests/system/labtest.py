# SPDX-License-Identifier: Apache-2.0
"""What the system tests have in common: a lab each, and clients' tools."""

import contextlib
import dataclasses
import os
import re
import signal
import socket
import struct
import sys
import threading
import unittest

from lab import SERVICE_ADDRESS, Lab
from netns import Node
from workspace import PATIENCE, wait_until, wait_value


def need_root():
    """Ends the test program, with 77 for "skipped", if it is not root."""
    if os.geteuid():
        print("1..0 # SKIP needs root (network namespaces)")
        sys.exit(77)


need_root()


class LabTest(unittest.TestCase):
    """Tests that share a lab in which all hosts are ready.

    After each of them the switch must be alive, and in the end it must exit
    cleanly; built with --enable-sanitizers that means also: without a leak."""

    VARIANT = ""                # What tells this class from its sisters.
    HOSTS = 2
    CLIENTS = 2
    TSO = False
    BAD_CABLES = ()
    SERVER = None
    FAMILIES = (4,)
    SERVICE = {}                # Arguments of Lab.add_service().

    @classmethod
    def setUpClass(cls):
        kwargs = {"server": cls.SERVER} if cls.SERVER else {}
        cls.lab = Lab(cls.HOSTS, cls.CLIENTS, cls.TSO,
                      bad_cables=cls.BAD_CABLES,
                      families=cls.FAMILIES, **kwargs)
        cls.addClassCleanup(cls.lab.close)
        cls.switch = cls.lab.switch
        cls.lab.migrate()
        cls.configure()

    @classmethod
    def configure(cls):
        cls.lab.add_service(**cls.SERVICE)

    def setUp(self):
        self.client = self.lab.clients[0]
        self.host = self.lab.hosts[0]

    def served(self):
        """How many requests are in the access logs of all hosts."""
        return sum(len(host.server.access_log()) for host in self.lab.hosts)

    def assert_served(self, n, before):
        """'n' requests have been served since served() was 'before'."""
        # A server may write its log after it answers.
        self.assertEqual(wait_value(lambda: self.served() - before, n), n)

    def assert_bypasses(self, request, n):
        """What 'request' makes a client send goes by a flow, not through the
        engine, 'n' times in a row."""
        def encapsulated(n):
            before = self.switch.counters()["encapsulated"]
            for _ in range(n):
                request()
            return self.switch.counters()["encapsulated"] - before

        # The datapath follows OpenFlow at once, but not in the same moment.
        wait_until(lambda: encapsulated(1) == 0, "the datapath to have it")
        self.assertEqual(encapsulated(n), 0)

    def tearDown(self):
        vswitchd = self.switch.vswitchd
        self.assertTrue(vswitchd.alive(),
                        "ovs-vswitchd ended with "
                        f"{vswitchd.popen.returncode}: {vswitchd.output()}")

    @classmethod
    def tearDownClass(cls):
        status = cls.switch.stop()
        programs = [cls.switch.vswitchd]
        for host in cls.lab.hosts:
            host.agent.stop()
            programs.append(host.agent.process)
        for program in programs:
            if "Sanitizer" in program.output():
                raise AssertionError(program.output())
        if status:
            raise AssertionError(f"ovs-vswitchd exited with {status}: "
                                 + cls.switch.vswitchd.output())

    def logs(self):
        return self.lab.workspace.logs()

    def counted(self, *names):
        """A context manager: counters by these names must have moved, if not
        at once, as what hosts say may be on its way."""
        return _Counted(self, names)


class _Counted:
    def __init__(self, test, names):
        self.test = test
        self.names = names

    def __enter__(self):
        self.before = self.test.switch.counters()
        return self

    def __exit__(self, kind, *exc):
        self._look()
        if kind is None:
            wait_value(lambda: self._look() >= set(self.names), True)
            for name in self.names:
                self.test.assertIn(name, self.moved)

    def _look(self):
        after = self.test.switch.counters()
        self.moved = {name: value - self.before.get(name, 0)
                      for name, value in after.items()
                      if value != self.before.get(name, 0)}
        return set(self.moved)


# Clients.

@dataclasses.dataclass
class Answer:
    status: int
    body: str
    port: int                   # The client's own.


def curl(node: Node, url, *args):
    """One request by curl; raises an error if there was no answer."""
    text = node.run("curl", "-sS", "-m", "20", "-w",
                    "\n%{http_code} %{local_port}", *args, url)
    body, _, last = text.rpartition("\n")
    status, port = last.split()
    return Answer(int(status), body, int(port))


class KeptConnection:
    """A keep-alive connection to the service, from 'port' if that is not
    0."""

    def __init__(self, client, port=0):
        self.sock = client.socket()
        self.sock.settimeout(30)
        self.sock.bind(("", port))
        self.sock.connect((SERVICE_ADDRESS, 80))
        self.port = self.sock.getsockname()[1]

    def ask(self, path, body=None):
        """One request, with a body if there is one; returns the body of the
        answer."""
        lines = [f"{'GET' if body is None else 'POST'} {path} HTTP/1.1",
                 "Host: x", *([] if body is None
                              else [f"Content-Length: {len(body)}"]), "", ""]
        self.sock.sendall("\r\n".join(lines).encode() + (body or b""))
        head, _, body = self._read_head().partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        if not head.startswith(b"HTTP/1.1 200 ") or not length:
            raise ValueError(f"answered {head!r}")
        body = bytearray(body)
        while len(body) < int(length[1]):
            body += self._read()
        return bytes(body)

    def _read_head(self):
        """What there is when the head of an answer is there."""
        data = b""
        while b"\r\n\r\n" not in data:
            data += self._read()
        return data

    def _read(self):
        data = self.sock.recv(1 << 20)
        if not data:
            raise ConnectionError("closed")
        return data

    def request(self):
        """A small one; returns the name of the host that answered."""
        return self.ask("/name").decode().strip()

    def close(self):
        self.sock.close()

    def reset(self):
        """Closes it with an RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                             struct.pack("ii", 1, 0))
        self.close()


@contextlib.contextmanager
def curls(node: Node, url, parallel=1):
    """Requests by curl, so many at a time, until the end of the context.
    Gives the list of their outcomes, "200 " where all went well."""
    outcomes = []
    end = threading.Event()

    def ask():
        while not end.is_set():
            outcomes.append(node.run(
                "curl", "-s", "-m", "15", "-o", "/dev/null", "-w",
                "%{http_code} %{errormsg}", url, check=False))

    threads = [threading.Thread(target=ask) for _ in range(parallel)]
    for thread in threads:
        thread.start()
    try:
        yield outcomes
    finally:
        end.set()
        for thread in threads:
            thread.join()


@dataclasses.dataclass
class Load:
    """What wrk saw."""

    requests: int
    errors: int
    rate: float                 # Requests per second.
    text: str


SCRIPT = """\
-- Tells when a number of requests has been answered.
local left = %d
function response()
   left = left - 1
   if left == 0 then
      io.open("%s", "w"):close()
   end
end
"""


def wrk_command(url, connections=32, seconds=10, close=False):
    argv = ["wrk", "-t", 1, "-c", connections, "-d", seconds,
            "--timeout", f"{5 * PATIENCE:.0f}s"]
    if close:
        argv += ["-H", "Connection: close"]
    return [*argv, url]


def wrk_result(text):
    requests = re.search(r"(\d+) requests in", text)
    rate = re.search(r"Requests/sec:\s+([\d.]+)", text)
    if not requests or not rate:
        raise AssertionError(f"wrk failed: {text}")
    errors = sum(int(number) for number in re.findall(
        r"(?:connect|read|write|timeout|responses:) (\d+)", text))
    return Load(int(requests[1]), errors, float(rate[1]), text)


def wrk(node, url, seconds=10, **kwargs):
    """wrk for so long."""
    return wrk_result(node.run(*wrk_command(url, seconds=seconds, **kwargs),
                               timeout=seconds + 30))


def wrk_requests(node, url, requests, seconds=60, **kwargs):
    """wrk until so many requests have been answered, or that time is over."""
    done = node.workspace.path("wrk-done")
    script = node.workspace.write("wrk.lua", SCRIPT % (requests, done))
    process = node.start(*wrk_command(url, seconds=seconds, **kwargs),
                         "-s", script)
    wait_until(lambda: os.path.exists(done) or not process.alive(),
               "wrk", seconds + 10)
    process.stop(signal.SIGINT)             # Then it reports.
    if os.path.exists(done):
        os.remove(done)
    return wrk_result(process.output())


class Background:
    """wrk in the background; none of its requests may fail.  A context
    manager that ends it."""

    def __init__(self, test, url, close=True, connections=4, node=None):
        self.test = test
        self.node = node or test.lab.clients[-1]
        self.argv = wrk_command(url, connections, 600, close=close)

    def __enter__(self):
        self.process = self.node.start(*self.argv)
        wait_until(lambda: self.node.run("ss", "-Htn"), "wrk's connections")
        return self

    def __exit__(self, kind, *exc):
        self.process.stop(signal.SIGINT)
        if kind is None:
            load = wrk_result(self.process.output())
            self.test.assertEqual(load.errors, 0, load.text)
            self.test.assertGreater(load.requests, 0, load.text)
