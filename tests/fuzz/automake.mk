# SPDX-License-Identifier: Apache-2.0

# Fuzz targets.  "make check" runs each over its seeds.  With libFuzzer, which
# takes a build of its own, in fuzz-build/,
#
#     make check-fuzz FUZZ_SECONDS=600 FUZZ_NAMES='frame tls'
#     make check-fuzz FUZZ_RUNS=10000000
#
# runs each so long, or so often.  See tests/fuzz/run, which says what becomes
# of findings.
FUZZ_SECONDS = 60
FUZZ_RUNS =
FUZZ_NAMES = bundle control engine frame h2 http keys policy seal tls \
	$(FUZZ_CONTROLLER_NAMES)

FUZZ_TARGETS = \
	tests/fuzz/fuzz-bundle \
	tests/fuzz/fuzz-control \
	tests/fuzz/fuzz-engine \
	tests/fuzz/fuzz-frame \
	tests/fuzz/fuzz-h2 \
	tests/fuzz/fuzz-http \
	tests/fuzz/fuzz-keys \
	tests/fuzz/fuzz-policy \
	tests/fuzz/fuzz-seal \
	tests/fuzz/fuzz-tls

check_PROGRAMS += $(FUZZ_TARGETS)
EXTRA_DIST += \
	tests/fuzz/agents.dict \
	tests/fuzz/http.dict \
	tests/fuzz/policy.dict \
	tests/fuzz/rest.dict \
	tests/fuzz/config.dict \
	tests/fuzz/run \
	tests/fuzz/seeds

FUZZ_CPPFLAGS = $(AM_CPPFLAGS) $(LLHTTP_CPPFLAGS)
FUZZ_TARGET_FLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
FUZZ_LDADD = $(FUZZ_MAIN) $(ENGINE_LIBS)

# Who calls the target.
if FUZZ
FUZZ_MAIN =
else
TESTS += $(FUZZ_TARGETS)
FUZZ_MAIN = tests/fuzz/libreplay.a
check_LIBRARIES += tests/fuzz/libreplay.a
tests_fuzz_libreplay_a_SOURCES = tests/fuzz/replay.c tests/fuzz/fuzz.h
endif

FUZZ_WORLD = tests/fuzz/world.c tests/fuzz/world.h tests/fuzz/fuzz.h

# With the BPF programs in it, whose warnings are those of their own build, and
# tests/fuzz/bpf/ before libbpf's headers.  gcc 12 takes the
# alignment of a pointer for that of what they read at an offset from it.
tests_fuzz_fuzz_bundle_SOURCES = \
	tests/fuzz/bpf/bpf_helpers.h \
	tests/fuzz/fuzz-bundle.c \
	tests/fuzz/fuzz.h
tests_fuzz_fuzz_bundle_CPPFLAGS = -I$(srcdir)/tests/fuzz $(FUZZ_CPPFLAGS) \
	-I$(srcdir) -isystem $(srcdir)/agent/bpf $(LIBBPF_CFLAGS)
tests_fuzz_fuzz_bundle_CFLAGS = $(AM_CFLAGS) -fno-sanitize=alignment
tests_fuzz_fuzz_bundle_LDFLAGS = $(FUZZ_TARGET_FLAGS)
tests_fuzz_fuzz_bundle_LDADD = $(FUZZ_LDADD)

tests_fuzz_fuzz_control_SOURCES = tests/fuzz/fuzz-control.c $(FUZZ_WORLD)
tests_fuzz_fuzz_control_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_control_LDFLAGS = $(FUZZ_TARGET_FLAGS)
tests_fuzz_fuzz_control_LDADD = $(FUZZ_LDADD)

tests_fuzz_fuzz_engine_SOURCES = tests/fuzz/fuzz-engine.c $(FUZZ_WORLD)
tests_fuzz_fuzz_engine_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_engine_LDFLAGS = $(FUZZ_TARGET_FLAGS)
tests_fuzz_fuzz_engine_LDADD = $(FUZZ_LDADD)

