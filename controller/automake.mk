# SPDX-License-Identifier: Apache-2.0

# The database: its schema, and what OVS's tools make of that, the C code that
# reads and writes it (ovs-migrate-idl) and a manual page.
EXTRA_DIST += \
	controller/ovs-migrate-controller.service.in \
	controller/ovs-migrate-idl.ann \
	controller/ovs-migrate.ovsschema \
	controller/ovs-migrate.xml
dist_pkgdata_DATA += controller/ovs-migrate.ovsschema

if OVS
CONTROLLER_IDL = \
	controller/ovs-migrate-idl.c \
	controller/ovs-migrate-idl.h
CLEANFILES += $(CONTROLLER_IDL) \
	controller/ovs-migrate-idl.ovsidl \
	controller/ovs-migrate.5
man_MANS += controller/ovs-migrate.5

OVS_PY = PYTHONPATH=$(OVS_SRCDIR)/python PYTHONDONTWRITEBYTECODE=1 \
	$(PYTHON3)
OVSDB_IDLC = $(OVS_PY) $(OVS_SRCDIR)/ovsdb/ovsdb-idlc.in

controller/ovs-migrate-idl.ovsidl: controller/ovs-migrate.ovsschema \
		controller/ovs-migrate-idl.ann $(OVS_GENERATED)
	@$(MKDIR_P) controller
	$(AM_V_GEN)$(OVSDB_IDLC) annotate \
		$(srcdir)/controller/ovs-migrate.ovsschema \
		$(srcdir)/controller/ovs-migrate-idl.ann > $@.tmp
	$(AM_V_at)mv $@.tmp $@

controller/ovs-migrate-idl.c: controller/ovs-migrate-idl.ovsidl
	$(AM_V_GEN)$(OVSDB_IDLC) c-idl-source \
		controller/ovs-migrate-idl.ovsidl > $@.tmp
	$(AM_V_at)mv $@.tmp $@

controller/ovs-migrate-idl.h: controller/ovs-migrate-idl.ovsidl
	$(AM_V_GEN)$(OVSDB_IDLC) c-idl-header \
		controller/ovs-migrate-idl.ovsidl > $@.tmp
	$(AM_V_at)mv $@.tmp $@

controller/ovs-migrate.5: controller/ovs-migrate.ovsschema \
		controller/ovs-migrate.xml $(OVS_GENERATED)
	@$(MKDIR_P) controller
	$(AM_V_GEN)$(OVS_PY) $(OVS_SRCDIR)/ovsdb/ovsdb-doc \
		--version='$(VERSION)' \
		$(srcdir)/controller/ovs-migrate.ovsschema \
		$(srcdir)/controller/ovs-migrate.xml > $@.tmp
	$(AM_V_at)mv $@.tmp $@

# The schema, for the controller to make a database with.
BUILT_SOURCES += controller/ovs-migrate.ovsschema.inc
CLEANFILES += controller/ovs-migrate.ovsschema.inc
controller/ovs-migrate.ovsschema.inc: controller/ovs-migrate.ovsschema
	@$(MKDIR_P) controller
	$(AM_V_GEN)sed 's/["\\]/\\&/g; s/.*/"&\\n"/' \
		$(srcdir)/controller/ovs-migrate.ovsschema > $@.tmp
	$(AM_V_at)mv $@.tmp $@

# What the documentation says about columns, for /openapi.json.
BUILT_SOURCES += controller/column-docs.inc
CLEANFILES += controller/column-docs.inc
EXTRA_DIST += controller/column-docs.py
controller/column-docs.inc: controller/ovs-migrate.xml \
		controller/column-docs.py
	@$(MKDIR_P) controller
	$(AM_V_GEN)$(PYTHON3) $(srcdir)/controller/column-docs.py \
		$(srcdir)/controller/ovs-migrate.xml > $@.tmp
	$(AM_V_at)mv $@.tmp $@

