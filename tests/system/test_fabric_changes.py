#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A service of a leaf-spine fabric is changed by REST while clients use it:
no request fails."""

import time

import tap
from fabrictest import FabricTest, Load
from workspace import wait_until

ALONE = True                    # It measures times, and is large.
REQUESTS = 20000


class Changes(FabricTest):
    def new_connections(self, name):
        """How many connections a host has been given."""
        return sum(line.endswith("/1")
                   for line in self.net[name].server.access_log())

    def requests(self):
        return sum(len(host.server.access_log())
                   for host in self.net.servers)

    def given_none(self, name, within):
        """'within' so many seconds a host is given no connections any more,
        while others are."""
        time.sleep(within)
        before = self.new_connections(name)
        self.wait_given("h1")
        self.assertEqual(self.new_connections(name), before)

    def wait_given(self, *names):
        """Until these hosts have been given some new connections."""
        before = {name: self.new_connections(name) for name in names}
        wait_until(lambda: all(self.new_connections(name) > n + 20
                               for name, n in before.items()),
                   f"connections to {names}", 5, 0.05)

    def share(self, name):
        """The part of new connections that a host is given."""
        names = [host.name for host in self.net.servers]
        before = [self.new_connections(host) for host in names]
        self.wait_given(name)
        given = [self.new_connections(host) - n
                 for host, n in zip(names, before)]
        return given[names.index(name)] / sum(given)

    def weights(self):
        self.net.patch("pools/web", hosts={"h2": 7})
        self.net.wait_synced()
        self.assertAlmostEqual(self.share("h2"), 0.5, delta=0.1)
        self.net.patch("pools/web", hosts={"h2": 0})
        self.given_none("h2", 1)
        self.net.patch("pools/web", hosts={"h2": 1})
        self.wait_given("h2")

    def rules(self):
        self.net.put("pools/some", hosts={"h1": 1, "h5": 1})
        self.net.put("rules/all", service="web", priority=1, pool="some",
                     match={"path-prefix": "/"})
        for name in "h2", "h3", "h8":
            self.given_none(name, 0.5)
        self.net.delete("rules/all")
        self.net.delete("pools/some")
        self.wait_given("h2", "h3", "h8")

    def drain(self):
        """No new connections within a second; those that there are go on."""
        for name in "h4", "h7":
            self.net.patch(f"hosts/{name}", state="draining")
            self.given_none(name, 1)
            n = len(self.net[name].server.access_log())
            wait_until(lambda: len(self.net[name].server.access_log()) > n,
                       "requests on the connections that there are", 5)
            self.net.patch(f"hosts/{name}", state="ready")
            self.wait_given(name)

    def host_removed_and_added(self):
        """It is drained first, as it has connections; these go on even when
        nothing knows of the host any more."""
        self.net.patch("hosts/h6", state="draining")
        self.given_none("h6", 1)
        self.net.patch("pools/web", hosts={"h6": None})
        self.net.delete("hosts/h6")
        self.net.wait_synced()
        self.given_none("h6", 0)
        self.net.put("hosts/h6", ip=self.net["h6"].IP())
        self.net.patch("pools/web", hosts={"h6": 1})
        self.wait_given("h6")

    def test_under_load(self):
        """Weights, rules, drain, hosts removed and added, again and again:
        of 20,000 requests none fails."""
        first = self.requests()
        changes = [self.weights, self.rules, self.drain,
                   self.host_removed_and_added]
        with Load(self, lasting=16):
            n = 0
            while n < len(changes) or self.requests() < first + REQUESTS:
                changes[n % len(changes)]()
                n += 1
        print(f"# {n} changes, {self.requests() - first} requests")


if __name__ == "__main__":
    tap.main()
