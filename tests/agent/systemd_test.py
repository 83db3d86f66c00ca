#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The agent and the controller under systemd, by their units.  Needs root, and skips
where there is no systemd.

A systemd of its own runs for it, as process 1 of a small system that has the
machine's programs and libraries, the host's network namespace, and nothing
else of the machine."""

import atexit
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys

from fabric import *
from lab import *

SYSTEMD = '/lib/systemd/systemd'
UNIT = 'ovs-migrate-agent@eth0.service'
CONTROLLER = 'ovs-migrate-controller.service'
REGISTER = 'ovs-migrate-agent-register@eth0.service'
CAP_NET_ADMIN = 1 << 12
GET = b'GET /hello HTTP/1.1\r\nHost: x\r\n\r\n'

# $1: an empty directory; $2: one with units and a key.
BOOT = '''
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs $1
cd $1
mkdir -p dev etc/systemd/system old proc root run sys tmp usr var/log var/tmp
mount --rbind /usr usr
for dir in bin lib lib32 lib64 libx32 sbin; do
    if [ -L /$dir ]; then
        cp -a /$dir $dir
    elif [ -d /$dir ]; then
        mkdir $dir
        mount --rbind /$dir $dir
    fi
done
mkdir -p .$3
mount --bind $3 .$3
cp -a /etc/passwd /etc/group /etc/ld.so.cache etc
echo 0123456789abcdef0123456789abcdef > etc/machine-id
cp $2/*.service etc/systemd/system
install -m 600 $2/key etc/ovs-migrate.key
printf '[Unit]\\nDefaultDependencies=no\\n' > etc/systemd/system/nothing.target
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount --rbind /dev dev
pivot_root . old
cd /
umount -l old
export container=test
exec %s --system --unit=nothing.target --log-target=console --show-status=no
''' % SYSTEMD


def cgroup2():
    """Where the machine's cgroup2 hierarchy is mounted."""
    with open('/proc/self/mounts') as mounts:
        for line in mounts:
            if line.split()[2] == 'cgroup2':
                return line.split()[1]
    return None


def skip(why):
    print('1..0 # SKIP ' + why)
    sys.exit(77)


if os.geteuid():
    skip('needs root')
if not os.path.exists(SYSTEMD) or not cgroup2():
    skip('needs systemd and cgroup2')

lab = Lab('unit')
sw = lab.switch


class System:
    """A systemd in namespaces of its own."""

    def __init__(self):
        self.group = '%s/agt-%d' % (cgroup2(), os.getpid())
        self.root, self.units = lab.dir + '/root', lab.dir + '/units'
        for path in self.group, self.root, self.units:
            os.mkdir(path)
        for unit in glob.glob(BUILD + '/*/*.service'):
            with open(unit) as f:
                text = f.read()
            # There is no udev to know of the device.
            text = re.sub(r'sys-subsystem-net-devices-%i.device', '', text)
            text = re.sub(r'(?m)^BindsTo=\n', '', text)
            # To look for leaks, a sanitizer wants what the unit forbids.
            text = re.sub(r'(?m)^ExecStart=\S+',
                          'Environment=ASAN_OPTIONS=detect_leaks=0\n'
                          'Environment=PATH=%s/ovs/ovsdb:/usr/bin\n'
                          'ExecStart=%s' % (BUILD, self.program(unit)), text)
            with open('%s/%s' % (self.units, os.path.basename(unit)),
                      'w') as f:
                f.write(text)
        shutil.copy(lab.key_file, self.units + '/key')
        self.console = open(lab.dir + '/console', 'w')
        self.outer = subprocess.Popen(
            ('nsenter', '--net=/run/netns/' + lab.host_ns, 'unshare', '-m',
             '-p', '-f', '-u', '-i', '-C', '--kill-child', 'bash', '-c', BOOT,
             'boot', self.root, self.units, BUILD),
            stdout=self.console, stderr=self.console, preexec_fn=self._enter)
        atexit.register(self.close)
        self.init = wait_until(self._init, 10)
        if not wait_until(lambda: self.ctl('is-system-running').strip()
                          in ('running', 'degraded'), 20):
            raise RuntimeError('no systemd: '
                               + open(self.console.name).read())

    def program(self, unit):
        """What it starts, as it was built."""
        name = re.match(r'[a-z-]+', os.path.basename(unit))[0]
        name = name.replace('-prepare', '')
        return '%s/%s' % (os.path.dirname(unit), name)

    def _enter(self):
        # unshare(1) makes this group the root of what systemd sees.
        with open(self.group + '/cgroup.procs', 'w') as f:
            f.write('0')

    def _init(self):
        out = run('pgrep', '-P', str(self.outer.pid), check=False).split()
        return int(out[0]) if out else None

    def run(self, *args):
        return run('nsenter', '-t', str(self.init), '-m', '-n', '-p', '-C',
                   *args, check=False)

    def ctl(self, *args):
        return self.run('systemctl', '--no-pager', *args)

    def show(self, name, unit=UNIT):
        return self.ctl('show', '-P', name, unit).strip()

    def status(self):
        return json.loads(self.run(lab.agent_path, '--interface', 'eth0',
                                   '--status', '--json'))

    def privileges(self, unit=UNIT):
        """What /proc says of the agent, or of another unit's program."""
        text = self.run('cat', '/proc/%s/status' % self.show('MainPID', unit))
        fields = dict(line.split(':') for line in text.splitlines())
        return {name: int(fields[name], 16)
                for name in ('CapEff', 'CapPrm', 'NoNewPrivs', 'Seccomp')}

    def kill(self, unit=UNIT):
        """Kills its program; returns the process's number."""
        pid = self.show('MainPID', unit)
        check(pid not in ('', '0'), unit + ' does not run')
        self.run('kill', '-9', pid)
        return pid

    def log(self, unit=UNIT):
        return self.run('journalctl', '--no-pager', '-u', unit)

    def close(self):
        atexit.unregister(self.close)
        if self.init:
            os.kill(self.init, signal.SIGKILL)      # And so all of it.
        self.outer.wait()
        self.console.close()
        for path, _, _ in os.walk(self.group, topdown=False):
            os.rmdir(path)


