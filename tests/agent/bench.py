#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the agent costs: bench.py [N].  Needs root.

Infuses N connections, which a server accepts and closes at once, as fast as
they come, and prints what each program and the daemon took."""

import os
import resource
import sys
import threading

from fabric import *
from lab import *

flood = f'{BUILD}/tests/agent/flood'
n = int(sys.argv[1]) if len(sys.argv) > 1 else 100000

lab = Lab('bench')
lab.start_agent()
lab.hello()


def bpf_stats():
    programs = json.loads(run('bpftool', '-j', 'prog', 'show'))
    return {p['name']: (p.get('run_cnt', 0), p.get('run_time_ns', 0))
            for p in programs if p.get('name', '').startswith('migrator_')
            and p.get('run_cnt')}


def cpu(pid):
    fields = open('/proc/%d/stat' % pid).read().rsplit(')')[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


SERVER = '''
import socket
s = socket.socket()
s.bind(('', 80))
s.listen(4000)
print('ready', flush=True)
while True:
    s._accept()[0]
'''
# Accepts and closes without anything else: socket.close(fd).
SERVER = SERVER.replace('s._accept()[0]', 'socket.close(s._accept()[0])')
server = subprocess.Popen(
    ('nsenter', '--net=/run/netns/' + lab.host_ns, '/usr/bin/python3', '-c',
     SERVER), stdout=subprocess.PIPE)
lab.processes.append(server)
server.stdout.readline()


def run_flood():
    """Runs the flood, while the switch goes on saying HELLO; returns its
    output."""
    process = subprocess.Popen(
        ('nsenter', '--net=/run/netns/' + lab.switch_ns, flood, 'sw0',
         lab.mac(lab.host_ns, 'eth0'), KEY, str(n), '80'),
        stdout=subprocess.PIPE, text=True)
    lab.processes.append(process)
    while process.poll() is None:
        lab.hello()
        time.sleep(0.2)
    return process.stdout.read()


old = run('sysctl', '-n', 'kernel.bpf_stats_enabled').strip()
for stats in 0, 1:
    run('sysctl', '-w', 'kernel.bpf_stats_enabled=%d' % stats)
    before, start = bpf_stats(), cpu(lab.agent.pid)
    out = run_flood()
    run('sysctl', '-w', 'kernel.bpf_stats_enabled=' + old)
    confirmed, refused, released, took = map(float, out.split())
    after, used = bpf_stats(), cpu(lab.agent.pid) - start
    if not stats:
        print('%d connections in %.2f s: %.0f/s (with the generator and the '
              'server on the same processors)' % (n, took, n / took))
        print('%d confirmed, %d refused, %d released' % (confirmed, refused,
                                                         released))
        print('daemon: %.2f s, %.2f us a connection, %.1f %% of a processor'
              % (used, used / n * 1e6, used / took * 100))
        counters = lab.status()['counters']
        print('reports %(reports)d in %(report_messages)d messages, events '
              'lost %(events_lost)d' % counters)
        lab.stop_agent()
        lab.agent_run('--cleanup')
        lab.start_agent()
        lab.hello()
        continue
    for name in sorted(after):
        count, ns = (a - b for a, b in zip(after[name],
                                           before.get(name, (0, 0))))
        if count:
            print('%-18s %8d runs, %6.0f ns each' % (name, count, ns / count))
