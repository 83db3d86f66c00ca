#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Rules choose the pool by what the request says; policies choose the host in
it."""

import collections

import tap
from lab import SERVICE_ADDRESS
from labtest import LabTest, curl
from ovs import Pool, Rule
from workspace import wait_until

EACH = {"all": Pool(["h1", "h2", "h3"]), "one": Pool(["h1"]),
        "two": Pool(["h2"]), "three": Pool(["h3"])}


class Rules(LabTest):
    HOSTS = 3
    CLIENTS = 1

    def service(self, pools=None, rules=(), **kwargs):
        self.switch.clear_services()
        self.lab.add_service(pools or EACH, rules, **kwargs)

    def hosts(self, *args, path="/name", n=4):
        """Which hosts serve 'n' requests, and how many each."""
        served = collections.Counter()
        for _ in range(n):
            answer = curl(self.client, self.lab.url(path), *args)
            self.assertIn(answer.status, (200, 404))
            served[self._server_of(answer.port)] += 1
        return served

    def _server_of(self, port):
        def names():
            return [host.name for host in self.lab.hosts
                    if f"{self.client.address}:{port}"
                    in host.server.clients()]

        names = wait_until(names, f"port {port} in an access log")
        self.assertEqual(len(names), 1, f"{names} served port {port}")
        return names[0]

    def test_by_host(self):
        self.service(rules=[Rule(10, {"host": "www.one.example"}, "one"),
                            Rule(10, {"host": "*.two.example"}, "two")],
                     default_pool="three")
        for name, host in (("www.one.example", "h1"),
                           ("WWW.One.Example:80", "h1"),
                           ("a.two.example", "h2"), ("b.a.two.example", "h2"),
                           ("other.example", "h3")):
            with self.subTest(name):
                self.assertEqual(set(self.hosts("-H", f"Host: {name}")),
                                 {host})

    def test_by_path_prefix(self):
        self.service(rules=[Rule(10, {"path-prefix": "/images/"}, "one")],
                     default_pool="two")
        self.assertEqual(set(self.hosts(path="/images/a.png")), {"h1"})
        self.assertEqual(set(self.hosts(path="/imagesque")), {"h2"})

    def test_by_method(self):
        self.service(rules=[Rule(10, {"method": "POST"}, "one")],
                     default_pool="two")
        self.assertEqual(set(self.hosts("-d", "x", path="/upload")), {"h1"})
        self.assertEqual(set(self.hosts()), {"h2"})

    def test_by_header(self):
        self.service(rules=[Rule(10, {"header.X-Kind": "new*"}, "one")],
                     default_pool="two")
        self.assertEqual(set(self.hosts("-H", "x-kind: newest")), {"h1"})
        self.assertEqual(set(self.hosts("-H", "X-Kind: old")), {"h2"})

    def test_by_cookie(self):
        """A cookie gives affinity."""
        self.service(rules=[Rule(10, {"header.cookie": "*group=b*"}, "two")],
                     default_pool="one")
        self.assertEqual(set(self.hosts("-b", "a=1; group=b; c=2")), {"h2"})
        self.assertEqual(set(self.hosts("-b", "a=1; group=a")), {"h1"})

    def test_all_conditions_of_a_rule(self):
        self.service(rules=[Rule(10, {"method": "GET",
                                      "path-prefix": "/images/",
                                      "host": "i.example"}, "one")],
                     default_pool="two")
        self.assertEqual(set(self.hosts("-H", "Host: i.example",
                                        path="/images/x")), {"h1"})
        self.assertEqual(set(self.hosts(path="/images/x")), {"h2"})

    def test_highest_priority_first(self):
        self.service(rules=[Rule(10, {"path-prefix": "/"}, "one"),
                            Rule(30, {"path-prefix": "/images/"}, "three"),
                            Rule(20, {"path-prefix": "/images/"}, "two")],
                     default_pool="one")
        self.assertEqual(set(self.hosts(path="/images/x")), {"h3"})
        self.assertEqual(set(self.hosts()), {"h1"})

    def test_no_pool(self):
        """Without a rule that matches and a default pool: a 503."""
        self.service(rules=[Rule(10, {"path-prefix": "/images/"}, "one")],
                     default_pool=None)
        self.assertEqual(curl(self.client, self.lab.url("/")).status, 503)

    def test_long_request_head(self):
        """A head longer than a bundle."""
        self.service(rules=[Rule(10, {"header.X-Last": "yes"}, "two")],
                     default_pool="one")
        args = []
        for i in range(7):
            args += ["-H", f"X-Padding-{i}: {'x' * 1000}"]
        self.assertEqual(set(self.hosts(*args, "-H", "X-Last: yes")), {"h2"})

    def test_round_robin(self):
        self.service({"all": Pool(["h1", "h2", "h3"])})
        self.assertEqual(self.hosts(n=9), {"h1": 3, "h2": 3, "h3": 3})

    def test_weights(self):
        self.service({"all": Pool(["h1", "h2", "h3"],
                                  weights={"h1": 3, "h3": 0})})
        self.assertEqual(self.hosts(n=12), {"h1": 9, "h2": 3})

    def test_least_connections(self):
        self._follows_connections("least-connections")

    def test_two_choices(self):
        """Of two hosts, always the better one."""
        self._follows_connections("two-choices")

    def _follows_connections(self, policy):
        self.service({"all": Pool(["h1", "h2"], policy)})
        kept = [self._open() for _ in range(6)]
        for sock in [sock for sock in kept
                     if self._server_of(sock.getsockname()[1]) == "h1"]:
            sock.close()
        wait_until(lambda: not self.switch.connections("host=h1"),
                       "the release of what was closed")
        more = [self._open() for _ in range(3)]
        self.assertEqual({self._server_of(sock.getsockname()[1])
                          for sock in more}, {"h1"})
        for sock in kept + more:
            sock.close()

    def _open(self):
        """A connection that is kept."""
        sock = self.client.connect((SERVICE_ADDRESS, 80))
        sock.sendall(b"GET /name HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertTrue(sock.recv(4096).startswith(b"HTTP/1.1 200"))
        return sock

    def test_source_hash(self):
        """A client stays with its host, also when another host leaves."""
        self.service({"all": Pool(["h1", "h2", "h3"], "source-hash")})
        addresses = [f"10.0.0.{n}" for n in range(30, 60)]
        for address in addresses:
            self.client.run("ip", "addr", "add", f"{address}/24", "dev",
                            "eth0")

        def served():
            return {address: curl(self.client, self.lab.url("/name"),
                                  "--interface", address).body.strip()
                    for address in addresses}

        before = served()
        self.assertEqual(set(before.values()), {"h1", "h2", "h3"})
        self.assertEqual(served(), before)
        self.switch.vsctl("set", "Migration_Pool", "all", "weights:h3=0")
        after = served()
        for address in addresses:
            if before[address] != "h3":
                self.assertEqual(after[address], before[address])
            else:
                self.assertNotEqual(after[address], "h3")


if __name__ == "__main__":
    tap.main()
