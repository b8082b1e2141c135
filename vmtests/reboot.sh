#!/usr/bin/env bash
# The package on a host with systemd, in a guest that is switched on three times: with bpfport-apply.service enabled, with
# bpfport.service, with both. Each time port 80 is answered before a user could log in.
#
#     vmtests/reboot.sh [BUILD [RELEASE]]     default: build/release bookworm
#
# A unit that is started again under serve may bind its port within a second; under TCG, where all takes many times as long,
# within ten. The disk is disk.sh's, what the guest does and tells vmtests/host/'s. BPFPORT_SERVE_ROUNDS: how often a unit is restarted under
# serve (20). Output and console are left in build/vmtests/reboot-RELEASE/. Exit status 77: can't be run here.
set -euo pipefail
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/lib.bash"
. "$vmtests/vm.bash"
. "$vmtests/guard.bash"

# A client outside: what the guest's port 80 is here, asked until it answers; then the console's prompt is waited for.
client() { # CONSOLE
    local begin=$EPOCHREALTIME answered prompt
    until [[ $(curl -s --max-time 1 http://127.0.0.1:8080/) == reached ]]; do
        sleep 0.1
    done
    answered=$EPOCHREALTIME
    ! grep -q 'login:' "$1" || echo "FAILED: a client outside was answered after the console asked for a name"
    until grep -q 'login:' "$1"; do
        sleep 0.1
    done
    prompt=$EPOCHREALTIME
    awk -v b="$begin" -v a="$answered" -v p="$prompt" \
        'BEGIN { printf "a client outside is answered after %.1f s, the console asks for a name after %.1f s\n", a - b, p - b }'
}

# In a network namespace of its own, where the guest's port has a number of its own.
boots() { # ACCEL ROUNDS DIRECTORY LOGS
    local boot patience=1000
    [[ $1 != tcg ]] || patience=10000
    ip link set lo up
    for boot in 1 2 3; do
        : >"$4/console.$boot"
        client "$4/console.$boot" &
        machine amd64 "$1" 900 "$4/console.$boot" "$3/pid" \
            "root=/dev/vda rw host.rounds=$2 host.patience=$patience" \
            -kernel "$3/vmlinuz" -initrd "$3/initrd" -drive "file=$3/disk,format=raw,if=virtio,cache=unsafe" \
            -nic user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:8080-:80 || echo "FAILED: QEMU ended with status $?"
        kill $! 2>/dev/null || true
        wait
    done
}

if [[ ${1:-} == --boots ]]; then
    boots "${@:2}"
    exit
fi

build=${1:-$repository/build/release} release=${2:-bookworm}
logs=$repository/build/vmtests/reboot-$release
command -v "$(emulator amd64)" >/dev/null || {
    echo "reboot: skipped: needs $(emulator amd64)"
    exit 77
}

all() {
    local status=0
    "$vmtests/disk.sh" "$build" "$release" "$TMPDIR" || exit
    echo "reboot: $release: the disk is made, $SECONDS s"
    rm -rf "$logs" && mkdir -p "$logs"
    unshare -n bash "$0" --boots "$(accelerator amd64 "$TMPDIR/vmlinuz")" "${BPFPORT_SERVE_ROUNDS:-20}" "$TMPDIR" "$logs" |
        tee "$logs/output" | grep --line-buffered -v '^|' || true
    [[ $(grep -c '^boot [123]: end' "$logs/output") == 3 ]] || status=1
    ! grep -q '^FAILED' "$logs/output" || status=1
    ! grep -aEh -f <(grep -v '^#' "$vmtests/splats.txt") "$logs"/console.* || status=1
    ((status == 0)) && echo "reboot: $release: ok, $SECONDS s" || echo "reboot: $release: FAILED, see ${logs#"$repository"/}/"
    exit "$status"
}

guarded all; exit
