#!/bin/bash
# verify - a byte that changes behind the daemon's back, on either side, is found under load, listed, marked, and repaired from the side that is right.
# time-limit: 120 seconds
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$(readlink -f -- "$0")")/lib.sh"
begin verify
need jq qemu-io cmp dd

mebibyte=$((1 << 20))
at=$((40 * mebibyte + 4096))        # a block that the load leaves alone
both_up 64MiB "handlers: { out-of-sync: \"echo \$DRBD_RESOURCE >>$W/out-of-sync\" }"
check "data that the load leaves alone" qemu-io -f raw "$(uri alpha)" -c "write -P 17 40M 1M" -c flush

"$python" "$e2e_dir/timed-load.py" "$(uri alpha)" 0 $((32 * mebibyte)) 16384 "$W/stop" >"$W/load.json" 2>"$W/load.err" &
load_pid=$!
at_exit "kill $load_pid"

damage() { printf '\377' | dd of="$W/$1/disk.img" bs=1 seek=$((at + 1000)) conv=notrunc status=none; }
is_equal() { cmp -s -i "$at" -n 4096 "$W/alpha/disk.img" "$W/beta/disk.img"; }
is_different() { ! is_equal; }
says() { ask "$1" ".connections[0].volumes[0] | $2"; }
is_done() { says "$1" '.verify.state == "done"'; }
starts_anew() { br "$@" && await 60 is_done "$1"; }
in_words() { br "$1" status "$resource" | grep -q -- "$2"; }

# --- the Secondary's copy ------------------------------------------------------------------------------------------------

check "nothing differs at first" starts_anew alpha verify "$resource"
want "and that is the answer" says alpha '.verify.different_bytes == 0 and .out_of_sync_bytes == 0'
check "a byte changes on beta's disk" damage beta
check "alpha compares under load" starts_anew alpha verify "$resource"
want "one block is found" says alpha '.verify.different_bytes == 4096'
want "it is listed" says alpha ".verify.ranges == [{\"offset_bytes\": $at, \"length_bytes\": 4096}]"
want "in words, too" in_words alpha "different:$at+4096"
want "it is marked on alpha" says alpha '.out_of_sync_bytes == 4096'
want "beta knows of it" await 10 says beta '.out_of_sync_bytes == 4096'
want "the handler was called" await 10 grep -q "^$resource\$" "$W/out-of-sync"
want "nothing was written over yet" is_different
check "alpha repairs under load" starts_anew alpha verify --repair "$resource"
want "one block was repaired" says alpha '.verify.repaired_bytes == 4096 and .out_of_sync_bytes == 0'
want "from alpha, the Primary" qemu-io -f raw "$(uri alpha)" -c 'read -P 17 40M 1M'
check "beta's disk holds it again" await 10 is_equal
check "both stayed UpToDate" in_sync alpha

# --- the Primary's copy: what it holds is what the applications read, so an operator must name the other side -----------------

touch "$W/stop"
check "every answered write reads back" wait "$load_pid"
note "under the comparisons: $(<"$W/load.json")"
check "a byte changes on alpha's disk" damage alpha
check "beta asks for the comparison" starts_anew beta verify "$resource"
want "it is found from there" says beta '.verify.different_bytes == 4096'
want "alpha has the mark" await 10 says alpha '.out_of_sync_bytes == 4096'
refuses 11 'alpha is Primary' "a Primary is not overwritten" br beta verify --repair=beta "$resource"
check "alpha is demoted" br alpha secondary "$resource"
check "the operator names beta" starts_anew beta verify --repair=beta "$resource"
want "one block was repaired" says beta '.verify.repaired_bytes == 4096'
check "alpha's disk holds it again" await 10 is_equal
check "alpha is promoted" promote alpha 10
want "its clients read what they wrote" qemu-io -f raw "$(uri alpha)" -c 'read -P 17 40M 1M'
stop_and_compare
finish
