#!/bin/bash
# kernel-device - volumes as /dev/nbdN: the daemon is killed, stopped and started under a mounted ext4 with an fsync load, and nothing fails (G15); demotion,
# force, detach, resize; a device whose data the peer has replaced meanwhile is ended, never resumed. Two nodes in one User-Mode-Linux guest.
# time-limit: 240 seconds
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$(readlink -f -- "$0")")/lib.sh"
begin kernel-device
need_root
need linux.uml cc mkfs.ext4 e2fsck resize2fs busybox modprobe jq dotnet

mkdir "$W/guest"
rc=0
export GUEST_MEMORY=1536M GUEST_BLOCKREPL=$blockrepl GUEST_DOTNET_ROOT=${DOTNET_ROOT:-}
"$e2e_dir/uml/guest" "$W/guest" - - 210 "$e2e_dir/uml/kernel-device" >"$W/guest.out" || rc=$?
cat "$W/guest.out"
if grep -q '^not ok ' "$W/guest.out"; then failed=1
elif ((rc)); then not_ok "the guest ended well (it ended with $rc)"; fi
finish
