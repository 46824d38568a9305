#! /bin/sh
# SPDX-License-Identifier: MIT
# matrix.sh -- every shared-memory variant works with every lock variant.
#
# The tests that depend on either run once for each pair, chosen the way an
# administrator would.  MM_MATRIX=skip leaves that to another build.
. "${top_srcdir:-.}/tests/rules/tap.sh"

tests='pool core global nesting often userlock prefork threads crossing destroy'
tests="$tests misuse walk"

[ "${MM_MATRIX-}" != skip ] ||
    skip_all 'MM_MATRIX=skip: another build runs the matrix'

[ -d /proc/self/fd ] || skip_all '/proc is not mounted'

names_of() {
    "$top_builddir/mm-config" --variants | sed -n "s/^$1 \([^ ]*\).*/\1/p"
}

# The tests with the options in MM_OPTIONS; what went wrong on standard output.
run_tests() {
    for test in $tests; do
        if log=$(timeout 120 "$top_builddir/tests/api/$test.t" 2>&1); then
            continue
        fi
        echo "$MM_OPTIONS $test.t ended with $?:"
        echo "$log" | grep -B 1 -A 2 -e '^not ok' -e '^Bail' || echo "$log" | tail -3
    done
}

shms=$(names_of shm)
locks=$(names_of lock)
for shm in $shms; do
    for lock in $locks; do
        if [ "$shm" = MMPOSX ] && ! [ -w /dev/shm ]; then
            skip "$shm with $lock" '/dev/shm cannot be written'
            continue
        fi
        export MM_OPTIONS="shm=$shm,lock=$lock"
        judge "$shm with $lock" "$(run_tests)"
    done
done
[ -n "$shms" ] && [ -n "$locks" ] || not_ok 'mm-config lists the variants'
done_testing
