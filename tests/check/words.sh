#!/usr/bin/env bash
# The words of words.txt must not occur in documents, nor in the comments and strings of sources: exit 1 with each place
# and what to write. Of user/ the layers that are listed below.
set -euo pipefail
cd "$(dirname "$0")/../.."

documents=(README.md CONTRIBUTING.md CHANGELOG.md docs packaging vmtests/README.md tests/README.md)
sources=(user/{base,rule,kernel,firewall,trace,doctor} tests bench)
failed=0
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
    )
    [[ $found ]] || continue
    failed=1
    printf '%s\n' "$found" | sed "s|^|${pattern//|/\\|} (write: $instead): |"
done <tests/check/words.txt
exit "$failed"
