#!/usr/bin/env bash
# Runs the tests, or any command, inside other kernels: each is booted in QEMU with a root made of this machine's files.
#
#     vmtests/run.sh [OPTION…] [KERNEL…] [-- GTEST ARGUMENTS]
#
#     KERNEL            a name of kernels.txt; all of them when none is said
#     --kernel FILE     a kernel image of your own instead, with --modules DIR as below /lib/modules/VERSION
#     --build DIR       take the programs from there (build/release)
#     --test FILE       run this GoogleTest program instead of prog_tests, net_tests and unit_tests; may be repeated
#     --with FILE       take this file along, at the path it has here; may be repeated
#     --command STRING  run this in the guest's shell instead of tests; its exit status is run.sh's, the last kernel's
#     --cgroup v2|mixed how control groups are mounted, instead of what kernels.txt says
#     --accel kvm|tcg   instead of what works (KVM is tried once)
#     --limit SECONDS   for each kernel (5400); a program may take what is left of it but a tenth for each that follows
#
# The environment's BPFPORT_* are the guest's too. Under TCG, where a random frame takes 0.1 ms and more, BPFPORT_FRAMES
# is 200000 when unsaid.
#
# Promises: exit status 0 only if every kernel was booted, every program ran to its end without a failed test, and no
# kernel complained (splats.txt); a guest that says nothing has failed. One line for each kernel at the end, then
# the sum. What each guest printed is left in build/vmtests/KERNEL/.
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/lib.bash"
. "$vmtests/vm.bash"
. "$vmtests/guard.bash"

build=$repository/build/release
kernel='' modules='' command='' cgroup='' accel='' limit=5400 boot=120
tests=() with=() names=() arguments=()
while (($#)); do
    case $1 in
        --kernel | --modules | --build | --test | --with | --command | --cgroup | --accel | --limit)
            (($# > 1)) || die 2 "$1 needs a value"
            ;;&
        --kernel) kernel=$(realpath -e "$2") && shift 2 ;;
        --modules) modules=$(realpath -e "$2") && shift 2 ;;
        --build) build=$(realpath -e "$2") && shift 2 ;;
        --test) tests+=("$(realpath -e "$2")") && shift 2 ;;
        --with) with+=("$(realpath -se "$2")") && shift 2 ;;
        --command) command=$2 && shift 2 ;;
        --cgroup) cgroup=$2 && shift 2 ;;
        --accel) accel=$2 && shift 2 ;;
        --limit) limit=$2 && shift 2 ;;
        --) arguments=("${@:2}") && break ;;
        -*) die 2 "unknown option $1" "see the head of vmtests/run.sh" ;;
        *) names+=("$1") && shift ;;
    esac
