#!/bin/bash
# pacemaker - a two-node Pacemaker cluster with real daemons, TLS, fencing by IPMI, a file system, PostgreSQL and a floating address; nodes that are killed, frozen, switched over and
# switched off (G2, G4, G6, G13). pacemaker-faults.sh cuts links and breaks disks and daemons.
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
need pacemakerd corosync crm ipmi_sim fence_ipmilan nbdfuse losetup jq "$postgres/postgres"

cluster_files
service_up

# --- a node is killed ----------------------------------------------------------------------------------------------------------------------------------------

power_cut() { kill -KILL "$(<"$W/bmc/$(promoted_node).pid")"; }
scenario "the Primary's node dies" other power_cut

# --- a node freezes: alive to nobody, and back if it were let ----------------------------------------------------------------------------------------------------

freeze() {
    local node namespace
    node=$(promoted_node)
    namespace=$(readlink "/proc/$(<"$W/bmc/$node.pid")/ns/pid" | tr -dc 0-9)
    await 10 all_stopped "$namespace"
}

# all_stopped NAMESPACE - stops what runs in it. Some processes end while they are looked at, and others begin; one that waits for its disk (D) stops when it is back from there.
all_stopped() {
    local processes
    processes=$(ps -e -o pid=,pidns=,stat= | awk -v n="$1" '$2 == n && $3 !~ /^[TZ]/ { print $1, $3 }')
    awk '{ print $1 }' <<<"$processes" | xargs --no-run-if-empty kill -STOP 2>/dev/null || true
    ! grep -qv ' D' <<<"${processes:-0 D}"
}
scenario "the Primary's node freezes" other freeze

# --- the other node dies: the service waits for the fence, and no longer -------------------------------------------------------------------------------------------

other_cut() { kill -KILL "$(<"$W/bmc/$(other_than "$(promoted_node)").pid")"; }
scenario "the Secondary's node dies" same other_cut

# --- a node in standby, and back ------------------------------------------------------------------------------------------------------------------------------------

standby() { standby_node=$(promoted_node) && on "$standby_node" crm_standby --node "$standby_node" --update on; }
back() { on "$standby_node" crm_standby --node "$standby_node" --delete; }
mend=back scenario "the Primary's node is put in standby" other standby

# --- both nodes lose power; started one after the other ------------------------------------------------------------------------------------------------------------------

both_lose_power() {
    local node
    for node in "${nodes[@]}"; do kill -KILL "$(<"$W/bmc/$node.pid")"; done
    for node in "${nodes[@]}"; do power "$node" off; done
}
# first_then_second FIRST - the first alone must not serve: it cannot know what the other has.
first_then_second() {
    power "$1" on || return 1
    await 60 on "$1" crm_mon -1 || return 1
    await 30 waits_for_other "$1" || { echo "$1 does not wait for the other node"; return 1; }
    power "$(other_than "$1")" on
}
for whose in "the Primary's" "the Secondary's"; do
    first=$(promoted_node)
    [[ $whose == "the Primary's" ]] || first=$(other_than "$first")
    check "both nodes lose power" both_lose_power
    check "$whose node is switched on, and then the other" first_then_second "$first"
    measured_from=$EPOCHREALTIME scenario "both lost power, $whose node came first: from both on" any true
done
report
finish
