# SPDX-License-Identifier: Apache-2.0

# The short way through the switch's kernel: its BPF programs one packet at a
# time, and at work between network namespaces.  "make check-agent" runs them,
# beside the other tests of BPF programs, since they need root as well.
SHORTCUT_TESTS = \
	tests/datapath/test-shortcut \
	tests/datapath/test-shortcut-path
noinst_PROGRAMS += $(SHORTCUT_TESTS)
SHORTCUT_TEST_SOURCES = \
	tests/datapath/packets.c \
	tests/datapath/packets.h
SHORTCUT_TEST_CFLAGS = $(AM_CFLAGS) $(LIBBPF_CFLAGS) $(CUNIT_CFLAGS)
SHORTCUT_TEST_LDADD = tests/unit/libunit.a datapath/libshortcut.a \
	$(ENGINE_LIBS) $(LIBBPF_LIBS) $(CUNIT_LIBS)

tests_datapath_test_shortcut_SOURCES = tests/datapath/test-shortcut.c \
	$(SHORTCUT_TEST_SOURCES)
tests_datapath_test_shortcut_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_datapath_test_shortcut_CFLAGS = $(SHORTCUT_TEST_CFLAGS)
tests_datapath_test_shortcut_LDADD = $(SHORTCUT_TEST_LDADD)

tests_datapath_test_shortcut_path_SOURCES = \
	tests/datapath/test-shortcut-path.c \
	$(SHORTCUT_TEST_SOURCES)
tests_datapath_test_shortcut_path_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_datapath_test_shortcut_path_CFLAGS = $(SHORTCUT_TEST_CFLAGS)
tests_datapath_test_shortcut_path_LDADD = $(SHORTCUT_TEST_LDADD)
