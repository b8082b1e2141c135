#!/usr/bin/env bash
# Builds the fuzz targets (preset fuzz, clang-19) and runs each of them, two at a time:
#
#   tests/fuzz/run.sh [SECONDS [TARGET...]]     default: 60 seconds each, all targets
#
# Begins with the inputs of corpus/TARGET and with what earlier runs found. What is new goes to build/fuzz/new, an input
# that breaks something to build/fuzz/findings; nothing is written to the source tree. Exit status: 0, all went well;
# 1, something was found; 77, there is no clang-19.
#
# BPFPORT_FUZZ_SEED=N draws the same inputs each time: what is run for every change must judge the change, not luck.
set -euo pipefail
cd "$(dirname "$0")/../.."

seconds=${1:-60}
export ASAN_SYMBOLIZER_PATH=${ASAN_SYMBOLIZER_PATH:-$(command -v llvm-symbolizer || true)} # of the package llvm
(($# == 0)) || shift
here=tests/fuzz build=build/fuzz
command -v clang++-19 >/dev/null || {
    echo "fuzz: no clang++-19 (Debian: clang-19 libclang-rt-19-dev)"
    exit 77
}

cmake --preset fuzz >/dev/null
mkdir -p "$build/findings"
TMPDIR=$(mktemp -d /dev/shm/bpfport-fuzz-XXXXXX) # in memory
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
targets=("$@")
((${#targets[@]})) || mapfile -t targets < <(cd $here && grep -l '^void fuzz(Bytes' *.cpp | sed 's/\.cpp$//' | sort)
cmake --build "$build" >"$build/build.log" 2>&1 || {
    tail -n 40 "$build/build.log"
    exit 1
}

# corpus/NAME/*.hex are bytes in readable form: hex digits, and # up to the end of the line.
seed() { # TARGET DIRECTORY
    local file
    for file in "$here/corpus/$1"/*; do
        case $file in
        *.hex) perl -pe 's/#.*//; s/\s//g; $_ = pack "H*", $_' "$file" >"$2/$(basename "$file" .hex)" ;;
        *) cp "$file" "$2/" ;;
        esac
    done
}

run() { # TARGET; writes its line of the table to build/fuzz/NAME.result
    local name=$1 status=0 log=$build/$1.log word
    mkdir -p "$build/new/$name"
    rm -rf "$build/seeds/$name"
    mkdir -p "$build/seeds/$name"
    seed "$name" "$build/seeds/$name"
    # A frame may be as long as 64 KiB and a listing longer; what is found there is found in less.
    "$build/tests/fuzz/fuzz_$name" -seed="${BPFPORT_FUZZ_SEED:-0}" -max_total_time="$seconds" -max_len=4096 -timeout=20 -rss_limit_mb=2048 \
        -print_final_stats=1 -artifact_prefix="$build/findings/$name-" \
        "$build/new/$name" "$build/seeds/$name" >"$log" 2>&1 || status=$?
    if ((status == 0)); then word=ok; else word=FAILED; fi
    printf '%-10s %12s executions %7s edges  %s\n' "$name" \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
        "$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)" "$word" | tee "$build/$name.result"
    return "$status"
}

echo "fuzz: ${#targets[@]} targets, $seconds s each"
rm -f "$build"/*.result
for name in "${targets[@]}"; do
    while (($(jobs -pr | wc -l) >= 2)); do wait -n || true; done
    run "$name" &
done
wait
if grep -q 'FAILED$' "$build"/*.result; then
    for name in $(sed -n 's/ .*FAILED$//p' "$build"/*.result); do
        echo "== $name: $build/$name.log"
        grep -aE 'property does not hold|runtime error|ERROR: |SUMMARY|    #[0-9]+ .* /.*user/|Test unit written' "$build/$name.log" |
            head -20
    done
    exit 1
fi
