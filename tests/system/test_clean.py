#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Whatever ends a lab, nothing of it is left: no process, no namespace (and so
no bridge and no veth), no mount, no file."""

import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import labtest                          # For need_root().
import tap
from workspace import alive, descendants, sweep, wait_until

LAB = """\
import sys, time
sys.path.insert(0, {directory!r})
from lab import Lab
with Lab(2, 1) as lab:
    print("started", lab.workspace.id, flush=True)
    lab.migrate()
    lab.add_service()
    lab.clients[0].start("wrk", "-c", 4, "-d", 60, lab.url("/name"))
    print("ready", lab.workspace.id, flush=True)
    time.sleep(60)
"""


class Clean(unittest.TestCase):
    def start(self, until):
        """Starts a lab in another process; waits for a word of its."""
        program = LAB.format(directory=os.path.dirname(labtest.__file__))
        errors = tempfile.TemporaryFile("w+")
        self.addCleanup(errors.close)
        process = subprocess.Popen([sys.executable, "-c", program],
                                   stdout=subprocess.PIPE, stderr=errors,
                                   text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        for word in ("started", "ready")[:1 + (until == "ready")]:
            line = process.stdout.readline().split()
            if line[:1] != [word]:
                errors.seek(0)
                self.fail(f"{line}: {errors.read()}")
            self.id = line[1]
        self.processes = descendants(process.pid)
        return process

    def assert_clean(self):
        self.assertFalse(os.path.exists(f"/tmp/{self.id}"))
        self.assertFalse([name for name in os.listdir("/run/netns")
                          if name.startswith(self.id)])
        with open("/proc/self/mounts") as mounts:
            self.assertNotIn(self.id, mounts.read())
        wait_until(lambda: not any(map(alive, self.processes)),
                   "the end of all processes")

    def test_interrupted(self):
        for signum in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
            for until in "started", "ready":
                with self.subTest(f"{signum.name} when {until}"):
                    process = self.start(until)
                    process.send_signal(signum)
                    self.assertNotEqual(process.wait(30), 0)
                    self.assert_clean()

    def test_killed_and_swept(self):
        process = self.start("ready")
        process.kill()
        process.wait()
        self.assertGreaterEqual(sweep(), 1)
        self.assert_clean()

    def test_interrupted_again_while_cleaning(self):
        process = self.start("ready")
        for _ in range(5):
            process.send_signal(signal.SIGINT)
            time.sleep(0.05)
        process.wait(30)
        self.assert_clean()


if __name__ == "__main__":
    tap.main()
