# SPDX-License-Identifier: Apache-2.0

# The controller with a real database, through the interfaces that people use.
# Needs no root.
CONTROLLER_TESTS = \
	tests/controller/test_ctl.py \
	tests/controller/test_database.py \
	tests/controller/test_durable.py \
	tests/controller/test_limits.py \
	tests/controller/test_rest.py \
	tests/controller/test_switches.py

EXTRA_DIST += \
	$(CONTROLLER_TESTS) \
	tests/controller/controllers.py \
	tests/controller/openapi.py \
	tests/controller/switches.py

# The TAP of each is left in tests/controller/NAME.tap.  CONTROLLER_TESTS may
# be given on the command line.
check-controller: all
	@$(MKDIR_P) tests/controller; rm -f tests/controller/*.tap; \
	for test in $(CONTROLLER_TESTS); do \
	    name=`basename $$test .py`; tap=tests/controller/$$name.tap; \
	    echo "# $$name"; \
	    { OVM_BUILD='$(abs_top_builddir)' PYTHONDONTWRITEBYTECODE=1 \
	      $(PYTHON3) $(srcdir)/$$test; echo $$? > $$tap.rc; } | tee $$tap; \
	    rc=`cat $$tap.rc`; rm -f $$tap.rc; \
	    case $$rc in 130) exit 130;; esac; \
	done; \
	PYTHONDONTWRITEBYTECODE=1 \
	    $(PYTHON3) $(srcdir)/tests/system/tap.py tests/controller/*.tap

CLEAN_LOCAL += clean-controller
clean-controller:
	rm -f tests/controller/*.tap

.PHONY: check-controller clean-controller
