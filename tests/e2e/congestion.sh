#!/bin/bash
# congestion - protocol A over a link that is slower than the application: the Primary pulls ahead, its client never waits for the link, the peer is Outdated
# meanwhile, and catches up by itself; both disks end the same (G5, G6, G12).
# time-limit: 120 seconds
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$(readlink -f -- "$0")")/lib.sh"
begin congestion
need jq cmp

rate=$((2 << 20)) stall_ms=2000
TLS=off cluster 96MiB 'compression: off' 'on-congestion: pull-ahead' 'congestion-fill: 4MiB'
read -r relay_port < <(free_ports 1)
"$python" "$e2e_dir/relay.py" "$relay_port" "$beta_port" "$rate" >"$W/relay.log" 2>&1 &
relay=$!
disown "$relay"
at_exit "kill -9 $relay"
check "a relay stands between the nodes" await 10 grep -q ready "$W/relay.log"
sed -i "s/127.0.0.1:$beta_port/127.0.0.1:$relay_port/" "$W/alpha/blockrepl.yaml"
sed -i 's/^    protocol: C/    protocol: A/' "$W/alpha/blockrepl.yaml" "$W/beta/blockrepl.yaml"
check "alpha: create-md" br alpha create-md "$resource"
check "beta: create-md" br beta create-md "$resource"
check "alpha's daemon starts" node_up alpha
check "beta's daemon starts" node_up beta
check "they connect" br alpha wait-connect "$resource" --timeout 30s
check "the disks are known to be equal" br alpha new-current-uuid "$resource" --clear-bitmap
check "alpha becomes Primary" br alpha primary "$resource"
br alpha events --json >"$W/events" 2>"$W/events.err" &
at_exit "kill $!"
br beta events --json >"$W/events.beta" 2>>"$W/events.err" &
at_exit "kill $!"

load() { "$python" "$e2e_dir/timed-load.py" "$(uri alpha)" 0 $((64 << 20)) 65536 "$1"; }
is_at_most() { awk -v a="$1" -v b="$2" 'BEGIN { exit !(a <= b) }'; }
saw() { grep -q "\"replication\":\"$2\"" "$W/$1"; }

load 64 >"$W/fast.json"
note "over a fast link: $(<"$W/fast.json")"
check "in sync over a fast link" await 30 in_sync alpha
kill -HUP "$relay"
slow() { load 768 >"$W/slow.json"; }
check "48 MiB are written over a link of 2 MiB/s, and read back" slow
note "over the slow link: $(<"$W/slow.json")"
want "no write took longer than $stall_ms ms" is_at_most "$(jq .max_ms "$W/slow.json")" "$stall_ms"
want "the link alone would have needed 24 s" is_at_most "$(jq .seconds "$W/slow.json")" 20
check "alpha pulled ahead" await 20 saw events Ahead
want "what beta misses is on record" ask alpha '.connections[0].volumes[0].out_of_sync_bytes > 1048576'
check "beta stands behind" await 30 saw events.beta Behind
want "and was Outdated meanwhile" await 10 grep -q '"disk":"Outdated"' "$W/events.beta"
kill -HUP "$relay"
check "with the link fast again they are in sync by themselves" await 60 in_sync alpha
check "beta was resynced" saw events.beta SyncTarget
check "it is written to once more" load 16
stop_and_compare
finish
