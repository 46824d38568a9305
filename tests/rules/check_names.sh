#! /bin/sh
# SPDX-License-Identifier: MIT
# check_names.sh -- names keep out of the way: a static library hides nothing,
# so every global symbol in it has one of our prefixes.
. "${top_srcdir:-.}/tests/rules/tap.sh"

archive=$top_builddir/.libs/libmm.a
[ -e "$archive" ] || archive=$top_builddir/.libs/libmm-core.a
if ! have nm; then
    skip 'every global symbol' 'nm is not installed'
elif ! [ -e "$archive" ]; then
    skip 'every global symbol' 'no archive was built'
else
    is 'there are symbols to look at' \
        "$(nm -g --defined-only "$archive" | grep -c ' [TDBR] mm_create$')" 1
    judge 'every global symbol starts with MM_, mm_, mmi_ or m_' \
        "$(nm -g --defined-only "$archive" | awk 'NF == 3 {print $3}' |
            grep -Ev '^(MM_|mmi?_|m_|__odr_asan|__(start|stop)___sancov)' |
            sort -u)"
fi

archive=$top_builddir/.libs/libmmlib.a
[ -e "$archive" ] || archive=$top_builddir/.libs/libmmlib-core.a
if have nm && [ -e "$archive" ]; then
    is 'there are symbols of libmmlib to look at' \
        "$(nm -g --defined-only "$archive" | grep -c ' [TDBR] m_merge$')" 1
    judge 'every global symbol of libmmlib starts with mmi_ or m_' \
        "$(nm -g --defined-only "$archive" | awk 'NF == 3 {print $3}' |
            grep -Ev '^(mmi_|m_|__odr_asan|__(start|stop)___sancov)' |
            sort -u)"
else
    skip 'every global symbol of libmmlib' 'nm is not installed, or not built'
fi

judge 'no two sources have the same name' \
    "$(find "$top_srcdir/src" -name '*.[ch]' | sed 's|.*/||' | sort | uniq -d)"
judge 'no two files differ in case only' \
    "$(own_files '*' | tr '[:upper:]' '[:lower:]' | sort | uniq -d)"
# shellcheck disable=SC2016 # $ of a regular expression
judge 'macros of public headers start with MM_, or M_ in mmlib.h' \
    "$(sed -n 's/^# *define \([A-Za-z_0-9]*\).*/\1/p' \
        "$top_srcdir"/include/*.h | grep -Ev '^(MM?_|_MM(LIB)?_H_$)')"

done_testing