CONTROLLER_CPPFLAGS = $(OVS_CPPFLAGS) -I. -I$(srcdir)/controller \
	-I$(srcdir)/datapath -I$(srcdir)/lib $(LLHTTP_CPPFLAGS) $(NGHTTP2_CFLAGS) \
	-DOVM_VERSION='"$(VERSION)"' \
	-DOVS_PROGRAM_PATH='"$(sbindir):$(bindir)"'

# All of the controller but main(), for the tests as well.
noinst_LIBRARIES += controller/libcontroller.a
controller_libcontroller_a_SOURCES = \
	controller/agents.c \
	controller/agents.h \
	controller/batch.c \
	controller/batch.h \
	controller/body.c \
	controller/body.h \
	controller/bootstrap.c \
	controller/bootstrap.h \
	controller/change.c \
	controller/change.h \
	controller/check.c \
	controller/check.h \
	controller/database.c \
	controller/database.h \
	controller/enroll.c \
	controller/enroll.h \
	controller/event-stream.c \
	controller/event-stream.h \
	controller/http.c \
	controller/http.h \
	controller/listener.c \
	controller/listener.h \
	controller/listing.c \
	controller/listing.h \
	controller/metrics.c \
	controller/metrics.h \
	controller/openapi.c \
	controller/openapi.h \
	controller/problem.c \
	controller/problem.h \
	controller/reply.c \
	controller/reply.h \
	controller/replica.c \
	controller/replica.h \
	controller/represent.c \
	controller/represent.h \
	controller/resource.c \
	controller/resource.h \
	controller/rest.c \
	controller/rest.h \
	controller/schema.c \
	controller/schema.h \
	controller/store.c \
	controller/store.h \
	controller/subprocess.c \
	controller/subprocess.h \
	controller/syntax.c \
	controller/syntax.h \
	controller/tokens.c \
	controller/tokens.h \
	controller/utf8.c \
	controller/utf8.h \
	controller/value.c \
	controller/value.h \
	controller/writes.c \
	controller/writes.h

# The southbound part.
controller_libcontroller_a_SOURCES += \
	controller/census.c \
	controller/census.h \
	controller/channel.c \
	controller/channel.h \
	controller/describe.c \
	controller/describe.h \
	controller/decider.c \
	controller/decider.h \
	controller/balance.c \
	controller/balance.h \
	controller/events.c \
	controller/events.h \
	controller/fabric.c \
	controller/fabric.h \
	controller/fleet.c \
	controller/fleet.h \
	controller/flow-entry.c \
	controller/flow-entry.h \
	controller/flow-mods.c \
	controller/flow-mods.h \
	controller/flow-table.c \
	controller/flow-table.h \
	controller/flows.c \
	controller/flows.h \
	controller/graph.c \
	controller/graph.h \
	controller/intern.c \
	controller/intern.h \
	controller/live.c \
	controller/live.h \
	controller/health.c \
	controller/health.h \
	controller/mirror-private.h \
	controller/mirror-txn.c \
	controller/mirror.c \
	controller/mirror.h \
	controller/openflow.c \
	controller/openflow.h \
	controller/paths.c \
	controller/paths.h \
	controller/probe.c \
	controller/probe.h \
	controller/pool-weights.c \
	controller/pool-weights.h \
	controller/question.c \
	controller/question.h \
	controller/report-hosts.c \
	controller/report.c \
	controller/report.h \
	controller/southbound.c \
	controller/southbound.h \
	controller/stations.c \
	controller/stations.h \
	controller/survey.c \
	controller/survey.h \
	controller/switch-db.c \
	controller/switch-db.h \
	controller/switch-rows.c \
	controller/switch-rows.h \
	controller/tally.c \
	controller/tally.h \
	controller/topology.c \
	controller/topology.h \
	controller/tracking.c \
	controller/tracking.h \
	controller/tree.c \
	controller/tree.h \
	controller/view-schema.c \
	controller/view-schema.h \
	controller/view.c \
	controller/view.h \
	controller/weights.c \
	controller/weights.h \
	controller/webhook.c \
	controller/webhook.h

