OVS_PATCHES = \
	$(srcdir)/ovs-patches/0001-lib-add-the-migrate-provider-interface.patch \
	$(srcdir)/ovs-patches/0002-datapath-add-the-migrate-action.patch \
	$(srcdir)/ovs-patches/0003-ofp-actions-add-the-migrate-action.patch \
	$(srcdir)/ovs-patches/0004-ofproto-dpif-translate-the-migrate-action.patch \
	$(srcdir)/ovs-patches/0005-vswitchd-add-tables-for-connection-migration.patch \
	$(srcdir)/ovs-patches/0006-vswitchd-connect-the-migration-engine.patch \
	$(srcdir)/ovs-patches/0007-netdev-linux-keep-the-segment-size-of-tso-packets.patch \
	$(srcdir)/ovs-patches/0008-dpif-netdev-let-the-migrate-provider-place-connections.patch \
	$(srcdir)/ovs-patches/common.sh \
	$(srcdir)/ovs-patches/prepare \
	$(srcdir)/ovs-patches/series

EXTRA_DIST += \
	$(OVS_PATCHES) \
	ovs-patches/README.md \
	ovs-patches/refresh

# The suites that the patches touch, as arguments of OVS's testsuite.
OVS_TOUCHED = -k migrate
