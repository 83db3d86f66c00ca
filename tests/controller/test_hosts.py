#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the controller knows about hosts, and what it makes of that."""

from controllers import transact
from switches import Switch, SwitchesTest
from workspace import wait_until
import tap


class HostsTest(SwitchesTest):
    """One switch and three hosts, of whose engine the test plays the part."""

    def setUp(self):
        super().setUp()
        self.switch = Switch(self.workspace, "s1", 1)
        for n in (1, 2, 3):
            self.put(f"hosts/h{n}", ip=f"10.0.0.1{n}")
        self.put("pools/all", hosts={"h1": 1, "h2": 1, "h3": 2})
        self.put("services/web", address="10.0.0.100", port=80,
                 default_pool="all")
        self.add_switch(self.switch, migrate_address="10.0.0.254")
        self.wait_synced(self.switch)

    def host(self, name):
        return self.get(f"hosts/{name}")["status"]

    def events(self, subject=None):
        query = f"?subject={subject}" if subject else ""
        return self.get(f"events{query}")["items"]

    def kinds(self, subject=None):
        return [event["kind"] for event in self.events(subject)]


class Reports(HostsTest):
    def until(self, condition, table, row, *values):
        """Has the switch say this, until the condition holds.  Its dummy
        engine has something else to say every 5 seconds."""
        def look():
            self.switch.vsctl("--no-wait", "set", table, row, *values)
            return condition()
        wait_until(look, " ".join(values))

    def test_status(self):
        self.until(lambda: self.host("h1").get("connections") == "3"
                   and self.host("h1")["handoffs"] == "7"
                   and self.host("h1")["state"] == "up",
                   "Migration_Host", "h1", "status:state=up",
                   "status:connections=3", "status:handoffs=7")
        self.assertEqual(self.kinds("hosts/h1"), [])
        self.until(lambda: "host-down" in self.kinds("hosts/h1"),
                   "Migration_Host", "h1", "status:state=down")
        self.until(lambda: self.kinds("hosts/h1")[:2]
                   == ["host-down", "host-up"],
                   "Migration_Host", "h1", "status:state=up")
        self.until(lambda: self.get("services/web")["statistics"]
                   == {"connections": 4, "handoffs": 5},
                   "Migration_Service", "web", "statistics:connections=4",
                   "statistics:handoffs=5")

    def test_switch(self):
        self.switch.kill()
        wait_until(lambda: self.kinds("switches/s1")
                   == ["switch-disconnected"], "an event")
        event, = self.events("switches/s1")
        self.assertEqual(event["severity"], "error")
        self.switch.start_vswitchd()
        wait_until(lambda: self.kinds("switches/s1")
                   == ["switch-disconnected", "switch-connected"],
                   "an event")

    def test_limit(self):
        """The oldest events go."""
        self.client("PATCH", "/v1/fabric", {"event_limit": 20})
        transact(self.controller.remote, *(
            {"op": "insert", "table": "Event",
             "row": {"seq": n, "time": n, "severity": "info", "kind": "x",
                     "subject": "x", "text": "x"}} for n in range(1, 31)))
        self.switch.kill()
        wait_until(lambda: "switch-disconnected" in self.kinds(), "an event")
        self.assertEqual([event["seq"] for event in self.events()],
                         list(range(13, 32)))


if __name__ == "__main__":
    tap.main()
