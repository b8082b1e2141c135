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
# Each engine on the hook that it takes by itself and, with tc, on the one that old kernels have; with checksums complete,
# which is the harder case. Of what cgroups do, what hangs on the kernel's answers.
tests=(
    'Object/*' 'XdpProgram*'                                           # prog_tests
    'Serve.ClientsFrom*/'{tctcx,tcclsact,xdpauto,sklookupauto}TxOff    # net_tests
    'Tuple.TheOlder*/'{tcclsact,xdpauto,sklookupauto}TxOff
    'Icmp.PathMtuIsDiscoveredByTcp/'{tcclsact,xdpauto}TxOff
    NetTest.StatusAsksTheKernel
    CgroupRules.{OtherBindsAreAsWithoutUs,ReusePortGroupsWork,TwoCgroupsEachReachTheirOwn,NothingIsLeftAfterTheCgroupIsRemoved}
    CgroupGrant.{OnlyTheGrantedPortsOfTheGrantedProtocol,MultipathTcpCounts,RevokeTakesBack}
    CgroupGuard.AReservedListenPortIsNobodys
)
exec "$here/run.sh" --limit 600 --test "$build/tests/prog_tests" --test "$build/tests/net_tests" "$kernel" -- \
    --gtest_filter="$(IFS=:; echo "${tests[*]}"):-*Random*:XdpProgram.EveryChecksum"
