# SPDX-License-Identifier: Apache-2.0

# libFuzzer targets, built with "configure --enable-fuzz CC=clang".
#
#     make check-fuzz FUZZ_SECONDS=600
#
# runs each so long.  What it finds is kept in fuzz/NAME/ of the build
# directory, where the next run starts from; an input that fails is left as
# fuzz/NAME-crash-*, and "tests/fuzz/fuzz-NAME FILE" repeats it.

FUZZ_SECONDS = 60
FUZZ_NAMES = engine frame h2 http policy seal tls

EXTRA_DIST += tests/fuzz/seeds

if FUZZ
FUZZ_TARGETS = \
	tests/fuzz/fuzz-engine \
	tests/fuzz/fuzz-frame \
	tests/fuzz/fuzz-h2 \
	tests/fuzz/fuzz-http \
	tests/fuzz/fuzz-policy \
	tests/fuzz/fuzz-seal \
	tests/fuzz/fuzz-tls
check_PROGRAMS += $(FUZZ_TARGETS)
endif

FUZZ_CPPFLAGS = $(AM_CPPFLAGS) $(LLHTTP_CPPFLAGS)
FUZZ_TARGET_FLAGS = $(AM_LDFLAGS) $(FUZZ_LDFLAGS)
FUZZ_LDADD = $(ENGINE_LIBS)

tests_fuzz_fuzz_engine_SOURCES = tests/fuzz/fuzz-engine.c tests/fuzz/fuzz.h
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

# The cases of unit tests are seeds too: they are what clients send.
check-fuzz: $(FUZZ_TARGETS)
if FUZZ
	@for name in $(FUZZ_NAMES); do \
	    echo "fuzz-$$name: $(FUZZ_SECONDS) seconds"; \
	    seeds=; \
	    for dir in fuzz/seeds unit; do \
		dir=$(srcdir)/tests/$$dir/$$name; \
		test ! -d $$dir || seeds="$$seeds $$dir"; \
	    done; \
	    $(MKDIR_P) fuzz/$$name || exit 1; \
	    tests/fuzz/fuzz-$$name -max_total_time=$(FUZZ_SECONDS) \
		-max_len=20000 -timeout=10 -verbosity=0 -print_final_stats=1 \
		-artifact_prefix=fuzz/$$name- fuzz/$$name $$seeds || exit 1; \
	done
else
	@echo "configure with --enable-fuzz CC=clang first" >&2; exit 1
endif

CLEAN_LOCAL += clean-fuzz
clean-fuzz:
	rm -rf fuzz

.PHONY: check-fuzz clean-fuzz
