# SPDX-License-Identifier: MIT
# mm_variants.m4 -- how a row of a variant table becomes an object to link and
# an entry of the registry.

# MM_VARIANT(KIND, NAME, TEST, [HELPERS]): NAME, in lower case, is a variant of
# KIND (shm or lock); it is usable here if the shell command TEST says so.
# src/KIND/HELPER.c are compiled with it.
AC_DEFUN([MM_VARIANT], [
    mm_$1_known="$mm_$1_known $2"
    mm_$1_$2_sources="$1_$2 $4"
    AS_IF([$3], [mm_$1_usable="$mm_$1_usable $2"])])

# MM_VARIANT_CHOOSE(KIND, LIST): LIST is what the user asked for.  Sets
# mm_KIND_chosen, KIND_OBJECTS, KIND_TEST_OBJECTS, KIND_VARIANTS and the
# config.h line.
AC_DEFUN([MM_VARIANT_CHOOSE], [
    AC_MSG_CHECKING([which $1 variants to build])
    mm_list=`AS_ECHO(["$2"]) | tr 'A-Z,' 'a-z '`
    AS_CASE(["$mm_list"],
        [''|auto|yes], [mm_$1_chosen=$mm_$1_usable],
        [mm_$1_chosen=
         mm_known=`AS_ECHO(["$mm_$1_known"]) | tr 'a-z' 'A-Z'`
         mm_usable=`AS_ECHO(["$mm_$1_usable"]) | tr 'a-z' 'A-Z'`
         for mm_one in $mm_list; do
             AS_CASE([" $mm_$1_known "], [*" $mm_one "*], [],
                 [AC_MSG_ERROR([unknown $1 variant '$mm_one'; known:$mm_known])])
             AS_CASE([" $mm_$1_usable "], [*" $mm_one "*], [],
                 [AC_MSG_ERROR([$1 variant '$mm_one' is not usable here; usable:$mm_usable])])
             AS_CASE([" $mm_$1_chosen "], [*" $mm_one "*], [],
                 [mm_$1_chosen="$mm_$1_chosen $mm_one"])
         done])
    AS_IF([test -z "$mm_$1_chosen"], [AC_MSG_ERROR([no $1 variant is usable here])])
    m4_toupper($1)_OBJECTS=
    m4_toupper($1)_TEST_OBJECTS=
    m4_toupper($1)_VARIANTS=
    mm_registry=
    for mm_one in $mm_$1_chosen; do
        AS_VAR_COPY([mm_sources], [mm_$1_${mm_one}_sources])
        for mm_source in $mm_sources; do
            m4_toupper($1)_OBJECTS="$m4_toupper($1)_OBJECTS src/$1/$mm_source.lo"
            m4_toupper($1)_TEST_OBJECTS="$m4_toupper($1)_TEST_OBJECTS src/$1/libmm_test_la-$mm_source.lo"
        done
        mm_registry="$mm_registry X($mm_one)"
        mm_name=`AS_ECHO(["$mm_one"]) | tr 'a-z' 'A-Z'`
        mm_summary=`$SED -n '/\.summary =/,/",$/p' \
            "$srcdir/src/$1/$1_$mm_one.c" | tr -d '\n' |
            $SED 's/@<:@^"@:>@*"//; s/" *"//g; s/",.*//'`
        m4_toupper($1)_VARIANTS="${m4_toupper($1)_VARIANTS:+$m4_toupper($1)_VARIANTS
}$1 $mm_name $mm_summary"
    done
    AC_SUBST(m4_toupper($1)_OBJECTS)
    AC_SUBST(m4_toupper($1)_TEST_OBJECTS)
    AC_SUBST(m4_toupper($1)_VARIANTS)
    AM_SUBST_NOTMAKE(m4_toupper($1)_VARIANTS)
    AC_DEFINE_UNQUOTED([MM_]m4_toupper($1)[_VARIANTS], [$mm_registry],
        [The $1 variants of this build, the default first.])
    AC_MSG_RESULT([$mm_$1_chosen])])
