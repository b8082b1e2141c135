#!/usr/bin/env bash
# Is every C and C++ file written as .clang-format says? One clang-format, 14, since each version breaks lines differently.
#   tests/check/format.sh           say what differs (exit 1; 77 where clang-format 14 is missing)
#   tests/check/format.sh --write   put it right
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! command -v clang-format-14 >/dev/null; then
    echo "skipped: clang-format-14 is not here (Debian 12's package clang-format-14)"
    exit 77
fi

mapfile -t files < <(find bench bpf include tests user vmtests -name '*.cpp' -o -name '*.hpp' -o -name '*.c' -o -name '*.h' | sort)
failed=0

# BPF C outside bpf/ is written as if it lay there.
for file in "${files[@]}"; do
    [[ $file == *.bpf.c && $file != bpf/* ]] || continue
    formatted=$(clang-format-14 --assume-filename="bpf/${file##*/}" <"$file"; echo .)
    formatted=${formatted%.}
    if [[ ${1:-} == --write ]]; then
        printf %s "$formatted" >"$file"
    else
        diff --unified=0 --label "$file" --label "$file, formatted" "$file" - <<<"${formatted%$'\n'}" || failed=1
    fi
done

mapfile -t others < <(printf '%s\n' "${files[@]}" | grep --invert-match --extended-regexp '^(bench|tests)/.*\.bpf\.c$')
if [[ ${1:-} == --write ]]; then
    clang-format-14 -i "${others[@]}"
else
    clang-format-14 --dry-run --Werror "${others[@]}" || failed=1
fi
((failed == 0)) || echo "put right by: tests/check/format.sh --write"
exit "$failed"
