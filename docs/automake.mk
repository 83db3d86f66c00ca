# SPDX-License-Identifier: Apache-2.0

EXTRA_DIST += \
	docs/benchmarks.md \
	docs/claims.md \
	docs/controller-growth.svg \
	docs/design.md \
	docs/fabric.md \
	docs/operations.md \
	docs/protocol.md \
	docs/rest-tables.py \
	docs/rest.md \
	docs/security.md \
	docs/testing.md
