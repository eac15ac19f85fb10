#!/bin/bash
# kernel-nbd - the kernel's own NBD client works with an export: ext4 and xfs from a User-Mode-Linux guest on a
# replicated volume, then both disks compared (G5). The guest reaches the daemon's unix socket over a relay on a tap.
# time-limit: 240 seconds
#
# usage: kernel-nbd.sh [SOCKET EXPORT]    with a socket: on that NBD server instead of a cluster of its own
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$(readlink -f -- "$0")")/lib.sh"
begin uml
need_root
need linux.uml nbd-client ip socat ss mkfs.ext4 mkfs.xfs busybox modprobe

if (($# == 2)); then
    socket=$1 export=$2
else
    both_up 512MiB
    socket=$W/alpha/run/nbd.sock export=$resource/$volume
fi

# A tap with a subnet that no interface of this machine has.
tap=brt$$
for ((n = 0; n < 50; n++)); do
    net=10.$((200 + RANDOM % 50)).$((RANDOM % 250))
    [[ $(ip -4 -o addr show) == *" $net."* ]] || break
done
ip tuntap add dev "$tap" mode tap
at_exit "ip link delete $tap"
ip addr add "$net.1/30" dev "$tap"
ip link set "$tap" up
socat "TCP-LISTEN:10809,bind=$net.1,fork,reuseaddr,nodelay" "UNIX-CONNECT:$socket" 2>"$W/socat.log" &
at_exit "kill $!"
listening() { [[ -n $(ss -Hltn "src $net.1:10809") ]]; }
check "the relay listens" await 10 listening

# What is on its way, and where: bytes that wait in a socket are a reader that stands still; none at all, with a guest that waits, are a request or an answer that was lost.
sockets() {
    note "the guest's connections (received and unread, sent and not acknowledged):"
    { ss -Htnoi "src $net.1"; ss -Hxn | grep -F "$socket"; } | sed 's/^/#   /' || true
    if [[ $export == "$resource/$volume" ]]; then br alpha status "$resource" | sed 's/^/#   /' || true; fi
}

export GUEST_HOST=$net.1 GUEST_PORT=10809 GUEST_EXPORT=$export GUEST_CONNECTIONS=2 GUEST_FILESYSTEM
for GUEST_FILESYSTEM in ext4 xfs; do
    mkdir "$W/$GUEST_FILESYSTEM"
    rc=0
    "$e2e_dir/uml/guest" "$W/$GUEST_FILESYSTEM" "$tap" "$net.2/30" 90 "$e2e_dir/uml/kernel-client" \
        >"$W/guest.out" || rc=$?
    cat "$W/guest.out"
    if ((rc)); then sockets; fi
    if grep -q '^not ok ' "$W/guest.out"; then failed=1
    elif ((rc)); then not_ok "$GUEST_FILESYSTEM: the guest ended well (it ended with $rc)"; fi
done

if (($# != 2)); then
    check "alpha becomes Secondary" br alpha secondary "$resource"
    stop_and_compare
fi
finish