tests_fuzz_fuzz_frame_SOURCES = tests/fuzz/fuzz-frame.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_frame_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_frame_LDFLAGS = $(FUZZ_TARGET_FLAGS)
tests_fuzz_fuzz_frame_LDADD = $(FUZZ_LDADD)

tests_fuzz_fuzz_h2_SOURCES = \
	tests/fuzz/fuzz-h2.c \
	tests/fuzz/fuzz.h \
	tests/fuzz/reading.h
tests_fuzz_fuzz_h2_CPPFLAGS = $(FUZZ_CPPFLAGS) $(NGHTTP2_CFLAGS)
tests_fuzz_fuzz_h2_LDFLAGS = $(FUZZ_TARGET_FLAGS)
tests_fuzz_fuzz_h2_LDADD = $(FUZZ_LDADD)

tests_fuzz_fuzz_http_SOURCES = \
	tests/fuzz/fuzz-http.c \
	tests/fuzz/fuzz.h \
	tests/fuzz/reading.h
tests_fuzz_fuzz_http_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_http_LDFLAGS = $(FUZZ_TARGET_FLAGS)
tests_fuzz_fuzz_http_LDADD = $(FUZZ_LDADD)

tests_fuzz_fuzz_keys_SOURCES = tests/fuzz/fuzz-keys.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_keys_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_keys_LDFLAGS = $(FUZZ_TARGET_FLAGS)
tests_fuzz_fuzz_keys_LDADD = $(FUZZ_LDADD)

tests_fuzz_fuzz_policy_SOURCES = tests/fuzz/fuzz-policy.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_policy_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_policy_LDFLAGS = $(FUZZ_TARGET_FLAGS)
tests_fuzz_fuzz_policy_LDADD = $(FUZZ_LDADD)

tests_fuzz_fuzz_seal_SOURCES = tests/fuzz/fuzz-seal.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_seal_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_seal_LDFLAGS = $(FUZZ_TARGET_FLAGS)
tests_fuzz_fuzz_seal_LDADD = $(FUZZ_LDADD)

tests_fuzz_fuzz_tls_SOURCES = \
	tests/fuzz/fuzz-tls.c \
	tests/fuzz/fuzz.h \
	tests/fuzz/reading.h
tests_fuzz_fuzz_tls_CPPFLAGS = $(FUZZ_CPPFLAGS)
tests_fuzz_fuzz_tls_LDFLAGS = $(FUZZ_TARGET_FLAGS)
tests_fuzz_fuzz_tls_LDADD = $(FUZZ_LDADD)

# What needs libopenvswitch.
if OVS
FUZZ_CONTROLLER_NAMES = agents census config probe question rest
FUZZ_TARGETS += \
	tests/fuzz/fuzz-agents \
	tests/fuzz/fuzz-census \
	tests/fuzz/fuzz-config \
	tests/fuzz/fuzz-probe \
	tests/fuzz/fuzz-question \
	tests/fuzz/fuzz-rest
FUZZ_OVS_LINK = $(CONTROLLER_LINK) $(FUZZ_LDFLAGS)

FUZZ_JUDGE = tests/fuzz/judge.c tests/fuzz/judge.h tests/fuzz/fuzz.h

tests_fuzz_fuzz_agents_SOURCES = tests/fuzz/fuzz-agents.c $(FUZZ_JUDGE)
tests_fuzz_fuzz_agents_CPPFLAGS = $(CONTROLLER_CPPFLAGS)
tests_fuzz_fuzz_agents_LDADD = $(FUZZ_MAIN) $(CONTROLLER_LIBS)
tests_fuzz_fuzz_agents_LINK = $(FUZZ_OVS_LINK)
$(tests_fuzz_fuzz_agents_OBJECTS): $(OVS_GENERATED)