done
[[ $limit =~ ^[1-9][0-9]*$ ]] || die 2 "--limit $limit: not a number of seconds"
[[ $cgroup =~ ^(v2|mixed|)$ ]] || die 2 "--cgroup $cgroup: v2 or mixed"
[[ -z $modules || -n $kernel ]] || die 2 "--modules is for --kernel"
if [[ -n $kernel ]]; then
    ((${#names[@]} == 0)) || die 2 "--kernel FILE or names of kernels.txt, not both"
    names=(own)
elif ((${#names[@]} == 0)); then
    mapfile -t names < <(kernel_names)
fi
for name in "${names[@]}"; do
    [[ -n $kernel ]] || kernel_entry "$name" >/dev/null
done
for program in qemu-system-x86_64 busybox; do
    command -v "$program" >/dev/null || die 1 "$program not found" "apt-get install qemu-system-x86 busybox-static"
done

if [[ -z $command && ${#tests[@]} == 0 ]]; then
    for program in prog unit net; do
        tests+=("$build/tests/${program}_tests")
        [[ -x ${tests[-1]} ]] || die 1 "${tests[-1]} not found" "cmake --preset release && cmake --build --preset release"
    done
fi

token=vmtests-$(od -An -N8 -tx8 /dev/urandom | tr -d ' ')

# Of the build directory, what runs or is loaded: programs and BPF objects, not what they were made from.
built=()
if [[ -d $build ]]; then
    mapfile -t built < <(find "$build" -type f \( -name '*.bpf.o' -o -perm -u+x \) -not -path '*/CMakeFiles/*')
fi

# job CGROUP OUT: what this run wants of a guest.
job() {
    local following=${#tests[@]} name test
    rm -rf "$work/root"
    mkdir -p "$work/root/job"
    echo "$token" >"$work/root/job/token"
    echo "$1" >"$work/root/job/cgroup"
    {
        # From where the guest's programs are run, here and there.
        echo "mkdir -p ${repository@Q}; cd ${repository@Q} || return; limit=$limit"
        [[ $accel != tcg ]] || echo "export BPFPORT_FRAMES=200000"
        for name in "${!BPFPORT_@}"; do
            echo "export $name=${!name@Q}"
        done
        [[ -z $command ]] || echo "program command 0 sh -c ${command@Q}"
        for test in "${tests[@]}"; do
            echo "program ${test##*/} $((--following)) ${test@Q} ${arguments[*]@Q}"
        done
    } >"$work/root/job/script"
    (cd "$work/root" && find . | busybox cpio -o -H newc 2>/dev/null) >"$2"
}

# awaited PIDFILE: stdin as it comes, but a guest that is silent for too long after it was switched on is switched off: a
# kernel may hang at boot under TCG when the host is busy, and boots when tried again.
awaited() {
    local first
    if IFS= read -r -t "$boot" first; then
        printf '%s\n' "$first"
        cat
    else
        kill "$(cat "$1")" 2>/dev/null || true
    fi
}

# guest NAME: boots it, shows what it prints, leaves console.log and output.log in its directory.
guest() {
    local name=$1 image=$kernel tree=$modules groups=$cgroup directory said try status
    if [[ -z $kernel ]]; then
        directory=$("$vmtests/fetch.sh" "$name") || return
        image=$directory/vmlinuz tree=$directory/modules
        [[ -n $groups ]] || read -r _ _ groups _ < <(kernel_entry "$name")
    fi
    [[ -n $accel ]] || accel=$(accelerator "$image")
    : >"$work/modules"
    [[ -z $tree ]] || "$vmtests/mkroot.sh" modules "$work/modules" "$tree"
    job "${groups:-v2}" "$work/job"
    cat "$work"/{base,modules,job} >"$work/initrd"
    # The marks are for results.awk. One may follow on a line that a program left unfinished.
    said="/^$token (end|done)/d; s/$token (end|done).*//"
    if [[ -n $command ]]; then said+="; /$token begin/d"; else said+="; s/$token begin (.*)/vmtests: $name: \\1/"; fi
    for try in once twice; do
        status=0
        virtual_machine "$accel" $((limit + boot)) "$image" "$work/initrd" "$logs/console.log" "$work/qemu" |
            awaited "$work/qemu" | tee "$logs/output.log" | sed -uE "$said" || status=$?
        [[ ! -s $logs/output.log ]] || return "$status"
        say "$name: switched on $try without a word from it"
    done
    return 1
}

# complaints NAME: prints what the kernel's console holds of splats.txt; fails if it does.
complaints() {
    local splats
    splats=$(grep -aE -f <(grep -v '^#' "$vmtests/splats.txt") "$logs/console.log") || return 0
    say "$1: the kernel complained:"
    echo "$splats" >&2
    return 1
}

all() {
    local work=$TMPDIR status=0 total_passed=0 total_failed=0 total_skipped=0 lines=() name
    "$vmtests/mkroot.sh" base "$work/base" "${built[@]}" "${tests[@]}" "${with[@]}" "$repository"/{docs,packaging}
    for name in "${names[@]}"; do
        logs=$repository/build/vmtests/$name
        rm -rf "$logs" && mkdir -p "$logs"
        : >"$logs/output.log" && : >"$logs/console.log"
        started=$SECONDS
        guest "$name" || say "$name: QEMU ended with status $?"
        verdict=ok

        if [[ -n $command ]]; then
            status=$(sed -n "s/.*$token end command //p" "$logs/output.log")
            complaints "$name" || true
            if [[ -z $status ]]; then
                say "$name: the guest ended before the command did; the end of its console:"
                tail -n 20 "$logs/console.log" >&2
                status=1
            fi
            continue
        fi

        mapfile -t result < <(awk -v token="$token" -f "$vmtests/results.awk" "$logs/output.log")
        read -r passed failed skipped <<<"${result[0]}"
        for problem in "${result[@]:1}"; do
            say "$name: $problem"
        done
        complaints "$name" || failed=$((failed + 1))
        if ((failed)); then
            verdict=FAILED status=1
            say "$name: see ${logs#"$repository"/}/"
        fi
        if ((${#result[@]} > 1)); then
            say "$name: the end of its console:"
            tail -n 20 "$logs/console.log" >&2
        fi
        lines+=("$name: $verdict, $passed passed, $failed failed, $skipped skipped, $((SECONDS - started)) s under ${accel:-nothing}")
        total_passed=$((total_passed + passed)) total_failed=$((total_failed + failed)) total_skipped=$((total_skipped + skipped))
    done

    [[ -z $command ]] || exit "$status"
    (cd "$repository/build/vmtests" && awk -f "$vmtests/verifier.awk" "${names[@]/%//output.log}")
    printf '%s\n' "${lines[@]}"
    echo "$total_passed passed, $total_failed failed, $total_skipped skipped"
    exit "$status"
}

# One line: the shell reads on when the first half has run, and a run is long enough for this file to have changed.
guarded all; exit
