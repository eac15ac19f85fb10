#!/bin/bash
# contract-shapes - a resource may have many shapes: a disk that is a link to a block device, external metadata, two volumes,
# no peer at all, protocols A and B, another fencing policy.
# time-limit: 240 seconds
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$(readlink -f -- "$0")")/lib.sh"
begin shapes
need_root      # loop devices
need jq nbdcopy qemu-io losetup cmp

prints() { local wanted=$1; shift; [[ $("$@") == "$wanted" ]] || { "$@"; return 1; }; }

# again SIZE [line...] - a new cluster in place of the last one.
again() {
    local node
    for node in alpha beta; do
        if [[ -n ${node_pid[$node]:-} ]] && ! gone "${node_pid[$node]}"; then check "$node's daemon ends" node_down "$node"; fi
        rm -rf -- "${W:?}/$node"
    done
    rm -rf -- "$W/tls"
    cluster "$@"
}
# volumes NODE YAML - puts these volumes in the place of the one that "cluster" configured.
volumes() { sed -i "/^      data: /d" "$W/$1/blockrepl.yaml" && printf '%s\n' "$2" >>"$W/$1/blockrepl.yaml"; }
start() {
    check "alpha: create-md" br alpha create-md "$resource"
    check "beta: create-md" br beta create-md "$resource"
    check "alpha's daemon starts" node_up alpha
    check "beta's daemon starts" node_up beta
    check "they connect" br alpha wait-connect "$resource" --timeout 30s
    check "primary --force on alpha" br alpha primary "$resource" --force
    check "the sync ends" br alpha wait-sync "$resource" --timeout 60s
}
fill() { head -c 6M /dev/urandom >"$W/content" && nbdcopy --flush "$W/content" "$1"; }

# --- a link to a block device -------------------------------------------------------------------------------------------

again 64MiB
for node in alpha beta; do
    truncate -s 64M "$W/$node/backing"
    device=$(losetup -f --show "$W/$node/backing")
    at_exit "losetup -d '$device'"
    ln -s "$device" "$W/$node/disk"
    sed -i "s#$W/$node/disk.img#$W/$node/disk#; s#, size: 64MiB##" "$W/alpha/blockrepl.yaml" "$W/beta/blockrepl.yaml"
done
start
check "link to a block device: data goes in" fill "$(uri alpha)"
want "the data is in place on both devices" cmp "$W/alpha/disk" "$W/content" -n $((6 << 20))
want "the data is in place on both devices" cmp "$W/beta/disk" "$W/content" -n $((6 << 20))
check "a trimmed block" qemu-io -f raw "$(uri alpha)" -c 'discard 64k 128k' -c 'flush' -c 'read -P 0 64k 128k'
for node in alpha beta; do want "... is zeroes on $node" cmp -i $((64 << 10)):0 -n $((128 << 10)) "$W/$node/disk" /dev/zero; done
refused_by_kernel() { ! "$python" -c 'import os, sys; os.open(sys.argv[1], os.O_RDWR | os.O_EXCL)' "$(readlink -f "$W/alpha/disk")" 2>/dev/null; }
want "nobody else may open the device exclusively, a mount for one" refused_by_kernel
check "alpha becomes Secondary" br alpha secondary "$resource"
check "alpha in sync" in_sync alpha
bytes=$(exported_bytes alpha)
check "alpha ends" node_down alpha
check "beta ends" node_down beta
want "both devices hold the same" cmp -n "$bytes" "$W/alpha/disk" "$W/beta/disk"

# --- direct I/O ------------------------------------------------------------------------------------------------------------

# The same devices again, past the page cache; and back, on one node, under clients of the other.
sed -i 's#\(      data: {.*\) }$#\1, io: direct }#' "$W/alpha/blockrepl.yaml" "$W/beta/blockrepl.yaml"
for node in alpha beta; do check "$node's daemon starts with io: direct" node_up "$node"; done
check "they connect" br alpha wait-connect "$resource" --timeout 30s
check "alpha becomes Primary" br alpha primary "$resource"
for node in alpha beta; do want "$node's device is direct" ask "$node" '.volumes[0].io == "direct"'; done
check "data goes in" fill "$(uri alpha)"
check "parts of sectors" qemu-io -f raw "$(uri alpha)" -c 'write -P 0x61 700001 99' -c 'write -P 0x62 700100 5000' -c 'discard 800001 9999' -c 'flush' \
    -c 'read -P 0x61 700001 99' -c 'read -P 0x62 700100 5000' -c 'read -P 0 800001 9999'
parts_hold() { ! grep -iE 'fail|error' "$W/check.out"; }
want "... read as they were written" parts_hold
sed -i 's#io: direct }#io: buffered }#' "$W/beta/blockrepl.yaml"
want "adjust says when it counts" prints "$resource/$volume: io direct -> buffered, from the next attachment on: blockrepl detach $resource/$volume; blockrepl attach $resource/$volume" br beta adjust "$resource"
check "beta: detach" br beta detach "$resource/$volume"
check "data goes in meanwhile" fill "$(uri alpha)"
check "beta: attach" br beta attach "$resource/$volume"
check "beta is in sync" br alpha wait-sync "$resource" --timeout 60s
want "beta's device is buffered now" ask beta '.volumes[0].io == "buffered"'
check "alpha becomes Secondary" br alpha secondary "$resource"
for node in alpha beta; do check "$node ends" node_down "$node"; done
want "both devices hold the same" cmp -n "$bytes" "$W/alpha/disk" "$W/beta/disk"

