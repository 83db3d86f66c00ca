# SPDX-License-Identifier: Apache-2.0
"""Controllers and their databases, for the tests of them.  Needs no root."""

import contextlib
import http.client
import json
import os
import random
import signal
import socket
import ssl
import sys
import unittest
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "../system"))

from ovs import REPOSITORY, Tools       # noqa: E402
from workspace import (CommandError, Workspace, descendants,   # noqa: E402
                       run, wait_until)

SCHEMA = f"{REPOSITORY}/controller/ovs-migrate.ovsschema"
TOOLS = Tools.default()
os.environ["PATH"] = os.pathsep.join(TOOLS.dirs + [os.environ["PATH"]])


def transact(remote, *operations):
    """Runs OVSDB operations on OVS_Migrate at 'remote'; returns their
    results."""
    results = json.loads(run(["ovsdb-client", "--timeout=10", "transact",
                              remote,
                              json.dumps(["OVS_Migrate", *operations])]))
    for result in results:
        if result and "error" in result:
            raise CommandError(f"{operations}: {result}")
    return results


def free_port():
    """A TCP port of the loopback interface that nobody uses.  It is none of
    those that the kernel chooses, for clients and for other tests."""
    while True:
        port = random.randrange(10000, 32768)
        with socket.socket() as sock, contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(("127.0.0.1", port))
            return port


def make_certificate(workspace, address="127.0.0.1"):
    """For https at 'address'.  Returns the files of certificate and key."""
    certificate, key = workspace.path("cert.pem"), workspace.path("key.pem")
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
         "ec_paramgen_curve:P-256", "-nodes", "-days", "1", "-subj",
         "/CN=localhost", "-addext", f"subjectAltName=IP:{address}",
         "-keyout", key, "-out", certificate])
    return certificate, key


class Server:
    """An ovsdb-server with OVS_Migrate, for several controllers.

    'target': where it listens besides, by its table Connection.  'prefix': the
    beginning of the command line."""

    def __init__(self, workspace, name="db", target=None, prefix=()):
        self.workspace = workspace
        self.file = workspace.path(f"{name}.db")
        self.remote = f"unix:{workspace.path(name)}.sock"
        self.name = name
        self.prefix = prefix
        run(["ovsdb-tool", "create", self.file, SCHEMA])
        if target:
            run(["ovsdb-tool", "transact", self.file, json.dumps(
                ["OVS_Migrate",
                 {"op": "insert", "table": "Connection", "uuid-name": "c",
                  "row": {"target": target}},
                 {"op": "insert", "table": "Fabric",
                  "row": {"connections": ["named-uuid", "c"]}}])])
        self.start()

    def start(self):
        self.process = self.workspace.start(self.name, [
            *self.prefix, "ovsdb-server", f"--remote=p{self.remote}",
            "--remote=db:OVS_Migrate,Fabric,connections",
            f"--unixctl={self.workspace.path(self.name)}.ctl", self.file])
        wait_until(lambda: os.path.exists(self.remote[len("unix:"):]),
                   "ovsdb-server to listen")


class Cluster:
    """Three ovsdb-servers with one clustered OVS_Migrate."""

    def __init__(self, workspace):
        self.workspace = workspace
        self.processes = {}
        first = f"unix:{workspace.path('r1')}"
        run(["ovsdb-tool", "create-cluster", workspace.path("n1.db"), SCHEMA,
             first])
        self.start(1)
        for n in (2, 3):
            run(["ovsdb-tool", "join-cluster", workspace.path(f"n{n}.db"),
                 "OVS_Migrate", f"unix:{workspace.path(f'r{n}')}", first])
            self.start(n)
        self.remote = ",".join(map(self.member, (1, 2, 3)))
        wait_until(lambda: self.leader(), "a leader")

    def start(self, n):
        self.processes[n] = self.workspace.start(f"n{n}", [
            "ovsdb-server", f"--remote=p{self.member(n)}",
            f"--unixctl={self.workspace.path(f'n{n}.ctl')}",
            self.workspace.path(f"n{n}.db")])
        wait_until(lambda: os.path.exists(self.member(n)[len("unix:"):]),
                   "ovsdb-server to listen")
        run(["ovsdb-client", "--timeout=10", "wait", self.member(n),
             "OVS_Migrate", "connected"])

    def member(self, n):
        """Its remote."""
        return f"unix:{self.workspace.path(f'n{n}.sock')}"

    def leader(self):
        """Its number, or None."""
        for n, process in self.processes.items():
            if process.alive() and "Role: leader" in run(
                    ["ovs-appctl", "--timeout=5", "-t",
                     self.workspace.path(f"n{n}.ctl"), "cluster/status",
                     "OVS_Migrate"], check=False):
                return n
        return None

    def kill(self, n):
        self.processes[n].send(signal.SIGKILL)
        self.processes[n].wait()


