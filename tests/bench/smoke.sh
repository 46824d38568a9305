#!/bin/sh
# SPDX-License-Identifier: MIT
# smoke.sh -- the benchmark runs, every row of our library has a value, and the
# JSON is well-formed.  Nothing is timed.

if [ -n "$SANITIZERS" ]; then
    echo "1..0 # SKIP other allocators cannot be loaded beside a sanitizer's"
    exit 0
fi
bench=${top_builddir:-.}/tests/bench
rows=$("$bench/bench" --smoke --bare="$bench/bare" \
    pair churn lock create mpchurn calls bare ref)
status=$?
echo "$rows" | sed 's/^/# /'

echo 1..3
test $status -eq 0 || printf 'not '
echo 'ok 1 - the benchmark runs'
echo "$rows" | grep -q '^pair-64' && ! echo "$rows" | grep -q failed ||
    printf 'not '
echo 'ok 2 - every row has its values'
if ! command -v python3 >/dev/null; then
    echo 'ok 3 # SKIP needs python3'
else
    "$bench/bench" --smoke --json pair lock | python3 -m json.tool >/dev/null ||
        printf 'not '
    echo 'ok 3 - --json is JSON'
fi
