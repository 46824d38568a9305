#! /bin/sh
# SPDX-License-Identifier: MIT
# check_variants.sh -- a variant is complete: a source, a row in the table of
# configure, a line in src/local.mk, a paragraph in doc/VARIANTS.md.
. "${top_srcdir:-.}/tests/rules/tap.sh"

upper() {
    echo "$1" | tr '[:lower:]' '[:upper:]'
}

# lacks KIND NAME: what is missing.
lacks() {
    file=src/$1/$1_$2.c
    NAME=$(upper "$2")
    [ -f "$top_srcdir/$file" ] || echo "no $file"
    grep -q "MM_VARIANT(\[$1\], \[$2\]," "$top_srcdir/m4/mm_$1.m4" ||
        echo "no row in m4/mm_$1.m4"
    grep -qF "$file" "$top_srcdir/src/local.mk" ||
        echo "not in src/local.mk"
    grep -q "^#.*\<$NAME\>" "$top_srcdir/doc/VARIANTS.md" \
        2> /dev/null ||
        echo "no section in doc/VARIANTS.md"
    grep -q "^const struct $1_variant mmi_$1_$2 = {" "$top_srcdir/$file" ||
        echo "no mmi_$1_$2 in $file"
    grep -q "\.name = \"$NAME\"," "$top_srcdir/$file" ||
        echo "not called $NAME in $file"
}

known() {
    {
        sed -n "s/^ *MM_VARIANT(\[$1\], \[\([a-z0-9]*\)\].*/\1/p" \
            "$top_srcdir/m4/mm_$1.m4"
        sed -n "s/^const struct $1_variant mmi_$1_\([a-z0-9]*\) = {.*/\1/p" \
            "$top_srcdir/src/$1/"*.c
    } | sort -u
}

for kind in shm lock; do
    for name in $(known $kind); do
        judge "$kind variant $(upper "$name") is complete" \
            "$(lacks $kind "$name")"
    done
done

if [ -f "$top_builddir/mm-config" ]; then
    is 'mm-config --variants lists what was built, in the same order' \
        "$("$SHELL" "$top_builddir/mm-config" --variants |
            sed -n 's/^\([a-z]*\) \([A-Z0-9]*\) [^ ].*/\1 \2/p')" \
        "$(for kind in shm lock; do
            sed -n "s/^#define MM_$(upper $kind)_VARIANTS //p" \
                "$top_builddir/config.h" | tr '[:lower:]' '[:upper:]' |
                sed "s/) */\n/g" | sed -n "s/ *X(/$kind /p"
        done)"
fi

done_testing
