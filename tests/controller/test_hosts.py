#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the controller knows about hosts, and what it makes of that."""

import http.server
import re
import shutil
import threading
import time

from controllers import (Controller, ControllerTest, Server, free_port,
                         make_certificate, transact)
from switches import Switch, SwitchesTest, connect
from workspace import run, wait_until
import tap


class HostsTest(SwitchesTest):
    """One switch and three hosts, of whose engine the test plays the part."""

    def setUp(self):
        super().setUp()
        self.switch = Switch(self.workspace, "s1", 1)
        for n in (1, 2, 3):
            self.put(f"hosts/h{n}", ip=f"10.0.0.1{n}")
        self.put("pools/all", hosts={"h1": 1, "h2": 1, "h3": 2})
        self.put("services/web", address="10.0.0.100", port=80,
                 default_pool="all")
        self.add_switch(self.switch, migrate_address="10.0.0.254")
        self.wait_synced(self.switch)

    def host(self, name):
        return self.get(f"hosts/{name}")["status"]

    def events(self, subject=None):
        query = f"?subject={subject}" if subject else ""
        return self.get(f"events{query}")["items"]

    def kinds(self, subject=None):
        return [event["kind"] for event in self.events(subject)]


class Reports(HostsTest):
    def until(self, condition, table, row, *values):
        """Has the switch say this, until the condition holds.  Its dummy
        engine has something else to say every 5 seconds."""
        def look():
            self.switch.vsctl("--no-wait", "set", table, row, *values)
            return condition()
        wait_until(look, " ".join(values))

    def test_status(self):
        self.until(lambda: self.host("h1").get("connections") == "3"
                   and self.host("h1")["handoffs"] == "7"
                   and self.host("h1")["state"] == "up",
                   "Migration_Host", "h1", "status:state=up",
                   "status:connections=3", "status:handoffs=7")
        self.assertEqual(self.kinds("hosts/h1"), [])
        self.until(lambda: "host-down" in self.kinds("hosts/h1"),
                   "Migration_Host", "h1", "status:state=down")
        self.until(lambda: self.kinds("hosts/h1")[:2]
                   == ["host-down", "host-up"],
                   "Migration_Host", "h1", "status:state=up")
        self.until(lambda: self.get("services/web")["statistics"]
                   == {"connections": 4, "handoffs": 5},
                   "Migration_Service", "web", "statistics:connections=4",
                   "statistics:handoffs=5")

    def test_switch(self):
        n = len(self.events())          # That it was connected at last.
        self.switch.kill()
        wait_until(lambda: self.kinds("switches/s1")[n:]
                   == ["switch-disconnected"], "an event")
        self.assertEqual(self.events("switches/s1")[n]["severity"], "error")
        self.switch.start_vswitchd()
        wait_until(lambda: self.kinds("switches/s1")[n:]
                   == ["switch-disconnected", "switch-connected"],
                   "an event")

    def test_limit(self):
        """The oldest events go."""
        self.client("PATCH", "/v1/fabric", {"event_limit": 20})
        transact(self.controller.remote, *(
            {"op": "insert", "table": "Event",
             "row": {"seq": n, "time": n, "severity": "info", "kind": "x",
                     "subject": "x", "text": "x"}} for n in range(101, 131)))
        self.switch.kill()
        wait_until(lambda: "switch-disconnected" in self.kinds(), "an event")
        self.assertEqual([event["seq"] for event in self.events()],
                         list(range(113, 132)))


class WeightsTest(HostsTest):
    def say(self, host, **words):
        response = self.client("POST", f"/v1/agents/{host}", {
            "ip": "10.0.0.1", "state": "up", **words})
        self.assertEqual(response.status, 200, response)

    def pool(self, **body):
        response = self.client("PATCH", "/v1/pools/all", body)
        self.assertEqual(response.status, 200, response)

    def weights(self):
        """Those in the switch."""
        row, = self.switch.table("Migration_Pool", "weights")
        return dict(row["weights"][1])

    def wait_weights(self, *expected, say=lambda: None):
        """Until hosts have these weights.  Agents say what 'say' has them say
        all the time."""
        expected = {f"h{n}": w for n, w in enumerate(expected, 1)}

        def look():
            say()
            return self.weights() == expected
        wait_until(look, f"{expected}, not {self.weights()}")


