# The engine: pure C, linked into tests as well.
noinst_LIBRARIES += datapath/libmigrate-engine.a
datapath_libmigrate_engine_a_SOURCES = \
	datapath/affinity.c \
	datapath/affinity.h \
	datapath/assembly.c \
	datapath/assembly.h \
	datapath/audit.c \
	datapath/client.c \
	datapath/compile.c \
	datapath/compile.h \
	datapath/control.c \
	datapath/cookie.c \
	datapath/cookie.h \
	datapath/counters.h \
	datapath/csum.h \
	datapath/decide.c \
	datapath/engine.h \
	datapath/frame.c \
	datapath/frame.h \
	datapath/h2.c \
	datapath/h2.h \
	datapath/gather.c \
	datapath/handoff.c \
	datapath/host.h \
	datapath/http.c \
	datapath/http.h \
	datapath/icmp.c \
	datapath/list.c \
	datapath/lost.c \
	datapath/maglev.c \
	datapath/maglev.h \
	datapath/migrate-config.h \
	datapath/migrate.c \
	datapath/migrate.h \
	datapath/mix.h \
	datapath/neighbor.c \
	datapath/policy.c \
	datapath/policy.h \
	datapath/pool.c \
	datapath/pool.h \
	datapath/reader.c \
	datapath/reader.h \
	datapath/record.c \
	datapath/record.h \
	datapath/reject.c \
	datapath/request.c \
	datapath/request.h \
	datapath/rule.c \
	datapath/rule.h \
	datapath/synack.c \
	datapath/text.h \
	datapath/timers.c \
	datapath/timers.h \
	datapath/tls.c \
	datapath/tls.h
datapath_libmigrate_engine_a_CPPFLAGS = $(AM_CPPFLAGS) $(LLHTTP_CPPFLAGS) \
	$(NGHTTP2_CFLAGS)
datapath_libmigrate_engine_a_LIBADD = $(LLHTTP_OBJECTS)

# What a program with the engine in it links.
ENGINE_LIBS = \
	datapath/libmigrate-engine.a \
	lib/libcommon.a \
	$(NGHTTP2_LIBS)

# llhttp comes as sources, whose warnings are not ours.  Without strict mode it
# takes what servers may read differently.
LLHTTP_OBJECTS = \
	datapath/llhttp-api.$(OBJEXT) \
	datapath/llhttp-http.$(OBJEXT) \
	datapath/llhttp-llhttp.$(OBJEXT)
CLEANFILES += $(LLHTTP_OBJECTS)

$(LLHTTP_OBJECTS): datapath/llhttp-%.$(OBJEXT): $(LLHTTP_DIR)/%.c
	@$(MKDIR_P) datapath
	$(AM_V_CC)$(CC) -DLLHTTP_STRICT_MODE=1 $(LLHTTP_CPPFLAGS) $(LLHTTP_CPPFLAGS)/llhttp \
		$(CPPFLAGS) $(CFLAGS) $(SANITIZER_CFLAGS) -w -c -o $@ $<

# The short way through the kernel, with its BPF programs.
noinst_LIBRARIES += datapath/libshortcut.a
datapath_libshortcut_a_SOURCES = \
	datapath/bpf/shortcut-shared.h \
	datapath/shortcut.c \
	datapath/shortcut.h
nodist_datapath_libshortcut_a_SOURCES = datapath/bpf/shortcut.skel.h
datapath_libshortcut_a_CPPFLAGS = $(AM_CPPFLAGS) -I$(srcdir)
datapath_libshortcut_a_CFLAGS = $(AM_CFLAGS) $(LIBBPF_CFLAGS)

datapath/bpf/shortcut.bpf.o: datapath/bpf/shortcut.bpf.c \
	datapath/bpf/shortcut-shared.h lib/messages.h lib/packet-bpf.h
$(datapath_libshortcut_a_OBJECTS): datapath/bpf/shortcut.skel.h

EXTRA_DIST += datapath/bpf/shortcut.bpf.c
BUILT_SOURCES += datapath/bpf/shortcut.skel.h
CLEANFILES += datapath/bpf/shortcut.bpf.o datapath/bpf/shortcut.skel.h

# All of this and the glue, to be linked into ovs-vswitchd.
if OVS
noinst_LIBRARIES += datapath/libmigrate.a
datapath_libmigrate_a_SOURCES = \
	datapath/migrate-ovs-config.c \
	datapath/migrate-ovs-kernel.c \
	datapath/migrate-ovs-show.c \
	datapath/migrate-ovs.c \
	datapath/migrate-ovs.h
datapath_libmigrate_a_CPPFLAGS = \
	$(OVS_CPPFLAGS) \
	-I$(srcdir)/datapath \
	-I$(srcdir)/lib \
	$(LLHTTP_CPPFLAGS)
datapath_libmigrate_a_LIBADD = \
	$(datapath_libmigrate_engine_a_OBJECTS) \
	$(datapath_libshortcut_a_OBJECTS) \
	$(LLHTTP_OBJECTS)
$(datapath_libmigrate_a_OBJECTS): $(OVS_GENERATED)
endif
