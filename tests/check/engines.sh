#!/usr/bin/env bash
# usage: tests/check/engines.sh [ROOT]
# Only an engine's own files name it. Elsewhere, what is said of an engine comes from its row in the registry
# (user/engine/registry.hpp), so that one more needs no change there.
set -euo pipefail
cd "${1:-$(dirname "$0")/../..}"

own='user/engine/(tc|xdp|cgroup|sklookup|sklookup_engine|sockname)\.cpp'
found=$(grep -rnoE 'BP_ENGINE_[A-Z]+' user --include='*.[ch]pp' | grep -vE "^$own:" || true)
[[ $found ]] || exit 0
sed 's/$/ is not for files outside of the engine; user\/engine\/registry.hpp has what is said of it/' <<<"$found" >&2
exit 1
