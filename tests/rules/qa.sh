#! /bin/sh
# SPDX-License-Identifier: MIT
# qa.sh -- `make check` in every way to build: each compiler, plain, with
# sanitizers, with one variant only, without shared, without static library.
# Slow, hence `make qa` and no part of `make check`.
. "${top_srcdir:-.}/tests/rules/tap.sh"

source=$(cd "$top_srcdir" && pwd)
MM_MATRIX=skip
export MM_MATRIX

# passes NAME ARGUMENT...: the suite passes after `configure ARGUMENT...`.
passes() {
    passes_target check "$@"
}

# passes_target TARGET NAME ARGUMENT...
passes_target() {
    target=$1 name=$2
    shift 2
    directory=$top_builddir/qa/$name
    rm -rf "$directory" && mkdir -p "$directory" || exit 99
    if (cd "$directory" && "$source/configure" --enable-werror "$@" &&
        make -j "$(getconf _NPROCESSORS_ONLN)" "$target") \
        > "$directory.log" 2>&1 < /dev/null; then
        ok "$name"
        rm -rf "$directory"
    else
        not_ok "$name"
        diag "$(grep -E '^(FAIL|ERROR|configure: error)|error:' \
            "$directory.log" | head -n 20)"
        diag "all of it is in $directory.log"
    fi
}

if [ -f "$source/config.status" ]; then
    skip_all 'the source tree is configured in place'
fi
for compiler in gcc clang; do
    if ! have "$compiler"; then
        skip "$compiler" 'not installed'
        continue
    fi
    passes "$compiler" "CC=$compiler"
    passes "$compiler-sanitizers" "CC=$compiler" --enable-sanitizers
    passes_target check-threads "$compiler-threads" "CC=$compiler" \
        --enable-sanitizers=thread
    passes "$compiler-one-variant" "CC=$compiler" \
        --with-shm=MMFILE --with-lock=FCNTL
    passes "$compiler-static" "CC=$compiler" --disable-shared
    passes "$compiler-shared" "CC=$compiler" --disable-static
done

done_testing
