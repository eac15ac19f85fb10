#!/bin/bash
# kernel-nbd - the kernel's own NBD client works with an export: ext4 and xfs from a User-Mode-Linux guest on a
# replicated volume, then both disks compared (G5). The guest reaches the daemon's unix socket over a relay on a tap.
# time-limit: 360 seconds
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
# In a process group of its own, so that the relays of a guest that is gone can be ended with it.
relay() {
    setsid socat "TCP-LISTEN:10809,bind=$net.1,fork,reuseaddr,nodelay" "UNIX-CONNECT:$socket" 2>>"$W/socat.log" &
    relay=$!
}
relay
# shellcheck disable=SC2016 # the one that runs then
at_exit 'kill -- "-$relay"'
listening() { [[ -n $(ss -Hltn "src $net.1:10809") ]]; }
check "the relay listens" await 10 listening

# What is on its way, and where: bytes that wait in a socket are a reader that stands still; none at all, with a guest that waits, are a request or an answer that was lost.
sockets() {
    note "the guest's connections (received and unread, sent and not acknowledged):"
    { ss -Htnoi "src $net.1"; ss -Hxn | grep -F "$socket"; } | sed 's/^/#   /' || true
    if [[ $export == "$resource/$volume" ]]; then br alpha status "$resource" | sed 's/^/#   /' || true; fi
}

# Data that the guest has not acknowledged, sent again at least five times.
deaf() { ss -Htnoi "src $net.1" | grep -qE 'backoff:([5-9]|[1-9][0-9])'; }
unused() { [[ $(ask alpha '.volumes[0].clients') == 0 ]]; }

export GUEST_HOST=$net.1 GUEST_PORT=10809 GUEST_EXPORT=$export GUEST_CONNECTIONS=2 GUEST_FILESYSTEM
for GUEST_FILESYSTEM in ext4 xfs; do
    for try in 1 2; do
        mkdir "$W/$GUEST_FILESYSTEM-$try"
        rc=0
        "$e2e_dir/uml/guest" "$W/$GUEST_FILESYSTEM-$try" "$tap" "$net.2/30" 90 "$e2e_dir/uml/kernel-client" \
            >"$W/guest.out" || rc=$?
        if ((rc == 0)); then break; fi
        sockets
        # The guest's own network card has stopped taking packets: what it was sent is sent again and again, and never acknowledged. That says nothing about the export.
        if ((try == 2 || rc != 124)) || grep -q '^not ok ' "$W/guest.out" || ! deaf; then break; fi
        note "$GUEST_FILESYSTEM: the guest's network card stands still (seen twice in some 60 runs); another guest is tried"
        kill -- "-$relay"
        check "the relay ends" await 10 gone "$relay"
        if (($# != 2)); then check "the dead guest's connections end" await 30 unused; fi
        relay
        check "the relay listens again" await 10 listening
    done
    cat "$W/guest.out"
    if grep -q '^not ok ' "$W/guest.out"; then failed=1
    elif ((rc)); then not_ok "$GUEST_FILESYSTEM: the guest ended well (it ended with $rc)"; fi
done

if (($# != 2)); then
    check "alpha becomes Secondary" br alpha secondary "$resource"
    stop_and_compare
fi
finish
