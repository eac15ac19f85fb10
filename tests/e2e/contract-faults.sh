#!/bin/bash
# contract-faults - what scripts of others rely on when nodes and networks fail: both nodes killed, split brain found and
# resolved, a stopped peer and a stalled network that delay a client by at most 20 s (G7, G12).
# time-limit: 300 seconds
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$(readlink -f -- "$0")")/lib.sh"
begin faults
need jq nbdcopy qemu-io cmp

prints() { local wanted=$1; shift; [[ $("$@") == "$wanted" ]] || { "$@"; return 1; }; }
write() { qemu-io -f raw "$(uri "$1")" -c "write -P $2 $3 $4" -c flush; }
reads() { qemu-io -f raw "$(uri "$1")" -c "read -P $2 $3 $4"; }
# in_time SECONDS COMMAND... - it must succeed, and take no longer.
in_time() {
    local limit=$1 start=$EPOCHREALTIME rc=0
    shift
    "$@" || rc=$?
    took=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
    echo "took $took s"
    ((rc == 0)) && awk -v t="$took" -v l="$limit" 'BEGIN { exit !(t <= l) }'
}

# alpha dials beta: between them stands a relay that can stall. The nodes' files may differ.
cluster 64MiB
read -r relay_port < <(free_ports 1)
"$python" "$e2e_dir/relay.py" "$relay_port" "$beta_port" >"$W/relay.log" 2>&1 &
relay=$!
disown "$relay"
at_exit "kill -9 $relay"
check "a relay stands between the nodes" await 10 grep -q ready "$W/relay.log"
sed -i "s/127.0.0.1:$beta_port/127.0.0.1:$relay_port/" "$W/alpha/blockrepl.yaml"
check "alpha: create-md" br alpha create-md "$resource"
check "beta: create-md" br beta create-md "$resource"
check "alpha's daemon starts" node_up alpha
check "beta's daemon starts" node_up beta
check "they connect, each by its own file" br alpha wait-connect "$resource" --timeout 30s
check "the disks are known to be equal" br alpha new-current-uuid "$resource" --clear-bitmap
check "alpha becomes Primary" br alpha primary "$resource"
check "a write" write alpha 0x01 0 1M

# --- a frozen peer, a stalled network (hard part 22) ----------------------------------------------------------------------

check "beta is stopped" kill -STOP "${node_pid[beta]}"
check "a frozen peer delays a write and its flush by at most 20 s" in_time 20 write alpha 0x02 1M 1M
note "it took $took s"
want "alpha is alone" prints UpToDate/DUnknown br alpha dstate "$resource"
want "and records what beta misses" ask alpha '.connections[0].volumes[0].out_of_sync_bytes >= 1048576'
check "beta goes on" kill -CONT "${node_pid[beta]}"
check "they are in sync again" br alpha wait-sync "$resource" --timeout 60s
check "the relay stalls" kill -USR1 "$relay"
check "a stalled network delays a write and its flush by at most 20 s" in_time 20 write alpha 0x03 2M 1M
note "it took $took s"
check "status answers meanwhile" in_time 5 br alpha status
check "the relay goes on" kill -USR2 "$relay"
check "they are in sync again" br alpha wait-sync "$resource" --timeout 60s
check "beta is stopped while nothing is written" kill -STOP "${node_pid[beta]}"
check "its silence is noticed all the same" await 20 prints UpToDate/DUnknown br alpha dstate "$resource"
check "beta goes on" kill -CONT "${node_pid[beta]}"
check "they are in sync again" br alpha wait-sync "$resource" --timeout 60s

# --- both killed ---------------------------------------------------------------------------------------------------------

check "a write" write alpha 0x04 3M 1M
check "both die" node_kill alpha
check "both die" node_kill beta
check "alpha starts again" node_up alpha
check "beta starts again" node_up beta
check "they return by themselves" br alpha wait-sync "$resource" --timeout 60s
for node in alpha beta; do want "$node is Secondary and may be promoted" ask "$node" '.role == "Secondary" and .may_promote == true'; done
check "beta is promoted" br beta primary "$resource"
for n in 1 2 3 4; do want "what was flushed is there ($n)" reads beta "0x0$n" "$((n - 1))M" 1M; done
check "beta becomes Secondary" br beta secondary "$resource"

