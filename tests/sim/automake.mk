# The deterministic simulator.
check_PROGRAMS += tests/sim/run-sim
TESTS += tests/sim/run-sim
tests_sim_run_sim_SOURCES = \
	tests/sim/run-sim.c \
	tests/sim/sim-client.c \
	tests/sim/sim-controller.c \
	tests/sim/sim-faults.c \
	tests/sim/sim-host.c \
	tests/sim/sim-tcp.c \
	tests/sim/sim.c \
	tests/sim/sim.h \
	tests/sim/world.h
tests_sim_run_sim_CPPFLAGS = $(AM_CPPFLAGS) $(LLHTTP_CPPFLAGS)
tests_sim_run_sim_LDADD = $(ENGINE_LIBS)
