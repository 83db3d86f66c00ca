#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Hosts, agents and servers die: before, during and after a handoff.

What a client sees, with another host there:

    dies        cable or power          agent               server
    before      served by another,      served              served by another,
                late by 0.4 s at most                       at once
    during      served by another,      served              reset, or an end
                late by 0.4 s
    after       nothing for 10 s,       goes on             reset, or an end
                then a reset, even
                if it only waits

From a second after its death at the latest a host gets nothing new, and it
gets new connections again by itself when it is back."""

import contextlib
import os
import signal
import time

import tap
from lab import SERVICE_ADDRESS
from labtest import LabTest
from workspace import wait_until

ALONE = True                    # It measures times.
REQUEST = b"GET /name HTTP/1.1\r\nHost: x\r\n\r\n"
IN_TIME = 1.5                   # Seconds for any request: a handoff takes one
                                # at most.
DOWN = 1.0                      # Seconds after which nothing new goes to the
                                # dead.
LOST = 10                       # Seconds after which its connections are lost.
TOLD = 3                        # Seconds from then on in which a client that
                                # only waits is told.


class Die(LabTest):
    HOSTS = 2
    CLIENTS = 1

    @classmethod
    def configure(cls):
        super().configure()
        cls.lab.proof_plain()

    def setUp(self):
        super().setUp()
        self.other = self.lab.hosts[1]
        self.both_again()           # It knows the service's address.

    # The ways to die, each a context manager, in the end of which the host is
    # there again.

    @contextlib.contextmanager
    def cable_out(self):
        self.switch.node.run("ip", "link", "set", self.host.port, "down")
        try:
            yield
        finally:
            self.switch.node.run("ip", "link", "set", self.host.port, "up")

    @contextlib.contextmanager
    def power_off(self):
        """Nothing of it says a word, and all that it knew is gone."""
        self.host.run("ip", "link", "set", "eth0", "down")
        self.host.agent.kill()
        self.host.server.process.kill()
        self.host.agent.cleanup()
        try:
            yield
        finally:
            self.host.run("ip", "link", "set", "eth0", "up")
            self.host.server.start()
            self.host.agent.start()

    @contextlib.contextmanager
    def agent_killed(self):
        self.host.agent.kill()
        try:
            yield
        finally:
            self.host.agent.start()

    @contextlib.contextmanager
    def server_killed(self):
        self.host.server.process.kill()
        try:
            yield
        finally:
            self.host.server.start()

    # What clients do.

    def request(self):
        """Who answers one request, and after how many seconds."""
        start = time.monotonic()
        text = self.client.run("curl", "-sS", "-m", IN_TIME, "-w",
                               "%{http_code}", self.lab.url("/name"))
        name, _, status = text.rpartition("\n")
        self.assertEqual(status, "200", text)
        return name, time.monotonic() - start

    def connect(self):
        """A connection that the host has answered once."""
        while True:
            sock = self.client.connect((SERVICE_ADDRESS, 80), IN_TIME)
            sock.sendall(REQUEST)
            if self.answer(sock) == self.host.name:
                return sock
            sock.close()

    def answer(self, sock):
        """Who answers."""
        head, _, body = sock.recv(4096).partition(b"\r\n\r\n")
        self.assertIn(b" 200 OK", head)
        return body.decode().strip()

    def expect_end(self, sock, seconds):
        """The connection ends within so many seconds."""
        sock.settimeout(seconds)
        with contextlib.closing(sock):
            try:
                self.assertEqual(sock.recv(4096), b"")
            except ConnectionResetError:
                pass

    def by_the_other(self, at_once=False):
        """Requests for 2 seconds, each in time: the other host answers them,
        from DOWN on without delay."""
        start = time.monotonic()
        while time.monotonic() < start + 2:
            late = at_once or time.monotonic() > start + DOWN
            name, took = self.request()
            self.assertEqual(name, self.other.name)
            if late:
                self.assertLess(took, 0.35)

    def both_again(self):
        """New connections go to both hosts, without anybody's help."""
        self.lab.wait_host(self.host, "up")
        wait_until(lambda: self.request()[0] == self.host.name,
                   "the host to get connections")

    @contextlib.contextmanager
    def dropped(self, match):
        cookie = "cookie=0xd/-1"
        self.switch.add_flow(f"cookie=0xd,{match},actions=drop")
        try:
            # The datapath follows a moment later.
            wait_until(lambda: self.switch.is_met(cookie), "a drop")
            yield
        finally:
            self.switch.ofctl("del-flows", self.switch.bridge, cookie)

    def mute(self):
        """Nothing that the host says arrives."""
        return self.dropped(f"priority=300,in_port={self.host.port}")

    def deaf(self):
        """No message to the host arrives."""
        return self.dropped("table=1,priority=40000,udp,tp_dst=7471,"
                            f"nw_dst={self.host.address}")

    def offered(self):
        """A connection that was offered to the host, which is mute."""
        while True:
            sock = self.client.connect((SERVICE_ADDRESS, 80), IN_TIME)
            sock.sendall(REQUEST)
            port = sock.getsockname()[1]
            wait_until(lambda: any(
                line["client"].endswith(f":{port}")
                and line["state"] in ("offered", "live", "linger")
                for line in self.switch.all_connections()), "a handoff")
            line = next(line for line in self.switch.all_connections()
                        if line["client"].endswith(f":{port}"))
            if line["host"] == self.host.name:
                self.assertEqual(line["state"], "offered")
                return sock
            sock.close()

    def _during(self, death):
        """It dies between the bundle and the CONFIRM: the other host gets the
        request.  If no bundle has come to the first one, the request runs
        once; if only the answer has not, nobody can know."""
        for fault in self.deaf, self.mute:
            with self.subTest(fault.__name__), fault():
                sock = self.offered()
                client = "{}:{}".format(*sock.getsockname())
                start = time.monotonic()
                with death():
                    with contextlib.closing(sock):
                        self.assertEqual(self.answer(sock), self.other.name)
                    self.assertLess(time.monotonic() - start, 1)
            self.both_again()
            self.assertEqual(self.runs(self.other, client), 1)
            if fault == self.deaf:
                self.assertEqual(self.runs(self.host, client), 0)

    @staticmethod
    def runs(host, client):
        """How many requests of a client 'host' has served."""
        return host.server.clients().count(client)

    # The cable.

    def test_cable_before(self):
        with self.cable_out():
            self.by_the_other()
        self.both_again()

    def test_cable_during(self):
        self._during(self.cable_out)

    def test_cable_after(self):
        """A short outage harms no connection, a long one ends it, whether its
        client speaks or waits."""
        sock, short, waiting = (self.connect() for _ in range(3))
        with self.cable_out():
            short.sendall(REQUEST)
            time.sleep(2)
        self.assertEqual(self.answer(short), self.host.name)
        short.close()
        with self.cable_out():
            self.lab.wait_host(self.host, "down")
            sock.sendall(REQUEST)
            start = time.monotonic()
            self.expect_end(sock, LOST + 10)
            self.assertGreater(time.monotonic() - start, LOST - 2)
            self.expect_end(waiting, TOLD)
        self.both_again()

    # The power.

    def test_power_before(self):
        with self.power_off():
            self.by_the_other()
        self.both_again()

    def test_power_during(self):
        self._during(self.power_off)

    def test_power_after(self):
        """When it is back, it knows nothing of its connections: they end."""
        sock, waiting = self.connect(), self.connect()
        with self.power_off():
            self.by_the_other()
        self.lab.wait_host(self.host, "up")
        with contextlib.suppress(OSError):
            sock.sendall(REQUEST)
        self.expect_end(sock, 2)
        self.expect_end(waiting, TOLD)
        self.both_again()

    def _power_placed(self, placement):
        self.switch.vsctl("set", "Migration_Service", "web",
                          f"placement={placement}")
        try:
            waiting = self.connect()
            port = waiting.getsockname()[1]

            def is_placed():
                waiting.sendall(REQUEST)
                self.assertEqual(self.answer(waiting), self.host.name)
                return any(line["placement"] == placement
                           and line["client"].endswith(f":{port}")
                           for line in self.switch.all_connections())

            wait_until(is_placed, f"placement={placement}")
            is_placed()
            with self.power_off():
                self.by_the_other()
            self.expect_end(waiting, TOLD)
        finally:
            self.switch.vsctl("set", "Migration_Service", "web",
                              "placement=table")
        self.both_again()

    def test_power_flow(self):
        """The same, where a flow has taken its packets past the engine."""
        self._power_placed("flow")

    def test_power_kernel(self):
        """... or the kernel has."""
        self._power_placed("kernel")

    # The agent.

    def test_agent_before(self):
        """Until it is missed, the host's kernel takes connections."""
        with self.agent_killed():
            end = time.monotonic() + DOWN
            while time.monotonic() < end:
                self.request()
            self.by_the_other(at_once=True)
        self.both_again()

    def test_agent_during(self):
        """The kernel confirms in its place."""
        self.host.agent.process.send(signal.SIGSTOP)
        socks = []
        for _ in range(8):
            sock = self.client.connect((SERVICE_ADDRESS, 80), IN_TIME)
            sock.sendall(REQUEST)
            socks.append(sock)
        with self.agent_killed():
            names = [self.answer(sock) for sock in socks]
            self.assertIn(self.host.name, names)
            for sock in socks:
                sock.sendall(REQUEST)
            self.assertEqual([self.answer(sock) for sock in socks], names)
        for sock in socks:
            sock.close()
        self.both_again()

    def test_agent_after(self):
        sock = self.connect()
        with self.agent_killed():
            self.lab.wait_host(self.host, "down")
            sock.sendall(REQUEST)
            self.assertEqual(self.answer(sock), self.host.name)
        self.both_again()
        sock.sendall(REQUEST)
        self.assertEqual(self.answer(sock), self.host.name)
        sock.close()

    # The server.

    def test_server_before(self):
        """Its host refuses, and says so at once."""
        with self.server_killed():
            self.by_the_other(at_once=True)
        self.both_again()

    def test_server_during(self):
        """It has the connection, and has not answered: the client is reset
        by the host's own kernel."""
        group = self.host.server.process.pid
        os.killpg(group, signal.SIGSTOP)
        with self.mute():
            sock = self.offered()
            with self.server_killed():
                pass
        self.expect_end(sock, IN_TIME)
        self.both_again()

    def test_server_after(self):
        sock = self.connect()
        with self.server_killed():
            self.expect_end(sock, IN_TIME)
        self.both_again()


if __name__ == "__main__":
    tap.main()
