#!/usr/bin/env bash
# Runs the tests, or any command, inside other kernels: each is booted in QEMU with a root made of this machine's files.
#
#     vmtests/run.sh [OPTION…] [KERNEL…] [-- GTEST ARGUMENTS]
#
#     KERNEL            a name of kernels.txt; all of this machine's architecture when none is said
#     --kernel FILE     a kernel image of your own instead, with --modules DIR as below /lib/modules/VERSION
#     --build DIR       take the programs from there (build/release; for another architecture build/ARCHITECTURE)
#     --test FILE       run this GoogleTest program instead of prog_tests, unit_tests and net_tests; may be repeated; a
#                       name without a slash is one of the build directory's
#     --with FILE       take this file along, at the path it has here; may be repeated
#     --command STRING  run this in the guest's shell instead of tests; its exit status is run.sh's, the last kernel's
#     --cgroup v2|mixed how control groups are mounted, instead of what kernels.txt says
#     --accel kvm|tcg   instead of what works (KVM is tried once)
#     --guests N        so many guests of a kernel side by side, each with its part of the tests (1)
#     --shard I/N       only the I-th of N parts of the tests, for several machines
#     --quiet           of tests, show only what failed and why others were skipped
#     --limit SECONDS   for each guest (5400); a program may take what is left of it but a tenth for each that follows
#
# The environment's BPFPORT_* are the guest's too. Under TCG, where a random frame takes 0.1 ms and more, BPFPORT_FRAMES
# is 100000 by default, and BPFPORT_SOAK 0: fewer rounds, packets and rules where less of them shows the same.
#
# Promises: exit status 0 only if every kernel was booted, every program ran to its end without a failed test, and no
# kernel complained (splats.txt); a guest that says nothing has failed. One line for each kernel at the end, then
# the sum. What each guest printed is left in build/vmtests/KERNEL/ (of several, in a directory for each there).
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/lib.bash"
. "$vmtests/vm.bash"
. "$vmtests/guard.bash"
. "$vmtests/guest.bash"

build='' kernel='' modules='' command='' cgroup='' accel='' limit=5400 guests=1 shard=1/1 quiet=''
tests=() with=() names=() arguments=()
while (($#)); do
    case $1 in
        --kernel | --modules | --build | --test | --with | --command | --cgroup | --accel | --limit | --guests | --shard)
            (($# > 1)) || die 2 "$1 needs a value"
            ;;&
        --kernel) kernel=$(realpath -e "$2") && shift 2 ;;
        --modules) modules=$(realpath -e "$2") && shift 2 ;;
        --build) build=$(realpath -e "$2") && shift 2 ;;
        --test) tests+=("$2") && shift 2 ;;
        --with) with+=("$(realpath -se "$2")") && shift 2 ;;
        --command) command=$2 && shift 2 ;;
        --cgroup) cgroup=$2 && shift 2 ;;
        --accel) accel=$2 && shift 2 ;;
        --limit) limit=$2 && shift 2 ;;
        --guests) guests=$2 && shift 2 ;;
        --shard) shard=$2 && shift 2 ;;
        --quiet) quiet=1 && shift ;;
        --) arguments=("${@:2}") && break ;;
        -*) die 2 "unknown option $1" "see the head of vmtests/run.sh" ;;
        *) names+=("$1") && shift ;;
    esac
done
[[ $limit =~ ^[1-9][0-9]*$ ]] || die 2 "--limit $limit: not a number of seconds"
[[ $guests =~ ^[1-9]$ ]] || die 2 "--guests $guests: 1 to 9"
[[ $shard =~ ^([1-9][0-9]?)/([1-9][0-9]?)$ ]] && ((BASH_REMATCH[1] <= BASH_REMATCH[2])) ||
    die 2 "--shard $shard: I/N, where I is from 1 to N and N up to 99"
