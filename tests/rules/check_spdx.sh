#! /bin/sh
# SPDX-License-Identifier: MIT
# check_spdx.sh -- every source says in its first lines under which licence it
# is; and there is only one.
. "${top_srcdir:-.}/tests/rules/tap.sh"

sources() {
    own_files '*.[ch]' '*.sh' '*.py' '*.m4' '*.mk' '*.map' '*.[1-8]' \
        '*.[1-8].in' | grep -Ev '^m4/(libtool|lt[^/]*)\.m4$'
    (cd "$top_srcdir" && ls Makefile.am configure.ac bootstrap GNUmakefile \
        mm-config.in mm.pc.in .ci/run) 2> /dev/null
}

judge 'every source names its licence' "$(sources | while read -r file; do
    head -n 3 "$top_srcdir/$file" | grep -q 'SPDX-License-Identifier: ' ||
        echo "$file"
done)"
judge 'which is MIT' "$(sources | while read -r file; do
    sed -n '1,3s/.*SPDX-License-Identifier: \([A-Za-z0-9. -]*[A-Za-z0-9]\).*/\1/p' \
        "$top_srcdir/$file" | grep -vx MIT | sed "s|^|$file: |"
done)"
judge 'COPYING is the text of it' \
    "$(grep -q 'Permission is hereby granted, free of charge' \
        "$top_srcdir/COPYING" || echo 'COPYING')"

done_testing
