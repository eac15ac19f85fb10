#!/bin/bash
# ocf-agent - the resource agent and the fence-peer handler against real daemons and a stage-managed Pacemaker: OCF conformance, promotion scores, what is refused and what status says
# about it, the handler's exit codes (G6, G13). tests/e2e/pacemaker.sh has the real cluster.
# time-limit: 400 seconds
set -euo pipefail
if [[ -z ${BR_INNER:-} && $EUID == 0 ]]; then
    # The agent keeps state in /run/resource-agents, and so does a real cluster.
    exec env BR_INNER=1 unshare --mount --propagation private bash "$0" "$@"
fi
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "$(readlink -f -- "$0")")/lib.sh"
begin ocf
need_root
need ocf-tester xmllint jq
mount -t tmpfs tmpfs /run/resource-agents 2>/dev/null || { mkdir -p /run/resource-agents && mount -t tmpfs tmpfs /run/resource-agents; }

agent=$repo/tools/ocf/blockrepl
export OCF_ROOT=/usr/lib/ocf HA_LOGFACILITY=none HA_logfile=$W/agent.log HA_debug=0
export STUB=$W/stub
mkdir "$STUB" "$W/bin"
for tool in crm_node crm_attribute stonith_admin corosync-quorumtool crm_resource cibadmin; do ln -s "$e2e_dir/cluster/pacemaker-stub" "$W/bin/$tool"; done

# scene NODE [FILE=CONTENT | FILE | -FILE ...] - what the cluster knows from now on, as NODE sees it.
scene() {
    local change
    echo "$1" >"$STUB/me"
    shift
    for change in "$@"; do
        case $change in
            -*) rm -f "$STUB/${change#-}" ;;
            *=*) echo "${change#*=}" >"$STUB/${change%%=*}" ;;
            *) : >"$STUB/$change" ;;
        esac
    done
}
scene alpha quorum=1 stonith-enabled=true flags="2Node Quorate WaitForAll" state.alpha=online state.beta=online shootable.alpha shootable.beta

# act NODE ACTION [NAME=VALUE...] - the agent as Pacemaker on that node would call it; prints its exit status.
act() {
    local node=$1 action=$2 rc=0
    shift 2
    echo "$node" >"$STUB/me"
    env PATH="$W/bin:$PATH" OCF_RESOURCE_INSTANCE=ms:0 OCF_RESKEY_crm_feature_set=3.16.1 OCF_RESKEY_CRM_meta_interval=10000 OCF_RESKEY_CRM_meta_notify=true \
        OCF_RESKEY_resource="$resource" OCF_RESKEY_blockrepl="$blockrepl" OCF_RESKEY_config="$W/$node/blockrepl.yaml" OCF_RESKEY_node="$node" \
        OCF_RESKEY_run_dir="$W/$node/run" OCF_RESKEY_wfc_timeout=1 "$@" timeout 60 "$agent" "$action" >"$W/act.out" 2>&1 || rc=$?
    echo "$rc"
}
answers() { local want=$1 got; shift; got=$(act "$@"); [[ $got == "$want" ]] || { echo "exit $got, wanted $want"; tail -n 5 "$W/act.out"; return 1; }; }
score() { local got; got=$(cat "$STUB/score" 2>/dev/null) || got=none; [[ $got == "$1" ]] || { echo "score $got, wanted $1"; return 1; }; }
noted() { br "$1" status "$resource" | grep -E "note: Pacemaker: .*$2"; }
not_noted() { ! br "$1" status "$resource" | grep "note:"; }
never_asked() { ! grep -E -- "$1" "$STUB/calls"; }

# --- two nodes, with the real handler ----------------------------------------------------------------------------------------------------------------------

