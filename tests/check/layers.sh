#!/usr/bin/env bash
# usage: tests/check/layers.sh [ROOT]
# The layers of user/, each of which includes only itself and those before it. Their order is the line of
# docs/architecture.md that has them with arrows between.
set -euo pipefail
cd "${1:-$(dirname "$0")/../..}"

line=$(grep -oE '`[a-z]+( -> [a-z]+)+`' docs/architecture.md | head -1 || true)
[[ $line ]] || { echo "docs/architecture.md has no line of layers: \`base -> ...\`" >&2; exit 1; }
declare -A place
n=0
for layer in $(tr -d '`>-' <<<"$line"); do place[$layer]=$((++n)); done

status=0
fail() { echo "$1" >&2; status=1; }
for directory in user/*/; do
    layer=$(basename "$directory")
    [[ ${place[$layer]:-} ]] || fail "user/$layer is no layer of docs/architecture.md: $line"
done
while IFS=: read -r file number text; do
    own=$(cut -d/ -f2 <<<"$file")
    [[ $text =~ \"([a-z]+)/ ]] || continue
    other=${BASH_REMATCH[1]}
    [[ $other == bpfport ]] && continue # include/bpfport, shared with the programs
    if [[ ! ${place[$other]:-} ]]; then
        fail "$file:$number: $other is no layer"
    elif ((${place[$other]} > ${place[$own]:-0})); then
        fail "$file:$number: $own comes before $other and can't include it"
    fi
done < <(grep -rnE '^#include "' user/*/ --include='*.hpp' --include='*.cpp')
exit $status
