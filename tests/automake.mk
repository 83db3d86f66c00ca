# SPDX-License-Identifier: Apache-2.0

SYSTEM_TESTS = \
	tests/system/test_agent.py \
	tests/system/test_attacks_host.py \
	tests/system/test_bad_input.py \
	tests/system/test_clean.py \
	tests/system/test_demo.py \
	tests/system/test_decide.py \
	tests/system/test_fabric.py \
	tests/system/test_fabric_changes.py \
	tests/system/test_fabric_failures.py \
	tests/system/test_floods.py \
	tests/system/test_flows.py \
	tests/system/test_h2c.py \
	tests/system/test_http.py \
	tests/system/test_icmp.py \
	tests/system/test_injection.py \
	tests/system/test_ipv6.py \
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

# Engine, unit tests and simulator once more, with AddressSanitizer (which
# finds leaks too) and UBSan, in the directory sanitizers/.  The TAP is left in
# tests/sanitizers/.
check-sanitizers:
	@$(MKDIR_P) sanitizers tests/sanitizers; \
	srcdir=`cd $(srcdir) && pwd`; \
	cd sanitizers && { test -e config.status || \
	    $$srcdir/configure --without-ovs --enable-sanitizers \
	        CC='$(CC)' CFLAGS='$(CFLAGS)' > configure.log; } && \
	$(MAKE) check; status=$$?; \
	for log in tests/*/*.log; do \
	    test ! -e $$log || cp $$log \
	        ../tests/sanitizers/`echo $$log | sed 's,/,-,g;s,log$$,tap,'`; \
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
.PHONY: check-ovs check-ovs-touched check-sanitizers check-system clean-system
