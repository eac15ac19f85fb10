#!/bin/bash
# maintenance.sh - "blockrepl maintenance" drives Pacemaker's own commands, here over a file instead of a running cluster
# (CIB_file), and refuses where there is no Pacemaker, no cluster, or nothing that the cluster should take over.
# time-limit: 120 seconds
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
begin maintenance
need jq crm_attribute crm_resource cibadmin
export CIB_file=$W/cib.xml
cibadmin --empty >"$CIB_file"

says() { local node=$1 pattern=$2; shift 2; br "$node" maintenance "$@" >"$W/said" 2>&1 || { cat "$W/said"; return 1; }; grep -qE -- "$pattern" "$W/said" || { cat "$W/said"; return 1; }; }
both_up 16MiB
want "off to begin with" says alpha '^off$' status
want "off is done already" says alpha 'off already' off
want "on: says what each resource is" says alpha '^r0 is Primary here; in sync with beta$' on
want "and the cluster has it" test "$(crm_attribute --type crm_config --name maintenance-mode --query --quiet)" = true
want "on is done already, and tells the Secondary that it is not the one" says beta 'on the Primary only, which is not this node' on
want "on, in JSON" says alpha '^\{"maintenance":"on"\}$' status --json

check "alpha becomes Secondary" br alpha secondary r0
refuses 11 'no node is Primary' "off is refused while nobody is Primary" br alpha maintenance off
check "alpha becomes Primary again" br alpha primary r0
check "beta leaves" br beta disconnect r0
refuses 11 'beta is' "off is refused while the peer is away" br alpha maintenance off
want "and maintenance is on still" says alpha '^on$' status
want "unless by force" says alpha 'is off: the cluster manager is in charge' off --force
want "the cluster has that, too" says alpha '^off$' status
check "maintenance on again" br alpha maintenance on
check "beta comes back" br beta connect r0
check "they connect" br alpha wait-connect r0 --timeout 30s
check "alpha's daemon drains and ends" node_down alpha
refuses 11 'does not answer' "off is refused while the daemon does not answer" br alpha maintenance off
check "on needs no daemon" br alpha maintenance on

# A stub that records: the cluster looks anew before it takes over, not after.
check "alpha's daemon starts" node_up alpha
check "alpha becomes Primary" promote alpha 30
check "the nodes are connected" br alpha wait-connect r0 --timeout 30s
mkdir "$W/bin"
for tool in crm_attribute crm_resource; do
    printf '#!/bin/bash\necho "%s $*" >>"%s"\nexec "%s" "$@"\n' "$tool" "$W/calls" "$(command -v $tool)" >"$W/bin/$tool"
    chmod +x "$W/bin/$tool"
done
want "off once all is well" env PATH="$W/bin:$PATH" BLOCKREPL_RUN_DIR="$W/alpha/run" "$blockrepl" maintenance off
order() { grep -nE 'refresh|update false' "$W/calls" | cut -d: -f2- | tr '\n' ';' | grep -qx 'crm_resource --refresh;crm_attribute .*--update false;'; }
want "resources are looked at anew before the cluster takes over" order

# No cluster on this node; a command that fails; no Pacemaker at all.
unset CIB_file
refuses 11 'Could not connect|not connected' "without a running cluster both lines say so" br alpha maintenance on
want "the second says what would help" grep -q 'is Pacemaker running' "$W/refuses.err"
printf '#!/bin/bash\n[[ "$*" == *--query* ]] || exit 0\necho false\n' >"$W/bin/crm_attribute"
deaf() { PATH=$W/bin:$PATH br alpha maintenance on; }
refuses 11 'told to switch maintenance on and it is not so' "a switch that does not switch is noticed" deaf
if ((EUID == 0)); then
    # In a mount namespace of its own: the commands are hidden from this one program.
    # shellcheck disable=SC2016
    hidden() { unshare -m bash -c 'mount -t tmpfs none /usr/sbin && PATH=/none BLOCKREPL_RUN_DIR=$1/alpha/run exec "$2" maintenance on' - "$W" "$blockrepl"; }
    refuses 11 'no Pacemaker on this machine' "without Pacemaker both lines say so" hidden
fi
finish
