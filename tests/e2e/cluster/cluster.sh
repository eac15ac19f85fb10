# shellcheck shell=bash disable=SC2154
# cluster.sh - a two-node Pacemaker cluster on this machine, for the scripts that sources it after lib.sh.
#
# A node is a set of namespaces (mount, net, uts, ipc, pid): its own host name, /etc/corosync, /var/lib/pacemaker, /run, /dev/shm and three networks. Killing its first process
# is a power cut, but for what is in the page cache. A node's power is in the hands of a BMC: ipmi_sim, spoken to by fence_ipmilan, with a switch process behind it.
#
#   network   bridge    for                              node alpha   node beta   this script
#   public    public0   clients, the floating address, BMCs   10.77.0.1    10.77.0.2   10.77.0.254
#   ring      ring0     Corosync                              10.77.1.1    10.77.1.2
#   repl      repl0     replication                           10.77.2.1    10.77.2.2
#
# Everything runs inside an outer namespace and ends with it. The daemon's run directory is $W/NODE/run, so that "br NODE VERB" works from here.

nodes=(alpha beta)
cluster_manager=pacemaker     # or none: nodes on which a script does by hand what Pacemaker would
# shellcheck disable=SC2034
floating=10.77.0.100
cluster_dir=$e2e_dir/cluster

number_of() { [[ $1 == alpha ]] && echo 1 || echo 2; }
other_than() { [[ $1 == alpha ]] && echo beta || echo alpha; }

# enter_namespace "$@" - the script once more, as the first process of a namespace of its own. Call it before "begin".
enter_namespace() {
    [[ -z ${BR_INNER:-} ]] || return 0
    ((EUID == 0)) || { begin cluster; need_root; }
    exec env BR_INNER=1 unshare --mount --net --pid --fork --mount-proc --propagation private --kill-child bash "$0" "$@"
}

# cluster_files - certificates, both nodes' configurations, Corosync's files, agents. Reads the arrays "volumes" (name size) and "disk_of" (NODE/VOLUME, where it is not NODE/VOLUME.img).
declare -a volumes=("data 600MiB")
declare -A disk_of=()
cluster_files() {
    local node line name size
    check "certs init" timeout 60 "$blockrepl" certs init --dir "$W/tls"
    for node in "${nodes[@]}"; do
        check "certs node $node" timeout 60 "$blockrepl" certs node "$node" --dir "$W/tls"
        mkdir -p "$W/$node"/{run,etc/corosync,var/lib/pacemaker,var/lib/corosync,var/log} "$W/bmc"
        {
            printf 'nodes:\n  alpha: { address: "10.77.2.1:7789" }\n  beta:  { address: "10.77.2.2:7789" }\n'
            printf 'tls: { ca: %s, cert: %s, key: %s }\n' "$W/tls/ca.pem" "$W/tls/$node.pem" "$W/tls/$node.key"
            printf 'resources:\n  %s:\n    protocol: C\n    save-dir: %s\n' "$resource" "$W/saved"
            printf '    fencing: resource-and-stonith\n    handler-timeout: 10m\n'
            printf '    handlers: { fence-peer: /usr/lib/ocf/resource.d/blockrepl/blockrepl-fence-peer, unfence-peer: /usr/lib/ocf/resource.d/blockrepl/blockrepl-unfence-peer }\n'
            # Short enough that a lost link does not add to an outage, long enough for a machine that is four times slower.
            printf '    timeout: 2s\n    ping-int: 3s\n    ping-timeout: 2s\n    connect-int: 3s\n'
            printf '    volumes:\n'
            for line in "${volumes[@]}"; do
                read -r name size <<<"$line"
                printf '      %s: { disk: { alpha: %s, beta: %s }, size: %s }\n' \
                    "$name" "${disk_of[alpha/$name]:-$W/alpha/$name.img}" "${disk_of[beta/$name]:-$W/beta/$name.img}" "$size"
            done
        } >"$W/$node/blockrepl.yaml"
    done
    dd if=/dev/urandom of="$W/authkey" bs=256 count=1 status=none
    cat >"$W/corosync.conf" <<CONF
totem {
  version: 2
  cluster_name: blockrepl
  transport: knet
  token: 2000
  crypto_cipher: aes256
  crypto_hash: sha256
}
nodelist {
  node {
    ring0_addr: 10.77.1.1
    name: alpha
    nodeid: 1
  }
  node {
    ring0_addr: 10.77.1.2
    name: beta
    nodeid: 2
  }
}
quorum {
  provider: corosync_votequorum
  two_node: 1
  wait_for_all: 1
}
logging {
  to_stderr: no
  to_syslog: no
  to_logfile: yes
  logfile: /var/log/corosync.log
  timestamp: hires
}
CONF
    # Bound over the nodes' /usr/lib/ocf/resource.d.
    mkdir -p "$W/resource.d"
    cp -a /usr/lib/ocf/resource.d/{heartbeat,pacemaker} "$W/resource.d/"
    cp -a "$repo/tools/ocf" "$W/resource.d/blockrepl"
    # What the agent of the device calls: the command, and a note of which loop device a node has, because the kernel keeps it when the node dies.
    cat >"$W/device-command" <<COMMAND
#!/bin/sh
loops=$W/\$(hostname)/loop
case "\$1 \$2" in
    "device attach")
        path=\$("$blockrepl" "\$@") || exit
        echo "\$path" >"\$loops.\${3##*/}"
        echo "\$path"
        ;;
    "device detach") "$blockrepl" "\$@" && rm -f "\$loops.\${3##*/}" ;;
    *) exec "$blockrepl" "\$@" ;;