handlers=$repo/tools/ocf
cat >"$W/fence" <<FENCE
#!/bin/sh
# As Pacemaker's node \$BLOCKREPL_NODE: the two share this machine, and the stand-ins.
PATH=$W/bin:\$PATH STUB=$STUB BLOCKREPL_COMMAND=$blockrepl HA_RSCTMP=$W/\$BLOCKREPL_NODE
export PATH STUB BLOCKREPL_COMMAND HA_RSCTMP
echo "\$BLOCKREPL_NODE" >$STUB/me
exec $handlers/blockrepl-\$BLOCKREPL_HANDLER
FENCE
chmod 755 "$W/fence"
cluster 64MiB "handlers: { fence-peer: $W/fence, unfence-peer: $W/fence }" "handler-timeout: 9s" "ping-int: 1s"
sed -i 's/fencing: dont-care/fencing: resource-and-stonith/' "$W/alpha/blockrepl.yaml" "$W/beta/blockrepl.yaml"

want "the meta-data is valid" bash -c "'$agent' meta-data | (cd /usr/share/resource-agents && xmllint --noout --valid -)"
want "a probe where no daemon runs: not running" answers 7 alpha monitor OCF_RESKEY_CRM_meta_interval=0
want "a monitor where no daemon runs: not running" answers 7 alpha monitor
want "a stop where no daemon runs succeeds" answers 0 alpha stop
want "a demote where no daemon runs succeeds: it is not Primary" answers 0 alpha demote
want "without notify=true: wrongly configured" answers 6 alpha monitor OCF_RESKEY_CRM_meta_notify=false
want "unless told to ignore that" answers 7 alpha monitor OCF_RESKEY_CRM_meta_notify=false OCF_RESKEY_ignore_missing_notifications=true
want "two to be promoted: wrongly configured" answers 6 alpha validate-all OCF_RESKEY_CRM_meta_promoted_max=2
want "negative scores: wrongly configured" answers 6 alpha validate-all "OCF_RESKEY_adjust_promotion_score=-1 10 1000 10000"
check "alpha: create-md" br alpha create-md "$resource"
check "beta: create-md" br beta create-md "$resource"
want "a start where no daemon runs and nothing can start it fails" answers 5 alpha start
want "with a sentence" grep -q "daemon_start is not set" "$W/act.out"
want "a start whose command fails, fails" answers 5 alpha start OCF_RESKEY_daemon_start=false

# What a machine without systemd says in daemon_start; alpha's is started by the agent, beta's by hand.
cat >"$W/alpha-daemon" <<DAEMON
#!/bin/sh
BLOCKREPL_CONFIG=$W/alpha/blockrepl.yaml BLOCKREPL_NODE=alpha BLOCKREPL_RUN_DIR=$W/alpha/run setsid "$blockrepl" daemon >>"$W/alpha/daemon.log" 2>&1 </dev/null &
echo \$! >"$W/alpha/pid"
DAEMON
chmod 755 "$W/alpha-daemon"
at_exit "kill -9 \$(cat $W/alpha/pid)"
check "a start starts the daemon" answers 0 alpha start OCF_RESKEY_daemon_start="$W/alpha-daemon"
node_pid[alpha]=$(<"$W/alpha/pid")
want "neither side has data yet: no score" score none
check "beta's daemon starts" node_up beta
check "a start of what runs" answers 0 beta start
check "the disks are known to be equal" br alpha new-current-uuid "$resource" --clear-bitmap
check "in sync" br alpha wait-sync "$resource" --timeout 30s

# --- scores ----------------------------------------------------------------------------------------------------------------------------------------------

rm -f "$STUB/score"
want "a probe finds it Secondary" answers 0 alpha monitor OCF_RESKEY_CRM_meta_interval=0
want "and touches no score" score none
want "a monitor finds it Secondary" answers 0 alpha monitor
want "UpToDate, the peer known: 10000" score 10000
want "a notification refreshes it" bash -c "echo 1 >'$STUB/score'"
want "after a promotion elsewhere" answers 0 alpha notify OCF_RESKEY_CRM_meta_notify_type=post OCF_RESKEY_CRM_meta_notify_operation=promote
want "to 10000" score 10000
check "promote" answers 0 alpha promote
want "a monitor finds it Primary" answers 8 alpha monitor
want "a probe, too" answers 8 alpha monitor OCF_RESKEY_CRM_meta_interval=0
want "Primary: 10000" score 10000
want "a second promote" answers 0 alpha promote
refuses 11 Primary "the engine refuses it" br beta primary "$resource"
check "a start that finds Primary demotes" answers 0 alpha start
want "it is Secondary" answers 0 alpha monitor
check "promote" answers 0 alpha promote
check "a write" qemu-io -f raw "$(uri alpha)" -c "write -P 0x21 0 1M" -c flush

