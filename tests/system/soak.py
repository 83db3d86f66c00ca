#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A long day of a switch, for "make check-soak": requests of all kinds, wrk
with and without keep-alive, downloads, while agents begin anew and hosts are
drained.  No request fails, no connection is left behind, and nobody's memory
grows.  It lasts SOAK_SECONDS (default: 600)."""

import os
import time

import tap
from crowd import Crowd, put_files
from lab import SERVICE_ADDRESS
from labtest import Background, LabTest
from load import Requests, put_content
from test_floods import resident
from workspace import wait_until

DAY = int(os.environ.get("SOAK_SECONDS", "600"))
ROUND = 500                     # Requests besides wrk's in a round.
IDLE = 100
DOWNLOADS = 20
SIZE = 1 << 20                  # Bytes of a download: it takes 4 s.
GROWTH = 4 << 20                # Bytes, after the first round.


class Soak(LabTest):
    HOSTS = 3
    CLIENTS = 4
    SECONDS = DAY + 300         # With the last round, and the end of all.

    @classmethod
    def configure(cls):
        cls.lab.add_service()
        put_content(cls.lab.hosts)
        cls.content = put_files(cls.lab.hosts, SIZE)

    def _weight(self, host, weight):
        self.switch.vsctl("set", "Migration_Pool", "all",
                          f"weights:{host.name}={weight}")

    def _round(self, number):
        """One host after the other is drained, and its agent begins anew.
        The last host's agent stays, for its memory to be looked at."""
        host = self.lab.hosts[number % len(self.lab.hosts)]
        with Requests(self.client, self.lab.hosts, SERVICE_ADDRESS,
                      parallel=16) as requests, \
                Crowd(self.lab.clients[1], (SERVICE_ADDRESS, 80)) as crowd:
            crowd.open(IDLE, "/name", b"host\n")
            crowd.download(DOWNLOADS, "/file", self.content)
            self._weight(host, 0)
            requests.wait(ROUND // 2)
            if host is not self.lab.hosts[-1]:
                host.agent.stop()
                host.agent.start()
                self.lab.wait_ready([host])
            self._weight(host, 1)
            requests.wait(ROUND)
            crowd.ask("/name", b"host\n")
            crowd.finish()
        requests.check(self)

    def _sizes(self):
        """Bytes of memory, by program."""
        return {"ovs-vswitchd": resident(self.switch.vswitchd),
                "agent": resident(self.lab.hosts[-1].agent.process)}

    def test_day(self):
        end = time.monotonic() + DAY
        rounds = 0
        url = self.lab.url("/name")
        with Background(self, url, close=True, node=self.lab.clients[2]), \
                Background(self, url, close=False, node=self.lab.clients[3]):
            while not rounds or time.monotonic() < end:
                self._round(rounds)
                rounds += 1
                if rounds == len(self.lab.hosts):
                    before = self._sizes()
                    print(f"# after {rounds} rounds: {before}", flush=True)
            after = self._sizes()
        wait_until(lambda: not self.switch.connections(),
                   "the connections to end", 30)
        counters = self.switch.counters()
        print(f"# after {rounds} rounds: {after}; "
              f"{counters['bundle']} bundles, {counters['confirmed']} confirmed")
        if rounds > len(self.lab.hosts):
            for program, size in after.items():
                self.assertLess(size - before[program], GROWTH, program)


if __name__ == "__main__":
    tap.main()
