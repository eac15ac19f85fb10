#!/bin/bash
# nbd-clients - what others wrote works with the exports: nbdinfo, nbddump, nbdcopy, qemu-img, qemu-io, fio, libnbd from Python.
# All of it runs on a replicated volume that starts and ends in sync; at the end both disks are compared (G5).
# time-limit: 240 seconds
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$(readlink -f -- "$0")")/lib.sh"
begin nbd
need nbdinfo nbdcopy nbddump qemu-img qemu-io fio jq cmp

# Requests of any size and place, on a disk that takes whole sectors only, against one that takes anything.
IO='{ alpha: direct, beta: buffered }' both_up 256MiB
want "alpha's disk is direct" ask alpha '.volumes[0].io == "direct"'
alpha=$(uri alpha) beta=$(uri beta)
bytes=$(exported_bytes alpha)

# --- nbdinfo -------------------------------------------------------------------------------------------------------

check "nbdinfo" nbdinfo --json "$alpha"
nbdinfo --json "$alpha" >"$W/info"
says() { jq -e "$1" "$W/info"; }
want "nbdinfo: newstyle fixed, structured replies" says '.protocol == "newstyle-fixed" and .structured == true'
want "nbdinfo: the size that status tells" says ".exports[0].\"export-size\" == $bytes"
for flag in can_flush can_fua can_trim can_zero can_fast_zero can_df can_cache can_multi_conn; do
    want "nbdinfo: $flag" says ".exports[0].$flag == true"
done
want "nbdinfo: writable" says '.exports[0].is_read_only == false'
want "nbdinfo: base:allocation" says '.exports[0].contexts | index("base:allocation") != null'
want "nbdinfo: preferred block size 4096, at most 32 MiB" says \
    '.exports[0] | .block_size_preferred == 4096 and .block_size_maximum == 33554432 and (.block_size_minimum == 1 or .block_size_minimum == 512)'
listed() { nbdinfo --list --json "nbd+unix:///?socket=$W/alpha/run/nbd.sock" | jq -e --arg e "$resource/$volume" 'any(.exports[]; ."export-name" == $e)'; }
want "nbdinfo --list names $resource/$volume" listed
fails_saying() {
    local pattern=$1 rc=0
    shift
    "$@" >"$W/fails.out" 2>&1 || rc=$?
    cat "$W/fails.out"
    ((rc != 0)) && grep -qiE -- "$pattern" "$W/fails.out"
}
# libnbd shows the server's sentence only when it is asked to tell everything; qemu shows it always.
want "an export on the Secondary is refused with the reason" fails_saying 'is Secondary on node beta; promote it first' env LIBNBD_DEBUG=1 nbdinfo "$beta"
want "qemu-img tells the same reason" fails_saying 'is Secondary on node beta; promote it first' qemu-img info "$beta"
want "an unknown export is refused by name" fails_saying 'nowhere' nbdinfo "nbd+unix:///nowhere?socket=$W/alpha/run/nbd.sock"

# --- nbdcopy, nbddump, qemu-img --------------------------------------------------------------------------------------

# A picture with data, holes and zeroes, so that WRITE, TRIM and WRITE_ZEROES all travel.
truncate -s "$bytes" "$W/picture"
dd if=/dev/urandom of="$W/picture" bs=1M count=40 conv=notrunc status=none
dd if=/dev/urandom of="$W/picture" bs=64K count=200 seek=1600 conv=notrunc status=none
check "nbdcopy to the export" nbdcopy --flush "$W/picture" "$alpha"
check "nbdcopy from the export" nbdcopy "$alpha" "$W/copy"
check "it comes back as it went" cmp "$W/picture" "$W/copy"
check "nbdcopy with four connections, every byte allocated" nbdcopy --connections=4 --allocated --flush "$W/picture" "$alpha"
check "qemu-img compares the picture and the export" qemu-img compare -f raw -F raw "$W/picture" "$alpha"
dumped() { nbddump --length=4096 "$alpha" >"$W/dump" && grep -q '^0*000' "$W/dump"; }
want "nbddump" dumped
check "qemu-img convert onto the export, with discards" qemu-img convert -n -f raw -O raw "$W/picture" "$alpha"
check "qemu-img map" qemu-img map --output=json -f raw "$alpha"

# --- qemu-io: what was written, zeroed and discarded reads as such --------------------------------------------------

check "qemu-io: write, FUA, zeroes, unmap, flush, read with pattern" qemu-io -f raw "$alpha" \
    -c 'write -P 0x11 0 1M' -c 'write -f -P 0x22 1M 4k' -c 'write -P 0x33 2M 8M' -c 'write -z 3M 1M' -c 'write -z -u 5M 64k' \
    -c 'discard 6M 1M' -c 'flush' -c 'aio_write -P 0x44 20M 64k' -c 'aio_write -P 0x55 21M 512' -c 'aio_flush' \
    -c 'read -P 0x11 0 1M' -c 'read -P 0x22 1M 4k' -c 'read -P 0x33 2M 1M' -c 'read -P 0 3M 1M' -c 'read -P 0x33 4M 1M' \
    -c 'read -P 0 5M 64k' -c 'read -P 0x44 20M 64k' -c 'read -P 0x55 21M 512'
# qemu-io answers 0 whatever a command found, except in its output.
patterns_hold() { ! grep -iE 'fail|error' "$W/check.out"; }
want "qemu-io: no pattern failed" patterns_hold

# --- libnbd from Python: refused requests, structured replies, odd sizes ---------------------------------------------

"$python" "$e2e_dir/nbd-requests.py" "$alpha" "$bytes" >"$W/requests.out" 2>&1 || failed=1
cat "$W/requests.out"
if grep -q '^not ok' "$W/requests.out"; then failed=1; elif ! grep -q '^ok' "$W/requests.out"; then not_ok "nbd-requests.py"; fi

# --- fio ------------------------------------------------------------------------------------------------------------

cat >"$W/verify.fio" <<FIO
[global]
ioengine=nbd
uri=$alpha
verify=crc32c
verify_fatal=1
time_based=0
[small]
rw=randwrite
bs=4k
iodepth=32
size=24M
offset=64M
[odd]
stonewall
rw=randwrite
bsrange=512-96k
blockalign=512
iodepth=16
size=32M
offset=128M
[large]
stonewall
rw=write
bs=1M
iodepth=8
size=64M
offset=176M
[flushed]
stonewall
rw=write
bs=8k
iodepth=1
fsync=1
size=2M
offset=8M
FIO
fio_verify() { (cd "$W" && fio --output="$W/fio.out" "$W/verify.fio"); }    # it leaves its state where it stands
check "fio --verify: 4 KiB at depth 32, odd sizes, 1 MiB, write and flush" fio_verify

# Two clients that write over each other: what it ends as is open, but both disks end the same.
for seed in 1 2; do
    fio --name=over$seed --ioengine=nbd --uri="$alpha" --rw=randwrite --bs=4k --iodepth=16 --offset=100M --size=1M --io_size=24M \
        --randseed=$seed --refill_buffers --output="$W/over$seed.out" >/dev/null 2>&1 &
    overlapping[seed]=$!
done
check "two fio clients write over each other" wait "${overlapping[1]}" "${overlapping[2]}"

check "alpha becomes Secondary" br alpha secondary "$resource"
stop_and_compare
finish