# --- the peer is lost, and there is no fencing (G13) ------------------------------------------------------------------------------------------------------

check "alpha is killed" node_kill alpha
scene beta state.alpha=unclean stonith-enabled=false
doubts() { br beta dstate "$resource" | grep Consistent/DUnknown; }
check "beta has noticed" await 30 doubts
: >"$STUB/calls"
want "a monitor goes on" answers 0 beta monitor
want "no fencing: no score" score none
want "and status says what to configure" noted beta "stonith-enabled=false.*configure a fence device"
want "a promotion is refused" answers 1 beta promote
want "before anything was tried" never_asked "cibadmin --create"
want "the monitor outdated nothing" doubts
refuses 17 "not known" "a person is told, too" br beta primary "$resource"
scene beta stonith-enabled=true -shootable.alpha
want "no device for the peer: no score" answers 0 beta monitor
want "none" score none
want "status names the peer" noted beta "no working fence device for alpha"
scene beta shootable.alpha
want "with a device" answers 0 beta monitor
want "Consistent, the peer unknown: 1000" score 1000
want "the note is gone" not_noted beta
want "not confirmed to be off: a promotion is refused" answers 1 beta promote
want "status says what to do" noted beta "not confirmed that it is off.*stonith_admin --confirm alpha"
want "and is not tried again" answers 0 beta monitor
want "while nothing changes" score none

# --- the handler refuses (17) ------------------------------------------------------------------------------------------------------------------------------

scene beta state.alpha=off flags="2Node Quorate"
want "what changed brings the score back" answers 0 beta monitor
want "to 1000" score 1000
SECONDS=0
want "a copy of the configuration that may be old: refused with 17, once" answers 1 beta promote
want "and not in a loop until the time is over" test "$SECONDS" -lt 20
want "no score" score none
want "status has the handler's reason" noted beta "exit code 5"
want "the next monitor" answers 0 beta monitor
want "gives none" score none
touch -d "2 minutes ago" /run/resource-agents/blockrepl-"$resource".refused
want "a monitor two minutes later" answers 0 beta monitor
want "lets it be tried again" score 1000
scene beta flags="2Node Quorate WaitForAll" owner=alpha
want "a constraint that excludes this node" answers 0 beta monitor
want "is no score" score none
want "status says who has the newer data" noted beta "alpha went on without this node"
want "a promotion is refused" answers 1 beta promote
want "the constraint stays" test "$(cat "$STUB/owner")" = alpha
scene beta quorum=0 -owner
want "once the constraint is gone, a monitor" answers 0 beta monitor
want "lets it be tried again" score 1000
want "without quorum: refused" answers 1 beta promote
want "no constraint" test ! -e "$STUB/owner"
rm -f /run/resource-agents/blockrepl-*.refused
scene beta quorum=1
check "the peer was shot: promoted" answers 0 beta promote
want "with the constraint in place" test "$(cat "$STUB/owner")" = beta
want "beta has the write" qemu-io -f raw "$(uri beta)" -c "read -P 0x21 0 1M"
want "the note is gone" not_noted beta
check "beta goes on" qemu-io -f raw "$(uri beta)" -c "write -P 0x22 0 1M" -c flush

# --- the peer is back; fences go ---------------------------------------------------------------------------------------------------------------------------