# --- split brain (G7) ----------------------------------------------------------------------------------------------------

check "disconnect" br alpha disconnect "$resource"
check "alpha becomes Primary" br alpha primary "$resource"
check "alpha changes its data" write alpha 0xa1 10M 1M
check "alpha becomes Secondary" br alpha secondary "$resource"
check "beta connects to nobody" br beta disconnect "$resource"
check "beta becomes Primary" br beta primary "$resource"
check "beta changes its data" write beta 0xb1 20M 1M
check "beta becomes Secondary" br beta secondary "$resource"
split() {
    local node
    for node in alpha beta; do
        [[ $(br "$node" cstate "$resource") == StandAlone ]] || return 1
        br "$node" status "$resource" >"$W/split.$node"
        grep -qi 'split brain' "$W/split.$node" || return 1
    done
}
connect_both() { br alpha connect "$resource" && br beta connect "$resource"; }
check "they meet again" connect_both
check "both say: split brain, and stand alone" await 20 split
names_both() { grep -q '[1-9][0-9]* bytes on alpha.*[1-9][0-9]* bytes on beta\|[1-9][0-9]* bytes on beta.*[1-9][0-9]* bytes on alpha' "$1" || { cat "$1"; return 1; }; }
want "alpha's status tells both sides' changes" names_both "$W/split.alpha"
want "beta's status tells both sides' changes" names_both "$W/split.beta"
check "alpha ends" node_down alpha
check "beta dies" node_kill beta
check "alpha starts" node_up alpha
check "beta starts" node_up beta
check "after restarts they find it again" await 20 split
check "alpha, Primary, holds its data" br alpha primary "$resource"
want "alpha's change is there" reads alpha 0xa1 10M 1M
check "connect on the survivor" br alpha connect "$resource"
check "connect --discard-my-data on the victim" br beta connect "$resource" --discard-my-data
again() { br alpha connect "$resource" && br alpha wait-sync "$resource" --timeout 5s; }
check "they are in sync" await 60 again
want "the survivor's change is there" reads alpha 0xa1 10M 1M
want "the victim's is gone" reads alpha 0 20M 1M
saved() { br beta saved "$@"; }
check "what the victim lost is in a save file" compgen -G "$W/saved/*.brsave"
file=$(compgen -G "$W/saved/*.brsave" | head -n 1)
lists() { saved list --dir "$W/saved" | grep -q "$resource/$volume node:beta"; }
shows() { saved show "$file" | grep -q 'bytes: 1048576 in '; }
want "saved list names it" lists
want "saved show finds every checksum right" shows
check "saved restore writes it into an image" saved restore "$file" --to "$W/restored.img"
check "and does so twice" saved restore "$file" --to "$W/restored.img"
want "the victim's change is in it" qemu-io -f raw "$W/restored.img" -c "read -P 0xb1 20M 1M"
want "and nothing of the survivor's" qemu-io -f raw "$W/restored.img" -c "read -P 0 10M 1M"
"$blockrepl" saved export "$file" --socket "$W/saved.sock" >"$W/saved.uri" 2>&1 &
saved_pid=$!
check "saved export serves it" await 20 test -s "$W/saved.uri"
want "the change is in the export" qemu-io -r -f raw "$(cat "$W/saved.uri")" -c "read -P 0xb1 20M 1M"
want "the rest is zeroes" qemu-io -r -f raw "$(cat "$W/saved.uri")" -c "read -P 0 10M 1M"
kill "$saved_pid"
check "it ends when it is asked to" wait "$saved_pid"
check "alpha becomes Secondary" br alpha secondary "$resource"
check "beta becomes Primary" br beta primary "$resource"
want "the survivor's change is on the victim" reads beta 0xa1 10M 1M
want "the victim's is gone there, too" reads beta 0 20M 1M
check "beta becomes Secondary" br beta secondary "$resource"
stop_and_compare
finish