class Weights(WeightsTest):
    """What is made of operators' weights."""

    def test_capacity(self):
        self.client("PATCH", "/v1/hosts/h1", {"capacity": 100})
        self.wait_weights(1, 1, 2, say=lambda: self.say(
            "h1", connections=99))
        self.wait_weights(0, 1, 2, say=lambda: self.say(
            "h1", connections=100))
        wait_until(lambda: "host-full" in self.kinds("hosts/h1"), "an event")
        self.wait_weights(1, 1, 2, say=lambda: self.say(
            "h1", connections=95))
        self.say("h1", connections=100)
        self.wait_weights(0, 1, 2)
        self.client("PATCH", "/v1/hosts/h1", {"capacity": None})
        self.wait_weights(1, 1, 2)

    def test_capacity_seen_by_switches(self):
        """Without an agent, what switches say counts."""
        self.client("PATCH", "/v1/hosts/h1", {"capacity": 3})

        def say():
            self.switch.vsctl("--no-wait", "set", "Migration_Host", "h1",
                              "status:connections=3")
        self.wait_weights(0, 1, 2, say=say)

    def test_load(self):
        self.pool(weighting="load")

        def say():
            self.say("h1", cpu=100)
            self.say("h2", accept_queue=50)
            self.say("h3", cpu=0)

        def look():
            say()
            weights = self.weights()
            return (weights["h1"] in range(5, 20)
                    and weights["h2"] in range(50, 70)
                    and weights["h3"] == 200)
        wait_until(look, "busy hosts to get less")
        self.pool(weighting=None)
        self.wait_weights(1, 1, 2)

    def test_agent_lost(self):
        """A host whose agent is silent leaves, unless all are."""
        for host in "h1", "h2":
            self.say(host)
        self.say("h3")
        self.wait_weights(0, 0, 2, say=lambda: self.say("h3"))
        wait_until(lambda: "agent-lost" in self.kinds("hosts/h1"), "an event")
        self.wait_weights(1, 1, 2)
        wait_until(lambda: self.kinds("pools/all") == ["pool-open"],
                   "an event")
        self.say("h2")
        self.wait_weights(0, 1, 0, say=lambda: self.say("h2"))
        self.say("h2", state="leaving")
        for host in "h1", "h3":
            self.say(host, state="leaving")
        self.wait_weights(1, 1, 2)

    def test_slow_start(self):
        self.pool(slow_start=3)
        self.wait_weights(1, 1, 2)
        self.client("PATCH", "/v1/hosts/h2", {"state": "draining"})
        self.wait_weights(1, 0, 2)
        self.client("PATCH", "/v1/hosts/h2", {"state": "ready"})
        seen = []

        def look():
            seen.append(self.weights()["h2"])
            return self.weights() == {"h1": 1, "h2": 1, "h3": 2}
        wait_until(look, "the full weight")
        steps = sorted(set(seen) - {0, 1})
        self.assertGreaterEqual(len(steps), 4, seen)
        self.assertLessEqual(steps[0], 30)
        self.assertGreaterEqual(steps[-1], 60)

    def test_steady(self):
        """Nothing is written as long as nothing is to be changed."""
        self.pool(weighting="load", slow_start=1, spill_over=50)

        def cfg():
            return self.switch.vsctl("get", "Open_vSwitch", ".", "next_cfg")
        self.wait_synced(self.switch)
        self.say("h1", cpu=30)
        wait_until(lambda: self.say("h1", cpu=30) or self.weights()["h1"] < 80,
                   "its load to count")
        wait_until(lambda: self.say("h1", cpu=30)
                   or self.switch.ages()[0] > 3, "some time")
        before = cfg()
        for n in range(30):
            self.say("h1", cpu=27 + n % 7)
            time.sleep(0.05)
        self.assertEqual(cfg(), before)


