# shellcheck shell=bash
# shellcheck disable=SC2154 # $boot is set by what has this
# What the host's scripts share.

# uptime, in milliseconds: what systemd's timestamps count as well, in microseconds.
uptime_ms() {
    local now
    read -r now _ </proc/uptime
    echo "${now/./}0"
}

# ask PORT: whether the server answers there; of the interface that has the address, or of lo.
ask() {
    local line
    { exec {wire}<>"/dev/tcp/10.0.2.15/$1"; } 2>/dev/null || return 1
    printf 'GET / HTTP/1.0\r\n\r\n' >&"$wire"
    IFS= read -r -t 3 line <&"$wire" || line=
    exec {wire}>&-
    [[ $line == "HTTP/1."*" 200 OK"* ]]
}

# within MILLISECONDS COMMAND…: repeats it until it succeeds; how long that took.
within() {
    local start now
    start=$(uptime_ms)
    until "${@:2}"; do
        now=$(uptime_ms)
        ((now - start < $1)) || return 1
        sleep 0.02
    done
    echo $(($(uptime_ms) - start))
}

tell() { echo "boot $boot: $*"; }
wrongs=0
wrong() {
    wrongs=$((wrongs + 1))
    echo "FAILED: boot $boot: $*"
}

# expect WHAT COMMAND…
expect() { if "${@:2}"; then tell "$1"; else wrong "$1: $(systemctl --failed --no-legend | tr '\n' ' ')"; fi }

property() { systemctl show -P "$2" "$1"; }

active() { # UNIT…
    local unit
    for unit in "$@"; do
        [[ $(property "$unit" ActiveState) == active ]] || return 1
        tell "$unit: $(property "$unit" ActiveState) ($(property "$unit" SubState)), result $(property "$unit" Result)"
    done
}

guarded_from_others() { ! setpriv --reuid=65534 --regid=65534 --clear-groups busybox nc -l -p 3000 </dev/null 2>/dev/null; }

exposure() {
    local unit
    for unit in bpfport-apply bpfport bpfport-exporter; do
        tell "systemd-analyze security: $(systemd-analyze security --no-pager "$unit.service" | tail -n 1)"
    done
}
