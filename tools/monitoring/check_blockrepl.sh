#!/bin/bash
# check_blockrepl.sh - BlockRepl's state for BlueMind's bm-checks: copy it to /usr/share/bm-checks/. One line; exit status
# 0 good, 1 warning, 2 critical. bm_check_all.sh knows no "unknown": what cannot be told is 2 here, with the same line.
# Options for "blockrepl check" come from the command line, then from CHECK_OPTIONS in /etc/default/blockrepl-check.
set -euo pipefail

defaults=${BLOCKREPL_CHECK_DEFAULTS:-/etc/default/blockrepl-check}
CHECK_OPTIONS=''
# shellcheck source=/dev/null
if [[ -r $defaults ]]; then . "$defaults"; fi
read -ra options <<<"$CHECK_OPTIONS"

if ! command -v blockrepl >/dev/null; then
    echo 'BLOCKREPL UNKNOWN - the command blockrepl is not installed'
    exit 2
fi
rc=0
line=$(blockrepl check "${options[@]}" "$@" 2>&1) || rc=$?
printf '%s\n' "${line//$'\n'/; }"
((rc <= 2)) || exit 2
exit "$rc"
