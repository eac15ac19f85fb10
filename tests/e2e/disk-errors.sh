#!/bin/bash
# disk-errors - real disks that fail and hang under running daemons: reads, writes, flushes, zeroes and metadata, on each node, while a verified load runs.
# No client sees an error while the peer is in sync (G11), a disk that hangs is given up after disk-timeout (hard part 17), a mended disk comes back, and
# both are the same byte for byte at the end (G5). The disks are files of a small file system (faulty-disk.c) that fails when it is told to.
# time-limit: 240 seconds
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$(readlink -f -- "$0")")/lib.sh"
begin disk-errors
need jq qemu-io cmp gcc pkg-config fusermount3
need_root
seed=${SEED:-$((RANDOM * 32768 + RANDOM))}
note "seed $seed"

# --- two disks a node, for data and for metadata ------------------------------------------------------------------------------

compile() {
    local flags
    read -ra flags < <(pkg-config --cflags --libs fuse3)
    gcc -O2 -Wall "$e2e_dir/faulty-disk.c" "${flags[@]}" -o "$W/faulty-disk"
}
check "the faulty disk compiles" compile
declare -A disk_pid=()
# faulty NAME - serves W/NAME.img as W/NAME/disk; triggers in W/NAME.triggers.
faulty() {
    mkdir -p "$W/$1" "$W/$1.triggers"
    FAULTY_FILE=$W/$1.img FAULTY_TRIGGERS=$W/$1.triggers setsid "$W/faulty-disk" -f "$W/$1" >"$W/$1.log" 2>&1 </dev/null &
    disk_pid[$1]=$!
    disown "$!"
    at_exit "kill -CONT $!; kill -9 $!; umount -l '$W/$1'"
    await 10 test -s "$W/$1/disk" || { cat "$W/$1.log"; return 1; }
}
cluster 64MiB "disk-timeout: 2s"
for node in alpha beta; do
    truncate -s 64M "$W/$node-data.img"
    truncate -s 4M "$W/$node-meta.img"
    check "$node has a disk that can fail" faulty "$node-data"
    check "$node has another for metadata" faulty "$node-meta"
    sed -i "s#^      data: .*#      data: { disk: { alpha: $W/alpha-data/disk, beta: $W/beta-data/disk }, meta-disk: { alpha: $W/alpha-meta/disk, beta: $W/beta-meta/disk } }#" \
        "$W/$node/blockrepl.yaml"
    check "$node: create-md" br "$node" create-md "$resource"
    check "$node's daemon starts" node_up "$node"
done
check "they connect" br alpha wait-connect "$resource" --timeout 30s
check "the disks are known to be equal" br alpha new-current-uuid "$resource" --clear-bitmap
check "alpha becomes Primary" br alpha primary "$resource"

# --- a load that knows what every block must hold, and what each node says of its disk --------------------------------------------

for node in alpha beta; do
    BLOCKREPL_CONFIG=$W/$node/blockrepl.yaml BLOCKREPL_NODE=$node BLOCKREPL_RUN_DIR=$W/$node/run \
        setsid "$blockrepl" events --json >"$W/$node.events" 2>&1 </dev/null &
    at_exit "kill -9 $!"
    disown "$!"
    check "$node's events come" await 10 grep -q '"data"' "$W/$node.events"
done
load() {
    local round=0
    until [[ -e $W/stop ]]; do
        "$python" "$e2e_dir/kill-load.py" load "$(uri alpha)" "$W/model.json" "$((seed + round))" 400 || return 1
        round=$((round + 1))
    done
}
loads() { [[ -z $load_pid ]] || ! gone "$load_pid" || { cat "$W/load.out"; return 1; }; }
load_pid=
# disk_states NODE - what its events have said of its own disk since the last time that this was asked, a word a line.
disk_states() { tail -n "+$(($(cat "$W/$1.seen" 2>/dev/null || echo 0) + 1))" "$W/$1.events" | grep '"device"' | grep -o '"disk": *"[A-Za-z]*"' | grep -o '[A-Z][A-Za-z]*' | uniq; }
failed_then_diskless() {
    disk_states "$1" | grep -x -A9 Failed | grep -qx Diskless
}
seen() { wc -l <"$W/$1.events" >"$W/$1.seen"; }
disk_is() { ask "$1" ".volumes[0].disk_state == \"$2\""; }
says() { ask "$1" ".volumes[0].waiting_for | any(test(\"$2\"))"; }
served() { ask alpha '.volumes[0].served_by == "beta"'; }

# attach_again NODE - the mended disk comes back: its calls are over, it is attached, resynced, in sync on both nodes.
attach_again() {
    await 20 disk_is "$1" Diskless && br "$1" attach "$resource/$volume" && await 60 in_sync alpha && await 60 in_sync beta
}

# writes OFFSET - in an extent that was not written to yet: the activity log is written first.
writes() { qemu-io -f raw "$(uri alpha)" -c "write -P 0x55 $1 64k" -c flush; }
reads() { qemu-io -f raw "$(uri alpha)" -c "read 0 1M"; }
refused_attach() { local rc=0; br "$1" attach "$resource/$volume" || rc=$?; [[ $rc == 1 || $rc == 16 ]]; }

# --- errors ----------------------------------------------------------------------------------------------------------------------

