#!/bin/bash
# bad-input - what is wrong is refused with a clear error, and nothing is lost: configuration, certificates, names, a second
# daemon, disks that shrank, damaged metadata, sizes that differ, full disks, and garbage on every socket (G10, G11, G14).
# time-limit: 240 seconds
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$(readlink -f -- "$0")")/lib.sh"
begin bad
need_root      # a tmpfs of limited size stands for a full disk
need jq nbdinfo nbdcopy socat cmp

log_says() { grep -qiE -- "$2" "$W/$1/daemon.log"; }

# with_file NODE FILE VERB... - the command with another configuration file.
with_file() {
    local node=$1 file=$2
    shift 2
    BLOCKREPL_CONFIG=$file BLOCKREPL_NODE=$node BLOCKREPL_RUN_DIR=$W/$node/run timeout 30 "$blockrepl" "$@"
}

# ends_itself NODE FILE RUNDIR PATTERN - a daemon that must not start: it ends by itself, not with 0, and says why.
ends_itself() {
    local rc=0
    BLOCKREPL_CONFIG=$2 BLOCKREPL_NODE=$1 BLOCKREPL_RUN_DIR=$3 timeout -k 5 20 "$blockrepl" daemon </dev/null || rc=$?
    echo "exit status $rc"
    ((rc != 0 && rc != 124 && rc != 137)) && grep -qiE -- "$4" "$W/check.out"
}

# fresh SIZE [line...] - a cluster in its own place: what the last one left is stopped and removed.
fresh() {
    local node
    for node in alpha beta; do
        if [[ -n ${node_pid[$node]:-} ]] && ! gone "${node_pid[$node]}"; then node_down "$node"; fi
        rm -rf -- "${W:?}/$node"
    done
    rm -rf -- "$W/tls"
    cluster "$@"
}
made() {
    check "alpha: create-md" br alpha create-md "$resource"
    check "beta: create-md" br beta create-md "$resource"
}

# --- configuration and command line ----------------------------------------------------------------------------------

fresh 64MiB
good=$W/alpha/blockrepl.yaml
bad=$W/bad.yaml
sed 's/protocol: C/protocl: C/' "$good" >"$bad"
refuses 10 'bad\.yaml:[0-9]+:[0-9]+.*protocl' "an unknown key is refused with its place" with_file alpha "$bad" create-md "$resource"
sed 's/size: 64MiB/size: 64MBytes/' "$good" >"$bad"
refuses 10 'bad\.yaml:[0-9]+:[0-9]+' "a wrong unit is refused with its place" with_file alpha "$bad" create-md "$resource"
sed 's/protocol: C/protocol: D/' "$good" >"$bad"
refuses 10 'bad\.yaml:[0-9]+:[0-9]+' "an unknown protocol is refused with its place" with_file alpha "$bad" create-md "$resource"
sed 's/beta: /gamma: /2; s/, beta: /, gamma: /' "$good" >"$bad"
refuses 10 'bad\.yaml:[0-9]+:[0-9]+.*gamma' "a disk of a node that does not exist is refused with its place" with_file alpha "$bad" create-md "$resource"
printf 'nodes: [unfinished\n' >"$bad"
refuses 10 'bad\.yaml' "what is no YAML is refused" with_file alpha "$bad" create-md "$resource"
refuses 10 'nowhere\.yaml' "a file that is not there is refused by name" with_file alpha "$W/nowhere.yaml" create-md "$resource"
refuses 10 'gamma' "a node that the file does not name is refused" with_file gamma "$good" create-md "$resource"
want "a daemon with a bad configuration ends at once" ends_itself alpha "$bad" "$W/alpha/run" 'bad\.yaml'
refuses 10 'daemon|socket|reach' "no daemon: status answers 10" br alpha status
refuses 2 '.' "an unknown verb is a usage error" br alpha no-such-verb
refuses 2 '.' "a resource is asked for" br alpha primary
refuses 10 'nosuch' "an unknown resource is refused by name" br alpha create-md nosuch

# --- metadata that is there already, data where it would go -----------------------------------------------------------

made
refuses 11 'metadata' "create-md over metadata is refused" br alpha create-md "$resource"
want "create-md --force goes over it" br alpha create-md "$resource" --force
fresh 64MiB
mkdir -p "$W/alpha"
dd if=/dev/urandom of="$W/alpha/disk.img" bs=1M count=64 status=none
sha256sum "$W/alpha/disk.img" >"$W/sum"
refuses 11 'data|force' "create-md over data where internal metadata would go is refused" br alpha create-md "$resource"
want "... and the disk is untouched" sha256sum --quiet -c "$W/sum"

# --- strangers -------------------------------------------------------------------------------------------------------

