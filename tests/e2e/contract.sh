#!/bin/bash
# contract - what scripts of others rely on: verbs, exit codes, idempotence, JSON keys, events, time-outs, the place of data on
# the disk, orderly stops that leave nothing to resync.
# time-limit: 180 seconds
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$(readlink -f -- "$0")")/lib.sh"
begin contract
need jq nbdinfo nbdcopy qemu-io cmp

# two_lines CODE PATTERN TEXT COMMAND... - a refusal: what and why on one line of stderr, what would help on the next.
two_lines() {
    refuses "$@"
    shift 2
    want "... in two lines" test "$(wc -l <"$W/refuses.err")" = 2
}
prints() { local wanted=$1; shift; [[ $("$@") == "$wanted" ]] || { "$@"; return 1; }; }

# --- without a daemon -------------------------------------------------------------------------------------------------

cluster 64MiB
refuses 2 '.' "an unknown verb is a usage error without a daemon" br alpha no-such-verb
refuses 2 '.' "an unknown option is one" br alpha status --no-such-option
refuses 2 '.' "a missing resource is one" br alpha primary
refuses 2 'time' "a time that is none is one" br alpha wait-sync "$resource" --timeout soon
for verb in "status" "status --json" "role $resource" "dstate $resource" "cstate $resource" "up $resource" "primary $resource" \
    "wait-connect $resource --timeout 1s" "events --now"; do
    # shellcheck disable=SC2086
    refuses 10 'daemon|socket|reach' "no daemon: $verb answers 10" br alpha $verb
done
rm -f "$W/alpha/disk.img"
check "create-md creates a missing file, options before the verb" env -i PATH="$PATH" HOME="$W" \
    "$blockrepl" --config "$W/alpha/blockrepl.yaml" --node alpha create-md "$resource"
want "the file has the configured size" test "$(stat -c %s "$W/alpha/disk.img")" = $((64 << 20))
want "the file is sparse" test "$(stat -c %b "$W/alpha/disk.img")" -lt 32768
two_lines 11 'metadata' "create-md over metadata is refused, options after the verb" env -i PATH="$PATH" HOME="$W" \
    "$blockrepl" create-md "$resource" --node alpha --config "$W/alpha/blockrepl.yaml"
want "create-md --force does it" br alpha create-md "$resource" --force
check "beta: create-md" br beta create-md "$resource"
want "certs: the CA and its key" test -s "$W/tls/ca.pem" -a -s "$W/tls/ca.key"
want "certs: a node's certificate and key" test -s "$W/tls/alpha.pem" -a -s "$W/tls/alpha.key"
want "certs: nobody else may read the keys" test "$(stat -c %a "$W/tls/ca.key" "$W/tls/alpha.key" | sort -u)" = 600

# --- fresh nodes -------------------------------------------------------------------------------------------------------

check "a daemon with --no-up starts" node_up alpha --no-up
want "its resource is down" prints Diskless/DUnknown br alpha dstate "$resource"
want "status --json lists the configured peer and volume all the same" ask alpha \
    '.connections[0].peer == "beta" and .connections[0].volumes[0].name == "data" and .volumes[0].name == "data"'
refuses 16 '.' "a Primary needs a disk" br alpha primary "$resource"
want "up" br alpha up "$resource"
want "up again" br alpha up "$resource"
check "beta's daemon starts and brings its resource up" node_up beta
check "they connect" br beta wait-connect "$resource" --timeout 30s
want "fresh nodes are Inconsistent on both sides" await 5 prints Inconsistent/Inconsistent br alpha dstate "$resource"
want "and Secondary" prints Secondary br alpha role "$resource"
want "and Connected" prints Connected br alpha cstate "$resource"
two_lines 17 'Inconsistent' "without UpToDate data: primary answers 17" br alpha primary "$resource"
check "new-current-uuid --clear-bitmap" br alpha new-current-uuid "$resource" --clear-bitmap
want "makes alpha UpToDate on both sides" await 5 prints UpToDate/UpToDate br alpha dstate "$resource"
want "makes beta UpToDate on both sides" await 5 prints UpToDate/UpToDate br beta dstate "$resource"
want "without a resync" test "$(ask alpha '.connections[0].volumes[0].out_of_sync_bytes == 0')" = true
two_lines 11 '.' "a second time it is refused" br alpha new-current-uuid "$resource" --clear-bitmap

# --- roles -------------------------------------------------------------------------------------------------------------

check "primary" br alpha primary "$resource"
want "primary again" br alpha primary "$resource"
want "role" prints Primary br alpha role "$resource"
two_lines 11 'alpha is Primary' "primary beside a Primary" br beta primary "$resource"
two_lines 11 'Primary' "connect --discard-my-data on a Primary" br alpha connect "$resource" --discard-my-data
refuses 10 'nosuch' "an unknown resource is refused by name" br alpha primary nosuch
keys() {
    ask alpha '(has("name") and has("role") and has("suspended") and has("volumes") and has("connections"))
        and (.suspended | type == "array")
        and (.volumes | all(has("name") and has("disk_state") and has("size_bytes") and has("read_bytes") and has("written_bytes")))
        and (.connections | all(has("peer") and has("connection_state") and has("peer_role")
            and (.volumes | all(has("name") and has("replication_state") and has("peer_disk_state") and has("out_of_sync_bytes")
                and has("resync_percent") and has("resync_eta_seconds")))))'
}
want "status --json has the keys that scripts read" keys
want "status --json says what is so" ask alpha '.role == "Primary" and .connections[0].peer_role == "Secondary"
    and .connections[0].connection_state == "Connected" and .connections[0].volumes[0].replication_state == "Established"'
