#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Hosts that cannot take a connection: another host does, or the client is
told at once."""

import socket
import time

import tap
from lab import SERVICE_ADDRESS
from labtest import LabTest, curl
from servers import Server

ALONE = True                    # It measures times.


class Stuck(Server):
    """A server with a short queue that it never looks at."""

    name = "stuck"
    SCRIPT = """\
import signal, socket, sys
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind(("0.0.0.0", int(sys.argv[1])))
listener.listen(1)
signal.pause()
"""

    def command(self):
        return ["/usr/bin/python3", self.write_conf(self.SCRIPT), self.port]


class Refuse(LabTest):
    CLIENTS = 1

    def _requests(self, n, status):
        for _ in range(n):
            start = time.monotonic()
            answer = curl(self.client, self.lab.url("/name"))
            self.assertLess(time.monotonic() - start, 1)
            self.assertEqual(answer.status, status)

    def _no_listener(self, hosts):
        for host in hosts:
            host.server.stop()
            self.addCleanup(host.server.start)

    def _full(self, hosts):
        """Has 'hosts' listen with a full queue."""
        self._no_listener(hosts)
        for host in hosts:
            stuck = Stuck(host).start()
            self.addCleanup(stuck.stop)
            for _ in range(2):              # listen(1) means 2 (Linux).
                kept = self.client.connect((host.address, 80))
                self.addCleanup(kept.close)

    def test_no_listener_retargets(self):
        self._no_listener(self.lab.hosts[:1])
        with self.counted("refused", "retargeted"):
            self._requests(6, 200)
        said = [(c["host"], c["retargets"], c["reason"])
                for c in self.lab.switch.all_connections() if "reason" in c]
        self.assertIn(("h2", "1", "no-listener"), said)

    def test_no_listener_anywhere_is_503(self):
        self._no_listener(self.lab.hosts)
        with self.counted("refused", "reject-503"):
            self._requests(4, 503)

    def test_full_backlog_retargets(self):
        self._full(self.lab.hosts[:1])
        with self.counted("refused", "retargeted"):
            self._requests(6, 200)

    def test_full_backlog_everywhere_is_503(self):
        self._full(self.lab.hosts)
        with self.counted("refused", "reject-503"):
            self._requests(4, 503)


class RefuseTcp(LabTest):
    """A service that is not HTTP."""

    CLIENTS = 1
    SERVICE = {"protocol": "tcp"}

    def test_tcp_serves(self):
        answer = curl(self.client, self.lab.url("/name"))
        self.assertIn(answer.body.strip(), ("h1", "h2"))

    def test_tcp_without_host_is_reset(self):
        for host in self.lab.hosts:
            host.server.stop()
            self.addCleanup(host.server.start)
        for _ in range(4):
            start = time.monotonic()
            # As early as in connect(), as the switch decides at once.
            with self.assertRaises(ConnectionResetError):
                with self.client.connect((SERVICE_ADDRESS, 80), 3) as sock:
                    sock.sendall(b"hello\n")
                    self._until_end(sock)
            self.assertLess(time.monotonic() - start, 1)

    def _until_end(self, sock: socket.socket):
        while sock.recv(4096):
            pass
        self.fail("closed, not reset")


if __name__ == "__main__":
    tap.main()
