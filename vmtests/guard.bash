# shellcheck shell=bash
# A piece of work that leaves nothing behind, however it ends.

# From the first line on: bash lets a SIGINT pass that comes while it waits for a command, if nobody asked for it.
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# sweep DIRECTORY: ends the process group noted there, first asking, and removes the directory.
sweep() {
    local group tries
    if group=$(cat "$1/group" 2>/dev/null) && [[ -n $group ]]; then
        kill -TERM -- "-$group" 2>/dev/null
        for ((tries = 0; tries < 20; tries++)); do
            kill -0 -- "-$group" 2>/dev/null || break
            sleep 0.1
        done
        kill -KILL -- "-$group" 2>/dev/null
    fi
    rm -rf "$1"
}

# guarded COMMAND…: runs it in a process group of its own, with a TMPDIR of its own; its exit status is passed on. Both
# are gone when this returns or a signal ends this shell. If the shell is killed outright, as ctest does when the time is
# up, the same is seen to by a process that is in nobody's group and nobody's child, and waits for a pipe's end.
guarded() {
    local life group status=0
    # Its name is known to those who remove it before it is made.
    export TMPDIR=${TMPDIR:-/tmp}/vmtests.$$.$RANDOM$RANDOM
    # shellcheck disable=SC2064 # this directory
    trap "set +e; sweep ${TMPDIR@Q}" EXIT
    exec {life}> >(
        set -m
        { trap '' HUP INT TERM && { read -r || true; } && set +e && sweep "$TMPDIR"; } <&0 >/dev/null 2>&1 &
    )
    mkdir -m 700 "$TMPDIR"
    set -m
    { echo "$BASHPID" >"$TMPDIR/group" && "$@"; } </dev/null {life}>&- &
    group=$!
    set +m
    wait "$group" || status=$?
    return "$status"
}
