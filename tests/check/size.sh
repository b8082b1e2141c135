#!/usr/bin/env bash
# usage: tests/check/size.sh [ROOT]
# No source file has more than 300 lines: past that it is two.
set -euo pipefail
cd "${1:-$(dirname "$0")/../..}"

most=300
status=0
while read -r lines file; do
    ((lines > most)) || continue
    echo "$file: $lines lines, more than $most" >&2
    status=1
done < <(find user bpf include tests bench -name vmlinux.h -prune -o \( -name '*.[ch]pp' -o -name '*.[ch]' \) \
    -exec wc -l {} + | grep -v ' total$')
exit $status