present() { br alpha events --now --json >"$W/now" && test -s "$W/now" && while read -r line; do jq -e . <<<"$line" || return 1; done <"$W/now"; }
want "events --now --json prints the present, a JSON document a line" present
refuses 5 '.' "wait-primary gives up with 5" br beta wait-primary "$resource" --timeout 1s

# --- data --------------------------------------------------------------------------------------------------------------

head -c 8M /dev/urandom >"$W/content"
check "data goes in" nbdcopy --flush "$W/content" "$(uri alpha)"
want "what was flushed is in place at offset 0 of alpha's disk" cmp -n $((8 << 20)) "$W/content" "$W/alpha/disk.img"
want "and of beta's" cmp -n $((8 << 20)) "$W/content" "$W/beta/disk.img"
check "a block is trimmed" qemu-io -f raw "$(uri alpha)" -c 'discard 1M 1M' -c 'flush'
zeroes() { cmp -i $((1 << 20)):0 -n $((1 << 20)) "$1" /dev/zero; }
want "it reads as zeroes" qemu-io -f raw "$(uri alpha)" -c 'read -P 0 1M 1M'
want "it is zeroes on alpha's disk" zeroes "$W/alpha/disk.img"
want "it is zeroes on beta's disk" zeroes "$W/beta/disk.img"
want "the counters count" ask alpha '.volumes[0].written_bytes >= 8388608 and .volumes[0].read_bytes >= 1048576'

# --- clients stand in the way of a demotion ----------------------------------------------------------------------------

"$python" -c 'import nbd, sys; h = nbd.NBD(); h.connect_uri(sys.argv[1]); print("in", flush=True); sys.stdin.read()' "$(uri alpha)" \
    < <(exec sleep 300) >"$W/client" 2>&1 &
client=$!
at_exit "kill -9 $client"
check "a client is in" await 10 grep -q in "$W/client"
two_lines 11 'client' "secondary under a client is refused" br alpha secondary "$resource"
two_lines 11 'client' "down under a client is refused" br alpha down "$resource"
want "and it is Primary still" prints Primary br alpha role "$resource"
want "secondary --force ends the client" br alpha secondary "$resource" --force
want "secondary again" br alpha secondary "$resource"
kill "$client" 2>/dev/null || true
wait "$client" 2>/dev/null || true

# --- events ------------------------------------------------------------------------------------------------------------

BLOCKREPL_CONFIG=$W/alpha/blockrepl.yaml BLOCKREPL_NODE=alpha BLOCKREPL_RUN_DIR=$W/alpha/run \
    "$blockrepl" events --json >"$W/events" 2>&1 &
events=$!
at_exit "kill -9 $events"
check "events starts with the present" await 10 grep -q '"data"' "$W/events"
check "primary on beta" br beta primary "$resource"
want "alpha's events tell that its peer is Primary" await 10 grep -q '"connection".*"role": *"Primary"' "$W/events"
check "wait-primary answers at once" br beta wait-primary "$resource" --timeout 10s
check "beta: secondary" br beta secondary "$resource"
kill "$events"
wait "$events" 2>/dev/null || true

# --- connect, disconnect, down, up -------------------------------------------------------------------------------------

for node in alpha beta; do
    want "$node: connect while connected" br "$node" connect "$resource"
done
want "disconnect" br beta disconnect "$resource"
want "disconnect again" br beta disconnect "$resource"
want "cstate says StandAlone" prints StandAlone br beta cstate "$resource"
refuses 5 '.' "wait-connect gives up with 5" br beta wait-connect "$resource" --timeout 1s
refuses 5 '.' "wait-sync gives up with 5" br alpha wait-sync "$resource" --timeout 1s
want "with fencing dont-care the data stays UpToDate" prints UpToDate/DUnknown br beta dstate "$resource"
want "connect" br beta connect "$resource"
want "connect again" br beta connect "$resource"
check "they are in sync" br beta wait-sync "$resource" --timeout 30s
want "down" br beta down "$resource"
want "down again" br beta down "$resource"
want "dstate says Diskless" prints Diskless/DUnknown br beta dstate "$resource"
refuses 11 'metadata' "create-md after down finds the metadata" br beta create-md "$resource"
want "up" br beta up "$resource"
check "they are in sync" br beta wait-sync "$resource" --timeout 30s

# --- an orderly stop leaves nothing to resync (hard part 6) --------------------------------------------------------------

check "primary" br alpha primary "$resource"
check "writes, the last of them without a flush" qemu-io -f raw -t writeback "$(uri alpha)" -c 'write -P 0x5a 3M 1M' -c 'write -P 0x5b 30M 4k'
check "alpha's daemon ends on SIGTERM, with 0" node_down alpha
check "beta goes on as it was" await 10 prints UpToDate/DUnknown br beta dstate "$resource"
check "beta's daemon ends on SIGTERM, with 0" node_down beta
: >"$W/alpha/daemon.log"; : >"$W/beta/daemon.log"
check "alpha's daemon starts" node_up alpha
check "beta's daemon starts" node_up beta
check "they are in sync" br alpha wait-sync "$resource" --timeout 30s
want "nothing was resynced" bash -c '! grep -E "resync (begins|done)" "$@"' - "$W/alpha/daemon.log" "$W/beta/daemon.log"
stop_and_compare
finish