shards=${shard#*/} shard=${shard%/*}
[[ -z $command ]] || guests=1 shard=1 shards=1
[[ $cgroup =~ ^(v2|mixed|)$ ]] || die 2 "--cgroup $cgroup: v2 or mixed"
[[ -z $modules || -n $kernel ]] || die 2 "--modules is for --kernel"
if [[ -n $kernel ]]; then
    ((${#names[@]} == 0)) || die 2 "--kernel FILE or names of kernels.txt, not both"
    names=(own)
elif ((${#names[@]} == 0)); then
    mapfile -t names < <(kernel_names "$host_architecture")
fi
architecture=$host_architecture
if [[ -z $kernel ]]; then
    mapfile -t architectures < <(for name in "${names[@]}"; do kernel_entry "$name" | awk '{ print $4 }'; done | sort -u)
    ((${#architectures[@]} == 1)) || die 2 "${names[*]}: kernels of one architecture at a time"
    architecture=${architectures[0]}
fi
if [[ -z $build ]]; then
    build=$repository/build/$architecture
    [[ $architecture != "$host_architecture" ]] || build=$repository/build/release
fi
for program in "$(emulator "$architecture")" busybox; do
    command -v "$program" >/dev/null ||
        die 1 "$program not found" "apt-get install qemu-system-x86 (qemu-system-arm, qemu-system-misc) busybox-static"
done

[[ -n $command || ${#tests[@]} != 0 ]] || tests=(prog_tests unit_tests net_tests)
for ((i = 0; i < ${#tests[@]}; i++)); do
    [[ ${tests[i]} == */* ]] || tests[i]=$build/tests/${tests[i]}
    [[ -x ${tests[i]} ]] ||
        die 1 "${tests[i]} not found" "cmake --preset ${build##*/} && cmake --build --preset ${build##*/}"
    tests[i]=$(realpath "${tests[i]}")
done

token=vmtests-$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')

# Of the build directory, what runs or is loaded: programs and BPF objects, not what they were made from.
built=()
if [[ -d $build ]]; then
    mapfile -t built < <(find "$build" -type f \( -name '*.bpf.o' -o -perm -u+x \) -not -path '*/CMakeFiles/*')
fi

all() {
    local work=$TMPDIR status=0 sum=(0 0 0) lines=() said=() name image tree groups
    "$vmtests/mkroot.sh" base "$architecture" "$work/base" "${built[@]}" "${tests[@]}" "${with[@]}" "$repository"/{docs,packaging,user}
    for name in "${names[@]}"; do
        local logs=$repository/build/vmtests/$name started=$SECONDS passed=0 failed=0 skipped=0 verdict=ok number each=()
        rm -rf "$logs" && mkdir -p "$logs"
        image=$kernel tree=$modules groups=$cgroup
        if [[ -z $kernel ]]; then
            tree=$("$vmtests/fetch.sh" "$name") || exit
            image=$tree/vmlinuz tree=$tree/modules
            [[ -n $groups ]] || read -r _ _ groups _ < <(kernel_entry "$name")
        fi
        [[ -n $accel ]] || accel=$(accelerator "$architecture" "$image")
        : >"$work/modules"
        [[ -z $tree ]] || "$vmtests/mkroot.sh" modules "$work/modules" "$tree"
        for ((number = 1; number <= guests; number++)); do
            each+=("$logs")
            ((guests == 1)) || each[-1]+=/$number
            guest "$name" "$image" "${groups:-v2}" "$number" "${each[-1]}" &
        done
        wait

        if [[ -n $command ]]; then
            status=$(sed -n "s/.*$token end command //p" "$logs/output.log")
            complaints "$name" "$logs" || true
            if [[ -z $status ]]; then
                say "$name: the guest ended before the command did; the end of its console:"
                tail -n 20 "$logs/console.log" >&2
                status=1
            fi
            continue
        fi

        for directory in "${each[@]}"; do
            judge "$name" "$directory"
            said+=("${directory#"$repository/build/vmtests/"}/output.log")
        done
        if ((passed + failed + skipped == 0)); then
            say "$name: no test ran"
            failed=1
        fi
        if ((failed)); then
            verdict=FAILED status=1
            say "$name: see ${logs#"$repository"/}/"
        fi
        lines+=("$name: $verdict, $passed passed, $failed failed, $skipped skipped, $((SECONDS - started)) s under $accel")
        sum=($((sum[0] + passed)) $((sum[1] + failed)) $((sum[2] + skipped)))
    done

    [[ -z $command ]] || exit "$status"
    (cd "$repository/build/vmtests" && awk -f "$vmtests/verifier.awk" "${said[@]}")
    printf '%s\n' "${lines[@]}"
    echo "${sum[0]} passed, ${sum[1]} failed, ${sum[2]} skipped"
    exit "$status"
}

# One line: the shell reads on when the first half has run, and a run is long enough for this file to have changed.
guarded all; exit
