# SPDX-License-Identifier: Apache-2.0

SYSTEM_TESTS = \
	tests/system/test_agent.py \
	tests/system/test_bad_input.py \
	tests/system/test_flows.py \
	tests/system/test_http.py \
	tests/system/test_refuse.py \
	tests/system/test_rules.py \
	tests/system/test_servers.py \
	tests/system/test_show.py

EXTRA_DIST += \
	$(SYSTEM_TESTS) \
	tests/system/autotest.py \
	tests/system/capture.py \
	tests/system/lab.py \
	tests/system/labtest.py \
	tests/system/netns.py \
	tests/system/ovs.py \
	tests/system/servers.py \
	tests/system/tap.py \
	tests/system/workspace.py

# The TAP of each suite is left in tests/system/NAME.tap.  SYSTEM_TESTS may be
# given on the command line.
check-system: all
	@$(MKDIR_P) tests/system; status=0; \
	for test in $(SYSTEM_TESTS); do \
	    name=`basename $$test .py`; log=tests/system/$$name.tap; \
	    echo "# $$name"; \
	    { OVM_BUILD='$(abs_top_builddir)' PYTHONDONTWRITEBYTECODE=1 \
	      $(PYTHON3) $(srcdir)/$$test; echo $$? > $$log.rc; } | tee $$log; \
	    rc=`cat $$log.rc`; rm -f $$log.rc; \
	    case $$rc in 0) ;; 77) exit 77 ;; *) status=1 ;; esac; \
	    test $$rc -lt 128 || exit $$rc; \
	done; exit $$status

# OVS's own tests, with the patches: all, or the files of them that the patches
# touch, whose TAP is left in tests/ovs.tap.
check-ovs: all
	@$(PYTHON3) $(srcdir)/tests/system/autotest.py $(OVS_BUILDDIR)

check-ovs-touched: all
	@$(PYTHON3) $(srcdir)/tests/system/autotest.py $(OVS_BUILDDIR) \
	    $(filter %.patch,$(OVS_PATCHES)) > tests/ovs.tap; status=$$?; \
	grep -v '^ok ' tests/ovs.tap; exit $$status

clean-system:
	rm -f tests/*.tap tests/system/*.tap

CLEAN_LOCAL += clean-system
.PHONY: check-ovs check-ovs-touched check-system clean-system
