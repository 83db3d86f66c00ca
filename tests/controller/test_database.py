#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The controller and its database: made, upgraded, supervised, shared."""

import json
import os
import re
import signal

from controllers import (SCHEMA, Controller, ControllerTest, Server, free_port,
                         transact)
from workspace import alive, run, wait_until
import tap


def active_name(remote):
    """The controller that the database says is active, or None."""
    rows = transact(remote, {"op": "select", "table": "Fabric", "where": [],
                             "columns": ["active"]})[0]["rows"]
    return dict(rows[0]["active"][1]).get("name") if rows else None


class Private(ControllerTest):
    """A database of the controller's own."""

    def test_created(self):
        c = Controller(self.workspace)
        c.wait_active()
        self.assertEqual(os.stat(c.file).st_mode & 0o777, 0o600)
        self.assertEqual(run(["ovsdb-tool", "needs-conversion", c.file,
                              SCHEMA]).strip(), "no")

    def test_ends_with_controller(self):
        for sig, status in ((signal.SIGTERM, 0), (signal.SIGINT, 0),
                            (signal.SIGKILL, -signal.SIGKILL)):
            with self.subTest(sig):
                c = Controller(self.workspace, f"c{sig}")
                c.wait_active()
                server = c.server()
                c.process.send(sig)
                self.assertEqual(c.process.wait(5), status)
                wait_until(lambda: not alive(server), "ovsdb-server's end")

    def test_exit_command(self):
        c = Controller(self.workspace)
        c.appctl("exit")
        self.assertEqual(c.process.wait(5), 0)

    def test_server_restarted(self):
        c = Controller(self.workspace)
        c.wait_active()
        old = c.server()
        os.kill(old[0], signal.SIGKILL)
        wait_until(lambda: c.status() == "standby", "the loss of the lock")
        c.wait_active()
        self.assertNotEqual(c.server(), old)

    def test_restart_at_once(self):
        c = Controller(self.workspace)
        for _ in range(5):
            c.wait_active()
            c.kill()
            c.start()
        c.wait_active()

    def edit_schema(self, edit):
        """Our schema after 'edit'; returns the path of the file."""
        with open(SCHEMA) as file:
            schema = json.load(file)
        edit(schema)
        return self.workspace.write("schema", json.dumps(schema))

    def old_database(self, edit):
        """A controller's directory with a database of another schema."""
        self.workspace.mkdir("c1")
        path = self.workspace.path("c1/fabric.db")
        run(["ovsdb-tool", "create", path, self.edit_schema(edit)])
        run(["ovsdb-tool", "transact", path, json.dumps(["OVS_Migrate", {
            "op": "insert", "table": "Host",
            "row": {"name": "h1", "ip": "192.0.2.1"}}])])
        return path

    def test_upgraded(self):
        def edit(schema):
            schema["version"] = "0.9.0"
            del schema["tables"]["Host"]["columns"]["capacity"]

        path = self.old_database(edit)
        c = Controller(self.workspace)
        c.wait_active()
        self.assertEqual(run(["ovsdb-tool", "needs-conversion", path,
                              SCHEMA]).strip(), "no")
        self.assertEqual(run(["ovsdb-tool", "db-version",
                              f"{path}.backup-0.9.0"]).strip(), "0.9.0")
        rows = transact(c.remote, {"op": "select", "table": "Host",
                                   "where": [], "columns": ["name"]})
        self.assertEqual(rows[0]["rows"], [{"name": "h1"}])

    def test_later_schema_refused(self):
        def edit(schema):
            schema["version"] = "99.0.0"
            schema["tables"]["Host"]["columns"]["later"] = {"type": "string"}

        path = self.old_database(edit)
        with open(path, "rb") as file:
            before = file.read()
        c = Controller(self.workspace)
        self.assertEqual(c.process.wait(), 1)
        self.assertIn("has schema version 99.0.0", c.process.output())
        with open(path, "rb") as file:
            self.assertEqual(file.read(), before)

    def test_damaged_refused(self):
        self.workspace.mkdir("c1")
        path = self.workspace.write("c1/fabric.db", "not a database\n")
        c = Controller(self.workspace)
        self.assertEqual(c.process.wait(), 1)
        self.assertIn(path, c.process.output())

    def test_bad_arguments(self):
        for args in (["surplus"], ["--db=unix:x"], ["--no-such-option"]):
            with self.subTest(args):
                c = Controller(self.workspace, args=args)
                self.assertEqual(c.process.wait(), 1)
        for remote in "x", "ptcp:6640", "unix:/a,tcp", "unix:/a,,unix:/b":
            with self.subTest(remote):
                c = Controller(self.workspace, db=remote)
                self.assertEqual(c.process.wait(), 1)
                self.assertIn("is no active connection method",
                              c.process.output())

    def test_no_directory(self):
        c = Controller(self.workspace, args=["--db-file=/no/such/file"])
        self.assertEqual(c.process.wait(), 1)
        self.assertEqual(len(c.process.output().splitlines()), 1,
                         c.process.output())


