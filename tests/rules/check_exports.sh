#! /bin/sh
# SPDX-License-Identifier: MIT
# check_exports.sh -- the library exports what is promised, and nothing else.
#
# tests/libmm.exports is everything, as nm prints it: NAME or NAME@@VERSION.
# tests/libmm14.exports is what must never go away and never get a version;
# that list is frozen.  tests/libmmlib.exports is the second library.
. "${top_srcdir:-.}/tests/rules/tap.sh"

all=$top_srcdir/tests/libmm.exports
frozen=$top_srcdir/tests/libmm14.exports
library=$top_builddir/.libs/libmm.so.14.1.0

# missing A B: lines of A that are not in B.
missing() {
    grep -vxF -f "$2" "$1"
}

is 'the frozen list has 43 functions and mm_version' \
    "$(cksum < "$frozen")" '2644352140 531'
judge 'no old name is lost, none has a version' "$(missing "$frozen" "$all")"

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT

missing "$all" "$frozen" > "$work/new"
sed -n '/global:/,/}/p' "$top_srcdir/src/libmm.map" | tr ' ;' '\n' |
    sed -n 's/^[Mm][Mm]_.*/&@@MM_1.5/p' |
    LC_ALL=C sort > "$work/map"
is 'the linker map holds the new names, and only them' \
    "$(cat "$work/map")" "$(cat "$work/new")"
is 'the linker map hides nothing' \
    "$(grep -c 'local:' "$top_srcdir/src/libmm.map")" 0

# What the header declares is what there is; mm_version never was declared.
tr '\n' ' ' < "$top_srcdir/include/mm.h" | tr ';' '\n' |
    sed -n 's/.*MM_API [^(]*[ *]\([Mm][Mm]_[a-z0-9_]*\)(.*/\1/p' |
    LC_ALL=C sort > "$work/header"
sed 's/@.*//; /^mm_version$/d' "$all" > "$work/functions"
is 'mm.h declares all of it, and nothing more' \
    "$(cat "$work/header")" "$(cat "$work/functions")"

# exported LIBRARY: what it exports, but for what tools and linkers add.
exported() {
    nm -D --defined-only --with-symbol-versions "$1" | awk '$2 != "A" &&
        $3 !~ /^(_init|_fini|_edata|_end|__bss_start|__(asan|ubsan|odr)_.*)$/ &&
        $3 !~ /^(_+sancov|__start___sancov|__stop___sancov)/ {print $3}' |
        LC_ALL=C sort
}

# The merge library: all of it is new, so all of it has a version.
merge_all=$top_srcdir/tests/libmmlib.exports
merge_library=$top_builddir/.libs/libmmlib.so.0.0.0
sed -n 's/^ *\(m_[a-z0-9_]*\);/\1@@MMLIB_1.0/p' \
    "$top_srcdir/src/merge/libmmlib.map" > "$work/map"
is 'the linker map of libmmlib holds its names' \
    "$(cat "$work/map")" "$(cat "$merge_all")"
tr '\n' ' ' < "$top_srcdir/include/mmlib.h" | tr ';' '\n' |
    sed -n 's/.*M_API [^(]*[ *]\(m_[a-z0-9_]*\)(.*/\1/p' |
    LC_ALL=C sort > "$work/header"
is 'mmlib.h declares all of it, and nothing more' \
    "$(cat "$work/header")" "$(sed 's/@.*//' "$merge_all")"
if ! [ -e "$merge_library" ]; then
    skip 'libmmlib' 'built without it, or without a shared library'
elif ! have nm || ! have readelf; then
    skip 'libmmlib' 'nm and readelf are not installed'
else
    exported "$merge_library" > "$work/built"
    is 'libmmlib exports that' "$(cat "$work/built")" "$(cat "$merge_all")"
    dynamic=$(readelf -d "$merge_library")
    is 'its name is libmmlib.so.0' \
        "$(echo "$dynamic" | sed -n 's/.*SONAME.*\[\(.*\)\].*/\1/p')" \
        libmmlib.so.0
    judge 'it needs no other library of ours, and no path' \
        "$(echo "$dynamic" | grep -E 'RPATH|RUNPATH|NEEDED.*libmm')"
fi

if ! [ -e "$library" ]; then
    skip 'the library' 'built without a shared library'
    done_testing
fi
if ! have nm || ! have readelf; then
    skip 'the library' 'nm and readelf are not installed'
    done_testing
fi

exported "$library" > "$work/built"
judge 'the library exports everything' "$(missing "$all" "$work/built")"
judge 'and nothing else' "$(missing "$work/built" "$all")"

if [ -n "$SANITIZERS" ]; then
    skip 'mm_version is as large as old programs copy' 'sanitizers pad objects'
else
    is 'mm_version is as large as old programs copy' \
    "$(nm -DS "$library" | sed -n 's/.* 0*\([0-9a-f]*\) . mm_version$/\1/p')" \
    "$(case $(readelf -h "$library" | sed -n 's/.*Class: *//p') in
        ELF64) echo 40 ;; *) echo 20 ;; esac)"
fi

dynamic=$(readelf -d "$library")
is 'its name is libmm.so.14' \
    "$(echo "$dynamic" | sed -n 's/.*SONAME.*\[\(.*\)\].*/\1/p')" libmm.so.14
is 'it stays loaded: threads may still be inside' \
    "$(echo "$dynamic" | grep -c NODELETE)" 1
judge 'it carries no path of the machine that built it' \
    "$(echo "$dynamic" | grep -E 'RPATH|RUNPATH')"

if [ -n "$SANITIZERS" ] || ! have ldd; then
    skip 'nothing is left undefined' 'sanitizers, or no ldd'
else
    judge 'nothing is left undefined' "$(ldd -r "$library" 2>&1 |
        grep 'undefined')"
fi

if ! have dpkg-gensymbols; then
    skip 'dpkg-gensymbols loses none' 'dpkg-gensymbols is not installed'
else
    mkdir -p "$work/debian/libmm14/usr/lib"
    cp "$library" "$work/debian/libmm14/usr/lib"
    printf 'Source: mm\nMaintainer: nobody <nobody@localhost>\n\n' \
        > "$work/debian/control"
    printf 'Package: libmm14\nArchitecture: any\nDescription: mm\n' \
        >> "$work/debian/control"
    { echo 'libmm.so.14 libmm14 #MINVER#'
        sed 's/^/ /; s/$/@Base 1.4.0/' "$frozen"; } > "$work/debian/symbols"
    if (cd "$work" && dpkg-gensymbols -plibmm14 -v1.5.0 -Pdebian/libmm14 \
        -Idebian/symbols -c1 -O/dev/null) > "$work/gensymbols" 2>&1; then
        ok 'dpkg-gensymbols loses none'
    else
        not_ok 'dpkg-gensymbols loses none'
        diag "$(cat "$work/gensymbols")"
    fi
fi

done_testing