scene beta state.alpha=online
check "alpha is back" answers 0 alpha start OCF_RESKEY_daemon_start="$W/alpha-daemon"
node_pid[alpha]=$(<"$W/alpha/pid")
check "in sync" br alpha wait-sync "$resource" --timeout 30s
check "the constraint is taken away" await 10 test ! -e "$STUB/owner"
scene beta owner=beta
want "a monitor of the Primary" answers 8 beta monitor
want "takes away one that was left" test ! -e "$STUB/owner"
scene beta owner=alpha
want "a monitor of the Primary" answers 8 beta monitor
want "leaves what is not its own" test "$(cat "$STUB/owner")" = alpha
scene beta -owner

# --- the link is cut under the Primary: it freezes, and the handler's codes ------------------------------------------------------------------------------------

# handler NODE CODE PATTERN TEXT - the handler by itself, as the daemon calls it.
handler() {
    local node=$1 code=$2 pattern=$3 text=$4 rc=0 other=alpha id=1
    [[ $node == alpha ]] && other=beta id=0
    echo "$node" >"$STUB/me"
    env PATH="$W/bin:$PATH" DRBD_RESOURCE="$resource" DRBD_PEER=$other DRBD_MY_NODE_ID=$id UP_TO_DATE_NODES="${up_to_date:-0x3}" BLOCKREPL_HANDLER_TIMEOUT=6 HA_RSCTMP="$W/$node" \
        BLOCKREPL_COMMAND="$blockrepl" BLOCKREPL_CONFIG="$W/$node/blockrepl.yaml" BLOCKREPL_NODE="$node" BLOCKREPL_RUN_DIR="$W/$node/run" \
        "$handlers/${name:-blockrepl-fence-peer}" ${options:+"$options"} >"$W/handler.out" 2>&1 || rc=$?
    if [[ $rc == "$code" ]] && grep -qE "$pattern" "$W/handler.out"; then ok "$text"; return; fi
    not_ok "$text"
    note "exit $rc, wanted $code and /$pattern/: $(tail -n 3 "$W/handler.out")"
}
handler beta 4 "has the constraint" "Primary, the peer in the cluster: constraint, 4"
want "the constraint is placed" test "$(cat "$STUB/owner")" = beta
handler beta 4 "has the constraint" "again: 4"
handler alpha 1 "only beta" "the other node finds the constraint: 1"
name=blockrepl-unfence-peer handler alpha 0 "beta's: it stays" "the other node does not take it away"
want "it stays" test "$(cat "$STUB/owner")" = beta
name=blockrepl-unfence-peer handler beta 0 "removed" "its owner does"
want "it is gone" test ! -e "$STUB/owner"
scene beta promoted.beta
handler alpha 1 "beta is Promoted" "a Secondary beside one that is Promoted: 1"
scene beta -promoted.beta blind.alpha
handler beta 1 "does not show the constraint" "a peer whose copy lacks the constraint is not fenced by it: 1"
want "and its constraint is taken back" test ! -e "$STUB/owner"
scene beta -blind.alpha silent.alpha
handler beta 1 "does not answer" "a member that does not answer is not one: 1"
want "and no constraint was placed" test ! -e "$STUB/owner"
scene beta -silent.alpha state.alpha=unclean
handler beta 1 "not confirmed to be off" "a peer that is not shot in time: 1"
want "and no constraint comes back with this node, if it is the one that is shot" test ! -e "$STUB/owner"
scene beta stonith-enabled=false
handler beta 1 "stonith-enabled=false.*configure" "no fencing: 1, with what to configure"
scene beta -owner stonith-enabled=true
options=--unclean-is-dead handler beta 5 "taken for dead" "only by request: 5"
scene beta -owner
up_to_date=0x0 handler beta 5 "not known to be the newest" "not UpToDate and the peer unclean: 5"
want "and no constraint" test ! -e "$STUB/owner"
scene beta state.alpha=online owner=beta
up_to_date=0x0 handler beta 5 "left from a fence that did not succeed" "not UpToDate, and a constraint of its own from before: 5"
scene beta -owner quorum=0 state.alpha=off
handler beta 1 "no quorum" "without quorum: 1"
want "and no constraint" test ! -e "$STUB/owner"
scene beta quorum=1
handler beta 7 "is off" "the peer is off: 7"
scene beta -owner deaf
handler beta 1 "could not be placed" "a cluster that does not take the constraint: 1"
scene beta -deaf state.alpha=online

