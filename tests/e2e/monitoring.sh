#!/bin/bash
# monitoring.sh - what watches BlockRepl sees the truth: check, the script for bm-checks, the metrics as Prometheus' own tools
# read them, the alert rules, and the notify handler as the daemon calls it.
# time-limit: 300 seconds
set -euo pipefail
# shellcheck source=tests/e2e/lib.sh
. "$(dirname -- "${BASH_SOURCE[0]}")/lib.sh"
begin monitoring
need jq curl prometheus promtool
tools=$repo/tools/monitoring

# A mailer and a system log of our own, first on the daemon's PATH: each keeps what it is given.
mkdir -p "$W/bin" "$W/mails"
cat >"$W/bin/mail" <<END
#!/bin/bash
{ printf '%s|' "\$@"; echo; cat; } >"$W/mails/\$\$.new" && mv "$W/mails/\$\$.new" "$W/mails/\$BLOCKREPL_HANDLER.\$BLOCKREPL_NODE"
END
cat >"$W/bin/logger" <<END
#!/bin/bash
printf '%s|' "\$@" >>"$W/syslog"; echo >>"$W/syslog"
END
ln -s "$blockrepl" "$W/bin/blockrepl"
chmod +x "$W/bin/mail" "$W/bin/logger"
export PATH=$W/bin:$PATH

# plugin NODE CODE PATTERN TEXT [OPTION...] - check answers with CODE and one line of the plugins' form that has PATTERN in it.
plugin() {
    local node=$1 code=$2 pattern=$3 text=$4 rc=0
    shift 4
    br "$node" check "$@" >"$W/check.line" 2>"$W/check.err" || rc=$?
    if [[ $rc == "$code" && ! -s $W/check.err && $(wc -l <"$W/check.line") == 1 ]] && grep -qE -- "$pattern" "$W/check.line" &&
        grep -qE '^[^|]+( \|( [^= ]+=[-0-9.]+(us|ms|s|%|B|c)?(;[0-9.]*){0,4})+)?$' "$W/check.line"; then ok "$text"; return 0; fi
    not_ok "$text"
    note "wanted exit $code and /$pattern/, got exit $rc and: $(head -n 3 "$W/check.line" "$W/check.err")"
}
plugin_is() { br "$1" check >"$W/check.line" 2>&1; [[ $? == "$2" ]] && grep -qE -- "$3" "$W/check.line"; }

# --- the rules, by themselves ------------------------------------------------------------------------------------
want "the alert rules are well formed" promtool check rules "$tools/blockrepl.rules.yml"
want "each alert fires when it should and not before" promtool test rules "$tools/blockrepl.rules.test.yml"

# --- a pair ------------------------------------------------------------------------------------------------------
notify=$repo/tools/handlers/notify
both_up 16MiB 'handlers: { split-brain: "'"$notify"' root@localhost", disconnected: "'"$notify"'" }'
read -r alpha_metrics beta_metrics prometheus_port < <(free_ports 3)
plugin alpha 0 'OK - r0 Primary, in sync with beta \(Secondary\), fencing dont-care \|' "check: a pair in sync is OK"
plugin beta 1 'WARNING - r0: a lost peer is not fenced' "check: fencing that is not there can be asked for" --require-fencing
plugin alpha 3 'UNKNOWN - .*nonsense' "check: a name that is not defined is UNKNOWN" nonsense

for node in alpha beta; do
    port=${node}_metrics
    sed -i "1i metrics: { listen: \"127.0.0.1:${!port}\" }" "$W/$node/blockrepl.yaml"
    want "$node: adjust turns the metrics on" br "$node" adjust all
done
check "the metrics are served" curl -fsS -m 10 -o "$W/metrics" "http://127.0.0.1:$alpha_metrics/metrics"
want "promtool finds nothing to complain about" promtool check metrics <"$W/metrics"
want "the Primary is told as Primary" grep -qx 'blockrepl_resource_role{name="r0",blockrepl_resource_role="Primary"} 1' "$W/metrics"
want "nothing is out of sync" grep -qx 'blockrepl_peerdevice_outofsync_bytes{name="r0",conn_name="beta",volume="data"} 0' "$W/metrics"

# Names in rules and in the files for programs that Debian does not have are names that the daemon serves.
grep -ohE 'blockrepl_(resource|connection|device|peerdevice|handler)_[a-z_]+' "$tools/blockrepl.rules.yml" "$tools/kapacitor/blockrepl.tick" | sort -u >"$W/used"
sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' "$W/metrics" | sort -u >"$W/served"
want "every family that an alert names is served" test -z "$(comm -23 "$W/used" "$W/served")"
want "the Telegraf input is TOML and asks where the metrics are by default" "$python" - "$tools/telegraf.d/blockrepl.conf" <<'PYTHON'
import sys, tomllib
inputs = tomllib.load(open(sys.argv[1], "rb"))["inputs"]["prometheus"]
assert len(inputs) == 1 and inputs[0]["urls"] == ["http://127.0.0.1:9943/metrics"], inputs
PYTHON

