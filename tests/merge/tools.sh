#! /bin/sh
# SPDX-License-Identifier: MIT
# tools.sh -- mergemem and mergeall tell the truth about real processes, keep
# apart what belongs to others, and exit with what their manual says.
. "${top_srcdir:-.}/tests/rules/tap.sh"

mergemem=$top_builddir/mergemem
mergeall=$top_builddir/mergeall
page=$(getconf PAGESIZE)
work=$(mktemp -d) || exit 99
chmod 755 "$work"
# A name that other runs of this test do not have.
name=r$$
replica=$work/$name
cp "$top_builddir/tests/merge/replica" "$replica" || exit 99
pids=
# shellcheck disable=SC2086 # a list
trap '[ -z "$pids" ] || kill $pids 2> /dev/null; rm -rf "$work"' EXIT

[ -r /proc/self/pagemap ] || skip_all 'the process file system is not here'
export MMLIB_KSM_SECONDS=30

# start ARGUMENT...: a replica, its id in $pid, once it is ready.
start() {
    : > "$work/ready"
    # shellcheck disable=SC2086 # may be empty
    $launcher "$replica" "$@" > "$work/ready" &
    pid=$!
    pids="$pids $pid"
    tries=0
    until [ -s "$work/ready" ]; do
        tries=$((tries + 1))
        if [ $tries -gt 300 ] || ! kill -0 "$pid" 2> /dev/null; then
            echo 'Bail out! a replica does not start'
            exit 99
        fi
        sleep 0.1
    done
}
launcher=

stop_all() {
    # shellcheck disable=SC2086 # a list
    kill $pids 2> /dev/null
    # shellcheck disable=SC2086 # a list
    wait $pids 2> /dev/null
    pids=
}

# number NAME FILE: the first value of NAME in JSON.
number() {
    sed -n "s/.*\"$1\":\\([0-9]*\\).*/\\1/p" "$2" | head -n 1
}

# saveable FILE NAME: what could be saved in mappings called NAME, in pages.
saveable() {
    bytes=$(tr '{' '\n' < "$1" |
        sed -n "s/.*\"name\":\"$2\",\"frames\":[0-9]*,\"saveable\":\\([0-9]*\\).*/\\1/p")
    echo $((${bytes:-0} / page))
}

# exits WANTED NAME COMMAND...: what it said is in $work/out and $work/err.
exits() {
    wanted=$1
    what=$2
    shift 2
    "$@" > "$work/out" 2> "$work/err" < /dev/null
    is "$what: exit $wanted" "$?" "$wanted"
}

# between NAME VALUE LOW HIGH
between() {
    judge "$1" "$([ "${2:-0}" -ge "$3" ] && [ "${2:-0}" -le "$4" ] ||
        echo "$2 is not from $3 to $4")"
}

# --- usage -------------------------------------------------------------------

exits 2 'mergemem without names' "$mergemem"
exits 2 'mergeall with names' "$mergeall" nobody
exits 2 'a wrong option' "$mergemem" --nonsense
exits 2 'an option of the other' "$mergemem" --interval=1 1
exits 2 'a backend that is none' "$mergeall" --backend=nonsense
exits 2 'a size that is none' "$mergeall" --min-rss=3Q
exits 2 'a negative number' "$mergeall" --max-pages=-1
exits 2 'merging with a backend that cannot' "$mergeall" --merge --backend=proc
exits 0 'help' "$mergemem" --help
exits 0 'version' "$mergeall" --version
exits 1 'a process that is not there' "$mergemem" no-such-process-name

# --- the estimate ------------------------------------------------------------

start 300 40
one=$pid
start 300 40
two=$pid
start 300 40
three=$pid

exits 0 'three replicas' "$mergemem" --json "$one" "$two" "$three"
cp "$work/out" "$work/three"
between 'two of three copies are too many' \
    "$(saveable "$work/three" anonymous)" 600 640
pairs=$(tr '{' '\n' < "$work/three" |
    sed -n 's/^"pids":\[[0-9,]*\],"equal":\([0-9]*\).*/\1/p')
is 'each pair of them is told' "$(echo "$pairs" | wc -l)" 3
between 'and what it has in common' \
    "$(($(echo "$pairs" | sort -n | head -n 1) / page))" 300 400
if have python3; then
    judge 'the JSON can be read' "$(python3 -c \
        'import json,sys; json.load(open(sys.argv[1]))' "$work/three" 2>&1)"
else
    skip 'the JSON can be read' 'python3 is not installed'
fi
exits 0 'by name' "$mergemem" --json "$name"
between 'the same is found by name' "$(saveable "$work/out" anonymous)" 600 640
exits 0 'at equal addresses' "$mergemem" --json --strategy=position \
    "$one" "$two" "$three"
between 'nothing is there, the system sees to that' \
    "$(saveable "$work/out" anonymous)" 0 40
exits 0 'the weak hash' "$mergemem" --json --hash=addrothalf "$one" "$two" \
    "$three"
between 'it finds the same here' "$(saveable "$work/out" anonymous)" 600 640

exits 0 'a picture' "$mergemem" --svg "$work/picture.svg" "$one" "$two"
judge 'the table names them' "$(grep -q "$one.*$name" "$work/out" ||
    cat "$work/out")"
