#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The fabric's key changes among requests of all kinds, and none of them
notices."""

import contextlib
import os
import signal
import time

import tap
from crowd import Crowd, put_files
from lab import SERVICE_ADDRESS
from labtest import Background, LabTest
from workspace import wait_until

IDLE = 20
DOWNLOADS = 10
SIZE = 5 << 20                  # Bytes of a download: it takes 20 s.
PAUSE = 0.75                    # Seconds: who has another key is down by then.


def new_key():
    return os.urandom(16).hex()


class Typist:
    """A client that types a request, a byte each time that it is told to.  A
    context manager, in the end of which the answer must come."""

    def __init__(self, node, typed):
        self.sock = node.connect((SERVICE_ADDRESS, 80))
        self.text = b"GET /name HTTP/1.1\r\nHost: typist\r\n\r\n"
        self.type(typed)

    def type(self, n=1):
        if n:
            self.sock.sendall(self.text[:n])
            self.text = self.text[n:]

    def __enter__(self):
        return self

    def __exit__(self, kind, *exc):
        with contextlib.closing(self.sock):
            if kind is None:
                self.sock.sendall(self.text)
                answer = self.sock.recv(4096)
                if not answer.startswith(b"HTTP/1.1 200 "):
                    raise AssertionError(f"the typist is told {answer!r}")


class Rotation(LabTest):
    HOSTS = 2
    CLIENTS = 3
    SERVICE = {"other_config": {"request-timeout": 60}}

    @classmethod
    def configure(cls):
        super().configure()
        cls.content = put_files(cls.lab.hosts, SIZE)
        cls.key = cls.lab.key
        cls.changes = 0

    def _give(self, machine, *keys):
        """Gives one machine other keys, as docs/operations.md says."""
        text = "".join(key + "\n" for key in keys)
        if machine is self.switch:
            with open(self.lab.key_file, "w") as file:
                file.write(text)
            type(self).changes += 1
            self.switch.vsctl("set", "Open_vSwitch", ".",
                              f"other_config:migrate-keys={self.changes}")
        else:
            with open(machine.agent.key_file, "w") as file:
                file.write(text)
            log = machine.agent.process.output
            n = log().count("read again")
            machine.agent.process.send(signal.SIGHUP)
            wait_until(lambda: log().count("read again") > n,
                       "the agent to read its keys")

    def _all(self, *keys, order):
        """Gives all of them other keys, with a pause after each."""
        machines = [self.switch] + self.lab.hosts
        for i in order:
            self._give(machines[i], *keys)
            time.sleep(PAUSE)

    @contextlib.contextmanager
    def _load(self):
        """Requests of all kinds meanwhile, of which none fails."""
        url = self.lab.url("/name")
        counters = [host.agent.counters() for host in self.lab.hosts]
        others = self.lab.clients[1:]
        with self.counted() as counted, Typist(self.client, 1) as typist, \
                Crowd(self.client, (SERVICE_ADDRESS, 80)) as crowd:
            crowd.open(IDLE, "/name", b"host\n")
            crowd.download(DOWNLOADS, "/file", self.content)
            with Background(self, url, close=True, node=others[0]), \
                    Background(self, url, close=False, node=others[1]):
                yield typist
            self.assertEqual(crowd.running(), DOWNLOADS)
            crowd.ask("/name", b"host\n")
            crowd.finish()
        for fault in "silent", "refused", "retargeted", "reset", "drop-seal":
            self.assertNotIn(fault, counted.moved)
        for host, before in zip(self.lab.hosts, counters):
            after = host.agent.counters()
            for fault in "unknown_key", "bad_seal":
                self.assertEqual(after[fault], before[fault],
                                 f"{host.name}: {fault}")
            self.assertEqual(self.switch.host_status(host.name), "up")

    def _rotate(self, typist, *steps):
        """'steps' make another key the only one."""
        cls = type(self)
        old, cls.key = cls.key, new_key()
        with Typist(self.client, 0):        # It has the cookie only.
            for names, order in steps:
                self._all(*[{"old": old, "new": cls.key}[name]
                            for name in names.split()], order=order)
                typist.type()

    def test_three_steps(self):
        """The new key joins, comes first, and stays alone: in any order of
        machines."""
        with self._load() as typist:
            self._rotate(typist, ("old new", (0, 1, 2)),
                         ("new old", (0, 1, 2)), ("new", (0, 1, 2)))
            self._rotate(typist, ("old new", (2, 0, 1)),
                         ("new old", (1, 2, 0)), ("new", (2, 1, 0)))

    def test_two_steps(self):
        """The new key comes first, hosts before switches, and stays alone."""
        with self._load() as typist:
            self._rotate(typist, ("new old", (1, 2, 0)), ("new", (0, 1, 2)))
            self._rotate(typist, ("new old", (2, 1, 0)), ("new", (2, 0, 1)))


if __name__ == "__main__":
    tap.main()
