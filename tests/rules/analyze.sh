#! /bin/sh
# SPDX-License-Identifier: MIT
# analyze.sh -- what the analyzers that are installed say about the sources.
# Slow, hence `make analyze` and no part of `make check`.  $FLAGS is what the
# sources are compiled with.
# shellcheck disable=SC2046,SC2086 # lists
#
# gcc 12 loses track of blocks that are kept behind a pointer: it is not asked
# about leaks.
. "${top_srcdir:-.}/tests/rules/tap.sh"

: "${CC:=cc}" "${FLAGS=}" "${abs_top_builddir=$top_builddir}"
sources=$(find "$top_srcdir/src" -name '*.c' | LC_ALL=C sort)
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT

if $CC -fanalyzer -E -x c /dev/null > /dev/null 2>&1 &&
    ! $CC --version | grep -q clang; then
    judge 'compiler' "$(for source in $sources; do
        $CC $FLAGS -I$top_srcdir -O2 -fanalyzer -Wno-analyzer-malloc-leak -c -o "$work/object" "$source" 2>&1
    done)"
else
    skip 'compiler' "$CC has no -fanalyzer"
fi

if have clang-tidy; then
    judge 'clang-tidy' "$(cd "$top_srcdir" && clang-tidy --quiet \
        $(echo "$sources" | sed "s|^$top_srcdir/||") -- \
        -std=c11 -D_GNU_SOURCE -DMMI_TEST_BUILD=1 -Iinclude -Isrc -I. \
        -I"$abs_top_builddir" 2> /dev/null)"
else
    skip 'clang-tidy' 'not installed'
fi

if have cppcheck; then
    judge 'cppcheck' "$(cppcheck --quiet --std=c11 --inline-suppr \
        --enable=warning,portability --suppress=missingIncludeSystem \
        -D_GNU_SOURCE -D__GNUC__=12 -I"$top_builddir" \
        -I"$top_srcdir/include" -I"$top_srcdir/src" -I"$top_srcdir" \
        $sources 2>&1)"
else
    skip 'cppcheck' 'not installed'
fi

if have shellcheck; then
    judge 'shellcheck' \
        "$(cd "$top_srcdir" &&
            top_srcdir=. sh tests/rules/check_shell.sh | grep '^#')"
else
    skip 'shellcheck' 'not installed'
fi

if have mandoc; then
    judge 'mandoc' "$(find "$top_srcdir/doc" -name '*.[1-8]' -exec \
        mandoc -Tlint -Wwarning {} +)"
else
    skip 'mandoc' 'not installed'
fi

done_testing
