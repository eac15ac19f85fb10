#!/bin/bash
# adjust - everything changes while a verified load runs: settings, the protocol, volumes that come and go, sizes.
# time-limit: 240 seconds
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$(readlink -f -- "$0")")/lib.sh"
begin adjust
need jq qemu-io cmp
seed=${SEED:-$((RANDOM * 32768 + RANDOM))}
note "seed $seed"

both_up 64MiB
prints() { local wanted=$1; shift; [[ $("$@") == "$wanted" ]] || { "$@"; return 1; }; }
edit() { sed -i "$1" "$W/alpha/blockrepl.yaml" "$W/beta/blockrepl.yaml"; }
adjust_both() { br alpha adjust all && br beta adjust all; }

# load - changes blocks of the first volume until it is told to stop, and knows what each must hold.
load() {
    local round=0
    until [[ -e $W/stop ]]; do
        "$python" "$e2e_dir/kill-load.py" load "$(uri alpha)" "$W/model.json" "$((seed + round))" 1500 || return 1
        round=$((round + 1))
    done
}
load >"$W/load.out" 2>&1 &
load_pid=$!
at_exit "kill $load_pid"
loads() { ! gone "$load_pid"; }

# --- settings --------------------------------------------------------------------------------------------------------

want "nothing changed, nothing to do" prints "" br alpha adjust all --dry-run
edit 's/^    protocol: C/    protocol: C\n    ko-count: 5\n    timeout: 5s/'
want "--dry-run says what it would do" prints $'r0: ko-count: default -> 5\nr0: timeout: default -> 5s' br alpha adjust --dry-run
want "... and does nothing" prints $'r0: ko-count: default -> 5\nr0: timeout: default -> 5s' br alpha adjust --dry-run
check "adjust on both nodes" adjust_both
want "now there is nothing to do" prints "" br beta adjust r0 --dry-run
sed -i 's/ko-count: 5/ko-cuont: 5/' "$W/alpha/blockrepl.yaml"
refuses 10 'blockrepl.yaml:[0-9]+:[0-9]+: unknown key "ko-cuont"' "an error in the file changes nothing and names its place" br alpha adjust all
sed -i 's/ko-cuont: 5/ko-count: 5/' "$W/alpha/blockrepl.yaml"
sed -i "s#$W/alpha/disk.img#$W/alpha/other.img#" "$W/alpha/blockrepl.yaml"
refuses 11 'it is in use' "another disk for a volume that is up is refused" br alpha adjust all
sed -i "s#$W/alpha/other.img#$W/alpha/disk.img#" "$W/alpha/blockrepl.yaml"
edit 's/^    protocol: C/    protocol: A/'
check "alpha turns to protocol A" br alpha adjust all
want "the safer protocol is in force meanwhile, and status says so" ask alpha '.connections[0].note | contains("C is in force")'
check "beta, too" br beta adjust all
want "the files say the same" await 10 ask alpha '.connections[0].note == null'
edit 's/^    protocol: A/    protocol: C/'
check "and back to C" adjust_both
check "the connection was not lost by it" ask alpha '.connections[0].connection_state == "Connected"'
check "the load runs" loads

# --- a volume comes, is used, and goes ------------------------------------------------------------------------------------

for node in alpha beta; do
    printf '      more: { disk: { alpha: %s, beta: %s }, size: 32MiB }\n' "$W/alpha/more.img" "$W/beta/more.img" >>"$W/$node/blockrepl.yaml"
done
refuses 11 'r0/more' "a new volume without a disk is refused" br alpha adjust all
check "alpha: create-md" br alpha create-md r0/more
check "beta: create-md" br beta create-md r0/more
check "alpha takes it up" br alpha adjust all
want "it is not replicated, which status says" ask alpha '.connections[0].volumes[1].note | contains("beta does not have it")'
want "the first volume is in sync again" await 30 ask alpha '.connections[0].volumes[0] | .replication_state == "Established" and .out_of_sync_bytes == 0'
check "beta takes it up" br beta adjust all
joined() { ask alpha '.connections[0].volumes[1].replication_state == "Established"'; }
check "it joins" await 30 joined
check "it becomes UpToDate" br alpha new-current-uuid --clear-bitmap "$resource"
check "all is in sync" await 30 in_sync alpha
check "it is written to" qemu-io -f raw "nbd+unix:///r0/more?socket=$W/alpha/run/nbd.sock" -c 'write -P 7 1M 64k' -c flush
check "the load runs" loads
edit '/^      more: /d'
check "it goes on alpha" br alpha adjust all
check "it goes on beta" br beta adjust all
want "both disks hold what was written, and are free" cmp -i 1M -n 64k "$W/alpha/more.img" "$W/beta/more.img"
refuses 10 'r0/more' "its name is not known any more" br alpha wait-sync r0/more
check "the load runs" loads

# --- the first volume grows --------------------------------------------------------------------------------------------------

before=$(exported_bytes alpha)
edit 's/size: 64MiB/size: 160MiB/'
check "adjust on both nodes" adjust_both
check "in sync before it grows" await 60 in_sync alpha
check "resize" br alpha resize r0/data
after=$(exported_bytes alpha)
want "it has grown from $before to $after bytes" test "$after" -gt $((150 << 20))
want "beta serves the same" await 10 ask beta ".volumes[0].size_bytes == $after"
check "the load runs" loads
check "who comes now reaches the new end" qemu-io -f raw "$(uri alpha)" -c "write -P 9 $((after - 65536)) 64k" -c flush
refuses 11 'never made smaller' "smaller is refused" br alpha resize r0/data --size 64MiB

# --- nothing was lost --------------------------------------------------------------------------------------------------------

touch "$W/stop"
check "the load ran through without an error" wait "$load_pid"
check "every block holds what was written last" "$python" "$e2e_dir/kill-load.py" verify "$(uri alpha)" "$W/model.json"
stop_and_compare
check "alpha's daemon starts again" node_up alpha
check "beta's daemon starts again" node_up beta
check "they connect" br alpha wait-connect "$resource" --timeout 30s
check "in sync, without a resync" await 30 in_sync alpha
want "with the new size" ask alpha ".volumes[0].size_bytes == $after"
finish
