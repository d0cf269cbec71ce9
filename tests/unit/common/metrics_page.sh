#!/bin/sh
# postern-metrics(7) says what the table of counters says.

cd "$(dirname "$0")/../../.." || exit 1
/usr/bin/python3 man/metrics-page common/counters.def |
    diff -u man/postern-metrics.7 - && exit
echo "run: man/metrics-page common/counters.def > man/postern-metrics.7"
exit 1
