# SPDX-License-Identifier: Apache-2.0
"""A place for a test or a demo to work in, that leaves nothing behind.

A Workspace is a temporary directory, /tmp/ovm-XXXXXXXX, and all that was
started or made in its name: processes, network namespaces (called
ovm-XXXXXXXX-NAME) and mounts below the directory.  close() ends and removes
all of it, and runs also when Python exits or is told to by SIGINT, SIGTERM or
SIGHUP.

Should even that be impossible (SIGKILL), the processes die with their parent
and sweep() removes the rest: all that a workspace made is written down in its
directory.
"""

import atexit
import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

PREFIX = "ovm-"
ROOT = "/tmp"

# Times as much as usual may all take: more than 1 where the programs are
# slower, as with sanitizers.
PATIENCE = float(os.environ.get("OVM_PATIENCE", "1"))


class Timeout(Exception):
    """Something did not happen within its time."""


class CommandError(Exception):
    """A command failed; its words are in the message."""


def wait_until(condition, what, seconds=10, interval=0.01):
    """Waits until condition() is true and returns its value."""
    seconds *= PATIENCE
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Timeout(f"waited {seconds:g} s in vain for {what}")
        time.sleep(interval)


def wait_value(value, wanted):
    """Waits until value() is 'wanted', if in vain.  Returns the last one, for
    an assertion that shows it."""
    with contextlib.suppress(Timeout):
        wait_until(lambda: value() == wanted, "")
    return value()


def run(argv, check=True, **kwargs):
    """Runs a command to its end and returns its standard output."""
    argv = [str(arg) for arg in argv]
    kwargs.setdefault("timeout", 60 * PATIENCE)
    kwargs.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run(argv, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True,
                          errors="replace", **kwargs)
    if check and done.returncode:
        raise CommandError(f"{' '.join(argv)}: exit {done.returncode}: "
                           f"{(done.stderr or done.stdout).strip()}")
    return done.stdout


