#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ovs-vswitchd ends and begins anew, among connections that go on."""

import time

import tap
from crowd import Crowd, put_files
from lab import SERVICE_ADDRESS, SERVICE_ADDRESS6
from labtest import LabTest, curl, curls
from servers import nginx_of_both
from workspace import wait_until

ALONE = True                    # It measures times.
IDLE = 900
DOWNLOADS = 100
SIZE = 2 << 20                  # Bytes of a download: it takes 8 s.


class Restart(LabTest):
    HOSTS = 3
    CLIENTS = 1
    ADDRESS = SERVICE_ADDRESS

    @classmethod
    def configure(cls):
        super().configure()
        cls.content = put_files(cls.lab.hosts, SIZE)

    def url(self):
        return self.lab.url("/name", self.ADDRESS)

    def _live(self):
        return [connection for connection in self.switch.connections()
                if connection["state"] == "live"]

    def _test(self, kill):
        with Crowd(self.client, (self.ADDRESS, 80)) as crowd:
            crowd.open(IDLE, "/name", b"host\n")
            crowd.download(DOWNLOADS, "/file", self.content)
            wait_until(lambda: crowd.running() == DOWNLOADS
                       and len(self._live()) == IDLE + DOWNLOADS,
                       "all connections to live", 20)
            before = {line["client"]: line for line in self._live()}
            infused = [host.agent.counters()["infused"]
                       for host in self.lab.hosts]
            self.switch.restart(kill)
            start = time.monotonic()
            wait_until(lambda: len(self._live()) == IDLE + DOWNLOADS,
                       "all connections to be known again")
            print(f"# known again {time.monotonic() - start:.2f} s after the "
                  "flows are back")
            crowd.check()
            for line in self._live():
                old = before[line["client"]]
                for key in "service", "name", "host", "flow_id":
                    self.assertEqual(line[key], old[key])
            self.assertEqual(crowd.running(), DOWNLOADS)
            crowd.ask("/name", b"host\n")
            crowd.finish()
            # Nothing was handed over again.
            self.assertEqual([host.agent.counters()["infused"]
                              for host in self.lab.hosts], infused)
            counters = self.switch.counters()
            self.assertEqual(counters["adopted"], IDLE + DOWNLOADS)
            self.assertEqual(counters["bundle"], 0)
            self.assertEqual(counters["reset"], 0)
        wait_until(lambda: not self.switch.connections(),
                   "the connections to end")
        self.assertEqual(curl(self.client, self.url()).status, 200)

    def test_killed(self):
        """kill -9 of ovs-vswitchd with 1000 live connections, 100 of them
        downloads: all go on, byte-exact."""
        self._test(kill=True)

    def test_exited(self):
        """The same, if it ends in order."""
        self._test(kill=False)

    def test_under_load(self):
        """Requests that are made meanwhile are answered, each once."""
        before = self.served()
        with curls(self.client, self.url(), 4) as results:
            for kill in True, False, True:
                time.sleep(1)
                self.switch.restart(kill)
            time.sleep(1)
        self.assertGreater(len(results), 20)
        self.assertEqual(set(results), {"200 "})
        self.assert_served(len(results), before)


class RestartFlows(Restart):
    """With placement=flow: flows come back with the next packets."""

    VARIANT = "flow"
    SERVICE = {"placement": "flow", "other_config": {"flow-limit": 2000}}


class RestartKernel(Restart):
    """With placement=kernel: what the kernel did ends with ovs-vswitchd."""

    VARIANT = "kernel"
    SERVICE = {"placement": "kernel"}
    test_exited = test_under_load = None    # As without.

    def _test(self, kill):
        super()._test(kill)
        self.assertGreater(self.switch.counters()["kernel"], IDLE)


class RestartIpv6(Restart):
    VARIANT = "IPv6"
    FAMILIES = (6,)
    ADDRESS = SERVICE_ADDRESS6
    SERVER = staticmethod(nginx_of_both)
    test_exited = test_under_load = None    # As in IPv4.


if __name__ == "__main__":
    tap.main()
