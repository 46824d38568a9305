#! /bin/sh
# SPDX-License-Identifier: MIT
# installcheck.sh -- what `make install` left is complete and can be used with
# nothing of this tree.  `make installcheck` says where it is.
# shellcheck disable=SC2154 # variables from the Makefile
. "${top_srcdir:-.}/tests/rules/tap.sh"

: "${DESTDIR=}" "${CC:=cc}" "${PKG_CONFIG:=pkg-config}"
lib=$DESTDIR$libdir
config=$DESTDIR$bindir/mm-config

work=$(mktemp -d) || exit 99
trap 'rm -rf "$work"' EXIT

cat > "$work/program.c" << 'END'
#include <mm.h>

int main(void)
{
    MM *mm = mm_create(0, NULL);
    char *text = mm ? mm_strdup(mm, "it works") : NULL;
    if (!text) {
        fprintf(stderr, "%s\n", mm_error());
        return 1;
    }
    puts(text);
    mm_destroy(mm);
    return mm_lib_version() != 0x105200;
}
END

# builds NAME FLAG...: the program compiles with FLAGs and runs.  Below a
# DESTDIR the flags name directories that are not there yet.
builds() {
    name=$1
    shift
    flags=$(echo " $*" | sed "s|\( -[IL]\)/|\1$DESTDIR/|g")
    # shellcheck disable=SC2086 # lists
    said=$($CC ${SANITIZERS:+-fsanitize=$SANITIZERS} -o "$work/program" \
        "$work/program.c" $flags 2>&1 &&
        LD_LIBRARY_PATH=$lib "$work/program" 2>&1)
    is "$name" "$said" 'it works'
}

is 'mm-config is compatible' "$("$config" --version)
$("$config" -v)
$("$config" --libs --cflags --ldflags)
$("$config" --all; echo $?)
$("$config" 2>&1; echo $?)
$("$config" --cflags --nonsense 2> /dev/null; echo $?)
$("$config" --help > /dev/null; echo $?)" "MM $VERSION ($RELEASE_DATE)
MM $VERSION ($RELEASE_DATE)
-lmm -I$includedir -L$libdir
0
$(sed -n 's/^synopsis=.\(.*\).$/mm-config:Error: Invalid option\
mm-config:Usage: \1/p' "$config")
1
1
0"
judge 'mm-config and mm.pc know nothing of the build' \
    "$(grep -v '^prefix=' "$config" "$lib/pkgconfig/mm.pc" |
        grep -E -e "[ \"'=]-(O[0-9s]|[Wf][a-z]|g[0-9]?([ \"']|\$))" \
            -e "$(cd "$top_builddir" && pwd)/(src|tests|include|config)")"
judge 'mm-config lists variants of both kinds' "$(for kind in shm lock; do
    "$config" --variants | grep -q "^$kind [A-Z0-9]* [^ ]" || echo "$kind"
done)"

# shellcheck disable=SC2046 # flags
builds 'a program builds with mm-config' \
    $("$config" --cflags --ldflags --libs --all)
if have "$PKG_CONFIG"; then
    # shellcheck disable=SC2046 # flags
    builds 'a program builds with pkg-config' \
        $(PKG_CONFIG_PATH=$lib/pkgconfig \
            PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 \
            $PKG_CONFIG --cflags --libs mm)
else
    skip 'a program builds with pkg-config' 'pkg-config is not installed'
fi
if [ -e "$lib/libmm.a" ]; then
    # shellcheck disable=SC2046 # flags
    builds 'a program builds with the static library' \
        $("$config" --cflags) "-L$libdir" -Wl,-Bstatic -lmm -Wl,-Bdynamic \
        $("$config" --all)
else
    skip 'a program builds with the static library' 'it was not built'
fi

if [ "$shared" = yes ]; then
    is 'the library has its names' \
        "$(cd "$lib" && readlink libmm.so libmm.so.14)" \
        "$(printf 'libmm.so.14.1.0\nlibmm.so.14.1.0')"
else
    skip 'the library has its names' 'no shared library was built'
fi

if [ "$MERGE" = yes ]; then
    cat > "$work/program.c" << 'END'
#include <mmlib.h>
#include <stdio.h>

int main(void)
{
    static const char page[4096] = "x";
    const char *backend = m_backend();
    MPAGEINFO info = {&page, NULL, 0, 0};
    ssize_t hashed = m_hashpages(1 << 30, &info, 1, NULL);
    puts(backend && hashed == -1 ? "it works" : "it does not");
    return 0;
}
END
    if have "$PKG_CONFIG"; then
        # shellcheck disable=SC2046 # flags
        builds 'a program builds with mmlib.pc' \
            $(PKG_CONFIG_PATH=$lib/pkgconfig \
                PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 \
                PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 \
                $PKG_CONFIG --cflags --libs mmlib)
    else
        skip 'a program builds with mmlib.pc' 'pkg-config is not installed'
    fi
    judge 'the tools and all pages of the merge library are there' \
        "$(for file in "$sbindir/mergemem" "$sbindir/mergeall" \
            "$mandir/man8/mergemem.8" "$mandir/man8/mergeall.8" \
            "$mandir/man3/mmlib.3" $(sed "s|@.*|.3|; s|^|$mandir/man3/|" \
                "$top_srcdir/tests/libmmlib.exports"); do
            ls "$DESTDIR$file"* > /dev/null 2>&1 || echo "$file"
        done)"
else
    skip 'a program builds with mmlib.pc' 'built without merging'
    skip 'the tools and all pages of the merge library are there' \
        'built without merging'
fi

if have autoconf && have aclocal; then
    # configures MINIMUM: a configure script that wants it is satisfied.
    configures() {
        mkdir "$work/$1" || return
        (
            cd "$work/$1" || exit
            printf 'AC_INIT([try], [1])\nAC_PROG_CC\nAM_PATH_MM([%s])\n' \
                "$1" > configure.ac
            printf 'AC_OUTPUT\n' >> configure.ac
            aclocal -I "$DESTDIR$datadir/aclocal" && autoconf &&
                ./configure "MM_CONFIG=$config"
        ) > "$work/configure.log" 2>&1
    }
    judge 'AM_PATH_MM finds it' \
        "$(configures "$VERSION" || cat "$work/configure.log")"
    judge 'AM_PATH_MM refuses it if it is too old' \
        "$(configures 9.0 && echo 'it did not')"
else
    skip 'AM_PATH_MM finds it' 'autoconf or aclocal is not installed'
fi

judge 'every function has a manual page' \
    "$(sed -n 's/@.*//; /^mm_version$/d; /^mm_/p' \
        "$top_srcdir/tests/libmm.exports" | while read -r name; do
        ls "$DESTDIR$mandir/man3/$name.3"* > /dev/null 2>&1 || echo "$name.3"
    done
    for page in man1/mm-config.1 man3/mm.3 man7/mm_locking.7; do
        [ -e "$DESTDIR$mandir/$page" ] || echo "$page"
    done)"

done_testing
