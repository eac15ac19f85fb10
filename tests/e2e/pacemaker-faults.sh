#!/bin/bash
# pacemaker-faults - the cluster of pacemaker.sh, where links are cut, daemons killed and a disk fails; and the same without fencing, where a machine must not take over and a person may
# (G2, G6, G11, G13).
# time-limit: 600 seconds
set -euo pipefail
# shellcheck source=SCRIPTDIR/lib.sh
. "$(dirname -- "$(readlink -f -- "$0")")/lib.sh"
# shellcheck source=SCRIPTDIR/cluster/cluster.sh
. "$e2e_dir/cluster/cluster.sh"
enter_namespace "$@"
# shellcheck source=SCRIPTDIR/cluster/database.sh
. "$e2e_dir/cluster/database.sh"
# shellcheck source=SCRIPTDIR/cluster/scenarios.sh
. "$e2e_dir/cluster/scenarios.sh"
begin pacemaker
need_root
need pacemakerd corosync crm ipmi_sim fence_ipmilan nbdfuse nbdkit losetup jq "$postgres/postgres"

# alpha's disk can fail: a loop device on what nbdkit serves, which answers with errors while $W/alpha/disk-fails exists. It stands outside the node, as a disk shelf does.
disk_of[alpha/data]=$W/alpha/data.disk
shelf() {
    local pid loop
    setsid nbdkit --foreground --unix "$W/alpha/shelf.sock" --filter=error file file="$W/alpha/data.img" error=EIO error-rate=100% error-file="$W/alpha/disk-fails" \
        >"$W/alpha/shelf.log" 2>&1 </dev/null &
    pid=$!
    disown "$pid"
    at_exit "kill -9 $pid"
    await 10 test -S "$W/alpha/shelf.sock" || return 1
    mkdir -p "$W/alpha/shelf"
    setsid nbdfuse "$W/alpha/shelf/disk" --unix "$W/alpha/shelf.sock" >>"$W/alpha/shelf.log" 2>&1 </dev/null &
    pid=$!
    disown "$pid"
    at_exit "kill -9 $pid; umount -l $W/alpha/shelf"
    await 10 test -s "$W/alpha/shelf/disk" || return 1
    loop=$(losetup --find --show "$W/alpha/shelf/disk") || return 1
    at_exit "losetup -d $loop"
    ln -s "$loop" "$W/alpha/data.disk"
}

cluster_files
before_boot() { check "alpha's disk is one that can fail" shelf; }
service_up

# primary_on NODE - an administrator moves the service there.
primary_on() {
    local from
    [[ $(promoted_node) != "$1" ]] || return 0
    from=$(other_than "$1")
    on "$from" crm_standby --node "$from" --update on || return 1
    await 90 is_promoted "$1" || return 1
    on "$from" crm_standby --node "$from" --delete
}
is_promoted() { [[ $(promoted_node) == "$1" ]]; }
nobody_was_shot() { ! grep -v " status " "$W/bmc/log" | tail -n "+$((shots + 1))" | grep .; }
count_shots() { shots=$(grep -vc " status " "$W/bmc/log") || true; }

# --- the replication link is cut, the cluster lives ---------------------------------------------------------------------------------------------------------------

link_is_cut() { cut_net repl; }
link_mended() {
    local primary other rc
    primary=$(promoted_node) other=$(other_than "$primary")
    await 30 fenced_by "$primary" || { echo "no constraint"; return 1; }
    # A person who promotes the other node now is stopped, too (11: it has not noticed the loss yet).
    rc=11
    while ((rc == 11)); do rc=0; br "$other" primary "$resource" || rc=$?; done
    ((rc == 17)) || { echo "a promotion of $other ended with $rc"; return 1; }
    grep -q "a constraint lets only $primary be Promoted" "$W/$other/daemon.log" || { echo "not for the constraint"; return 1; }
    heal_net repl
}
fenced_by() { on "$1" cibadmin --query --xpath "//rsc_location[starts-with(@id,'blockrepl-fence')]//expression[@value='$1']"; }
count_shots
mend=link_mended scenario "the replication link is cut" same link_is_cut
want "nobody was shot for it" nobody_was_shot

# --- the cluster's link is cut, replication lives -------------------------------------------------------------------------------------------------------------------

ring_is_cut() { cut_net ring; }
# The node that was shot is back, alone: it must wait.
ring_mended() {
    local other
    other=$(other_than "$(promoted_node)")
    await 90 shot "$other" || { echo "$other was not shot"; return 1; }
    await 60 waits_for_other "$other" || { echo "$other does not wait for the cluster"; return 1; }
    heal_net ring
}
shot() { tail -n "+$((shots + 1))" "$W/bmc/log" | grep "on $1: on"; }
count_shots_all() { shots=$(wc -l <"$W/bmc/log"); }
count_shots_all
mend=ring_mended scenario "the cluster's link is cut" same ring_is_cut

