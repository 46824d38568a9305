# SPDX-License-Identifier: MIT
# shellcheck shell=sh
# tap.sh -- the Test Anything Protocol for the scripts here, which read it with
# the dot command.  A check lists offenders on standard output, nothing if all
# is well; judge() turns that into a test point.

: "${top_srcdir:=.}" "${top_builddir:=.}"
# shellcheck disable=SC2034 # for the scripts
SANITIZERS=${SANITIZERS-}
# shellcheck disable=SC2034 # for the scripts
MERGE=${MERGE-yes} # whether libmmlib is built
tap_count=0
tap_failed=0

ok() {
    tap_count=$((tap_count + 1))
    echo "ok $tap_count - $1"
}

not_ok() {
    tap_count=$((tap_count + 1))
    tap_failed=$((tap_failed + 1))
    echo "not ok $tap_count - $1"
}

diag() {
    echo "$*" | sed 's/^/# /'
}

# judge NAME OFFENDERS: ok if there are none, else they are shown.
judge() {
    if [ -z "$2" ]; then
        ok "$1"
    else
        not_ok "$1"
        diag "$2"
    fi
}

# is NAME GOT WANTED
is() {
    if [ "$2" = "$3" ]; then
        ok "$1"
    else
        not_ok "$1"
        diag "got '$2', wanted '$3'"
    fi
}

skip() {
    tap_count=$((tap_count + 1))
    echo "ok $tap_count - $1 # SKIP $2"
}

skip_all() {
    echo "1..0 # SKIP $1"
    exit 0
}

have() {
    command -v "$1" > /dev/null 2>&1
}

done_testing() {
    echo "1..$tap_count"
    [ "$tap_failed" = 0 ]
    exit
}

# own_files PATTERN...: the sources below $top_srcdir whose base names match,
# without what was built among them.
own_files() {
    names=
    for pattern in "$@"; do
        names="$names${names:+ -o }-name '$pattern'"
    done
    (cd "$top_srcdir" &&
        eval "find include src tests doc demo m4 .ci -type f \\( $names \\)" \
            2> /dev/null | LC_ALL=C sort)
}
