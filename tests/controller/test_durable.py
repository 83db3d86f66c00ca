#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""No write that was answered is lost, none is made twice, whoever is killed
in between."""

import http.client
import itertools
import os
import random
import signal
import threading
import time

from controllers import (Client, Cluster, Controller, ControllerTest, Server,
                         free_port, transact)
from workspace import alive, wait_until
import tap


class Writer(threading.Thread):
    """Writes by 'write(client, n)', for n = 0, 1, ..., and whenever that is
    not answered, or with a status of 500 or more, tries the same again at the
    next of 'urls'.  What succeeded is in 'done', anything else in 'wrong'."""

    def __init__(self, urls, write, count=None):
        super().__init__(daemon=True)
        self.urls = itertools.cycle(urls)
        self.write = write
        self.count = count
        self.done = []
        self.wrong = []
        self.failures = 0
        self.ending = False
        self.start()

    def run(self):
        client = None
        n = 0
        while not self.ending and n != self.count:
            client = client or Client(next(self.urls))
            try:
                response = self.write(client, n)
            except (OSError, http.client.HTTPException):
                response = None
            if response and response.status < 300:
                self.done.append(n)
                n += 1
            elif response and response.status < 500:
                self.wrong.append(response)
                return
            else:
                self.failures += 1
                client = None
                time.sleep(0.01)        # Not all of the processor.

    def end(self):
        self.ending = True
        self.join(60)
        assert not self.is_alive()


def put_host(writer):
    """Makes a write() of Writer number 'writer': each another host."""
    def write(client, n):
        return client("PUT", f"/v1/hosts/w{writer}-{n}",
                      {"ip": f"10.{writer}.{n // 250}.{n % 250 + 1}"})
    return write


class Durable(ControllerTest):
    SECONDS = 120

    def names(self, remote, table="Host"):
        """Those of the rows that the database has."""
        rows = transact(remote, {"op": "select", "table": table, "where": [],
                                 "columns": ["name"]})[0]["rows"]
        return {row["name"] for row in rows}

    def check(self, writers, names):
        """Ends the writers; all that they were told was done must be in
        'names()'."""
        total = 0
        for w, writer in enumerate(writers):
            writer.end()
            self.assertEqual(writer.wrong, [])
            total += len(writer.done)
            names_ = names()
            for n in writer.done:
                self.assertIn(f"w{w}-{n}", names_)
        return total

    def test_controller_killed(self):
        port = free_port()
        c = Controller(self.workspace, args=[f"--rest=http:127.0.0.1:{port}"])
        c.wait_ready()
        writers = [Writer([f"http://127.0.0.1:{port}"], put_host(w))
                   for w in range(4)]
        for _ in range(15):
            time.sleep(random.uniform(0.02, 0.3))       # Any moment at all.
            c.kill()
            c.start()
            c.wait_ready()
        self.assertGreater(self.check(writers, lambda: self.names(c.remote)),
                           100)
        self.assertGreater(max(w.failures for w in writers), 1)

    def test_database_killed(self):
        """Its ovsdb-server: nobody hears of it."""
        c = Controller(self.workspace)
        c.wait_ready()
        writers = [Writer(c.urls(), put_host(w)) for w in range(4)]
        for _ in range(4):
            server = c.server()
            os.kill(server[0], signal.SIGKILL)
            wait_until(lambda: not alive(server), "ovsdb-server's end")
            done = len(writers[0].done)
            wait_until(lambda: len(writers[0].done) > done + 1,
                       "writes to go on")
        self.check(writers, lambda: self.names(c.remote))
        self.assertEqual([w.failures for w in writers], [0] * 4)

    def test_database_away(self):
        """For longer than a write may take."""
        server = Server(self.workspace)
        c = Controller(self.workspace, db=server.remote)
        client = c.wait_ready()
        server.process.kill()
        wait_until(lambda: client("GET", "/healthz").status == 503,
                   "the loss of the database")
        begin = time.monotonic()
        response = client("PUT", "/v1/hosts/h1", {"ip": "192.0.2.1"})
        self.assertEqual(response.status, 503, response)
        self.assertIn("nothing was changed", response.json["detail"])
        self.assertLess(time.monotonic() - begin, 15)
        self.assertEqual(client("GET", "/v1/hosts").json["items"], [])
        server.start()
        wait_until(lambda: client("GET", "/healthz").status == 200,
                   "the database")
        self.assertEqual(self.names(server.remote), set())

    def test_two_controllers(self):
        """Both write all the time, also the same rows; one is killed."""
        server = Server(self.workspace)
        controllers = [Controller(self.workspace, f"c{n}", server.remote)
                       for n in (1, 2)]
        clients = [c.wait_ready() for c in controllers]
        hosts = [f"h{n}" for n in range(6)]
        for n, host in enumerate(hosts):
            clients[0]("PUT", f"/v1/hosts/{host}", {"ip": f"192.0.2.{n + 1}"})
        clients[0]("PUT", "/v1/pools/all", {})
        wait_until(lambda: clients[1]("GET", "/v1/pools/all").status == 200,
                   "the other controller to hear of the pool")
        urls = [c.urls()[0] for c in controllers]

        def patch(host):
            def write(client, n):
                return client("PATCH", "/v1/pools/all",
                              {"hosts": {host: n % 65536}})
            return write

        writers = [Writer(urls if n % 2 else urls[::-1], patch(host))
                   for n, host in enumerate(hosts)]
        wait_until(lambda: min(len(w.done) for w in writers) > 20, "writes")
        controllers[0].kill()
        more = [len(w.done) + 20 for w in writers]
        wait_until(lambda: all(len(w.done) > m
                               for w, m in zip(writers, more)), "writes")
        for w in writers:
            w.end()
            self.assertEqual(w.wrong, [])
        got = clients[1]("GET", "/v1/pools/all").json["hosts"]
        self.assertEqual(got, {host: w.done[-1]
                               for host, w in zip(hosts, writers)})

    def test_raft(self):
        """Three controllers on three databases; the active one and the leader
        are killed during 500 writes, each of which makes one service."""
        cluster = Cluster(self.workspace)
        controllers = [Controller(self.workspace, f"c{n}", cluster.remote)
                       for n in (1, 2, 3)]
        for c in controllers:
            c.wait_ready(10)
        urls = [c.urls()[0] for c in controllers]

        def put_service(w):
            def write(client, n):
                return client("PUT", f"/v1/services/w{w}-{n}",
                              {"address": f"10.0.{w}.1", "port": n + 1})
            return write

        writers = [Writer(urls[w % 3:] + urls[:w % 3], put_service(w), 100)
                   for w in range(5)]
        wait_until(lambda: sum(len(w.done) for w in writers) > 100, "writes")
        active = wait_until(lambda: next((c for c in controllers if c.status()
                                          == "active"), None),
                            "one to be active")
        active.kill()
        begin = time.monotonic()
        wait_until(lambda: any(c.status() == "active" for c in controllers
                               if c is not active),
                   "another one to be active", 5)
        takeover = time.monotonic() - begin
        leader = wait_until(cluster.leader, "a leader")
        cluster.kill(leader)
        wait_until(lambda: not any(w.is_alive() for w in writers),
                   "all writes", 60)
        self.assertLess(takeover, 5)
        other = cluster.member(leader % 3 + 1)
        # One that is no leader hears of what is committed a bit later.
        wait_until(lambda: len(self.names(other, "Service")) >= 500,
                   "all services to be in the database")
        self.assertEqual(self.check(writers,
                                    lambda: self.names(other, "Service")),
                         500)
        rows = transact(other, {"op": "select", "table": "Service",
                                "where": [], "columns": ["id"]})[0]["rows"]
        self.assertEqual(len({row["id"] for row in rows}), 500)


if __name__ == "__main__":
    tap.main()
