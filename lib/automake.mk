# SPDX-License-Identifier: Apache-2.0

# What switch and host share.
noinst_LIBRARIES += lib/libcommon.a
lib_libcommon_a_SOURCES = \
	lib/address.c \
	lib/address.h \
	lib/messages.h \
	lib/packet-bpf.h \
	lib/reason.h \
	lib/seal.c \
	lib/seal.h \
	lib/siphash.h \
	lib/xalloc.h
