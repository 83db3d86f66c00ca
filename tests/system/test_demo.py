#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The Mininet demo: all that it claims holds, and it leaves nothing behind,
also when it is interrupted."""

import os
import re
import signal
import subprocess
import sys
import unittest

import tap
from labtest import need_root
from ovs import REPOSITORY
from workspace import alive, descendants, wait_until

need_root()


class Demo(unittest.TestCase):
    def start(self):
        demo = subprocess.Popen(
            [sys.executable, f"{REPOSITORY}/topologies/demo.py"],
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
        rows = re.findall(r"^\S+.* h[123] .*0x[0-9a-f]{8} .*?(\S+)$", output,
                          re.M)
        self.assertGreaterEqual(len(rows), 10, output)
        self.assertEqual(set(rows), {"0"}, output)
        self.assert_clean(demo, [])

    def test_interrupted(self):
        for signum in signal.SIGINT, signal.SIGTERM:
            for step in "Network", "Switch", "Hosts", "Requests":
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


def _owner(name):
    """Who made a workspace; others may come and go beside this test."""
    try:
        with open(f"{name}/owner") as owner:
            return int(owner.read().split()[0])
    except OSError:
        return None


if __name__ == "__main__":
    tap.main()
