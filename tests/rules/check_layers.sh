#! /bin/sh
# SPDX-License-Identifier: MIT
# check_layers.sh -- calls point down: who may include whom.
. "${top_srcdir:-.}/tests/rules/tap.sh"

# includes DIRECTORY: "FILE:LINE header" for each include of ours or theirs.
includes() {
    find "$top_srcdir/src/$1" -name '*.[ch]' -exec \
        sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*\([<"][^>"]*\).*/\1/;T
                F;p' {} + | paste -d ' ' - - | sed "s|^$top_srcdir/||"
}

# may DIRECTORY ALLOWED...: its headers in quotes lie in ALLOWED directories.
may() {
    directory=$1
    shift
    allowed='"config.h'
    for other in "$directory" "$@"; do
        allowed="$allowed|\"$other/[^/]*"
    done
    judge "src/$directory includes only from: $directory $*" \
        "$(includes "$directory" | grep ' "' | grep -Ev " ($allowed)\$")"
}

may api segment heap refpage base
may segment shm lock base
may heap base
may shm base
may lock base
may refpage base kmod/uapi
may base
may merge base kmod/uapi
may tools

judge 'the merge library knows nothing of the other one' \
    "$(includes merge | grep -E ' [<"]mm\.h')"
judge 'only the merge library and reference pages know the module' \
    "$(for directory in api segment heap shm lock base; do
        includes $directory
    done | grep -E 'mergemod\.h|mmlib\.h')"

for directory in segment heap shm lock refpage base; do
    judge "src/$directory does not know the public API" \
        "$(includes "$directory" | grep ' <mm')"
done

judge 'src/heap uses no system' "$(includes heap | grep ' <' | grep -Ev \
    ' <(assert|errno|stdatomic|stdbool|stddef|stdint|string)\.h$')"

judge 'src/api makes no system calls itself' "$(includes api | grep -E \
    ' <(fcntl\.h|linux/|sys/(file|ipc|mman|sem|shm|syscall)\.h)')"

# What the objects really call says more than what they include.
objects=$(find "$top_builddir/src/heap" -path '*/.libs/*' -prune -o \
    -name 'heap*.o' -print 2> /dev/null)
if ! have nm || [ -z "$objects" ]; then
    skip 'src/heap calls only base, memory and the C11 run time' 'no objects'
elif [ -n "$SANITIZERS" ]; then
    skip 'src/heap calls only base, memory and the C11 run time' \
        'sanitizers add calls of their own'
else
    # shellcheck disable=SC2086 # a list
    judge 'src/heap calls only base, memory and the C11 run time' \
        "$({ nm -g --defined-only $objects | sed -n 's/^[^ ]* [A-Z] //p' |
                sed 'p'
            nm -u $objects | sed -n 's/^ *[Uw] //p' | sort -u
        } | sort | uniq -u | grep -Ev \
            '^(mmi_(fail|page|thread|fault|mutant)[a-z_]*|mem[a-z]*|__mem[a-z]*_chk|str(len|cmp)|__assert_fail|__errno_location|__stack_chk_fail|__tls_get_addr|_GLOBAL_OFFSET_TABLE_|__atomic_[a-z0-9_]*)$')"
fi

done_testing
