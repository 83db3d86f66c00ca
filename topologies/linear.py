#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A row of switches in Mininet, run by ovs-migrate-controller.

    c1 - r1 - leaf1 --- leaf2 --- leaf3 --- leaf4 ...
             h1 h2     h3 h4     h5 h6     h7 h8

All switches migrate.  As in leaf_spine.py, each runs its own ovsdb-server and
ovs-vswitchd in a namespace, and a client is outside, behind a router; the next
one would be at leaf2.

By hand, as root:

    linear.py [--switches N] [--hosts N] [--clients N] [--cli]
"""

import argparse
import sys

sys.dont_write_bytecode = True

# pylint: disable=wrong-import-position
from leaf_spine import (FabricSwitch, LeafSpineTopo, add_arguments,
                        run_topology)


class LinearTopo(LeafSpineTopo):
    """See above."""

    def build(self, switches=4, hosts=2, clients=1):
        for i in range(1, switches + 1):
            self.addSwitch(f"leaf{i}", cls=FabricSwitch, number=i)
            if i > 1:
                self.join(f"leaf{i - 1}", f"leaf{i}")
        self.add_machines(switches, hosts, clients)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--switches", type=int, default=4)
    add_arguments(parser)
    args = parser.parse_args()
    return run_topology(LinearTopo(args.switches, args.hosts, args.clients),
                        args.cli, "leaf2")


if __name__ == "__main__":
    sys.exit(main())
