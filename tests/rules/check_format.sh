#! /bin/sh
# SPDX-License-Identifier: MIT
# check_format.sh -- what a reader may expect of every source: lines that fit,
# no stray blanks, no platform choices in logic, short files and functions.
#
# Lengths of files and functions are a reason to think, so they are only told.
# shellcheck disable=SC2016 # $ is for awk
. "${top_srcdir:-.}/tests/rules/tap.sh"

# lines AWK-CONDITION FILE-PATTERN...: FILE:LINE where the condition holds.
lines() {
    condition=$1
    shift
    own_files "$@" | grep -Ev '^m4/(libtool|lt[^/]*)\.m4$' |
        while read -r file; do
            LC_ALL=C awk "$condition {print \"$file:\" FNR}" "$top_srcdir/$file"
        done
}

judge 'no line is longer than 80 characters' \
    "$(lines 'length($0) > 80' '*.[ch]')"
judge 'C is indented with blanks' "$(lines '/\t/' '*.[ch]')"
judge 'nothing blank at the end of a line' \
    "$(lines '/[ \t\r]$/' '*.[ch]' '*.sh' '*.mk' '*.m4' '*.md' '*.map')"
judge 'every file ends with a line end' "$(own_files '*.[ch]' '*.sh' '*.mk' \
    '*.m4' '*.md' | while read -r file; do
    [ -z "$(tail -c 1 "$top_srcdir/$file")" ] || echo "$file"
done)"
judge 'no file defines _GNU_SOURCE' \
    "$(lines '/^# *define *_GNU_SOURCE/' '*.[ch]')"
judge 'comments are /* */' "$(lines '/^ *\/\//' '*.[ch]')"

# conditionals MAXIMUM FILE...: files with more of them; the guard of a header
# does not count.
conditionals() {
    maximum=$1
    shift
    awk -v maximum="$maximum" '
        /^ *# *if/ && !(FILENAME ~ /\.h$/ && /ifndef _?[A-Z_]*_H_?$/) {
            count[FILENAME]++
        }
        END {
            for (name in count)
                if (count[name] > maximum)
                    print name ": " count[name]
        }' "$@"
}

# shellcheck disable=SC2046 # a list
judge 'no #if in src/api, src/segment, src/heap' "$(cd "$top_srcdir/src" &&
    conditionals 0 $(find api segment heap -name '*.[ch]'))"
# shellcheck disable=SC2046 # a list
judge 'at most three #if in a variant' "$(cd "$top_srcdir/src" &&
    conditionals 3 $(find shm lock -name '*.[ch]'))"

for file in $(own_files '*.[ch]'); do
    awk -v file="$file" '
        /^[a-z].*[^;]$/ && !/^(struct|enum|union|static const|typedef)/ {
            name = FNR
        }
        /^{/ { start = FNR; name = name ? name : FNR }
        /^}/ && start {
            if (FNR - start > 60)
                print file ":" start ": a function of " FNR - start " lines"
            start = 0
        }
        END { if (FNR > 400) print file ": " FNR " lines" }' \
        "$top_srcdir/$file"
done | sed 's/^/# long: /'

if have clang-format; then
    for file in $(own_files '*.[ch]'); do
        (cd "$top_srcdir" && clang-format "$file" 2> /dev/null) |
            cmp -s - "$top_srcdir/$file" || echo "# clang-format: $file"
    done
fi

done_testing