def verify():
    """systemd finds nothing wrong with the units"""
    for unit in UNITS:
        out = system.run('systemd-analyze', 'verify', '--man=no', unit)
        check(not out, out)
        out = system.run('systemd-analyze', 'security', '--offline=yes',
                         '--threshold=25', '/etc/systemd/system/' + unit)
        check('OK' in out.splitlines()[-1], out)


def start():
    """it starts, with what it needs and no more"""
    out = system.ctl('start', UNIT)
    check(wait_until(lambda: 'ready' in system.log(), 10),
          out + system.log() + open(system.console.name).read())
    check(system.privileges() == {
        'CapEff': CAP_NET_ADMIN, 'CapPrm': CAP_NET_ADMIN, 'NoNewPrivs': 1,
        'Seccomp': 2}, system.privileges())


def serve():
    """all of its work is allowed to it"""
    global flow_id, live
    check(lab.hello(), 'STATUS')
    check('local %s dev lo' % VIP in run(
        'ip', 'route', 'show', 'table', 'local', netns=lab.host_ns), 'route')
    live = Client(CLIENTS + '7', 20000)
    flow_id = sw.infuse(live, GET)
    live.seq += len(GET)
    check(sw.wait_report(flow_id, CONFIRM), 'CONFIRM')
    check(sw.wait(lambda: live.got.endswith(b'hello')), 'response')
    ended = sw.infuse(Client(CLIENTS + '7', 20001), GET)
    check(sw.wait_report(ended, CONFIRM), 'CONFIRM')
    sw.send(ABORT, struct.pack('!II', ended, 0), 1)
    check(sw.wait_report(ended, RELEASE), 'RELEASE')
    check(wait_until(lambda: ':20001' not in run(
        'ss', '-tan', netns=lab.host_ns)), 'socket ended')
    system.ctl('reload', UNIT)
    check(wait_until(lambda: 'read again, 1 key' in system.log()), 'SIGHUP')
    run('tc', 'qdisc', 'del', 'dev', 'eth0', 'clsact', netns=lab.host_ns)
    check(wait_until(lambda: 'migrator_' in run(
        'tc', 'filter', 'show', 'dev', 'eth0', 'ingress',
        netns=lab.host_ns), 8), 'programs that somebody removed are back')


