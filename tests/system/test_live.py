#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the controller tells of a fabric while it works: connections,
decisions, paths."""

import os
import subprocess
import time

import tap
from fabrictest import SERVICE_ADDRESS, URL, FabricTest
from labtest import curl, wrk_command, wrk_result
from workspace import CommandError, wait_until

ALONE = True                    # It measures a rate, and is large.


class Live(FabricTest):
    def connect(self, client, n=1, cookie="a=b"):
        """Connections of a client that last, each with a request answered."""
        socks = []
        for _ in range(n):
            sock = client.machine.connect((SERVICE_ADDRESS, 80), 10)
            self.addCleanup(sock.close)
            sock.sendall(b"GET /name HTTP/1.1\r\nHost: x\r\nCookie: %s\r\n"
                         b"\r\n" % cookie.encode())
            data = b""
            while b"\r\n\r\nh" not in data or not data.endswith(b"\n"):
                more = sock.recv(4096)
                self.assertTrue(more, data)
                data += more
            socks.append((sock, data.split()[-1].decode()))
        return socks

    def list(self, query="", what="connections"):
        """All pages."""
        path, items = f"{what}?{query}", []
        while path:
            answer = self.net.get(path)
            self.assertEqual(answer["unreachable"], [])
            items += answer["items"]
            path = answer.get("next", "").removeprefix("/v1/")
        return items

    def test_connections(self):
        lasting = {f"{sock.getsockname()[0]}:{sock.getsockname()[1]}":
                   (client.name, host)
                   for client in self.net.clients
                   for sock, host in self.connect(client, 60)}
        for query in "", "limit=1", "limit=7", "service=web", "limit=1000":
            items = self.list(query)
            live = {item["name"]: item["host"] for item in items
                    if item["state"] == "live"}
            self.assertEqual(len({item["name"] for item in items}),
                             len(items), "some are listed twice")
            for name, (_, host) in lasting.items():
                self.assertEqual(live.get(name), host, (query, name))
        for item in items:
            if item["name"] in lasting:
                client = lasting[item["name"]][0]
                self.assertEqual(
                    (item["service"], item["pool"], item["switch"],
                     item["placement"]),
                    ("web", "web", "leaf1" if client == "c1" else "leaf2",
                     "table"), item)
        for host in "h3", "h8":
            found = [item for item in self.list(f"host={host}")]
            self.assertEqual({item["host"] for item in found}, {host})
            self.assertGreaterEqual(len(found), 10)
        name = next(iter(lasting))
        client, port = name.split(":")
        found = self.list(f"client={client}&client_port={port}")
        self.assertEqual([item["name"] for item in found], [name])
        self.assertEqual({item["switch"]
                          for item in self.list("switch=leaf2")}, {"leaf2"})
        for query in ("service=none", "host=none", "client=10.9.9.9",
                      "switch=x"):
            self.assertEqual(self.list(query), [])

    def test_placement(self):
        """One that the switch's kernel forwards."""
        self.net.patch("services/web", placement="kernel")
        self.addCleanup(self.net.patch, "services/web", placement=None)
        self.net.wait_synced()
        sock, host = self.connect(self.net["c1"])[0]
        while host not in ("h1", "h2"):         # Those behind its own leaf.
            sock, host = self.connect(self.net["c1"])[0]

        def placement():
            sock.sendall(b"GET /name HTTP/1.1\r\nHost: x\r\n\r\n")
            while not sock.recv(4096).endswith(b"\n"):
                pass
            found = self.list("client={}&client_port={}".format(
                *sock.getsockname()))
            return [item["placement"] for item in found]

        wait_until(lambda: placement() == ["kernel"], "placement=kernel")

    def test_trace(self):
        sock, host = self.connect(self.net["c1"])[0]
        name = "{}:{}".format(*sock.getsockname())
        text = self.net.ctl("trace", name)
        for line in (f"name: {name}", "switch: leaf1", f"host: {host}",
                     "pool: web", "by: switch", "policy: round-robin"):
            self.assertIn(line, text.splitlines())
        if host not in ("h1", "h2"):
            self.assertIn("there: leaf1:spine1|leaf1:spine2, ", text)

    def test_switch_away(self):
        """One that does not answer is named, and the others are listed."""
        self.connect(self.net["c1"])
        self.net["leaf2"].kill()
        answer = self.net.get("connections")
        self.assertEqual(answer["unreachable"], ["leaf2"])
        self.assertIn("leaf1", {item["switch"] for item in answer["items"]})
        for what in "connection", "decision":
            with self.assertRaisesRegex(CommandError, "exit 3: .*switch leaf2 "
                                        "does not answer"):
                self.net.ctl(what, "list")
        self.net["leaf2"].restart()
        wait_until(lambda: self.net.get("connections")["unreachable"] == [],
                   "leaf2 to answer", 15)

    def test_decisions(self):
        self.net.patch("services/web", decide="controller",
                       decide_timeout=1000)
        self.addCleanup(self.net.patch, "services/web", decide=None,
                        decide_timeout=None)
        self.net.wait_synced()
        self.wait_hosts()
        answer = curl(self.client, URL)
        decision = self.net.get("decisions?limit=1")["items"][0]
        self.assertEqual(
            {name: decision[name] for name in ("switch", "service", "client",
                                               "pool", "rule", "by", "host")},
            {"switch": "leaf1", "service": "web", "client": "10.1.0.2",
             "pool": "web", "rule": "default", "by": "controller",
             "host": answer.body.strip()})
        self.assertEqual(len(decision["candidates"]), 8)
        self.assertEqual(self.net.get("decisions?by=webhook")["items"], [])

        # Once, although the switch knows it as well.
        sock, host = self.connect(self.net["c1"])[0]
        of_sock = "client={}&client_port={}".format(*sock.getsockname())
        found = self.list(of_sock, "decisions")
        self.assertEqual([(item["by"], item["host"]) for item in found],
                         [("controller", host)])
        everything = self.list("", "decisions")
        pages = self.list("limit=1", "decisions")
        self.assertEqual([(item["client_port"], item["by"])
                          for item in pages[:2]],
                         [(item["client_port"], item["by"])
                          for item in everything[:2]])
        ids = [(item["client"], item["client_port"], item["host"])
               for item in pages]
        self.assertEqual(len(set(ids)), len(ids))
        self.assertIn((*sock.getsockname(), host), ids)

    def decision(self, sock):
        """The one about the connection of 'sock'."""
        found = self.list("client={}&client_port={}".format(
            *sock.getsockname()), "decisions")
        self.assertEqual(len(found), 1, found)
        return found[0]

    def test_decisions_of_switches(self):
        """Which rule, which pool, which policy; and who did not take it."""
        self.net.put("rules/r1", service="web", priority=5, pool="web",
                     match={"path-prefix": "/name"})
        self.addCleanup(self.net.delete, "rules/r1")
        self.net.wait_synced()
        sock, host = self.connect(self.net["c1"])[0]
        expected = {
            "switch": "leaf1", "service": "web", "client": "10.1.0.2",
            "client_port": sock.getsockname()[1], "pool": "web",
            "rule": "path-prefix=/name", "by": "switch",
            "policy": "round-robin", "host": host}
        decision = self.decision(sock)
        self.assertLess(abs(decision.pop("time") / 1000 - time.time()), 5)
        self.assertEqual(decision, expected)

        # What no rule was looked at for.
        bad = self.net["c1"].machine.connect((SERVICE_ADDRESS, 80), 10)
        self.addCleanup(bad.close)
        bad.sendall(b"nonsense\r\n\r\n")
        self.assertIn(b" 400 ", bad.recv(4096))
        decision = self.decision(bad)
        self.assertEqual((decision["host"], decision["by"], decision["why"]),
                         (None, "switch", "the request was refused before it "
                          "came to rules"))

        # Another rule does not change why it is there.
        self.net.put("rules/r2", service="web", priority=7, pool="web",
                     match={"path-prefix": "/"})
        self.addCleanup(self.net.delete, "rules/r2")
        self.net.wait_synced()
        self.assertEqual(self.decision(sock)["rule"], "path-prefix=/name")

        # What the request has is told only if that has chosen.
        self.net.patch("pools/web", affinity="cookie.session")
        self.net.wait_synced()
        self.assertNotIn("affinity", self.decision(sock))
        kept, _ = self.connect(self.net["c1"], cookie="session=1")[0]
        decision = self.decision(kept)
        self.assertEqual(decision["affinity"], "cookie.session")
        self.assertNotIn("policy", decision)
        self.net.patch("pools/web", affinity=None)

        server = self.net["h3"].server
        server.process.stop()
        decisions = [self.decision(sock)
                     for sock, _ in self.connect(self.net["c1"], 8)]
        server.start()
        moved = [d for d in decisions if "retargets" in d]
        self.assertEqual([(d["retargets"], d["reason"], d["why"])
                          for d in moved],
                         [(1, "no-listener", "another host, offered it "
                           "before, did not take it: no-listener")])
        self.assertEqual({d["rule"] for d in decisions}, {"path-prefix=/"})
        by = {query: self.list(query, "decisions") for query in
              ("by=switch", "by=webhook", "pool=web", "pool=none")}
        self.assertGreaterEqual(len(by["by=switch"]), 9)
        self.assertGreaterEqual(len(by["pool=web"]), 9)
        self.assertEqual(by["by=webhook"] + by["pool=none"], [])

    def test_top(self):
        """It tells how many connections are handed over in a second."""
        load = self.client.start(*wrk_command(URL, 2, 18, close=True))
        master, slave = os.openpty()
        self.addCleanup(os.close, master)
        top = subprocess.Popen([self.net.tools.find("ovs-migratectl"), "top"],
                               env={**os.environ,
                                    **self.net.ctl_environment()},
                               stdout=slave)
        self.addCleanup(top.wait)
        self.addCleanup(top.kill)
        os.close(slave)
        text, rates = "", []
        while load.alive():
            text += os.read(master, 65536).decode()
            *lines, text = text.split("\n")
            rates += [line.split()[-1] for line in lines
                      if line.startswith("web ")]
        rate = wrk_result(load.output()).rate
        for shown in rates[12:]:
            self.assertAlmostEqual(int(shown), rate, delta=rate / 2,
                                   msg=rates)
        self.assertGreater(len(rates), 14)

    def test_paths(self):
        self.wait_hosts()
        paths = {path["name"]: path for path in self.net.get("paths")["items"]}
        self.assertEqual(len(paths), 4 * 8)
        self.assertEqual((paths["leaf1:h1"]["cost"],
                          paths["leaf1:h1"]["there"]), (0, []))
        path = paths["leaf1:h8"]
        self.assertEqual((path["to"], path["cost"]), ("leaf4", 2))
        self.assertEqual([sorted(step) for step in path["there"]],
                         [["leaf1:spine1", "leaf1:spine2"],
                          ["spine1:leaf4", "spine2:leaf4"]])
        self.assertEqual([sorted(step) for step in path["back"]],
                         [["leaf4:spine1", "leaf4:spine2"],
                          ["spine1:leaf1", "spine2:leaf1"]])
        self.assertEqual(len(self.net.get("paths?host=h8")["items"]), 4)
        self.assertEqual({path["host"] for path in
                          self.net.get("paths?to=leaf4")["items"]},
                         {"h7", "h8"})
        for query, wanted in (("limit=7", list(paths)),
                              ("limit=32", list(paths)),
                              ("limit=3&switch=leaf2", [
                                  f"leaf2:h{i}" for i in range(1, 9)])):
            names, page = [], f"paths?{query}"
            while page:
                answer = self.net.get(page)
                names += [path["name"] for path in answer["items"]]
                page = answer.get("next", "").removeprefix("/v1/")
            self.assertEqual(names, wanted)
        self.assertIn("there: leaf1:spine1|leaf1:spine2, spine1:leaf4|",
                      self.net.ctl("path", "show", "leaf1", "h8"))
        self.net.configLinkStatus("leaf1", "spine2", "down")
        self.addCleanup(self.net.configLinkStatus, "leaf1", "spine2", "up")

        def way():
            return self.net.get("paths?switch=leaf1&host=h8")["items"][0]
        wait_until(lambda: way()["there"] == [["leaf1:spine1"],
                                              ["spine1:leaf4"]],
                   "the other way", 5)
        self.net.configLinkStatus("leaf1", "spine2", "up")


if __name__ == "__main__":
    tap.main()
