# SPDX-License-Identifier: Apache-2.0

SYSTEM_TESTS = \
	tests/system/test_affinity.py \
	tests/system/test_agent.py \
	tests/system/test_attacks_host.py \
	tests/system/test_bad_input.py \
	tests/system/test_clean.py \
	tests/system/test_cut_off.py \
	tests/system/test_demo.py \
	tests/system/test_decide.py \
	tests/system/test_fabric.py \
	tests/system/test_fabric_changes.py \
	tests/system/test_fabric_failures.py \
	tests/system/test_floods.py \
	tests/system/test_flows.py \
	tests/system/test_h2c.py \
	tests/system/test_hosts_die.py \
	tests/system/test_http.py \
	tests/system/test_icmp.py \
	tests/system/test_injection.py \
	tests/system/test_ipv6.py \
	tests/system/test_kernel.py \
	tests/system/test_live.py \
	tests/system/test_loss.py \
	tests/system/test_odd_clients.py \
	tests/system/test_one_arm.py \
	tests/system/test_refuse.py \
	tests/system/test_restart.py \
	tests/system/test_rotation.py \
	tests/system/test_rules.py \
	tests/system/test_servers.py \
	tests/system/test_show.py \
	tests/system/test_slow_requests.py \
	tests/system/test_traffic.py \
	tests/system/test_tcp.py \
	tests/system/test_time.py \
	tests/system/test_tls.py \
	tests/system/test_two_switches.py \
	tests/system/test_vlan.py

EXTRA_DIST += \
	$(SYSTEM_TESTS) \
	tests/system/autotest.py \
	tests/system/capture.py \
	tests/system/crowd.py \
	tests/system/fabrictest.py \
	tests/system/lab.py \
	tests/system/labtest.py \
	tests/system/load.py \
	tests/system/netns.py \
	tests/system/ovs.py \
	tests/system/rawtcp.py \
	tests/system/servers.py \
	tests/system/soak.py \
	tests/system/tap.py \
	tests/system/workspace.py

# What the machines of the system tests' lab run besides Debian's programs.
PACKET_SOURCES = tests/system/packet.c tests/system/packet.h
noinst_PROGRAMS += tests/system/cable tests/system/flood
tests_system_cable_SOURCES = tests/system/cable.c $(PACKET_SOURCES)
tests_system_flood_SOURCES = tests/system/flood.c $(PACKET_SOURCES)
tests_system_flood_LDADD = datapath/libmigrate-engine.a lib/libcommon.a

# Runs tests one after another; the TAP of each is left beside its program's
# object files, in NAME.tap.
RUN_TESTS = OVM_BUILD='$(abs_top_builddir)' PYTHONDONTWRITEBYTECODE=1 \
	$(PYTHON3) $(srcdir)/tests/system/tap.py run

# SYSTEM_TESTS may be given on the command line.
check-system: all
	@$(RUN_TESTS) tests/system $(SYSTEM_TESTS:%=$(srcdir)/%)

# Long runs: each scenario of the simulator with many seeds, the BPF programs
# with many changed packets, and a long day of a real switch.
SOAK_SEEDS = 100000
SOAK_MUTATIONS = 10000000
SOAK_SECONDS = 600
check-soak: all
	$(MAKE) tests/sim/run-sim tests/agent/test-mutations
	tests/sim/run-sim $(SOAK_SEEDS)
	MUTATIONS='$(SOAK_MUTATIONS)' tests/agent/test-mutations
	OVM_BUILD='$(abs_top_builddir)' SOAK_SECONDS='$(SOAK_SECONDS)' \
	    PYTHONDONTWRITEBYTECODE=1 $(PYTHON3) $(srcdir)/tests/system/soak.py

# The unit tests, and the fuzz targets' seeds, under valgrind: errors and
# definite leaks fail them.
VALGRIND_FLAGS = -q --error-exitcode=9 --leak-check=full \
	--show-leak-kinds=definite --errors-for-leak-kinds=definite
VALGRIND_TESTS = $(UNIT_TESTS) $(UNIT_CONTROLLER_TESTS) $(FUZZ_TARGETS)
check-valgrind: all
	@$(MAKE) check TESTS='$(VALGRIND_TESTS)' \
	    LOG_COMPILER=valgrind LOG_FLAGS='$(VALGRIND_FLAGS)'

# The suites once more, with AddressSanitizer (which finds leaks too) and UBSan
# in all of it, ovs-vswitchd included, in the directory sanitizers/.  Tests
# that measure time wait longer.  What is found is in sanitizers/findings/.
SANITIZER_SUITES = check check-agent check-controller check-system
SANITIZER_PATIENCE = 4
check-sanitizers:
	@$(MKDIR_P) sanitizers; \
	srcdir=`cd $(srcdir) && pwd`; \
	cd sanitizers && { test -e config.status || \
	    $$srcdir/configure --enable-sanitizers CC='$(CC)' CFLAGS='-g -O1' \
	        > configure.log; } && \
	$(MAKE) && rm -rf findings && $(MKDIR_P) findings || exit 1; \
	OVM_PATIENCE=$(SANITIZER_PATIENCE); export OVM_PATIENCE; \
	ASAN_OPTIONS=log_path=$$PWD/findings/log:quarantine_size_mb=16; \
	UBSAN_OPTIONS=log_path=$$PWD/findings/log:print_stacktrace=1; \
	export ASAN_OPTIONS UBSAN_OPTIONS; \
	status=0; \
	for suite in $(SANITIZER_SUITES); do \
	    $(MAKE) $$suite || status=1; \
	done; \
	for log in findings/*; do \
	    test ! -e $$log || { cat $$log; status=1; }; \
	done; exit $$status

# OVS's own tests, with the patches: all, or the files of them that the patches
# touch, whose TAP is left in tests/ovs.tap.
check-ovs: all
	@$(PYTHON3) $(srcdir)/tests/system/autotest.py $(OVS_BUILDDIR)

check-ovs-touched: all
	@$(PYTHON3) $(srcdir)/tests/system/autotest.py $(OVS_BUILDDIR) \
	    $(filter %.patch,$(OVS_PATCHES)) > tests/ovs.tap; status=$$?; \
	grep -v '^ok ' tests/ovs.tap; exit $$status

clean-system:
	rm -rf tests/*.tap tests/*/*.tap tests/sanitizers sanitizers

CLEAN_LOCAL += clean-system
.PHONY: check-ovs check-ovs-touched check-sanitizers check-system \
	check-soak check-valgrind clean-system