def restart():
    """killed or restarted, it finds its connections again"""
    pid = system.kill()
    check(wait_until(lambda: system.show('MainPID') not in ('0', pid)
                     and system.log().count('ready') == 2, 10), system.log())
    system.ctl('restart', UNIT)
    check(wait_until(lambda: system.log().count('ready') == 3, 10),
          system.log())
    check(system.status()['connections'] == 1, 'one connection')
    live.got = b''
    sw.say(flow_id, live, GET)
    check(sw.wait(lambda: live.got.endswith(b'hello')), 'response')


def late_key():
    """it waits for its key for as long as it takes"""
    system.ctl('stop', UNIT)
    key = '/etc/ovs-migrate.key'
    system.run('mv', key, key + '.late')
    system.ctl('start', UNIT)
    check(wait_until(lambda: int(system.show('NRestarts')) > 6, 20),
          system.log())
    system.run('mv', key + '.late', key)
    check(wait_until(lambda: system.log().count('ready') == 4, 10),
          system.log())


def stop():
    """it stops, and leaves nothing after --cleanup"""
    system.ctl('stop', UNIT)
    check(system.show('ActiveState') == 'inactive', 'inactive')
    system.run(lab.agent_path, '--interface', 'eth0', '--cleanup')
    check(not system.run('ls', '/run/ovs-migrate-agent'), 'run directory')


def healthy():
    """What the controller says of itself."""
    return '"status":"ok"' in system.run(
        'curl', '-s', 'http://127.0.0.1:7480/healthz')


def controller():
    """the controller starts, without privileges, and again when it dies"""
    out = system.ctl('start', CONTROLLER)
    check(wait_until(healthy, 10), out + system.log(CONTROLLER))
    check(system.privileges(CONTROLLER) == {
        'CapEff': 0, 'CapPrm': 0, 'NoNewPrivs': 1, 'Seccomp': 2},
        system.privileges(CONTROLLER))
    out = system.run('curl', '-s', '-X', 'PUT', '-H',
                     'Content-Type: application/json', '-d',
                     '{"ip": "10.0.0.11"}',
                     'http://127.0.0.1:7480/v1/hosts/h1')
    check('"ip":"10.0.0.11"' in out, out)
    pid = system.kill(CONTROLLER)
    check(wait_until(lambda: system.show('MainPID', CONTROLLER)
                     not in ('0', pid) and healthy(), 10),
          system.log(CONTROLLER))
    out = system.run('curl', '-s', 'http://127.0.0.1:7480/v1/hosts/h1')
    check('"ip":"10.0.0.11"' in out, out)
    system.ctl('stop', CONTROLLER)
    check(system.show('ActiveState', CONTROLLER) == 'inactive', 'inactive')


def register():
    """the agent's companion finds the controller, without privileges"""
    system.run('bash', '-c', '''
        mkdir -p /etc/systemd/system/%s.d
        cat > /etc/systemd/system/%s.d/x.conf << EOF
[Service]
Environment=CONTROLLER=http://127.0.0.1:7480 OPTIONS=--name=h7
EOF
        (umask 077; echo aaaaaaaaaaaaaaaa > /etc/ovs-migrate.token)
        systemctl daemon-reload''' % (REGISTER, REGISTER))
    system.ctl('start', CONTROLLER)
    out = system.ctl('start', REGISTER)

    def status():
        item = json.loads(system.run(
            'curl', '-s', 'http://127.0.0.1:7480/v1/hosts/h7') or '{}')
        return item['status'] if 'name' in item else {}
    check(wait_until(lambda: status().get('agent') == 'stopped', 10),
          out + system.log(REGISTER))
    check(system.privileges(REGISTER) == {
        'CapEff': 0, 'CapPrm': 0, 'NoNewPrivs': 1, 'Seccomp': 2},
        system.privileges(REGISTER))
    check(wait_until(lambda: 'cpu' in status(), 10), status())
    system.ctl('stop', REGISTER)
    check(wait_until(lambda: 'agent' not in status(), 5),
          'it takes its leave')
    check(system.show('Result', REGISTER) == 'success',
          system.log(REGISTER))
    system.ctl('stop', CONTROLLER)


lab.start_nginx()
UNITS = [UNIT, REGISTER]
if os.path.exists(BUILD + '/controller/ovs-migrate-controller'):
    UNITS.append(CONTROLLER)
system = System()
tap([verify, start, serve, restart, late_key, stop]
    + ([controller, register] if CONTROLLER in UNITS else []))
