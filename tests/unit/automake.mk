# SPDX-License-Identifier: Apache-2.0

# One program for each module, with the module's name.  A case for the HTTP
# parser needs no C code: see test-http.c.  The modules of the engine that act
# on packets share a test bed: see bed.h.
UNIT_TESTS = \
	tests/unit/test-address \
	tests/unit/test-affinity \
	tests/unit/test-assembly \
	tests/unit/test-audit \
	tests/unit/test-client \
	tests/unit/test-compile \
	tests/unit/test-control \
	tests/unit/test-cookie \
	tests/unit/test-decide \
	tests/unit/test-frame \
	tests/unit/test-gather \
	tests/unit/test-h2 \
	tests/unit/test-handoff \
	tests/unit/test-http \
	tests/unit/test-icmp \
	tests/unit/test-list \
	tests/unit/test-lost \
	tests/unit/test-maglev \
	tests/unit/test-migrate \
	tests/unit/test-neighbor \
	tests/unit/test-news \
	tests/unit/test-placement \
	tests/unit/test-policy \
	tests/unit/test-pool \
	tests/unit/test-ports \
	tests/unit/test-reader \
	tests/unit/test-record \
	tests/unit/test-reject \
	tests/unit/test-retarget \
	tests/unit/test-rule \
	tests/unit/test-seal \
	tests/unit/test-settle \
	tests/unit/test-siphash \
	tests/unit/test-stopped \
	tests/unit/test-synack \
	tests/unit/test-timers \
	tests/unit/test-tls \
	tests/unit/test-vlan

check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
EXTRA_DIST += tests/unit/h2 tests/unit/http tests/unit/tls

UNIT_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests/unit $(LLHTTP_CPPFLAGS)
UNIT_CFLAGS = $(AM_CFLAGS) $(CUNIT_CFLAGS) $(SODIUM_CFLAGS)
UNIT_LDADD = \
	tests/unit/libunit.a \
	$(ENGINE_LIBS) \
	$(CUNIT_LIBS)

check_LIBRARIES = tests/unit/libunit.a
tests_unit_libunit_a_SOURCES = \
	tests/unit/bed-audit.c \
	tests/unit/bed-client.c \
	tests/unit/bed.c \
	tests/unit/bed.h \
	tests/unit/bytes.h \
	tests/unit/guard.h \
	tests/unit/reading.c \
	tests/unit/reading.h \
	tests/unit/unit.c \
	tests/unit/unit.h
tests_unit_libunit_a_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_libunit_a_CFLAGS = $(UNIT_CFLAGS)

tests_unit_test_address_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_address_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_address_LDADD = $(UNIT_LDADD)

tests_unit_test_affinity_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_affinity_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_affinity_LDADD = $(UNIT_LDADD)

tests_unit_test_assembly_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_assembly_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_assembly_LDADD = $(UNIT_LDADD)

tests_unit_test_audit_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_audit_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_audit_LDADD = $(UNIT_LDADD)

tests_unit_test_client_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_client_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_client_LDADD = $(UNIT_LDADD)

tests_unit_test_compile_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_compile_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_compile_LDADD = $(UNIT_LDADD)

tests_unit_test_control_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_control_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_control_LDADD = $(UNIT_LDADD)

tests_unit_test_cookie_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_cookie_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_cookie_LDADD = $(UNIT_LDADD)

tests_unit_test_decide_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_decide_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_decide_LDADD = $(UNIT_LDADD)

tests_unit_test_frame_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_frame_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_frame_LDADD = $(UNIT_LDADD)

tests_unit_test_gather_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_gather_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_gather_LDADD = $(UNIT_LDADD)

tests_unit_test_h2_CPPFLAGS = $(UNIT_CPPFLAGS) $(NGHTTP2_CFLAGS)
tests_unit_test_h2_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_h2_LDADD = $(UNIT_LDADD)

tests_unit_test_handoff_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_handoff_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_handoff_LDADD = $(UNIT_LDADD)

tests_unit_test_http_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_http_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_http_LDADD = $(UNIT_LDADD)

tests_unit_test_icmp_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_icmp_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_icmp_LDADD = $(UNIT_LDADD)

tests_unit_test_list_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_list_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_list_LDADD = $(UNIT_LDADD)

tests_unit_test_lost_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_lost_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_lost_LDADD = $(UNIT_LDADD)

tests_unit_test_maglev_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_maglev_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_maglev_LDADD = $(UNIT_LDADD)

tests_unit_test_migrate_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_migrate_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_migrate_LDADD = $(UNIT_LDADD)

tests_unit_test_neighbor_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_neighbor_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_neighbor_LDADD = $(UNIT_LDADD)

tests_unit_test_news_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_news_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_news_LDADD = $(UNIT_LDADD)

tests_unit_test_placement_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_placement_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_placement_LDADD = $(UNIT_LDADD)

tests_unit_test_policy_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_policy_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_policy_LDADD = $(UNIT_LDADD)

tests_unit_test_pool_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_pool_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_pool_LDADD = $(UNIT_LDADD)

tests_unit_test_ports_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_ports_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_ports_LDADD = $(UNIT_LDADD)

tests_unit_test_reader_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_reader_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_reader_LDADD = $(UNIT_LDADD)

tests_unit_test_record_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_record_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_record_LDADD = $(UNIT_LDADD)