fresh 64MiB
made
check "certs init of another cluster" timeout 60 "$blockrepl" certs init --dir "$W/other"
check "certs node beta of another cluster" timeout 60 "$blockrepl" certs node beta --dir "$W/other"
check "certs node gamma of this cluster" timeout 60 "$blockrepl" certs node gamma --dir "$W/tls"
refuses 11 'exist|overwrit' "no key is overwritten: init" timeout 60 "$blockrepl" certs init --dir "$W/tls"
refuses 11 'exist|overwrit' "no key is overwritten: node" timeout 60 "$blockrepl" certs node beta --dir "$W/tls"
cp "$W/beta/blockrepl.yaml" "$W/beta.good"
check "alpha's daemon starts" node_up alpha
sed -i "s#$W/tls/beta\\.#$W/other/beta.#g" "$W/beta/blockrepl.yaml"
check "a beta with another cluster's certificate starts" node_up beta
refused_by() { log_says alpha "$1" || log_says beta "$1"; }
check "the log says why it is not let in (G14)" await 20 refused_by 'certificate|tls|handshake'
refuses 5 '.' "it does not connect" br alpha wait-connect "$resource" --timeout 2s
check "it ends on SIGTERM" node_down beta
sed "s#$W/tls/beta\\.#$W/tls/gamma.#g" "$W/beta.good" >"$W/beta/blockrepl.yaml"
: >"$W/alpha/daemon.log"; : >"$W/beta/daemon.log"
check "a beta with another node's certificate starts" node_up beta
check "the log names the certificate's node (G14)" await 20 refused_by 'gamma'
refuses 5 '.' "it does not connect" br alpha wait-connect "$resource" --timeout 2s
check "it ends on SIGTERM" node_down beta
cp "$W/beta.good" "$W/beta/blockrepl.yaml"
check "beta with its own certificate starts" node_up beta
check "and is let in" br alpha wait-connect "$resource" --timeout 30s
check "primary --force" br alpha primary "$resource" --force
check "the sync ends" br alpha wait-sync "$resource" --timeout 60s

# --- garbage on every socket -----------------------------------------------------------------------------------------

garbage() { head -c 300000 /dev/urandom | timeout 25 socat -u -t 1 - "$1" || true; }
endless_zeroes() { head -c 40000000 /dev/zero | timeout 25 socat -u -t 1 - "$1" || true; }
for target in "TCP:127.0.0.1:$alpha_port" "TCP:127.0.0.1:$beta_port" "UNIX-CONNECT:$W/alpha/run/nbd.sock" "UNIX-CONNECT:$W/alpha/run/control.sock"; do
    name=${target/"$W/"/}; name=${name/$alpha_port/alpha}; name=${name/$beta_port/beta}
    garbage "$target" 2>/dev/null
    endless_zeroes "$target" 2>/dev/null
    want "garbage into $name: the nodes stay in sync (G14)" in_sync alpha
done
want "the export still answers" nbdinfo --size "$(uri alpha)"
small() { (($(awk '/VmRSS/ { print $2 }' "/proc/${node_pid[alpha]}/status") < 400000)); }
want "alpha's memory stays under 400 MB (G12)" small

# --- a second daemon -------------------------------------------------------------------------------------------------

want "a second daemon on the same run directory ends at once" ends_itself alpha "$good" "$W/alpha/run" 'run|daemon|lock'
read -r other_port < <(free_ports 1)
sed "s/127.0.0.1:$alpha_port/127.0.0.1:$other_port/" "$good" >"$W/second.yaml"
mkdir -p "$W/second"
want "a second daemon on the same disk ends at once" ends_itself alpha "$W/second.yaml" "$W/second" 'disk\.img|in use|lock'
want "the first daemon is left alone" in_sync alpha
refuses 11 'daemon|in use|lock' "create-md on a disk in use is refused" br alpha create-md "$resource" --force

# --- disks and metadata that changed while nobody looked ---------------------------------------------------------------

