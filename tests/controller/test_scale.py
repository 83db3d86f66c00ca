#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A large fabric, whose switches are simulated but speak OpenFlow and have
real databases: see tests/bench/controller_bench.py."""

import os
import sys

from controllers import REPOSITORY, Controller, ControllerTest
from workspace import PATIENCE
import tap

sys.path.insert(1, f"{REPOSITORY}/tests/bench")

# pylint: disable=wrong-import-position
import controller_bench as bench        # noqa: E402

ALONE = True                    # It measures times, and takes all processors.
MAX_OTHERS = 0.2                # Times say nothing when others have more of
                                # the processors,
TRIES = 3                       # or disturb each of so many runs.


class Largest(ControllerTest):
    """100 switches, 5,000 hosts, 50 services."""

    SECONDS = 300

    def processors(self, controller, fabric):
        """Processor time so far: of all that there is, of what was used, and
        of what this test has used, in seconds."""
        with open("/proc/stat") as stat:
            times = [int(n) / os.sysconf("SC_CLK_TCK")
                     for n in stat.readline().split()[1:9]]
        ours = (bench.cpu(controller.process.pid)
                + bench.cpu(controller.server()[0])
                + fabric.cpu() + sum(os.times()[:2]))
        return sum(times), sum(times) - sum(times[3:5]), ours

    def change(self, client, controller, fabric, first):
        """Changes weights, from 'first' on.  Returns within which time, in ms,
        99 of 100 are everywhere, and the share of the processors that others
        have."""
        before = self.processors(controller, fabric)
        took = bench.change_weights(client, fabric, first)
        passed, used, ours = (b - a for a, b in zip(before, self.processors(
            controller, fabric)))
        others = (used - ours) / passed
        most = took[bench.CHANGES * 99 // 100 - 1]
        print(f"# change {took[bench.CHANGES // 2]:.0f} ms, 99 % {most:.0f} "
              f"ms, {os.cpu_count()} processors, others have {others:.0%} of "
              "them")
        return most, others

    def test_start_and_change(self):
        """All is programmed from nothing within 30 s, and 99 of 100 changes
        of a weight have reached every switch within 100 ms."""
        if PATIENCE > 1:
            self.skipTest("programs that are slow")
        fabric = bench.Fabric(self.workspace, *bench.LARGEST)
        self.addCleanup(fabric.close)
        controller = Controller(self.workspace)
        bench.put_all(controller.wait_ready(), fabric)
        controller.kill()
        fabric.start()
        start, client = bench.start(controller, fabric)
        for i in range(TRIES):
            most, others = self.change(client, controller, fabric,
                                       2 + i * bench.CHANGES)
            if most <= bench.MAX_CHANGE:
                break
        memory = bench.memory(controller.process.pid, "VmHWM")
        print(f"# start {start:.1f} s; {memory:.0f} MB at most")
        if others > MAX_OTHERS:
            self.skipTest("others use the processors as well")
        self.assertLess(start, bench.MAX_START)
        self.assertLess(most, bench.MAX_CHANGE)


if __name__ == "__main__":
    tap.main()