tests_unit_test_reject_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_reject_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_reject_LDADD = $(UNIT_LDADD)

tests_unit_test_retarget_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_retarget_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_retarget_LDADD = $(UNIT_LDADD)

tests_unit_test_rule_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_rule_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_rule_LDADD = $(UNIT_LDADD)

tests_unit_test_seal_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_seal_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_seal_LDADD = $(UNIT_LDADD) $(SODIUM_LIBS)

tests_unit_test_settle_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_settle_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_settle_LDADD = $(UNIT_LDADD)

tests_unit_test_siphash_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_siphash_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_siphash_LDADD = $(UNIT_LDADD) $(SODIUM_LIBS)

tests_unit_test_stopped_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_stopped_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_stopped_LDADD = $(UNIT_LDADD)

tests_unit_test_synack_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_synack_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_synack_LDADD = $(UNIT_LDADD)

tests_unit_test_timers_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_timers_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_timers_LDADD = $(UNIT_LDADD)

tests_unit_test_tls_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_tls_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_tls_LDADD = $(UNIT_LDADD)

tests_unit_test_vlan_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_vlan_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_vlan_LDADD = $(UNIT_LDADD)

# The modules of the controller, which need libopenvswitch.
if OVS
UNIT_CONTROLLER_TESTS = \
	tests/unit/test-flow-table \
	tests/unit/test-flows \
	tests/unit/test-graph \
	tests/unit/test-intern \
	tests/unit/test-probe \
	tests/unit/test-topology \
	tests/unit/test-tree \
	tests/unit/test-weights
check_PROGRAMS += $(UNIT_CONTROLLER_TESTS)
TESTS += $(UNIT_CONTROLLER_TESTS)

UNIT_CONTROLLER_CPPFLAGS = $(CONTROLLER_CPPFLAGS) -I$(srcdir)/tests/unit
UNIT_CONTROLLER_LDADD = tests/unit/libunit.a $(CONTROLLER_LIBS) $(CUNIT_LIBS)

FLOW_TEXT = tests/unit/flow-text.c tests/unit/flow-text.h

tests_unit_test_flow_table_SOURCES = tests/unit/test-flow-table.c $(FLOW_TEXT)
tests_unit_test_flow_table_CPPFLAGS = $(UNIT_CONTROLLER_CPPFLAGS)
tests_unit_test_flow_table_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_flow_table_LDADD = $(UNIT_CONTROLLER_LDADD)
tests_unit_test_flow_table_LINK = $(CONTROLLER_LINK)
$(tests_unit_test_flow_table_OBJECTS): $(OVS_GENERATED)

tests_unit_test_flows_SOURCES = tests/unit/test-flows.c $(FLOW_TEXT)
tests_unit_test_flows_CPPFLAGS = $(UNIT_CONTROLLER_CPPFLAGS)
tests_unit_test_flows_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_flows_LDADD = $(UNIT_CONTROLLER_LDADD)
tests_unit_test_flows_LINK = $(CONTROLLER_LINK)
$(tests_unit_test_flows_OBJECTS): $(OVS_GENERATED)

tests_unit_test_graph_CPPFLAGS = $(UNIT_CONTROLLER_CPPFLAGS)
tests_unit_test_graph_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_graph_LDADD = $(UNIT_CONTROLLER_LDADD)
tests_unit_test_graph_LINK = $(CONTROLLER_LINK)
$(tests_unit_test_graph_OBJECTS): $(OVS_GENERATED)

tests_unit_test_intern_CPPFLAGS = $(UNIT_CONTROLLER_CPPFLAGS)
tests_unit_test_intern_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_intern_LDADD = $(UNIT_CONTROLLER_LDADD)
tests_unit_test_intern_LINK = $(CONTROLLER_LINK)
$(tests_unit_test_intern_OBJECTS): $(OVS_GENERATED)

tests_unit_test_probe_CPPFLAGS = $(UNIT_CONTROLLER_CPPFLAGS)
tests_unit_test_probe_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_probe_LDADD = $(UNIT_CONTROLLER_LDADD)
tests_unit_test_probe_LINK = $(CONTROLLER_LINK)
$(tests_unit_test_probe_OBJECTS): $(OVS_GENERATED)

tests_unit_test_topology_CPPFLAGS = $(UNIT_CONTROLLER_CPPFLAGS)
tests_unit_test_topology_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_topology_LDADD = $(UNIT_CONTROLLER_LDADD)
tests_unit_test_topology_LINK = $(CONTROLLER_LINK)
$(tests_unit_test_topology_OBJECTS): $(OVS_GENERATED)

tests_unit_test_tree_CPPFLAGS = $(UNIT_CONTROLLER_CPPFLAGS)
tests_unit_test_tree_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_tree_LDADD = $(UNIT_CONTROLLER_LDADD)
tests_unit_test_tree_LINK = $(CONTROLLER_LINK)
$(tests_unit_test_tree_OBJECTS): $(OVS_GENERATED)

tests_unit_test_weights_CPPFLAGS = $(UNIT_CONTROLLER_CPPFLAGS)
tests_unit_test_weights_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_weights_LDADD = $(UNIT_CONTROLLER_LDADD)
tests_unit_test_weights_LINK = $(CONTROLLER_LINK)
$(tests_unit_test_weights_OBJECTS): $(OVS_GENERATED)
endif
