# SPDX-License-Identifier: Apache-2.0

# The agent without OVS: the BPF programs one packet at a time, and the whole
# of it beside a real server.  Both need root, so "make check" leaves them out.
MIGRATOR_TESTS = \
	tests/agent/test-migrator \
	tests/agent/test-mutations
noinst_PROGRAMS += $(MIGRATOR_TESTS)
MIGRATOR_TEST_SOURCES = \
	tests/agent/frame.c \
	tests/agent/frame.h \
	tests/agent/programs.c \
	tests/agent/programs.h
MIGRATOR_TEST_CPPFLAGS = $(AGENT_CPPFLAGS) -I$(srcdir)/agent \
	-I$(srcdir)/tests/unit
MIGRATOR_TEST_CFLAGS = $(AGENT_CFLAGS) $(CUNIT_CFLAGS)
MIGRATOR_TEST_LDADD = tests/unit/libunit.a lib/libcommon.a $(LIBBPF_LIBS) \
	$(CUNIT_LIBS)

tests_agent_test_migrator_SOURCES = tests/agent/test-migrator.c \
	$(MIGRATOR_TEST_SOURCES)
nodist_tests_agent_test_migrator_SOURCES = agent/bpf/migrator.skel.h
tests_agent_test_migrator_CPPFLAGS = $(MIGRATOR_TEST_CPPFLAGS)
tests_agent_test_migrator_CFLAGS = $(MIGRATOR_TEST_CFLAGS)
tests_agent_test_migrator_LDADD = $(MIGRATOR_TEST_LDADD)

tests_agent_test_mutations_SOURCES = tests/agent/test-mutations.c \
	$(MIGRATOR_TEST_SOURCES)
nodist_tests_agent_test_mutations_SOURCES = agent/bpf/migrator.skel.h
tests_agent_test_mutations_CPPFLAGS = $(MIGRATOR_TEST_CPPFLAGS)
tests_agent_test_mutations_CFLAGS = $(MIGRATOR_TEST_CFLAGS)
tests_agent_test_mutations_LDADD = $(MIGRATOR_TEST_LDADD)

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
	@$(RUN_TESTS) tests/agent $(MIGRATOR_TESTS) $(SHORTCUT_TESTS) \
	    $(AGENT_TESTS:%=$(srcdir)/%)

# What one connection costs: see bench.py.
bench-agent: all
	@OVM_BUILD='$(abs_top_builddir)' PYTHONDONTWRITEBYTECODE=1 \
	    $(PYTHON3) $(srcdir)/tests/agent/bench.py

.PHONY: check-agent bench-agent
