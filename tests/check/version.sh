#!/usr/bin/env bash
# One version: CMakeLists.txt has it (project VERSION); --version and bpfport_build_info are compiled from it; the newest
# entry of CHANGELOG.md must be its own. With the directory of a build, `bpfport --version` is compared too.
#   tests/check/version.sh [BUILD]
set -euo pipefail
cd "$(dirname "$0")/../.."
version=$(sed -n 's/^project(bpfport VERSION \([0-9.]*\) .*/\1/p' CMakeLists.txt)
newest=$(sed -n 's/^## \([0-9][0-9.]*\).*/\1/p' CHANGELOG.md | head -1)
failed=0
[[ $newest == "$version" ]] || {
    echo "CMakeLists.txt has version '$version', the newest entry of CHANGELOG.md is '$newest'"
    failed=1
}
if [[ ${1:-} && -x $1/user/bpfport ]]; then
    printed=$("$1/user/bpfport" --version)
    [[ $printed == "$version" ]] || {
        echo "CMakeLists.txt has version '$version', bpfport --version prints '$printed'"
        failed=1
    }
fi
exit "$failed"
