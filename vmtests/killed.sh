#!/usr/bin/env bash
# Ends run.sh by each signal and at several moments, and looks for what it leaves: no process, no temporary file. QEMU is a
# script here that ignores all but SIGKILL, so no kernel is needed and it takes a minute.
set -euo pipefail
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
own=$(mktemp -d "${TMPDIR:-/tmp}/vmtests-killed.XXXXXX")
trap 'rm -rf "$own"' EXIT

if ! command -v busybox >/dev/null; then
    echo "[  SKIPPED ] needs busybox"
    exit 77
fi
mkdir "$own"/{bin,build,tmp}
: >"$own/kernel"
cat >"$own/bin/qemu-system-x86_64" <<QEMU
#!/bin/sh
trap '' TERM INT HUP
touch "$own/booted"
while sleep 1; do :; done
QEMU
chmod +x "$own/bin/qemu-system-x86_64"

# What it left: processes, known by their environment, and files.
left() {
    grep -lsF "TMPDIR=$own/tmp" /proc/[0-9]*/environ || true
    ls -A "$own/tmp"
}

# attempt SIGNAL MOMENT: seconds after its start, or when QEMU runs.
attempt() {
    local process tries remains
    rm -f "$own/booted"
    # A shell that was started in the background ignores SIGINT, one under nohup SIGHUP.
    TMPDIR=$own/tmp PATH=$own/bin:$PATH env --default-signal=TERM,INT,HUP "$here/run.sh" --kernel "$own/kernel" \
        --build "$own/build" --accel tcg --command true >"$own/said" 2>&1 &
    process=$!
    if [[ $2 == booted ]]; then
        for ((tries = 0; tries < 600; tries++)); do
            [[ ! -e $own/booted ]] || break
            sleep 0.1
        done
    else
        sleep "$2"
    fi
    if ! kill -s "$1" "$process"; then
        echo "$2, SIG$1: run.sh had ended: $(cat "$own/said")"
        failed=1
    fi
    # Again where it came before run.sh could receive it: what counts is that it ends, and what is left then.
    for ((tries = 0; tries < 300; tries++)); do
        kill -0 "$process" 2>/dev/null || break
        sleep 0.1
        ((tries % 50 != 49)) || kill -s "$1" "$process" 2>/dev/null || true
    done
    if kill -KILL "$process" 2>/dev/null; then
        echo "$2, SIG$1: run.sh did not end"
        failed=1
    fi
    wait "$process" 2>/dev/null || true
    for ((tries = 0; tries < 100; tries++)); do
        remains=$(left)
        [[ -n $remains ]] || break
        sleep 0.1
    done
    echo "$SECONDS s: $2, SIG$1: ${remains:-nothing} is left"
    [[ -z $remains ]] || failed=1
}

failed=0
for moment in 0.1 1 booted; do
    for signal in TERM INT HUP KILL; do
        attempt "$signal" "$moment"
    done
done
exit "$failed"
