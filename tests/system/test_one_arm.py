#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The switch with one cable: clients and hosts are all behind another one, an
unpatched one, so that what the switch sends goes out where it came in.

    c1, c2, h1, h2 --- plain (br1) --- trunk --- sw (br0)
"""

import os
import re

import tap
from labtest import LabTest, curl
from servers import random_file, sha256

MEGABYTES = 20


class OneArm:
    PLACEMENT = None

    @classmethod
    def configure(cls):
        cls.plain = cls.lab.add_plain_switch()
        for machine in [*cls.lab.clients, *cls.lab.hosts]:
            cls.lab.move(machine, cls.plain)
        cls.lab.add_service(placement=cls.PLACEMENT)

    def tearDown(self):
        """The other switch has never seen a machine in two places."""
        super().tearDown()
        stats = self.plain.appctl("fdb/stats-show", "br1")
        self.assertEqual(re.search(r"moved .*: (\d+)", stats)[1], "0", stats)

    def test_serves_requests(self):
        names = {curl(client, self.lab.url("/name")).body.strip()
                 for _ in range(10) for client in self.lab.clients}
        self.assertEqual(names, {"h1", "h2"})

    def test_down_and_up(self):
        sums = {random_file(host.server.root + "/big", MEGABYTES << 20)
                for host in self.lab.hosts}
        down = self.lab.workspace.path("down")
        up = self.lab.workspace.path("up")
        sum_ = random_file(up, MEGABYTES << 20)
        for _ in self.lab.hosts:
            curl(self.client, self.lab.url("/big"), "-o", down)
            self.assertIn(sha256(down), sums)
            answer = curl(self.client, self.lab.url("/upload"), "-H",
                          "Expect:", "--data-binary", f"@{up}")
            self.assertEqual(sha256(answer.body.strip()), sum_)
            os.remove(answer.body.strip())

    def test_agent_comes_back(self):
        self.host.agent.stop()
        self.lab.wait_host(self.host, "down")
        self.host.agent.start()
        self.lab.wait_host(self.host, "up")


class Table(OneArm, LabTest):
    VARIANT = "placement=table"


class TableTso(OneArm, LabTest):
    VARIANT = "placement=table tso=true"
    TSO = True


class Flow(OneArm, LabTest):
    VARIANT = "placement=flow"
    PLACEMENT = "flow"


class Kernel(OneArm, LabTest):
    """Out where it came in, and all in the kernel."""

    VARIANT = "placement=kernel"
    PLACEMENT = "kernel"

    def test_down_and_up(self):
        with self.counted("kernel"):
            super().test_down_and_up()


if __name__ == "__main__":
    tap.main()