# --- Prometheus ---------------------------------------------------------------------------------------------------
cat >"$W/prometheus.yml" <<END
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [$tools/blockrepl.rules.yml]
scrape_configs:
  - job_name: blockrepl
    static_configs: [{ targets: ["127.0.0.1:$alpha_metrics", "127.0.0.1:$beta_metrics"] }]
END
setsid prometheus --config.file="$W/prometheus.yml" --storage.tsdb.path="$W/tsdb" --web.listen-address="127.0.0.1:$prometheus_port" >"$W/prometheus.log" 2>&1 </dev/null &
at_exit "kill $!"
asked() { promtool query instant "http://127.0.0.1:$prometheus_port" "$1" | grep -q .; }
want "Prometheus scrapes both nodes" await 60 asked 'count(blockrepl_build_info) == 2'
want "and sees one Primary among them" await 20 asked 'sum(blockrepl_resource_role{blockrepl_resource_role="Primary"}) == 1'

# --- the peer goes -------------------------------------------------------------------------------------------------
want "the script for bm-checks is good" env BLOCKREPL_CHECK_DEFAULTS=/dev/null BLOCKREPL_RUN_DIR="$W/alpha/run" "$tools/check_blockrepl.sh"
check "beta is killed" node_kill beta
want "check: a peer that has just gone is a WARNING" await 60 plugin_is alpha 1 'WARNING - r0@beta is [A-Za-z]+, away for'
plugin alpha 2 'CRITICAL - r0@beta' "check: one that has been away too long is CRITICAL" --disconnected-critical 0s
plugin beta 2 'CRITICAL - the daemon cannot be reached' "check: a daemon that is not there is CRITICAL"
bm_check() { local rc=0; env BLOCKREPL_CHECK_DEFAULTS="$W/defaults" BLOCKREPL_RUN_DIR="$W/alpha/run" "$tools/check_blockrepl.sh" >"$W/bm" || rc=$?; [[ $rc == "$1" && $(wc -l <"$W/bm") == 1 ]]; }
echo 'CHECK_OPTIONS="--disconnected-critical 0s"' >"$W/defaults"
want "the script for bm-checks reads its options and answers 2" bm_check 2
echo 'CHECK_OPTIONS="nonsense"' >"$W/defaults"
want "what cannot be told is 2 there" bm_check 2
want "the disconnected handler wrote to the system log" await 60 grep -q 'daemon.warning|--|blockrepl on alpha: r0 with beta: the connection ended' "$W/syslog"

# --- split brain: both change data while apart ---------------------------------------------------------------------
want "alpha writes alone" nbdsh -u "$(uri alpha)" -c 'h.pwrite(b"a" * 4096, 0, nbd.CMD_FLAG_FUA)'
check "alpha's daemon drains and ends" node_down alpha
check "beta's daemon starts" node_up beta
check "beta is promoted by force" br beta primary r0 --force
want "beta writes alone" nbdsh -u "$(uri beta)" -c 'h.pwrite(b"b" * 4096, 0, nbd.CMD_FLAG_FUA)'
check "alpha's daemon starts again" node_up alpha
split() { br "$1" cstate r0 | grep -qx StandAlone; }
check "they find the split brain" await 60 split beta
plugin beta 2 'CRITICAL - r0@alpha: split brain' "check: a split brain is CRITICAL"
want "Prometheus raises the alarm" await 60 asked 'ALERTS{alertname="BlockReplSplitBrain",alertstate="firing",name="r0"}'
check "the split-brain handler sent its mail" await 60 test -s "$W/mails/split-brain.beta"
want "to the address that it was given" grep -qF -- '|root@localhost|' "$W/mails/split-brain.beta"
want "which says what to do" grep -q 'blockrepl connect --discard-my-data r0' "$W/mails/split-brain.beta"
want "and has the status" grep -q 'r0 role:' "$W/mails/split-brain.beta"
want "the calls of the handler are counted" await 20 asked 'blockrepl_handler_calls_total{handler="split-brain",exit_code="0"} >= 1'

# --- the handler by itself -----------------------------------------------------------------------------------------
mkdir -p "$W/empty"
for tool in uname date cat timeout; do ln -s "/usr/bin/$tool" "$W/empty/$tool"; done
tells_nobody() {
    local rc=0
    env -i PATH="$W/empty" SENDMAIL=/none BLOCKREPL_HANDLER=out-of-sync /bin/bash "$notify" root@localhost >"$W/nobody" 2>&1 || rc=$?
    ((rc == 1)) && grep -q 'no mail can be sent to root@localhost' "$W/nobody"
}
want "a handler that could tell nobody says so, also with its status" tells_nobody
finish
