# SPDX-License-Identifier: Apache-2.0

# The agent without OVS: the BPF programs one packet at a time, and the whole
# of it beside a real server.  Both need root, so "make check" leaves them out.
noinst_PROGRAMS += tests/agent/test-migrator
tests_agent_test_migrator_SOURCES = \
	tests/agent/test-migrator.c \
	tests/agent/frame.c \
	tests/agent/frame.h \
	$(UNIT_SOURCES)
nodist_tests_agent_test_migrator_SOURCES = agent/bpf/migrator.skel.h
tests_agent_test_migrator_CPPFLAGS = $(AGENT_CPPFLAGS) \
	-I$(srcdir)/agent -I$(srcdir)/tests/unit
tests_agent_test_migrator_CFLAGS = $(AGENT_CFLAGS) $(CUNIT_CFLAGS)
tests_agent_test_migrator_LDADD = lib/libcommon.a $(LIBBPF_LIBS) \
	$(CUNIT_LIBS)

EXTRA_DIST += \
	tests/agent/bench.py \
	tests/agent/fabric.py \
	tests/agent/lab.py \
	tests/agent/live_test.py

check-agent: all
	@tests/agent/test-migrator
	@PYTHONDONTWRITEBYTECODE=1 $(PYTHON3) \
		$(srcdir)/tests/agent/live_test.py agent/ovs-migrate-agent

.PHONY: check-agent
