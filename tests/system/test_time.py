#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Time does odd things: programs stop and go on, the clock steps, cookies
expire, and the connection counter runs over."""

import contextlib
import os
import signal
import time

import tap
from crowd import Crowd, put_files
from lab import SERVICE_ADDRESS
from labtest import LabTest, curl
from load import Requests, put_content
from workspace import wait_until

ALONE = True                    # It measures times.
PAUSE = 5                       # Seconds that a program is stopped.
SIZE = 2 << 20                  # Bytes of a download: it takes 8 s.
IDLE = 50
DOWNLOADS = 20
HOUR = 3600


@contextlib.contextmanager
def stopped(*processes):
    """They are, for as long as this takes."""
    for process in processes:
        process.send(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.send(signal.SIGCONT)


class TimeTest(LabTest):
    @classmethod
    def configure(cls):
        super().configure()
        put_content(cls.lab.hosts)
        cls.content = put_files(cls.lab.hosts, SIZE)

    @contextlib.contextmanager
    def load(self, outcomes=(200,)):
        """Requests of all kinds, downloads, and connections that do nothing:
        none fails, none runs twice, no byte changes."""
        with Crowd(self.client, (SERVICE_ADDRESS, 80)) as crowd, \
                Requests(self.lab.clients[1], self.lab.hosts,
                         SERVICE_ADDRESS, parallel=30) as requests:
            crowd.open(IDLE, "/name", b"host\n")
            crowd.download(DOWNLOADS, "/file", self.content)
            requests.wait(100)
            yield requests
            # All is as it was.
            requests.wait(len(requests.results) + 300, 20)
            crowd.check()
            crowd.ask("/name", b"host\n")
            crowd.finish()
        print(f"# {requests.summary()}")
        requests.check(self, outcomes)
        for host in self.lab.hosts:
            self.assertEqual(self.switch.host_status(host.name), "up")

    def expect_reset(self, sock, seconds):
        """The connection ends with a reset within so many seconds."""
        sock.settimeout(seconds)
        with self.assertRaises(ConnectionResetError):
            self.assertEqual(sock.recv(1000), None)


class Stopped(TimeTest):
    def test_switch(self):
        """ovs-vswitchd stops for 5 seconds, three times, in the middle of
        handoffs: no request notices but by its time, and no host counts as
        down, or as having lost what it has."""
        with self.counted() as counted, self.load():
            for _ in range(3):
                with stopped(self.switch.vswitchd):
                    time.sleep(PAUSE)
                time.sleep(1)
        for fault in "lost", "silent", "reset", "reject-503", "drop-evicted":
            self.assertNotIn(fault, counted.moved)
        # No flood of hellos to make up for those that were missed.
        self.assertLess(counted.moved["hello"], 600)

    def test_switch_after_bundle(self):
        """It stops when the bundles are out and no CONFIRM has come in."""
        socks = []
        self._hold(True)
        try:
            for _ in range(20):
                sock = self.client.connect((SERVICE_ADDRESS, 80))
                sock.sendall(b"GET /name HTTP/1.1\r\nHost: x\r\n\r\n")
                socks.append(sock)
            wait_until(lambda: len(self.switch.connections()) >= 20,
                       "bundles", interval=0.001)
            with stopped(self.switch.vswitchd):
                time.sleep(PAUSE)
        finally:
            self._hold(False)
        for sock in socks:
            sock.settimeout(5)
            self.assertIn(b" 200 OK", sock.recv(4096))
            sock.close()

    def _hold(self, on):
        """Nothing that hosts say comes to the engine."""
        for host in self.lab.hosts:
            match = f"priority=200,in_port={host.port},udp"
            if on:
                self.switch.add_flow(f"{match},actions=drop")
            else:
                self.switch.ofctl("--strict", "del-flows",
                                  self.switch.bridge, match)

    def test_agent(self):
        """An agent stops for 5 seconds: new connections go to the other host,
        those that it has go on, and it takes new ones again by itself."""
        host = self.lab.hosts[0]
        with self.load():
            with stopped(host.agent.process):
                time.sleep(PAUSE)
                self.assertEqual(self.switch.host_status(host.name), "down")
            self.lab.wait_host(host, "up")
        served = len(host.server.access_log())
        for _ in range(4):
            self.assertEqual(curl(self.client, self.lab.url("/name")).status,
                             200)
        wait_until(lambda: len(host.server.access_log()) > served,
                   "the host to get connections")

    def test_all_agents(self):
        """All agents stop for 5 seconds: new requests are refused meanwhile,
        in time."""
        agents = [host.agent.process for host in self.lab.hosts]
        with self.load(outcomes=(200, 503)) as requests:
            with stopped(*agents):
                time.sleep(PAUSE)
            for host in self.lab.hosts:
                self.lab.wait_host(host, "up")
        refused = [result.seconds for result in requests.results
                   if result.outcome == 503]
        self.assertTrue(refused)
        self.assertLess(max(refused), 2)

    def test_agent_in_the_middle(self):
        """An agent that stops in the middle of handoffs: the kernel confirms
        for it, and nothing runs twice."""
        host = self.lab.hosts[0]
        with self.load():
            for _ in range(10):
                with stopped(host.agent.process):
                    time.sleep(0.3)
                time.sleep(0.1)


class Steps(TimeTest):
    """The clock of the day as ovs-vswitchd and the agents see it steps."""

    @classmethod
    def configure(cls):
        super().configure()
        cls.clock = cls.lab.workspace.write("clock", "+0\n")
        # Built with it, ASan's runtime would insist on being loaded first.
        asan = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        cls.switch.vswitchd_prefix = [
            "env", f"ASAN_OPTIONS={asan}",
            "LD_PRELOAD=/usr/$LIB/faketime/libfaketime.so.1",
            f"FAKETIME_TIMESTAMP_FILE={cls.clock}", "FAKETIME_NO_CACHE=1",
            "FAKETIME_DONT_FAKE_MONOTONIC=1"]
        cls.switch.restart()
        for host in cls.lab.hosts:
            host.agent.stop()
            host.agent.prefix = cls.switch.vswitchd_prefix
            host.agent.start()
        cls.lab.wait_ready()

    def step(self, seconds):
        """To so far from the true time."""
        with open(self.clock, "w") as file:
            file.write(f"{seconds:+d}\n")
        hellos = self.switch.counters()["hello"]
        wait_until(lambda: self.switch.counters()["hello"] > hellos + 2,
                   "the engine to run")

    def test_steps(self):
        """It steps an hour ahead and back again, and a year, among requests
        of all kinds."""
        waiting = self.client.connect((SERVICE_ADDRESS, 80))
        with self.counted() as counted, self.load():
            for seconds in HOUR, 0, -HOUR, 24 * 365 * HOUR, -24 * HOUR, 0:
                self.step(seconds)
                time.sleep(0.5)
        for fault in "lost", "silent", "reset", "drop-cookie":
            self.assertNotIn(fault, counted.moved)
        waiting.close()

    def test_expired(self):
        """Who sends its first data when its cookie has expired (after two
        steps none is left of the first) is reset, soon."""
        sock = self.client.connect((SERVICE_ADDRESS, 80))
        kept = self.client.connect((SERVICE_ADDRESS, 80))
        self.step(HOUR)
        kept.sendall(b"GET /name HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertIn(b" 200 OK", kept.recv(4096))
        self.step(2 * HOUR)
        with self.counted("drop-cookie", "reset"):
            sock.sendall(b"GET /name HTTP/1.1\r\nHost: x\r\n\r\n")
            self.expect_reset(sock, 8)
        # The connection that it had goes on.
        kept.sendall(b"GET /name HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertIn(b" 200 OK", kept.recv(4096))
        self.step(0)


class Wrap(TimeTest):
    """The connection counter starts 50 before its end."""

    FIRST = 0xffffffff - 50

    @classmethod
    def configure(cls):
        super().configure()
        # ovs-vswitchd draws it from /dev/urandom.
        urandom = cls.lab.workspace.write("urandom", "")
        with open(urandom, "wb") as file:
            file.write(cls.FIRST.to_bytes(4, "little") + os.urandom(4096))
        cls.switch.vswitchd_prefix = [
            "unshare", "-m", "sh", "-c",
            'mount --bind "$0" /dev/urandom && exec "$@"', urandom]
        cls.switch.restart()
        cls.lab.wait_ready()

    def test_wrap(self):
        """Requests of all kinds, across the end and after a restart."""
        ids = set()
        with self.counted() as counted, self.load():
            end = time.monotonic() + 5
            while time.monotonic() < end:
                ids |= {int(c["flow_id"], 16)
                        for c in self.switch.all_connections()
                        if "flow_id" in c}
        self.assertGreater(max(ids), self.FIRST)
        self.assertTrue({id_ for id_ in ids if 0x10000 < id_ < 0x40000})
        for fault in "lost", "silent", "reset", "refused":
            self.assertNotIn(fault, counted.moved)


if __name__ == "__main__":
    tap.main()
