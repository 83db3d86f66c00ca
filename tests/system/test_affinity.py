#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Clients stay with their hosts by a cookie that the servers set, or by
another header of the request."""

import collections

import tap
from labtest import LabTest, curl
from ovs import Pool
from servers import Nginx

HOSTS = ["h1", "h2", "h3"]


def session_nginx(node):
    """Its /login begins a session, known by a cookie that names the host, as
    Tomcat does with jvmRoute."""
    return Nginx(node, extra=f"""
        location /login {{
            add_header Set-Cookie "session=$request_id.{node.name}; Path=/";
            return 200 "{node.name}";
        }}""")


class Affinity(LabTest):
    HOSTS = len(HOSTS)
    CLIENTS = 1
    SERVER = staticmethod(session_nginx)

    def service(self, affinity, policy=None, **kwargs):
        self.switch.clear_services()
        self.lab.add_service({"all": Pool(HOSTS, policy, affinity=affinity)},
                             **kwargs)

    def host_of(self, *args, path="/name"):
        """The name of the host that answers a request."""
        answer = curl(self.client, self.lab.url(path), *args)
        self.assertEqual(answer.status, 200)
        return answer.body.strip()

    def hosts_of(self, values, option="-b", form="session={}"):
        return {value: self.host_of(option, form.format(value))
                for value in values}

    def test_cookie(self):
        """By the value, whoever else comes, and for others by policy."""
        self.service("cookie.session")
        values = [f"{n:x}" for n in range(0xabc0, 0xabc0 + 24)]
        before = self.hosts_of(values)
        self.assertEqual(set(before.values()), set(HOSTS))
        self.assertIn("affinity", {connection.get("by") for connection in
                                   self.switch.all_connections()})
        self.assertEqual(
            collections.Counter(self.host_of() for _ in range(9)),
            {name: 3 for name in HOSTS})
        self.assertEqual(
            self.hosts_of(values, form="a=b; session={}; Session=1"), before)

    def test_login(self):
        """A browser that was given a cookie comes back to the host that gave
        it, and knows the session."""
        self.service("cookie.session")
        begun = collections.Counter()
        for n in range(6):
            jar = self.lab.workspace.path(f"jar{n}")
            host = self.host_of("-c", jar, path="/login")
            begun[host] += 1
            for _ in range(4):
                self.assertEqual(self.host_of("-b", jar, "-c", jar), host)
        self.assertEqual(begun, {name: 2 for name in HOSTS})

    def test_host_is_down(self):
        """Its sessions go on elsewhere, those of others stay, and all are as
        before when it is back."""
        self.service("cookie.session", "least-connections")
        values = [f"{n:x}" for n in range(0xabc0, 0xabc0 + 24)]
        values += [f"{n}.{name}" for n in range(2) for name in HOSTS]
        before = self.hosts_of(values)
        host = self.lab.host("h3")
        host.agent.stop()
        try:
            self.lab.wait_host(host, "down")
            during = self.hosts_of(values)
        finally:
            host.agent.start()
        self.lab.wait_host(host, "up")
        self.assertEqual(self.hosts_of(values), before)
        for value in values:
            if before[value] == "h3":
                self.assertNotEqual(during[value], "h3")
            else:
                self.assertEqual(during[value], before[value])
        self.assertEqual(set(during.values()), {"h1", "h2"})

    def test_header(self):
        self.service("header.X-User")
        users = [f"user{n}" for n in range(24)]
        before = self.hosts_of(users, "-H", "x-user: {}")
        self.assertEqual(set(before.values()), set(HOSTS))
        self.assertEqual(self.hosts_of(users, "-H", "X-User:   {}"), before)

    def test_no_request(self):
        """The policy decides where nothing is read."""
        self.service("cookie.session", protocol="tcp")
        served = collections.Counter(self.host_of("-b", "session=1.h1")
                                     for _ in range(9))
        self.assertEqual(served, {name: 3 for name in HOSTS})

    def test_bad(self):
        """What is no affinity is refused, and nothing changes."""
        self.service("cookie.session")
        self.switch.vsctl("set", "Migration_Pool", "all", "affinity=client")
        self.assertIn('pool "all": unknown affinity "client"; known are '
                      "cookie.NAME and header.NAME",
                      self.switch.appctl("migrate/show"))
        self.assertEqual(self.host_of("-b", "session=x.h2"), "h2")


if __name__ == "__main__":
    tap.main()
