#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Servers as Debian has them, unmodified: each serves migrated connections,
and what its accept() and getpeername() say is the client."""

import tap
from labtest import LabTest, curl
from servers import Lighttpd, Nginx, NodeHttp, PythonHttp, random_file, sha256
from workspace import wait_until


class ServerTests:
    HOSTS = 1

    def test_peer_is_the_client(self):
        for client in self.lab.clients:
            address = client.address
            answer = curl(client, self.lab.url("/name"))
            self.assertEqual(answer.body.strip(), "h1")
            # Not every server logs the port.
            self.host.server.wait_client(address, f"{address}:{answer.port}")

    def test_keep_alive(self):
        """Several requests on one connection."""
        url = self.lab.url("/name")
        text = self.client.run("curl", "-sS", "-m", "10", "-w",
                               "%{num_connects} ", url, url, url)
        self.assertEqual(sum(map(int, text.replace("h1\n", "").split())), 1)

    def test_big_file(self):
        sum_ = random_file(self.host.server.root + "/big", 10 << 20)
        file = self.lab.workspace.path("down")
        curl(self.client, self.lab.url("/big"), "-o", file)
        self.assertEqual(sha256(file), sum_)


class OnNginx(ServerTests, LabTest):
    VARIANT = "nginx"
    SERVER = Nginx


class OnNode(ServerTests, LabTest):
    VARIANT = "Node's http"
    SERVER = NodeHttp


class OnPython(ServerTests, LabTest):
    VARIANT = "Python's http.server"
    SERVER = PythonHttp


class OnLighttpd(ServerTests, LabTest):
    VARIANT = "lighttpd"
    SERVER = Lighttpd


if __name__ == "__main__":
    tap.main()