class Response:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.body.decode(errors='replace')}"


class Client:
    """A user of the REST interface, with one connection, on machine 'node',
    if there is one."""

    def __init__(self, url, token=None, certificate=None, node=None):
        self.url = urllib.parse.urlsplit(url)
        self.entered = node.entered if node else contextlib.nullcontext
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}
        if self.url.scheme == "https":
            context = ssl.create_default_context(cafile=certificate)
            self.connection = http.client.HTTPSConnection(
                self.url.netloc, timeout=20, context=context)
        else:
            self.connection = http.client.HTTPConnection(self.url.netloc,
                                                         timeout=20)

    def __call__(self, method, path, body=None, headers=()):
        """Sends a request.  'body' may be bytes; all else is sent as JSON."""
        headers = {**self.headers, **dict(headers)}
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
            if not isinstance(body, bytes):
                body = json.dumps(body).encode()
        headers = {name: value for name, value in headers.items()
                   if value is not None}
        try:
            with self.entered():
                self.connection.request(method, path, body, headers)
            return Response(self.connection.getresponse())
        except (OSError, http.client.HTTPException):
            self.connection.close()
            raise


class Controller:
    """A controller with a directory of its own.  'db': the remote of another
    database than its own.  'args': more of the command line; without --rest in
    it, a port is chosen.  'prefix': the beginning of the command line."""

    def __init__(self, workspace, name="c1", db=None, args=(), prefix=()):
        if not any(arg.startswith("--rest=") for arg in args):
            args = ["--rest=http:127.0.0.1:0", *args]
        self.workspace = workspace
        self.name = name
        self.dir = workspace.mkdir(name)
        self.file = f"{self.dir}/fabric.db"
        self.remote = db or f"unix:{self.dir}/ovs-migrate-db.sock"
        self.argv = [*prefix, TOOLS.find("ovs-migrate-controller"),
                     f"--name={name}", f"--unixctl={self.dir}/ctl",
                     "-vconsole:info", "-vsyslog:off",
                     f"--db={db}" if db else f"--db-file={self.file}", *args]
        self.start()

    def start(self, wait=True):
        self.process = self.workspace.start(
            self.name, self.argv, env={**os.environ, "OVS_RUNDIR": self.dir})
        if wait:
            wait_until(lambda: self.status() or not self.process.alive(),
                       f"{self.name} to answer")

    def appctl(self, *words, check=True):
        return run(["ovs-appctl", "--timeout=5", "-t", f"{self.dir}/ctl",
                    *words], check=check).strip()

    def status(self):
        """"active", "standby", or "" if it does not answer."""
        return self.appctl("status", check=False)

    def server(self):
        """Its ovsdb-server, as (pid, start time)."""
        return wait_until(lambda: descendants(self.process.pid),
                          "an ovsdb-server")[0]

    def wait_active(self, seconds=5):
        wait_until(lambda: self.status() == "active",
                   f"{self.name} to be active", seconds)

    def urls(self):
        return self.appctl("rest").split()

    def client(self, **kwargs):
        return Client(self.urls()[0], **kwargs)

    def wait_ready(self, seconds=5):
        """Until it takes writes."""
        client = self.client()
        wait_until(lambda: client("GET", "/healthz").status == 200,
                   f"{self.name} to be ready", seconds)
        return client

    def kill(self):
        """Without a warning."""
        self.process.send(signal.SIGKILL)
        self.process.wait()


class ControllerTest(unittest.TestCase):
    """A workspace for each test."""

    def setUp(self):
        self.workspace = Workspace()
        self.addCleanup(self.workspace.close)

    def logs(self):
        return self.workspace.logs()
