# SPDX-License-Identifier: Apache-2.0

# The agent without OVS: the BPF programs one packet at a time, and the whole
# of it beside a real server.  Both need root, so "make check" leaves them out.
noinst_PROGRAMS += tests/agent/test-migrator
tests_agent_test_migrator_SOURCES = \
	tests/agent/test-migrator.c \
	tests/agent/frame.c \
	tests/agent/frame.h
nodist_tests_agent_test_migrator_SOURCES = agent/bpf/migrator.skel.h
tests_agent_test_migrator_CPPFLAGS = $(AGENT_CPPFLAGS) \
	-I$(srcdir)/agent -I$(srcdir)/tests/unit
tests_agent_test_migrator_CFLAGS = $(AGENT_CFLAGS) $(CUNIT_CFLAGS)
tests_agent_test_migrator_LDADD = tests/unit/libunit.a lib/libcommon.a $(LIBBPF_LIBS) \
	$(CUNIT_LIBS)

# Infuses as fast as it can: for bench.py.
noinst_PROGRAMS += tests/agent/flood
tests_agent_flood_SOURCES = \
	tests/agent/flood.c \
	tests/agent/frame.c \
	tests/agent/frame.h
tests_agent_flood_CPPFLAGS = $(AGENT_CPPFLAGS)
tests_agent_flood_CFLAGS = $(AM_CFLAGS)
tests_agent_flood_LDADD = lib/libcommon.a

AGENT_TESTS = \
	tests/agent/listener_test.py \
	tests/agent/live_test.py \
	tests/agent/systemd_test.py

EXTRA_DIST += \
	$(AGENT_TESTS) \
	tests/agent/bench.py \
	tests/agent/fabric.py \
	tests/agent/lab.py

# The TAP of each is left in tests/agent/NAME.tap.
check-agent: all
	@status=0; \
	run() { \
	    log=tests/agent/$$1.tap; shift; \
	    PYTHONDONTWRITEBYTECODE=1 "$$@" >$$log 2>&1 \
	        || test $$? = 77 || status=1; \
	    cat $$log; \
	}; \
	run test-migrator tests/agent/test-migrator; \
	for test in $(AGENT_TESTS); do \
	    run `basename $$test .py` $(PYTHON3) $(srcdir)/$$test \
	        agent/ovs-migrate-agent; \
	done; exit $$status

# What one connection costs: see bench.py.
bench-agent: all
	@PYTHONDONTWRITEBYTECODE=1 $(PYTHON3) $(srcdir)/tests/agent/bench.py \
		agent/ovs-migrate-agent tests/agent/flood

.PHONY: check-agent bench-agent
