#!/bin/bash
# device-fuse - "device attach --via fuse": a volume as a loop device where the kernel has no NBD client; list, refusals, demotion, force, what is left when the daemon dies.
# time-limit: 120 seconds
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$(readlink -f -- "$0")")/lib.sh"
begin device-fuse
need_root
need nbdfuse fusermount3 losetup mkfs.ext4 e2fsck jq

v=$resource/$volume mnt=$W/mnt
mkdir "$mnt"
listed() { br alpha device list --json | jq -er ".[0].$1"; }
is() { [[ $(listed "$1") == "$2" ]]; }
no_devices() { [[ $(br alpha device list --json) == '[]' ]]; }
no_fuse_left() { ! grep -qF "$W/alpha/run/fuse" /proc/self/mountinfo && ! losetup -l -n -O BACK-FILE | grep -qF "$W/alpha/run/fuse"; }
attach_fuse() { device=$(br "${1:-alpha}" device attach "$v" --via fuse) && [[ $device == /dev/loop* ]]; }
at_exit "umount -l '$mnt'; umount -l '$W/alpha/run/fuse/$v'; umount -l '$W/beta/run/fuse/$v'; losetup -n -l -O NAME,BACK-FILE | awk -v w='$W/' 'index(\$2, w) == 1 { print \$1 }' | xargs -r -n 1 losetup -d"

TLS=off both_up 64MiB
if [[ ! -e /sys/module/nbd ]] && ! modprobe -n nbd 2>/dev/null; then
    refuses 11 'no NBD client' "without an NBD client in the kernel attach says so" br alpha device attach "$v"
    want "and what to use instead" grep -q -- '--via fuse' "$W/refuses.err"
fi
refuses 11 'Secondary on node beta' "attach at a Secondary is refused" br beta device attach "$v" --via fuse
refuses 2 'chosen by the kernel' "a path is a usage error" br alpha device attach "$v" /dev/nbd0 --via fuse
check "attach" attach_fuse
want "attach again answers the same" test "$(br alpha device attach "$v" --via fuse)" = "$device"
want "list shows it" is state Connected
check "mkfs" mkfs.ext4 -q -F "$device"
check "mount" mount "$device" "$mnt"
check "write" dd if=/dev/urandom "of=$mnt/file" bs=1M count=16 conv=fsync
sha256sum "$mnt/file" >"$W/sum"
refuses 11 "mounted at $mnt" "demotion names the mount" br alpha secondary "$resource"
refuses 11 "mounted at $mnt" "detach names the mount" br alpha device detach "$device"
check "umount" umount "$mnt"
check "file system check" e2fsck -fn "$device"
check "a demotion detaches an unused device" br alpha secondary "$resource"
want "list is empty" no_devices
want "no mount and no loop device is left" await 5 no_fuse_left

check "the other node serves the same file" promote beta 20
check "beta: attach" attach_fuse beta
check "beta: mount" mount "$device" "$mnt"
check "beta: the file is the same" sha256sum --quiet -c "$W/sum"
check "beta: umount" umount "$mnt"
check "beta: detach" br beta device detach "$v"
check "beta becomes Secondary" br beta secondary "$resource"

check "alpha becomes Primary again" br alpha primary "$resource"
check "attach for the forced demotion" attach_fuse
check "mount for the forced demotion" mount "$device" "$mnt"
check "demotion by force ends in seconds" timeout 20 "$blockrepl" --config "$W/alpha/blockrepl.yaml" --node alpha --run-dir "$W/alpha/run" secondary "$resource" --force
want "what was mounted gets errors" bash -c "! dd if=/dev/zero of='$mnt/late' bs=4k count=1 oflag=direct conv=fsync"
check "umount after the forced demotion" umount -l "$mnt"

check "alpha becomes Primary for the last time" br alpha primary "$resource"
check "attach before the daemon dies" attach_fuse
check "alpha's daemon is killed" node_kill alpha
check "alpha's daemon starts" node_up alpha
want "list says that the device is broken" is state Broken
check "detach clears it away" br alpha device detach "$v"
want "list is empty again" no_devices
want "nothing is left" await 5 no_fuse_left
finish
