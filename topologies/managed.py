# SPDX-License-Identifier: Apache-2.0
"""A leaf-spine fabric that is run as one should be: the controller is on a
machine of its own, ops, 10.9.0.1, in a management network with all hosts, and
takes orders over HTTPS from those who have a token.  Hosts register
themselves, and get the fabric's key from it.
"""

import os
import secrets

from leaf_spine import LeafSpineNet, LeafSpineTopo
from migrate_topo import MigrateClient
from mininet.node import Host

from controllers import Controller, make_certificate
from netns import cable
from workspace import wait_until

ADDRESS = "10.9.0.1"
URL = f"https://{ADDRESS}:7443"


class Operator(MigrateClient):
    """The machine of the controller, and of who gives it orders."""

    def config(self, **params):
        Host.config(self, **params)     # It has no eth0.

    def defaultIntf(self):
        return None


class ManagedTopo(LeafSpineTopo):
    def build(self, **params):
        super().build(**params)
        self.addHost("ops", cls=Operator)


class ManagedNet(LeafSpineNet):
    """See above."""

    def start_controller(self):
        ops = self["ops"]
        self._lay_cables(ops.machine)
        certificate, key = make_certificate(self.workspace, ADDRESS)
        tokens = {name: secrets.token_hex(16) for name in
                  ["ops", *(host.name for host in self.servers)]}
        for name, token in tokens.items():
            self.workspace.write(f"{name}.token", token + "\n", 0o600)
        all_tokens = self.workspace.write("tokens", "".join(
            f"{name} {'write' if name == 'ops' else 'agent'} {token}\n"
            for name, token in tokens.items()), 0o600)
        self.controller = Controller(self.workspace, args=[
            f"--rest={URL.replace('//', '')}", f"--rest-tokens={all_tokens}",
            f"--rest-certificate={certificate}", f"--rest-private-key={key}"],
            prefix=ops.machine.command([]))
        self.controller.wait_active()
        self.rest = self.controller.client(
            token=tokens["ops"], certificate=certificate, node=ops.machine)
        self.certificate = certificate
        ops.define(self.ctl_environment())

    def _lay_cables(self, ops):
        """The management network: one cable to each host."""
        ops.run("ip", "addr", "add", f"{ADDRESS}/32", "dev", "lo")
        for host in self.servers:
            address = "10.9." + host.IP().partition(".")[2].partition(".")[2]
            cable(ops, host.name, host.machine, "mgmt")
            host.machine.run("ip", "addr", "add", f"{address}/24", "dev",
                             "mgmt")
            ops.run("ip", "route", "add", address, "dev", host.name)

    def ctl_environment(self):
        return {**super().ctl_environment(),
                "OVS_MIGRATE_CA_CERT": self.certificate,
                "OVS_MIGRATE_TOKEN_FILE": self.workspace.path("ops.token")}

    def ctl(self, *words):
        return self["ops"].machine.run(
            self.tools.find("ovs-migratectl"), *words,
            env={**os.environ, **self.ctl_environment()})

    def share_key(self):
        """Not needed: the controller has made one, and tells agents."""

    def add_hosts(self, names):
        """They register themselves; returns when each has the key."""
        hosts = [self[name] for name in names]
        for host in hosts:
            host.agent.key_file = self.workspace.path(f"{host.name}.key")
            host.machine.start(
                self.tools.find("ovs-migrate-agent-register"),
                "--interface", "eth0", "--name", host.name,
                "--controller", URL, "--ca-file", self.certificate,
                "--token-file", self.workspace.path(f"{host.name}.token"),
                "--key-file", host.agent.key_file,
                "--run-dir", host.agent.run_dir)
        wait_until(lambda: all(os.path.exists(host.agent.key_file)
                               for host in hosts), "hosts to be registered")
