#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""unittest in the Test Anything Protocol, and the sum of many such reports.

A test file ends in "tap.main()".  Run by hand it takes names of tests, of
which only those that contain one run:

    tests/system/test_http.py closing

As a program:

    tap.py run DIRECTORY TEST...
        runs tests, as many at a time as there are processors, shows their
        reports and leaves them in DIRECTORY/NAME.tap; those that say "ALONE =
        True" run afterwards, one by one
    tap.py sum FILE...
        adds up reports

Both print the failed tests and, as the last line, "N passed, N failed, N
skipped".
"""

import os
import re
import signal
import subprocess
import sys
import time
import unittest
from concurrent import futures

from workspace import PATIENCE

TEST_SECONDS = 180              # A test that takes longer has failed.


class TestTimeout(BaseException):
    """Not an Exception, so that no test takes it for one of its own."""


def _alarm(_signum, _frame):
    raise TestTimeout(f"not done within {TEST_SECONDS} s")


class TapResult(unittest.TestResult):
    """Writes TAP."""

    def __init__(self, stream):
        super().__init__()
        self.stream = stream
        self.n = 0

    def startTest(self, test):
        super().startTest(test)
        self.started = time.monotonic()
        signal.signal(signal.SIGALRM, _alarm)
        signal.alarm(int(getattr(test, "SECONDS", TEST_SECONDS) * PATIENCE))

    def stopTest(self, test):
        signal.alarm(0)
        super().stopTest(test)

    def _line(self, ok, test, comment=""):
        self.n += 1
        print(f"{ok} {self.n} - {_name(test)}{comment}", file=self.stream,
              flush=True)

    def _not_ok(self, test, text):
        self._line("not ok", test)
        logs = getattr(test, "logs", None)
        for line in (text + (logs() if logs else "")).splitlines():
            print(f"#   {line}", file=self.stream, flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        seconds = time.monotonic() - self.started
        self._line("ok", test, f" # {seconds:.1f} s")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self._line("ok", test, f" # SKIP {reason}")

    def addSubTest(self, test, subtest, error):
        super().addSubTest(test, subtest, error)
        if error:
            failures = (self.failures if issubclass(error[0],
                                                    test.failureException)
                        else self.errors)
            self._not_ok(test, f"{subtest._subDescription()}\n"
                         + failures[-1][1])

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self._not_ok(*self.failures[-1])

    def addError(self, test, error):
        super().addError(test, error)
        self._not_ok(*self.errors[-1])


def _name(test):
    """Such as "http: closing_10k (placement=table)"."""
    method = getattr(test, "_testMethodName", None)
    if not method:                              # setUpClass and the like.
        return str(test)
    name = method.removeprefix("test_")
    return f"{name} ({test.VARIANT})" if getattr(test, "VARIANT", "") else name


def _tests(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from _tests(test)
        else:
            yield test


def main():
    module = sys.modules["__main__"]
    tests = list(_tests(unittest.defaultTestLoader.loadTestsFromModule(
        module)))
    words = sys.argv[1:]
    if words:
        tests = [test for test in tests
                 if any(word in _name(test) for word in words)]
    result = TapResult(sys.stdout)
    try:
        unittest.TestSuite(tests).run(result)
    except KeyboardInterrupt as interrupt:
        print(f"Bail out! {interrupt}", flush=True)
        sys.exit(130)
    print(f"1..{result.n}", flush=True)
    sys.exit(not result.wasSuccessful())


def add_up(file_names):
    """Prints the sum of reports; returns whether none failed.  A report that
    breaks off, without its plan, is a failure of its own."""
    passed = failed = skipped = 0
    for file_name in file_names:
        with open(file_name, errors="replace") as file:
            lines = file.read().splitlines()
        count = 0
        plan = None
        for line in lines:
            if re.match(r"ok\b.*# SKIP", line, re.IGNORECASE):
                skipped += 1
            elif re.match(r"1\.\.0 # SKIP", line):       # The whole file.
                skipped += 1
                plan = 0
                continue
            elif re.match(r"ok\b", line):
                passed += 1
            elif re.match(r"not ok\b", line):
                failed += 1
                print(f"FAILED {file_name}: {line.removeprefix('not ok ')}")
            elif re.match(r"1\.\.\d+", line):
                plan = int(re.match(r"1\.\.(\d+)", line)[1])
                continue
            else:
                continue
            count += 1
        if plan is None or plan != count:
            failed += 1
            print(f"FAILED {file_name}: "
                  + (f"{count} of {plan} tests ran" if plan is not None
                     else "broke off"))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return not failed


def _run_one(directory, test):
    """Runs a test and shows its report.  Returns where that is, and the exit
    status."""
    name = os.path.basename(test).removesuffix(".py")
    report = f"{directory}/{name}.tap"
    interpreter = [sys.executable] if test.endswith(".py") else []
    with open(report, "w") as file:
        status = subprocess.run([*interpreter, test], stdout=file,
                                stderr=subprocess.STDOUT).returncode
    with open(report, errors="replace") as file:
        print(f"# {name}\n{file.read()}", end="", flush=True)
    return report, status


def _runs_alone(test):
    if not test.endswith(".py"):
        return False
    with open(test) as file:
        return re.search(r"^ALONE = True\b", file.read(), re.M) is not None


def run(directory, tests):
    """Runs 'tests', and adds up their reports, which it leaves in
    'directory'."""
    os.makedirs(directory, exist_ok=True)
    alone = [test for test in tests if _runs_alone(test)]
    together = [test for test in tests if test not in alone]
    reports = []
    for some, jobs in (together, os.cpu_count()), (alone, 1):
        with futures.ThreadPoolExecutor(jobs) as pool:
            try:
                for report, status in pool.map(
                        lambda test: _run_one(directory, test), some):
                    reports.append(report)
                    if status == 130:
                        raise KeyboardInterrupt
            except KeyboardInterrupt:
                pool.shutdown(cancel_futures=True)
                sys.exit(130)
    return add_up(reports)


def program(command=None, *arguments):
    if command == "sum":
        return add_up(arguments)
    if command == "run" and arguments:
        directory, *tests = arguments
        return run(directory, tests)
    sys.exit(__doc__)


if __name__ == "__main__":
    sys.exit(not program(*sys.argv[1:]))
