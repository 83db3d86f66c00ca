# SPDX-License-Identifier: Apache-2.0
"""Machines of a test: network namespaces and the cables between them."""

import contextlib
import ctypes
import os
import socket
import subprocess

from workspace import run, wait_until

_libc = ctypes.CDLL(None, use_errno=True)
_CLONE_NEWNET = 0x40000000


class Node:
    """A network namespace to run programs in.

    Only the network is its own: files, mounts and process ids are the
    machine's, which 'ip netns exec' would change (it mounts another /sys)."""

    def __init__(self, workspace, name, path):
        self.workspace = workspace
        self.name = name
        self.path = path            # Such as /run/netns/NAME.

    @classmethod
    def create(cls, workspace, name):
        full_name = workspace.add_namespace(name)
        node = cls(workspace, name, f"/run/netns/{full_name}")
        # No router solicitations and the like among the frames of a test.
        node.sysctl("net.ipv6.conf.all.disable_ipv6", 1)
        node.sysctl("net.ipv6.conf.default.disable_ipv6", 1)
        node.run("ip", "link", "set", "lo", "up")
        return node

    def enable_ipv6(self):
        """IPv6 for the interfaces to come, whose addresses are good at once
        and come from nowhere but a test."""
        for scope in "default", "all":
            for key, value in (("accept_dad", 0), ("accept_ra", 0),
                               ("router_solicitations", 0),
                               ("disable_ipv6", 0)):
                self.sysctl(f"net.ipv6.conf.{scope}.{key}", value)

    def command(self, argv):
        return ["nsenter", f"--net={self.path}"] + [str(a) for a in argv]

    def run(self, *argv, **kwargs):
        """Runs a command to its end and returns its standard output."""
        return run(self.command(argv), **kwargs)

    def start(self, *argv, name=None, **kwargs):
        """Starts a program in the background; returns its Process."""
        name = name or os.path.basename(str(argv[0]))
        return self.workspace.start(f"{self.name}-{name}",
                                    self.command(argv), **kwargs)

    def sysctl(self, key, value):
        self.run("sysctl", "-qw", f"{key}={value}")

    @contextlib.contextmanager
    def entered(self):
        """This thread is in the namespace.  Sockets made here stay in it."""
        with open("/proc/thread-self/ns/net") as old, \
                open(self.path) as new:
            _setns(new)
            try:
                yield
            finally:
                _setns(old)

    def socket(self, family=socket.AF_INET, kind=socket.SOCK_STREAM, proto=0):
        with self.entered():
            return socket.socket(family, kind, proto)

    def connect(self, address, timeout=10):
        """A TCP connection from here to 'address', (IP, port)."""
        sock = self.socket(family_of(address[0]))
        sock.settimeout(timeout)
        sock.connect(address)
        return sock


def family_of(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _setns(file):
    if _libc.setns(file.fileno(), _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def cable(a, a_name, b, b_name, mtu=1500):
    """Lays a cable (a veth pair) between interfaces of two nodes."""
    a.run("ip", "link", "add", a_name, "mtu", mtu, "type", "veth",
          "peer", "name", b_name, "mtu", mtu, "netns", b.path)
    a.run("ip", "link", "set", a_name, "up")
    b.run("ip", "link", "set", b_name, "up")


class BadCable:
    """A cable that loses frames and worse, once it is told to.  'program' is
    tests/system/cable, which says what that is."""

    def __init__(self, program, a, a_name, b, b_name, seed=1):
        self.node = Node.create(a.workspace, f"{b.name}-cable")
        cable(a, a_name, self.node, "end1")
        cable(self.node, "end2", b, b_name)
        self.process = self.node.start(program, "end1", "end2", seed,
                                       stdin=subprocess.PIPE)
        self.faults()

    def faults(self, lost=0, doubled=0, delayed=0, corrupted=0,
               spare_replies=False):
        """From now on so many percent of the frames, each way, but for TCP
        from 'b' if 'spare_replies'.  Returns the numbers of frames so
        far."""
        answers = self.process.output().count("\n")
        self.process.popen.stdin.write(
            f"{lost} {doubled} {delayed} {corrupted} "
            f"{spare_replies:d}\n".encode())
        self.process.popen.stdin.flush()
        wait_until(lambda: self.process.output().count("\n") > answers
                   or not self.process.alive(), "the cable to answer")
        return read_numbers(self.process.output().splitlines()[-1])


def read_numbers(line):
    """A dict from what "NAME=NUMBER NAME=NUMBER..." says."""
    return {name: float(number) for name, number in
            (word.split("=") for word in line.split())}


def offload(node, interface, on):
    """Switches segmentation and checksum offload of an interface.

    A veth hands over packets as they are: checksums not computed, up to
    64 KiB in one.  Only a reader that expects that may be at its end."""
    state = "on" if on else "off"
    node.run("ethtool", "-K", interface, "tx", state, "tso", state,
             "gso", state, "gro", state)