def _stat(pid):
    """The fields of /proc/PID/stat from the state on, or None."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()
    except OSError:
        return None


def start_time(pid):
    """When process 'pid' began, which with its number is its identity; None
    if there is no such process."""
    stat = _stat(pid)
    return int(stat[19]) if stat else None


def alive(process):
    """Whether 'process', (pid, start time), runs.  One that has ended may
    stay a while for its parent to take notice."""
    stat = _stat(process[0])
    return bool(stat) and stat[0] != "Z" and int(stat[19]) == process[1]


def descendants(pid):
    """All processes below 'pid', each (pid, start time)."""
    children = {}
    for other in filter(str.isdigit, os.listdir("/proc")):
        stat = _stat(other)
        if stat:
            children.setdefault(int(stat[1]), []).append(int(other))
    found = []
    pids = [pid]
    while pids:
        below = children.get(pids.pop(), [])
        found += [(child, start_time(child)) for child in below]
        pids += below
    return found


def _kill_all(pids, sig=signal.SIGKILL):
    for pid in pids:
        try:
            os.kill(pid, sig)
        except ProcessLookupError:
            pass


class Process:
    """A program running in the background, with all that it started.

    Its output is in the file 'log'."""

    def __init__(self, name, popen, log):
        self.name = name
        self.popen = popen
        self.pid = popen.pid
        self.log = log

    def alive(self):
        return self.popen.poll() is None

    def output(self):
        with open(self.log, errors="replace") as log:
            return log.read()

    def wait(self, seconds=60):
        """Waits for its end and returns its exit status."""
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Timeout(f"{self.name} did not end within {seconds} s") \
                from None

    def send(self, sig):
        """Sends a signal to it alone, not to what it started."""
        if self.alive():
            os.kill(self.pid, sig)

    def stop(self, sig=signal.SIGTERM, seconds=5):
        """Ends it politely, and then, with all that it started, surely."""
        if self.alive():
            os.kill(self.pid, sig)
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                pass
        self.kill()

    def kill(self):
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.popen.wait()


class Workspace:
    """See above.  A context manager."""

    def __init__(self):
        self.processes = []
        self.namespaces = []
        with _signals_held():
            self.dir = tempfile.mkdtemp(prefix=PREFIX, dir=ROOT)
            os.chmod(self.dir, 0o755)
            self._record("owner", f"{os.getpid()} {start_time(os.getpid())}")
            atexit.register(self.close)
            _handle_signals()
        self.id = os.path.basename(self.dir)
        self.log_dir = self.mkdir("log")

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def _record(self, file_name, line):
        with open(f"{self.dir}/{file_name}", "a") as file:
            file.write(line + "\n")

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def mkdir(self, *parts):
        path = self.path(*parts)
        os.makedirs(path, exist_ok=True)
        return path

    def write(self, name, text, mode=0o644):
        """Makes a file with 'text' and returns its path."""
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            os.fchmod(file.fileno(), mode)
            file.write(text)
        return path

    def start(self, name, argv, **kwargs):
        """Starts a program in the background, in a session of its own."""
        log = f"{self.log_dir}/{name}.log"
        n = 1
        while os.path.exists(log):
            n += 1
            log = f"{self.log_dir}/{name}.{n}.log"
        argv = ["setpriv", "--pdeathsig", "KILL"] + [str(a) for a in argv]
        with open(log, "wb") as output:
            kwargs.setdefault("stdout", output)
            kwargs.setdefault("stderr", output)
            kwargs.setdefault("stdin", subprocess.DEVNULL)
            popen = subprocess.Popen(argv, start_new_session=True, **kwargs)
        process = Process(name, popen, log)
        self.processes.append(process)
        self._record("processes",
                     f"{popen.pid} {start_time(popen.pid)} {name}")
        return process

    def add_namespace(self, name):
        """Makes a network namespace; returns its full name."""
        full_name = f"{self.id}-{name}"
        self._record("namespaces", full_name)
        self.namespaces.append(full_name)
        run(["ip", "netns", "add", full_name])
        return full_name

    def logs(self, lines=30):
        """The last lines of every log but access logs, for people."""
        text = []
        for directory, _, files in sorted(os.walk(self.dir)):
            for name in sorted(files):
                if not name.endswith(".log") or name == "access.log":
                    continue
                path = os.path.join(directory, name)
                with open(path, errors="replace") as file:
                    tail = file.read().splitlines()[-lines:]
                if tail:
                    text.append(f"==> {os.path.relpath(path, self.dir)}")
                    text += tail
        return "\n".join(text)

    def close(self):
        """Ends and removes everything.  May be called again."""
        if not os.path.isdir(self.dir):
            return
        with _signals_held():
            for process in reversed(self.processes):
                process.stop(seconds=2)
            _remove(self.dir, self.namespaces)
        atexit.unregister(self.close)


def _remove(directory, namespaces):
    """Removes what is left once a workspace's own processes have ended."""
    existing = os.listdir("/run/netns") if os.path.isdir("/run/netns") else []
    for namespace in namespaces:
        if namespace in existing:
            # Daemons that left their session.  The namespace is ours, so
            # whatever runs in it is as well.
            _kill_all(map(int, run(["ip", "netns", "pids", namespace],
                                   check=False).split()))
            run(["ip", "netns", "del", namespace], check=False)
    with open("/proc/self/mounts") as mounts:
        points = [line.split()[1] for line in mounts]
    for point in reversed(points):
        if point.startswith(directory + "/"):
            run(["umount", point], check=False)
    shutil.rmtree(directory, ignore_errors=True)


def sweep():
    """Removes what dead workspaces left; returns how many there were."""
    n = 0
    for name in os.listdir(ROOT):
        directory = f"{ROOT}/{name}"
        if not re.fullmatch(PREFIX + r"\w{8}", name):
            continue
        if _is_used(directory):
            continue
        n += 1
        for line in _lines(f"{directory}/processes"):
            pid, started, _ = line.split(maxsplit=2)
            if str(start_time(pid)) == started:
                _kill_all([int(pid)])
        _remove(directory, _lines(f"{directory}/namespaces"))
    return n


def _is_used(directory):
    """Whether the owner of a workspace lives, or may yet be written down."""
    owner = _lines(f"{directory}/owner")
    if not owner:
        return time.time() - os.stat(directory).st_mtime < 60
    pid, started = owner[0].split()
    return str(start_time(pid)) == started


def _lines(path):
    try:
        with open(path) as file:
            return file.read().splitlines()
    except OSError:
        return []


def _interrupt(signum, _frame):
    # Not SystemExit: unittest would take that for a failed test and go on.
    raise KeyboardInterrupt(signal.Signals(signum).name)


def _handle_signals():
    for signum in signal.SIGINT, signal.SIGTERM, signal.SIGHUP:
        signal.signal(signum, _interrupt)


class _signals_held:
    """Puts signals off while cleaning up."""

    SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}

    def __enter__(self):
        self.old = signal.pthread_sigmask(signal.SIG_BLOCK, self.SIGNALS)

    def __exit__(self, *exc):
        signal.pthread_sigmask(signal.SIG_SETMASK, self.old)
