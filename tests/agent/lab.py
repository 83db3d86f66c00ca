# SPDX-License-Identifier: Apache-2.0
"""A host and a switch in network namespaces of their own, for the agent's
tests, and TAP.  Everything is taken down again at exit, also on a signal."""

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

import fabric

BUILD = os.environ.get('OVM_BUILD') or os.path.abspath(
    os.path.join(os.path.dirname(__file__), '../../build'))
KEY = '00112233445566778899aabbccddeeff'
HOST, SWITCH, VIP = '10.99.0.11', '10.99.0.254', '10.99.0.100'
CLIENTS = '10.99.1.'


def run(*args, check=True, netns=None):
    if netns:
        args = ('ip', 'netns', 'exec', netns) + args
    return subprocess.run(args, check=check, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True).stdout


class Lab:
    def __init__(self, name):
        self.agent_path = f'{BUILD}/agent/ovs-migrate-agent'
        self.host_ns = 'agt-%s-h-%d' % (name, os.getpid())
        self.switch_ns = 'agt-%s-s-%d' % (name, os.getpid())
        self.dir = tempfile.mkdtemp(prefix='agt-')
        self.processes = []
        self.agent = None
        atexit.register(self.close)
        for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(s, lambda *_: sys.exit(1))
        self._network()
        self.set_keys(KEY)

    def _network(self):
        h, s = self.host_ns, self.switch_ns
        run('ip', 'netns', 'add', h)
        run('ip', 'netns', 'add', s)
        run('ip', 'link', 'add', 'eth0', 'netns', h, 'type', 'veth', 'peer',
            'name', 'sw0', 'netns', s)
        for ns, dev in ((h, 'lo'), (h, 'eth0'), (s, 'sw0')):
            run('ip', 'link', 'set', dev, 'up', netns=ns)
        run('ip', 'addr', 'add', HOST + '/24', 'dev', 'eth0', netns=h)
        run('ip', '-6', 'addr', 'add', 'fd99::11/64', 'dev', 'eth0', 'nodad',
            netns=h)
        run('ip', 'link', 'set', 'sw0', 'arp', 'off', netns=s)
        mac = self.mac(s, 'sw0')
        for ip in (SWITCH, 'fd99::fe'):
            run('ip', 'neigh', 'add', ip, 'lladdr', mac, 'dev', 'eth0',
                netns=h)
        run('ip', 'route', 'add', CLIENTS + '0/24', 'via', SWITCH, netns=h)
        run('ip', '-6', 'route', 'add', 'fd99:1::/64', 'via', 'fd99::fe',
            netns=h)
        self.switch = fabric.Switch(s, 'sw0', self.mac(h, 'eth0'), mac,
                                    fabric.Key(KEY), SWITCH, HOST)

    def mac(self, ns, dev):
        out = run('ip', '-j', 'link', 'show', dev, netns=ns)
        return json.loads(out)[0]['address']

    def set_keys(self, *keys):
        self.key_file = os.path.join(self.dir, 'key')
        with open(self.key_file, 'w') as f:
            f.write('\n'.join(keys) + '\n')
        os.chmod(self.key_file, 0o600)

    def spawn(self, *args, log, netns=None, through=()):
        # nsenter, not "ip netns exec": the latter's mounts, and so pins,
        # end with the process.
        ns = '/run/netns/' + (netns or self.host_ns)
        p = subprocess.Popen(('nsenter', '--net=' + ns) + through + args,
                             stdout=log, stderr=subprocess.STDOUT)
        self.processes.append(p)
        return p

    def agent_command(self, *args):
        return (self.agent_path, '--interface', 'eth0', '--run-dir',
                os.path.join(self.dir, 'run')) + args

    def start_agent(self, *args, wait=True, through=()):
        self.log = os.path.join(self.dir, 'agent.log')
        with open(self.log, 'a') as log:
            start = log.tell()
            self.agent = self.spawn(*self.agent_command(
                '--key-file', self.key_file, *args), log=log, through=through)
        if wait and not wait_until(lambda: 'ready' in self.log_from(start)
                                   or self.agent.poll() is not None, 10):
            raise RuntimeError('agent did not start')
        if wait and self.agent.poll() is not None:
            raise RuntimeError('agent failed: ' + self.log_from(start))

    def log_from(self, start=0):
        with open(self.log) as f:
            f.seek(start)
            return f.read()

    def stop_agent(self, sig=signal.SIGTERM):
        self.agent.send_signal(sig)
        status = self.agent.wait(30)
        if status not in (0, -signal.SIGKILL) or 'Sanitizer' in self.log_from():
            raise RuntimeError('agent ended with %d: ' % status
                               + self.log_from())

    def agent_run(self, *args):
        return subprocess.run(
            ('nsenter', '--net=/run/netns/' + self.host_ns)
            + self.agent_command(*args), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)

    def status(self):
        return json.loads(self.agent_run('--status', '--json').stdout)

    def privileges(self):
        """The agent's capability sets, as in /proc/PID/status."""
        with open('/proc/%d/status' % self.agent.pid) as f:
            fields = dict(line.split(':') for line in f)
        return {name: int(value, 16) for name, value in fields.items()
                if name.startswith(('Cap', 'NoNewPrivs'))}

    def counter(self, name):
        return self.status()['counters'][name]

    def hello(self, *vips):
        """Says HELLO; returns the STATUS: connections and capacity."""
        self.switch.vips = vips or [VIP]
        return self.switch.hello()

    def start_nginx(self, backlog=511, port=80, listen=''):
        root = os.path.join(self.dir, 'www')
        os.makedirs(root, exist_ok=True)
        os.chmod(self.dir, 0o755)
        with open(os.path.join(root, 'hello'), 'w') as f:
            f.write('hello')
        with open(os.path.join(root, 'big'), 'wb') as f:
            f.write(bytes(range(256)) * 4096)
        conf = os.path.join(self.dir, 'nginx.conf')
        with open(conf, 'w') as f:
            f.write('''daemon off; worker_processes 1; pid %s/nginx.pid;
error_log %s/error.log; events { worker_connections 10000; }
http { access_log %s/access.log; server { listen %s%d backlog=%d;
listen [::]:%d ipv6only=on; root %s; keepalive_timeout 60; } }
''' % (self.dir, self.dir, self.dir, listen, port, backlog, port, root))
        with open(os.path.join(self.dir, 'nginx.log'), 'w') as log:
            nginx = self.spawn('nginx', '-c', conf, '-e',
                               self.dir + '/error.log', log=log)
        if not wait_until(lambda: ':%d' % port in run(
                'ss', '-ltn', netns=self.host_ns), 10):
            raise RuntimeError('nginx did not start')
        return nginx

    def close(self):
        if os.environ.get("KEEP_LOG"): print(self.log_from())
        atexit.unregister(self.close)
        if self.agent:
            self.agent_run('--cleanup') if self.agent.poll() is not None \
                else None
        for p in reversed(self.processes):
            if p.poll() is None:
                p.terminate()
                try:
                    p.wait(5)
                except subprocess.TimeoutExpired:
                    p.kill()
                    p.wait()
        if self.agent:
            self.agent_run('--cleanup')
        for ns in (self.host_ns, self.switch_ns):
            run('ip', 'netns', 'del', ns, check=False)
        for root, dirs, _ in os.walk(os.path.join(self.dir, 'run')):
            for d in dirs:
                run('umount', '-l', os.path.join(root, d), check=False)
        shutil.rmtree(self.dir, ignore_errors=True)


def wait_until(condition, timeout=10.0):
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(0.01)


class Failed(Exception):
    pass


def check(condition, what):
    if not condition:
        raise Failed(what)


def tap(tests):
    """Runs the functions 'tests' (whose docstrings are their names) and
    exits."""
    failed = 0
    print('1..%d' % len(tests), flush=True)
    for i, test in enumerate(tests, 1):
        try:
            test()
            print('ok %d - %s' % (i, test.__doc__), flush=True)
        except Exception as e:
            failed += 1
            print('not ok %d - %s' % (i, test.__doc__))
            lines = traceback.format_exc().splitlines()
            for line in lines if not isinstance(e, Failed) else lines[-3:]:
                print('# ' + line)
            sys.stdout.flush()
    sys.exit(failed > 0)
