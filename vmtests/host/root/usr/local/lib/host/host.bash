# shellcheck shell=bash
# What the guest's scripts share.

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