external() {
    local node
    fresh 64MiB
    for node in alpha beta; do
        sed -i "s#, size: 64MiB#, size: 64MiB, meta-disk: { alpha: $W/alpha/meta.img, beta: $W/beta/meta.img }#" "$W/$node/blockrepl.yaml"
    done
    made
    check "both start" node_up alpha
    check "both start" node_up beta
    check "primary --force" br alpha primary "$resource" --force
    check "the sync ends" br alpha wait-sync "$resource" --timeout 60s
    head -c 4M /dev/urandom >"$W/content"
    check "data on the volume" nbdcopy --flush "$W/content" "$(uri alpha)"
    check "alpha stops" node_down alpha
    cp "$W/alpha/meta.img" "$W/meta.good"
}
# not_served - alpha's daemon either refused to start or runs without this disk; and it says why.
not_served() {
    node_up alpha || true
    local served=
    if ! gone "${node_pid[alpha]}"; then
        if ask alpha '.volumes | any(.disk_state == "UpToDate" or .disk_state == "Consistent" or .disk_state == "Inconsistent")'; then served=1; fi
        node_down alpha
    fi
    tail -n 15 "$W/alpha/daemon.log"
    [[ -z $served ]] && log_says alpha "$1"
}
external
sha256sum "$W/alpha/disk.img" >"$W/sum"
check "damage superblock copy 0" "$python" "$e2e_dir/superblock.py" "$W/alpha/meta.img" damage 0
: >"$W/alpha/daemon.log"
check "one bad copy of the metadata: alpha starts from the other (G10)" node_up alpha
want "... and says so" log_says alpha 'checksum|crc|superblock|copy'
check "... and is in sync" br alpha wait-sync "$resource" --timeout 60s
check "alpha stops" node_down alpha
cp "$W/meta.good" "$W/alpha/meta.img"
check "damage both copies" "$python" "$e2e_dir/superblock.py" "$W/alpha/meta.img" damage 0 1
: >"$W/alpha/daemon.log"
want "both copies bad: the disk is not served, and the log says why (G10)" not_served 'metadata|superblock|checksum|crc'
cp "$W/meta.good" "$W/alpha/meta.img"
check "a format version from the future" "$python" "$e2e_dir/superblock.py" "$W/alpha/meta.img" version 4711
: >"$W/alpha/daemon.log"
want "unknown metadata version: the disk is not served, and the log names it (G15)" not_served '4711'
cp "$W/meta.good" "$W/alpha/meta.img"
truncate -s 63M "$W/alpha/disk.img"
: >"$W/alpha/daemon.log"
want "a disk smaller than its metadata says is not served" not_served 'small|shrunk|size'
want "... nor cut or grown" test "$(stat -c %s "$W/alpha/disk.img")" = $((63 << 20))
truncate -s 64M "$W/alpha/disk.img"
: >"$W/alpha/daemon.log"
check "with its size back alpha starts" node_up alpha
check "and is in sync, with what was written" br alpha wait-sync "$resource" --timeout 60s

# --- sizes that differ -----------------------------------------------------------------------------------------------

fresh 64MiB
sed -i 's/size: 64MiB/size: 48MiB/' "$W/beta/blockrepl.yaml"
made
check "alpha, 64 MiB, starts" node_up alpha
check "beta, 48 MiB, starts" node_up beta
check "they connect" br alpha wait-connect "$resource" --timeout 30s
check "primary --force" br alpha primary "$resource" --force
check "the sync ends" br alpha wait-sync "$resource" --timeout 60s
smaller() { local a b; a=$(exported_bytes alpha); b=$(exported_bytes beta); echo "$a $b"; ((a == b && a <= 48 << 20 && a > 40 << 20)); }
want "the pair serves the smaller" smaller
want "the export's size is that" test "$(nbdinfo --size "$(uri alpha)")" = "$(exported_bytes alpha)"
check "alpha becomes Secondary" br alpha secondary "$resource"
stop_and_compare

# --- full disks ------------------------------------------------------------------------------------------------------

# full NODE - the disk of NODE lies on a file system that is full after some 20 MiB; the other's has room.
full() {
    fresh 64MiB
    mkdir -p "$W/$1/small"
    mount -t tmpfs -o size=24m tmpfs "$W/$1/small"
    at_exit "umount -l '$W/$1/small'"
    sed -i "s#$W/$1/disk.img#$W/$1/small/disk.img#" "$W/alpha/blockrepl.yaml" "$W/beta/blockrepl.yaml"
    made
    check "alpha's daemon starts" node_up alpha
    check "beta's daemon starts" node_up beta
    check "they connect" br alpha wait-connect "$resource" --timeout 30s
    # Nothing is on either disk: no need to fill them by a full sync.
    check "the disks are known to be equal" br alpha new-current-uuid "$resource" --clear-bitmap
    check "alpha becomes Primary" br alpha primary "$resource"
}
for node in beta alpha; do
    full "$node"
    "$python" "$e2e_dir/fill.py" "$(uri alpha)" "$W/fill.model" >"$W/fill.out" 2>&1 || true
    cat "$W/fill.out"
    want "the disk of $node is full: the log says so" await 10 log_says "$node" 'no space|ENOSPC|full'
    if [[ $node == beta ]]; then want "the primary goes on without it (G11)" grep -q '^ok - every write was answered with success' "$W/fill.out"; fi
    if grep -q '^not ok' "$W/fill.out"; then failed=1; elif ! grep -q '^ok' "$W/fill.out"; then not_ok "fill.py"; fi
    check "alpha's daemon still answers" br alpha status
    if [[ $node == beta ]]; then
        check "the disk of beta gets room" mount -o remount,size=100m "$W/beta/small"
        check "up takes it back" br beta up "$resource"
        check "and resyncs what it missed" br beta wait-sync "$resource" --timeout 60s
    fi
    umount -l "$W/$node/small"
done

for node in alpha beta; do
    if ! gone "${node_pid[$node]}"; then kill -KILL "${node_pid[$node]}"; fi
done
finish
