#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A controller whose machine is cut off from the others'."""

import os
import sys
import unittest

import labtest  # noqa: F401, which needs root
from netns import Node, cable
from workspace import Workspace, wait_until
import tap

sys.path.insert(1, os.path.join(os.path.dirname(os.path.realpath(__file__)),
                                "../controller"))
# pylint: disable=wrong-import-position
from controllers import Controller, Server      # noqa: E402

ALONE = True                    # It measures times.


class CutOff(unittest.TestCase):
    """Three machines: of the database, and of two controllers."""

    def setUp(self):
        self.workspace = Workspace()
        self.addCleanup(self.workspace.close)
        db = Node.create(self.workspace, "db")
        Server(self.workspace, target="ptcp:6640", prefix=db.command([]))
        self.controllers = []
        for i in 1, 2:
            node = Node.create(self.workspace, f"c{i}")
            cable(db, f"c{i}", node, "eth0")
            db.run("ip", "addr", "add", f"10.9.{i}.1/24", "dev", f"c{i}")
            node.run("ip", "addr", "add", f"10.9.{i}.2/24", "dev", "eth0")
            controller = Controller(self.workspace, f"c{i}",
                                    f"tcp:10.9.{i}.1:6640",
                                    prefix=node.command([]))
            self.controllers.append((controller, node))
            self.controllers[0][0].wait_active()

    def logs(self):
        return self.workspace.logs()

    def test_takeover(self):
        """The other one is active within five seconds, and this one knows
        that it is not."""
        (one, node), (two, _) = self.controllers
        self.assertEqual((one.status(), two.status()), ("active", "standby"))
        node.run("ip", "link", "set", "eth0", "down")
        two.wait_active(5)
        wait_until(lambda: one.status() == "standby",
                   "the one that is cut off to stand by", 5)
        node.run("ip", "link", "set", "eth0", "up")
        wait_until(lambda: node.run("curl", "-sf", f"{one.urls()[0]}/healthz",
                                    check=False), "it to be back")
        self.assertEqual((one.status(), two.status()), ("standby", "active"))


if __name__ == "__main__":
    tap.main()
