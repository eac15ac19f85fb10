#!/bin/bash
# kill-loop - kill -9 of the primary, the secondary or both at random moments of a write load, again and again: after each
# recovery or promotion every acknowledged write is readable, and at the end both disks are equal (G1, G2, G5, G8, G9).
# time-limit: 240 seconds
#
# usage: [SEED=n] [ROUNDS=n] kill-loop.sh
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$(readlink -f -- "$0")")/lib.sh"
begin kill
need jq cmp

seed=${SEED:-$((RANDOM * 32768 + RANDOM))} rounds=${ROUNDS:-10}
note "to repeat: SEED=$seed ROUNDS=$rounds tests/e2e/kill-loop.sh"
RANDOM=$((seed % 32768))
model=$W/model

# load NODE OPERATIONS [KILL_AFTER NODE...] - 0 also where the server was killed; 1 where a living server refused a change.
load() {
    local node=$1 operations=$2 after=${3:-0} pids=() victim
    shift; shift; shift || true
    for victim in "$@"; do pids+=("${node_pid[$victim]}"); done
    "$python" "$e2e_dir/kill-load.py" load "$(uri "$node")" "$model" "$RANDOM" "$operations" "$after" "${pids[@]}" >"$W/load.out" 2>&1 ||
        { cat "$W/load.out"; return 1; }
    grep '^#' "$W/load.out" >>"$W/loads"
    for victim in "$@"; do await 10 gone "${node_pid[$victim]}" || return 1; done
}
readable() { "$python" "$e2e_dir/kill-load.py" verify "$(uri "$1")" "$model"; }
# What both disks hold, while both daemons have them: in sync and idle, so nothing changes (G5).
same_bytes() { cmp -n "$(exported_bytes alpha)" "$W/alpha/disk.img" "$W/beta/disk.img"; }
other() { if [[ $1 == alpha ]]; then echo beta; else echo alpha; fi; }

# One node with direct I/O and one through the page cache, and roles that change: each kind of disk is Primary, Secondary, source and target.
IO='{ alpha: direct, beta: buffered }' both_up 64MiB
want "alpha's disk is direct, beta's buffered" ask alpha '.volumes[0].io == "direct"'
want "alpha's disk is direct, beta's buffered" ask beta '.volumes[0].io == "buffered"'
primary=alpha
: >"$W/loads"
for ((round = 1; round <= rounds; round++)); do
    secondary=$(other "$primary")
    after=$((100 + RANDOM % 2500))
    # The first rounds take each kind once, so that every run has seen all of them.
    case $((round <= 8 ? round - 1 : RANDOM % 8)) in
        0)
            what="round $round: the primary ($primary) dies after $after changes"
            check "$what" load "$primary" 100000 "$after" "$primary"
            check "$what; $secondary is promoted" promote "$secondary" 30
            check "$what; every acknowledged change is readable on $secondary (G2)" readable "$secondary"
            check "$what; $secondary works alone" load "$secondary" $((RANDOM % 600))
            check "$what; $primary starts again" node_up "$primary"
            check "$what; $secondary works during the resync (G9)" load "$secondary" 300
            primary=$secondary
            ;;
        1)
            what="round $round: the secondary ($secondary) dies after $after changes"
            check "$what; nothing is refused" load "$primary" $((after + 500)) "$after" "$secondary"
            check "$what; every acknowledged change is readable on $primary" readable "$primary"
            check "$what; $secondary starts again" node_up "$secondary"
            ;;
        2)
            what="round $round: both die after $after changes"
            check "$what" load "$primary" 100000 "$after" "$primary" "$secondary"
            check "$what; both start again" node_up "$secondary"
            check "$what; both start again" node_up "$primary"
            check "$what; they reconnect by themselves" br "$primary" wait-sync "$resource" --timeout 60s
            if ((RANDOM % 2)); then primary=$secondary; fi
            check "$what; $primary is promoted" promote "$primary" 30
            check "$what; every acknowledged change is readable on $primary (G1)" readable "$primary"
            ;;
        3)
            what="round $round: the resync's target ($secondary) dies"
            check "$what: it is away" node_kill "$secondary"
            check "$what: and misses something" load "$primary" 1500
            check "$what: it comes back" node_up "$secondary"
            check "$what: and dies again in the middle" load "$primary" 600 $((RANDOM % 150 + 1)) "$secondary"
            check "$what; it comes back again" node_up "$secondary"
            ;;
        4)
            what="round $round: the resync's source ($primary) dies"
            check "$what: the target is away" node_kill "$secondary"
            check "$what: and misses something" load "$primary" 1500
            check "$what: it comes back" node_up "$secondary"
            check "$what: and the source dies in the middle" load "$primary" 100000 $((RANDOM % 150 + 1)) "$primary"
            check "$what; the source starts again" node_up "$primary"
            check "$what; and is promoted" promote "$primary" 30
            check "$what; every acknowledged change is readable on $primary (G9)" readable "$primary"
            ;;
        5)
            what="round $round: $primary dies, and holds what $secondary never saw"
            check "$what: $secondary is away" node_kill "$secondary"
            check "$what: $primary works and dies" load "$primary" 100000 $((after / 4 + 1)) "$primary"
            check "$what; the stale node starts first" node_up "$secondary"
            check "$what; the other starts" node_up "$primary"
            check "$what; the stale node is overwritten, not the other (G7)" br "$secondary" wait-sync "$resource" --timeout 60s
            if ((RANDOM % 2)); then primary=$secondary; fi
            check "$what; $primary is promoted" promote "$primary" 30
            check "$what; every acknowledged change is readable on $primary" readable "$primary"
            ;;
        6)
            what="round $round: an orderly handover to $secondary"
            check "$what: work" load "$primary" $((RANDOM % 400 + 1))
            check "$what: $primary becomes Secondary" br "$primary" secondary "$resource"
            check "$what: $secondary becomes Primary" br "$secondary" primary "$resource"
            primary=$secondary
            check "$what; every acknowledged change is readable on $primary" readable "$primary"
            check "$what: work" load "$primary" $((RANDOM % 400 + 1))
            ;;
        7)
            what="round $round: $secondary is disconnected and connected under load"
            load "$primary" $((after + 1500)) >"$W/load7" &
            working=$!
            check "$what: disconnect" br "$secondary" disconnect "$resource"
            check "$what: connect" br "$secondary" connect "$resource"
            check "$what: disconnect" br "$primary" disconnect "$resource"
            check "$what: connect" br "$primary" connect "$resource"
            check "$what; nothing is refused" wait "$working"
            check "$what; every acknowledged change is readable on $primary" readable "$primary"
            ;;
    esac
    check "$what; the nodes are in sync again" br "$primary" wait-sync "$resource" --timeout 60s
    check "$what; both disks hold the same bytes (G5)" same_bytes
done
sort "$W/loads" | tail -n 3
check "every acknowledged change is readable" readable "$primary"
check "$primary becomes Secondary" br "$primary" secondary "$resource"
stop_and_compare
finish
