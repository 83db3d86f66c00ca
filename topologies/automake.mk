# SPDX-License-Identifier: Apache-2.0

EXTRA_DIST += \
	topologies/demo.py \
	topologies/migrate_topo.py