if have python3; then
    judge 'the picture is well-formed' "$(python3 -c \
        'import xml.dom.minidom,sys; xml.dom.minidom.parse(sys.argv[1])' \
        "$work/picture.svg" 2>&1)"
else
    skip 'the picture is well-formed' 'python3 is not installed'
fi
exits 1 'a picture that cannot be written' \
    "$mergemem" --svg "$work/no/picture.svg" "$one"
exits 1 'a limit on pages' "$mergemem" --max-pages=1 "$one" "$two"
exits 1 'one of two is there' "$mergemem" "$one" no-such-process-name

exits 0 'the whole machine' "$mergeall" --json --match="^$name\$"
between 'those that match' "$(number looked_at "$work/out")" 3 300
exits 0 'but some' "$mergeall" --json --match="^$name\$" --exclude="$name"
is 'none of those that are excluded' "$(number looked_at "$work/out")" 0
exits 0 'large ones' "$mergeall" --json --match="^$name\$" --min-rss=16T
is 'which there are not' "$(number looked_at "$work/out")" 0
exits 0 'twice' "$mergeall" --json --match="^$name\$" --interval=1 --rounds=2
is 'is two results' "$(wc -l < "$work/out")" 2

"$mergeall" --json --match="^$name\$" --interval=1000 > "$work/out" 2>&1 &
endless=$!
until [ -s "$work/out" ] || ! kill -0 "$endless" 2> /dev/null; do
    sleep 0.1
done
sleep 0.2
kill -TERM "$endless"
wait "$endless"
is 'it can be ended while it waits: exit 0' "$?" 0

# A table of pages in bounded memory: 32 bytes for each, and as much to sort.
if [ -n "$SANITIZERS" ]; then
    skip 'the memory of the tool is bounded' 'sanitizers need more'
    skip 'and all is seen' 'sanitizers need more'
else
    start 65536 0
    large=$pid
    # shellcheck disable=SC3045 # where it is unknown there is no limit
    exits 0 'a quarter of a gibibyte in 32 MiB of address space' sh -c \
        "ulimit -v 32768; exec '$mergemem' --json $large"
    between 'and all is seen' "$(($(number scanned "$work/out") / page))" \
        65536 70000
    kill "$large"
fi

# --- merging -----------------------------------------------------------------

if [ "$(id -u)" != 0 ]; then
    exits 4 'merging without privileges' "$mergemem" --merge --backend=ksm "$one"
elif [ -e /dev/mergemod ]; then
    skip 'merging without the module: exit 3' 'the module is loaded'
else
    exits 3 'merging without the module' "$mergeall" --merge
    judge 'what to type is told' "$(grep -q 'modprobe mergemod' "$work/err" ||
        cat "$work/err")"
fi
stop_all

"$mergemem" --run true 2> /dev/null
if [ "$?" = 3 ]; then
    skip 'a program runs opted in to merging' 'this kernel cannot do that'
    skip 'and is merged' 'this kernel cannot do that'
else
    exits 0 'a program runs' "$mergemem" --run grep -c '^VmFlags:.* mg' \
        /proc/self/smaps
    judge 'its memory has opted in' "$(grep -qx 0 "$work/out" && echo 'no')"
    exits 127 'a program that is not there' "$mergemem" --run no-such-program
    exits 2 'no program' "$mergemem" --run
    launcher="$mergemem --run"
    start 300 40
    one=$pid
    start 300 40
    two=$pid
    "$mergemem" --merge --backend=ksm --json "$one" "$two" > "$work/out" \
        2> "$work/err"
    status=$?
    if [ "$(cat /sys/kernel/mm/ksm/run 2> /dev/null)" = 1 ]; then
        skip 'it is merged' 'the kernel merges by itself here'
    elif [ $status -gt 1 ]; then
        skip 'it is merged' "$(head -n 1 "$work/err")"
    elif [ "$(number merged "$work/out")" -lt 300 ] &&
        grep -q '"errno":115,' "$work/out"; then
        skip 'it is merged' 'the kernel is too busy'
    else
        between 'it is merged' "$(number merged "$work/out")" 300 500
        exits 0 'another look' "$mergemem" --json "$one" "$two"
        between 'then nothing is too many' \
            "$(saveable "$work/out" anonymous)" 0 40
    fi
    stop_all
    launcher=
fi

# --- whose processes ---------------------------------------------------------

if [ "$(id -u)" != 0 ]; then
    skip 'users are kept apart' 'only root can be somebody else'
else
    start 300 40
    one=$pid
    start 300 40 65534
    two=$pid
    exits 0 'of two users' "$mergemem" --json "$one" "$two"
    between 'nothing is compared' "$(saveable "$work/out" anonymous)" 0 40
    exits 0 'unless asked to' "$mergemem" --json --all-users "$one" "$two"
    between 'then it is' "$(saveable "$work/out" anonymous)" 300 340
    exits 0 'of one user' "$mergeall" --json --user=65534 --match="^$name\$"
    between 'only that' "$(number looked_at "$work/out")" 1 100
    if have setpriv; then
        setpriv --reuid=65534 --regid=65534 --clear-groups \
            "$mergemem" "$one" > "$work/out" 2> "$work/err"
        is 'others may not look: exit 4' "$?" 4
    else
        skip 'others may not look' 'setpriv is not installed'
    fi
    stop_all
fi

done_testing