# --- both links are cut, and the Primary loses the shoot-out: what it would acknowledge meanwhile would be lost ----------------------------------------------------------------

# Each half believes for a while that the other is a member. The BMC of the Secondary does not answer, so it is the Secondary that shoots.
all_is_cut() {
    deaf=$(other_than "$(promoted_node)")
    kill -STOP "$(<"$W/bmc/$deaf.sim.pid")"
    cut_net repl
    cut_net ring
}
all_mended() {
    await 60 shot "$(other_than "$deaf")" || { echo "the Primary was not shot"; return 1; }
    kill -CONT "$(<"$W/bmc/$deaf.sim.pid")"
    await 60 waits_for_other "$(other_than "$deaf")" || { echo "the node that was shot does not wait for the cluster"; return 1; }
    heal_net repl
    heal_net ring
}
count_shots_all
mend=all_mended scenario "both links are cut, and the Primary cannot shoot" other all_is_cut

# --- daemons are killed ----------------------------------------------------------------------------------------------------------------------------------------------

daemon_of() { on "$1" pgrep -f -- "^$blockrepl daemon" | head -n 1; }
kill_daemon() { on "$1" kill -KILL "$(daemon_of "$1")"; }
primary_daemon() { kill_daemon "$(promoted_node)"; }
count_shots
scenario "the Primary's daemon is killed" any primary_daemon
want "nobody was shot for it" nobody_was_shot

# --- a disk fails ------------------------------------------------------------------------------------------------------------------------------------------------------

check "an administrator moves the service to alpha" primary_on alpha
check "in sync" await 90 settled
disk_fails() { : >"$W/alpha/disk-fails"; }
diskless() { [[ $(br alpha dstate "$resource") == Diskless/UpToDate ]]; }
shown_unpromoted() { shown beta | grep "Unpromoted: \[ alpha \]"; }
disk_mended() {
    await 60 is_promoted beta || { echo "the service did not move to the node with the good disk"; return 1; }
    await 30 diskless || { br alpha dstate "$resource"; return 1; }
    # Its instance is started again while the disk is bad, as after a reboot.
    kill_daemon alpha || return 1
    await 60 diskless || { echo "not up without its disk"; br alpha dstate "$resource"; return 1; }
    await 60 shown_unpromoted || { echo "Pacemaker does not have it Unpromoted"; shown alpha; return 1; }
    rm "$W/alpha/disk-fails"
    # The kernel owes the next flush an error of what was written meanwhile and not flushed: the first attempt may meet it.
    await 30 br alpha attach "$resource/data"
}
count_shots
mend=disk_mended scenario "the Primary's disk fails" any disk_fails
want "nobody was shot for it" nobody_was_shot

# --- no fencing: a machine must not take over, a person may ----------------------------------------------------------------------------------------------------------------

primary=$(promoted_node)
other=$(other_than "$primary")
check "an administrator switches fencing off" on "$primary" crm_attribute --type crm_config --name stonith-enabled --update false
check "the Primary's node dies" kill -KILL "$(<"$W/bmc/$primary.pid")"
says_what_to_configure() { br "$other" status "$resource" | grep -E "note: Pacemaker: not promoted: $primary was lost.*stonith-enabled=false.*configure a fence device"; }
check "status says why it is not promoted, and what to configure" await 90 says_what_to_configure
want "the log says so" grep -q "not promoted: $primary was lost.*stonith-enabled=false" "$W/$other/var/log/pacemaker/pacemaker.log"
has_no_score() { ! on "$other" crm_attribute --promotion=volumes --node "$other" --query --quiet; }
check "it has no promotion score" await 60 has_no_score
cluster_is_idle() { [[ $(on "$other" crmadmin -S "$(on "$other" crmadmin -qD)") == *S_IDLE* ]]; }
check "the cluster has nothing left to do" await 60 cluster_is_idle
want "it is not Primary" test "$(br "$other" role "$resource")" = Secondary
check "a person takes over: maintenance" on "$other" crm_attribute --type crm_config --name maintenance-mode --update true
refuses 17 "not known" "a promotion without evidence is refused, with what would help" br "$other" primary "$resource"
check "having made sure that $primary is dead, the person insists" br "$other" primary "$resource" --force
want "never two Primaries" never_two_primaries
report
finish
