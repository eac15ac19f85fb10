#!/bin/bash
# fencing - a fence-peer handler between two real daemons, which speaks to the other node as a person's ssh would: frozen I/O, promotion
# on evidence, the peer's return, a person's way out, and snapshots of both disks while I/O is suspended (G6, G13, I19).
# time-limit: 240 seconds
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$(readlink -f -- "$0")")/lib.sh"
begin fencing
need jq qemu-io cmp

prints() { local wanted=$1; shift; [[ $("$@") == "$wanted" ]] || { "$@"; return 1; }; }
write() { qemu-io -f raw "$(uri "$1")" -c "write -P $2 $3 $4" -c flush; }
reads() { qemu-io -f raw "$(uri "$1")" -c "read -P $2 $3 $4"; }
called() { grep -q "^$1\$" "$W/$2.calls"; }
held() { ask "$1" '.suspended | index("fencing") != null'; }
free() { ask "$1" '.suspended == []'; }

# The handler: what "ssh PEER blockrepl outdate RES" says is mapped to DRBD's codes; a peer without a daemon counts as shot.
cat >"$W/fence-peer" <<HANDLER
#!/bin/sh
echo "fence \$DRBD_PEER" >>"$W/\$BLOCKREPL_NODE.calls"
[ ! -e "$W/broken" ] || exit 1
peer=\$DRBD_PEER
export BLOCKREPL_CONFIG=$W/\$peer/blockrepl.yaml BLOCKREPL_NODE=\$peer BLOCKREPL_RUN_DIR=$W/\$peer/run
for try in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
    rc=0
    "$blockrepl" outdate "\$DRBD_RESOURCE" || rc=\$?
    echo "outdate on \$peer answered \$rc"
    case \$rc in
        0) exit 4 ;;
        17) exit 3 ;;
        10) exit 7 ;;
        11) [ "\$("$blockrepl" role "\$DRBD_RESOURCE")" != Primary ] || exit 6; sleep 1 ;;  # it has not noticed the loss itself yet
        *) exit 1 ;;
    esac
done
exit 1
HANDLER
cat >"$W/unfence-peer" <<HANDLER
#!/bin/sh
echo "unfence \$DRBD_PEER" >>"$W/\$BLOCKREPL_NODE.calls"
HANDLER
chmod 755 "$W/fence-peer" "$W/unfence-peer"
touch "$W/alpha.calls" "$W/beta.calls"

cluster 64MiB "handlers: { fence-peer: \"$W/fence-peer\", unfence-peer: \"$W/unfence-peer\" }" "handler-timeout: 20s"
sed -i 's/fencing: dont-care/fencing: resource-and-stonith/' "$W/alpha/blockrepl.yaml" "$W/beta/blockrepl.yaml"

# alpha dials beta: between them stands a relay that can stall.
read -r relay_port < <(free_ports 1)
"$python" "$e2e_dir/relay.py" "$relay_port" "$beta_port" >"$W/relay.log" 2>&1 &
relay=$!
disown "$relay"
at_exit "kill -9 $relay"
check "a relay stands between the nodes" await 10 grep -q ready "$W/relay.log"
sed -i "s/127.0.0.1:$beta_port/127.0.0.1:$relay_port/" "$W/alpha/blockrepl.yaml"
check "alpha: create-md" br alpha create-md "$resource"
check "beta: create-md" br beta create-md "$resource"
check "alpha's daemon starts" node_up alpha
check "beta's daemon starts" node_up beta
check "they connect" br alpha wait-connect "$resource" --timeout 30s
check "the disks are known to be equal" br alpha new-current-uuid "$resource" --clear-bitmap
check "alpha becomes Primary" br alpha primary "$resource"
check "a write" write alpha 0x01 0 1M

# --- snapshots while suspended (I19) --------------------------------------------------------------------------------------

qemu-io -f raw "$(uri alpha)" -c "write -P 0x11 1M 8M" -c "write -P 0x12 2M 8M" -c "write -P 0x13 3M 8M" >"$W/load.out" 2>&1 &
load=$!
check "suspend-io under load" br alpha suspend-io "$resource"
bytes=$(exported_bytes alpha)
want "both disks hold the same while suspended" cmp -n "$bytes" "$W/alpha/disk.img" "$W/beta/disk.img"
want "status says who holds I/O" ask alpha '.suspended == ["user"]'
check "resume-io" br alpha resume-io "$resource"
want "the load ends well" wait "$load"

# --- the link is lost: frozen until the peer is outdated ---------------------------------------------------------------------

check "the relay stalls" kill -USR1 "$relay"
check "a write is answered once beta is outdated" write alpha 0x02 1M 1M
want "alpha called its handler for beta" called "fence beta" alpha
want "beta is Outdated" prints Outdated/DUnknown br beta dstate "$resource"
want "alpha knows that" ask alpha '.connections[0].fence == "outdated"'
want "and holds nothing" free alpha
refuses 17 "Outdated" "beta is not promoted" br beta primary "$resource"
check "the relay goes on" kill -USR2 "$relay"
check "they are in sync again" br alpha wait-sync "$resource" --timeout 60s
check "the fence is taken away" await 10 called "unfence beta" alpha
want "alpha cannot be outdated" refuses 11 "Primary" "outdate on the Primary" br alpha outdate "$resource"

# --- a broken handler: frozen until a person says so ---------------------------------------------------------------------------

touch "$W/broken"
check "the relay stalls" kill -USR1 "$relay"
write alpha 0x03 2M 1M >"$W/held.out" 2>&1 &
held=$!
check "alpha freezes, and says how it goes on" await 40 ask alpha '.suspended_details[0].detail // "" | test("resume-io")'
want "the write is held" kill -0 "$held"
check "a person lets it go" br alpha resume-io "$resource"
check "the write is answered" wait "$held"
rm "$W/broken"
check "the relay goes on" kill -USR2 "$relay"
check "they are in sync again" br alpha wait-sync "$resource" --timeout 60s

# --- the Primary dies: the survivor fences it and takes over --------------------------------------------------------------------

check "a last write" write alpha 0x04 3M 1M
check "alpha is killed" node_kill alpha
check "beta takes over when its handler has confirmed" promote beta 40
want "beta called its handler for alpha" called "fence alpha" beta
check "it has the last write" reads beta 0x04 3M 1M
check "it goes on" write beta 0x05 4M 1M
check "alpha comes back" node_up alpha
check "they are in sync" br beta wait-sync "$resource" --timeout 60s
refuses 11 "beta" "alpha is not promoted beside beta" br alpha primary "$resource"
stop_and_compare
finish
