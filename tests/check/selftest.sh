#!/usr/bin/env bash
# Do the checks of this folder find what they are for? Each must pass on a copy of the sources and fail on the same copy with
# one deliberate breach. A check that is skipped here (exit status 77) is said to be.
set -euo pipefail
cd "$(dirname "$0")/../.."
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
failed=0

fresh() {
    rm -rf "$copy/tree"
    mkdir "$copy/tree"
    tar --create --exclude=./build --exclude=./.git . | tar --extract --directory "$copy/tree"
}

# runs CHECK WANTED WHAT
runs() {
    local status=0
    "$copy/tree/tests/check/$1.sh" >"$copy/said" 2>&1 || status=$?
    if ((status == 77)); then
        echo "$1: not tested: $(head -1 "$copy/said")"
    elif ((status != $2)); then
        failed=1
        echo "$1: exit status $status and not $2: $3"
        sed 's/^/    /' "$copy/said" | head -20
    else
        echo "$1: ok: $3"
    fi
}

# breach CHECK FILE LINE: LINE is added to FILE, which may be a new one.
breach() {
    cp -p "$copy/tree/$2" "$copy/saved" 2>/dev/null || rm -f "$copy/saved"
    printf '%b\n' "$3" >>"$copy/tree/$2"
    runs "$1" 1 "$2: $3"
    if [[ -e $copy/saved ]]; then mv "$copy/saved" "$copy/tree/$2"; else rm "$copy/tree/$2"; fi
}

fresh
for check in tests/check/*.sh; do
    check=$(basename "$check" .sh)
    [[ $check == selftest ]] || runs "$check" 0 "the sources as they are"
done

breach format user/rule/rule.cpp 'int  badly(  );'
breach format tests/refused/refused.bpf.c 'int  badly(  );'
breach words README.md 'Nobody listens there.'
breach words docs/engines.md 'tc stands in for it.'
breach words user/rule/rule.cpp '// Whoever reads this.'
breach words user/kernel/bpf.cpp 'const char* text = "again and again";'
breach words tests/prog/shapes.hpp 'int x; // he is asked'
breach words tests/coverage.sh '# for somebody else'
breach words bpf/lib/rules.h '/* Nobody listens. */'
breach words bpf/lib/rules.h 'static int slot;'
breach words include/bpfport/table.h '/* of the neighbours */'
breach shell bench/trace_cost.sh 'if [ $x = ]; then echo; fi; cd /nowhere'
breach shell tests/new.sh '#!/bin/sh\nfoo=(1 2)'
breach paths docs/architecture.md 'See `user/rule/no_such.cpp`.'
breach paths docs/architecture.md 'See `tests/net/conformance/{tcp,no_such}.cpp`.'
breach paths README.md '[here](docs/no_such.md)'
breach paths docs/engines.md '[here](cgroup.md#no-such-heading)'
breach drawing docs/architecture.dot '// newer'
sed -i 's/^## [0-9.]*/## 99.0.0/' "$copy/tree/CHANGELOG.md"
runs version 1 "another version in CHANGELOG.md"
exit "$failed"
