#! /bin/sh
# SPDX-License-Identifier: MIT
# mutants.sh -- the kill harness notices deliberate mistakes (src/base/fault.h).
#
# Each row: the mistake, and where to die so that it must show: lock, way of
# dying, scenes, at most so many instructions of each.  The same
# without the mistake must be well.
. "${top_srcdir:-.}/tests/rules/tap.sh"

program=$top_builddir/tests/crash/mutant
[ "${MM_MATRIX-}" != skip ] ||
    skip_all 'MM_MATRIX=skip: another build kills'
[ -z "$SANITIZERS" ] || skip_all 'instrumented code takes too long to step'

# sweep MUTANT LOCK MODE SCENES POINTS: 0 if all is well.
sweep() {
    MM_MUTANT=$1 "$program" --lock="$2" --mode="$3" --scene="$4" \
        --limit="$5" --pairs=200 --patience=3 --seed=1 --stop > mutant.log 2>&1
}

while read -r mutant lock mode points scenes; do
    case $mutant in '' | '#'*) continue ;; esac
    # That they are sound without it, crash.t shows at length.
    sweep '' "$lock" "$mode" "$scenes" 30
    sound=$?
    if [ $sound -ne 0 ]; then
        judge "$mutant: $scenes without it" "$(tail -n 20 mutant.log)"
        continue
    fi
    if grep -q '^1\.\.0' mutant.log; then
        skip "$mutant" "$(sed -n 's/^1\.\.0 *//p' mutant.log)"
        continue
    fi
    sweep "$mutant" "$lock" "$mode" "$scenes" "$points"
    found=$?
    judge "$mutant is noticed: $scenes" \
        "$([ $found -eq 1 ] || echo "it survives, or ended with $found")"
done << 'END'
heap_repair_no_bins     FUTEX plain  40  free, joins both
heap_repair_keeps_shut  FUTEX plain  60  malloc, new span
heap_rest_late          FUTEX plain  9999 malloc, large
heap_extend_size_first  FUTEX plain  9999 realloc, extends
heap_shorten_head_first FUTEX plain  9999 realloc, shrinks
heap_busy_early         FUTEX plain  9999 free, joins both
heap_busy_never         FUTEX plain  40  free, joins both
heap_reset_keeps_words  FUTEX plain  10  reset
heap_mark_early         FUTEX plain  100 free, marks of the dead
heap_size_late          FUTEX plain  9999 free, another's
heap_words_first        FUTEX plain  100 malloc, new span
exact_no_pending        FUTEX plain  9999 malloc_at
exact_intent_late       FUTEX plain  9999 malloc_at
exact_not_settled       FUTEX plain  9999 free_at
lock_unproven           FUTEX frozen 40  malloc, large
lock_no_undo            IPCSEM plain 20  lock RW
END
rm -f mutant.log
done_testing
