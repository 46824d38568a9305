#! /bin/sh
# SPDX-License-Identifier: MIT
# check_headers.sh -- every header compiles on its own; the public ones also as
# C89 and as C++, and with nothing defined beforehand.
. "${top_srcdir:-.}/tests/rules/tap.sh"

: "${CC:=cc}"

# compile COMPILER-AND-FLAGS HEADER
compile() {
    printf '#include "%s"\nextern int nothing_else;\n' "$2" |
        $1 -fsyntax-only -Wall -Wextra -Werror - 2>&1
}

work=$top_srcdir/src
for header in $(cd "$work" && find . -name '*.h' | sed 's|^\./||' | sort); do
    judge "$header compiles on its own" "$(compile \
        "$CC -x c -std=c11 -D_GNU_SOURCE -I$top_builddir \
        -I$top_srcdir/include -I$work -I$top_srcdir" "$header")"
done

cxx=
for candidate in g++ clang++; do
    [ -n "$cxx" ] || ! have "$candidate" || cxx=$candidate
done
for header in "$top_srcdir"/include/*.h; do
    name=${header##*/}
    judge "$name is C89" "$(compile \
        "$CC -x c -std=c89 -D_POSIX_C_SOURCE=200112L -pedantic-errors" \
        "$header")"
    judge "$name asks for no feature macro" \
        "$(compile "$CC -x c -std=gnu11" "$header")"
    if [ -n "$cxx" ]; then
        judge "$name is C++" \
            "$(compile "$cxx -x c++ -std=c++98 -pedantic-errors" "$header")"
    else
        skip "$name is C++" 'no C++ compiler is installed'
    fi
    judge "$name needs no configuration" \
        "$(grep -nE 'config\.h|HAVE_|ifdef .*PRIVATE' "$header")"
done

done_testing