nodist_controller_libcontroller_a_SOURCES = $(CONTROLLER_IDL)
controller_libcontroller_a_CPPFLAGS = $(CONTROLLER_CPPFLAGS)
controller_libcontroller_a_CFLAGS = $(AM_CFLAGS) $(MICROHTTPD_CFLAGS) \
	$(CURL_CFLAGS)
$(controller_libcontroller_a_OBJECTS): $(OVS_GENERATED) \
	controller/ovs-migrate-idl.h controller/ovs-migrate.ovsschema.inc \
	controller/column-docs.inc

sbin_PROGRAMS += controller/ovs-migrate-controller
dist_man_MANS += controller/ovs-migrate-controller.8
controller_ovs_migrate_controller_SOURCES = \
	controller/ovs-migrate-controller.c
controller_ovs_migrate_controller_CPPFLAGS = $(CONTROLLER_CPPFLAGS)
$(controller_ovs_migrate_controller_OBJECTS): $(OVS_GENERATED)

CONTROLLER_UNIT = controller/ovs-migrate-controller.service
systemdsystemunit_DATA += $(CONTROLLER_UNIT)
CLEANFILES += $(CONTROLLER_UNIT)
$(CONTROLLER_UNIT): controller/ovs-migrate-controller.service.in Makefile
	@$(MKDIR_P) controller
	$(AM_V_GEN)sed 's,@''sbindir@,$(sbindir),g' \
		$(srcdir)/controller/ovs-migrate-controller.service.in > $@.tmp
	$(AM_V_at)mv $@.tmp $@

# OVS's own libtool knows what libopenvswitch needs.
CONTROLLER_LIBS = controller/libcontroller.a datapath/libmigrate-engine.a \
	lib/libcommon.a $(OVS_LIBOPENVSWITCH) $(MICROHTTPD_LIBS) \
	$(CURL_LIBS) $(NGHTTP2_LIBS)
CONTROLLER_LINK = $(OVS_BUILDDIR)/libtool $(AM_V_lt) --tag=CC --mode=link \
	$(CCLD) $(AM_CFLAGS) $(CFLAGS) $(AM_LDFLAGS) $(LDFLAGS) -o $@
OVS_LIBOPENVSWITCH = $(OVS_BUILDDIR)/lib/libopenvswitch.la
if BUILD_OVS
$(OVS_LIBOPENVSWITCH): ovs.stamp ;
endif

controller_ovs_migrate_controller_LDADD = $(CONTROLLER_LIBS)
controller_ovs_migrate_controller_LINK = $(CONTROLLER_LINK)
endif

# The command line.  It speaks HTTP only, so it needs nothing of OVS.
bin_PROGRAMS += controller/cli/ovs-migratectl
dist_man_MANS += controller/cli/ovs-migratectl.8
controller_cli_ovs_migratectl_SOURCES = \
	controller/cli/api.c \
	controller/cli/api.h \
	controller/cli/apply.c \
	controller/cli/apply.h \
	controller/cli/commands.c \
	controller/cli/commands.h \
	controller/cli/complete.c \
	controller/cli/complete.h \
	controller/cli/live.c \
	controller/cli/live.h \
	controller/cli/model.c \
	controller/cli/model.h \
	controller/cli/output.c \
	controller/cli/output.h \
	controller/cli/ovs-migratectl.c \
	controller/cli/util.c \
	controller/cli/util.h \
	lib/rest-client.c \
	lib/rest-client.h
controller_cli_ovs_migratectl_CPPFLAGS = -I. -I$(srcdir)/lib
controller_cli_ovs_migratectl_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS) \
	$(CURL_CFLAGS)
controller_cli_ovs_migratectl_LDADD = $(JANSSON_LIBS) $(CURL_LIBS)

completiondir = $(datadir)/bash-completion/completions
dist_completion_DATA = controller/cli/ovs-migratectl.bash
