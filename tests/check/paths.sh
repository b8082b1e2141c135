#!/usr/bin/env bash
# Does every file that a document names exist, and every heading that a document's link points to? Files are named in
# `backticks` from the top of the repository (user/rule/rule.cpp, tests/net/conformance/{tcp,udp}.cpp) or by links.
# Exit status 1 with each that is missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
failed=0
missing() {
    failed=1
    echo "$1: $2 does not exist"
}

mapfile -t documents < <(find . -name '*.md' -not -path './build/*' -not -path './.git/*' | sort)
for document in "${documents[@]}"; do
    directory=$(dirname "$document")
    # The character set leaves nothing for eval to do but braces.
    while read -r name; do
        for path in $(eval "echo $name"); do
            compgen -G "$path" >/dev/null || missing "$document" "$path"
        done
    done < <(grep -oE '`(user|bpf|include|tests|vmtests|bench|docs|cmake|packaging)/[A-Za-z0-9_./{},*-]*`' "$document" | tr -d '`' | sort -u)

    while read -r link; do
        target=${link%%#*} heading=
        [[ $link != *'#'* ]] || heading=${link#*#}
        file=$document
        [[ -z $target ]] || file=$directory/$target
        [[ -e $file ]] || {
            missing "$document" "$target"
            continue
        }
        [[ -z $heading ]] || grep -E '^#+ ' "$file" | sed -E 's/^#+ //' | tr '[:upper:]' '[:lower:]' |
            sed -E 's/[^a-z0-9 _-]//g; s/ /-/g' | grep -qxF -- "$heading" || missing "$document" "$link"
    done < <(grep -oE '\]\([^):]*\)' "$document" | sed -E 's/^\]\(//; s/\)$//' | sort -u)
done
exit "$failed"
