# SPDX-License-Identifier: Apache-2.0

sbin_PROGRAMS += agent/ovs-migrate-agent
dist_man_MANS += agent/ovs-migrate-agent.8

agent_ovs_migrate_agent_SOURCES = \
	agent/agent.c \
	agent/agent.h \
	agent/audits.c \
	agent/audits.h \
	agent/events.c \
	agent/events.h \
	agent/heritage.c \
	agent/heritage.h \
	agent/log.c \
	agent/log.h \
	agent/migrator.c \
	agent/migrator.h \
	agent/news.c \
	agent/news.h \
	agent/netlink.c \
	agent/netlink.h \
	agent/options.c \
	agent/options.h \
	agent/ovs-migrate-agent.c \
	agent/peers.c \
	agent/peers.h \
	agent/privileges.c \
	agent/privileges.h \
	agent/reaper.c \
	agent/reaper.h \
	agent/reports.c \
	agent/reports.h \
	agent/require.c \
	agent/require.h \
	agent/rundir.c \
	agent/rundir.h \
	agent/scan.c \
	agent/scan.h \
	agent/services.c \
	agent/services.h \
	agent/status.c \
	agent/status.h \
	agent/switches.c \
	agent/switches.h \
	agent/udp.c \
	agent/udp.h \
	agent/util.h \
	agent/bpf/counters-shared.h \
	agent/bpf/migrator-shared.h
nodist_agent_ovs_migrate_agent_SOURCES = agent/bpf/migrator.skel.h
agent_ovs_migrate_agent_CPPFLAGS = $(AGENT_CPPFLAGS)
agent_ovs_migrate_agent_CFLAGS = $(AGENT_CFLAGS)
agent_ovs_migrate_agent_LDADD = $(AGENT_LDADD)

AGENT_CPPFLAGS = -I. -I$(srcdir)
AGENT_CFLAGS = $(AM_CFLAGS) $(LIBBPF_CFLAGS) $(LIBMNL_CFLAGS) \
	$(JANSSON_CFLAGS) $(LIBCAP_NG_CFLAGS)
AGENT_LDADD = lib/libcommon.a $(LIBBPF_LIBS) $(LIBMNL_LIBS) \
	$(JANSSON_LIBS) $(LIBCAP_NG_LIBS)

# Its companion, which speaks to the controller.
sbin_PROGRAMS += agent/ovs-migrate-agent-register
dist_man_MANS += agent/ovs-migrate-agent-register.8
agent_ovs_migrate_agent_register_SOURCES = \
	agent/controller.c \
	agent/controller.h \
	agent/key-file.c \
	agent/key-file.h \
	agent/load.c \
	agent/load.h \
	agent/log.c \
	agent/log.h \
	agent/ovs-migrate-agent-register.c \
	agent/privileges.c \
	agent/privileges.h \
	agent/rundir.c \
	agent/rundir.h \
	agent/status.c \
	agent/status.h \
	lib/rest-client.c \
	lib/rest-client.h
agent_ovs_migrate_agent_register_CPPFLAGS = $(AGENT_CPPFLAGS) -I$(srcdir)/lib
agent_ovs_migrate_agent_register_CFLAGS = $(AGENT_CFLAGS) $(CURL_CFLAGS)
agent_ovs_migrate_agent_register_LDADD = lib/libcommon.a $(LIBMNL_LIBS) \
	$(JANSSON_LIBS) $(LIBCAP_NG_LIBS) $(CURL_LIBS)

# Templates, whose instances are interfaces.
AGENT_UNITS = \
	agent/ovs-migrate-agent@.service \
	agent/ovs-migrate-agent-prepare@.service \
	agent/ovs-migrate-agent-register@.service
systemdsystemunit_DATA = $(AGENT_UNITS)
EXTRA_DIST += $(AGENT_UNITS:@.service=.service.in)
CLEANFILES += $(AGENT_UNITS)

$(AGENT_UNITS): agent/%@.service: agent/%.service.in Makefile
	@$(MKDIR_P) agent
	$(AM_V_GEN)sed 's,@''sbindir@,$(sbindir),g' $< > $@.tmp
	$(AM_V_at)mv $@.tmp $@

# The BPF programs, one object.
AGENT_BPF_FILES = \
	agent/bpf/answer.h \
	agent/bpf/batch.h \
	agent/bpf/bundle.h \
	agent/bpf/check.h \
	agent/bpf/egress.h \
	agent/bpf/end.h \
	agent/bpf/forward.h \
	agent/bpf/infuse.h \
	agent/bpf/kernel.h \
	agent/bpf/maps.h \
	agent/bpf/migrator.bpf.c \
	agent/bpf/packet.h \
	agent/bpf/state.h
EXTRA_DIST += $(AGENT_BPF_FILES)

agent/bpf/migrator.bpf.o: $(AGENT_BPF_FILES) \
	agent/bpf/counters-shared.h agent/bpf/migrator-shared.h \
	lib/messages.h lib/packet-bpf.h lib/siphash.h

BUILT_SOURCES += agent/bpf/migrator.skel.h
CLEANFILES += agent/bpf/migrator.bpf.o agent/bpf/migrator.skel.h

include tests/agent/automake.mk