tests_fuzz_fuzz_census_SOURCES = tests/fuzz/fuzz-census.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_census_CPPFLAGS = $(CONTROLLER_CPPFLAGS)
tests_fuzz_fuzz_census_LDADD = $(FUZZ_MAIN) $(CONTROLLER_LIBS)
tests_fuzz_fuzz_census_LINK = $(FUZZ_OVS_LINK)
$(tests_fuzz_fuzz_census_OBJECTS): $(OVS_GENERATED) \
	controller/ovs-migrate-idl.h

tests_fuzz_fuzz_config_SOURCES = tests/fuzz/fuzz-config.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_config_CPPFLAGS = $(OVS_CPPFLAGS) -I$(srcdir)/datapath \
	-I$(srcdir)/lib $(LLHTTP_CPPFLAGS)
tests_fuzz_fuzz_config_LDADD = $(FUZZ_MAIN) datapath/libmigrate.a \
	lib/libcommon.a $(OVS_BUILDDIR)/ofproto/libofproto.la \
	$(OVS_LIBOPENVSWITCH) $(NGHTTP2_LIBS) $(LIBBPF_LIBS)
tests_fuzz_fuzz_config_LINK = $(FUZZ_OVS_LINK)
$(tests_fuzz_fuzz_config_OBJECTS): $(OVS_GENERATED)

tests_fuzz_fuzz_probe_SOURCES = tests/fuzz/fuzz-probe.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_probe_CPPFLAGS = $(CONTROLLER_CPPFLAGS)
tests_fuzz_fuzz_probe_LDADD = $(FUZZ_MAIN) $(CONTROLLER_LIBS)
tests_fuzz_fuzz_probe_LINK = $(FUZZ_OVS_LINK)
$(tests_fuzz_fuzz_probe_OBJECTS): $(OVS_GENERATED)

tests_fuzz_fuzz_question_SOURCES = \
	tests/fuzz/fuzz-question.c \
	tests/fuzz/fuzz.h
tests_fuzz_fuzz_question_CPPFLAGS = $(CONTROLLER_CPPFLAGS)
tests_fuzz_fuzz_question_LDADD = $(FUZZ_MAIN) $(CONTROLLER_LIBS)
tests_fuzz_fuzz_question_LINK = $(FUZZ_OVS_LINK)
$(tests_fuzz_fuzz_question_OBJECTS): $(OVS_GENERATED) \
	controller/ovs-migrate-idl.h

tests_fuzz_fuzz_rest_SOURCES = tests/fuzz/fuzz-rest.c $(FUZZ_JUDGE)
tests_fuzz_fuzz_rest_CPPFLAGS = $(CONTROLLER_CPPFLAGS)
tests_fuzz_fuzz_rest_LDADD = $(FUZZ_MAIN) $(CONTROLLER_LIBS)
tests_fuzz_fuzz_rest_LINK = $(FUZZ_OVS_LINK)
$(tests_fuzz_fuzz_rest_OBJECTS): $(OVS_GENERATED) \
	controller/ovs-migrate-idl.h
endif

if FUZZ
check-fuzz: $(FUZZ_TARGETS)
	@$(PYTHON3) $(srcdir)/tests/fuzz/run --seconds='$(FUZZ_SECONDS)' \
	    --runs='$(FUZZ_RUNS)' $(FUZZ_NAMES)
else
check-fuzz: all
	@$(MKDIR_P) fuzz-build; \
	srcdir=`cd $(srcdir) && pwd`; \
	cd fuzz-build && { test -e config.status || \
	    $$srcdir/configure --enable-fuzz --with-ovs-build='$(OVS_BUILDDIR)/..' \
	        CC=clang CFLAGS='-g -O2' > configure.log; } && \
	$(MAKE) check-fuzz
endif

CLEAN_LOCAL += clean-fuzz
clean-fuzz:
	rm -rf fuzz fuzz-build

.PHONY: check-fuzz clean-fuzz
