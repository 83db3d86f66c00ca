#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The agent dies and comes back."""

import os
import time

import tap
from lab import SERVICE_ADDRESS
from labtest import LabTest
from servers import random_file, sha256
from workspace import wait_until

ALONE = True                    # It measures times.
DOWNLOADS = 100


class Agent(LabTest):
    HOSTS = 2
    CLIENTS = 1

    def setUp(self):
        super().setUp()
        for host in self.lab.hosts:
            if not host.agent.process.alive():
                host.agent.start()
        self.lab.wait_ready()

    def _request(self):
        """Status and duration of one request; 0 if it was reset."""
        start = time.monotonic()
        text = self.client.run("curl", "-s", "-m", "5", "-o", "/dev/null",
                               "-w", "%{http_code}", self.lab.url("/name"),
                               check=False)
        return int(text), time.monotonic() - start

    def test_killed_during_100_downloads(self):
        """kill -9 of every agent: all downloads finish, byte-exact."""
        sums = {random_file(host.server.root + "/file", 2 << 20)
                for host in self.lab.hosts}
        out = self.lab.workspace.mkdir("downloads")
        process = self.client.start(
            "curl", "-sS", "-Z", "--parallel-immediate", "--parallel-max",
            DOWNLOADS, "--limit-rate", "300K", "-o", f"{out}/#1",
            self.lab.url(f"/file?[1-{DOWNLOADS}]"))
        wait_until(lambda: len(os.listdir(out)) == DOWNLOADS
                   and all(os.path.getsize(f"{out}/{name}") > 100000
                           for name in os.listdir(out)),
                   "all downloads to run", 30)
        for host in self.lab.hosts:
            host.agent.kill()
        self.assertTrue(process.alive())
        self.assertEqual(process.wait(120), 0, process.output())
        self.assertEqual(len(os.listdir(out)), DOWNLOADS)
        for name in os.listdir(out):
            self.assertIn(sha256(f"{out}/{name}"), sums)

    def test_restarted(self):
        """After a restart new connections work, and old ones still do."""
        sock = self.client.connect((SERVICE_ADDRESS, 80))
        request = b"GET /name HTTP/1.1\r\nHost: x\r\n\r\n"
        sock.sendall(request)
        self.assertIn(b"200 OK", sock.recv(4096))
        for host in self.lab.hosts:
            host.agent.kill()
        for host in self.lab.hosts:
            self.lab.wait_host(host, "down")
        for host in self.lab.hosts:
            host.agent.start()
        self.lab.wait_ready()
        before = {host.name: len(host.server.clients())
                  for host in self.lab.hosts}
        for _ in range(4):
            self.assertEqual(self._request()[0], 200)
        for host in self.lab.hosts:
            wait_until(lambda host=host: len(host.server.clients())
                       > before[host.name], f"requests at {host.name}")
        sock.sendall(request)
        self.assertIn(b"200 OK", sock.recv(4096))
        sock.close()

    def test_one_down(self):
        """From the moment an agent dies, requests are served by the others
        within a second."""
        self.lab.hosts[0].agent.kill()
        end = time.monotonic() + 3
        while time.monotonic() < end:
            status, seconds = self._request()
            self.assertEqual(status, 200)
            self.assertLess(seconds, 1)

    def test_all_down(self):
        """... and if there are none, refused within a second."""
        for host in self.lab.hosts:
            host.agent.kill()
        end = time.monotonic() + 3
        statuses = []
        while time.monotonic() < end:
            status, seconds = self._request()
            # 200 as long as the switch has not noticed: the programs in the
            # host's kernel go on without the agent.
            self.assertIn(status, (200, 503))
            self.assertLess(seconds, 1.1)
            statuses.append(status)
        self.assertEqual(statuses[-1], 503)

    def test_stopped_politely(self):
        """SIGTERM is no different for live connections."""
        sum_ = random_file(self.host.server.root + "/long", 3 << 20)
        os.link(self.host.server.root + "/long",
                self.lab.hosts[1].server.root + "/long")
        file = self.lab.workspace.path("long")
        process = self.client.start(
            "curl", "-sS", "--limit-rate", "1M", "-o", file,
            self.lab.url("/long"))
        wait_until(lambda: os.path.exists(file)
                   and os.path.getsize(file) > 100000, "the download to run")
        for host in self.lab.hosts:
            host.agent.stop()
        self.assertEqual(process.wait(60), 0, process.output())
        self.assertEqual(sha256(file), sum_)


if __name__ == "__main__":
    tap.main()