class Metrics(WeightsTest):
    """/metrics."""

    def read(self):
        """The samples by name and labels.  Raises an exception if the text is
        not as Prometheus wants it."""
        text = self.client("GET", "/metrics").body.decode()
        samples, types = {}, {}
        for line in text.splitlines():
            if line.startswith("#"):
                _, word, name, rest = line.split(" ", 3)
                if word == "TYPE":
                    self.assertIn(rest, ("counter", "gauge"))
                    self.assertNotIn(name, types)
                    self.assertEqual(name.endswith("_total"),
                                     rest == "counter", name)
                    types[name] = rest
                continue
            match = re.fullmatch(
                r'(\w+)(\{\w+="[^"]*"(,\w+="[^"]*")*\})? (-?\d+)', line)
            self.assertTrue(match, line)
            self.assertEqual(list(types)[-1], match[1], "its own family")
            key = match[1] + (match[2] or "")
            self.assertNotIn(key, samples)
            samples[key] = int(match[4])
        if shutil.which("promtool"):
            run(["promtool", "check", "metrics"], stdin=None, input=text)
        return samples

    def test_all(self):
        expected = {
            'active': 1, 'database_connected': 1,
            'host_agent_up{host="h1"}': 1, 'host_busy_percent{host="h1"}': 7,
            'host_agent_connections{host="h1"}': 3,
            'host_accept_queue{host="h1"}': 1, 'host_failing{host="h2"}': 0,
            'host_ready{host="h1"}': 1, 'host_ready{host="h2"}': 0,
            'switch_programmed{switch="s1"}': 1,
            'switch_connected{switch="s1",protocol="ovsdb"}': 1,
            'switch_connected{switch="s1",protocol="openflow"}': 1,
            'service_connections{service="web"}': 0,
            'service_handoffs_total{service="web"}': 0,
            'checks_total{result="failure"}': 0}
        self.client("PATCH", "/v1/hosts/h2", {"state": "draining"})

        def look():
            self.say("h1", cpu=7, connections=3, accept_queue=1)
            samples = self.read()
            return not [name for name, value in expected.items()
                        if samples.get(f"ovs_migrate_{name}") != value]
        wait_until(look, "these samples")
        self.assertGreater(self.read()["ovs_migrate_events_total"], 0)
        self.assertNotIn('ovs_migrate_host_agent_up{host="h2"}', self.read())


