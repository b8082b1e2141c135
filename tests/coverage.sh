#!/usr/bin/env bash
# Which lines of user/ the tests reach: builds with gcc's --coverage, ASan and UBSan (preset coverage), runs the unit
# tests, and prints the lines reached by directory and in all.
#
#   tests/coverage.sh           unit tests
#   tests/coverage.sh net       unit and net tests (root, some minutes)
#
# gcovr (Debian: gcovr) reads the counts; build/coverage/lines.csv has the figures of each file. Exit status: that of the
# tests, which run under the sanitizers here; 77 without gcovr.
set -euo pipefail
cd "$(dirname "$0")/.."

build=build/coverage
command -v gcovr >/dev/null || {
    echo "coverage: no gcovr (Debian: gcovr)"
    exit 77
}

tests=(unit)
[[ ${1:-} != net ]] || tests+=(net)
cmake --preset coverage >/dev/null
cmake --build --preset coverage --target "${tests[@]/%/_tests}"
find "$build" -name '*.gcda' -delete

status=0
for name in "${tests[@]}"; do
    "$build/tests/${name}_tests" --gtest_brief=1 || status=$?
done

gcovr --root . --object-directory "$build" --filter user/ --csv "$build/lines.csv" "$build" >/dev/null
echo
echo "lines of user/ reached by ${tests[*]} tests"
awk -F, 'NR > 1 {
    split($1, part, "/")
    name = part[3] == "" ? part[2] : part[2] "/"
    all[name] += $2; hit[name] += $3; sum += $2; reached += $3
}
END {
    for (name in all) printf "%-14s %6d of %6d  %5.1f %%\n", name, hit[name], all[name], 100 * hit[name] / all[name] | "sort"
    close("sort")
    printf "%-14s %6d of %6d  %5.1f %%\n", "user/", reached, sum, 100 * reached / sum
}' "$build/lines.csv"
exit "$status"
