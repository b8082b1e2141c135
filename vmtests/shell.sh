#!/usr/bin/env bash
# Runs a command in a guest, with this build's programs and BPF objects at the paths they have here.
#
#     vmtests/shell.sh [OPTION of run.sh…] KERNEL COMMAND…
#
# The command goes to the guest's shell as written: quote what this shell must not see. Its exit status is passed on.
#
#     vmtests/shell.sh 5.10 'bpftool -d prog load $PWD/build/release/bpf/tc_helper.bpf.o /sys/fs/bpf/x'
set -euo pipefail

options=()
while [[ ${1:-} == --* ]]; do
    options+=("$1" "${2:-}")
    shift 2 || break
done
if (($# < 2)); then
    echo "usage: vmtests/shell.sh [OPTION of run.sh…] KERNEL COMMAND…" >&2
    exit 2
fi
exec "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/run.sh" "${options[@]}" --command "${*:2}" "$1"
