#! /bin/sh
# SPDX-License-Identifier: MIT
# uapi_m32.sh -- the contract is the same for 32-bit programs, and can be
# included by others than us: alone, as strict C11 and as C++.
. "${top_srcdir:-.}/tests/rules/tap.sh"

: "${CC:=cc}"
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT
fallback=
header=$top_srcdir/kmod/uapi/mergemod.h

# A compiler for both sizes, but headers of one: the kernel's do for both.
for directory in /usr/include/*-linux-gnu*; do
    [ -d "$directory" ] && fallback="$fallback -idirafter $directory"
done

# compile FLAGS FILE
compile() {
    # shellcheck disable=SC2086 # lists
    $CC $1 $fallback -fsyntax-only -Wall -Wextra -Werror -I"$top_srcdir" \
        "$2" 2>&1
}

echo '#include <linux/types.h>
int size[sizeof(void *) == 4 ? 1 : -1];' > "$work/probe.c"
echo '#include "tests/merge/layout.h"
#define CHECK(expression, value) _Static_assert((expression) == (value), #value);
LAYOUT(CHECK)' > "$work/layout.c"
echo "#include \"kmod/uapi/mergemod.h\"" > "$work/alone.c"
cp "$work/alone.c" "$work/alone.cc"

judge 'the layout is that of a compiler for this machine' \
    "$(compile -std=c11 "$work/layout.c")"
if why=$(compile '-m32 -std=c11' "$work/probe.c"); then
    judge 'the layout is the same for 32-bit programs' \
        "$(compile '-m32 -std=c11' "$work/layout.c")"
else
    skip 'the layout is the same for 32-bit programs' \
        "$CC cannot compile for them: $(echo "$why" | head -n 1)"
fi
judge 'the header compiles alone' "$(compile '-std=c11 -pedantic' \
    "$work/alone.c")"
if have g++; then
    CC=g++
    judge 'the header is C++' "$(compile '' "$work/alone.cc")"
else
    skip 'the header is C++' 'no C++ compiler is installed'
fi
is 'it is free for the kernel and for everybody' \
    "$(sed -n '1s/.*Identifier: \(.*\) \*\//\1/p' "$header")" \
    '((GPL-2.0-only WITH Linux-syscall-note) OR MIT)'

done_testing
