#!/bin/sh
# /metrics and the alerts about them as Prometheus' own tool sees them:
# promtool.sh PROGRAM, which prints /metrics. No verdict where there is no
# promtool ("contrib/install-packages monitoring").

command -v promtool > /dev/null || { echo "there is no promtool"; exit 77; }
said=$("$1" | promtool check metrics 2>&1)
status=$?
[ -z "$said" ] || printf '%s\n' "$said"
[ $status -eq 0 ] && [ -z "$said" ] || exit 1
cd "$(dirname "$0")/../../../../contrib/prometheus" || exit 1
promtool check rules alerts.yml && promtool test rules alerts_test.yml
