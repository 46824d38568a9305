#! /bin/sh
# SPDX-License-Identifier: MIT
# man_links.sh DIRECTORY PAGE... -- write into DIRECTORY, for each function that
# a PAGE of section 3 names, a page of its own that refers to PAGE.
#
# Names in capitals get none: on file systems that ignore case MM_lock.3 would
# be mm_lock.3.  man(1) finds them by the NAME sections, or by ignoring case
# itself.
set -eu
directory=$1
shift
mkdir -p "$directory"
"$(dirname "$0")/man_names.sh" "$@" | while read -r name page; do
    case $name.3 in
    "$page") ;;
    mm_* | m_*) echo ".so man3/$page" > "$directory/$name.3" ;;
    esac
done
