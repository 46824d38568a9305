#! /bin/sh
# SPDX-License-Identifier: MIT
# check_shell.sh -- shellcheck has nothing to say about our scripts, but that
# tests get variables from the Makefile.
. "${top_srcdir:-.}/tests/rules/tap.sh"

have shellcheck || skip_all 'shellcheck is not installed'
cd "$top_srcdir" || exit 99
for script in bootstrap mm-config.in .ci/run $(own_files '*.sh'); do
    [ -f "$script" ] || continue
    judge "$script" "$(shellcheck -x \
        -e SC1090,SC1091,SC2015,SC2154 -f gcc "$script")"
done
done_testing