# --- a disk that cannot be attached: the instance is up, and what Pacemaker has to do next is not held up ------------------------------------------------------------

check "alpha stops" answers 0 alpha stop
mv "$W/alpha/disk.img" "$W/alpha/disk.away"
want "wait_for_disk must be a number" answers 6 alpha validate-all OCF_RESKEY_wait_for_disk=long
check "a start whose disk is gone goes on without it" answers 0 alpha start OCF_RESKEY_wait_for_disk=2
want "and says so" grep -q "up without a disk that cannot be attached" "$W/act.out"
want "it is Diskless and connected" test Diskless/UpToDate = "$(br alpha dstate "$resource")"
want "a monitor finds it Secondary" answers 0 alpha monitor
want "it has no score" score none
mv "$W/alpha/disk.away" "$W/alpha/disk.img"
check "the disk is back: attach" br alpha attach "$resource/$volume"
check "in sync" br alpha wait-sync "$resource" --timeout 30s
want "a monitor" answers 0 alpha monitor
want "gives it its score back" score 10000
scene beta -owner

# --- a configuration that broke; reload; stop ---------------------------------------------------------------------------------------------------------------

want "reload applies the file" answers 0 beta reload
cp "$W/beta/blockrepl.yaml" "$W/beta.yaml"
echo "rubbish: yes" >>"$W/beta/blockrepl.yaml"
want "reload of a broken file fails" answers 1 beta reload
want "a monitor with a broken file" answers 8 beta monitor
want "demote with a broken file" answers 0 beta demote
check "stop with a broken file" answers 0 beta stop
want "it is stopped" answers 7 beta monitor
want "and has no score" score none
cp "$W/beta.yaml" "$W/beta/blockrepl.yaml"
check "start" answers 0 beta start
check "stop with parameters that are wrong by now" answers 0 beta stop OCF_RESKEY_CRM_meta_notify=false
want "it is stopped" answers 7 beta monitor

# --- the agent of the device ------------------------------------------------------------------------------------------------------------------------------------

