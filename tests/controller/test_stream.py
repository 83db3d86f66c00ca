#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Events as a stream."""

import json
import socket
import urllib.parse

from controllers import Controller, ControllerTest, transact
from workspace import wait_until
import tap


class Stream:
    """A client that has asked for events."""

    def __init__(self, url, *headers):
        address = urllib.parse.urlsplit(url)
        self.sock = socket.create_connection((address.hostname, address.port),
                                             10)
        self.sock.sendall("\r\n".join((
            "GET /v1/events HTTP/1.1", "Host: localhost",
            "Accept: text/event-stream", *headers, "", "")).encode())
        self.data = b""
        self.head = self.until(b"\r\n\r\n").decode()

    def until(self, end):
        while end not in self.data:
            more = self.sock.recv(65536)
            if not more:
                raise EOFError(self.data)
            self.data += more
        first, self.data = self.data.split(end, 1)
        return first

    def event(self):
        """The next one, as (id, data)."""
        while True:
            text = self.until(b"\n\n").decode()
            if "data: " in text:
                number = text.partition("id: ")[2].partition("\n")[0]
                return int(number), json.loads(text.partition("data: ")[2])


class Streams(ControllerTest):
    def setUp(self):
        super().setUp()
        self.controller = Controller(self.workspace)
        self.controller.wait_active()
        self.client = self.controller.wait_ready()
        self.url = self.controller.urls()[0]
        self.seq = max((e["seq"] for e in self.client(
            "GET", "/v1/events").json["items"]), default=0)

    def add(self, n=1):
        transact(self.controller.remote, *(
            {"op": "insert", "table": "Event",
             "row": {"seq": self.seq + i + 1, "time": 1, "severity": "info",
                     "kind": "x", "subject": "hosts/h1",
                     "text": "x" * 100}} for i in range(n)))
        self.seq += n
        wait_until(lambda: self.client("GET", f"/v1/events/{self.seq}").status
                   == 200, "the controller to hear of them")

    def stream(self, *headers):
        stream = Stream(self.url, *headers)
        self.addCleanup(stream.sock.close)
        return stream

    def test_as_they_happen(self):
        self.add()
        streams = [self.stream() for _ in range(3)]
        for stream in streams:
            self.assertIn("200 OK", stream.head)
            self.assertIn("text/event-stream", stream.head)
        for _ in range(3):
            self.add()
            for stream in streams:
                number, event = stream.event()
                self.assertEqual((number, event["seq"]),
                                 (self.seq, self.seq))
                self.assertEqual(event["text"], "x" * 100)

    def test_resumed(self):
        first = self.seq
        self.add(500)
        stream = self.stream(f"Last-Event-ID: {first + 10}")
        self.assertEqual([stream.event()[0] for _ in range(490)],
                         list(range(first + 11, first + 501)))
        self.add()
        self.assertEqual(stream.event()[0], self.seq)

    def test_begin(self):
        """One that has heard of nothing knows where to go on, too."""
        self.add(3)
        first = self.stream().until(b"\n\n")
        self.assertTrue(first.endswith(f"\nid: {self.seq}".encode()), first)

    def test_slow_reader(self):
        """Who does not read has the controller keep nothing for him."""
        first = self.seq
        slow = self.stream(f"Last-Event-ID: {first}")
        slow.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        for _ in range(10):
            self.add(150)
        quick = self.stream(f"Last-Event-ID: {self.seq - 1}")
        self.assertEqual(quick.event()[0], self.seq)
        for i in range(1500):
            self.assertEqual(slow.event()[0], first + 1 + i)

    def test_gone(self):
        """Clients that leave are forgotten."""
        def connections():
            text = self.client("GET", "/metrics").body.decode()
            return int(text.partition(
                "\novs_migrate_http_connections ")[2].split()[0])
        before = connections()
        streams = [self.stream() for _ in range(20)]
        self.assertGreaterEqual(connections(), before + 20)
        for stream in streams:
            stream.sock.close()

        def gone():
            self.add()          # What is sent to them tells.
            return connections() <= before + 1
        wait_until(gone, "their end")

    def test_described(self):
        """/openapi.json tells how to go on."""
        get = self.client("GET", "/openapi.json").json["paths"][
            "/v1/events"]["get"]
        self.assertIn(("header", "Last-Event-ID"),
                      [(p["in"], p["name"]) for p in get["parameters"]])
        self.assertIn("text/event-stream",
                      get["responses"]["200"]["content"])

    def test_refused(self):
        for header in ("Last-Event-ID: x", "Last-Event-ID: -1"):
            self.assertIn(" 400 ", self.stream(header).head)

    def test_end(self):
        """A controller that ends does not wait for them."""
        stream = self.stream()
        self.controller.appctl("exit")
        self.controller.process.wait(5)
        with self.assertRaises(EOFError):
            stream.event()


if __name__ == "__main__":
    tap.main()
