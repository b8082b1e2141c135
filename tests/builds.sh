#!/usr/bin/env bash
# Compiles everything with each compiler that is here, as each kind of build: one line for each, with the warnings and the
# CPU time. Without arguments g++, g++-14 and clang++-19, each as Release, RelWithDebInfo and Debug:
#
#   tests/builds.sh [COMPILER...]
#
# BPFPORT_TARGETS (words) names targets, else all are built. Logs and programs stay in build/matrix/. Exit status 1 when a
# build fails or warns, 77 when there is no compiler.
set -euo pipefail
cd "$(dirname "$0")/.."

compilers=("$@")
(($#)) || compilers=(g++ g++-14 clang++-19)
read -ra targets <<<"${BPFPORT_TARGETS:-all}"
status=77
TIMEFORMAT='%U %S'
for compiler in "${compilers[@]}"; do
    command -v "$compiler" >/dev/null || {
        echo "$compiler: not here"
        continue
    }
    ((status != 77)) || status=0
    for type in Release RelWithDebInfo Debug; do
        build=build/matrix/$compiler-$type
        mkdir -p "$build"
        result=ok
        { time {
            cmake -G Ninja -B "$build" -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_BUILD_TYPE="$type" &&
                cmake --build "$build" --target "${targets[@]}" -- -k 0
        } >"$build/log" 2>&1 || result=failed; } 2>"$build/time"
        warnings=$(grep -c 'warning: ' "$build/log" || true)
        [[ $result == ok && $warnings == 0 ]] || status=1
        printf '%-12s %-15s %s, %d warnings, %.0f s of CPU\n' "$compiler" "$type" "$result" "$warnings" \
            "$(awk '{ print $1 + $2 }' "$build/time")"
    done
done
exit "$status"