# fails NODE WHAT DISK OPERATION [CLIENT...] - from now on the operation ends with EIO on that disk, which the load meets, or the client.
fails() {
    seen "$1"
    touch "$W/$1-$3.triggers/fail-$4"
    (($# == 4)) || check "a client is served all the same: ${*:5}" "${@:5}"
    check "$1: $2 fails: Failed, then Diskless" await 20 failed_then_diskless "$1"
    want "$1: Diskless, and says so" await 5 disk_is "$1" Diskless
    [[ $1 == beta ]] || want "beta serves" served
    check "no client sees it" loads
    [[ $3 != meta ]] || want "$1: a disk that still fails does not come back" refused_attach "$1"
    rm "$W/$1-$3.triggers/fail-$4"
    check "$1: mended, it comes back" attach_again "$1"
}

# hangs NODE WHAT DISK OPERATION [CLIENT...] - until the trigger is taken away, the operation does not end.
hangs() {
    seen "$1"
    touch "$W/$1-$3.triggers/hang-$4"
    (($# == 4)) || check "a client is served all the same: ${*:5}" "${@:5}"
    check "$1: $2 hangs: Failed" await 20 disk_is "$1" Failed
    want "$1: it says what hangs, and since when" says "$1" "$1-$3/disk: .* has not returned for [0-9]+ ms"
    check "no client sees it" loads
    refuses 11 "has not returned for" "$1: attach is refused, and says what hangs" br "$1" attach "$resource/$volume"
    want "$1: detach does not wait" timeout 10 "$blockrepl" detach "$resource/$volume" --config "$W/$1/blockrepl.yaml" --node "$1" --run-dir "$W/$1/run"
    want "$1: it is still Failed" disk_is "$1" Failed
    rm "$W/$1-$3.triggers/hang-$4"
    check "$1: let go, it comes back" attach_again "$1"
    want "$1: nothing hangs any more" ask "$1" '.volumes[0].waiting_for | all(test("has not returned") | not)'
}

fails alpha "a write of metadata" meta write writes 4M
fails alpha "a flush of metadata" meta flush writes 8M
hangs alpha "a write of metadata" meta write writes 12M
load >"$W/load.out" 2>&1 &
load_pid=$!
at_exit "kill $load_pid"
fails alpha "a write" data write
fails alpha "a read" data read reads
fails alpha "a flush" data flush
fails alpha "a write of zeroes" data zero
fails beta "a write" data write
fails beta "a flush" data flush
fails beta "a write of zeroes" data zero

# A Secondary's metadata is written when its state changes: here when a resync begins.
seen beta
check "beta: disconnect" br beta disconnect "$resource"
touch "$W/beta-meta.triggers/fail-write"
check "beta: connect" br beta connect "$resource"
check "beta: a write of metadata fails: Failed, then Diskless" await 20 failed_then_diskless beta
check "no client sees it" loads
want "beta: a disk that still fails does not come back" refused_attach beta
rm "$W/beta-meta.triggers/fail-write"
check "beta: mended, it comes back" attach_again beta

# A Secondary reads for a comparison, and for a Primary without a disk. Then it has the last copy: the read fails, the disk stays.
touch "$W/beta-data.triggers/fail-read"
check "verify reads beta's disk" br alpha verify "$resource"
verified() { ask alpha '.connections[0].volumes[0].verify | . != null and .state != "running"'; }
check "the comparison ends" await 60 verified
rm "$W/beta-data.triggers/fail-read"
check "no client sees it" loads
disk_is beta UpToDate || check "beta: mended, it comes back" attach_again beta
check "both in sync" await 60 in_sync alpha

# --- disks that hang -----------------------------------------------------------------------------------------------------------------

hangs alpha "a write" data write
hangs alpha "a read" data read reads
hangs beta "a flush" data flush

# All of it, open and close too, as when a controller is gone.
check "alpha's disk stops" kill -STOP "${disk_pid[alpha-data]}"
check "alpha: Failed" await 20 disk_is alpha Failed
check "no client sees it" loads
kill -CONT "${disk_pid[alpha-data]}"
check "alpha: let go, it comes back" attach_again alpha
at_exit "kill -CONT ${disk_pid[beta-data]}"     # before the daemons are waited for
check "beta's disk stops" kill -STOP "${disk_pid[beta-data]}"
check "beta: down does not wait for it" timeout 20 "$blockrepl" down "$resource" --config "$W/beta/blockrepl.yaml" --node beta --run-dir "$W/beta/run"
# It is done, whatever its disk does. The process itself can end only when the kernel gets its call back: where the disk had taken a call before it stopped, no signal ends that.
check "beta's daemon is told to end" kill -TERM "${node_pid[beta]}"
check "it is done while its disk hangs" await 30 grep -q 'BlockRepl.Daemon\[14\] stopped' "$W/beta/daemon.log"
kill -CONT "${disk_pid[beta-data]}"
check "and its process is gone when the disk goes on" node_ended beta
check "no client sees it" loads
check "beta's daemon starts" node_up beta
check "all is in sync" await 60 in_sync alpha

# --- nothing was lost ------------------------------------------------------------------------------------------------------------------

touch "$W/stop"
check "the load ran through without an error" wait "$load_pid"
check "every block holds what was written last" "$python" "$e2e_dir/kill-load.py" verify "$(uri alpha)" "$W/model.json"
bytes=$(exported_bytes alpha)
want "alpha's daemon drains and ends on SIGTERM" node_down alpha
want "beta's daemon drains and ends on SIGTERM" node_down beta
check "both disks hold the same $bytes bytes (G5)" cmp -n "$bytes" "$W/alpha-data.img" "$W/beta-data.img"
finish
