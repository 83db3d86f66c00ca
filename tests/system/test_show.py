#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What an operator sees: ovs-appctl migrate/..., ovs-ofctl, ofproto/trace,
ovs-vsctl."""

import tap
from lab import SERVICE_ADDRESS
from labtest import LabTest, curl
from ovs import Pool, Rule
from workspace import CommandError, wait_until


class Show(LabTest):
    CLIENTS = 1

    @classmethod
    def configure(cls):
        cls.lab.add_service({"images": Pool(["h1"]),
                             "all": Pool(["h1", "h2"])},
                            [Rule(10, {"path-prefix": "/images/"}, "images")])

    def test_show(self):
        text = self.switch.appctl("migrate/show")
        for words in ("service web (id 1): http", "path-prefix=/images/",
                      "pool images", "host h1 (10.0.0.11): up",
                      "host h2 (10.0.0.12): up"):
            self.assertIn(words, text)

    def test_show_one_host(self):
        text = self.switch.appctl("migrate/show", "host=h1")
        self.assertIn("host h1", text)
        self.assertNotIn("host h2", text)

    def test_show_one_service(self):
        self.assertIn("service web",
                      self.switch.appctl("migrate/show", "service=web"))
        self.assertNotIn("service web",
                         self.switch.appctl("migrate/show", "service=other"))

    def test_connections(self):
        sock = self.client.connect((SERVICE_ADDRESS, 80))
        sock.sendall(b"GET /images/x HTTP/1.1\r\nHost: x\r\n\r\n")
        sock.recv(4096)
        client = f"{self.client.address}:{sock.getsockname()[1]}"
        for args in (), ("host=h1",), ("service=web",):
            with self.subTest(args):
                connection = next(c for c in self.switch.connections(*args)
                                  if c["client"] == client)
                self.assertEqual(connection["service"],
                                 f"{SERVICE_ADDRESS}:80")
                self.assertEqual(connection["host"], "h1")
                self.assertEqual(connection["rule"], "path-prefix=/images/")
        self.assertFalse([c for c in self.switch.connections("host=h2")
                          if c["client"] == client])
        sock.close()
        wait_until(lambda: not [c for c in self.switch.connections()
                                if c["client"] == client],
                   "the connection's release")

    def test_counters(self):
        with self.counted("syn", "gather", "bundle", "confirmed") as counted:
            curl(self.client, self.lab.url("/name"))
        self.assertEqual(counted.moved["confirmed"], 1)

    def test_flows_and_trace(self):
        self.assertTrue([flow for flow in self.switch.flows()
                         if flow.endswith("migrate(service=1,table=1)")])
        self.assertTrue([flow for flow in self.switch.flows()
                         if flow.endswith("migrate(control,table=1)")])
        trace = self.switch.appctl(
            "ofproto/trace", "br0",
            f"in_port=c1,tcp,dl_src=02:00:00:00:00:01,"
            f"dl_dst=02:00:00:00:00:fe,nw_src={self.client.address},"
            f"nw_dst={SERVICE_ADDRESS},nw_ttl=64,tp_src=40000,tp_dst=80,"
            "tcp_flags=syn")
        self.assertIn("migrate(service=1,table=1)", trace)
        self.assertRegex(trace, r"Datapath actions: migrate\(")

    def test_statistics_in_the_database(self):
        wait_until(lambda: self.switch.vsctl(
            "--if-exists", "get", "Migration_Host", "h1",
            "status:state").strip() == "up",
            "the database to know", 15)
        self.assertIn("=", self.switch.vsctl("get", "Migration_Service",
                                             "web", "statistics"))

    def test_wrong_configuration_is_named(self):
        self.switch.vsctl("set", "Migration_Host", "h1", "ip=10.0.0.300")
        try:
            self.assertIn("10.0.0.300", self.switch.appctl("migrate/show"))
            # What was right before goes on.
            self.assertEqual(curl(self.client, self.lab.url("/name")).status,
                             200)
        finally:
            self.switch.vsctl("set", "Migration_Host", "h1", "ip=10.0.0.11")
        self.assertNotIn("10.0.0.300", self.switch.appctl("migrate/show"))

    def test_wrong_numbers_are_named(self):
        for row, option, value in (("bridge br0", "migrate-mtu", "67036"),
                                   ("bridge br0", "migrate-mtu", "1279"),
                                   ("Migration_Service web", "flow-table",
                                    "255"),
                                   ("Migration_Service web", "flow-limit",
                                    "many"),
                                   ("Migration_Service web", "flow-priority",
                                    "65536"),
                                   ("Migration_Service web",
                                    "flow-idle-timeout", "0"),
                                   ("Migration_Service web",
                                    "request-timeout", "-1")):
            with self.subTest(f"{option}={value}"):
                self.switch.vsctl("set", *row.split(),
                                  f'other_config:{option}="{value}"')
                self.assertIn(f'other_config:{option} "{value}" is not a '
                              "number from ", self.switch.appctl(
                                  "migrate/show"))
                self.switch.vsctl("remove", *row.split(), "other_config",
                                  option)
                self.assertNotIn("error", self.switch.appctl("migrate/show"))

    def test_wrong_flow_is_refused(self):
        for action in "migrate(service=0,table=1)", "migrate(table=300)", \
                "migrate()":
            with self.subTest(action), self.assertRaises(CommandError):
                self.switch.add_flow(f"table=0,tcp,actions={action}")


if __name__ == "__main__":
    tap.main()
