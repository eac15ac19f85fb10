# shellcheck shell=bash
# lib.sh - what the end-to-end scripts share: their report, their clean-up, and a cluster of two nodes on this machine.
# Sourced, never run. A script sets "set -euo pipefail", sources this, calls "begin NAME" first and "finish" last.
#
# Report (one line a check, counted by tools/check):  ok - TEXT    not ok - TEXT    # detail
# Every wait is for a condition and has a deadline; nothing waits for time to pass.

e2e_dir=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd -- "$e2e_dir/../.." && pwd)
configuration=${BLOCKREPL_CONFIGURATION:-Release}
blockrepl=${BLOCKREPL:-$repo/src/BlockRepl.Cli/bin/$configuration/net10.0/blockrepl}
python=/usr/bin/python3     # Debian's own: the libnbd and gRPC bindings are built for it
export PATH=$PATH:/usr/sbin:/sbin LC_ALL=C.UTF-8

W=              # the script's own directory, removed at the end unless KEEP=1
failed=0 finished='' last_error=''
exit_commands=()

# --- report ------------------------------------------------------------------------------------------------------

ok() { printf 'ok - %s\n' "$*"; }
not_ok() { failed=1; printf 'not ok - %s\n' "$*"; }
note() { local text=$*; printf '# %s\n' "${text//$'\n'/$'\n'# }"; }

# check TEXT COMMAND... - the command's exit status decides; its output is shown where it fails.
check() {
    local text=$1 rc=0
    shift
    "$@" >"$W/check.out" 2>&1 || rc=$?
    if ((rc == 0)); then ok "$text"; return 0; fi
    not_ok "$text"
    note "exit status $rc of: $*"
    tail -n 12 "$W/check.out" | cut -c -300 | sed 's/^/#   /'
    return 1
}

# want TEXT COMMAND... - like check, but the script goes on.
want() { check "$@" || true; }

# refuses CODE PATTERN TEXT COMMAND... - the command must end with CODE and say PATTERN (extended, any case) on stderr.
refuses() {
    local code=$1 pattern=$2 text=$3 rc=0
    shift 3
    "$@" >"$W/refuses.out" 2>"$W/refuses.err" || rc=$?
    if [[ $rc == "$code" ]] && grep -qiE -- "$pattern" "$W/refuses.err"; then ok "$text"; return 0; fi
    not_ok "$text"
    note "wanted exit $code and /$pattern/, got exit $rc and:"
    tail -n 6 "$W/refuses.err" "$W/refuses.out" | cut -c -300 | sed 's/^/#   /'
}

# --- begin, end, clean-up ----------------------------------------------------------------------------------------

# at_exit COMMAND - run at the end, last one first, whatever happened.
at_exit() { exit_commands+=("$*"); }