esac
COMMAND
    cat >"$W/daemon-start" <<START
#!/bin/sh
# The agent's daemon_start on machines without systemd.
setsid "$blockrepl" daemon >>"$W/\$(hostname)/daemon.log" 2>&1 </dev/null &
echo \$! >"$W/\$(hostname)/pid"
START
    chmod 755 "$W/daemon-start" "$W/device-command"
}

# --- networks ----------------------------------------------------------------------------------------------------------------------------------------------

networks_up() {
    local net
    ip link set lo up
    for net in public ring repl; do
        ip link add "${net}0" type bridge
        ip link set "${net}0" up
    done
    ip addr add 10.77.0.254/24 dev public0
    at_exit nodes_end
    at_exit keep_logs     # before the nodes end
}

# keep_logs - where something failed: all that the nodes, Pacemaker and the power switch have written, and who runs, for the failures that come once in a dozen runs.
keep_logs() {
    local node kept
    ((failed)) || return 0
    kept=$repo/artifacts/logs/cluster-${0##*/}-$(date +%H%M%S).tar.gz
    mkdir -p "${kept%/*}"
    for node in "${nodes[@]}"; do
        has_power "$node" || continue
        on "$node" ps -e -o pid,ppid,etimes,stat,wchan:24,args >"$W/$node/processes"
        br "$node" status --json >"$W/$node/status.json" 2>&1
    done
    tar -czf "$kept" --ignore-failed-read -C "$W" --exclude='*.img' --exclude='*.sock' --exclude='data.disk' --exclude=shelf --exclude=pg.log alpha beta bmc acknowledged roles 2>/dev/null
}

# nodes_end - at the end of the script: the namespace would take the nodes along, but not their loop devices.
nodes_end() {
    local node
    for node in "${nodes[@]}"; do power_off "$node"; done
}

# cut_net NET, heal_net NET - between the nodes, also across a node's boot; public is never cut.
cut_net() { : >"$W/bmc/cut.$1" && ip link set "alpha-$1" down; }
heal_net() { rm "$W/bmc/cut.$1" && ip link set "alpha-$1" up; }

# --- power -----------------------------------------------------------------------------------------------------------------------------------------------------

has_power() { [[ -s $W/bmc/$1.pid ]] && kill -0 "$(<"$W/bmc/$1.pid")" 2>/dev/null; }

power_on() {
    local node=$1 number outer='' inner='' net
    number=$(number_of "$node")     # here: in the command below it would be a child of its own for a moment
    has_power "$node" && return
    free_loop "$node"
    rm -rf "$W/$node/run"
    mkdir -p "$W/$node/run"
    setsid env W="$W" BLOCKREPL="$blockrepl" CLUSTER_MANAGER="$cluster_manager" unshare --mount --net --uts --ipc --pid --fork --mount-proc --propagation private --kill-child \
        bash "$cluster_dir/node" "$node" "$number" >>"$W/$node/console.log" 2>&1 </dev/null &
    outer=$!
    disown "$outer"
    until inner=$(tr -d ' ' <"/proc/$outer/task/$outer/children" 2>/dev/null) && [[ -n $inner ]]; do
        kill -0 "$outer" 2>/dev/null || return 1
    done
    echo "$inner" >"$W/bmc/$node.pid"
    for net in public ring repl; do
        ip link add "$node-$net" type veth peer name "$net" netns "$inner"
        ip link set "$node-$net" master "${net}0"
        [[ $node == alpha && -e $W/bmc/cut.$net ]] || ip link set "$node-$net" up
    done
}

power_off() {
    local node=$1 net pid
    if has_power "$node"; then
        pid=$(<"$W/bmc/$node.pid")
        kill -KILL "$pid"
        await 20 gone "$pid" || return 1
    fi
    for net in public ring repl; do ip link del "$node-$net" 2>/dev/null || true; done
    rm -f "$W/bmc/$node.pid"
    free_loop "$node"
}

# The kernel keeps a loop device when the processes behind it are killed.
free_loop() {
    local loop
    for file in "$W/$1"/loop.*; do
        [[ -s $file ]] || continue
        loop=$(<"$file")
        losetup -d "$loop" 2>/dev/null || true
        rm -f "$file"
    done
}

# The switch: one process carries out what the BMCs and this script ask, in files NODE.ask.ID; the answer is NODE.done.ID.
switch() {
    set +eE
    trap - EXIT INT TERM HUP ERR
    local file node id what
    : >"$W/bmc/ready"
    while :; do
        for file in "$W"/bmc/*.ask.*; do
            [[ -e $file ]] || continue
            node=${file##*/} id=${file##*.} what=$(<"$file")
            node=${node%%.*}
            rm -f "$file"
            case $what in
                off) power_off "$node" ;;
                on) power_on "$node" ;;
            esac
            if has_power "$node"; then echo on; else echo off; fi >"$W/bmc/$node.state"
            echo "$EPOCHREALTIME $what $node: $(<"$W/bmc/$node.state")" >>"$W/bmc/log"
            : >"$W/bmc/$node.done.$id"
        done
        sleep 0.05
    done
}

