#!/bin/sh
# SPDX-License-Identifier: MIT
# demo.sh -- the demo passes, says so in JSON, and refuses wrong options.

. "${top_srcdir:-.}/tests/rules/tap.sh"

demo=${top_builddir:-.}/demo/mm-demo

# has EVENT PATTERN: does the JSON line of this event match?
has() {
    printf '%s\n' "$output" | grep "\"event\":\"$1\"" | grep -q "$2" && echo yes
}

output=$("$demo" --secs 3 --workers 4 --json 2>&1)
is "a short run with killed workers succeeds" $? 0
diag "$output"
is "no session is damaged" "$(has end '"damaged":0,"result":"PASS"')" yes
is "workers died with the lock held" \
    "$(has end '"killed_holding_lock":[1-9]')" yes
is "the lock was repaired" "$(has end '"lock_repairs":[1-9]')" yes
is "the same work ran on the FCNTL lock" "$(has comparison 'file_lock_rate":[1-9]')" yes

"$demo" --secs 0 > /dev/null 2>&1
is "a wrong option is refused" $? 2

done_testing
