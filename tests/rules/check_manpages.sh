#! /bin/sh
# SPDX-License-Identifier: MIT
# check_manpages.sh -- each exported name has its manual page, each page is
# well-formed, and `man NAME` will find it.
. "${top_srcdir:-.}/tests/rules/tap.sh"

doc=$top_srcdir/doc
links=$top_builddir/man3
work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT

"$doc/man_names.sh" "$doc"/*.[1-8] > "$work/names"
{
    sed -n 's/^MM_API.*[ *]\([mM][mM]_[a-zA-Z0-9_]*\)(.*/\1/p' \
        "$top_srcdir/include/mm.h"
    sed -n 's/^\([mM][mM]_[a-zA-Z0-9_]*\).*/\1/p' \
        "$top_srcdir/tests/libmm.exports"
    sed 's/@.*//' "$top_srcdir/tests/libmmlib.exports"
} | LC_ALL=C sort -u > "$work/exported"

judge 'each exported name is in one NAME section, and explained' \
    "$(while read -r name; do
        page=$(awk -v name="$name" '$1 == name && $2 ~ /\.3$/ { print $2 }' \
            "$work/names")
        case $page in
        '') echo "$name: in none" ;;
        *.3*.3) echo "$name: in several" ;;
        *) grep -Eq "^\.(Fn|Fo|Va) $name( |\$)" "$doc/$page" ||
            echo "$name: no word in $page" ;;
        esac
    done < "$work/exported")"

judge 'what is in a NAME section is exported' \
    "$(sed -n 's/^\([mM][mM]*_.*\) .*\.3$/\1/p' "$work/names" |
        LC_ALL=C sort | LC_ALL=C comm -23 - "$work/exported")"

# The options of a tool, as it tells them itself.
for tool in mergemem mergeall; do
    if [ -x "$top_builddir/$tool" ]; then
        judge "$tool(8) explains each option of it" \
            "$("$top_builddir/$tool" --help | tr -s ' ,=' '[\n*]' |
                sed -n 's/^--\([a-z-]*\)$/\1/p' | sort -u |
                while read -r option; do
                    cat "$doc/$tool.8" "$doc/mergemem.8" |
                        grep -q "^\.It.* -$option" || echo "$option"
                done)"
    else
        skip "$tool(8) explains each option of it" 'it is not built'
    fi
done

judge 'references to pages of ours lead somewhere' \
    "$(grep -ohE 'Xr (mm|mmlib|mm_[a-z_]*|m_[a-z_0-9]*|mm-config|merge[a-z]*) [0-9]' "$doc"/*.[1-8] |
        sort -u | while read -r _ name section; do
        [ -f "$doc/$name.$section" ] ||
            grep -q "^$name .*\.$section\$" "$work/names" ||
            echo "$name($section)"
    done)"

linked=mm
[ "$MERGE" = no ] || linked='mm*'
judge 'each mm_ and m_ function has a page that leads to the real one' \
    "$(grep "^${linked}_.*\.3\$" "$work/names" | while read -r name page; do
        [ "$name.3" = "$page" ] || [ "$name" = mm ] ||
            [ "$(cat "$links/$name.3" 2>&1)" = ".so man3/$page" ] ||
            echo "$name"
    done)"

if have mandoc; then
    # Which manuals are installed here says nothing about ours.
    judge 'mandoc has nothing to say' \
        "$(for page in "$doc"/*.[1-8]; do
            mandoc -Tlint "$page" 2>&1
        done | grep -v -e 'referenced manual not found' \
            -e 'outdated mandoc.db')"
else
    skip 'mandoc has nothing to say' 'mandoc is not installed'
fi

# Laid out as installed, MM_* by ignoring case or by an index of NAME sections.
if have man && man --version 2> /dev/null | grep -q '^man 2'; then
    mkdir -p "$work/man/man1" "$work/man/man3" "$work/man/man7" \
        "$work/man/man8"
    for page in "$doc"/*.[1-8] "$links"/*.3; do
        cp "$page" "$work/man/man${page##*.}/"
    done
    # Left out of the build, the merge library has pages but no links.
    [ "$MERGE" = yes ] || sed -i '/^m_/d' "$work/exported"
    judge 'man finds every name' "$(while read -r name; do
        man -M "$work/man" -w "$name" > /dev/null 2>&1 || echo "$name"
    done < "$work/exported")"
else
    skip 'man finds every name' 'man-db is not installed'
fi

done_testing