device_agent=$repo/tools/ocf/blockrepl-device
at_exit "umount -l $W/alpha/run/fuse/$resource/$volume; losetup -n -l -O NAME,BACK-FILE | awk -v w='$W/' 'index(\$2, w) == 1 { print \$1 }' | xargs -r -n 1 losetup -d"
device() {
    local want=$1 action=$2 rc=0
    shift 2
    env PATH="$W/bin:$PATH" OCF_RESOURCE_INSTANCE=device OCF_RESKEY_crm_feature_set=3.16.1 OCF_RESKEY_CRM_meta_interval=10000 OCF_RESKEY_resource="$resource" OCF_RESKEY_volume="$volume" \
        OCF_RESKEY_via=fuse OCF_RESKEY_link="$W/device" OCF_RESKEY_blockrepl="$blockrepl" OCF_RESKEY_config="$W/alpha/blockrepl.yaml" OCF_RESKEY_node=alpha \
        OCF_RESKEY_run_dir="$W/alpha/run" "$@" timeout "${limit:-60}" "$device_agent" "$action" >"$W/act.out" 2>&1 || rc=$?
    [[ $rc == "$want" ]] || { echo "exit $rc, wanted $want"; tail -n 5 "$W/act.out"; return 1; }
}
leads_to_data() { [[ -L $W/device ]] && dd if="$W/device" bs=1M count=1 status=none | cmp - <(head -c 1048576 /dev/zero | tr '\0' '\42'); }
want "its meta-data is valid" bash -c "'$device_agent' meta-data | (cd /usr/share/resource-agents && xmllint --noout --valid -)"
want "a volume without a name: wrongly configured" device 6 validate-all OCF_RESKEY_volume=
want "a way that is none: wrongly configured" device 6 validate-all OCF_RESKEY_via=pipe
want "a start on a Secondary fails" device 1 start
want "and says why" grep -q "Secondary on node alpha" "$W/act.out"
want "a monitor: not running" device 7 monitor
check "beta hands over" answers 0 beta start
check "alpha is promoted" answers 0 alpha promote
check "the device's start" device 0 start
want "a second one" device 0 start
want "a monitor finds it" device 0 monitor
want "so does a probe" device 0 monitor OCF_RESKEY_CRM_meta_interval=0
want "the link leads to the volume's data" leads_to_data
exec 7<"$W/device"
limit=5 want "a stop of what is in use goes on until Pacemaker's time is over, and ends nothing" device 124 stop
want "it is there" device 0 monitor
exec 7<&-
want "the link is gone or another's: the monitor says so" bash -c "ln -sfn /dev/null '$W/device'"
want "failed" device 1 monitor
want "a start mends it" device 0 start
check "its stop" device 0 stop
want "the link is gone" test ! -e "$W/device" -a ! -L "$W/device"
want "a second one" device 0 stop
want "a monitor: not running" device 7 monitor
check "start" device 0 start
check "alpha's daemon is killed" node_kill alpha
want "a monitor fails: the daemon is gone" device 1 monitor
want "a probe: not running" device 7 monitor OCF_RESKEY_CRM_meta_interval=0
want "a stop succeeds all the same" device 0 stop
check "alpha's daemon starts" node_up alpha
want "a device that a dead daemon left is no running one" device 1 monitor
check "alpha is promoted" answers 0 alpha promote
check "a start takes it away and attaches anew" device 0 start
want "the link leads to the volume's data" leads_to_data
check "its stop" device 0 stop
check "alpha is demoted" answers 0 alpha demote

# --- dont-care ------------------------------------------------------------------------------------------------------------------------------------------------

check "alpha's daemon ends" bash -c "kill ${node_pid[alpha]}"
check "it is gone" await 30 gone "${node_pid[alpha]}"
check "beta's daemon ends" node_down beta
sed -i 's/fencing: resource-and-stonith/fencing: dont-care/' "$W/alpha/blockrepl.yaml" "$W/beta/blockrepl.yaml"
check "beta's daemon starts, fencing: dont-care" node_up beta
check "alpha's daemon starts" node_up alpha
check "in sync" br alpha wait-sync "$resource" --timeout 30s
check "alpha is promoted" answers 0 alpha promote
scene beta state.alpha=off
check "alpha is killed" node_kill alpha
lost() { br beta cstate "$resource" | grep -v Connected; }
check "beta has noticed" await 30 lost
want "it trusts its data" test UpToDate/DUnknown = "$(br beta dstate "$resource")"
want "a monitor" answers 0 beta monitor
want "gives no score" score none
want "says what to configure" noted beta "fencing: resource-and-stonith"
want "a machine's promotion is refused" answers 1 beta promote
want "a person's is not" br beta primary "$resource"
check "stop" answers 0 beta stop
check "beta's daemon ends" node_down beta

# --- OCF conformance: a node without a peer --------------------------------------------------------------------------------------------------------------------

mkdir -p "$W/solo/run"
cat >"$W/solo/blockrepl.yaml" <<YAML
nodes: { solo: { address: "127.0.0.1:$alpha_port" } }
resources: { r1: { volumes: { data: { disk: $W/solo/disk.img, size: 32MiB } } } }
YAML
resource=r1
check "solo: create-md" br solo create-md r1
check "solo's daemon starts" node_up solo
check "the first promotion needs force" br solo primary r1 --force
check "ocf-tester" env PATH="$W/bin:$PATH" ocf-tester -n ms -o resource=r1 -o blockrepl="$blockrepl" -o config="$W/solo/blockrepl.yaml" -o node=solo -o run_dir="$W/solo/run" \
    -o ignore_missing_notifications=true "$agent"
note "$(cat "$W/check.out")"
check "solo's daemon ends" node_down solo
finish
