dnl SPDX-License-Identifier: Apache-2.0
dnl
dnl What ovs-migrate needs from the system.  Every error names the Debian
dnl package to install.

dnl OVM_MISSING(THING, PACKAGE)
AC_DEFUN([OVM_MISSING],
  [AC_MSG_ERROR([$1 not found: install the Debian package $2])])

dnl OVM_PKG(PREFIX, MODULE, PACKAGE)
dnl
dnl Sets PREFIX_CFLAGS and PREFIX_LIBS by pkg-config.
AC_DEFUN([OVM_PKG],
  [PKG_CHECK_MODULES([$1], [$2], [], [OVM_MISSING([$2], [$3])])])

dnl Debian's own Python, for which Debian's scapy and Mininet are installed:
dnl the first python3 on PATH may be another one.
AC_DEFUN([OVM_CHECK_PYTHON3],
  [AC_ARG_VAR([PYTHON3], [Python 3 (default: /usr/bin/python3)])
   AS_IF([test -z "$PYTHON3"], [PYTHON3=/usr/bin/python3])
   AS_IF([test -x "$PYTHON3"], [], [OVM_MISSING([$PYTHON3], [python3])])])

dnl Compiler for the BPF target, and bpftool for skeletons.
AC_DEFUN([OVM_CHECK_BPF],
  [AC_ARG_VAR([CLANG], [clang, for BPF programs])
   AC_PATH_PROGS([CLANG], [clang clang-19 clang-16 clang-15 clang-14])
   AS_IF([test -z "$CLANG"], [OVM_MISSING([clang], [clang])])
   AC_CACHE_CHECK([whether $CLANG compiles for BPF], [ovm_cv_clang_bpf],
     [echo 'int x;' > conftest.c
      AS_IF([$CLANG -target bpf -c conftest.c -o conftest.o \
               >&AS_MESSAGE_LOG_FD 2>&1],
        [ovm_cv_clang_bpf=yes], [ovm_cv_clang_bpf=no])
      rm -f conftest.c conftest.o])
   AS_IF([test $ovm_cv_clang_bpf = no],
     [AC_MSG_ERROR([$CLANG has no BPF target: install the Debian package clang, or set CLANG])])
   AC_ARG_VAR([BPFTOOL], [bpftool, for BPF skeletons])
   AC_PATH_PROGS([BPFTOOL], [bpftool], [],
     [$PATH$PATH_SEPARATOR/usr/sbin$PATH_SEPARATOR/sbin])
   AS_IF([test -z "$BPFTOOL"], [OVM_MISSING([bpftool], [bpftool])])])

dnl llhttp comes as C sources: LLHTTP_DIR has them, LLHTTP_CPPFLAGS makes
dnl #include <llhttp/llhttp.h> work.
AC_DEFUN([OVM_CHECK_LLHTTP],
  [AC_ARG_WITH([llhttp],
     [AS_HELP_STRING([--with-llhttp=DIR],
        [C sources of llhttp (default: /usr/share/llhttp)])],
     [LLHTTP_DIR=$withval], [LLHTTP_DIR=/usr/share/llhttp])
   AC_MSG_CHECKING([for llhttp's sources])
   AS_IF([test -e "$LLHTTP_DIR/llhttp.c"],
     [AC_MSG_RESULT([$LLHTTP_DIR])],
     [AC_MSG_RESULT([no])
      OVM_MISSING([$LLHTTP_DIR/llhttp.c], [node-llhttp])])
   LLHTTP_CPPFLAGS=-I/usr/share/include
   AC_SUBST([LLHTTP_DIR])
   AC_SUBST([LLHTTP_CPPFLAGS])
   ovm_save_CPPFLAGS=$CPPFLAGS
   CPPFLAGS="$CPPFLAGS $LLHTTP_CPPFLAGS"
   AC_CHECK_HEADER([llhttp/llhttp.h], [],
     [OVM_MISSING([llhttp/llhttp.h], [node-llhttp])])
   CPPFLAGS=$ovm_save_CPPFLAGS])

dnl The patched Open vSwitch.
dnl
dnl By default "make" prepares its source in ovs-src/ and builds it in ovs/,
dnl both in the build directory.
dnl
dnl Automake conditionals: OVS, there is one to build against; BUILD_OVS, it is
dnl ours to build and to install.
AC_DEFUN([OVM_OVS],
  [AC_ARG_WITH([ovs-build],
     [AS_HELP_STRING([--with-ovs-build=DIR],
        [use the build of ovs-migrate in DIR for its patched OVS, instead of
         building another])],
     [], [with_ovs_build=])
   AC_ARG_WITH([ovs],
     [AS_HELP_STRING([--without-ovs],
        [leave out OVS and what joins it: only the engine and the agent])],
     [], [with_ovs=yes])
   dnl Fuzz targets take another build's OVS, or do without.
   AS_IF([test "x$enable_fuzz" = xyes && test -z "$with_ovs_build"],
     [with_ovs=no])
   AS_IF([test -z "$with_ovs_build"],
     [OVS_SRCDIR='$(abs_top_builddir)/ovs-src'
      OVS_BUILDDIR='$(abs_top_builddir)/ovs'],
     [test -e "$with_ovs_build/ovs/config.h"],
     [OVS_SRCDIR=`cd "$with_ovs_build" && pwd`/ovs-src
      OVS_BUILDDIR=`cd "$with_ovs_build" && pwd`/ovs],
     [AC_MSG_ERROR([--with-ovs-build: no $with_ovs_build/ovs/config.h; give a build directory of ovs-migrate after "make"])])
   AC_SUBST([OVS_SRCDIR])
   AC_SUBST([OVS_BUILDDIR])
   AM_CONDITIONAL([OVS], [test "x$with_ovs" != xno])
   AM_CONDITIONAL([BUILD_OVS],
     [test "x$with_ovs" != xno && test -z "$with_ovs_build"])
   OVS_CONFIGURE_FLAGS=
   dnl gcc finds false positives in OVS when it instruments.
   AS_IF([test "x$enable_Werror" = xyes && test "x$enable_sanitizers" != xyes],
     [OVS_CONFIGURE_FLAGS="$OVS_CONFIGURE_FLAGS --enable-Werror"])
   AC_SUBST([OVS_CONFIGURE_FLAGS])
   AS_IF([test "x$with_ovs" != xno && test -z "$with_ovs_build"],
     [OVM_CHECK_OVS_TOOLS])])

dnl What it takes to prepare and build OVS.
AC_DEFUN([OVM_CHECK_OVS_TOOLS],
  [AC_MSG_CHECKING([for the source of Open vSwitch])
   AS_IF([test -e /usr/src/openvswitch/openvswitch.tar.gz],
     [AC_MSG_RESULT([yes])],
     [AC_MSG_RESULT([no])
      OVM_MISSING([/usr/src/openvswitch/openvswitch.tar.gz],
        [openvswitch-source])])
   AC_CHECK_PROG([OVM_LIBTOOLIZE], [libtoolize], [yes])
   AS_IF([test -z "$OVM_LIBTOOLIZE"], [OVM_MISSING([libtoolize], [libtool])])])
