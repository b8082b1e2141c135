#!/usr/bin/env bash
# A few minutes of each kernel, for every run of the tests: all of prog_tests, without the random frames, and of net_tests
# those that depend most on the kernel. `vmtests/run.sh` runs everything.
#
#     vmtests/quick.sh [OPTION of run.sh…] KERNEL
#
# For a kernel of another architecture, the programs are first built for it. Exit status 77, after a line that says why,
# when the kernel's package, QEMU or the compiler can't be had here.
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/lib.bash"
. "$vmtests/vm.bash"
(($#)) || die 2 "usage: vmtests/quick.sh [OPTION of run.sh…] KERNEL"
kernel=${!#}
read -r _ _ _ architecture _ < <(kernel_entry "$kernel")

skip() {
    echo "[  SKIPPED ] $kernel: $1"
    exit 77
}
command -v "$(emulator "$architecture")" >/dev/null || skip "needs $(emulator "$architecture")"
why=$("$vmtests/fetch.sh" "$kernel" 2>&1 >/dev/null) || skip "its package can't be had: $why"
if [[ $architecture != "$host_architecture" ]]; then
    compiler=$(triplet "$architecture")-g++
    command -v "$compiler" >/dev/null || skip "needs the compiler $compiler"
    why=$("$vmtests/sysroot.sh" "$architecture" 2>&1 >/dev/null) || skip "packages of $architecture can't be had: $why"
    (cd "$repository" && cmake --preset "$architecture" &&
        cmake --build --preset "$architecture" --target bpfport prog_tests net_tests)
fi
# Each engine on the hook that it takes by itself and, with tc, on the one that old kernels have; with checksums complete,
# which is the harder case. Of what cgroups do, what hangs on the kernel's answers.
tests=(
    'Object/*' 'Shipped/*' 'XdpProgram*'                               # prog_tests
    'Serve.ClientsFrom*/'{tctcx,tcclsact,xdpauto,sklookupauto}TxOff    # net_tests
    'Tuple.TheOlder*/'{tcclsact,xdpauto,sklookupauto}TxOff
    'Icmp.PathMtuIsDiscoveredByTcp/'{tcclsact,xdpauto}TxOff
    NetTest.StatusAsksTheKernel
    CgroupRules.{OtherBindsAreAsWithoutUs,ReusePortGroupsWork,TwoCgroupsEachReachTheirOwn,NothingIsLeftAfterTheCgroupIsRemoved}
    CgroupGrant.{OnlyTheGrantedPortsOfTheGrantedProtocol,MultipathTcpCounts,RevokeTakesBack}
    CgroupGuard.AReservedListenPortIsNobodys CgroupCompose.WhatIsRemovedIsDetachedAtOnce
)
# The oldest verifier and the newest must take what every compiler makes.
[[ $kernel == 5.10 || $kernel == newest ]] && tests+=('Compiler/*')
# What a run of all tests prints is cut where it is kept: a failure must not be lost among what passed.
# Two guests side by side: tests wait more than they compute, and most of what computes is one thread.
exec "$vmtests/run.sh" --quiet --limit 600 --guests 2 --test prog_tests --test net_tests "$@" -- \
    --gtest_filter="$(IFS=:; echo "${tests[*]}"):-*Random*:XdpProgram.EveryChecksum"
