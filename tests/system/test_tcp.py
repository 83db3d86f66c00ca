#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Any TCP: servers as Debian has them, some of which speak first, with
protocol=tcp, where a connection is decided at its first ACK, and with
protocol=auto, where the switch has to find out that there is nothing that it
knows."""

import time

import tap
from lab import SERVICE_ADDRESS
from labtest import LabTest, curl
from ovs import Pool, Rule
from servers import NginxH2, NginxTls, PostgreSql, Redis, Smtp, Sshd
from workspace import wait_until

ALONE = True                    # It measures times.


class TcpTests:
    HOSTS = 1

    @classmethod
    def configure(cls):
        super().configure()
        host = cls.lab.hosts[0]
        cls.servers = {kind: kind(host).start()
                       for kind in (Smtp, Redis, PostgreSql, Sshd)}
        for server in cls.servers.values():
            cls.add_port(server.port)

    @classmethod
    def add_port(cls, port):
        """The service is also at 'port'."""
        cls.switch.add_flow(
            f"table=0,priority=100,tcp,nw_dst={SERVICE_ADDRESS},"
            f"tp_dst={port},actions=migrate(service=1,table=1)")

    def test_smtp(self):
        mail = self.lab.workspace.write("mail", "Subject: test\n\nHello.\n")
        self.client.run("curl", "-sS", "-m", "10",
                        f"smtp://{SERVICE_ADDRESS}", "--mail-from",
                        "a@example.com", "--mail-rcpt", "b@example.com",
                        "-T", mail)
        output = self.servers[Smtp].process.output()
        self.assertIn("Hello.", output)
        self.assertIn(f"X-Peer: ('{self.client.address}', ", output)

    def _redis(self, *words):
        return self.client.run("redis-cli", "-h", SERVICE_ADDRESS, *words,
                               timeout=10)

    def test_redis(self):
        self._redis("set", "key", "value")
        self.assertEqual(self._redis("get", "key").strip(), "value")
        self.assertIn(f"addr={self.client.address}:",
                      self._redis("client", "list"))

    def test_postgresql(self):
        text = self.client.run(
            "psql", "-h", SERVICE_ADDRESS, "-U", "postgres", "-At", "-c",
            "select inet_client_addr(), sum(n) from generate_series(1, 1000)"
            " n", timeout=10)
        self.assertEqual(text.strip(), f"{self.client.address}|500500")

    def test_ssh(self):
        text = self.client.run(
            "ssh", "-F", "none", "-i", self.servers[Sshd].key, "-o",
            "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
            f"root@{SERVICE_ADDRESS}", "echo $SSH_CONNECTION", timeout=10)
        address, _, service, port = text.split()
        self.assertEqual(address, self.client.address)
        self.assertEqual((service, port), (SERVICE_ADDRESS, "22"))

    def _banner(self):
        """Waits for the SMTP server to speak.  Returns its first words and
        how long it took."""
        start = time.monotonic()
        with self.client.connect((SERVICE_ADDRESS, 25)) as sock:
            words = sock.recv(100)
            took = time.monotonic() - start
        return words, took

    def test_lost_ack(self):
        """The client is connected, waits for the server, and repeats
        nothing: so the switch does."""
        acks = (f"tcp,nw_src={self.client.address},"
                f"nw_dst={SERVICE_ADDRESS},tp_dst=25,tcp_flags=-syn+ack")
        self.switch.add_flow(f"table=0,priority=200,{acks},actions=drop")
        with self.counted("syn-ack-again"), \
                self.client.connect((SERVICE_ADDRESS, 25)) as sock:
            wait_until(lambda: self.switch.is_met(f"table=0,{acks}"),
                       "the ACK")
            self.switch.ofctl("del-flows", self.switch.bridge, acks)
            sock.settimeout(5)
            self.assertTrue(sock.recv(100).startswith(b"220 "))

    def test_nothing_is_left(self):
        """A client that connects and goes is forgotten."""
        for _ in range(5):
            self._banner()
        wait_until(lambda: not self.switch.connections(),
                   "the switch to forget all connections", 20)


class Tcp(TcpTests, LabTest):
    VARIANT = "protocol=tcp"
    SERVICE = {"protocol": "tcp"}

    def test_server_speaks_first(self):
        """No data is needed for a handoff."""
        with self.counted("bundle", "confirmed") as counted:
            words, took = self._banner()
        self.assertTrue(words.startswith(b"220 "), words)
        self.assertLess(took, 0.2)
        self.assertEqual(counted.moved["bundle"], 1)


class Auto(TcpTests, LabTest):
    VARIANT = "protocol=auto"
    SERVICE = {"protocol": "auto"}

    @classmethod
    def configure(cls):
        super().configure()
        host = cls.lab.hosts[0]
        for server in NginxTls(host, 443), NginxH2(host, 8080):
            server.put("/name", b"h1\n")
            server.start()
            cls.add_port(server.port)

    def test_server_speaks_first(self):
        """It gets its say after first-data-timeout."""
        with self.counted("unread"):
            words, took = self._banner()
        self.assertTrue(words.startswith(b"220 "), words)
        self.assertGreaterEqual(took, 0.2)
        self.assertLess(took, 0.5)

    def test_not_for_those_who_speak(self):
        with self.counted() as counted:
            self._redis("ping")
        self.assertNotIn("unread", counted.moved)

    def test_http_tls_and_http2(self):
        """Of these it reads what rules need."""
        url = f"{SERVICE_ADDRESS}:%d/name"
        for words in ((f"http://{url % 80}",),
                      (f"https://{url % 443}", "-k"),
                      (f"http://{url % 8080}", "--http2-prior-knowledge")):
            with self.subTest(words):
                with self.counted() as counted:
                    answer = curl(self.client, *words)
                self.assertEqual(answer.body.strip(), "h1")
                self.assertNotIn("unread", counted.moved)


class TcpPool(LabTest):
    VARIANT = "protocol=tcp"
    SERVICE = {"protocol": "tcp",
               "pools": {"all": Pool(["h1", "h2"], weights={"h1": 3})}}

    def test_policy(self):
        """The pool's policy and weights count."""
        names = [curl(self.client, self.lab.url("/name")).body.strip()
                 for _ in range(8)]
        self.assertEqual((names.count("h1"), names.count("h2")), (6, 2))


class AutoPool(LabTest):
    VARIANT = "protocol=auto"
    SERVICE = {"protocol": "auto",
               "pools": {"web": Pool(["h1"]), "rest": Pool(["h2"])},
               "rules": [Rule(10, {"path-prefix": "/"}, "web")],
               "default_pool": "rest"}

    def test_default_pool(self):
        """Rules are for what can be read; all else is the default pool's."""
        self.assertEqual(curl(self.client, self.lab.url("/name")).body,
                         "h1\n")
        with self.client.connect((SERVICE_ADDRESS, 80)) as sock:
            client = "{}:{}".format(*sock.getsockname())
            sock.sendall(b"\0neither HTTP nor TLS\n")
            sock.recv(100)
            self.lab.host("h2").server.wait_client(client)


if __name__ == "__main__":
    tap.main()
