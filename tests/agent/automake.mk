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
	tests/agent/frame.h \
	$(PACKET_SOURCES)
tests_agent_flood_CPPFLAGS = $(AGENT_CPPFLAGS)
tests_agent_flood_CFLAGS = $(AM_CFLAGS)
tests_agent_flood_LDADD = lib/libcommon.a

AGENT_TESTS = \
	tests/agent/listener_test.py \
	tests/agent/live_test.py \
	tests/agent/register_test.py \
	tests/agent/systemd_test.py

EXTRA_DIST += \
	$(AGENT_TESTS) \
	tests/agent/bench.py \
	tests/agent/fabric.py \
	tests/agent/lab.py

# AGENT_TESTS may be given on the command line.
check-agent: all
	@$(RUN_TESTS) tests/agent tests/agent/test-migrator \
	    $(AGENT_TESTS:%=$(srcdir)/%)

# What one connection costs: see bench.py.
bench-agent: all
	@OVM_BUILD='$(abs_top_builddir)' PYTHONDONTWRITEBYTECODE=1 \
	    $(PYTHON3) $(srcdir)/tests/agent/bench.py

.PHONY: check-agent bench-agent