begin() {
    W=$(mktemp -d "${TMPDIR:-/tmp}/br-$1.XXXXXX")
    chmod 711 "$W"
    set -E
    trap 'last_error="line $LINENO of ${BASH_SOURCE[0]##*/}: $BASH_COMMAND"' ERR
    trap e2e_end EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

e2e_end() {
    local rc=$? n
    trap - EXIT INT TERM HUP ERR
    set +eE
    if [[ -z $finished ]] && ((failed)); then
        note "stopped here: what follows needs what failed"
    elif [[ -z $finished ]]; then
        not_ok "the script reached its end (exit $rc${last_error:+ at $last_error})"
    fi
    if ((failed)); then e2e_show_logs; fi
    for ((n = ${#exit_commands[@]} - 1; n >= 0; n--)); do eval "${exit_commands[n]}" >/dev/null 2>&1; done
    cd /
    if [[ -n ${KEEP:-} ]]; then note "kept $W"; else await 5 rm -rf --one-file-system -- "$W"; fi    # a process that was just killed may leave its last word
    ((failed == 0)) && exit 0
    exit 1
}

e2e_show_logs() {
    local log
    for log in "$W"/*/daemon.log; do
        [[ -s $log ]] || continue
        note "the last lines of ${log#"$W"/}:"
        tail -n 25 "$log" | cut -c -300 | sed 's/^/#   /'
    done
}

finish() { finished=1; exit "$failed"; }

# need COMMAND... - a missing tool is a failure, not a skip.
need() {
    local command missing=()
    for command in "$@"; do command -v "$command" >/dev/null || missing+=("$command"); done
    if ((${#missing[@]})); then
        not_ok "the tools are there"
        note "missing: ${missing[*]}; 'tools/check' installs them"
        finish
    fi
}

need_root() {
    ((EUID == 0)) && return
    not_ok "runs as root"
    note "mounts and loop devices need root; run tools/check as root, or tools/check --fast without"
    finish
}

# --- waiting -----------------------------------------------------------------------------------------------------

# await SECONDS COMMAND... - ask until the command succeeds; 1 when the deadline has passed.
await() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || return 1
        sleep 0.05      # between two questions; the deadline counts, not the number of questions
    done
}

# gone PID - the process has ended. One that nobody has collected yet (a zombie) holds nothing any more and counts as gone.
gone() {
    local stat
    read -r stat 2>/dev/null <"/proc/$1/stat" || return 0
    [[ ${stat##*) } == [ZX]* ]]
}

# end_process PID [SECONDS] - TERM, then KILL after SECONDS (default 5).
end_process() {
    kill -TERM "$1" 2>/dev/null || return 0
    await "${2:-5}" gone "$1" || kill -KILL "$1" 2>/dev/null || true
}

# free_ports N - N TCP ports of 127.0.0.1 that nobody listens on now, below those that the kernel gives to connections by itself:
# a daemon that is started again must get its port back.
free_ports() {
    "$python" - "$1" <<'PYTHON'
import random, socket, sys
held = []
while len(held) < int(sys.argv[1]):
    s = socket.socket()
    try:
        s.bind(("127.0.0.1", random.randrange(10000, 30000)))
        held.append(s)
    except OSError:
        s.close()
print(*[s.getsockname()[1] for s in held])
PYTHON
}

# --- a cluster of two nodes --------------------------------------------------------------------------------------

declare -A node_pid=()
resource=r0 volume=data
alpha_port='' beta_port=''

# br NODE VERB... - the command as a person on that node would give it.
br() {
    local node=$1
    shift
    BLOCKREPL_CONFIG=$W/$node/blockrepl.yaml BLOCKREPL_NODE=$node BLOCKREPL_RUN_DIR=$W/$node/run \
        timeout 120 "$blockrepl" "$@"
}

# cluster SIZE [yaml lines for the resource...] - directories, certificates and configuration of alpha and beta with
# one volume, an empty disk each. Nothing runs yet. TLS=off makes a cluster in clear text; IO is the volume's io.
cluster() {
    local size=$1 node line
    shift
    read -r alpha_port beta_port < <(free_ports 2)
    mkdir -p "$W/tls"
    if [[ ${TLS:-on} == on ]]; then
        check "certs init" timeout 60 "$blockrepl" certs init --dir "$W/tls"
        check "certs node alpha" timeout 60 "$blockrepl" certs node alpha --dir "$W/tls"
        check "certs node beta" timeout 60 "$blockrepl" certs node beta --dir "$W/tls"
    fi
    for node in alpha beta; do
        mkdir -p "$W/$node/run"
        {
            printf 'nodes:\n'
            printf '  alpha: { address: "127.0.0.1:%s" }\n' "$alpha_port"
            printf '  beta:  { address: "127.0.0.1:%s" }\n' "$beta_port"
            if [[ ${TLS:-on} == on ]]; then
                printf 'tls: { ca: %s, cert: %s, key: %s }\n' "$W/tls/ca.pem" "$W/tls/$node.pem" "$W/tls/$node.key"
            else
                printf 'tls: off\n'
            fi
            printf 'resources:\n  %s:\n    protocol: C\n    fencing: dont-care\n' "$resource"
            printf '    save-dir: %s\n' "$W/saved"
            for line in "$@"; do printf '    %s\n' "$line"; done
            printf '    volumes:\n      %s: { disk: { alpha: %s, beta: %s }, size: %s%s }\n' \
                "$volume" "$W/alpha/disk.img" "$W/beta/disk.img" "$size" "${IO:+, io: $IO}"
        } >"$W/$node/blockrepl.yaml"
    done
}

# node_up NODE [OPTION...] - start its daemon and wait until it answers. Its exit status comes to be in NODE/exit.PID.
node_up() {
    local node=$1
    shift
    rm -f "$W/$node/pid"
    (
        rc=0
        BLOCKREPL_CONFIG=$W/$node/blockrepl.yaml BLOCKREPL_NODE=$node BLOCKREPL_RUN_DIR=$W/$node/run \
            setsid "$blockrepl" daemon "$@" >>"$W/$node/daemon.log" 2>&1 </dev/null &
        pid=$!
        echo "$pid" >"$W/$node/pid"
        wait "$pid" || rc=$?
        echo "$rc" >"$W/$node/exit.$pid"
    ) 2>/dev/null &
    disown "$!"
    await 10 test -s "$W/$node/pid" || return 1
    node_pid[$node]=$(<"$W/$node/pid")
    at_exit "kill -9 ${node_pid[$node]}"
    await 30 node_answers "$node" || return 1
    ! gone "${node_pid[$node]}"
}

node_answers() { gone "${node_pid[$1]}" || br "$1" status --json; }

node_kill() {
    kill -KILL "${node_pid[$1]}"
    await 10 gone "${node_pid[$1]}"
}

# node_down NODE - SIGTERM; true when the daemon drained and ended with 0 within 30 s.
node_down() {
    kill -TERM "${node_pid[$1]}"
    node_ended "$1"
}

# node_ended NODE - true when its process, which was told to end, is gone within 30 s, and ended with 0.
node_ended() {
    local exit=$W/$1/exit.${node_pid[$1]}
    await 30 test -s "$exit" || return 1
    [[ $(<"$exit") == 0 ]] || { echo "$1's daemon ended with $(<"$exit")"; return 1; }
}

# both_up SIZE [line...] - a cluster whose nodes run, alpha Primary, both in sync.
both_up() {
    cluster "$@"
    check "alpha: create-md" br alpha create-md "$resource"
    check "beta: create-md" br beta create-md "$resource"
    check "alpha's daemon starts" node_up alpha
    check "beta's daemon starts" node_up beta
    check "the nodes connect" br alpha wait-connect "$resource" --timeout 30s
    check "alpha becomes Primary by force" br alpha primary "$resource" --force
    check "the initial sync ends" br alpha wait-sync "$resource" --timeout 120s
    check "alpha sees both sides in sync" in_sync alpha
}

# uri NODE - of the volume's export.
uri() { printf 'nbd+unix:///%s/%s?socket=%s' "$resource" "$volume" "$W/$1/run/nbd.sock"; }

# nbdsh OPTION... - libnbd's shell, with the Python that has its binding; the script of that name takes the first on the PATH.
nbdsh() { "$python" -m nbd "$@"; }

# ask NODE FILTER - a jq filter over the resource's entry in "status --json".
ask() { br "$1" status --json | jq -er --arg r "$resource" ".[] | select(.name == \$r) | $2"; }

in_sync() {
    ask "$1" '.connections | length > 0 and all(.connection_state == "Connected" and
        (.volumes | length > 0 and all(.replication_state == "Established" and .peer_disk_state == "UpToDate"
            and .out_of_sync_bytes == 0)))' &&
        ask "$1" '.volumes | all(.disk_state == "UpToDate")'
}

# promote NODE SECONDS - "primary" until the state allows it (11 and 17 mean: not yet).
promote() {
    local end=$((SECONDS + $2)) rc
    while :; do
        rc=0
        br "$1" primary "$resource" || rc=$?
        ((rc != 0)) || return 0
        (( (rc == 11 || rc == 17) && SECONDS < end)) || return "$rc"
        sleep 0.1
    done
}

# same_data - both disks hold the same bytes where the export's data is. Sizes come from alpha's status.
exported_bytes() { ask "$1" '.volumes[0].size_bytes'; }

# stop_and_compare - stop both daemons in order, then compare the data areas byte by byte (G5).
stop_and_compare() {
    local bytes
    bytes=$(exported_bytes alpha)
    check "alpha in sync at the end" await 60 in_sync alpha
    check "beta in sync at the end" await 60 in_sync beta
    want "alpha's daemon drains and ends on SIGTERM" node_down alpha
    want "beta's daemon drains and ends on SIGTERM" node_down beta
    check "both disks hold the same $bytes bytes (G5)" cmp -n "$bytes" "$W/alpha/disk.img" "$W/beta/disk.img"
}

# --- a block device from an export: nbdfuse and a loop device ------------------------------------------------------

# attach TAG URI - sets loop_TAG and fuse_TAG (the process) in the arrays below.
declare -A loop=() fuse=()
attach() {
    local tag=$1 uri=$2
    mkdir -p "$W/fuse-$tag"
    setsid nbdfuse "$W/fuse-$tag/nbd" "$uri" >"$W/fuse-$tag.log" 2>&1 </dev/null &
    fuse[$tag]=$!
    disown "$!"
    at_exit "kill -9 $!; umount -l '$W/fuse-$tag'"
    await 10 test -s "$W/fuse-$tag/nbd" || { cat "$W/fuse-$tag.log"; return 1; }
    # Another process may take the free number between the question and the attachment.
    await 5 attach_loop "$tag" || return 1
    at_exit "losetup -d '${loop[$tag]}'"
}

attach_loop() { loop[$1]=$(losetup -f --show --direct-io=on "$W/fuse-$1/nbd"); }

# detach TAG - nothing of it may be mounted any more. Waits until the file system has let go and the export is closed.
detach() {
    losetup -d "${loop[$1]}"
    await 10 loop_free "${loop[$1]}" || return 1
    await 10 fusermount3 -u "$W/fuse-$1" || return 1
    await 10 gone "${fuse[$1]}"
}

loop_free() { ! losetup "$1"; }

# detach_dead TAG - the same where the server behind it is gone: force, and no complaint about I/O errors.
detach_dead() {
    kill -KILL "${fuse[$1]}" 2>/dev/null || true
    losetup -d "${loop[$1]}" 2>/dev/null || true
    umount -l "$W/fuse-$1" 2>/dev/null || true
    await 20 loop_free "${loop[$1]}"
}
