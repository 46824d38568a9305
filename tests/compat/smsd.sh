#! /bin/sh
# SPDX-License-Identifier: MIT
# smsd.sh -- an old program runs on this library unchanged: the SMS gateway of
# Debian's smstools, which keeps its statistics in shared memory.
#
# Its modem processes count, its parent prints what they counted; with memory
# that is not shared the parent would see zeros.
# shellcheck disable=SC2317 # functions are called by name
. "${top_srcdir:-.}/tests/rules/tap.sh"

PATH=$PATH:/usr/sbin
library=$(cd "$top_builddir/.libs" 2> /dev/null && pwd)
[ -e "$library/libmm.so.14" ] || skip_all 'no shared library was built'
[ -z "$SANITIZERS" ] || skip_all 'smsd was built without sanitizers'
have smsd || skip_all 'smsd (smstools) is not installed'
have python3 || skip_all 'python3 is not installed'
python3 -c 'import pty; pty.openpty()' 2> /dev/null ||
    skip_all 'there are no pseudo-terminals'
[ -r /proc/self/maps ] || skip_all '/proc is not mounted'
case $(ldd "$(command -v smsd)") in
*libmm.so.14*) ;;
*) skip_all 'this smsd does not use libmm' ;;
esac

work=$(mktemp -d) || exit 99
smsd=
modems=
clean_up() {
    # shellcheck disable=SC2086 # a list
    kill $smsd $modems 2> /dev/null
    wait
    rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' HUP INT TERM

# until_true SECONDS COMMAND...: try until it works.
until_true() {
    tries=$(($1 * 5))
    shift
    until "$@"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.2
    done
}

{
    echo 'devices = GSM1, GSM2'
    for pair in outgoing=out incoming=in failed=fail sent=sent \
        checked=checked stats=stats; do
        mkdir "$work/${pair#*=}"
        echo "${pair%=*} = $work/${pair#*=}"
    done
    cat << END
stats_interval = 60
stats_no_zeroes = no
status_interval = 1
status_include_counters = yes
delaytime = 1
delaytime_mainprocess = 1
autosplit = 0
logfile = $work/log
infofile = $work/working
pidfile = $work/pid
END
    for modem in GSM1 GSM2; do
        printf '\n[%s]\ndevice = %s\nincoming = no\ninit = AT\n' \
            $modem "$work/$modem"
    done
} > "$work/smsd.conf"

for modem in GSM1 GSM2; do
    python3 "$top_srcdir/tests/compat/fake_modem.py" "$work/$modem" &
    modems="$modems $!"
done
until_true 10 test -e "$work/GSM1"
until_true 10 test -e "$work/GSM2"

TMPDIR=$work LD_LIBRARY_PATH=$library smsd -c"$work/smsd.conf" -t \
    > "$work/terminal" 2>&1 &
smsd=$!

idle() {
    [ "$(grep -c Idle "$work/stats/status" 2> /dev/null)" = 2 ]
}

# The first figure of a modem is the messages it sent.
sent() {
    awk -F, '/^GSM[12]:/ { split($3, word, " "); sum += word[1] }
        END { print sum + 0 }' "$work/stats/status" 2> /dev/null
}

all_sent() {
    [ "$(sent)" = 3 ]
}

until_true 10 idle
is 'the parent sees both modem processes idle' \
    "$(grep -c Idle "$work/stats/status" 2> /dev/null)" 2
is 'smsd runs on the library of this build' \
    "$(sed -n 's|.* \(/.*/libmm\.so\..*\)|\1|p' "/proc/$smsd/maps" | sort -u)" \
    "$(readlink -f "$library/libmm.so.14")"

for number in 1 2 3; do
    printf 'To: 49123456%d\n\nhello %d\n' $number $number \
        > "$work/out/message$number"
done
until_true 15 all_sent
is 'the parent counts what its modem processes sent' "$(sent)" 3

# What the shell has not waited for yet is a zombie.
ended() {
    ! [ -d "/proc/$smsd" ] || grep -q '^State:.*Z' "/proc/$smsd/status"
}

kill "$smsd"
until_true 15 ended || kill -9 "$smsd"
wait "$smsd"
is 'smsd ends in order' $? 0
judge 'and leaves nothing of the library behind' \
    "$(find "$work" /tmp -maxdepth 1 -name "mm[_.]*$smsd*")"
smsd=
if [ "$tap_failed" != 0 ]; then
    diag "$(cat "$work/terminal" "$work/stats/status" "$work/log" 2>&1 |
        tail -n 40)"
fi

done_testing
