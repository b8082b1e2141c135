#!/usr/bin/env bash
# How long commands take, and how much memory the rule table, with many rules: 1, 1,000, then 10,000 more at a time, all on one
# port, each for an address of its own. In a network namespace of its own. Prints one line a command, in milliseconds.
#
#   bench/rules.sh [RULES]     default 60,000; needs root, python3 and bpftool
set -euo pipefail
cd "$(dirname "$0")/.."
bpfport=${BPFPORT:-$PWD/build/release/user/bpfport} most=${1:-60000}
for program in "$bpfport" python3 bpftool; do
    command -v "$program" >/dev/null || { echo "rules: skipped: no $program" && exit 77; }
done
netns=bpfport-bench-$$ state=/sys/fs/bpf/bpfport-bench-$$
tool=("$bpfport" --state "$state" --netns "$netns")
cleanup() {
    "${tool[@]}" detach --all >/dev/null 2>&1 || true
    ip netns del "$netns" || true
    rmdir "$state" 2>/dev/null || true
}
trap cleanup EXIT
ip netns add "$netns"
ip link add eth0 netns "$netns" type veth peer name peer0 netns "$netns"
ip -n "$netns" link set eth0 up

# Rules COUNT FIRST: for addresses from the FIRST one of 10.0.0.0/8 on.
rules() {
    python3 -c 'import sys
count, first = int(sys.argv[1]), int(sys.argv[2])
print(" ".join(f"10.{i >> 16}.{(i >> 8) & 255}.{i & 255}:80:{3000 + i % 20000}" for i in range(first, first + count)))' "$@"
}
timed() {
    local begin=$EPOCHREALTIME
    "${tool[@]}" "${@:2}" >/dev/null 2>&1
    printf '%8d ms  %s\n' "$(((${EPOCHREALTIME/./} - ${begin/./}) / 1000))" "$1"
}
memory() {
    local map sum=0 bytes
    for map in "$state"/netns-*/{table,rules,spans,counters*}; do
        bytes=$(bpftool map show pinned "$map" | grep -o 'memlock [0-9]*')
        sum=$((sum + ${bytes#memlock }))
    done
    printf '%8d kB  table, rules, spans and counters (%d CPUs)\n' $((sum / 1000)) "$(nproc)"
}

timed "attach: the first rule" attach eth0 81:3000
memory
mapfile -d ' ' -t words < <(rules 1000 0)
timed "attach: 1,000 more" attach eth0 "${words[@]%$'\n'}"
memory
for ((there = 1000; there < most; there += 10000)); do
    mapfile -d ' ' -t words < <(rules 10000 "$there")
    timed "attach: 10,000 more on $there" attach eth0 "${words[@]%$'\n'}"
done
timed "attach: one more" attach eth0 82:3000
timed "status" status
timed "metrics" metrics
timed "detach: one" detach eth0 82:3000
memory
timed "detach: all" detach --all
