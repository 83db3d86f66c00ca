# SPDX-License-Identifier: Apache-2.0

# The controller with a real database, through the interfaces that people use.
# Needs no root.
CONTROLLER_TESTS = \
	tests/controller/test_ctl.py \
	tests/controller/test_database.py \
	tests/controller/test_durable.py \
	tests/controller/test_hosts.py \
	tests/controller/test_limits.py \
	tests/controller/test_rest.py \
	tests/controller/test_scale.py \
	tests/controller/test_stream.py \
	tests/controller/test_switches.py

EXTRA_DIST += \
	$(CONTROLLER_TESTS) \
	tests/controller/controllers.py \
	tests/controller/openapi.py \
	tests/controller/switches.py

# CONTROLLER_TESTS may be given on the command line.
check-controller: all
	@$(RUN_TESTS) tests/controller $(CONTROLLER_TESTS:%=$(srcdir)/%)

.PHONY: check-controller