# power NODE on|off - as somebody's finger would.
power() {
    local id=$BASHPID.$RANDOM
    id=${id//./-}
    echo "$2" >"$W/bmc/.$id"
    mv "$W/bmc/.$id" "$W/bmc/$1.ask.$id"
    await 30 test -e "$W/bmc/$1.done.$id"
    rm -f "$W/bmc/$1.done.$id"
}

bmcs_up() {
    local node n sim
    switch &
    disown "$!"
    at_exit "kill -9 $!"
    check "the power switch works" await 10 test -e "$W/bmc/ready"
    for node in "${nodes[@]}"; do
        n=$(number_of "$node")
        mkdir -p "$W/bmc/state-$node"
        cat >"$W/bmc/chassis-$node" <<CHASSIS
#!/bin/bash
# Called by ipmi_sim: ADDRESS get|set PARAMETER [VALUE].
W=$W
ask() {
    local id=\$\$-\$RANDOM i
    echo "\$1" >"\$W/bmc/.\$id"
    mv "\$W/bmc/.\$id" "\$W/bmc/$node.ask.\$id"
    for ((i = 0; i < 400; i++)); do [[ ! -e \$W/bmc/$node.done.\$id ]] || break; sleep 0.05; done
    rm -f "\$W/bmc/$node.done.\$id"
}
shift
case \$1 in
    get) shift; for what; do
            if [[ \$what == power ]]; then ask status; [[ \$(<"\$W/bmc/$node.state") == on ]] && echo power:1 || echo power:0; else echo "\$what:0"; fi
        done ;;
    set) case \$2 in power) if [[ \$3 == 0 ]]; then ask off; else ask on; fi ;; reset) ask off; ask on ;; esac ;;
esac
CHASSIS
        chmod 755 "$W/bmc/chassis-$node"
        {
            printf 'name "bmc-%s"\nset_working_mc 0x20\nstartlan 1\naddr 10.77.0.254 %s\npriv_limit admin\n' "$node" "$((6230 + n))"
            printf 'allowed_auths_%s none md2 md5 straight\n' callback user operator admin
            printf 'guid a123456789abcdefa123456789abcde%s\nendlan\nchassis_control "%s 0x20"\n' "$n" "$W/bmc/chassis-$node"
            printf 'user 1 true "" "x" user 10 none md2 md5 straight\nuser 2 true "admin" "secret" admin 10 none md2 md5 straight\n'
        } >"$W/bmc/$node.lan"
        printf 'mc_setbmc 0x20\nmc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02\nsel_enable 0x20 1000 0x0a\nmc_enable 0x20\n' >"$W/bmc/$node.emu"
        setsid ipmi_sim -c "$W/bmc/$node.lan" -f "$W/bmc/$node.emu" -s "$W/bmc/state-$node" -n >"$W/bmc/$node.sim" 2>&1 </dev/null &
        sim=$!
        disown "$sim"
        echo "$sim" >"$W/bmc/$node.sim.pid"
        at_exit "kill -9 $sim"
    done
}

