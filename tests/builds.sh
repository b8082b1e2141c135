#!/usr/bin/env bash
# Compiles everything with each compiler that is here, as each kind of build: one line for each, with the warnings and the
# CPU time. Without arguments g++, g++-14 and clang++-19, each as Release, RelWithDebInfo and Debug:
#
#   tests/builds.sh [COMPILER...]
#
# A compiler that this release lacks: tests/releases.sh --builds takes that of another. BPFPORT_TARGETS (words) names targets,
# else all are built. Logs and programs stay in build/matrix/. Exit status 1 when a build fails or warns, which is shown, 77
# when there is no compiler.
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
    name="$compiler $("$compiler" -dumpversion)"
    for type in Release RelWithDebInfo Debug; do
        build=build/matrix/$compiler-$type
        mkdir -p "$build"
        result=ok
        { time {
            cmake -G Ninja -B "$build" -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_BUILD_TYPE="$type" &&
                cmake --build "$build" --target "${targets[@]}" -- -k 0
        } >"$build/log" 2>&1 || result=failed; } 2>"$build/time"
        warnings=$(grep -c 'warning: ' "$build/log" || true)
        printf '%-17s %-15s %s, %d warnings, %.0f s of CPU\n' "$name" "$type" "$result" "$warnings" \
            "$(awk '{ print $1 + $2 }' "$build/time")"
        [[ $result == ok && $warnings == 0 ]] || {
            status=1
            grep -m 20 -E '(warning|error): ' "$build/log" || tail -n 20 "$build/log"
        }
    done
done
exit "$status"
