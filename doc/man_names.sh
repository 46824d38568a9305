#! /bin/sh
# SPDX-License-Identifier: MIT
# man_names.sh PAGE... -- print "NAME PAGE" for each name in the NAME section of
# each manual page, PAGE without its directory.
exec awk '
    FNR == 1 { page = FILENAME; sub(/.*\//, "", page); inside = 0 }
    /^\.Sh / { inside = $2 == "NAME" }
    inside && $1 == ".Nm" { print $2, page }
' "$@"
