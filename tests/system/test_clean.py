#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Whatever ends a lab, nothing of it is left: no process, no namespace (and so
no bridge and no veth), no mount, no file."""

import os
import re
import signal
import subprocess
import sys
import time
import unittest

import labtest                          # For need_root().
import tap
from workspace import start_time, sweep, wait_until

LAB = """\
import sys, time
sys.path.insert(0, {directory!r})
from lab import Lab
with Lab(2, 1) as lab:
    print(lab.workspace.id, flush=True)
    lab.migrate()
    lab.add_service()
    lab.clients[0].start("wrk", "-c", 4, "-d", 60, lab.url("/name"))
    print("ready", flush=True)
    time.sleep(60)
"""


class Clean(unittest.TestCase):
    def start(self, until):
        """Starts a lab in another process; waits for a word of its."""
        program = LAB.format(directory=os.path.dirname(labtest.__file__))
        process = subprocess.Popen([sys.executable, "-c", program],
                                   stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.kill)
        self.id = process.stdout.readline().strip()
        self.assertTrue(self.id.startswith("ovm-"), self.id)
        if until == "ready":
            self.assertEqual(process.stdout.readline(), "ready\n")
        with open(f"/tmp/{self.id}/processes") as lines:
            self.processes = [line.split()[:2] for line in lines]
        return process

    def assert_clean(self):
        self.assertFalse(os.path.exists(f"/tmp/{self.id}"))
        self.assertFalse([name for name in os.listdir("/run/netns")
                          if name.startswith(self.id)])
        with open("/proc/self/mounts") as mounts:
            self.assertNotIn(self.id, mounts.read())
        wait_until(lambda: not self.running(), "the end of all processes")

    def running(self):
        """Processes of the lab, other than such that only wait for init to
        take notice of their end."""
        found = [pid for pid, started in self.processes
                 if str(start_time(pid)) == started]
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline") as cmdline:
                    if self.id in cmdline.read():
                        found.append(pid)
            except OSError:
                pass
        return [pid for pid in found if not _is_zombie(pid)]

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


def _is_zombie(pid):
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return re.match(r".*\) Z", stat.read(), re.S) is not None
    except OSError:
        return True


if __name__ == "__main__":
    tap.main()