class WebServer(http.server.ThreadingHTTPServer):
    """Answers with 'status'; None: not at all."""

    daemon_threads = True
    status = 200

    class RequestHandlerClass(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.server.paths.append(self.path)
            while self.server.status is None:
                time.sleep(0.05)
            self.send_response(self.server.status)
            self.end_headers()

        def log_message(self, *_):
            pass

    def __init__(self, address):
        super().__init__(address, self.RequestHandlerClass)
        self.paths = []
        threading.Thread(target=self.serve_forever, args=(0.05,),
                         daemon=True).start()

    def stop(self):
        self.status = 500
        self.shutdown()
        self.server_close()


class Checks(WeightsTest):
    """Active checks of three servers at the loopback interface."""

    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.servers = {}
        for n in (1, 2, 3):
            self.serve(n)
            self.client("PATCH", f"/v1/hosts/h{n}",
                        {"check_address": f"127.0.0.{n}"})

    def serve(self, n):
        server = WebServer((f"127.0.0.{n}", self.port))
        self.servers[n] = server
        self.addCleanup(server.stop)

    def check(self, kind, **more):
        self.pool(check=kind, check_port=self.port, check_interval=100,
                  check_timeout=1000, **more)

    def test_http(self):
        self.check("http", check_path="/alive?x")
        wait_until(lambda: all(len(server.paths) > 3
                               for server in self.servers.values()),
                   "checks")
        self.assertEqual(set(self.servers[1].paths), {"/alive?x"})
        self.assertEqual(self.weights(), {"h1": 1, "h2": 1, "h3": 2})
        for n, status, words in ((1, 503, "status 503"),
                                 (2, 404, "status 404"),
                                 (3, None, "no answer in time")):
            with self.subTest(words):
                self.servers[n].status = status
                self.wait_weights(*(0 if m == n else m // 3 + 1
                                    for m in (1, 2, 3)))
                wait_until(lambda: self.host(f"h{n}").get("failing")
                           == "all", "its status")
                wait_until(lambda: any(
                    event["kind"] == "check-failed"
                    and event["text"].endswith(words)
                    for event in self.events(f"hosts/h{n}")), "an event")
                self.servers[n].status = 302
                self.wait_weights(1, 1, 2)
                wait_until(lambda: "failing" not in self.host(f"h{n}"),
                           "its status")
                wait_until(lambda: self.kinds(f"hosts/h{n}")
                           == ["check-failed", "check-passed"], "both events")

    def test_tcp(self):
        self.check("tcp")
        self.servers.pop(2).stop()
        self.wait_weights(1, 0, 2)
        wait_until(lambda: self.events("hosts/h2"), "an event")
        self.assertIn("refused", self.events("hosts/h2")[0]["text"])
        self.serve(2)
        self.wait_weights(1, 1, 2)

    def test_all_fail(self):
        """When all fail at once, none leaves."""
        self.check("http")
        self.servers[1].status = 500
        self.wait_weights(0, 1, 2)
        for server in self.servers.values():
            server.status = 500
        wait_until(lambda: "pool-open" in self.kinds("pools/all"), "an event")
        self.wait_weights(1, 1, 2)
        self.servers[3].status = 200
        self.wait_weights(0, 0, 2)
        wait_until(lambda: self.kinds("pools/all")
                   == ["pool-open", "pool-checked"], "an event")

    def test_thresholds(self):
        """A host that fails now and then stays."""
        self.check("http", check_fall=10)
        server = self.servers[1]
        for _ in range(5):
            n = len(server.paths)
            server.status = 500
            wait_until(lambda: len(server.paths) >= n + 1, "a check")
            server.status = 200
            wait_until(lambda: len(server.paths) >= n + 3, "more checks")
        self.assertEqual(self.kinds("hosts/h1"), [])
        self.assertEqual(self.weights(), {"h1": 1, "h2": 1, "h3": 2})

    def test_no_more(self):
        """Without a check, all are up; changes of it take effect."""
        self.check("tcp")
        self.servers.pop(1).stop()
        self.wait_weights(0, 1, 2)
        self.pool(check=None)
        self.wait_weights(1, 1, 2)
        response = self.client("PATCH", "/v1/pools/all",
                               {"check": "tcp", "check_port": None})
        self.assertEqual(response.status, 422, response)
        self.assertEqual(response.json["errors"][0]["field"], "/check_port")

    def test_slow_controller(self):
        """Servers that never answer do not hold the controller up."""
        for server in self.servers.values():
            server.status = None
        self.pool(check="http", check_port=self.port, check_interval=100,
                  check_timeout=60000)
        wait_until(lambda: all(server.paths
                               for server in self.servers.values()), "checks")
        start = time.monotonic()
        for _ in range(20):
            self.get("hosts/h1")
        self.assertLess(time.monotonic() - start, 2)


class Places(SwitchesTest):
    """Two switches with a host at each."""

    def weights(self, switch):
        """{} as long as the pool has not come there."""
        rows = switch.table("Migration_Pool", "weights")
        self.assertLess(len(rows), 2)
        return dict(rows[0]["weights"][1]) if rows else {}

    def test_nearest(self):
        switches = [Switch(self.workspace, f"s{n}", n) for n in (1, 2)]
        for n, switch in enumerate(switches, 1):
            switch.add_port("p1")
            self.add_switch(switch, migrate_address=f"10.0.0.25{n}")
            self.put(f"hosts/h{n}", ip=f"10.0.0.1{n}", switch=f"s{n}",
                     port="p1", mac=f"02:00:00:00:01:0{n}", capacity=100)
        connect(switches[0], "l1", switches[1], "l1")
        self.put("pools/all", hosts={"h1": 1, "h2": 1}, spill_over=80)
        self.put("services/web", address="10.0.0.100", port=80,
                 default_pool="all")
        wait_until(lambda: [self.weights(s) for s in switches]
                   == [{"h1": 1, "h2": 0}, {"h1": 0, "h2": 1}],
                   "each switch to use its own host")

        def busy(connections):
            self.client("POST", "/v1/agents/h1", {
                "ip": "10.0.0.11", "state": "up",
                "connections": connections})
            return [self.weights(s) for s in switches]
        wait_until(lambda: busy(99) == [{"h1": 1, "h2": 1},
                                        {"h1": 0, "h2": 1}],
                   "the other one to help")
        wait_until(lambda: busy(10) == [{"h1": 1, "h2": 0},
                                        {"h1": 0, "h2": 1}],
                   "that to end")


class Agents(ControllerTest):
    """What agents say, over HTTPS."""

    AGENT, WRITER = "a" * 16, "w" * 16

    def setUp(self):
        super().setUp()
        certificate, key = make_certificate(self.workspace)
        tokens = self.workspace.write(
            "tokens", f"h1 agent {self.AGENT}\nboss write {self.WRITER}\n",
            0o600)
        self.certificate = certificate
        self.db = Server(self.workspace)
        self.args = [
            "--rest=https:127.0.0.1:0", f"--rest-tokens={tokens}",
            f"--rest-certificate={certificate}", f"--rest-private-key={key}"]
        self.controller = Controller(self.workspace, db=self.db.remote,
                                     args=self.args)
        self.use(self.controller)

    def use(self, controller):
        controller.wait_active()
        self.agent, self.writer = (
            controller.client(token=token, certificate=self.certificate)
            for token in (self.AGENT, self.WRITER))

    def say(self, client=None, name="h1", **words):
        return (client or self.agent)("POST", f"/v1/agents/{name}", {
            "ip": "10.0.0.11", "state": "up", **words})

    def register(self):
        wait_until(lambda: self.say().status == 201, "the host to be created")

    def status(self):
        return self.writer("GET", "/v1/hosts/h1").json["status"]

    def kinds(self):
        events = self.writer("GET", "/v1/events?subject=hosts/h1")
        return [event["kind"] for event in events.json["items"]]

    def test_register(self):
        self.register()
        response = self.writer("PATCH", "/v1/fabric", {
            "current_key": "1" * 32, "accepted_key": "2" * 32})
        self.assertEqual(response.status, 200, response)
        response = self.say(version="1", kernel="6.18", cpu=50,
                            addresses=["10.0.0.11", "fd00::11"],
                            connections=7, accept_queue=2)
        self.assertEqual(response.status, 200, response)
        self.assertEqual(response.json["keys"], ["1" * 32, "2" * 32])
        wait_until(lambda: self.status().get("agent") == "up", "its status")
        self.assertGreater(int(self.status().pop("agent-heard")), 0)
        self.assertEqual(self.status(), {
            "agent": "up", "agent-heard": self.status()["agent-heard"],
            "agent-version": "1", "kernel": "6.18", "cpu": "50",
            "addresses": "10.0.0.11,fd00::11", "agent-connections": "7",
            "accept-queue": "2"})
        self.say(state="stopped")
        wait_until(lambda: self.status()["agent"] == "stopped", "its status")
        self.say()
        wait_until(lambda: self.status()["agent"] == "up", "its status")
        wait_until(lambda: self.status()["agent"] == "lost", "to be missed")
        self.say(state="leaving")
        wait_until(lambda: self.status() == {}, "its leave")
        wait_until(lambda: len(self.kinds()) >= 5, "five events")
        self.assertEqual(self.kinds(), ["agent-up", "agent-stopped",
                                        "agent-up", "agent-lost",
                                        "agent-left"])

    def test_another_controller(self):
        """Who was heard by one controller is waited for by the next one."""
        self.register()
        self.say()
        wait_until(lambda: self.status().get("agent") == "up", "its status")
        other = Controller(self.workspace, "c2", db=self.db.remote,
                           args=self.args)
        agent = other.client(token=self.AGENT, certificate=self.certificate)
        self.assertEqual(self.say(agent).status, 503)
        # It may have been missed until the other controller was there.
        wait_until(lambda: self.say() and self.status()["agent"] == "up",
                   "its status")
        self.controller.kill()
        self.use(other)
        self.assertEqual(self.status()["agent"], "up")
        wait_until(lambda: self.status()["agent"] == "lost", "to be missed")

    def test_rights(self):
        """An agent's token is for that, and for its own host."""
        self.register()
        for method, path in (("GET", "/v1/hosts/h1"), ("GET", "/v1/fabric"),
                             ("GET", "/metrics"), ("DELETE", "/v1/hosts/h1"),
                             ("POST", "/v1/changes"),
                             ("GET", "/v1/agents/h1")):
            response = self.agent(method, path)
            self.assertEqual(response.status, 403, (method, path, response))
        self.assertEqual(self.say(name="h2").status, 403)
        response = self.say(self.writer)
        self.assertEqual(response.status, 200)
        self.assertNotIn("keys", response.json)

    def test_conflict(self):
        """It cannot take another one's address."""
        self.assertEqual(self.writer("PUT", "/v1/hosts/other",
                                     {"ip": "10.0.0.11"}).status, 201)
        response = self.say()
        self.assertEqual(response.status, 409, response)
        self.assertEqual(response.json["errors"][0]["field"], "/ip")

    def test_bad(self):
        for words, field in (({"ip": 7}, "/ip"), ({"state": "x"}, "/state"),
                             ({"cpu": 101}, "/cpu"), ({"cpu": -1}, "/cpu"),
                             ({"connections": "7"}, "/connections"),
                             ({"version": "x" * 128}, "/version"),
                             ({"kernel": "a\nb"}, "/kernel"),
                             ({"addresses": ["x"] * 65}, "/addresses"),
                             ({"addresses": [7]}, "/addresses"),
                             ({"a/b": 7}, "/a~1b")):
            with self.subTest(field):
                response = self.say(**words)
                self.assertEqual(response.status, 422, response)
                self.assertEqual([e["field"] for e in
                                  response.json["errors"]], [field])


if __name__ == "__main__":
    tap.main()
