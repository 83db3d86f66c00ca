# SPDX-License-Identifier: Apache-2.0

# Benchmarks: the engine alone, its choice of hosts, and HTTP through OVS.  See docs/benchmarks.md.
noinst_PROGRAMS += tests/bench/engine-bench
tests_bench_engine_bench_SOURCES = tests/bench/engine-bench.c \
	tests/bench/cpu-time.h
tests_bench_engine_bench_LDADD = $(ENGINE_LIBS)

noinst_PROGRAMS += tests/bench/pool-bench
tests_bench_pool_bench_SOURCES = tests/bench/pool-bench.c \
	tests/bench/cpu-time.h
tests_bench_pool_bench_LDADD = $(ENGINE_LIBS)

if OVS
noinst_PROGRAMS += tests/bench/fabric-sim
tests_bench_fabric_sim_SOURCES = tests/bench/fabric-sim.c
tests_bench_fabric_sim_CPPFLAGS = $(CONTROLLER_CPPFLAGS)
tests_bench_fabric_sim_LDADD = $(CONTROLLER_LIBS)
tests_bench_fabric_sim_LINK = $(CONTROLLER_LINK)
$(tests_bench_fabric_sim_OBJECTS): $(OVS_GENERATED)
endif

EXTRA_DIST += \
	tests/bench/controller_bench.py \
	tests/bench/engine_bench.py \
	tests/bench/http_bench.py \
	tests/bench/run \
	tests/bench/tables.py

# BENCH_ARGS: see "tests/bench/run --help".
bench: all
	+test ! -e ovs/Makefile || $(OVS_MAKE) tests/ovstest
	OVM_BUILD='$(abs_top_builddir)' PYTHONDONTWRITEBYTECODE=1 \
		$(PYTHON3) $(srcdir)/tests/bench/run $(BENCH_ARGS)

# With BENCH_ARGS "--growth --docs $(srcdir)/docs" it takes ten minutes.
bench-controller: all
	OVM_BUILD='$(abs_top_builddir)' PYTHONDONTWRITEBYTECODE=1 \
		$(PYTHON3) $(srcdir)/tests/bench/controller_bench.py $(BENCH_ARGS)

.PHONY: bench bench-controller
