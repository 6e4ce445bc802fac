#!/bin/bash
# fake_host.sh HOST COMMAND…: a remote shell to this very machine under another name, for tests.
# Open MPI takes processes of different host names for different hosts, and so lets them talk by TCP.
set -euo pipefail
while [[ ${1:-} == -* ]]; do shift; done
name=other-${1//./-}
shift
own=()
((EUID == 0)) || own=(--user --map-root-user)
exec unshare "${own[@]}" --uts --fork --kill-child sh -c "hostname $name; $*"