# Where it cannot be had it is refused with the reason, not replaced.
mkdir "$W/memory"
check "a file system in memory" mount -t tmpfs -o size=80m tmpfs "$W/memory"
at_exit "umount '$W/memory'"
sed "s#$W/alpha/disk#$W/memory/disk.img#; s#io: direct }#io: direct, size: 64MiB }#" "$W/alpha/blockrepl.yaml" >"$W/alpha/memory.yaml"
cp "$W/alpha/memory.yaml" "$W/alpha/blockrepl.yaml"
check "create-md there" br alpha create-md "$resource"
check "the daemon starts without the disk" node_up alpha
refuses_attach() {
    local rc=0
    br alpha attach "$resource/$volume" >"$W/refusal" 2>&1 || rc=$?
    cat "$W/refusal"
    ((rc == 16)) && grep -q 'cannot have io: direct: its file system takes O_DIRECT and goes through the page cache all the same' "$W/refusal" && grep -q 'io: buffered' "$W/refusal"
}
want "attach says why a disk in memory cannot have it (16)" refuses_attach
want "and does not attach it some other way" ask alpha '.volumes[0].disk_state == "Diskless"'
check "alpha ends" node_down alpha

# --- external metadata, two volumes, protocol B ---------------------------------------------------------------------------

again 64MiB
sed -i 's/protocol: C/protocol: B/' "$W/alpha/blockrepl.yaml" "$W/beta/blockrepl.yaml"
for node in alpha beta; do
    volumes "$node" "      data: { disk: { alpha: $W/alpha/disk.img, beta: $W/beta/disk.img }, size: 64MiB, meta-disk: { alpha: $W/alpha/meta.img, beta: $W/beta/meta.img } }
      more: { disk: { alpha: $W/alpha/more.img, beta: $W/beta/more.img }, size: 32MiB }"
done
start
want "external metadata: the export is as big as the disk" ask alpha '.volumes[0].size_bytes == 67108864'
want "dstate prints a line a volume" prints $'UpToDate/UpToDate\nUpToDate/UpToDate' br alpha dstate "$resource"
check "data into the first volume" fill "$(uri alpha)"
check "data into the second" qemu-io -f raw "nbd+unix:///$resource/more?socket=$W/alpha/run/nbd.sock" -c 'write -P 7 0 4M' -c flush
check "alpha dies" node_kill alpha
check "beta is promoted" promote beta 30
check "the first volume is there" bash -c "nbdcopy '$(uri beta)' '$W/copy' && cmp -n $((6 << 20)) '$W/content' '$W/copy'"
want "the second is there" qemu-io -f raw "nbd+unix:///$resource/more?socket=$W/beta/run/nbd.sock" -c 'read -P 7 0 4M'
check "alpha comes back" node_up alpha
check "alpha is in sync" br beta wait-sync "$resource" --timeout 60s
check "beta becomes Secondary" br beta secondary "$resource"
more=$(ask beta '.volumes[1].size_bytes')
stop_and_compare
want "both disks of the second volume hold the same $more bytes" cmp -n "$more" "$W/alpha/more.img" "$W/beta/more.img"

# --- protocol A, and fencing resource-only ----------------------------------------------------------------------------------

again 64MiB
sed -i 's/protocol: C/protocol: A/; s/fencing: dont-care/fencing: resource-only/' "$W/alpha/blockrepl.yaml" "$W/beta/blockrepl.yaml"
start
check "protocol A: data goes in" fill "$(uri alpha)"
check "alpha becomes Secondary in good order" br alpha secondary "$resource"
check "beta becomes Primary" br beta primary "$resource"
want "what was written is there" bash -c "nbdcopy '$(uri beta)' '$W/copy' && cmp -n $((6 << 20)) '$W/content' '$W/copy'"
check "beta dies" node_kill beta
want "with fencing resource-only a Secondary that lost its peer is Consistent (G6)" await 20 prints Consistent/DUnknown br alpha dstate "$resource"
refuses 17 'Consistent' "and is not promoted without evidence" br alpha primary "$resource"
want "--force does it" br alpha primary "$resource" --force
check "alpha becomes Secondary" br alpha secondary "$resource"

# --- no peer --------------------------------------------------------------------------------------------------------------

again 64MiB
cat >"$W/alpha/blockrepl.yaml" <<YAML
nodes:
  alpha: { address: "127.0.0.1:$alpha_port" }
tls: off
resources:
  $resource:
    volumes:
      data: { disk: $W/alpha/disk.img, size: 64MiB }
YAML
check "a single node: create-md" br alpha create-md "$resource"
check "its daemon starts" node_up alpha
check "primary --force" br alpha primary "$resource" --force
check "data goes in" fill "$(uri alpha)"
check "the node dies" node_kill alpha
check "its daemon starts again" node_up alpha
want "it is UpToDate" prints UpToDate br alpha dstate "$resource"
check "primary" br alpha primary "$resource"
want "what was flushed is there (G1)" bash -c "nbdcopy '$(uri alpha)' '$W/copy' && cmp -n $((6 << 20)) '$W/content' '$W/copy'"
check "its daemon ends on SIGTERM" node_down alpha
finish
