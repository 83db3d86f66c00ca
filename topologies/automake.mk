# SPDX-License-Identifier: Apache-2.0

EXTRA_DIST += \
	topologies/demo.py \
	topologies/leaf_spine.py \
	topologies/linear.py \
	topologies/managed.py \
	topologies/migrate_topo.py \
	topologies/single.py
