#!/usr/bin/env bash
# Each check of this folder that takes a ROOT fails on a tree with one breach, and passes without it.
set -euo pipefail
cd "$(dirname "$0")"

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{docs,user/base,user/state,bpf,include,tests,bench}
echo 'Layers: `base -> state`.' >"$root/docs/architecture.md"
echo '#include "base/error.hpp"' >"$root/user/state/store.hpp"
echo '#include "bpfport/table.h"' >"$root/user/base/error.hpp"

status=0
passes() { ./"$1" "$root" || { echo "$1 fails without a breach" >&2; status=1; }; }
fails() { # CHECK WORDS
    local said
    if said=$(./"$1" "$root" 2>&1); then
        echo "$1 does not see: $2" >&2
        status=1
    elif [[ $said != *"$2"* ]]; then
        echo "$1 says \"$said\" instead of: $2" >&2
        status=1
    fi
}

passes engines.sh
passes layers.sh
passes size.sh
echo '#include "state/store.hpp"' >"$root/user/base/text.cpp"
fails layers.sh 'user/base/text.cpp:1: base comes before state'
rm "$root/user/base/text.cpp"
mkdir "$root/user/other"
fails layers.sh 'user/other is no layer'
rmdir "$root/user/other"
echo nothing >"$root/docs/architecture.md"
fails layers.sh 'no line of layers'
printf '//\n%.0s' {1..300} >"$root/bpf/long.bpf.c"
passes size.sh
echo '//' >>"$root/bpf/long.bpf.c"
fails size.sh 'bpf/long.bpf.c: 301 lines'
mkdir "$root"/user/engine
echo '    .id = BP_ENGINE_TC,' >"$root/user/engine/tc.cpp"
passes engines.sh
echo 'if (rule.engine == BP_ENGINE_TC) return;' >"$root/user/state/store.cpp"
fails engines.sh 'user/state/store.cpp:1:BP_ENGINE_TC'
exit $status
