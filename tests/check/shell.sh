#!/usr/bin/env bash
# Runs shellcheck (of the Debian package shellcheck) over every script: exit 1 for warnings and errors, 77 without it.
set -euo pipefail
cd "$(dirname "$0")/../.."

if ! command -v shellcheck >/dev/null; then
    echo "skipped: shellcheck is not installed (Debian's package shellcheck)"
    exit 77
fi

mapfile -t scripts < <(grep -lsE '^#!.*\b(ba)?sh\b' bootstrap.sh .ci/* bench/* tests/* tests/*/* vmtests/* packaging/debian/* | sort)
shellcheck --external-sources --source-path=SCRIPTDIR --severity=warning "${scripts[@]}"
