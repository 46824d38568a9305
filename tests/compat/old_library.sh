#! /bin/sh
# SPDX-License-Identifier: MIT
# old_library.sh -- a program built with this library, that uses nothing new,
# runs with the old one: it needs no symbol version, and what old_header.t
# expects of us is what programs always got.
. "${top_srcdir:-.}/tests/rules/tap.sh"

program=$top_builddir/tests/compat/.libs/old_header.t
[ -x "$program" ] || skip_all 'no shared library was built'
[ -z "$SANITIZERS" ] || skip_all 'the old library was built without sanitizers'
for old in /usr/lib/libmm.so.14.0.* /usr/lib/*/libmm.so.14.0.*; do
    [ ! -e "$old" ] || break
done
[ -e "$old" ] || skip_all 'the old library (libmm14) is not installed'

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
cp "$old" "$work/libmm.so.14"
LD_LIBRARY_PATH=$work "$program"
