dnl SPDX-License-Identifier: Apache-2.0
dnl
dnl Compiler warnings, sanitizers and fuzzing.
dnl
dnl What these macros find goes into OVM_CFLAGS and OVM_LDFLAGS, which
dnl Makefile.am adds to the flags of everything that is built.

dnl OVM_CC_OPTION(OPTION)
dnl
dnl Adds OPTION to OVM_CFLAGS if the compiler knows it.
AC_DEFUN([OVM_CC_OPTION],
  [m4_pushdef([ovm_cv], [ovm_cv_cc[]m4_translit([$1], [-= ], [___])])dnl
   AC_CACHE_CHECK([whether $CC accepts $1], [ovm_cv],
     [ovm_save_CFLAGS=$CFLAGS
      dnl gcc is silent about a -Wno-x that it does not know: try -Wx.
      CFLAGS="$CFLAGS $OVM_CFLAGS -Werror m4_bpatsubst([$1], [-Wno-], [-W])"
      AC_COMPILE_IFELSE([AC_LANG_SOURCE([int x;])], [ovm_cv=yes], [ovm_cv=no])
      CFLAGS=$ovm_save_CFLAGS])
   AS_IF([test $ovm_cv = yes], [OVM_CFLAGS="$OVM_CFLAGS $1"])
   m4_popdef([ovm_cv])])

dnl The warnings that Open vSwitch builds with.
AC_DEFUN([OVM_WARNINGS],
  [AC_SUBST([OVM_CFLAGS])
   AC_SUBST([OVM_LDFLAGS])
   m4_foreach_w([option],
     [-Wall -Wextra -Wno-sign-compare -Wpointer-arith -Wformat
      -Wformat-security -Wswitch-enum -Wunused-parameter -Wbad-function-cast
      -Wcast-align -Wstrict-prototypes -Wold-style-definition
      -Wmissing-prototypes -Wmissing-field-initializers -Wthread-safety
      -fno-strict-aliasing -Wswitch-bool -Wlogical-not-parentheses
      -Wsizeof-array-argument -Wbool-compare -Wshift-negative-value
      -Wduplicated-cond -Wshadow -Wmultistatement-macros -Wcast-align=strict
      -Wno-null-pointer-arithmetic -Warray-bounds-pointer-arithmetic],
     [OVM_CC_OPTION(option)])])

AC_DEFUN([OVM_ENABLE_WERROR],
  [AC_ARG_ENABLE([Werror],
     [AS_HELP_STRING([--enable-Werror], [treat warnings as errors])],
     [], [enable_Werror=no])
   dnl Late, so that no test of configure fails for a warning.
   AC_CONFIG_COMMANDS_PRE(
     [AS_IF([test "x$enable_Werror" = xyes],
        [OVM_CFLAGS="$OVM_CFLAGS -Werror"])])])

dnl --enable-sanitizers: AddressSanitizer and UndefinedBehaviorSanitizer, in
dnl everything, OVS included.  SANITIZER_CFLAGS is what OVS is built with.
AC_DEFUN([OVM_ENABLE_SANITIZERS],
  [AC_REQUIRE([OVM_ENABLE_FUZZ])
   AC_ARG_ENABLE([sanitizers],
     [AS_HELP_STRING([--enable-sanitizers],
        [build with ASan and UBSan (implied by --enable-fuzz)])],
     [], [enable_sanitizers=$enable_fuzz])
   SANITIZER_CFLAGS=
   AS_IF([test "x$enable_sanitizers" = xyes],
     [SANITIZER_CFLAGS="-fsanitize=address,undefined \
-fno-sanitize-recover=undefined -fno-omit-frame-pointer"
      OVM_CFLAGS="$OVM_CFLAGS $SANITIZER_CFLAGS"
      OVM_LDFLAGS="$OVM_LDFLAGS $SANITIZER_CFLAGS"])
   AC_SUBST([SANITIZER_CFLAGS])
   AM_CONDITIONAL([SANITIZERS], [test "x$enable_sanitizers" = xyes])])

dnl --enable-fuzz: libFuzzer targets.  FUZZ_LDFLAGS links one.
AC_DEFUN([OVM_ENABLE_FUZZ],
  [AC_ARG_ENABLE([fuzz],
     [AS_HELP_STRING([--enable-fuzz],
        [build the fuzz targets; needs CC=clang])],
     [], [enable_fuzz=no])
   FUZZ_LDFLAGS=
   AS_IF([test "x$enable_fuzz" = xyes],
     [FUZZ_LDFLAGS=-fsanitize=fuzzer
      ovm_save_CFLAGS=$CFLAGS
      CFLAGS="$CFLAGS -fsanitize=fuzzer"
      AC_MSG_CHECKING([whether $CC links with -fsanitize=fuzzer])
      AC_LINK_IFELSE(
        [AC_LANG_SOURCE([[
           #include <stddef.h>
           #include <stdint.h>
           int LLVMFuzzerTestOneInput(const uint8_t *, size_t);
           int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
           {
               return size && *data ? 0 : 0;
           }]])],
        [AC_MSG_RESULT([yes])],
        [AC_MSG_RESULT([no])
         AC_MSG_ERROR([--enable-fuzz needs libFuzzer: install the Debian packages clang and libclang-rt-14-dev, then configure with CC=clang])])
      CFLAGS=$ovm_save_CFLAGS
      OVM_CFLAGS="$OVM_CFLAGS -fsanitize=fuzzer-no-link \
-DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION"
      OVM_LDFLAGS="$OVM_LDFLAGS -fsanitize=fuzzer-no-link"])
   AC_SUBST([FUZZ_LDFLAGS])
   AM_CONDITIONAL([FUZZ], [test "x$enable_fuzz" = xyes])])
