#!/usr/bin/env bash
# A few minutes of each kernel, for every run of the tests: all of prog_tests, without the random frames, and of net_tests
# those that depend most on the kernel. `vmtests/run.sh` runs everything.
#
#     vmtests/quick.sh KERNEL
#
# Exit status 77, after a line that says why, when the kernel's package can't be had here.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
build=$(dirname "$here")/build/release
kernel=${1:?usage: vmtests/quick.sh KERNEL}

if ! why=$("$here/fetch.sh" "$kernel" 2>&1 >/dev/null); then
    echo "[  SKIPPED ] $kernel: its package can't be had: $why"
    exit 77
fi
tests=(
    'Object/*' 'XdpProgram*'                                           # prog_tests
    'Serve.ClientsFrom*TxOff' 'Tuple.TheOlder*' 'Icmp.PathMtu*Tcp*'     # net_tests
    'NetTest.NginxAndCurl' 'NetTest.StatusAsksTheKernel' 'CgroupRules.*' 'CgroupGrant*'
)
exec "$here/run.sh" --limit 800 --test "$build/tests/prog_tests" --test "$build/tests/net_tests" "$kernel" -- \
    --gtest_filter="$(IFS=:; echo "${tests[*]}"):-*Random*:XdpProgram.EveryChecksum"
