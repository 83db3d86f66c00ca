#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ovs-migratectl, as people and scripts use it."""

import json
import os
import re
import subprocess

from controllers import (REPOSITORY, TOOLS, Controller, ControllerTest,
                         Server, free_port, make_certificate, transact)
from workspace import run, wait_until
import tap

FABRIC = {
    "hosts": {"h1": {"ip": "10.0.0.11"},
              "h2": {"ip": "10.0.0.12", "capacity": 5}},
    "pools": {"all": {"hosts": {"h1": 1, "h2": 2}}},
    "services": {"web": {"address": "10.0.0.100", "port": 80,
                         "default_pool": "all"}},
    "rules": {"r1": {"service": "web", "priority": 1, "pool": "all",
                     "match": {"header.Cookie": "*a=b*"}}},
    "fabric": {"mtu": 9000},
}


class Ctl(ControllerTest):
    def setUp(self):
        super().setUp()
        # After a restart, too, it is to be found.
        self.controller = Controller(self.workspace, args=[
            f"--rest=http:127.0.0.1:{free_port()}"])
        self.controller.wait_active()
        self.client = self.controller.wait_ready()
        self.url = self.controller.urls()[0]

    def ctl(self, *words, status=0, env=(), text=None):
        """Runs it; returns what it prints, on both channels."""
        done = subprocess.run(
            [TOOLS.find("ovs-migratectl"), *words],
            env={**os.environ, "OVS_MIGRATE_URL": self.url, **dict(env)},
            input=text or "", stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=30)
        self.assertEqual(done.returncode, status, (words, done.stdout))
        return done.stdout

    def rows(self, *words):
        """The table that it prints, without the head."""
        return [line.split() for line in self.ctl(*words).splitlines()[1:]]

    def make(self):
        self.ctl("apply", "-f", "-", text=json.dumps(FABRIC))

    def test_top(self):
        """Once, without a terminal."""
        self.make()
        lines = [line.split() for line in self.ctl("top").splitlines()]
        self.assertEqual(lines[1][:3], ["web", "10.0.0.100", "80"])
        self.assertEqual(lines[3][0], "HOST")
        self.assertEqual({line[0] for line in lines[4:]}, {"h1", "h2"})
        top = json.loads(self.ctl("top", "-o", "json"))
        self.assertEqual(([s["name"] for s in top["services"]],
                          [h["name"] for h in top["hosts"]]),
                         (["web"], ["h1", "h2"]))

    def test_top_on_terminal(self):
        """Anew every second."""
        self.make()
        master, slave = os.openpty()
        self.addCleanup(os.close, master)
        process = subprocess.Popen(
            [TOOLS.find("ovs-migratectl"), "--url", self.url, "top"],
            stdout=slave)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        os.close(slave)
        text = b""
        while text.count(b"SERVICE") < 3:
            text += os.read(master, 65536)
        # There may be more, if it was read late.
        text = b"SERVICE".join(text.split(b"SERVICE")[:3])
        self.assertEqual(text.count(b"\033[H\033[2J"), 3)
        self.assertIn(b"10.0.0.100 80", text)

    def add_event(self, seq, text="event"):
        """Adds it, and waits until the controller has heard of it."""
        transact(self.controller.remote, {
            "op": "insert", "table": "Event",
            "row": {"seq": seq, "time": 1000, "severity": "info",
                    "kind": "x", "subject": "hosts/h1",
                    "text": text}})
        client = self.controller.client()
        wait_until(lambda: client("GET", f"/v1/events/{seq}").status == 200,
                   f"the controller to hear of event {seq}")

    def watch(self):
        """Starts it, and waits until it follows."""
        process = subprocess.Popen(
            [TOOLS.find("ovs-migratectl"), "--url", self.url, "-o", "json",
             "watch"], stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        wait_until(lambda: self.streams() == 1, "it to follow")
        return process

    def streams(self):
        text = self.client("GET", "/metrics").body.decode()
        return int(text.partition("\novs_migrate_http_streams ")[2].split()[0])

    def test_watch(self):
        """Events, as they happen."""
        process = self.watch()
        for seq in range(1001, 1004):
            self.add_event(seq)
            self.assertEqual(json.loads(process.stdout.readline())["seq"],
                             seq)

    def test_watch_goes_on(self):
        """At the controller's successor, with what has happened in between,
        whether there were events before or not."""
        process = self.watch()
        for seq in range(1001, 1003):
            self.controller.kill()
            self.controller.start()
            self.controller.wait_ready()
            self.add_event(seq)
            self.assertEqual(json.loads(process.stdout.readline())["seq"],
                             seq)

    def test_tables(self):
        """What matters most of a status has columns of its own."""
        self.make()
        self.assertEqual(self.ctl("host", "list").splitlines()[0].split(),
                         ["NAME", "IP", "STATE", "STATUS", "STATE", "AGENT",
                          "CONNECTIONS", "SWITCH", "PORT"])
        self.ctl("switch", "add", "leaf1", "dpid=0000000000000001",
                 "ovsdb=unix:/no/such")
        wait_until(lambda: " ".join(self.rows("switch", "list")[0]) ==
                   "leaf1 0000000000000001 - disconnected disconnected set "
                   "its column openflow; ovsdb, unix:/no/such: No such file "
                   "or directory", "the switch's status")

    def test_control_characters(self):
        """Nothing that others have chosen does something to a terminal."""
        odd = "a\x1b[2Jb\x7fc\x9b2Jd\u00e4"
        self.add_event(1, odd)
        for words in (["event", "show", "1"], ["event", "list"]):
            text = self.ctl(*words)
            self.assertIn("a?[2Jb?c??2Jd\u00e4", text)
            self.assertEqual(re.findall(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]",
                                        text), [])
        self.assertEqual(json.loads(self.ctl("event", "show", "1", "-o",
                                             "json"))["text"], odd)

    def test_trace_nothing(self):
        self.assertIn("knows a connection of 10.9.9.9:1", self.ctl(
            "trace", "10.9.9.9:1", status=1))
        self.assertIn("no ADDRESS:PORT", self.ctl("trace", "10.9.9.9",
                                                  status=2))

    def test_live_lists(self):
        """Of what is not in the database."""
        for words, head in (
                (["connection", "list"], "NAME"),
                (["connections", "list", "client=10.9.9.9"], "NAME"),
                (["decision", "list", "by=switch"], "CLIENT"),
                (["path", "list", "switch=s1"], "SWITCH")):
            with self.subTest(words):
                lines = self.ctl(*words).splitlines()
                self.assertEqual([line.split()[0] for line in lines], [head])
                self.assertEqual(json.loads(self.ctl(*words, "-o", "json")),
                                 [])
        self.assertIn("there is no switch", self.ctl(
            "path", "show", "s1", "h1", status=1))
        self.assertIn("which did not take it", self.ctl("decision", "fields"))
        self.assertIn('parameter "colour=red"', self.ctl(
            "connection", "list", "colour=red", status=1))

    def test_one_by_one(self):
        self.ctl("host", "add", "h1", "ip=10.0.0.11")
        self.ctl("host", "add", "h2", "ip=10.0.0.12", "capacity=5")
        self.ctl("pool", "add", "all", "hosts.h1=1", "hosts.h2=2")
        self.ctl("service", "add", "web", "address=10.0.0.100", "port=80",
                 "default_pool=all")
        self.ctl("rule", "add", "r1", "service=web", "priority=1", "pool=all",
                 "match.header.Cookie=*a=b*")
        self.ctl("fabric", "set", "mtu=9000")
        self.assertEqual(json.loads(self.ctl("export")),
                         {**FABRIC, "switches": {}})
        self.assertEqual(self.rows("rule", "list"),
                         [["r1", "web", "1", "header.Cookie=*a=b*", "all"]])
        self.ctl("rule", "rm", "r1")
        self.ctl("service", "rm", "web")
        self.assertEqual(self.rows("rules", "list"), [])

    def test_set(self):
        self.make()
        self.ctl("pool", "set", "all", "hosts.h1=", "hosts.h2=7",
                 "policy=source-hash", "affinity=cookie.session")
        self.ctl("host", "set", "h2", "capacity=")
        export = json.loads(self.ctl("export"))
        self.assertEqual(export["pools"]["all"],
                         {"hosts": {"h2": 7}, "policy": "source-hash",
                          "affinity": "cookie.session"})
        self.assertEqual(export["hosts"]["h2"], {"ip": "10.0.0.12"})

    def test_show(self):
        """Members of objects as they would be set."""
        self.make()
        self.assertEqual(self.ctl("pool", "show", "all").splitlines()[:4],
                         ["name: all", "policy: round-robin", "hosts.h1: 1",
                          "hosts.h2: 2"])
        self.assertIn("match.header.Cookie: *a=b*\n",
                      self.ctl("rule", "show", "r1"))

    def test_drain(self):
        self.make()
        self.ctl("host", "drain", "h1", "h2")
        self.assertEqual([row[:3] for row in
                          self.rows("host", "list", "state=draining")],
                         [["h1", "10.0.0.11", "draining"],
                          ["h2", "10.0.0.12", "draining"]])
        self.ctl("host", "ready", "h1")
        self.assertIn("state: ready", self.ctl("host", "show", "h1"))

    def test_json(self):
        self.make()
        host = json.loads(self.ctl("-o", "json", "host", "show", "h1"))
        self.assertEqual(host, self.client("GET", "/v1/hosts/h1").json)
        hosts = json.loads(self.ctl("host", "list", "-o", "json"))
        self.assertEqual([h["name"] for h in hosts], ["h1", "h2"])
        self.assertEqual(json.loads(self.ctl("-o", "json", "status"))
                         ["status"], "ok")

    def test_apply(self):
        text = self.ctl("apply", "-f", "-", "--dry-run",
                        text=json.dumps(FABRIC))
        self.assertIn("6 changes would be made", text)
        self.assertEqual(self.rows("host", "list"), [])
        self.assertIn("6 changes made", self.ctl("apply", "-f", "-",
                                                 text=json.dumps(FABRIC)))
        export = self.ctl("export")
        self.assertEqual(json.loads(export), {**FABRIC, "switches": {}})
        self.assertIn("0 changes made", self.ctl("apply", "-f", "-",
                                                 text=export))
        wanted = {"hosts": {"h2": {"ip": "10.0.0.12", "state": "draining"},
                            "h3": {"ip": "10.0.0.13"}},
                  "pools": {"all": {"hosts": {"h2": 2, "h3": 3}}}}
        path = self.workspace.write("wanted.json", json.dumps(wanted))
        text = self.ctl("apply", "-f", path, "--prune", "--dry-run")
        self.assertEqual(text.splitlines(), [
            "~ host h2", "    capacity: 5 -> (none)",
            "    state: ready -> draining", "+ host h3",
            "    ip: (none) -> 10.0.0.13", "- host h1", "~ pool all",
            "    hosts.h1: 1 -> (none)", "    hosts.h3: (none) -> 3",
            "4 changes would be made"])
        self.assertEqual(self.ctl("export"), export)
        self.assertIn("3 changes made\n1 more",
                      self.ctl("apply", "-f", path))
        self.assertIn("1 change made",
                      self.ctl("apply", "-f", path, "--prune"))
        got = json.loads(self.ctl("export"))
        self.assertEqual(got["hosts"], wanted["hosts"])
        self.assertEqual(got["pools"], wanted["pools"])
        self.assertEqual(got["services"], FABRIC["services"])

    def test_apply_all_or_nothing(self):
        bad = {**FABRIC, "pools": {"all": {"hosts": {"h9": 1}}}}
        text = self.ctl("apply", "-f", "-", text=json.dumps(bad), status=1)
        self.assertIn("/pools/all/hosts/h9: there is no host", text)
        self.assertIn("nothing was changed", text)
        self.assertEqual(self.rows("host", "list"), [])

    def test_apply_many(self):
        """More than are listed in one page."""
        hosts = {f"h{n}": {"ip": f"10.{n // 62500}.{n // 250 % 250}."
                                 f"{n % 250 + 1}"} for n in range(10500)}
        self.assertIn("10500 changes made", self.ctl(
            "apply", "-f", "-", text=json.dumps({"hosts": hosts})))
        self.assertEqual({row[0] for row in self.rows("host", "list")},
                         set(hosts))
        self.assertEqual({host["name"] for host in json.loads(
            self.ctl("host", "list", "-o", "json"))}, set(hosts))

    def test_bad_files(self):
        for text in ("", "{", "[]", '{"colours": {}}', '{"hosts": []}',
                     '{"hosts": {"h1": 1}}', '{"host": {}}',
                     '{"events": {}}', '{"hosts": {}, "hosts": {}}'):
            with self.subTest(text):
                self.ctl("apply", "-f", "-", text=text, status=2)
        self.ctl("apply", "-f", "/no/such/file", status=2)

    def test_usage(self):
        for words in ([], ["colour"], ["host"], ["host", "paint"],
                      ["host", "add"], ["host", "set", "h1"],
                      ["host", "add", "h1", "ip"],
                      ["host", "add", "h1", "colour=red"],
                      ["host", "add", "h1", "status.x=1"],
                      ["host", "add", "h1", "capacity=many"],
                      ["host", "add", "h1", "ip.x=1"],
                      ["pool", "add", "p", "hosts=h1"],
                      ["pool", "drain", "p"], ["event", "add", "x"],
                      ["fabric", "list"], ["fabric", "rm"], ["apply"],
                      ["connection", "show", "x"], ["decision", "rm", "x"],
                      ["path", "show"], ["path", "show", "s1"],
                      ["path", "show", "s1", "h1", "h2"],
                      ["apply", "x", "-f", "y"], ["--paint"],
                      ["-o", "xml", "status"], ["status", "x"],
                      ["export", "x"]):
            with self.subTest(words):
                self.ctl(*words, status=2)
        self.assertIn("usage", self.ctl("--help"))
        self.assertIn("ovs-migratectl", self.ctl("--version"))

    def test_refused(self):
        self.make()
        self.assertIn("is in use by pool", self.ctl("host", "rm", "h1",
                                                    status=1))
        self.assertIn("/ip:", self.ctl("host", "set", "h1", "ip=x", status=1))
        self.ctl("host", "show", "h9", status=1)
        self.assertIn('there is a host "h1" already; "set" changes it',
                      self.ctl("host", "add", "h1", "ip=10.0.0.11", status=1))

    def test_unreachable(self):
        nobody = "http://127.0.0.1:1"
        self.ctl("status", "--url", self.url + "/")
        text = self.ctl("status", "--url", nobody, status=3)
        self.assertIn("no controller can be reached", text)
        text = self.ctl("host", "add", "h1", "ip=10.0.0.11", "--url",
                        f"{nobody},{self.url}")
        self.assertEqual(text.count(nobody), 1)
        self.assertEqual(len(self.rows("host", "list")), 1)

    def test_another_controller(self):
        """One that cannot reach its database is no good."""
        server = Server(self.workspace)
        other = Controller(self.workspace, "c2", server.remote)
        client = other.wait_ready()
        server.process.kill()
        wait_until(lambda: client("GET", "/healthz").status == 503,
                   "the loss of the database")
        self.ctl("status", "--url", f"{other.urls()[0]},{self.url}")
        self.ctl("status", "--url", other.urls()[0], status=3)

    def test_token(self):
        tokens = self.workspace.write("tokens", f"a write {'w' * 16}\n",
                                      0o600)
        token = self.workspace.write("token", "w" * 16 + "\n", 0o600)
        guarded = Controller(self.workspace, "c2",
                             args=[f"--rest-tokens={tokens}"])
        url = guarded.urls()[0]
        self.assertIn("give --token-file", self.ctl("host", "list", "--url",
                                                    url, status=1))
        self.ctl("host", "list", "--url", url, "--token-file", token)
        self.ctl("host", "list", env={"OVS_MIGRATE_URL": url,
                                      "OVS_MIGRATE_TOKEN_FILE": token,
                                      "OVS_MIGRATE_CA_CERT": ""})
        self.ctl("host", "list", "--token-file", "/no/file", status=2)

    def test_https(self):
        """Whoever speaks to it as if it were http is told."""
        certificate, key = make_certificate(self.workspace)
        other = Controller(self.workspace, "c2", args=[
            "--rest=https:127.0.0.1:0", f"--rest-certificate={certificate}",
            f"--rest-private-key={key}"])
        url = other.urls()[0]
        self.ctl("status", "--url", url, "--ca-cert", certificate)
        self.ctl("status", env={"OVS_MIGRATE_URL": url,
                                "OVS_MIGRATE_CA_CERT": certificate})
        text = self.ctl("status", "--url", url.replace("https", "http"),
                        status=3)
        self.assertIn("may want https:", text)
        self.assertNotIn("may have been done", text)
        self.assertIn("certificate", self.ctl("status", "--url", url,
                                              status=3))

    def complete(self, line):
        """What bash offers for 'line'."""
        script = ("source %s/controller/cli/ovs-migratectl.bash\n"
                  "compopt() { :; }\n"
                  "COMP_LINE=$1 COMP_POINT=${#1}\n"
                  "_ovs_migratectl\n"
                  "printf '%%s\\n' \"${COMPREPLY[@]}\"" % REPOSITORY)
        return run(["bash", "-c", script, "bash", f"ovs-migratectl {line}"],
                   env={**os.environ, "OVS_MIGRATE_URL": self.url}).split()

    def test_completion(self):
        self.make()
        self.ctl("switch", "add", "leaf1", "dpid=0000000000000001")
        wanted = self.workspace.write("wanted.json", "{}")
        for line, offers in (
                ("ho", ["host"]), ("a", ["apply"]),
                ("host dr", ["drain"]), ("host show ", ["h1", "h2"]),
                ("hosts rm h2", ["h2"]), ("event a", []),
                ("host set h1 state=r", ["ready"]),
                ("host set h1 i", ["ip="]), ("pool set all ho", ["hosts."]),
                ("fabric set mt", ["mtu="]), ("nothing x", []),
                ("host list state=", ["down", "draining", "ready"]),
                ("host list ext", []), ("connection ", ["fields", "list"]),
                ("connection list cl", ["client=", "client_port="]),
                ("decision list by=w", ["webhook"]),
                ("path sh", ["show"]), ("path show l", ["leaf1"]),
                ("path show leaf1 ", ["h1", "h2"]),
                ("apply --pr", ["--prune"]), ("-o j", ["json"]),
                (f"apply -f {wanted[:-3]}", [wanted]),
                (f"--url {self.url} service sh", ["show"]),
                ("service add web pr", [f"protocol={p}" for p in (
                    "auto", "h2c", "http", "tcp", "tls")])):
            with self.subTest(line):
                self.assertEqual(sorted(self.complete(line)), offers)


if __name__ == "__main__":
    tap.main()
