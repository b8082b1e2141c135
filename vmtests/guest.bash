# shellcheck shell=bash
# shellcheck disable=SC2154 # what run.sh was told: $limit, $tests, $command, $token, $architecture …
# One guest of a run: what it is to do, and what it left.

# job CGROUP PART PARTS OUT: what this run wants of a guest that does one of several parts.
job() {
    local following=${#tests[@]} root=$4.root name test
    mkdir -p "$root/job"
    echo "$token" >"$root/job/token"
    echo "$1" >"$root/job/cgroup"
    {
        # From where the guest's programs are run, here and there.
        echo "mkdir -p ${repository@Q}; cd ${repository@Q} || return; limit=$limit"
        [[ $accel != tcg ]] || echo "export BPFPORT_FRAMES=100000 BPFPORT_SOAK=0"
        for name in "${!BPFPORT_@}"; do
            echo "export $name=${!name@Q}"
        done
        (($3 == 1)) || echo "export GTEST_SHARD_INDEX=$(($2 - 1)) GTEST_TOTAL_SHARDS=$3"
        [[ -z $command ]] || echo "program command 0 sh -c ${command@Q}"
        for test in "${tests[@]}"; do
            echo "program ${test##*/} $((--following)) ${test@Q} ${arguments[*]@Q}"
        done
    } >"$root/job/script"
    (cd "$root" && find . | busybox cpio -o -H newc 2>/dev/null) >"$4"
}

# awaited PIDFILE: stdin as it comes, but a guest that is silent for too long after it was switched on is switched off: a
# kernel may hang at boot under TCG when the host is busy, and boots when tried again.
awaited() {
    local first
    if IFS= read -r -t "$boot" first; then
        printf '%s\n' "$first"
        cat
    else
        kill "$(cat "$1" 2>/dev/null)" 2>/dev/null || true
    fi
}

boot=300

# guest NAME IMAGE CGROUP NUMBER LOGS: boots it, shows what it prints unless $quiet, leaves console.log and output.log in
# LOGS.
guest() {
    local name=$1 own=$work/$4 logs=$5 said try status
    mkdir -p "$logs" && : >"$logs/console.log"
    job "$3" "$(((shard - 1) * guests + $4))" "$((shards * guests))" "$own.job"
    cat "$work"/{base,modules} "$own.job" >"$own.initrd"
    # The marks are for results.awk. One may follow on a line that a program left unfinished.
    said="/^$token (end|done)/d; s/$token (end|done).*//"
    if [[ -n $command ]]; then said+="; /$token begin/d"; else said+="; s/$token begin (.*)/vmtests: $name: \\1/"; fi
    ((guests == 1)) || said+="; s/^/$4: /"
    for try in once twice; do
        status=0
        virtual_machine "$architecture" "$accel" $((limit + boot)) "$2" "$own.initrd" "$logs/console.log" "$own.qemu" |
            awaited "$own.qemu" | tee "$logs/output.log" | if [[ -z $quiet ]]; then sed -uE "$said"; else cat >/dev/null; fi ||
            status=$?
        [[ ! -s $logs/output.log ]] || break
        say "$name: switched on $try without a word from it; the end of its console: $(tail -n 1 "$logs/console.log")"
    done
    ((status == 0)) || say "$name: QEMU ended with status $status"
}

# complaints NAME LOGS: prints what the kernel's console holds of splats.txt; fails if it does.
complaints() {
    local splats
    splats=$(grep -aE -f <(grep -v '^#' "$vmtests/splats.txt") "$2/console.log") || return 0
    say "$1: the kernel complained:"
    echo "$splats" >&2
    return 1
}

# judge NAME LOGS: adds to $passed, $failed and $skipped what a guest's programs said, and says what went wrong.
judge() {
    local result counts problem
    [[ -z $quiet ]] || awk -v token="$token" -f "$vmtests/report.awk" "$2/output.log"
    mapfile -t result < <(awk -v token="$token" -f "$vmtests/results.awk" "$2/output.log")
    read -r -a counts <<<"${result[0]}"
    passed=$((passed + counts[0])) failed=$((failed + counts[1])) skipped=$((skipped + counts[2]))
    for problem in "${result[@]:1}"; do
        say "$1: $problem"
    done
    complaints "$1" "$2" || failed=$((failed + 1))
    if ((${#result[@]} > 1)); then
        say "$1: the end of its console:"
        tail -n 20 "$2/console.log" >&2
    fi
}
