#!/bin/bash
# recipes.sh - recipes of docs/operating.md that no other script runs: a plain disk and one that was DRBD's, with their data in
# place; a disk that is replaced under a Primary.
# time-limit: 180 seconds
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
begin recipes
need jq mkfs.ext4 debugfs e2fsck

# --- from a plain disk: a file system that fills it, and a last block that internal metadata would need ----------------
size=$((96 << 20))
cluster "$size"
for node in alpha beta; do
    sed -i "s#, size: $size }#, meta-disk: { alpha: $W/alpha/meta.img, beta: $W/beta/meta.img } }#" "$W/$node/blockrepl.yaml"
    truncate -s "$size" "$W/$node/disk.img"
    truncate -s 5M "$W/$node/meta.img"
done
mkfs.ext4 -q -F -b 4096 "$W/alpha/disk.img" 80M
head -c 100000 /dev/urandom >"$W/mail"
debugfs -w -R "write $W/mail mail" "$W/alpha/disk.img" >/dev/null 2>&1
# As DRBD leaves its own metadata behind the data: bytes at the very end.
printf 'not ours' | dd of="$W/alpha/disk.img" bs=1 seek=$((size - 8)) conv=notrunc status=none
cp "$W/alpha/disk.img" "$W/before.img"
sed "s#, meta-disk: {[^}]*}##" "$W/alpha/blockrepl.yaml" >"$W/internal.yaml"
refuses 11 'there is data at byte' "create-md refuses to put metadata over the end of it" br alpha --config "$W/internal.yaml" create-md "$resource"
check "alpha: create-md beside it" br alpha create-md "$resource"
check "beta: create-md" br beta create-md "$resource"
want "the disk is untouched" cmp "$W/before.img" "$W/alpha/disk.img"
check "alpha's daemon starts" node_up alpha
check "beta's daemon starts" node_up beta
check "they connect" br alpha wait-connect "$resource" --timeout 30s
check "alpha's data counts" br alpha primary "$resource" --force
want "it is served while it is copied" nbdsh -u "$(uri alpha)" -c "assert h.get_size() == $size and bytes(h.pread(8, $size - 8)) == b'not ours'"
check "the copy ends" br alpha wait-sync "$resource" --timeout 60s
check "beta's disk is the same from its first byte on" cmp "$W/before.img" "$W/beta/disk.img"
want "and a file system without an error" e2fsck -fn "$W/beta/disk.img"
copy() { debugfs -R "dump mail $W/mail.copy" "$W/beta/disk.img" >/dev/null 2>&1 && cmp "$W/mail" "$W/mail.copy"; }
want "with the mail in it" copy

# --- a disk is replaced under the Primary, which goes on --------------------------------------------------------------
check "alpha's disk is given up" br alpha detach "$resource/$volume"
want "alpha is Primary without a disk" ask alpha '.role == "Primary" and .volumes[0].disk_state == "Diskless" and .volumes[0].served_by == "beta"'
want "and serves" nbdsh -u "$(uri alpha)" -c "h.pwrite(b'x' * 4096, 8192, nbd.CMD_FLAG_FUA); assert bytes(h.pread(8, $size - 8)) == b'not ours'"
rm "$W/alpha/disk.img" "$W/alpha/meta.img"
truncate -s "$size" "$W/alpha/disk.img"
truncate -s 5M "$W/alpha/meta.img"
check "create-md on the new one" br alpha create-md "$resource"
check "attach" br alpha attach "$resource/$volume"
check "it is copied from the peer" br alpha wait-sync "$resource" --timeout 60s
stop_and_compare

# --- from DRBD: both disks are equal already, nothing is copied ----------------------------------------------------------
for node in alpha beta; do
    rm "$W/$node/meta.img"
    truncate -s 5M "$W/$node/meta.img"
    cp "$W/before.img" "$W/$node/disk.img"
    check "$node: create-md" br "$node" create-md "$resource"
    check "$node's daemon starts" node_up "$node"
done
check "they connect" br alpha wait-connect "$resource" --timeout 30s
check "the disks are said to be equal" br alpha new-current-uuid "$resource" --clear-bitmap
check "at once in sync" br alpha wait-sync "$resource" --timeout 10s
check "alpha is promoted without force" promote alpha 20
want "and a verify finds them equal" br alpha verify "$resource"
verified() { ask alpha '.connections[0].volumes[0].verify | .state == "done" and .different_bytes == 0'; }
want "to the end" await 60 verified
finish
