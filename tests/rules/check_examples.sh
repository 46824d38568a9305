#! /bin/sh
# SPDX-License-Identifier: MIT
# check_examples.sh -- the programs that the documents show compile with no more
# than the documents say, and run.
. "${top_srcdir:-.}/tests/rules/tap.sh"

: "${CC:=cc}"
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT

# builds_and_runs FILE
builds_and_runs() {
    # shellcheck disable=SC2086 # CC may have arguments
    "$top_builddir/libtool" --silent --tag=CC --mode=link $CC \
        ${SANITIZERS:+-fsanitize="$SANITIZERS"} -Wall -Wextra -Werror \
        -I"$top_srcdir/include" -no-install -o "$work/program" "$1" \
        "$top_builddir/libmm.la" && timeout 60 "$work/program"
}

# try NAME FILE
try() {
    if [ ! -s "$2" ]; then
        not_ok "$1"
        diag 'is not there'
    elif said=$(builds_and_runs "$2" 2>&1); then
        ok "$1"
    else
        not_ok "$1"
        diag "$said"
    fi
}

awk '/^```c$/ { inside = 1; next } /^```$/ && inside { exit } inside' \
    "$top_srcdir/README.md" > "$work/readme.c"
try 'the example of README.md' "$work/readme.c"

awk '/^\.Ed/ && inside { exit } inside { gsub(/\\e/, "\\"); print }
    /^\.Bd -literal/ { inside = 1 }' "$top_srcdir/doc/mm.3" > "$work/manual.c"
try 'the example of mm(3)' "$work/manual.c"

for example in "$top_srcdir"/doc/examples/*.c; do
    try "${example##*/}" "$example"
done

done_testing
