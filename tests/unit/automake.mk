# SPDX-License-Identifier: Apache-2.0

# One program for each module, with the module's name.  A case for the HTTP
# parser needs no C code: see test-http.c.
UNIT_TESTS = \
	tests/unit/test-address \
	tests/unit/test-cookie \
	tests/unit/test-http \
	tests/unit/test-policy \
	tests/unit/test-seal \
	tests/unit/test-siphash

check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
EXTRA_DIST += tests/unit/http

UNIT_SOURCES = \
	tests/unit/guard.h \
	tests/unit/unit.c \
	tests/unit/unit.h
UNIT_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)/tests/unit $(LLHTTP_CPPFLAGS)
UNIT_CFLAGS = $(AM_CFLAGS) $(CUNIT_CFLAGS) $(SODIUM_CFLAGS)
UNIT_LDADD = \
	datapath/libmigrate-engine.a \
	lib/libcommon.a \
	$(CUNIT_LIBS)

tests_unit_test_address_SOURCES = tests/unit/test-address.c $(UNIT_SOURCES)
tests_unit_test_address_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_address_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_address_LDADD = $(UNIT_LDADD)

tests_unit_test_cookie_SOURCES = tests/unit/test-cookie.c $(UNIT_SOURCES)
tests_unit_test_cookie_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_cookie_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_cookie_LDADD = $(UNIT_LDADD)

tests_unit_test_http_SOURCES = tests/unit/test-http.c $(UNIT_SOURCES)
tests_unit_test_http_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_http_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_http_LDADD = $(UNIT_LDADD)

tests_unit_test_policy_SOURCES = tests/unit/test-policy.c $(UNIT_SOURCES)
tests_unit_test_policy_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_policy_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_policy_LDADD = $(UNIT_LDADD)

tests_unit_test_seal_SOURCES = tests/unit/test-seal.c $(UNIT_SOURCES)
tests_unit_test_seal_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_seal_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_seal_LDADD = $(UNIT_LDADD) $(SODIUM_LIBS)

tests_unit_test_siphash_SOURCES = tests/unit/test-siphash.c $(UNIT_SOURCES)
tests_unit_test_siphash_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_siphash_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_siphash_LDADD = $(UNIT_LDADD) $(SODIUM_LIBS)