# on NODE COMMAND... - run on the node.
on() {
    local node=$1
    shift
    nsenter --target "$(<"$W/bmc/$node.pid")" --mount --net --uts --ipc --pid env LC_ALL=C.UTF-8 HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

# --- the cluster manager's view ----------------------------------------------------------------------------------------------------------------------------------

boot_both() { power alpha on && power beta on; }
both_online() { on alpha crm_mon -1 2>/dev/null | grep -q 'Online: \[ alpha beta \]'; }
shown() { on "$1" crm_mon -1 -r -f 2>/dev/null | tail -n +10; }

# waits_for_other NODE - it has booted and has no quorum, because it has not seen the other one.
waits_for_other() { { on "$1" corosync-quorumtool -s || true; } | grep 'Quorate: *No'; }

# fence_primitives - a fence device for each node, each kept off the node that it shoots.
fence_primitives() {
    local node
    for node in "${nodes[@]}"; do
        echo "primitive fence-$node stonith:fence_ipmilan params ip=10.77.0.254 ipport=$((6230 + $(number_of "$node"))) username=admin password=secret lanplus=1 cipher=3 power_wait=0 pcmk_host_list=$node op monitor interval=60s timeout=40s"
        echo "location fence-$node-elsewhere fence-$node -inf: $node"
    done
}

# volume_primitives - the agent as a promotable clone.
volume_primitives() {
    cat <<CRM
primitive volumes ocf:blockrepl:blockrepl params resource=$resource blockrepl="$blockrepl" daemon_start="$W/daemon-start" \
 op monitor interval=3s role=Promoted timeout=30s op monitor interval=4s role=Unpromoted timeout=30s op start interval=0 timeout=120s op stop interval=0 timeout=60s \
 op promote interval=0 timeout=90s op demote interval=0 timeout=60s op notify interval=0 timeout=60s meta priority=10
clone volumes-clone volumes meta promotable=true promoted-max=1 clone-max=2 notify=true interleave=true
CRM
}

# configure FILE - crm's language.
configure() {
    cp "$1" "$W/alpha/var/log/cluster.crm"
    on alpha crm configure load replace /var/log/cluster.crm
}

# shellcheck disable=SC2034
properties='property stonith-enabled=true stonith-timeout=60s cluster-recheck-interval=60s dc-deadtime=5s no-quorum-policy=stop priority-fencing-delay=3s
rsc_defaults resource-stickiness=100 migration-threshold=5 failure-timeout=30s'

# promoted_node - where the resource is Primary, as the daemons say it.
promoted_node() {
    local node
    for node in "${nodes[@]}"; do
        [[ -S $W/$node/run/control.sock && $(br "$node" role "$resource" 2>/dev/null) == Primary ]] && { echo "$node"; return; }
    done
    return 1
}

# --- never two Primaries -------------------------------------------------------------------------------------------------------------------------------------------

# watch_roles - writes each change of each node's role, with its time, to $W/roles. "gone" is the end of the daemon or of the node.
watch_roles() {
    local node
    : >"$W/roles"
    for node in "${nodes[@]}"; do
        watch_role "$node" &
        disown "$!"
        at_exit "kill -9 $!"
    done
}
watch_role() {
    set +eE
    trap - EXIT INT TERM HUP ERR
    local line
    while :; do
        while [[ ! -S $W/$1/run/control.sock ]]; do sleep 0.1; done
        BLOCKREPL_CONFIG=$W/$1/blockrepl.yaml BLOCKREPL_NODE=$1 BLOCKREPL_RUN_DIR=$W/$1/run "$blockrepl" events "$resource" 2>/dev/null | while read -r line; do
            [[ $line =~ ' resource '.*role:(Primary|Secondary) ]] && echo "$EPOCHREALTIME $1 ${BASH_REMATCH[1]}" >>"$W/roles"
        done
        echo "$EPOCHREALTIME $1 gone" >>"$W/roles"
        sleep 0.1
    done
}
# never_two_primaries - over everything that watch_roles has seen.
never_two_primaries() {
    awk '{ role[$2] = $3; if (role["alpha"] == "Primary" && role["beta"] == "Primary") { print "both Primary at " $1; two = 1 } if ($3 == "Primary") seen = 1 }
        END { exit two || !seen }' "$W/roles" || { tail -n 20 "$W/roles"; return 1; }
}

cluster_logs() {
    local node
    for node in "${nodes[@]}"; do
        note "$node: what Pacemaker said last"
        grep -E "error|warning|notice: (Result|Requesting|Operation|Initiating)|blockrepl" "$W/$node/var/log/pacemaker/pacemaker.log" 2>/dev/null | tail -n "${1:-40}" | cut -c -260 | sed 's/^/#   /' || true
    done
}
