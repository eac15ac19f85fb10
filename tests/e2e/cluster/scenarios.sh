# shellcheck shell=bash disable=SC2154
# scenarios.sh - what every scenario of the cluster scripts does alike. Sourced after database.sh.

outage_limit=120     # seconds; several times what is measured, for a machine that is several times slower

# before_boot - for a script to define anew: what comes before the metadata.
before_boot() { :; }

# service_up - nodes booted, the cluster configured, the database answering on the floating address, the client writing, the roles watched.
service_up() {
    local node
    check "a file system with a database, the same on both nodes" database_image
    before_boot
    for node in "${nodes[@]}"; do check "$node: create-md" br "$node" create-md "$resource"; done
    networks_up
    bmcs_up
    check "both nodes have power" boot_both
    check "both are online in the cluster" await 90 both_online
    { echo "$properties"; fence_primitives; volume_primitives; database_primitives; } >"$W/cluster.crm"
    check "the cluster takes its configuration" configure "$W/cluster.crm"
    check "the agent has brought both sides up" await 60 connected
    check "the disks are known to be equal" br alpha new-current-uuid "$resource" --clear-bitmap
    check "the database answers on the floating address" await 90 sql 'select 1'
    check "the client writes" writer_start
    watch_roles
    check "acknowledged commits come in" await 30 acknowledged_after "$EPOCHREALTIME"
    check "in sync" await 30 settled
}
connected() { [[ $(br alpha cstate "$resource" 2>/dev/null) == Connected ]]; }

# settled - one Primary with a peer in sync, both nodes online, every resource where it should be, and no fence left.
settled() {
    local primary
    primary=$(promoted_node) || return 1
    in_sync "$primary" && both_online && no_constraint && on "$primary" crm_mon -1 2>/dev/null | grep -q "Unpromoted: \[ $(other_than "$primary") \]"
}
no_constraint() { [[ -z $(on "$(promoted_node)" cibadmin --query --xpath "//rsc_location[starts-with(@id,'blockrepl-fence')]" 2>/dev/null) ]]; }

# scenario NAME WHERE COMMAND... - WHERE is same, other or any: where the service must be afterwards. Breaks something, and asks for all that was promised.
declare -a figures=()
scenario() {
    local name=$1 where=$2 before after began seconds
    shift 2
    before=$(promoted_node) || before=nobody
    began=$EPOCHREALTIME
    check "$name" "$@" || return 0
    # Before the service is asked: where it is moved in order, it answers on the old node for a moment more.
    if [[ $where == other ]] && ! check "$name: it goes to the other node" await "$outage_limit" promoted_is "$(other_than "$before")"; then
        troubles
        return 0
    fi
    if ! check "$name: the service answers again" await "$outage_limit" acknowledged_after "$EPOCHREALTIME"; then
        troubles
        return 0
    fi
    after=$(promoted_node) || after=nobody
    case $where in
        same) want "$name: on the same node ($before)" test "$after" = "$before" ;;
        other) want "$name: on the other node" test "$after" = "$(other_than "$before")" ;;
    esac
    if [[ -n ${mend:-} ]]; then check "$name: mended" "$mend"; fi
    check "$name: the failed node is back and in sync by itself" await 120 settled || troubles
    # At the end, because what a node acknowledged that is yet to be shot is lost only then. The service may just be moving.
    want "$name: no acknowledged commit is missing" await 60 nothing_missing
    want "$name: there were never two Primaries" never_two_primaries
    # At the end, because what is broken may cost its pause later, when it is noticed; and once that pause is over, or it would not count.
    want "$name: the client commits" await "$outage_limit" acknowledged_after "$EPOCHREALTIME"
    if [[ -n ${measured_from:-} ]]; then seconds=$(resumed "$measured_from"); else seconds=$(outage "$began"); fi
    figures+=("$(printf '%-62s %6s s' "$name" "$seconds")")
    note "$name: no commits for $seconds s; $before -> $after; in sync again $(awk -v a="$began" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.0f", b - a }') s after it began"
}
promoted_is() { [[ $(promoted_node) == "$1" ]]; }
troubles() {
    local node
    note "the power switch: $(grep -v ' status ' "$W/bmc/log" | tail -n 8)"
    for node in "${nodes[@]}"; do
        has_power "$node" || continue
        { br "$node" status "$resource" 2>&1 || true; } | sed "s/^/# $node: /"
        note "$node: processes"
        { on "$node" ps -e -o pid,etimes,stat,wchan:20,args || true; } | grep -E "blockrepl|nbdfuse" | cut -c -160 | sed 's/^/#   /' || true
    done
    if has_power alpha; then note "$(shown alpha || true)"; fi
    cluster_logs 30
}

report() {
    local line
    note "figures: the longest time without an acknowledged commit"
    for line in "${figures[@]}"; do note "$line"; done
}
