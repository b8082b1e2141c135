#!/usr/bin/env bash
# usage: tests/bench.sh BUILD
# bench/run in short: what it writes has the shape that bench/compare and the plots read, figures are there and plausible, and
# a run that is killed leaves no process, no cgroup and no program of bpfport.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(readlink -f "$1") out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

status=0
bench/run --build "$build" --only tc --figures connections,programs --rounds 1 --seed 1 --out "$out" >"$out/log" 2>&1 || status=$?
((status == 0)) || { cat "$out/log"; exit $status; }
python3 - "$out/results.json" <<'END'
import json, sys

document = json.load(open(sys.argv[1]))
assert document["format"] == 1 and document["failures"] == [], document["failures"]
assert {"cpu", "cpus", "kernel", "commit", "date", "load"} <= document["machine"].keys()
values = document["values"]
for contender in ("direct", "tc"):
    (rate,) = values["connections"][contender]
    assert rate > 0, values["connections"]
for program in ("bp_tc_in", "bp_tc_out"):
    (runs,) = values[f"programs_runs:{program}"]["tc"]
    assert 3 < runs < 10, f"{runs} runs of {program} for a connection"
(runs,) = values["programs_runs:empty_tc"]["empty"]
assert 6 < runs < 20, f"{runs} runs of an empty program for a connection"
(total,), (net,) = values["programs_ns"]["tc"], values["programs_net"]["tc"]
assert 0 < net < total, f"{net} of {total} ns"
assert set(document["figures"]) <= set(values)
END
grep -q '^| new connections, one request each (connections, of direct) | [0-9.]* |' "$out/results.md" || { cat "$out/results.md"; exit 1; }
grep -q '<svg' "$out/connections.svg"
bench/compare "$out" "$out" | tail -1 | grep -q 'figures within noise$'

# Killed while programs are attached: in the first seconds, and its parent, which can't clean up then.
bench/run --build "$build" --only grant --figures programs --rounds 9 --out "$out" >/dev/null 2>&1 &
run=$!
groups() { find /sys/fs/cgroup -maxdepth 2 -name "bpfport-bench-$run*" 2>/dev/null; }
descendants() { pgrep -f -- "--out $out" || true; }
for ((tries = 0; tries < 100; tries++)); do
    [[ -z $(groups) ]] || break
    sleep 0.05
done
[[ $(groups) ]] || { echo "no cgroup of the run"; exit 1; }
kill -KILL $run
wait $run 2>/dev/null || true
for ((tries = 0; tries < 100; tries++)); do
    [[ $(groups)$(descendants) ]] || break
    sleep 0.1
done
[[ -z $(groups) ]] || { echo "left: $(groups)"; exit 1; }
[[ -z $(descendants) ]] || { echo "left: $(descendants)"; exit 1; }