class Shared(ControllerTest):
    """Two controllers on one database."""

    def setUp(self):
        super().setUp()
        self.server = Server(self.workspace)
        self.one = Controller(self.workspace, "c1", self.server.remote)
        self.one.wait_active()
        self.two = Controller(self.workspace, "c2", self.server.remote)

    def test_takeover(self):
        self.assertEqual(self.two.status(), "standby")
        self.assertEqual(self.metric(self.one), 1)
        self.assertEqual(self.metric(self.two), 0)
        self.one.kill()
        self.two.wait_active(5)
        wait_until(lambda: self.metric(self.two) == 1, "the metric")
        self.one.start()
        self.assertEqual(self.one.status(), "standby")

    def metric(self, controller):
        text = controller.client()("GET", "/metrics").body.decode()
        return int(re.search(r"^ovs_migrate_active (\d)$", text, re.M)[1])

    def test_database_returns(self):
        self.server.process.kill()
        wait_until(lambda: self.one.status() == "standby",
                   "the loss of the lock")
        self.server.start()
        wait_until(lambda: {"active", "standby"}
                   == {self.one.status(), self.two.status()},
                   "one of them to be active")


class Stuck(ControllerTest):
    """A controller that neither ends nor answers."""

    def setUp(self):
        super().setUp()
        port = free_port()
        Server(self.workspace, target=f"ptcp:{port}:127.0.0.1")
        self.remote = f"tcp:127.0.0.1:{port}"
        self.one = Controller(self.workspace, "c1", self.remote)
        self.one.wait_active()

    def test_takeover(self):
        two = Controller(self.workspace, "c2", self.remote)
        self.assertEqual(two.status(), "standby")
        self.one.process.send(signal.SIGSTOP)
        two.wait_active(5)
        self.one.process.send(signal.SIGCONT)
        wait_until(lambda: self.one.status() == "standby",
                   "the other one to stand by")
        self.assertEqual(two.status(), "active")

    def test_probe_stays(self):
        """What somebody has set."""
        def probes():
            return [row["inactivity_probe"] for row in transact(
                self.remote, {"op": "select", "table": "Connection",
                              "where": []})[0]["rows"]]

        wait_until(lambda: probes() == [1500], "the probe to be set")
        transact(self.remote, {"op": "update", "table": "Connection",
                               "where": [], "row": {"inactivity_probe": 7000}})
        self.one.kill()
        self.one.start()
        self.one.wait_active(20)
        self.assertEqual(probes(), [7000])

    def test_warning(self):
        """Where the database listens otherwise."""
        warning = "will be active after 10 s only"
        self.assertNotIn(warning, self.one.process.output())
        port = free_port()
        Server(self.workspace, "other")
        appctl = ["ovs-appctl", "-t", self.workspace.path("other.ctl")]
        wait_until(lambda: "exit" in run([*appctl, "list-commands"],
                                         check=False), "it to answer")
        run([*appctl, "ovsdb-server/add-remote", f"ptcp:{port}:127.0.0.1"])
        c = Controller(self.workspace, "c3", f"tcp:127.0.0.1:{port}")
        wait_until(lambda: warning in c.process.output(), "the warning")


if __name__ == "__main__":
    tap.main()
