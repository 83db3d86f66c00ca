#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Services whose connections' hosts the controller, or its webhook, chooses,
on a fabric of leaves and spines."""

import collections
import http.server
import json
import re
import signal
import threading
import time

import tap
from fabrictest import SERVICE_ADDRESS, URL, FabricTest
from labtest import curl
from workspace import wait_until, wait_value

ALONE = True                    # It measures times.


class Orchestrator:
    """A webhook.  'answer' makes what is answered of what was asked: a status
    and a body."""

    def __init__(self):
        self.questions = []
        self.answer = lambda question: (204, b"")
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                length = int(self.headers["Content-Length"])
                question = json.loads(self.rfile.read(length))
                outer.questions.append(question)
                status, body = outer.answer(question)
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass        # It does not wait any more.

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0),
                                                      Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/decide"
        threading.Thread(target=self.server.serve_forever,
                         daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def host(name):
    """The answer that says a host."""
    return lambda question: (200, json.dumps({"host": name}).encode())


class Decide(FabricTest):
    def setUp(self):
        super().setUp()
        self.leaf = self.net["leaf1"].ovs
        self.wait_hosts()
        self.hook = Orchestrator()
        self.addCleanup(self.hook.close)

    def tearDown(self):
        self.net.patch("services/web", decide=None, decide_timeout=None,
                       decide_webhook=None)
        self.net.patch("hosts/h5", state=None, capacity=None)
        self.net.patch("pools/web", spill_over=None)
        super().tearDown()

    def decide(self, **members):
        self.net.patch("services/web", decide="controller", **members)
        self.net.wait_synced()

    def counters(self):
        text = self.leaf.appctl("migrate/counters")
        return collections.Counter({
            name: int(value) for name, value
            in re.findall(r"^ *([\w-]+) +(\d+)", text, re.M)})

    def assert_counted(self, before, numbers):
        """Counters have moved by so much since 'before', if not at once."""
        def moved():
            new = self.counters() - before
            return {name: new[name] for name in numbers}
        self.assertEqual(wait_value(moved, numbers), numbers)

    def answered(self, n=8, path="/name"):
        """The bodies of answers to the client."""
        answers = [curl(self.client, URL.replace("/name", path))
                   for _ in range(n)]
        self.assertEqual({answer.status for answer in answers}, {200})
        return [answer.body.strip() for answer in answers]

    def test_controller(self):
        """Over all switches, hosts get connections by their weights."""
        self.decide(decide_timeout=1000)
        before = self.counters()
        served = collections.Counter(self.answered(16))
        self.assertEqual(len(served), 8, served)
        self.assertLessEqual(max(served.values()), 3, served)
        self.assert_counted(before, {"decide": 16, "decided": 16})

    def test_webhook(self):
        self.decide(decide_timeout=1000, decide_webhook=self.hook.url)
        self.hook.answer = host("h5")
        self.assertEqual(set(self.answered()), {"h5"})
        question = self.hook.questions[-1]
        self.assertEqual(
            {name: question[name] for name in ("service", "switch", "client",
                                               "pool", "rule")},
            {"service": "web", "switch": "leaf1", "client": "10.1.0.2",
             "pool": "web", "rule": "default"})
        self.assertEqual(sorted(question["candidates"]),
                         sorted(h.name for h in self.net.servers))
        self.assertEqual(question["request"]["method"], "GET")
        self.assertEqual(question["request"]["path"], "/name")
        self.assertIn("user-agent", question["request"]["headers"])

    def test_webhook_leaves_it(self):
        self.decide(decide_timeout=1000, decide_webhook=self.hook.url)
        before = self.counters()
        self.answered(8)
        self.assertEqual(len(self.hook.questions), 8)
        self.assert_counted(before, {"decided": 8})

    def test_unfit(self):
        """The pool's policy decides, and there is an event."""
        self.decide(decide_timeout=1000, decide_webhook=self.hook.url)
        before = self.counters()
        for answer in (lambda q: (200, b"{}"),
                       lambda q: (200, b"\xff no JSON"), host("nobody"),
                       lambda q: (200, b'{"host": "\xff"}'),
                       host("x" + 99 * "\u00e4")):
            self.hook.answer = answer
            self.answered(2)
        self.assert_counted(before, {"decide-declined": 10})
        self.assertIn('"x', self.net.get("decisions")["items"][0]["why"])
        wait_until(lambda: [e for e in self.net.get("events")["items"]
                            if e["kind"] == "webhook-failed"
                            and '"x' in e["text"]], "an event", 15)

    def test_drained(self):
        """A host that is being drained is no candidate."""
        self.net.patch("hosts/h5", state="draining")
        self.hook.answer = host("h5")
        self.decide(decide_timeout=1000, decide_webhook=self.hook.url)
        self.assertNotIn("h5", self.answered(4))
        self.assertNotIn("h5", self.hook.questions[0]["candidates"])

    def test_near(self):
        """Weights are those of the switch that asks: where the nearest hosts
        are to take everything, they do."""
        self.net.patch("pools/web", spill_over=80)
        self.decide(decide_timeout=1000)
        before = self.counters()
        self.assertEqual(set(self.answered(8)), {"h1", "h2"})
        self.assert_counted(before, {"decided": 8})

    def test_full(self):
        """A host at its capacity is no candidate."""
        self.hook.answer = host("h5")
        self.decide(decide_timeout=1000, decide_webhook=self.hook.url)
        sock = self.client.connect((SERVICE_ADDRESS, 80))
        self.addCleanup(sock.close)
        sock.sendall(b"GET /name HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertIn(b"h5", sock.recv(4096))
        self.net.patch("hosts/h5", capacity=1)

        def is_full():
            self.answered(1)
            return "h5" not in self.hook.questions[-1]["candidates"]
        wait_until(is_full, "h5 to be full", 20, 0.5)
        self.assertNotIn("h5", self.answered(4))
        sock.close()
        wait_until(lambda: not is_full(), "h5 to be free", 40, 0.5)

    def test_webhook_hangs(self):
        """Nobody waits longer than the service allows, and after a few not at
        all."""
        def hang(_question):
            time.sleep(3)
            return 204, b""
        self.hook.answer = hang
        self.decide(decide_timeout=300, decide_webhook=self.hook.url)
        times = []
        for _ in range(6):
            begun = time.monotonic()
            self.answered(1)
            times.append(time.monotonic() - begun)
        self.assertLess(max(times), 1, times)
        self.assertGreater(times[0], 0.2, times)
        self.assertLess(times[4], 0.3, times)   # It has not waited.
        self.assertLessEqual(len(self.hook.questions), 4)

    def test_controller_away(self):
        """The pool's policy decides, and soon nobody waits."""
        self.decide(decide_timeout=500)
        before = self.counters()
        process = self.net.controller.process
        process.send(signal.SIGSTOP)
        self.addCleanup(process.send, signal.SIGCONT)
        begun = time.monotonic()
        self.answered(8)
        self.assertLess(time.monotonic() - begun, 4)    # Not all waited.

        def count():
            new = self.counters() - before
            return new["decide-timeout"] + new["decide-skipped"] >= 8 and new
        new = wait_until(count, "all to be counted")
        self.assertIn(new["decide-timeout"], (3, 4), new)
        self.assertGreaterEqual(new["decide-skipped"], 4, new)
        process.send(signal.SIGCONT)

        def asked_again():
            before = self.counters()["decided"]
            self.answered(1)
            return self.counters()["decided"] > before
        wait_until(asked_again, "the controller to decide again", 10)


if __name__ == "__main__":
    tap.main()
