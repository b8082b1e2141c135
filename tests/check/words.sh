#!/usr/bin/env bash
# The words of words.txt must not occur in documents, nor in the comments and strings of sources: exit 1 with each place
# and what to write. Of user/ the layers that are listed below. In bpf/ and include/ they must not occur at all, nor those
# of bpf_words.txt.
set -euo pipefail
cd "$(dirname "$0")/../.."

documents=(README.md CONTRIBUTING.md CHANGELOG.md docs packaging vmtests/README.md tests/README.md)
sources=(user/{base,rule,kernel,firewall,trace,doctor,config} tests bench)
programs=(bpf include)
failed=0
report() { # PATTERN INSTEAD PLACES
    [[ $3 ]] || return 0
    failed=1
    printf '%s\n' "$3" | sed "s|^|${1//|/\\|} (write: $2): |"
}
in_programs() { # PATTERN
    grep --recursive --line-number --ignore-case --perl-regexp "\b($1)\b" \
        --include='*.c' --include='*.h' "${programs[@]}" || true
}

while IFS=$'\t' read -r pattern instead; do
    [[ $pattern && $pattern != \#* ]] || continue
    found=$(
        grep --recursive --line-number --ignore-case --perl-regexp "\b($pattern)\b" \
            --include='*.md' --include='*.yml' --include='*.json' "${documents[@]}" || true
        # Behind // or in a string; an include names a file.
        grep --recursive --line-number --ignore-case --perl-regexp "(//|\"[^\"]*).*\b($pattern)\b" \
            --include='*.cpp' --include='*.hpp' "${sources[@]}" | grep --invert-match '[0-9]:#include' || true
        grep --recursive --line-number --ignore-case --perl-regexp "^ *# .*\b($pattern)\b" \
            --include='*.sh' --include='*.bash' --exclude-dir=check bootstrap.sh "${sources[@]}" vmtests || true
        in_programs "$pattern"
    )
    report "$pattern" "$instead" "$found"
done <tests/check/words.txt
while IFS=$'\t' read -r pattern instead; do
    [[ $pattern && $pattern != \#* ]] || continue
    report "$pattern" "$instead" "$(in_programs "$pattern")"
done <tests/check/bpf_words.txt
exit "$failed"
