#!/usr/bin/env bash
# clang-tidy over user/ with the checks of .clang-tidy: tests/tidy.sh [FILE...]; default: every source file. Exit
# status 1 if it finds anything, 77 without clang-tidy-19. Each finding is printed once, whichever files include it.
# Passed over: std::stable_sort of libstdc++ 12, which is deprecated to clang's eyes, and headers that bpftool writes.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v clang-tidy-19 >/dev/null || {
    echo "tidy: no clang-tidy-19 (Debian: clang-tidy-19)"
    exit 77
}
# clang can't read the headers that gcc precompiles.
cmake --preset release -B build/tidy -DBPFPORT_PRECOMPILE=OFF >/dev/null
# Headers that the build makes: the programs' skeletons.
mapfile -t skeletons < <(ninja -C build/tidy -t targets all | sed -n "s|^\(bpf/bpf_[a-z0-9_]*_skeleton\): phony\$|\1|p")
cmake --build build/tidy --target "${skeletons[@]}" >/dev/null
files=("$@")
((${#files[@]})) || mapfile -t files < <(find user -name '*.cpp' | sort)
printf '%s\n' "${files[@]}" |
    xargs -P "$(nproc)" -n 4 clang-tidy-19 -p build/tidy --quiet --extra-arg=-Wno-deprecated-declarations \
        --extra-arg=-Wno-nested-anon-types 2>/dev/null >build/tidy/log || true
sort -u <(grep -E '^[^ ].*: (warning|error): ' build/tidy/log | grep -v '\.skel\.h:' | sed "s|^$PWD/||") | tee build/tidy/found
echo "tidy: ${#files[@]} files, $(wc -l <build/tidy/found) findings"
[[ ! -s build/tidy/found ]]
