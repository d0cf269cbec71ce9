#!/bin/sh
# postern-ipc(7) says what the table of messages says.

cd "$(dirname "$0")/../../.." || exit 1
/usr/bin/python3 man/ipc-page common/ipc.def | diff -u man/postern-ipc.7 - && exit
echo "run: man/ipc-page common/ipc.def > man/postern-ipc.7"
exit 1
