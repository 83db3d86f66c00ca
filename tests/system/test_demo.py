#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The demos: all that they claim holds, and they leave nothing behind, also
when they are interrupted."""

import os
import re
import signal
import subprocess
import sys
import unittest

import tap
from labtest import need_root
from ovs import REPOSITORY
from workspace import alive, descendants, run, wait_until

ALONE = True                    # It is large.

need_root()


class Single(unittest.TestCase):
    """One switch."""

    PROGRAM = "single.py"
    STEPS = "Network", "Switch", "Hosts", "Requests"
    ROW = r"^\S+.* h\d .*0x[0-9a-f]{8} .*?(\S+)$"
    WIDTH = 120                 # Of the terminal that it is for.

    def start(self, *args):
        demo = subprocess.Popen(
            [sys.executable, f"{REPOSITORY}/topologies/{self.PROGRAM}", *args],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"})
        self.addCleanup(demo.stdout.close)
        self.addCleanup(demo.kill)
        return demo

    def assert_clean(self, demo, processes):
        """'demo' has ended, and so have 'processes', which it had started,
        and what it made is gone."""
        wait_until(lambda: not any(map(alive, processes)),
                   "the end of all processes")
        for name in os.listdir("/tmp"):
            if name.startswith("ovm-"):
                self.assertNotEqual(_owner(f"/tmp/{name}"), demo.pid)

    def test_holds_what_it_claims(self):
        demo = self.start()
        output, _ = demo.communicate(timeout=120)
        self.assertEqual(demo.returncode, 0, output)
        self.assertIn("Everything is as claimed", output)
        self.assertEqual([line for line in output.splitlines()
                          if len(line) > self.WIDTH], [])
        rows = re.findall(self.ROW, output, re.M)
        self.assertGreaterEqual(len(rows), 10, output)
        self.assertEqual(set(rows), {"0"}, output)
        self.assert_clean(demo, [])

    def test_interrupted(self):
        for signum in signal.SIGINT, signal.SIGTERM:
            for step in self.STEPS:
                with self.subTest(f"{signum.name} at {step}"):
                    demo = self.start()
                    seen = []
                    for line in demo.stdout:
                        seen.append(line)
                        if line.startswith(f"==> {step}"):
                            break
                    else:
                        self.fail("".join(seen))
                    processes = descendants(demo.pid)
                    demo.send_signal(signum)
                    output, _ = demo.communicate(timeout=30)
                    self.assertNotEqual(demo.returncode, 0, output)
                    self.assert_clean(demo, processes)


class Fabric(Single):
    """A leaf-spine fabric, by the controller."""

    PROGRAM = "demo.py"
    STEPS = "Switches", "Hosts", "Requests"
    WIDTH = 80
    ROW = r"^\S+.* h\d .* [0-9a-f]{8} l\d.* (\d+) of \S+$"


class Topologies(unittest.TestCase):
    """What can be run by hand."""

    def test_linear(self):
        output = run([sys.executable, f"{REPOSITORY}/topologies/linear.py",
                      "--switches", "3", "--hosts", "1"])
        self.assertIn("2 links are up", output)
        self.assertEqual(set(re.findall(r"\bh\d\b", output)),
                         {"h1", "h2", "h3"}, output)

    def test_leaf_spine(self):
        output = run([sys.executable, f"{REPOSITORY}/topologies/leaf_spine.py",
                      "--leaves", "2", "--hosts", "1"])
        self.assertIn("4 links are up", output)
        self.assertEqual(set(re.findall(r"\bh\d\b", output)),
                         {"h1", "h2"}, output)


def _owner(name):
    """Who made a workspace; others may come and go beside this test."""
    try:
        with open(f"{name}/owner") as owner:
            return int(owner.read().split()[0])
    except OSError:
        return None


if __name__ == "__main__":
    tap.main()
