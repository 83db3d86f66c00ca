#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs the testsuite of the patched Open vSwitch and reports in TAP.

    autotest.py OVS-BUILD                   all of it: most of an hour
    autotest.py OVS-BUILD PATCH...          the files of tests that the
                                            patches touch

A test that fails is tried a second time, alone, as OVS's own CI does: some
are sensitive to load.
"""

import os
import re
import subprocess
import sys

RESULT = re.compile(r"^\s*(\d+): (.*?)\s+(ok|FAILED|skipped|expected failure)")


def touched_files(patches):
    """The tests/*.at that 'patches' change."""
    files = set()
    for name in patches:
        with open(name) as patch:
            files |= set(re.findall(r"^\+\+\+ b/tests/(\S+\.at)$",
                                    patch.read(), re.M))
    return files


def list_tests(build):
    """The number and the file of each test."""
    make = subprocess.run(
        ["make", "-s", "-C", build, "check", "TESTSUITEFLAGS=--list"],
        capture_output=True, text=True, check=True)
    return re.findall(r"^\s*(\d+): (\S+):\d+", make.stdout, re.M)


def run_tests(build, numbers, jobs, on_result):
    """Runs tests by number (none: all) and calls on_result(number, name,
    result) for each as it ends."""
    make = subprocess.Popen(
        ["make", "-C", build, "check",
         f"TESTSUITEFLAGS=-j{jobs} {' '.join(numbers)}"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace")
    with make:
        for line in make.stdout:
            match = RESULT.match(line)
            if match:
                on_result(*match.groups())


def show_log(build, number):
    log = f"{build}/tests/testsuite.dir/{int(number):04}/testsuite.log"
    if os.path.exists(log):
        with open(log, errors="replace") as file:
            for line in file.read().splitlines()[-60:]:
                print(f"#   {line}")


class Report:
    def __init__(self):
        self.n = 0
        self.again = []             # Numbers of tests to be tried again.

    def line(self, ok, name, comment=""):
        self.n += 1
        print(f"{ok} {self.n} - ovs: {name}{comment}", flush=True)

    def first(self, number, name, result):
        if result == "FAILED":
            self.again.append(number)
        elif result == "skipped":
            self.line("ok", name, " # SKIP")
        else:
            self.line("ok", name)


def main():
    build, patches = sys.argv[1], sys.argv[2:]
    numbers = []
    if patches:
        files = touched_files(patches)
        numbers = [number for number, file in list_tests(build)
                   if file in files]
        if not numbers:
            sys.exit("autotest.py: the patches touch no test")
    report = Report()
    # Most tests mostly wait.
    run_tests(build, numbers, 4 * os.cpu_count(), report.first)
    failed = 0

    def second(number, name, result):
        nonlocal failed
        if result == "FAILED":
            failed += 1
            report.line("not ok", name)
            show_log(build, number)
        else:
            report.line("ok", name, " # at the second attempt")

    if report.again:
        run_tests(build, report.again, 1, second)
    expected = len(numbers) or len(list_tests(build))
    if report.n != expected:
        print(f"# the testsuite broke off: {report.n} tests of {expected}")
    print(f"1..{expected}")
    sys.exit(bool(failed or report.n != expected))


if __name__ == "__main__":
    main()
